//! The event log: append-only, numbered in the order in which readers see it.

mod listener;

use async_trait::async_trait;
use hw_job::{Event, EventKind, EventSeq, JobId, NewEvent};
use tokio::sync::watch;

use crate::StoreError;
pub use listener::{Heard, ListenFrom, ListenerRecord, Missed};
pub(crate) use listener::{Place, check_cursor, check_limit, check_name};

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

    /// The same for a reader that [`wakes`](Self::wakes) wakes: events of other processes that it was not woken for yet may
    /// be left out, and then all that come after them.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn read_recent(&self, after: EventSeq, limit: u32, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        self.read_events(after, limit, filter).await
    }

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

    /// Told the highest number known, after commits of this process at once, after those of others within 200 ms. On
    /// Postgres the latter holds for the kinds of events that somebody waits for; others are told of within a second.
    /// A wake-up may be early, doubled or lost: read from your own cursor.
    fn wakes(&self) -> watch::Receiver<EventSeq>;
}

/// Readers of the log that the store knows by name: rules, mirrors of the log, whatever must go on where it stopped.
///
/// A listener reads, deals with what it read, and moves its cursor: killed in between, it reads the same again. Two
/// processes may read for the same listener; then each event may be dealt with by both.
#[async_trait]
pub trait ListenerStore {
    /// Registers a listener of this name, 1 to 255 bytes without control characters. One that is there already stays as it
    /// is, wherever it was to begin.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, the name will not do, or it is to begin after an event that is still to
    /// come ([`StoreError::Misuse`]).
    async fn register_listener(&self, name: &str, from: ListenFrom) -> Result<ListenerRecord, StoreError>;

    /// Up to `limit` events after the listener's cursor that pass the filter, and what it missed; `None` if there is no
    /// such listener. The cursor stays where it is.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, or the limit is zero ([`StoreError::Misuse`]).
    async fn hear_events(&self, name: &str, limit: u32, filter: &EventFilter) -> Result<Option<Heard>, StoreError>;

    /// Moves the listener's cursor to this event, never back; `false` if there is no such listener.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, or the event is still to come ([`StoreError::Misuse`]).
    async fn advance_listener(&self, name: &str, to: EventSeq) -> Result<bool, StoreError>;

    /// All listeners by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn list_listeners(&self) -> Result<Vec<ListenerRecord>, StoreError>;

    /// Removes a listener; whether it was there. Events wait for it no longer.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn drop_listener(&self, name: &str) -> Result<bool, StoreError>;
}
