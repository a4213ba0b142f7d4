//! Durable listeners.

use async_trait::async_trait;
use hw_job::EventSeq;
use sqlx::sqlite::SqliteRow;

use super::events::{id_text, read_event};
use super::row::Reader;
use super::writer::{Batch, Change, sql};
use super::{SqliteStore, stored, to_json};
use crate::events::{Place, check_cursor, check_limit, check_name};
use crate::{EventFilter, Heard, ListenFrom, ListenerRecord, ListenerStore, StoreError};

/// The numbers of the oldest event that is kept, or of the next one, and of the newest.
macro_rules! bounds {
    () => {
        "coalesce((SELECT min(seq) FROM event),
                  (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'event'), 1) AS oldest,
         coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0) AS last"
    };
}

macro_rules! select_listeners {
    ($rest:literal) => {
        concat!(
            "SELECT name, cursor, registered_at, advanced_at, ",
            bounds!(),
            " FROM listener ",
            $rest
        )
    };
}

const ONE: &str = select_listeners!("WHERE name = ?1");
const ALL: &str = select_listeners!("ORDER BY name");

/// One statement sees one instant: what is pruned while it reads is there, or was missed, but never neither.
const HEAR: &str = concat!(
    "SELECT l.cursor, ",
    bounds!(),
    ", e.seq, e.at, e.kind, e.subject, e.job, e.data
       FROM listener l LEFT JOIN event e
            ON e.seq > l.cursor AND (?2 IS NULL OR e.kind IN (SELECT value FROM json_each(?2)))
            AND (?3 IS NULL OR e.subject = ?3) AND (?4 IS NULL OR e.job = ?4)
       WHERE l.name = ?1 ORDER BY e.seq LIMIT +?5"
);

/// The cursor of the slowest listener that is not behind; the largest number where there is none.
pub(super) const SLOWEST: &str = "SELECT coalesce(
         (SELECT min(cursor) FROM listener WHERE cursor >= coalesce((SELECT min(seq) - 1 FROM event), 0)),
         9223372036854775807) AS cursor";

#[cfg(test)]
pub(super) fn queries_with_plans() -> Vec<(&'static str, &'static str)> {
    vec![("events for a listener", HEAR), ("slowest listener", SLOWEST)]
}

#[async_trait]
impl ListenerStore for SqliteStore {
    async fn register_listener(&self, name: &str, from: ListenFrom) -> Result<ListenerRecord, StoreError> {
        check_name(name)?;
        let name = name.to_owned();
        self.change(Register { name, from }).await
    }

    async fn hear_events(&self, name: &str, limit: u32, filter: &EventFilter) -> Result<Option<Heard>, StoreError> {
        check_limit(limit)?;
        let kinds: Vec<&str> = filter.kinds.iter().map(|kind| kind.as_str()).collect();
        let kinds = if kinds.is_empty() { None } else { Some(to_json(&kinds)?) };
        let hear = sql(HEAR)
            .bind(name.to_owned())
            .bind(kinds)
            .bind(filter.subject.clone())
            .bind(filter.job.map(id_text))
            .bind(i64::from(limit));
        let rows = self.rows(hear).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let place = read_place(&Reader::new(first, format_args!("listener `{name}`")))?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            // A listener to whom nothing happened has one row without an event.
            let seq: Option<i64> = Reader::new(row, "the event log").value("seq")?;
            if seq.is_some() {
                events.push(read_event(row)?);
            }
        }
        Ok(Some(place.heard(events, limit)))
    }

    async fn advance_listener(&self, name: &str, to: EventSeq) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.change(Advance { name, to }).await
    }

    async fn list_listeners(&self) -> Result<Vec<ListenerRecord>, StoreError> {
        self.rows(sql(ALL)).await?.iter().map(read_listener).collect()
    }

    async fn drop_listener(&self, name: &str) -> Result<bool, StoreError> {
        self.change(DropListener(name.to_owned())).await
    }
}

struct Register {
    name: String,
    from: ListenFrom,
}

#[async_trait]
impl Change for Register {
    type Answer = ListenerRecord;
    type Refusal = StoreError;

    fn flush(&self) -> bool {
        true
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<ListenerRecord, StoreError> {
        if let Some(known) = batch.row(sql(ONE).bind(self.name.clone())).await? {
            return read_listener(&known);
        }
        let (oldest, last) = read_bounds(batch).await?;
        let cursor = Place::start(oldest, last, self.from)?;
        let register = sql("INSERT INTO listener (name, cursor, registered_at) VALUES (?1, ?2, ?3)")
            .bind(self.name.clone())
            .bind(stored(cursor.0))
            .bind(batch.now.wall.0);
        batch.write(register).await?;
        let place = Place { cursor, oldest, last };
        Ok(ListenerRecord {
            name: self.name.clone(),
            cursor,
            behind: place.missed().is_some(),
            registered_at: batch.now.wall,
            advanced_at: None,
        })
    }
}

struct Advance {
    name: String,
    to: EventSeq,
}

#[async_trait]
impl Change for Advance {
    type Answer = bool;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        let (_, last) = read_bounds(batch).await?;
        check_cursor(self.to, last)?;
        let advance = "UPDATE listener SET cursor = ?2, advanced_at = ?3 WHERE name = ?1 AND cursor < ?2";
        let advance = sql(advance)
            .bind(self.name.clone())
            .bind(stored(self.to.0))
            .bind(batch.now.wall.0);
        let moved = batch.write(advance).await? > 0;
        Ok(moved || batch.row(sql(ONE).bind(self.name.clone())).await?.is_some())
    }
}

struct DropListener(String);

#[async_trait]
impl Change for DropListener {
    type Answer = bool;
    type Refusal = StoreError;

    fn flush(&self) -> bool {
        true
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        let drop = sql("DELETE FROM listener WHERE name = ?1").bind(self.0.clone());
        Ok(batch.write(drop).await? > 0)
    }
}

async fn read_bounds(batch: &mut Batch<'_>) -> Result<(EventSeq, EventSeq), StoreError> {
    const BOUNDS: &str = concat!("SELECT ", bounds!());
    let row = batch.row(sql(BOUNDS)).await?;
    let row = row.ok_or_else(|| StoreError::Corrupt("the event log has no bounds".to_owned()))?;
    let row = Reader::new(&row, "the event log");
    Ok((EventSeq(row.number("oldest")?), EventSeq(row.number("last")?)))
}

fn read_place(row: &Reader<'_>) -> Result<Place, StoreError> {
    Ok(Place {
        cursor: EventSeq(row.number("cursor")?),
        oldest: EventSeq(row.number("oldest")?),
        last: EventSeq(row.number("last")?),
    })
}

fn read_listener(row: &SqliteRow) -> Result<ListenerRecord, StoreError> {
    let name = Reader::new(row, "a listener").text("name")?;
    let row = Reader::new(row, format_args!("listener `{name}`"));
    let place = read_place(&row)?;
    Ok(ListenerRecord {
        name,
        cursor: place.cursor,
        behind: place.missed().is_some(),
        registered_at: row.timestamp("registered_at")?,
        advanced_at: row.timestamp_if_any("advanced_at")?,
    })
}
