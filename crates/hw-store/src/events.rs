//! The event log: append-only, numbered in the order in which readers see it.

use async_trait::async_trait;
use hw_job::{Event, EventKind, EventSeq, JobId, NewEvent};
use tokio::sync::watch;

use crate::StoreError;

/// Which events a reader wants; an empty filter passes all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Only these kinds; empty = all.
    pub kinds: Vec<EventKind>,
    /// Only events of this job.
    pub job: Option<JobId>,
    /// Only events whose subject is exactly this.
    pub subject: Option<String>,
}

impl EventFilter {
    /// Whether the filter passes the event.
    pub fn passes(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.job.is_none_or(|job| event.job == Some(job))
            && self.subject.as_ref().is_none_or(|subject| *subject == event.subject)
    }
}

/// Reads and wakes.
#[async_trait]
pub trait EventStore {
    /// Up to `limit` events after `after` that pass the filter, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn read_events(&self, after: EventSeq, limit: u32, filter: &EventFilter) -> Result<Vec<Event>, StoreError>;

    /// The newest event's number; zero for an empty log.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn last_event(&self) -> Result<EventSeq, StoreError>;

    /// Number of the oldest event that is still kept, or that the next one will get if none is. A reader whose cursor
    /// is smaller by more than one has missed events.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn oldest_event(&self) -> Result<EventSeq, StoreError>;

    /// Appends events that belong to no other change.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer; then none was appended.
    async fn append_events(&self, events: Vec<NewEvent>) -> Result<EventSeq, StoreError>;

    /// Told the highest number known, after commits of this process at once, after those of others within 200 ms.
    /// A wake-up may be early, doubled or lost: read from your own cursor.
    fn wakes(&self) -> watch::Receiver<EventSeq>;
}
