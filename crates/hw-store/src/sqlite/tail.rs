//! The newest events of the log that this process wrote itself: its own readers need not ask the file for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hw_job::{Event, EventSeq, NewEvent, Timestamp};

use crate::EventFilter;
use crate::limits::TAIL_EVENTS_MAX;

/// Events as they were committed, in memory.
#[derive(Default)]
pub(super) struct Tail(Mutex<Recent>);

/// All events of the log from one number to another.
#[derive(Default)]
struct Recent {
    events: VecDeque<Event>,
}

impl Tail {
    /// Takes in what was committed right after the event `before`.
    pub(super) fn push(&self, before: u64, at: Timestamp, events: Vec<NewEvent>) {
        let mut recent = self.recent();
        if recent.last() != Some(before) {
            // Another process wrote in between.
            recent.events.clear();
        }
        let numbered = events.into_iter().zip(before + 1..);
        recent.events.extend(numbered.map(|(event, seq)| Event {
            seq: EventSeq(seq),
            at,
            kind: event.kind,
            subject: event.subject,
            job: event.job,
            data: event.data,
        }));
        let surplus = recent.events.len().saturating_sub(TAIL_EVENTS_MAX);
        recent.events.drain(..surplus);
    }

    /// Up to `limit` events after `after` that pass the filter; `None` if not all events up to `known` are here.
    pub(super) fn read(
        &self,
        after: EventSeq,
        known: EventSeq,
        limit: u32,
        filter: &EventFilter,
    ) -> Option<Vec<Event>> {
        let recent = self.recent();
        let first = recent.events.front()?.seq.0;
        if after.0 + 1 < first || Some(known.0) > recent.last() {
            return None;
        }
        let begin = usize::try_from(after.0 + 1 - first).unwrap_or(usize::MAX);
        let later = recent.events.iter().skip(begin).filter(|event| filter.passes(event));
        Some(
            later
                .take(usize::try_from(limit).unwrap_or(usize::MAX))
                .cloned()
                .collect(),
        )
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn last(&self) -> Option<u64> {
        self.events.back().map(|event| event.seq.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use hw_job::EventKind;
    use serde_json::json;

    use super::*;

    fn tail_of(batches: &[(u64, u64)]) -> Tail {
        let tail = Tail::default();
        for (before, count) in batches {
            let event = |number: u64| NewEvent {
                kind: if number.is_multiple_of(2) {
                    EventKind::TaskEnded
                } else {
                    EventKind::TaskReady
                },
                subject: number.to_string(),
                job: None,
                data: json!({}),
            };
            let events = (*before + 1..=before + count).map(event).collect();
            tail.push(*before, Timestamp(7), events);
        }
        tail
    }

    fn read(tail: &Tail, after: u64, known: u64, limit: u32) -> Option<Vec<u64>> {
        let events = tail.read(EventSeq(after), EventSeq(known), limit, &EventFilter::default())?;
        assert!(events.iter().all(|event| event.subject == event.seq.0.to_string()));
        Some(events.iter().map(|event| event.seq.0).collect())
    }

    #[test]
    fn events_in_a_row_are_read_from_any_of_them_on() {
        let tail = tail_of(&[(10, 3), (13, 2)]);
        assert_eq!(read(&tail, 10, 15, 9), Some(vec![11, 12, 13, 14, 15]));
        assert_eq!(read(&tail, 12, 15, 2), Some(vec![13, 14]));
        assert_eq!(read(&tail, 15, 15, 9), Some(vec![]));
        assert_eq!(read(&tail, 99, 15, 9), Some(vec![]));
    }

    #[test]
    fn what_is_not_here_is_not_denied() {
        assert_eq!(read(&Tail::default(), 0, 0, 9), None);
        let tail = tail_of(&[(10, 3)]);
        assert_eq!(read(&tail, 9, 13, 9), None, "event 10 is not here");
        assert_eq!(read(&tail, 11, 14, 9), None, "event 14 is known, of another process");
    }

    #[test]
    fn events_of_another_process_in_between_begin_the_row_anew() {
        let tail = tail_of(&[(10, 3), (14, 2)]);
        assert_eq!(read(&tail, 12, 16, 9), None);
        assert_eq!(read(&tail, 14, 16, 9), Some(vec![15, 16]));
    }

    #[test]
    fn the_row_is_bounded_and_filtered() {
        let many = TAIL_EVENTS_MAX as u64 + 50;
        let tail = tail_of(&[(0, many)]);
        assert_eq!(read(&tail, 49, many, 1), None);
        assert_eq!(read(&tail, 50, many, 1), Some(vec![51]));
        let filter = EventFilter {
            kinds: vec![EventKind::TaskEnded],
            ..EventFilter::default()
        };
        let events = tail.read(EventSeq(50), EventSeq(many), 2, &filter).unwrap();
        assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [52, 54]);
    }
}
