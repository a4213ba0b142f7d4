//! The event log, as server-sent events or JSON lines.
//!
//! A follower keeps nothing but its cursor: what it has not taken yet is still in the log. Where the log was pruned beyond
//! its cursor, an event of kind `log.pruned` tells it.

mod follow;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use hw_api::EventDocument;
use hw_job::{EventKind, EventSeq};
use hw_store::{EventFilter, Role};

use super::jobs::find_job;
use super::{Answer, Load, Route, any, json_lines, line, lines_body};
use crate::listen::StallLimit;
use crate::problem::Fault;
use crate::request::{QueryPairs, Reader};
use crate::state::Shared;

use follow::{Item, Start, follow};

const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: &str = "last-event-id";

/// A follower that takes nothing for so long is given up.
const STALL_MAX: Duration = Duration::from_secs(30);

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/events", "list_events", get(list))
            .about("Events in order, from a place in the log on.")
            .role(Role::Read)
            .load(Load::Follower)
            .query(
                "since",
                "integer",
                "Only events after this number; 0 for all that are kept.",
            )
            .query(
                "kind",
                "string",
                "Only these kinds (`job.ended`), or groups of kinds (`job`); several are separated by commas.",
            )
            .query("job", "string", "Only events of this job.")
            .query(
                "follow",
                "boolean",
                "Go on when the newest event is reached; always with server-sent events.",
            )
            .query("limit", "integer", "End after so many events.")
            .header("Last-Event-ID", "As `since`, and wins over it.")
            .answers(200, "Events.", vec![json_lines::<EventDocument>(), any(EVENT_STREAM)]),
    ]
}

async fn list(
    State(state): State<Shared>,
    stall: Option<Extension<StallLimit>>,
    query: QueryPairs,
    headers: HeaderMap,
) -> Answer {
    let mut reader = query.reader(&["since", "kind", "job", "follow", "limit"]);
    let sse = wants_sse(&headers);
    let follows = reader.flag("follow") || sse;
    let since = since(&mut reader, &headers);
    let kinds = kinds(&mut reader);
    let job = reader.text("job").map(str::to_owned);
    let limit = reader.number("limit").unwrap_or(u64::MAX);
    if limit == 0 {
        reader.wrong(
            "`limit` must be a number from 1, found `0`",
            "leave it out for all events",
        );
    }
    reader.finish()?;
    let filter = EventFilter {
        kinds,
        job: match job {
            Some(job) => Some(find_job(&state, &job).await?.id),
            None => None,
        },
        subject: None,
    };
    let start = match since {
        Some(seq) => Start::After(seq),
        None if follows => Start::Newest,
        None => Start::After(EventSeq(0)),
    };
    if follows && let Some(Extension(stall)) = stall {
        stall.set(STALL_MAX);
    }
    let items = limited(follow(state, start, filter, follows), limit);
    Ok(match sse {
        true => sse_body(items),
        false => lines_body(items.filter_map(|item| async { json_line(item) })),
    })
}

/// The events that are kept, from a place on, as JSON lines.
pub(super) fn kept_events(state: Shared, after: EventSeq, filter: EventFilter) -> impl Stream<Item = Bytes> {
    follow(state, Start::After(after), filter, false).filter_map(|item| async { json_line(item) })
}

/// The items up to the last event that the limit lets through.
fn limited(items: impl Stream<Item = Item>, limit: u64) -> impl Stream<Item = Item> {
    async_stream::stream! {
        let mut left = limit;
        futures::pin_mut!(items);
        while left > 0 && let Some(item) = items.next().await {
            left -= u64::from(matches!(item, Item::Event(_)));
            yield item;
        }
    }
}

fn wants_sse(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|header| header.to_str().ok());
    accepted
        .flat_map(|accept| accept.split(','))
        .any(|entry| entry.trim().starts_with(EVENT_STREAM))
}

fn since(reader: &mut Reader<'_>, headers: &HeaderMap) -> Option<EventSeq> {
    let asked = reader.number("since").map(EventSeq);
    let Some(header) = headers.get(LAST_EVENT_ID) else {
        return asked;
    };
    let last = header.to_str().ok().and_then(|text| text.trim().parse().ok());
    if last.is_none() {
        reader.wrong(
            "the header `Last-Event-ID` must be the number of an event",
            "send the id of the last event seen",
        );
    }
    last.map(EventSeq).or(asked)
}

/// Kinds by name, `job.ended`, or by group, `job`.
fn kinds(reader: &mut Reader<'_>) -> Vec<EventKind> {
    let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let read = |text: &str| {
        let group = format!("{}.", text.trim_end_matches(".*"));
        let of_group: Vec<EventKind> = EventKind::ALL
            .into_iter()
            .filter(|kind| kind.as_str().starts_with(&group))
            .collect();
        match EventKind::from_name(text) {
            Some(kind) => Some(vec![kind]),
            None => (!of_group.is_empty()).then_some(of_group),
        }
    };
    reader.choices("kind", &names, read).into_iter().flatten().collect()
}

fn sse_body(items: impl Stream<Item = Item> + Send + 'static) -> Response {
    let chunks = items.map(|item| Ok::<_, std::convert::Infallible>(sse_chunk(item)));
    let mut response = Response::new(Body::from_stream(chunks));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    response
}

/// JSON never holds a line end, so the data is always one line.
fn sse_chunk(item: Item) -> Bytes {
    match item {
        Item::Event(event) => {
            let data = serde_json::to_string(&event).unwrap_or_default();
            Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.seq, event.kind))
        }
        Item::Failed(problem) => {
            let data = serde_json::to_string(&problem).unwrap_or_default();
            Bytes::from(format!("event: error\ndata: {data}\n\n"))
        }
        Item::Heartbeat => Bytes::from_static(b": still here\n\n"),
    }
}

/// Lines have no comments: nothing is said while nothing happens.
fn json_line(item: Item) -> Option<Bytes> {
    match item {
        Item::Event(event) => Some(line(&event)),
        Item::Failed(problem) => Some(line(&serde_json::json!({"error": problem}))),
        Item::Heartbeat => None,
    }
}

impl From<Fault> for Item {
    fn from(fault: Fault) -> Self {
        Self::Failed(Box::new(fault.into_problem()))
    }
}
