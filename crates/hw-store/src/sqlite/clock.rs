//! The store's own clock: the host's elapsed one, going on where it stopped when the host is started again.

use std::time::Duration;

use hw_job::{Clock, Elapsed, Timestamp};
use sqlx::SqliteConnection;

use super::fault::fault;
use super::row::Reader;
use super::writer::{Batch, sql};
use crate::StoreError;
use crate::limits::ABSENCE_MAX;

/// An instant: on the wall, and on the store's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Timestamp,
    /// Microseconds on the store's clock.
    pub(super) elapsed: i64,
}

/// How the host's elapsed clock and the store's go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch {
    /// What the store's clock is ahead of the host's.
    ahead: i64,
}

impl Epoch {
    pub(super) fn now(self, clock: &dyn Clock) -> Now {
        Now {
            wall: clock.wall(),
            elapsed: self.to_store(clock.elapsed()),
        }
    }

    /// An instant of the store's clock as the host's processes know it.
    pub(super) fn to_host(self, elapsed: i64) -> Elapsed {
        Elapsed(u64::try_from(elapsed.saturating_sub(self.ahead)).unwrap_or(0))
    }

    fn to_store(self, elapsed: Elapsed) -> i64 {
        i64::try_from(elapsed.0).unwrap_or(i64::MAX).saturating_add(self.ahead)
    }
}

impl Now {
    pub(super) fn after(self, duration: Duration) -> i64 {
        self.elapsed.saturating_add(micros(duration))
    }

    /// The time from `earlier` until now; zero where `earlier` is later.
    pub(super) fn since(self, earlier: i64) -> Duration {
        Duration::from_micros(u64::try_from(self.elapsed.saturating_sub(earlier)).unwrap_or(0))
    }
}

/// A duration as it is stored.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Finds out how the clocks go together. If the host was started again since, everything that was leased or paused on
/// the old clock is over, and the store's clock goes on from the last that was written, plus what the wall says has
/// passed. The connection holds the write lock.
pub(super) async fn settle_epoch(
    connection: &mut SqliteConnection,
    clock: &dyn Clock,
    boot_id: &str,
) -> Result<Epoch, StoreError> {
    let known = load_epoch(connection).await?;
    if let Some((_, epoch)) = known.filter(|(boot, _)| boot == boot_id) {
        return Ok(epoch);
    }
    let epoch = match last_written(connection).await? {
        None => Epoch { ahead: 0 },
        Some(last) => epoch_after(last, clock),
    };
    expire_all(connection, epoch.now(clock).elapsed).await?;
    save_epoch(connection, boot_id, epoch).await?;
    Ok(epoch)
}

fn epoch_after(last: Now, clock: &dyn Clock) -> Epoch {
    // A host may start with a wall clock that is years off: that must not age everything by years.
    let passed = clock.wall().0.saturating_sub(last.wall.0).clamp(0, micros(ABSENCE_MAX));
    let now = last.elapsed.saturating_add(passed);
    Epoch {
        ahead: now.saturating_sub(i64::try_from(clock.elapsed().0).unwrap_or(i64::MAX)),
    }
}

async fn load_epoch(connection: &mut SqliteConnection) -> Result<Option<(String, Epoch)>, StoreError> {
    let row = sqlx::query(
        "SELECT b.value AS boot, e.value AS ahead FROM meta b, meta e WHERE b.name = 'boot_id' AND e.name = 'clock_ahead'",
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| fault(&error))?;
    let Some(row) = row else { return Ok(None) };
    let row = Reader::new(&row, "the store's clock");
    let ahead = row.word("ahead", |text| text.parse().ok())?;
    Ok(Some((row.text("boot")?, Epoch { ahead })))
}

async fn save_epoch(connection: &mut SqliteConnection, boot_id: &str, epoch: Epoch) -> Result<(), StoreError> {
    sqlx::query("INSERT OR REPLACE INTO meta (name, value) VALUES ('boot_id', ?1), ('clock_ahead', ?2)")
        .bind(boot_id)
        .bind(epoch.ahead.to_string())
        .execute(connection)
        .await
        .map_err(|error| fault(&error))?;
    Ok(())
}

/// The latest instant that the store holds: of its newest event, or of the last time that events were forgotten.
async fn last_written(connection: &mut SqliteConnection) -> Result<Option<Now>, StoreError> {
    let latest = "SELECT at, elapsed FROM (SELECT at, elapsed FROM event ORDER BY seq DESC LIMIT 1)
                  UNION ALL
                  SELECT m.value ->> 0, m.value ->> 1 FROM meta m WHERE m.name = 'clock_mark'
                  ORDER BY elapsed DESC LIMIT 1";
    let row = sqlx::query(latest)
        .fetch_optional(connection)
        .await
        .map_err(|error| fault(&error))?;
    let Some(row) = row else { return Ok(None) };
    let row = Reader::new(&row, "the store's clock");
    Ok(Some(Now {
        wall: row.timestamp("at")?,
        elapsed: row.value("elapsed")?,
    }))
}

/// Marks the instant, so that it is known when no event tells of it any more.
pub(super) async fn mark_clock(batch: &mut Batch<'_>) -> Result<(), StoreError> {
    let mark = sql("INSERT OR REPLACE INTO meta (name, value) VALUES ('clock_mark', json_array(?1, ?2))")
        .bind(batch.now.wall.0)
        .bind(batch.now.elapsed);
    batch.write(mark).await?;
    Ok(())
}

async fn expire_all(connection: &mut SqliteConnection, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE task SET lease_until = min(lease_until, ?1) WHERE state = 'running';
         UPDATE task SET not_before = min(not_before, ?1) WHERE state = 'retry_wait';
         UPDATE session SET lease_until = min(lease_until, ?1)",
    )
    .bind(now)
    .execute(connection)
    .await
    .map_err(|error| fault(&error))?;
    Ok(())
}
