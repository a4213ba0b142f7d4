//! From errors to problems: the one place that knows the status, title and class of each.

mod api;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use hw_api::{PROBLEM_JSON, Problem};
use hw_controller::{DocumentError, SubmitFault, WaitError};
use hw_files::FileError;
use hw_job::{ErrorClass, Failure};
use hw_query::QueryError;
use hw_store::{ChangeRefused, JobChangeError, StoreError};

use crate::config::ConfigError;
use crate::data_folder::DataFolderError;

pub(crate) use api::ApiError;

/// When a client that was sent away may come again.
const RETRY: Duration = Duration::from_secs(1);

/// A request that was not carried out. It answers as [`Problem`]; the outermost layer writes it, so that it can name the
/// request.
#[derive(Debug, Clone)]
pub(crate) struct Fault(Box<Problem>);

impl Fault {
    /// The problem.
    pub(crate) fn into_problem(self) -> Problem {
        *self.0
    }

    fn classed(mut self, class: ErrorClass) -> Self {
        self.0.class = Some(class.as_str().to_owned());
        self
    }
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY.as_secs()));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem that a handler answered with; other answers pass.
pub(crate) fn render(mut response: Response, instance: &str) -> Response {
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        let mut problem = fault.into_problem();
        problem.instance.get_or_insert_with(|| instance.to_owned());
        let text = serde_json::to_vec(&problem).unwrap_or_default();
        *response.body_mut() = Body::from(text);
    }
    response
}

/// The status that fits a failure of this class.
fn status_of(class: ErrorClass) -> u16 {
    match class {
        ErrorClass::Input | ErrorClass::Data => 422,
        ErrorClass::External => 502,
        ErrorClass::Platform => 503,
        ErrorClass::Internal => 500,
        ErrorClass::Cancelled => 409,
        ErrorClass::Timeout => 504,
    }
}

fn title_of(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Input => "the request has faults",
        ErrorClass::Data => "the data contradict the request",
        ErrorClass::External => "something outside did not answer",
        ErrorClass::Platform => "the work was lost by its place",
        ErrorClass::Internal => "a fault of the program",
        ErrorClass::Cancelled => "it was cancelled",
        ErrorClass::Timeout => "it took too long",
    }
}

/// Why a job or task failed, as a problem.
pub(crate) fn of_failure(failure: &Failure) -> Problem {
    let problem = Problem::new(
        status_of(failure.class),
        failure.code.clone(),
        title_of(failure.class),
        failure.message.clone(),
    );
    let mut problem = problem.findings(failure.findings.clone());
    problem.class = Some(failure.class.as_str().to_owned());
    problem.help.clone_from(&failure.help);
    problem
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        let mut problem = Problem::new(error.status(), error.code(), error.title(), error.to_string());
        problem.help = error.help();
        problem.class = error.class().map(|class| class.as_str().to_owned());
        problem.findings(error.into_findings()).into()
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let (status, class) = match &error {
            StoreError::Unreachable(_) | StoreError::Busy(_) | StoreError::OutcomeUnknown(_) => {
                (503, ErrorClass::External)
            }
            StoreError::Full(_) => (507, ErrorClass::External),
            StoreError::Newer { .. } | StoreError::Corrupt(_) => (500, ErrorClass::External),
            StoreError::Unsupported { .. } => (501, ErrorClass::Input),
            StoreError::Misuse(_) => (500, ErrorClass::Internal),
            // The enum may grow; what is not known here is a fault of the store.
            _ => (500, ErrorClass::External),
        };
        let problem = Problem::new(status, error.code(), "the store did not do it", error.to_string());
        Self::from(problem.help(error.help())).classed(class)
    }
}

impl From<SubmitFault> for Fault {
    fn from(fault: SubmitFault) -> Self {
        match fault {
            SubmitFault::UnknownKind { kind, proposal } => ApiError::UnknownKind { kind, proposal }.into(),
            SubmitFault::Faults(findings) => {
                let code = findings
                    .first()
                    .map_or("HW-A002", |finding| finding.code.as_str())
                    .to_owned();
                let detail = match findings.as_slice() {
                    [only] => only.message.clone(),
                    many => format!("{} faults", many.len()),
                };
                let title = "the parameters have faults";
                let help = findings.first().and_then(|finding| finding.help.clone());
                let mut problem = Problem::new(422, code, title, detail).findings(findings);
                problem.help = help;
                Self::from(problem).classed(ErrorClass::Input)
            }
            SubmitFault::TableNotFound { name, proposal } => ApiError::TableNotFound {
                name: name.to_string(),
                proposal,
            }
            .into(),
            SubmitFault::Conflict(failure) => {
                let mut problem = of_failure(&failure);
                problem.status = 409;
                "it conflicts with what is there".clone_into(&mut problem.title);
                problem.into()
            }
            SubmitFault::KeyConflict { key, job } => ApiError::KeyConflict {
                key,
                job: job.to_string(),
            }
            .into(),
            SubmitFault::QueueFull { limit } => ApiError::QueueFull { limit }.into(),
            SubmitFault::Store(error) => error.into(),
        }
    }
}

impl From<WaitError> for Fault {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::NotFound(job) => ApiError::JobNotFound { text: job.to_string() }.into(),
            WaitError::Store(error) => error.into(),
        }
    }
}

/// Advice where nothing is known but that somebody was faster.
const LOOK_AGAIN: &str = "look at it again, it has changed meanwhile";

impl From<JobChangeError> for Fault {
    fn from(error: JobChangeError) -> Self {
        match error {
            JobChangeError::NotFound(job) => ApiError::JobNotFound { text: job.to_string() }.into(),
            JobChangeError::Store(error) => error.into(),
            moved @ (JobChangeError::Settled { .. }
            | JobChangeError::TasksMoved { .. }
            | JobChangeError::TableMoved { .. }) => ApiError::Moved {
                message: moved.to_string(),
                help: LOOK_AGAIN,
            }
            .into(),
        }
    }
}

impl From<ChangeRefused> for Fault {
    fn from(refused: ChangeRefused) -> Self {
        match refused {
            ChangeRefused::NotFound(task) => ApiError::TaskNotFound { text: task.to_string() }.into(),
            other @ (ChangeRefused::Late { .. }
            | ChangeRefused::FileSwept { .. }
            | ChangeRefused::Leased { .. }
            | ChangeRefused::SessionOver { .. }
            | ChangeRefused::Illegal { .. }) => ApiError::Moved {
                message: other.to_string(),
                help: LOOK_AGAIN,
            }
            .into(),
        }
    }
}

impl From<DocumentError> for Fault {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Gone(document) => ApiError::ResultGone { document }.into(),
            DocumentError::Files(detail) => {
                let problem = Problem::new(503, "HW-J015", "the file layer did not answer", detail);
                Self::from(problem).classed(ErrorClass::External)
            }
        }
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        let (class, status) = match (&error, error.fault()) {
            (FileError::NotPermitted { .. }, _) => (ErrorClass::Input, 403),
            (FileError::NotFound { .. }, _) => (ErrorClass::Input, 404),
            (_, hw_files::Fault::Input) => (ErrorClass::Input, 422),
            (_, hw_files::Fault::Data) => (ErrorClass::Data, 422),
            (_, hw_files::Fault::External) => (ErrorClass::External, 502),
        };
        let problem = Problem::new(status, error.code(), "the files cannot be used", error.to_string());
        Self::from(problem.help(error.help())).classed(class)
    }
}

impl From<QueryError> for Fault {
    fn from(error: QueryError) -> Self {
        of_query(&error).into()
    }
}

/// A fault of a query, as a problem.
pub(crate) fn of_query(error: &QueryError) -> Problem {
    let (status, class, title) = match error.fault() {
        hw_query::Fault::Input => (422, ErrorClass::Input, "the statement has faults"),
        hw_query::Fault::Data => (422, ErrorClass::Data, "the data cannot be read or computed with"),
        hw_query::Fault::External => (502, ErrorClass::External, "files or catalog did not answer"),
        hw_query::Fault::Platform => (503, ErrorClass::Platform, "a limit of the host was hit"),
        hw_query::Fault::Cancelled => (409, ErrorClass::Cancelled, "the query was cancelled"),
        hw_query::Fault::Internal => (500, ErrorClass::Internal, "a fault of the program"),
    };
    let mut problem = Problem::new(status, error.code(), title, error.to_string()).findings(error.findings());
    problem.help = error.help();
    problem.class = Some(class.as_str().to_owned());
    problem
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Self {
        let code = error
            .findings
            .first()
            .map_or("HW-C002", |finding| finding.code.as_str());
        let problem = Problem::new(422, code, "the configuration has faults", error.to_string());
        Self::from(problem.findings(error.findings)).classed(ErrorClass::Input)
    }
}

impl From<DataFolderError> for Fault {
    fn from(error: DataFolderError) -> Self {
        let (status, title) = match &error {
            DataFolderError::InUse { .. } => (409, "another server runs"),
            DataFolderError::Unusable { .. } | DataFolderError::Socket { .. } => {
                (503, "the data folder cannot be used")
            }
        };
        let problem = Problem::new(status, error.code(), title, error.to_string());
        problem.help(error.help()).into()
    }
}
