//! States of tasks and attempts, and which may follow which.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::job::StoredDocument;

/// State of a task.
///
/// ```text
/// waiting ──▶ ready ──▶ running ──▶ succeeded
///    │  ▲       │  ▲       │  └───▶ failed | timed_out | quarantined
///    │  │       │  │       └──────▶ retry_wait ──▶ ready
///    │  │       │  └── lease ran out
///    ▼  │       ▼
///  blocked   planned ──▶ launching ──▶ running        every open state ──▶ cancelled
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Has unmet dependencies or must not start yet.
    Waiting,
    /// May be claimed or planned.
    Ready,
    /// Has a place and a start time.
    Planned,
    /// An attempt exists; the outside executor may or may not know it yet.
    Launching,
    /// Leased by a worker, or running at an executor.
    Running,
    /// Done.
    Succeeded,
    /// Failed for good.
    Failed,
    /// Withdrawn.
    Cancelled,
    /// Took longer than allowed.
    TimedOut,
    /// Will be ready again at a time.
    RetryWait,
    /// A task that it needs ended otherwise than needed, and what follows is for the job to decide. It waits again when that
    /// one gets another chance.
    Blocked,
    /// Used up its attempts; a person's or a rule's turn.
    Quarantined,
    /// Cannot be placed, as the planner proved.
    Infeasible,
}

impl TaskState {
    /// Every state, in the order of the type.
    pub const ALL: [Self; 13] = [
        Self::Waiting,
        Self::Ready,
        Self::Planned,
        Self::Launching,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
        Self::RetryWait,
        Self::Blocked,
        Self::Quarantined,
        Self::Infeasible,
    ];

    /// Nothing follows but a person's `requeue` of a quarantined task.
    pub fn is_settled(self) -> bool {
        match self {
            Self::Succeeded
            | Self::Failed
            | Self::Cancelled
            | Self::TimedOut
            | Self::Quarantined
            | Self::Infeasible => true,
            Self::Waiting
            | Self::Ready
            | Self::Planned
            | Self::Launching
            | Self::Running
            | Self::RetryWait
            | Self::Blocked => false,
        }
    }

    /// It has ended, and not so that tasks which need it can go on.
    pub fn blocks(self) -> bool {
        self.is_settled() && self != Self::Succeeded
    }

    /// Tasks that need it cannot go on as long as it is in this state: it ended ill, or something holds it up itself.
    pub fn holds_up(self) -> bool {
        self.blocks() || self == Self::Blocked
    }

    /// Whether a task may go from this state to `next`. Everything else is a bug and refused by the stores.
    pub fn may_become(self, next: Self) -> bool {
        use TaskState as T;
        if next == T::Cancelled {
            return !self.is_settled();
        }
        match self {
            T::Waiting => matches!(next, T::Ready | T::Blocked | T::Infeasible),
            T::Ready => matches!(
                next,
                T::Running | T::Planned | T::Launching | T::Infeasible | T::Blocked
            ),
            T::Planned => matches!(next, T::Ready | T::Launching | T::Infeasible),
            T::Launching => matches!(next, T::Running | T::Ready | T::RetryWait | T::Quarantined | T::Failed),
            T::Running => matches!(
                next,
                T::Succeeded | T::Failed | T::TimedOut | T::RetryWait | T::Ready | T::Quarantined
            ),
            T::RetryWait => next == T::Ready,
            T::Blocked => matches!(next, T::Waiting | T::Ready | T::Failed),
            T::Quarantined => next == T::Ready,
            T::Succeeded | T::Failed | T::Cancelled | T::TimedOut | T::Infeasible => false,
        }
    }

    /// The state in the words of the API, `retry_wait`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Planned => "planned",
            Self::Launching => "launching",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::RetryWait => "retry_wait",
            Self::Blocked => "blocked",
            Self::Quarantined => "quarantined",
            Self::Infeasible => "infeasible",
        }
    }

    /// The state that [`as_str`](Self::as_str) writes so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// State of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Being handed to an outside executor.
    Submitting,
    /// The executor knows it.
    Queued,
    /// Being set up there.
    Starting,
    /// At work.
    Running,
    /// Done.
    Succeeded,
    /// Failed.
    Failed,
    /// Took longer than allowed.
    TimedOut,
    /// Withdrawn.
    Cancelled,
    /// Its worker vanished.
    Lost,
    /// Its place was taken away.
    Preempted,
    /// Reported after its fence was over; the report changed nothing.
    Late,
}

impl AttemptState {
    /// Every state, in the order of the type.
    pub const ALL: [Self; 11] = [
        Self::Submitting,
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Cancelled,
        Self::Lost,
        Self::Preempted,
        Self::Late,
    ];

    /// The state in the words of the API, `timed_out`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitting => "submitting",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::Preempted => "preempted",
            Self::Late => "late",
        }
    }

    /// The state that [`as_str`](Self::as_str) writes so.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// With an outcome.
    Succeeded(StoredDocument),
    /// With a failure.
    Failed(Failure),
    /// Withdrawn on request.
    Cancelled,
    /// It took longer than allowed.
    TimedOut,
    /// Its worker vanished; `worker_died` says that the process itself is known to have ended.
    Lost {
        /// Whether the worker's process died, rather than being cut off.
        worker_died: bool,
    },
    /// Its place was taken away.
    Preempted,
}

impl Ending {
    /// The attempt's final state.
    pub fn attempt_state(&self) -> AttemptState {
        match self {
            Self::Succeeded(_) => AttemptState::Succeeded,
            Self::Failed(_) => AttemptState::Failed,
            Self::Cancelled => AttemptState::Cancelled,
            Self::TimedOut => AttemptState::TimedOut,
            Self::Lost { .. } => AttemptState::Lost,
            Self::Preempted => AttemptState::Preempted,
        }
    }
}

/// What a task needs of the place that runs it. The sum of the needs running at a worker never exceeds its capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Thousandths of a processor.
    pub cpu_milli: u32,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Bytes of scratch disk.
    #[serde(default)]
    pub disk_bytes: u64,
    /// Whole accelerators.
    #[serde(default)]
    pub gpu: u32,
    /// Counters of the user's own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, u64>,
    /// Labels that the place must carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
}

impl Needs {
    /// What it needs of what only some places have.
    pub fn scarce(&self) -> Scarce {
        let counters = self.counters.iter().filter(|(_, count)| **count > 0);
        Scarce {
            disk_bytes: self.disk_bytes,
            gpu: self.gpu,
            counters: counters.map(|(name, count)| (name.clone(), *count)).collect(),
        }
    }
}

/// What only some places have, and few tasks need: scratch disk set aside, accelerators, counters of the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scarce {
    /// Bytes of scratch disk.
    pub disk_bytes: u64,
    /// Whole accelerators.
    pub gpu: u32,
    /// Counters by name; what is not named is 0.
    pub counters: BTreeMap<String, u64>,
}

impl Scarce {
    /// Whether it is nothing at all.
    pub fn is_none(&self) -> bool {
        self.disk_bytes == 0 && self.gpu == 0 && self.counters.values().all(|count| *count == 0)
    }

    /// Whether a place with this has room for these needs.
    pub fn covers(&self, needs: &Self) -> bool {
        let offered = |name: &String| self.counters.get(name).copied().unwrap_or_default();
        let has_counted = needs.counters.iter().all(|(name, count)| offered(name) >= *count);
        self.disk_bytes >= needs.disk_bytes && self.gpu >= needs.gpu && has_counted
    }

    /// What is left of it for others; never below 0.
    #[must_use]
    pub fn without(mut self, taken: &Self) -> Self {
        self.disk_bytes = self.disk_bytes.saturating_sub(taken.disk_bytes);
        self.gpu = self.gpu.saturating_sub(taken.gpu);
        for (name, count) in &taken.counters {
            if let Some(left) = self.counters.get_mut(name) {
                *left = left.saturating_sub(*count);
            }
        }
        self
    }
}

impl Default for Needs {
    /// One processor, no memory set aside.
    fn default() -> Self {
        Self {
            cpu_milli: 1000,
            memory_bytes: 0,
            disk_bytes: 0,
            gpu: 0,
            counters: BTreeMap::new(),
            labels: Vec::new(),
        }
    }
}
