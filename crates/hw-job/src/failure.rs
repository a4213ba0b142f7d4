//! Why something failed, and so whether trying again can help.

use hw_catalog::Finding;
use serde::{Deserialize, Serialize};

/// Whose fault a failure is. Decides retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Bad parameters or a bad query. Never retried.
    Input,
    /// The data contradict the job. Never retried.
    Data,
    /// A source, object store or service. Retried with long back-off.
    External,
    /// Worker or node lost, eviction, the host out of memory. Retried, not counted, capped.
    Platform,
    /// Our bug or the routine's. Retried and counted.
    Internal,
    /// Cancelled on request. Never retried.
    Cancelled,
    /// Took longer than allowed. Never retried by itself.
    Timeout,
}

impl ErrorClass {
    /// The class in the words of the API, `platform`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Data => "data",
            Self::External => "external",
            Self::Platform => "platform",
            Self::Internal => "internal",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
        }
    }
}

/// How and why a task or job failed, in the form in which it is stored and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it is.
    pub class: ErrorClass,
    /// Stable code, `HW-J011`.
    pub code: String,
    /// What happened, naming the things concerned.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Every single fault, each at its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Failure {
    /// A failure without advice or findings.
    pub fn new(class: ErrorClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            help: None,
            findings: Vec::new(),
        }
    }

    /// The same failure, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
