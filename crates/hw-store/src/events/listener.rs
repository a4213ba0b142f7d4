//! Durable listeners: readers of the log whose place in it outlives their process.
//!
//! ```text
//!            gone          kept, read      kept, not read
//!  log  ··············┃■■■■■■■■■■■■■■■■┃□□□□□□□□□□□□□□□□  last
//!                   oldest           cursor
//! ```
//!
//! Events stay beyond their age for a listener that has not read them, but no longer than [`LISTENER_WAIT_MAX`]. Then
//! they go, and a listener whose cursor lies before the oldest event left is *behind*: each read tells it what it missed
//! until it has moved its cursor past that. One that is behind holds nothing back any more.
//!
//! [`LISTENER_WAIT_MAX`]: crate::LISTENER_WAIT_MAX

use hw_job::{Event, EventSeq, Timestamp};

use crate::StoreError;

/// Bytes of a listener's name.
const NAME_BYTES_MAX: usize = 255;

/// Where a new listener begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenFrom {
    /// With the oldest event that is still kept.
    Oldest,
    /// With the next event.
    Newest,
    /// After this one. Where that is no longer kept, the listener is behind from the start.
    After(EventSeq),
}

/// A durable listener as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerRecord {
    /// Its name: `rule:NAME` for a rule.
    pub name: String,
    /// The last event that it has dealt with.
    pub cursor: EventSeq,
    /// Whether events went that it had not read.
    pub behind: bool,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When its cursor last moved.
    pub advanced_at: Option<Timestamp>,
}

/// Events that are gone and were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// The first of them.
    pub first: EventSeq,
    /// The last of them: a cursor moved here, or further, is past them.
    pub last: EventSeq,
}

/// What a listener reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// What it missed, if anything. Told again until its cursor is past that; nothing says which of those events would
    /// have passed the filter.
    pub missed: Option<Missed>,
    /// Events after its cursor that pass the filter, in order.
    pub events: Vec<Event>,
    /// Where its cursor may be moved once these are dealt with: further than the last of them where what followed did not
    /// pass the filter.
    pub upto: EventSeq,
}

/// What the log holds and where the listener stands, at one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) cursor: EventSeq,
    pub(crate) oldest: EventSeq,
    pub(crate) last: EventSeq,
}

impl Place {
    /// What is gone between the cursor and the oldest event that is kept.
    pub(crate) fn missed(self) -> Option<Missed> {
        let first = EventSeq(self.cursor.0.saturating_add(1));
        (first < self.oldest).then(|| Missed {
            first,
            last: EventSeq(self.oldest.0.saturating_sub(1)),
        })
    }

    /// What the listener reads, where `events` are those that it asked for, at most `limit`.
    pub(crate) fn heard(self, events: Vec<Event>, limit: u32) -> Heard {
        let is_full = events.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let upto = match events.last() {
            Some(event) if is_full => event.seq,
            Some(_) | None => self.last.max(self.cursor),
        };
        Heard {
            missed: self.missed(),
            events,
            upto,
        }
    }

    /// The cursor of a new listener.
    pub(crate) fn start(oldest: EventSeq, last: EventSeq, from: ListenFrom) -> Result<EventSeq, StoreError> {
        match from {
            ListenFrom::Oldest => Ok(EventSeq(oldest.0.saturating_sub(1))),
            ListenFrom::Newest => Ok(last),
            ListenFrom::After(seq) => check_cursor(seq, last).map(|()| seq),
        }
    }
}

/// Refuses names that are empty, too long, or hold control characters.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let fits = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    fits.then_some(()).ok_or_else(|| {
        let shown = name.escape_debug();
        StoreError::Misuse(format!("`{shown}` cannot be the name of a listener"))
    })
}

/// Refuses reads of nothing, which would say that everything was read.
pub(crate) fn check_limit(limit: u32) -> Result<(), StoreError> {
    (limit > 0)
        .then_some(())
        .ok_or_else(|| StoreError::Misuse("a listener reads at least one event".to_owned()))
}

/// Refuses cursors beyond the end of the log, which would skip events to come.
pub(crate) fn check_cursor(seq: EventSeq, last: EventSeq) -> Result<(), StoreError> {
    (seq <= last).then_some(()).ok_or_else(|| {
        let (seq, last) = (seq.0, last.0);
        StoreError::Misuse(format!(
            "a listener cannot have read event {seq}: the log ends with {last}"
        ))
    })
}
