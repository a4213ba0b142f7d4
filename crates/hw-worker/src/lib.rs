//! The doing loop: claim, run, heartbeat, report.
//!
//! A [`Worker`] takes ready tasks from the store, runs each with the [`TaskRunner`] of its kind and reports how it
//! ended. There is one file per kind of job; it holds both halves of the kind: the pure one that the controller asks
//! ([`hw_job::JobKind`]: parameters, cut, merge) and the one that does the tasks.

mod carried;
mod documents;
mod drop;
mod encoder;
mod export;
mod funnel;
mod parameters;
mod register;
mod repartition;
mod runner;
mod samples;
mod tabular;
mod upload;
mod view;
mod views;
mod worker;

pub use documents::FileDocuments;
pub use drop::{DropKind, other_kind};
pub use export::{ExportKind, ExportRunner};
pub use funnel::{
    FunnelAsker, FunnelKind, FunnelQuestion, FunnelRunner, LastJob, QuestionFault, asked_query, asked_table,
    validate_funnel,
};
pub use register::{
    RegisterKind, RegisterOptions, RegisterRunner, SampleLimits, dataset_name, full_schema, info, parts_info,
    short_schema,
};
pub use repartition::{RepartitionKind, RepartitionRunner};
pub use runner::{Meter, Outcome, TaskRunner};
pub use samples::{Sample, SampleFormat, samples_file};
pub use view::{ViewKind, ViewRunner, view_taken};
pub use views::{StoreLedger, StoreTables};
pub use worker::{Capacity, Drain, Worker, WorkerOptions};

use hw_files::{Fault, FileError};
use hw_job::{ErrorClass, Failure, JobId};

/// The id by which older clients know a run: the second of the request and the last 8 digits of the job's id.
pub fn request_id(job: JobId) -> String {
    format!("{}-{}", job.unix_ms() / 1000, job.short())
}

/// A fault of the file layer as a task reports it.
pub(crate) fn file_failure(error: &FileError) -> Failure {
    let class = match (error, error.fault()) {
        // What a request names and is not there is a fault of the request; a part that vanishes later is told otherwise.
        (FileError::NotFound { .. } | FileError::NoFiles { .. } | FileError::TooManyFiles { .. }, _) => {
            ErrorClass::Input
        }
        (_, Fault::Input) => ErrorClass::Input,
        (_, Fault::Data) => ErrorClass::Data,
        (_, Fault::External) => ErrorClass::External,
    };
    Failure::new(class, error.code(), error.to_string()).help(error.help())
}

/// A fault of the engine as a task reports it.
pub(crate) fn query_failure(error: &hw_query::QueryError) -> Failure {
    let class = match error.fault() {
        hw_query::Fault::Input => ErrorClass::Input,
        hw_query::Fault::Data => ErrorClass::Data,
        hw_query::Fault::External => ErrorClass::External,
        // A limit of memory or disk is met again by every attempt at the same rows: trying again only takes longer.
        hw_query::Fault::Platform => ErrorClass::Data,
        hw_query::Fault::Cancelled => ErrorClass::Cancelled,
        hw_query::Fault::Internal => ErrorClass::Internal,
    };
    Failure {
        findings: error.findings(),
        help: error.help(),
        ..Failure::new(class, error.code(), error.to_string())
    }
}
