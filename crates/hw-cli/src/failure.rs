//! How a verb ends other than well.
//!
//! Faults of the server arrive as [`Problem`]s and are passed on as they are; faults that arise on this side are
//! [`ClientError`]s and become problems with codes of their own (HW-C050 to HW-C069). Either may bring the text it speaks of.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hw_api::{ExitCode, Problem, ProblemError};

use crate::program::BoxError;
use crate::source::Source;

/// Why a verb stopped.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Something to tell the user.
    Failure(Box<Failure>),
    /// Nothing more to say: the reader of the output is gone (0), or the user asked for it (130).
    Quiet(ExitCode),
}

/// A fault, its exit code, and the text that it speaks of.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) problem: Box<Problem>,
    pub(crate) exit: ExitCode,
    /// What lines, columns and pointers of the findings refer to.
    pub(crate) source: Option<Arc<Source>>,
}

impl Failure {
    /// The same failure, whose findings are places in `source`.
    pub(crate) fn within(mut self, source: &Arc<Source>) -> Self {
        self.source.get_or_insert_with(|| Arc::clone(source));
        self
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            exit: problem.exit_code(),
            problem: Box::new(problem),
            source: None,
        }
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self::from(*problem)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let mut failure = Self::from(error.problem());
        failure.exit = error.exit_code();
        failure
    }
}

impl From<Failure> for Ending {
    fn from(failure: Failure) -> Self {
        Self::Failure(Box::new(failure))
    }
}

impl From<Problem> for Ending {
    fn from(problem: Problem) -> Self {
        Failure::from(problem).into()
    }
}

impl From<Box<Problem>> for Ending {
    fn from(problem: Box<Problem>) -> Self {
        Failure::from(problem).into()
    }
}

impl From<ClientError> for Ending {
    fn from(error: ClientError) -> Self {
        Failure::from(error).into()
    }
}

impl Ending {
    /// The same ending, whose findings are places in `source`.
    pub(crate) fn within(self, source: &Arc<Source>) -> Self {
        match self {
            Self::Failure(failure) => Self::Failure(Box::new(failure.within(source))),
            Self::Quiet(code) => Self::Quiet(code),
        }
    }

    /// What a failed write of data means: a closed pipe is no failure.
    pub(crate) fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Quiet(ExitCode::Done),
            _ => ClientError::Output {
                place: "standard output".to_owned(),
                reason: error.to_string(),
            }
            .into(),
        }
    }
}

/// Code of an answer that ended before its time.
pub(crate) const BROKEN_OFF: &str = "HW-C053";

/// Faults of this side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{reason}")]
    Usage { reason: String, help: Option<String> },
    #[error("`{url}` is no address of a server: {reason}")]
    ServerAddress { url: String, reason: &'static str },
    #[error("the server at {place} does not answer: {reason}")]
    OutOfReach { place: String, reason: String },
    #[error("the server answered with status {status} and no document of headwater")]
    Foreign { status: u16 },
    #[error("the answer is not what this program expects: {reason}")]
    Unreadable { reason: String },
    #[error("the answer broke off: {reason}")]
    BrokenOff { reason: String },
    #[error("{what} would be lost, and nobody can be asked here")]
    Unconfirmed { what: String },
    #[error("cannot read `{path}`: {reason}")]
    Input { path: PathBuf, reason: String },
    #[error("{name} is not JSON: {reason}")]
    NotJson {
        name: String,
        reason: String,
        line: usize,
        column: usize,
    },
    #[error("cannot write {place}: {reason}")]
    Output { place: String, reason: String },
    #[error("there is no error code `{code}`")]
    UnknownCode { code: String, near: Option<String> },
    #[error("there is no page `{page}`")]
    UnknownPage { page: String, near: Option<String> },
    #[error("no setting has `{key}` in its name")]
    UnknownSetting { key: String, near: Option<String> },
    #[error("{reason}")]
    Shell { reason: String, help: String },
    #[error("certificates for the connection cannot be used: {}", .faults.join("; "))]
    Certificates { faults: Vec<String> },
    #[error("`--set {}` can have no effect: {server} answers, with settings of its own", .keys.join("`, `--set "))]
    SettingsElsewhere { keys: Vec<String>, server: String },
    #[error("job {job} has not ended after {waited}")]
    StillRunning { job: String, waited: String },
}

impl ClientError {
    /// What a fault inside of a streamed body means.
    pub(crate) fn of_body(error: &BoxError) -> Self {
        Self::BrokenOff {
            reason: chain(error.as_ref()),
        }
    }

    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } | Self::ServerAddress { .. } | Self::Unconfirmed { .. } | Self::Shell { .. } => {
                ExitCode::Usage
            }
            Self::OutOfReach { .. } | Self::Foreign { .. } => ExitCode::OutOfReach,
            Self::Unreadable { .. } | Self::BrokenOff { .. } | Self::Output { .. } => ExitCode::Failed,
            Self::Input { .. } | Self::NotJson { .. } | Self::Certificates { .. } | Self::SettingsElsewhere { .. } => {
                ExitCode::BadInput
            }
            Self::UnknownCode { .. } | Self::UnknownPage { .. } | Self::UnknownSetting { .. } => ExitCode::NotFound,
            Self::StillRunning { .. } => ExitCode::TimedOut,
        }
    }

    fn problem(&self) -> Problem {
        let (status, code, title) = self.facts();
        let mut problem = Problem::new(status, code, title, self.to_string());
        problem.help = self.help();
        if let Self::NotJson {
            line, column, reason, ..
        } = self
        {
            problem.errors.push(ProblemError {
                code: code.to_owned(),
                aliases: Vec::new(),
                kind: String::new(),
                message: reason.clone(),
                pointer: None,
                line: Some(*line as u64),
                column: Some(*column as u64),
                offset: None,
                help: None,
            });
        }
        problem
    }

    /// Status, code, title.
    fn facts(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Usage { .. } => (400, "HW-C050", "the command line is not right"),
            Self::OutOfReach { .. } => (503, "HW-C051", "the server is out of reach"),
            Self::Foreign { .. } => (502, "HW-C052", "the answer does not come from headwater"),
            Self::BrokenOff { .. } => (502, BROKEN_OFF, "the answer broke off"),
            Self::Unconfirmed { .. } => (400, "HW-C054", "nobody can be asked"),
            Self::Input { .. } => (422, "HW-C055", "a file cannot be read"),
            Self::NotJson { .. } => (422, "HW-C056", "the text is not JSON"),
            Self::Output { .. } => (500, "HW-C057", "the answer cannot be written"),
            Self::UnknownCode { .. } => (404, "HW-C058", "no such error code"),
            Self::UnknownPage { .. } => (404, "HW-C067", "no such page"),
            Self::UnknownSetting { .. } => (404, "HW-C065", "no such setting"),
            Self::Shell { .. } => (400, "HW-C059", "no such dot command"),
            Self::StillRunning { .. } => (408, "HW-C060", "the job has not ended yet"),
            Self::ServerAddress { .. } => (400, "HW-C061", "no address of a server"),
            Self::Certificates { .. } => (422, "HW-C064", "the certificates cannot be used"),
            Self::Unreadable { .. } => (502, "HW-C062", "the answer is not understood"),
            Self::SettingsElsewhere { .. } => (422, "HW-C066", "the settings are the server's"),
        }
    }

    fn help(&self) -> Option<String> {
        let text = match self {
            Self::Usage { help, .. } => return help.clone(),
            Self::ServerAddress { .. } => "write --server http://HOST:PORT; a token goes into HEADWATER_TOKEN",
            Self::OutOfReach { reason, .. } => help_to_reach(reason),
            Self::Foreign { .. } => "check that --server names a headwater server and not something in front of it",
            Self::Unreadable { .. } => {
                "compare `headwater --version` with the server's version; the newer one may speak differently"
            }
            Self::BrokenOff { .. } => "what was printed before is incomplete: run the command again",
            Self::Unconfirmed { .. } => "add --yes",
            Self::Input { .. } => "check the path; `-` reads standard input",
            Self::NotJson { .. } => return None,
            Self::Certificates { .. } => {
                "name PEM files in HEADWATER_CA (or `client.ca`), `client.certificate` and `client.key`"
            }
            Self::Output { .. } => "check the folder, its rights and the free space",
            Self::SettingsElsewhere { .. } => {
                "leave it out, or set it where the server is started (`headwater up --set ...`); `client.*` are the settings of \
                 this side"
            }
            Self::UnknownCode { near, .. } => {
                return Some(match near {
                    Some(near) => format!("did you mean `{near}`? `headwater explain` lists all codes"),
                    None => "`headwater explain` lists all codes".to_owned(),
                });
            }
            Self::UnknownPage { near, .. } => {
                return Some(match near {
                    Some(near) => format!("did you mean `{near}`? `headwater docs list` names all pages"),
                    None => {
                        "`headwater docs list` names all pages, `headwater docs search WORD` finds lines".to_owned()
                    }
                });
            }
            Self::UnknownSetting { near, .. } => {
                return Some(match near {
                    Some(near) => format!("did you mean `{near}`? `headwater config show -q` lists all settings"),
                    None => "`headwater config show -q` lists all settings".to_owned(),
                });
            }
            Self::Shell { help, .. } => return Some(help.clone()),
            Self::StillRunning { job, .. } => {
                return Some(format!(
                    "the job goes on: `headwater job wait {job}`, or `headwater job cancel {job}`"
                ));
            }
        };
        Some(text.to_owned())
    }
}

/// What to do about a server that does not answer, by what the connection said.
fn help_to_reach(reason: &str) -> &'static str {
    const OF_HTTPS_SERVERS: [&str; 1] = ["invalid HTTP version"];
    const OF_HTTP_SERVERS: [&str; 1] = ["InvalidContentType"];
    let has = |texts: &[&str]| texts.iter().any(|text| reason.contains(text));
    if has(&["certificate", "Certificate"]) {
        "name the certificate of whoever signed the server's in HEADWATER_CA (or `client.ca`), and its own in `client.certificate` \
         where it asks for one; the address has to be a name in the server's certificate"
    } else if has(&OF_HTTPS_SERVERS) {
        "the server may speak https: write --server https://HOST:PORT"
    } else if has(&OF_HTTP_SERVERS) {
        "the server may speak http: write --server http://HOST:PORT"
    } else {
        "start one with `headwater up`, or leave out --server to work without one"
    }
}

/// An error and what caused it, in one line, without repeating itself.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
