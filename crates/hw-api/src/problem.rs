//! Faults on the wire: RFC 9457 with a stable code, advice, and every finding at its place.

use std::fmt;

use hw_catalog::Finding;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A fault, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of fault; ends with its code.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The kind of fault in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// Stable code, `HW-T004`; `headwater explain CODE` tells more.
    pub code: String,
    /// The same fault in the words of a capability's own specification; often none.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The thing concerned: a job's URL, a request's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Whose fault: `input`, `data`, `external`, `platform`, `internal`, `cancelled`, `timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Every finding; none where `detail` says all.
    #[serde(default)]
    pub errors: Vec<ProblemError>,
}

/// One finding at its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemError {
    /// Stable code.
    pub code: String,
    /// The same in the words of a capability's own specification; often none.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Class within its capability.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What is wrong.
    pub message: String,
    /// JSON pointer to the faulty member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// 1-based line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// 1-based column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// 0-based byte offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<Finding> for ProblemError {
    fn from(finding: Finding) -> Self {
        let Finding {
            code,
            aliases,
            kind,
            message,
            pointer,
            line,
            column,
            offset,
            help,
        } = finding;
        Self {
            code,
            aliases,
            kind,
            message,
            pointer,
            line,
            column,
            offset,
            help,
        }
    }
}

impl Problem {
    /// A problem with this status, code and words.
    pub fn new(status: u16, code: impl Into<String>, title: impl Into<String>, detail: impl Into<String>) -> Self {
        let code = code.into();
        Self {
            problem_type: format!("urn:headwater:error:{code}"),
            title: title.into(),
            status,
            detail: detail.into(),
            code,
            aliases: Vec::new(),
            help: None,
            instance: None,
            class: None,
            errors: Vec::new(),
        }
    }

    /// The same problem, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same problem, with its findings.
    #[must_use]
    pub fn findings(mut self, findings: Vec<Finding>) -> Self {
        self.errors = findings.into_iter().map(ProblemError::from).collect();
        self
    }

    /// The exit code of a command that ends with this problem.
    pub fn exit_code(&self) -> ExitCode {
        match (self.class.as_deref(), self.status) {
            (Some("cancelled"), _) => ExitCode::Cancelled,
            (Some("timeout"), _) | (_, 408 | 504) => ExitCode::TimedOut,
            (_, 404) => ExitCode::NotFound,
            (_, 409 | 412) => ExitCode::Conflict,
            (Some("input"), _) => ExitCode::BadInput,
            (Some("data" | "platform" | "internal"), _) => ExitCode::Failed,
            (Some("external"), _) | (_, 401 | 403 | 502 | 503) => ExitCode::OutOfReach,
            (_, 400 | 405 | 406 | 413 | 415 | 422) => ExitCode::BadInput,
            _ => ExitCode::Failed,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// How a command ended, for shells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done.
    Done = 0,
    /// The work failed.
    Failed = 1,
    /// Bad usage.
    Usage = 2,
    /// Bad input, query or call document.
    BadInput = 3,
    /// Not found.
    NotFound = 4,
    /// Conflict.
    Conflict = 5,
    /// Store or server out of reach.
    OutOfReach = 6,
    /// Timed out.
    TimedOut = 7,
    /// Done, but partly.
    Partly = 8,
    /// Cancelled.
    Cancelled = 130,
}
