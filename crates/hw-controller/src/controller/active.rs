//! The jobs that a controller drives, and their part of its state.

use std::sync::Arc;
use std::time::Duration;

use hw_catalog::{TableName, TableVersion};
use hw_job::{Command, Due, Elapsed, JobCourse, JobId, JobKind};
use serde_json::Value;

use super::Controller;

/// A job that the controller drives.
pub(crate) struct Active {
    pub(super) kind: Arc<dyn JobKind>,
    pub(super) course: JobCourse,
    pub(super) expanded: Value,
    pub(super) reads: Vec<(TableName, TableVersion)>,
    /// How long its submission took.
    pub(super) enqueued: Duration,
    pub(super) instants: Instants,
    /// What was decided when it was made or loaded, and is still to be done.
    pub(super) due: Vec<Command>,
}

/// The instants that a job's course depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instants {
    pub(super) since: Elapsed,
    /// Before it, nothing of the job may be done.
    pub(crate) start: Option<Elapsed>,
    /// By then it must have ended.
    pub(super) end: Option<Elapsed>,
}

impl Instants {
    /// Those of a job that was submitted at `since`. Its timeout counts from when it may start.
    pub(crate) fn new(
        since: Elapsed,
        timeout: Option<Duration>,
        not_before: Option<Due>,
        deadline: Option<Due>,
    ) -> Self {
        let start = not_before
            .filter(|due| !due.after.is_zero())
            .map(|due| since.after(due.after));
        let times_out = timeout.map(|timeout| start.unwrap_or(since).after(timeout));
        let deadline = deadline.map(|due| since.after(due.after));
        Self {
            since,
            start,
            end: times_out.into_iter().chain(deadline).min(),
        }
    }
}

impl Active {
    pub(crate) fn new(
        kind: Arc<dyn JobKind>,
        course: JobCourse,
        expanded: Value,
        reads: Vec<(TableName, TableVersion)>,
        instants: Instants,
    ) -> Self {
        Self {
            kind,
            course,
            expanded,
            reads,
            enqueued: Duration::ZERO,
            instants,
            due: Vec::new(),
        }
    }

    /// When what is due for it may be done: its kind is not asked before it may start, everything else is done at once.
    pub(super) fn due_at(&self) -> Option<Elapsed> {
        let start = self.instants.start.unwrap_or_default();
        match self.due.as_slice() {
            [] => None,
            [Command::AskKind] => Some(start),
            _ => Some(Elapsed::default()),
        }
    }

    /// The same job, with something to be done about it by the next step.
    pub(crate) fn with_due(mut self, due: Vec<Command>) -> Self {
        self.due = due;
        self
    }
}

/// What a job's kind is asked about, copied out of the state.
pub(super) struct Facts {
    pub(super) kind: Arc<dyn JobKind>,
    pub(super) expanded: Value,
    pub(super) reads: Vec<(TableName, TableVersion)>,
    pub(super) elapsed: Duration,
    pub(super) enqueued: Duration,
}

impl Controller {
    pub(crate) fn begin(&self, job: JobId, active: Active) {
        self.state().active.insert(job, active);
    }

    /// Notes that a job is in the store and how long its submission took. Nothing is decided about it before.
    pub(crate) fn enqueued(&self, job: JobId, since: Elapsed) {
        let took = self.now().since(since);
        let mut state = self.state();
        let state = &mut *state;
        if let Some(active) = state.active.get_mut(&job) {
            active.enqueued = took;
            active.due = active.course.resume();
            if let Some(start) = active.instants.start {
                state.wake_at = Some(state.wake_at.map_or(start, |at| at.min(start)));
            }
        }
        self.nudge();
    }

    pub(crate) fn abandon(&self, job: JobId) {
        self.state().active.remove(&job);
    }

    /// Forgets a job of which this process may no longer know how it stands, and looks soon for what became of it.
    pub(super) fn look_anew(&self, job: JobId) {
        self.abandon(job);
        self.state().rescue_at = self.now();
    }

    pub(crate) fn drives(&self, job: JobId) -> bool {
        self.state().active.contains_key(&job)
    }

    /// Time since the job's submission.
    pub(super) fn elapsed(&self, job: JobId) -> Option<Duration> {
        let since = self.state().active.get(&job)?.instants.since;
        Some(self.now().since(since))
    }

    pub(super) fn facts(&self, job: JobId) -> Option<Facts> {
        let state = self.state();
        let active = state.active.get(&job)?;
        Some(Facts {
            kind: active.kind.clone(),
            expanded: active.expanded.clone(),
            reads: active.reads.clone(),
            elapsed: self.now().since(active.instants.since),
            enqueued: active.enqueued,
        })
    }
}

/// Something about a job that has begun and must not stop half-way: where it does, by an error of the store or because
/// its future is dropped, the job is forgotten here and taken up again from what the store remembers.
pub(crate) struct Unfinished<'a> {
    controller: &'a Controller,
    job: JobId,
    finished: bool,
}

impl<'a> Unfinished<'a> {
    pub(crate) fn new(controller: &'a Controller, job: JobId) -> Self {
        Self {
            controller,
            job,
            finished: false,
        }
    }

    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.controller.look_anew(self.job);
        }
    }
}
