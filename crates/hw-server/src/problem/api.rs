//! What can be wrong with a request as such.

use hw_catalog::Finding;
use hw_job::ErrorClass;

/// Why a request was not carried out, before any capability looked at it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// The body is not JSON.
    #[error("the body is not JSON: {message}")]
    NotJson {
        /// What the reader said.
        message: String,
        /// 1-based line.
        line: u64,
        /// 1-based column.
        column: u64,
    },
    /// The body's members are not those of the request.
    #[error("the body has {} fault(s)", .findings.len())]
    Members {
        /// Every fault.
        findings: Vec<Finding>,
    },
    /// Parameters of the path, the query or the headers are wrong.
    #[error("the parameters of the request have {} fault(s)", .findings.len())]
    Parameters {
        /// Every fault.
        findings: Vec<Finding>,
    },
    /// No route has this path.
    #[error("there is nothing at `{path}`")]
    NoRoute {
        /// The path asked for.
        path: String,
        /// What was probably meant.
        proposal: Option<String>,
    },
    /// The route does not know the method.
    #[error("`{path}` does not answer to {method}")]
    WrongMethod {
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// The body is larger than allowed.
    #[error("the body has more than {limit} bytes")]
    BodyTooLarge {
        /// The setting `http.body_limit`.
        limit: u64,
    },
    /// The body is of another media type.
    #[error("the body has the media type `{found}`, this route takes JSON")]
    WrongMediaType {
        /// The type found.
        found: String,
    },
    /// Nothing that the client accepts can be given.
    #[error("none of the accepted media types can be given: `{accept}`")]
    NotAcceptable {
        /// The client's list.
        accept: String,
        /// What there is.
        offered: &'static str,
    },
    /// Too many requests are under way.
    #[error("{limit} requests are under way, no more are accepted")]
    TooBusy {
        /// The limit.
        limit: usize,
        /// The setting that raises it.
        setting: &'static str,
    },
    /// There is no such job.
    #[error("there is no job `{text}`")]
    JobNotFound {
        /// What was asked for.
        text: String,
    },
    /// The job has no result yet.
    #[error("job {job} is {state}, it has no result yet")]
    NotSettled {
        /// The job.
        job: String,
        /// Its state.
        state: &'static str,
    },
    /// The result is no longer kept.
    #[error("the result is no longer kept: {document}")]
    ResultGone {
        /// Which result.
        document: String,
    },
    /// Several jobs fit.
    #[error("`{text}` fits {} jobs", .candidates.len())]
    JobAmbiguous {
        /// What was asked for.
        text: String,
        /// Those that fit, newest first.
        candidates: Vec<String>,
    },
    /// There is no such task.
    #[error("there is no task `{text}`")]
    TaskNotFound {
        /// What was asked for.
        text: String,
    },
    /// There is no such table.
    #[error("there is no table `{name}`")]
    TableNotFound {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        proposal: Option<String>,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key `{key}` was used for another request, job {job}")]
    KeyConflict {
        /// The key.
        key: String,
        /// The job of the other request.
        job: String,
    },
    /// Too many jobs are unfinished.
    #[error("{limit} jobs are queued or running, no more are accepted")]
    QueueFull {
        /// The limit.
        limit: u32,
    },
    /// There is no such kind of job.
    #[error("there is no job kind `{kind}`")]
    UnknownKind {
        /// The kind asked for.
        kind: String,
        /// What was probably meant.
        proposal: Option<String>,
    },
    /// The server was asked under a name that is not its own.
    #[error("the server does not answer under the name `{host}`")]
    ForeignHost {
        /// The name.
        host: String,
    },
    /// A page of another site asks.
    #[error("requests of pages from `{origin}` are refused")]
    ForeignOrigin {
        /// The site.
        origin: String,
    },
    /// A token is needed.
    #[error("this server answers only with a token")]
    TokenMissing,
    /// The token is not known, or over.
    #[error("the token is not known or its time is over")]
    TokenInvalid,
    /// The role is too small.
    #[error("the token's role `{role}` is not enough, `{needed}` is needed")]
    RoleTooSmall {
        /// The caller's role.
        role: &'static str,
        /// The role needed.
        needed: &'static str,
    },
    /// A token of this name is there.
    #[error("there is a token `{name}` already")]
    TokenTaken {
        /// The name.
        name: String,
    },
    /// There is no token of this name.
    #[error("there is no token `{name}`")]
    TokenNotFound {
        /// The name.
        name: String,
    },
    /// No such worker.
    #[error("there is no worker `{id}`")]
    WorkerNotFound {
        /// What was asked for.
        id: String,
    },
    /// Nothing is known of an answer that broke off.
    #[error("no answer to a request `{request}` is known to have broken off")]
    NotBroken {
        /// The request's id.
        request: String,
    },
    /// What was to be changed is in a state that does not allow it.
    #[error("{message}")]
    Moved {
        /// What stands against it.
        message: String,
        /// What to do about it.
        help: &'static str,
    },
    /// The backup cannot be written there.
    #[error("`{path}` cannot be written: {reason}")]
    BackupTarget {
        /// The file.
        path: String,
        /// What stands against it.
        reason: String,
    },
    /// A store cannot be restored from this file.
    #[error("`{path}` is no backup of a store: {reason}")]
    NotABackup {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The settings leave this to others.
    #[error("Not supported")]
    NotSupported,
    /// Our bug.
    #[error("the request could not be carried out: {message}")]
    Internal {
        /// What happened.
        message: String,
    },
}

impl ApiError {
    /// Stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "HW-A001",
            Self::Members { .. } => "HW-A002",
            Self::Parameters { .. } => "HW-A003",
            Self::NoRoute { .. } => "HW-A004",
            Self::WrongMethod { .. } => "HW-A005",
            Self::BodyTooLarge { .. } => "HW-A006",
            Self::WrongMediaType { .. } => "HW-A007",
            Self::NotAcceptable { .. } => "HW-A008",
            Self::TooBusy { .. } => "HW-A009",
            Self::JobNotFound { .. } => "HW-A010",
            Self::NotSettled { .. } => "HW-A011",
            Self::ResultGone { .. } => "HW-A012",
            Self::JobAmbiguous { .. } => "HW-A013",
            Self::TaskNotFound { .. } => "HW-A014",
            Self::TableNotFound { .. } => "HW-A015",
            Self::KeyConflict { .. } => "HW-A016",
            Self::QueueFull { .. } => "HW-A017",
            Self::UnknownKind { .. } => "HW-A018",
            Self::ForeignHost { .. } => "HW-A019",
            Self::ForeignOrigin { .. } => "HW-A020",
            Self::TokenMissing => "HW-A021",
            Self::TokenInvalid => "HW-A022",
            Self::RoleTooSmall { .. } => "HW-A023",
            Self::TokenTaken { .. } => "HW-A024",
            Self::TokenNotFound { .. } => "HW-A025",
            Self::WorkerNotFound { .. } => "HW-A031",
            Self::NotBroken { .. } => "HW-A032",
            Self::Moved { .. } => "HW-A026",
            Self::BackupTarget { .. } => "HW-A027",
            Self::NotABackup { .. } => "HW-A030",
            Self::Internal { .. } => "HW-A028",
            Self::NotSupported => "HW-A040",
        }
    }

    /// HTTP status.
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::NotJson { .. } => 400,
            Self::Members { .. } | Self::Parameters { .. } | Self::UnknownKind { .. } | Self::NotABackup { .. } => 422,
            Self::NoRoute { .. }
            | Self::JobNotFound { .. }
            | Self::TaskNotFound { .. }
            | Self::TableNotFound { .. }
            | Self::TokenNotFound { .. }
            | Self::WorkerNotFound { .. }
            | Self::NotBroken { .. } => 404,
            Self::WrongMethod { .. } => 405,
            Self::BodyTooLarge { .. } => 413,
            Self::WrongMediaType { .. } => 415,
            Self::NotAcceptable { .. } => 406,
            Self::TooBusy { .. } | Self::QueueFull { .. } => 503,
            Self::NotSettled { .. }
            | Self::JobAmbiguous { .. }
            | Self::KeyConflict { .. }
            | Self::TokenTaken { .. }
            | Self::Moved { .. }
            | Self::BackupTarget { .. } => 409,
            Self::ResultGone { .. } => 410,
            Self::ForeignHost { .. } | Self::ForeignOrigin { .. } | Self::RoleTooSmall { .. } | Self::NotSupported => {
                403
            }
            Self::TokenMissing | Self::TokenInvalid => 401,
            Self::Internal { .. } => 500,
        }
    }

    /// The kind of fault in words.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::NotJson { .. } => "the body is not JSON",
            Self::Members { .. } => "the body has faults",
            Self::Parameters { .. } => "the parameters have faults",
            Self::NoRoute { .. } => "no such route",
            Self::WrongMethod { .. } => "wrong method",
            Self::BodyTooLarge { .. } => "the body is too large",
            Self::WrongMediaType { .. } => "wrong media type",
            Self::NotAcceptable { .. } => "no acceptable media type",
            Self::TooBusy { .. } => "too many requests are under way",
            Self::JobNotFound { .. } => "no such job",
            Self::NotSettled { .. } => "the job has not ended",
            Self::ResultGone { .. } => "the result is gone",
            Self::JobAmbiguous { .. } => "several jobs fit",
            Self::TaskNotFound { .. } => "no such task",
            Self::TableNotFound { .. } => "no such table",
            Self::KeyConflict { .. } => "the idempotency key was used otherwise",
            Self::QueueFull { .. } => "too many jobs are unfinished",
            Self::UnknownKind { .. } => "no such kind of job",
            Self::ForeignHost { .. } => "wrong host name",
            Self::ForeignOrigin { .. } => "foreign origin",
            Self::TokenMissing => "a token is needed",
            Self::TokenInvalid => "the token is not valid",
            Self::RoleTooSmall { .. } => "the role is not enough",
            Self::TokenTaken { .. } => "the name is taken",
            Self::TokenNotFound { .. } => "no such token",
            Self::WorkerNotFound { .. } => "no such worker",
            Self::NotBroken { .. } => "no such answer",
            Self::Moved { .. } => "it conflicts with what is there",
            Self::BackupTarget { .. } => "the backup cannot be written",
            Self::NotABackup { .. } => "the file is no backup",
            Self::Internal { .. } => "a fault of the program",
            Self::NotSupported => "the settings do not allow it",
        }
    }

    /// What to do about it.
    pub(super) fn help(&self) -> Option<String> {
        let help = match self {
            Self::NotJson { .. } => "correct the text there".to_owned(),
            Self::Members { findings } | Self::Parameters { findings } => {
                return findings.first().and_then(|finding| finding.help.clone());
            }
            Self::NoRoute { proposal, .. } => match proposal {
                Some(path) => format!("did you mean `{path}`?"),
                None => "the routes are listed in /api/v1/openapi.json".to_owned(),
            },
            Self::WrongMethod { .. } => "the header `Allow` lists the methods that it answers to".to_owned(),
            Self::BodyTooLarge { .. } => "send less, or raise the setting `http.body_limit`".to_owned(),
            Self::WrongMediaType { .. } => "send the header `Content-Type: application/json`".to_owned(),
            Self::NotAcceptable { offered, .. } => format!("there is {offered}"),
            Self::TooBusy { setting, .. } => format!("try again, or raise the setting `{setting}`"),
            Self::JobNotFound { .. } => {
                "give the whole id, or at least 4 characters of its beginning or end; `headwater job list` shows them"
                    .to_owned()
            }
            Self::NotSettled { .. } => "wait for it: `headwater job wait`, or `?wait=20s`".to_owned(),
            Self::ResultGone { .. } => "run the job again; the setting `jobs.keep_results` says how long results stay".to_owned(),
            Self::JobAmbiguous { candidates, .. } => format!("give more of the id; it may be {}", candidates.join(", ")),
            Self::TaskNotFound { .. } => "tasks of a job are numbered from 0: `headwater task list JOB`".to_owned(),
            Self::TableNotFound { proposal, .. } => match proposal {
                Some(name) => format!("did you mean `{name}`?"),
                None => "`headwater table list` shows the tables".to_owned(),
            },
            Self::KeyConflict { .. } => "send the same request again under its key, or use a new key".to_owned(),
            Self::QueueFull { .. } => "wait until some have ended, or raise the setting `jobs.unfinished_max`".to_owned(),
            Self::UnknownKind { proposal, .. } => match proposal {
                Some(kind) => format!("did you mean `{kind}`?"),
                None => format!("known are `{}`", crate::routes::jobs::KINDS.join("`, `")),
            },
            Self::ForeignHost { .. } => "add the name to the setting `http.hosts`".to_owned(),
            Self::ForeignOrigin { .. } => "pages of other sites cannot use this server".to_owned(),
            Self::TokenMissing => {
                "send `Authorization: Bearer TOKEN` (the command line takes it from HEADWATER_TOKEN); an administrator makes \
                 one with `headwater token create`"
                    .to_owned()
            }
            Self::TokenInvalid => "ask an administrator for a new one: `headwater token create`".to_owned(),
            Self::RoleTooSmall { needed, .. } => format!("use a token with the role `{needed}`"),
            Self::TokenTaken { .. } => "choose another name, or drop that one first".to_owned(),
            Self::TokenNotFound { .. } => "`headwater token list` shows the tokens".to_owned(),
            Self::WorkerNotFound { .. } => "`headwater worker list` shows the workers".to_owned(),
            Self::NotBroken { .. } => {
                "give what the header `headwater-request` of the answer says; the newest are known, until the server ends".to_owned()
            }
            Self::Moved { help, .. } => (*help).to_owned(),
            Self::BackupTarget { .. } => "name a file that does not exist, in a folder that the server may write to".to_owned(),
            Self::NotABackup { .. } => "name a file that `headwater config backup` wrote; the store is as before".to_owned(),
            Self::NotSupported => "the setting `compat.admin_actions` is off; use `headwater table`".to_owned(),
            Self::Internal { .. } => "sorry, this is a bug of ours; please report it with the server's log".to_owned(),
        };
        Some(help)
    }

    /// Whose fault it is, where the status does not say it all.
    pub(super) fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::NotJson { .. }
            | Self::Members { .. }
            | Self::Parameters { .. }
            | Self::UnknownKind { .. }
            | Self::NotABackup { .. } => Some(ErrorClass::Input),
            Self::Internal { .. } => Some(ErrorClass::Internal),
            _ => None,
        }
    }

    /// The single faults.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        match self {
            Self::Members { findings } | Self::Parameters { findings } => findings,
            Self::NotJson { message, line, column } => vec![Finding {
                line: Some(line),
                column: Some(column),
                ..Finding::new("HW-A001", message)
            }],
            _ => Vec::new(),
        }
    }
}
