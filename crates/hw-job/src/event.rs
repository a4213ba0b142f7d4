//! Entries of the append-only event log.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{EventSeq, JobId};
use crate::time::Timestamp;

/// What happened. Closed: a new kind is added here, and every reader decides what it means to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum EventKind {
    /// A job was submitted. Data: `kind`.
    JobSubmitted,
    /// A job's first task started.
    JobStarted,
    /// All needed outcomes are there; the result is being made.
    JobFinishing,
    /// A job's cancellation was asked for.
    JobCancelRequested,
    /// A job settled. Data: `state`, `kind`.
    JobEnded,
    /// Tasks became ready. Data: `count`.
    TaskReady,
    /// A task was claimed. Data: `attempt`, `worker`.
    TaskStarted,
    /// A task waits for another attempt. Data: `attempt`, `state`.
    TaskRetry,
    /// A task is cancelled by itself; its worker is to stop. Data: `reason`.
    TaskCancelRequested,
    /// A task settled. Data: `attempt`, `state`.
    TaskEnded,
    /// A task cannot go on: one that it needs ended otherwise than needed. Data: `by`, its index, and its `state`.
    TaskBlocked,
    /// What blocked a task has another chance; it waits again. Data: `by`.
    TaskUnblocked,
    /// A report came after its fence was over. Data: `attempt`.
    TaskLate,
    /// A table appeared. Data: `version`.
    TableCreated,
    /// A table has a new version. Data: `version`.
    TableChanged,
    /// A table is gone.
    TableDropped,
    /// An input arrived.
    InputArrived,
    /// A product was made.
    ProductMade,
    /// A worker announced itself.
    WorkerJoined,
    /// A worker left or was given up.
    WorkerLeft,
    /// A rule was made, changed or dropped.
    RuleChanged,
    /// A timer went off.
    TimerFired,
    /// A hook was called from outside.
    HookCalled,
}

impl EventKind {
    /// Every kind, in the order of the type.
    pub const ALL: [Self; 23] = [
        Self::JobSubmitted,
        Self::JobStarted,
        Self::JobFinishing,
        Self::JobCancelRequested,
        Self::JobEnded,
        Self::TaskReady,
        Self::TaskStarted,
        Self::TaskRetry,
        Self::TaskCancelRequested,
        Self::TaskEnded,
        Self::TaskBlocked,
        Self::TaskUnblocked,
        Self::TaskLate,
        Self::TableCreated,
        Self::TableChanged,
        Self::TableDropped,
        Self::InputArrived,
        Self::ProductMade,
        Self::WorkerJoined,
        Self::WorkerLeft,
        Self::RuleChanged,
        Self::TimerFired,
        Self::HookCalled,
    ];

    /// The kind in the words of the API, `job.ended`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobSubmitted => "job.submitted",
            Self::JobStarted => "job.started",
            Self::JobFinishing => "job.finishing",
            Self::JobCancelRequested => "job.cancel_requested",
            Self::JobEnded => "job.ended",
            Self::TaskReady => "task.ready",
            Self::TaskStarted => "task.started",
            Self::TaskRetry => "task.retry",
            Self::TaskCancelRequested => "task.cancel_requested",
            Self::TaskEnded => "task.ended",
            Self::TaskBlocked => "task.blocked",
            Self::TaskUnblocked => "task.unblocked",
            Self::TaskLate => "task.late",
            Self::TableCreated => "table.created",
            Self::TableChanged => "table.changed",
            Self::TableDropped => "table.dropped",
            Self::InputArrived => "input.arrived",
            Self::ProductMade => "product.made",
            Self::WorkerJoined => "worker.joined",
            Self::WorkerLeft => "worker.left",
            Self::RuleChanged => "rule.changed",
            Self::TimerFired => "timer.fired",
            Self::HookCalled => "hook.called",
        }
    }

    /// The kind that [`as_str`](Self::as_str) writes so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl From<EventKind> for &'static str {
    fn from(kind: EventKind) -> Self {
        kind.as_str()
    }
}

impl TryFrom<String> for EventKind {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::from_name(&name).ok_or_else(|| format!("unknown event kind `{name}`"))
    }
}

/// An event as it is handed to a store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// What it happened to: a table's name, a task's id, a worker's name.
    pub subject: String,
    /// The job concerned.
    pub job: Option<JobId>,
    /// Further facts, an object; its members are told at each kind.
    pub data: Value,
}

/// An event as readers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the log.
    pub seq: EventSeq,
    /// When it was appended.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// What it happened to.
    pub subject: String,
    /// The job concerned.
    pub job: Option<JobId>,
    /// Further facts.
    pub data: Value,
}
