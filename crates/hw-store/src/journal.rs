//! What the stores write into the event log, in one place, so that all of them write the same.

use hw_catalog::{TableName, TableVersion};
use hw_job::{EventKind, JobId, JobState, NewEvent, SessionId, TaskId, TaskState, WorkerId};
use serde_json::{Value, json};

/// The events of one change, in order. Tasks that became ready are counted and told once per job, at the end.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    events: Vec<NewEvent>,
    ready: Vec<(JobId, u32)>,
}

impl Journal {
    /// The events, those of ready tasks last.
    pub(crate) fn into_events(mut self) -> Vec<NewEvent> {
        for (job, count) in std::mem::take(&mut self.ready) {
            self.of_job(EventKind::TaskReady, job, json!({ "count": count }));
        }
        self.events
    }

    pub(crate) fn job_submitted(&mut self, job: JobId, kind: &str) {
        self.of_job(EventKind::JobSubmitted, job, json!({ "kind": kind }));
    }

    pub(crate) fn job_started(&mut self, job: JobId) {
        self.of_job(EventKind::JobStarted, job, json!({}));
    }

    pub(crate) fn job_finishing(&mut self, job: JobId) {
        self.of_job(EventKind::JobFinishing, job, json!({}));
    }

    pub(crate) fn cancel_requested(&mut self, job: JobId, reason: &str) {
        self.of_job(EventKind::JobCancelRequested, job, json!({ "reason": reason }));
    }

    pub(crate) fn job_ended(&mut self, job: JobId, kind: &str, state: JobState) {
        self.of_job(
            EventKind::JobEnded,
            job,
            json!({ "state": state.as_str(), "kind": kind }),
        );
    }

    /// One more task of the job is ready.
    pub(crate) fn task_ready(&mut self, job: JobId) {
        match self.ready.iter_mut().find(|(known, _)| *known == job) {
            Some((_, count)) => *count += 1,
            None => self.ready.push((job, 1)),
        }
    }

    pub(crate) fn task_started(&mut self, task: TaskId, attempt: u32, worker: &WorkerId) {
        self.of_task(
            EventKind::TaskStarted,
            task,
            json!({ "attempt": attempt, "worker": worker.0 }),
        );
    }

    /// An attempt ended and the task is in `state` now: settled, or on its way to another attempt.
    pub(crate) fn attempt_ended(&mut self, task: TaskId, attempt: u32, state: TaskState) {
        let kind = if state.is_settled() {
            EventKind::TaskEnded
        } else {
            EventKind::TaskRetry
        };
        self.of_task(kind, task, json!({ "attempt": attempt, "state": state.as_str() }));
    }

    pub(crate) fn task_cancel_requested(&mut self, task: TaskId, reason: &str) {
        self.of_task(EventKind::TaskCancelRequested, task, json!({ "reason": reason }));
    }

    /// A task cannot go on because another one of its job ended in this state.
    pub(crate) fn task_blocked(&mut self, task: TaskId, by: u32, state: TaskState) {
        let data = json!({ "by": by, "state": state.as_str() });
        self.of_task(EventKind::TaskBlocked, task, data);
    }

    pub(crate) fn task_unblocked(&mut self, task: TaskId, by: u32) {
        self.of_task(EventKind::TaskUnblocked, task, json!({ "by": by }));
    }

    pub(crate) fn task_late(&mut self, task: TaskId, attempt: u32) {
        self.of_task(EventKind::TaskLate, task, json!({ "attempt": attempt }));
    }

    pub(crate) fn table_put(&mut self, job: JobId, name: &TableName, version: TableVersion, created: bool) {
        let kind = if created {
            EventKind::TableCreated
        } else {
            EventKind::TableChanged
        };
        self.push(kind, name.to_string(), Some(job), json!({ "version": version.0 }));
    }

    pub(crate) fn table_dropped(&mut self, job: JobId, name: &TableName) {
        self.push(EventKind::TableDropped, name.to_string(), Some(job), json!({}));
    }

    pub(crate) fn worker_joined(&mut self, worker: &WorkerId, session: &SessionId) {
        let data = json!({ "session": session.0 });
        self.push(EventKind::WorkerJoined, worker.0.clone(), None, data);
    }

    pub(crate) fn worker_left(&mut self, worker: &WorkerId, session: &SessionId) {
        let data = json!({ "session": session.0 });
        self.push(EventKind::WorkerLeft, worker.0.clone(), None, data);
    }

    fn of_job(&mut self, kind: EventKind, job: JobId, data: Value) {
        self.push(kind, job.to_string(), Some(job), data);
    }

    fn of_task(&mut self, kind: EventKind, task: TaskId, data: Value) {
        self.push(kind, task.to_string(), Some(task.job), data);
    }

    fn push(&mut self, kind: EventKind, subject: String, job: Option<JobId>, data: Value) {
        self.events.push(NewEvent {
            kind,
            subject,
            job,
            data,
        });
    }
}
