//! The deciding loop: submissions and events in, changes of the store out.
//!
//! [`Controller::submit`] checks a request and cuts it into tasks; [`Controller::step`] reads what happened since the last
//! step and does what follows from it; [`Controller::run`] does so until it is told to stop. Whatever is decided, is
//! decided by the pure functions of `hw-job`; this crate loads what they need and carries out what they say.
//!
//! Several controllers may work on one store. Each drives the jobs that its own session owns; any of them may take back
//! tasks whose lease ran out and settle jobs whose owner is gone.

mod controller;
mod documents;
mod ids;
mod liveness;
mod rescue;
mod submit;
#[cfg(test)]
mod tests;

pub use controller::{Controller, ControllerOptions, Step, WaitError};
pub use documents::{DocumentError, Documents, InlineDocuments};
pub use ids::{Ids, RandomIds};
pub use liveness::{HostLiveness, Liveness, process_start};
pub use submit::{Submit, SubmitFault, Submitted};
