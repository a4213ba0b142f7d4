//! The doing loop: claim, run, heartbeat, report.
//!
//! A [`Worker`] takes ready tasks from the store, runs each with the [`TaskRunner`] of its kind and reports how it
//! ended. There is one file per kind of job; it holds both halves of the kind: the pure one that the controller asks
//! ([`hw_job::JobKind`]: parameters, cut, merge) and the one that does the tasks.

mod documents;
mod drop;
mod funnel;
mod register;
mod runner;
mod worker;

pub use documents::FileDocuments;
pub use drop::DropKind;
pub use funnel::{FunnelKind, FunnelRunner};
pub use register::{RegisterKind, RegisterOptions, RegisterRunner};
pub use runner::{Outcome, TaskRunner};
pub use worker::{Worker, WorkerOptions};
