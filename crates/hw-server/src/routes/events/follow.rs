//! Reading the log from a cursor on, as far as it goes or for as long as somebody listens.

use std::collections::VecDeque;
use std::time::Duration;

use futures::Stream;
use hw_api::{EventDocument, Problem, rfc3339};
use hw_job::EventSeq;
use hw_store::EventFilter;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::documents::event_document;
use crate::problem::Fault;
use crate::state::{Shared, State as Server};

/// Events that are held for a reader; further ones stay in the log until it has taken these.
const BATCH: u32 = 200;

/// Pause between two signs of life; tests are less patient.
const HEARTBEAT: Duration = Duration::from_millis(if cfg!(test) { 400 } else { 15_000 });

/// Longest time between two looks at the log, in case a wake-up was lost.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// After this event.
    After(EventSeq),
    /// With what happens from now on.
    Newest,
}

/// What a reader gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// An event.
    Event(EventDocument),
    /// The log cannot be read; nothing follows.
    Failed(Box<Problem>),
    /// Nothing happened for a while.
    Heartbeat,
}

/// Events from `start` on, those that pass the filter. Ends at the newest one, or, where it `follows`, with the server.
pub(super) fn follow(state: Shared, start: Start, filter: EventFilter, follows: bool) -> impl Stream<Item = Item> {
    async_stream::stream! {
        let mut cursor = match begin(&state, start).await {
            Ok((cursor, gap)) => {
                if let Some(gap) = gap {
                    yield Item::Event(gap);
                }
                cursor
            }
            Err(fault) => {
                yield fault.into();
                return;
            }
        };
        let mut wakes = state.store().wakes();
        let mut heartbeat_at = Instant::now() + HEARTBEAT;
        loop {
            wakes.borrow_and_update();
            match read(&state, &mut cursor, &filter).await {
                Ok(mut events) if !events.is_empty() => {
                    while let Some(event) = events.pop_front() {
                        yield Item::Event(event);
                    }
                    heartbeat_at = Instant::now() + HEARTBEAT;
                    continue;
                }
                Ok(_) => {}
                Err(fault) => {
                    yield fault.into();
                    return;
                }
            }
            if !follows || state.stop().is_cancelled() {
                return;
            }
            let look_at = heartbeat_at.min(Instant::now() + LOOK_AGAIN);
            tokio::select! {
                () = state.stop().cancelled() => return,
                _ = timeout_at(look_at, wakes.changed()) => {}
            }
            if Instant::now() >= heartbeat_at {
                heartbeat_at = Instant::now() + HEARTBEAT;
                yield Item::Heartbeat;
            }
        }
    }
}

/// The cursor to begin with, and what tells of events that are missing.
async fn begin(state: &Server, start: Start) -> Result<(EventSeq, Option<EventDocument>), Fault> {
    let last = state.store().last_event().await?;
    let Start::After(after) = start else {
        return Ok((last, None));
    };
    // A log that was restored from a backup may end before the reader's cursor.
    if after > last {
        return Ok((last, Some(gap(state, "log.reset", last, after))));
    }
    match pruned(state, after).await? {
        Some(oldest) => {
            let before = EventSeq(oldest.0.saturating_sub(1));
            // A reader that asks for everything misses nothing it has ever seen.
            let told = (after.0 > 0).then(|| gap(state, "log.pruned", before, after));
            Ok((before, told))
        }
        None => Ok((after, None)),
    }
}

/// The oldest event, if some between the cursor and it are gone.
async fn pruned(state: &Server, cursor: EventSeq) -> Result<Option<EventSeq>, Fault> {
    let oldest = state.store().oldest_event().await?;
    Ok((oldest.0 > cursor.0 + 1).then_some(oldest))
}

/// An event of the reader's own, which is not in the log.
fn gap(state: &Server, kind: &str, seq: EventSeq, after: EventSeq) -> EventDocument {
    EventDocument {
        seq: seq.0,
        at: rfc3339(state.parts().clock.wall().0),
        kind: kind.to_owned(),
        subject: "events".to_owned(),
        job: None,
        data: json!({"after": after.0, "continues_after": seq.0}),
    }
}

/// The next events, those that tell of a gap among them. Moves the cursor.
async fn read(state: &Server, cursor: &mut EventSeq, filter: &EventFilter) -> Result<VecDeque<EventDocument>, Fault> {
    let before = *cursor;
    let last = state.store().last_event().await?;
    let events = state.store().read_events(before, BATCH, filter).await?;
    let mut documents = VecDeque::new();
    // A reader that lags behind may be overtaken by the pruning of the log.
    let lags = before.0 > 0 && last.0.saturating_sub(before.0) > u64::from(BATCH);
    if lags && let Some(oldest) = pruned(state, before).await? {
        documents.push_back(gap(state, "log.pruned", EventSeq(oldest.0.saturating_sub(1)), before));
    }
    *cursor = match events.last() {
        Some(event) => event.seq,
        // Nothing up to here passes the filter, so that a later look need not begin before it.
        None => before.max(last),
    };
    documents.extend(events.into_iter().map(event_document));
    Ok(documents)
}
