//! The event log.

use std::ops::Bound;

use async_trait::async_trait;
use hw_job::{Event, EventSeq, NewEvent};
use tokio::sync::watch;

use super::MemoryStore;
use crate::jobs::check_events;
use crate::{EventFilter, EventStore, StoreError};

#[async_trait]
impl EventStore for MemoryStore {
    async fn read_events(&self, after: EventSeq, limit: u32, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.read(|state, _| {
            let later = (Bound::Excluded(after.0), Bound::Unbounded);
            let events = state.events.range(later).map(|(_, entry)| &entry.event);
            events
                .filter(|event| filter.passes(event))
                .take(limit)
                .cloned()
                .collect()
        }))
    }

    async fn last_event(&self) -> Result<EventSeq, StoreError> {
        Ok(self.read(|state, _| EventSeq(state.event_last)))
    }

    async fn oldest_event(&self) -> Result<EventSeq, StoreError> {
        Ok(self.read(|state, _| state.oldest_event()))
    }

    async fn append_events(&self, events: Vec<NewEvent>) -> Result<EventSeq, StoreError> {
        check_events(&events)?;
        self.write(|state, _, now| {
            let seq = state.append(events, now);
            self.wakes.send_replace(seq);
            Ok(seq)
        })
    }

    fn wakes(&self) -> watch::Receiver<EventSeq> {
        self.wakes.subscribe()
    }
}
