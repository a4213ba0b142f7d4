//! The event log. The number of an event is its row's: given within the transaction, under the write lock.

use async_trait::async_trait;
use hw_job::{Event, EventKind, EventSeq, JobId, NewEvent};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use tokio::sync::watch;

use super::fault::fault;
use super::row::Reader;
use super::writer::{Batch, Change, sql};
use super::{SqliteStore, stored, to_json};
use crate::jobs::check_events;
use crate::{EventFilter, EventStore, StoreError};

#[async_trait]
impl EventStore for SqliteStore {
    async fn read_events(&self, after: EventSeq, limit: u32, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
        let kinds = if kinds.is_empty() { None } else { Some(to_json(&kinds)?) };
        let query = match filter.job {
            // Two statements, so that each has its own index.
            Some(job) => sql(OF_JOB).bind(id_text(job)),
            None => sql(OF_ALL).bind(None::<String>),
        };
        let query = query
            .bind(stored(after.0))
            .bind(kinds)
            .bind(filter.subject.clone())
            .bind(i64::from(limit));
        self.rows(query).await?.iter().map(read_event).collect()
    }

    async fn read_recent(&self, after: EventSeq, limit: u32, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let known = *self.wakes.borrow();
        match self.tail.read(after, known, limit, filter) {
            Some(events) => Ok(events),
            None => self.read_events(after, limit, filter).await,
        }
    }

    async fn last_event(&self) -> Result<EventSeq, StoreError> {
        let row = self.row(sql(LAST)).await?;
        read_seq(row.as_ref())
    }

    async fn oldest_event(&self) -> Result<EventSeq, StoreError> {
        let oldest = "SELECT coalesce((SELECT min(seq) FROM event),
                                      (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'event'), 1) AS seq";
        let row = self.row(sql(oldest)).await?;
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

const LAST: &str = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0) AS seq";

macro_rules! select_events {
    ($job:literal) => {
        concat!(
            "SELECT seq, at, kind, subject, job, data FROM event WHERE ",
            $job,
            " AND seq > ?2 AND (?3 IS NULL OR kind IN (SELECT value FROM json_each(?3)))
               AND (?4 IS NULL OR subject = ?4) ORDER BY seq LIMIT +?5"
        )
    };
}

const OF_JOB: &str = select_events!("job = ?1");
const OF_ALL: &str = select_events!("?1 IS NULL");

#[cfg(test)]
pub(super) fn queries_with_plans() -> Vec<(&'static str, &'static str)> {
    vec![("events", OF_ALL), ("events of a job", OF_JOB), ("last event", LAST)]
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

/// Writes events, the first of them under the number after `last`; returns the number of the newest.
pub(super) async fn insert_events(batch: &mut Batch<'_>, events: &[NewEvent], last: u64) -> Result<u64, StoreError> {
    if events.is_empty() {
        return Ok(last);
    }
    let insert = "INSERT INTO event (seq, at, elapsed, kind, subject, job, data)
                  SELECT ?1 + 1 + key, ?2, ?3, value ->> 0, value ->> 1, value ->> 2, value ->> 3
                  FROM json_each(?4) ORDER BY key";
    let insert = sql(insert)
        .bind(stored(last))
        .bind(batch.now.wall.0)
        .bind(batch.now.elapsed)
        .bind(event_rows(events)?);
    batch.write(insert).await?;
    Ok(last + u64::try_from(events.len()).unwrap_or(0))
}

fn event_rows(events: &[NewEvent]) -> Result<String, StoreError> {
    let rows: Result<Vec<_>, StoreError> = events.iter().map(event_row).collect();
    to_json(&rows?)
}

type EventRow<'e> = (&'static str, &'e str, Option<String>, String);

fn event_row(event: &NewEvent) -> Result<EventRow<'_>, StoreError> {
    let job = event.job.map(id_text);
    Ok((event.kind.as_str(), &event.subject, job, to_json(&event.data)?))
}

/// The id of a job as it is stored.
pub(super) fn id_text(job: JobId) -> String {
    crate::jobs::plain_id(&job.to_string())
}

/// The number of the newest event.
pub(super) async fn last_event(connection: &mut SqliteConnection) -> Result<EventSeq, StoreError> {
    let row = sql(LAST).fetch_one(connection).await.map_err(|error| fault(&error))?;
    read_seq(Some(&row))
}

fn read_seq(row: Option<&SqliteRow>) -> Result<EventSeq, StoreError> {
    let row = row.ok_or_else(|| StoreError::Corrupt("the event log has no head".to_owned()))?;
    Reader::new(row, "the event log").number("seq").map(EventSeq)
}

pub(super) fn read_event(row: &SqliteRow) -> Result<Event, StoreError> {
    let seq = Reader::new(row, "the event log").number("seq")?;
    let row = Reader::new(row, format_args!("event {seq}"));
    let job: Option<String> = row.value("job")?;
    Ok(Event {
        seq: EventSeq(seq),
        at: row.timestamp("at")?,
        kind: row.word("kind", EventKind::from_name)?,
        subject: row.text("subject")?,
        job: job.map(|_| row.job_id("job")).transpose()?,
        data: row.json("data")?,
    })
}
