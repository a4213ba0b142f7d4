//! The event log. The number of an event is given in the last statement of its transaction, under the log's lock.

use async_trait::async_trait;
use hw_job::{Event, EventKind, EventSeq, JobId, NewEvent};
use sqlx::postgres::PgRow;
use tokio::sync::watch;

use super::row::{Reader, kept, kept_all};
use super::writer::{Batch, Change, Receipt, sql};
use super::{PostgresStore, stored, to_json};
use crate::jobs::check_events;
use crate::{EventFilter, EventStore, StoreError};

#[async_trait]
impl EventStore for PostgresStore {
    async fn read_events(&self, after: EventSeq, limit: u32, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let query = || {
            let query = match filter.job {
                // Two statements, so that each has its own index.
                Some(job) => sql(OF_JOB).bind(id_text(job)),
                None => sql(OF_ALL).bind(None::<String>),
            };
            query
                .bind(stored(after.0))
                .bind(kinds_of(filter))
                .bind(filter.subject.as_deref().map(kept))
                .bind(i64::from(limit))
        };
        self.rows(query).await?.iter().map(read_event).collect()
    }

    async fn last_event(&self) -> Result<EventSeq, StoreError> {
        let row = self.row(|| sql("SELECT last AS seq FROM log")).await?;
        read_seq(row.as_ref())
    }

    async fn oldest_event(&self) -> Result<EventSeq, StoreError> {
        let oldest = "SELECT coalesce((SELECT min(seq) FROM event), (SELECT last + 1 FROM log)) AS seq";
        let row = self.row(|| sql(oldest)).await?;
        read_seq(row.as_ref())
    }

    async fn append_events(&self, events: Vec<NewEvent>) -> Result<EventSeq, StoreError> {
        check_events(&events)?;
        self.change(Append(events)).await
    }

    fn wakes(&self) -> watch::Receiver<EventSeq> {
        self.wakes.subscribe()
    }
}

macro_rules! select_events {
    ($job:literal) => {
        concat!(
            "SELECT seq, at, kind, subject, job, data FROM event WHERE ",
            $job,
            " AND seq > $2 AND ($3::text[] IS NULL OR kind = ANY($3))
               AND ($4::text IS NULL OR subject = $4) ORDER BY seq LIMIT $5"
        )
    };
}

const OF_JOB: &str = select_events!("job = $1");
const OF_ALL: &str = select_events!("$1::text IS NULL");

/// The names of the kinds that a filter passes; `None` for all.
pub(super) fn kinds_of(filter: &EventFilter) -> Option<Vec<String>> {
    let kinds: Vec<String> = filter.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    (!kinds.is_empty()).then_some(kinds)
}

struct Append(Vec<NewEvent>);

#[async_trait]
impl Change for Append {
    type Answer = EventSeq;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<EventSeq, StoreError> {
        Ok(batch.append(self.0.clone()))
    }
}

/// One statement, the last of its transaction: the events, the log's newest number with the clock, and the receipt.
macro_rules! write_events {
    ($receipt:literal) => {
        concat!(
            "WITH head AS (UPDATE log SET last = $1 + cardinality($2::text[]), elapsed = $6, wall = $7)",
            $receipt,
            "INSERT INTO event (seq, at, elapsed, kind, subject, job, data)
             SELECT $1 + c.place, $7, $6, c.kind, c.subject, c.job, c.data
             FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
                  AS c (kind, subject, job, data, place) ORDER BY c.place"
        )
    };
}

const WRITE_EVENTS: &str = write_events!(" ");

const WRITE_EVENTS_WITH_RECEIPT: &str = write_events!(
    ", receipt AS (INSERT INTO receipt (writer, number, at) VALUES ($8, $9, $7)
                   ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = excluded.at) "
);

/// Writes events, the first of them under the number after `last`; returns the number of the newest. Also without events it
/// leaves the clock and the receipt.
pub(super) async fn insert_events(
    batch: &mut Batch<'_>,
    events: &[NewEvent],
    last: u64,
    receipt: Option<&Receipt>,
) -> Result<u64, StoreError> {
    let data: Result<Vec<String>, StoreError> = events.iter().map(|event| to_json(&event.data)).collect();
    let text = if receipt.is_some() {
        WRITE_EVENTS_WITH_RECEIPT
    } else {
        WRITE_EVENTS
    };
    let mut insert = sql(text)
        .bind(stored(last))
        .bind(kept_all(events.iter().map(|event| event.kind.as_str())))
        .bind(kept_all(events.iter().map(|event| &event.subject)))
        .bind(events.iter().map(|event| event.job.map(id_text)).collect::<Vec<_>>())
        .bind(data?)
        .bind(batch.now.elapsed)
        .bind(batch.now.wall.0);
    if let Some(receipt) = receipt {
        insert = insert.bind(receipt.writer.clone()).bind(receipt.number);
    }
    batch.write(insert).await?;
    Ok(last + u64::try_from(events.len()).unwrap_or(0))
}

/// The id of a job as it is stored.
pub(super) fn id_text(job: JobId) -> String {
    crate::jobs::plain_id(&job.to_string())
}

fn read_seq(row: Option<&PgRow>) -> Result<EventSeq, StoreError> {
    let row = row.ok_or_else(|| StoreError::Corrupt("the event log has no head".to_owned()))?;
    Reader::new(row, "the event log").number("seq").map(EventSeq)
}

pub(super) fn read_event(row: &PgRow) -> Result<Event, StoreError> {
    let seq = Reader::new(row, "the event log").number("seq")?;
    let row = Reader::new(row, format_args!("event {seq}"));
    let job = row.text_if_any("job")?;
    Ok(Event {
        seq: EventSeq(seq),
        at: row.timestamp("at")?,
        kind: row.word("kind", EventKind::from_name)?,
        subject: row.text("subject")?,
        job: job.map(|_| row.job_id("job")).transpose()?,
        data: row.json("data")?,
    })
}
