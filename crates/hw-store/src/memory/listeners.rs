//! Durable listeners.

use std::ops::Bound;

use async_trait::async_trait;
use hw_job::{EventSeq, Timestamp};

use super::MemoryStore;
use super::state::State;
use crate::events::{Place, check_cursor, check_limit, check_name};
use crate::{EventFilter, Heard, ListenFrom, ListenerRecord, ListenerStore, StoreError};

/// A listener of the log.
pub(super) struct ListenerEntry {
    pub(super) cursor: EventSeq,
    registered_at: Timestamp,
    advanced_at: Option<Timestamp>,
}

#[async_trait]
impl ListenerStore for MemoryStore {
    async fn register_listener(&self, name: &str, from: ListenFrom) -> Result<ListenerRecord, StoreError> {
        check_name(name)?;
        self.write(|state, _, now| {
            if !state.listeners.contains_key(name) {
                let cursor = Place::start(state.oldest_event(), EventSeq(state.event_last), from)?;
                let entry = ListenerEntry {
                    cursor,
                    registered_at: now.wall,
                    advanced_at: None,
                };
                state.listeners.insert(name.to_owned(), entry);
            }
            state
                .listener(name)
                .ok_or_else(|| StoreError::Corrupt(format!("listener `{name}` is gone")))
        })
    }

    async fn hear_events(&self, name: &str, limit: u32, filter: &EventFilter) -> Result<Option<Heard>, StoreError> {
        check_limit(limit)?;
        Ok(self.read(|state, _| {
            let place = state.place(state.listeners.get(name)?);
            let later = (Bound::Excluded(place.cursor.0), Bound::Unbounded);
            let events = state.events.range(later).map(|(_, entry)| &entry.event);
            let passing = events.filter(|event| filter.passes(event));
            let events = passing.take(usize::try_from(limit).unwrap_or(usize::MAX));
            Some(place.heard(events.cloned().collect(), limit))
        }))
    }

    async fn advance_listener(&self, name: &str, to: EventSeq) -> Result<bool, StoreError> {
        self.write(|state, _, now| {
            check_cursor(to, EventSeq(state.event_last))?;
            let Some(entry) = state.listeners.get_mut(name) else {
                return Ok(false);
            };
            if to > entry.cursor {
                entry.cursor = to;
                entry.advanced_at = Some(now.wall);
            }
            Ok(true)
        })
    }

    async fn list_listeners(&self) -> Result<Vec<ListenerRecord>, StoreError> {
        Ok(self.read(|state, _| {
            let names = state.listeners.keys();
            names.filter_map(|name| state.listener(name)).collect()
        }))
    }

    async fn drop_listener(&self, name: &str) -> Result<bool, StoreError> {
        self.write(|state, _, _| Ok(state.listeners.remove(name).is_some()))
    }
}

impl State {
    /// Number of the oldest event that is kept, or of the next one.
    pub(super) fn oldest_event(&self) -> EventSeq {
        let oldest = self.events.first_key_value().map(|(seq, _)| *seq);
        EventSeq(oldest.unwrap_or(self.event_last + 1))
    }

    /// The cursor of the slowest listener that is not behind; the largest number where there is none.
    pub(super) fn slowest_listener(&self) -> EventSeq {
        let in_time = self
            .listeners
            .values()
            .filter(|entry| self.place(entry).missed().is_none());
        in_time.map(|entry| entry.cursor).min().unwrap_or(EventSeq(u64::MAX))
    }

    fn place(&self, entry: &ListenerEntry) -> Place {
        Place {
            cursor: entry.cursor,
            oldest: self.oldest_event(),
            last: EventSeq(self.event_last),
        }
    }

    fn listener(&self, name: &str) -> Option<ListenerRecord> {
        let entry = self.listeners.get(name)?;
        Some(ListenerRecord {
            name: name.to_owned(),
            cursor: entry.cursor,
            behind: self.place(entry).missed().is_some(),
            registered_at: entry.registered_at,
            advanced_at: entry.advanced_at,
        })
    }
}
