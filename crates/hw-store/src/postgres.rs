//! The store on Postgres: many hosts, any number of processes.
//!
//! ```text
//!  writer    one connection     changes in batches, under the advisory lock of the log
//!  pool      some connections   reads, and claims, which look for tasks side by side (`SKIP LOCKED`)
//!  ear       one connection     LISTEN, and a slow look at the newest event
//! ```
//!
//! Each process has one writer, which shares its transactions among the changes that wait. Over all processes, events are
//! numbered in the order of commits (see `postgres/writer.rs`), time is the server's without its jumps (`clock.rs`), and a
//! schema of its own holds everything (`?schema=NAME` in the address, `headwater` where it names none). A pooler before the
//! server must keep a session's settings and its `LISTEN` (session pooling).
//!
//! The server keeps what was committed: a copy is made with its own means, `pg_dump --schema=NAME`, or from its archive.

mod catalog;
mod clock;
mod document;
mod events;
mod fault;
mod files;
mod jobs;
mod listen;
mod listeners;
mod migrations;
mod open;
mod queue;
mod retention;
mod row;
mod sessions;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{Clock, EventSeq};
use serde::Serialize;
use sqlx::PgPool;
use sqlx::postgres::PgRow;
use tokio::sync::watch as channel;
use tokio::time::timeout;

use crate::limits::{ANSWER_MAX, GROUP_COMMIT_MAX, UNFINISHED_JOBS_MAX};
use crate::{Retention, Store, StoreError};
use clock::{Now, Source, StoreClock};
use fault::{Kind, fault, kind};
use writer::{Change, Locks, Patience, Sql, Writer, sql};

/// How a store is opened.
#[derive(Clone)]
pub struct PostgresOptions {
    source: Source,
    /// Connections for reading and claiming; the writer and the ear have one each besides.
    pub connections: u32,
    /// How long the server may be away, or a lock be held by others, before a call fails.
    pub busy_timeout: Duration,
    /// Writes that share a transaction at most.
    pub group_commit_max: usize,
    /// Pause between two looks for commits of other processes that nobody told of.
    pub poll: Duration,
    /// Jobs that may be queued or running at a time.
    pub unfinished_jobs_max: u32,
}

impl PostgresOptions {
    /// The usual options: 8 connections, 10 s, 256 writes a transaction, a look every second, 10,000 jobs. Times are the
    /// server's.
    pub fn new() -> Self {
        Self {
            source: Source::Server,
            connections: 8,
            busy_timeout: Duration::from_secs(10),
            group_commit_max: GROUP_COMMIT_MAX,
            poll: Duration::from_secs(1),
            unfinished_jobs_max: UNFINISHED_JOBS_MAX,
        }
    }

    /// Takes all times from this clock, which must be one for all that use the store: for simulation and tests.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.source = Source::Given(clock);
        self
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("busy_timeout", &self.busy_timeout)
            .field("group_commit_max", &self.group_commit_max)
            .field("poll", &self.poll)
            .field("unfinished_jobs_max", &self.unfinished_jobs_max)
            .finish_non_exhaustive()
    }
}

/// A store on a Postgres server.
pub struct PostgresStore {
    shown: String,
    clock: StoreClock,
    unfinished_jobs_max: u32,
    busy_timeout: Duration,
    writer: Writer,
    pool: PgPool,
    locks: Arc<Locks>,
    listening: listen::Listening,
    wakes: channel::Sender<EventSeq>,
}

impl PostgresStore {
    /// Opens the store at `url`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE&schema=NAME`, or makes it there,
    /// and brings it to the newest form. Must be called within a tokio runtime, which then carries the store's writer.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for an address that cannot be read, [`StoreError::Unreachable`] if the server is away for
    /// longer than `busy_timeout` or refuses, [`StoreError::Newer`] for a store that a newer program wrote,
    /// [`StoreError::Corrupt`] for a schema that holds something else, [`StoreError::Unsupported`] for a server before
    /// version 14. None of them tells the password.
    pub async fn open(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let address = open::Address::parse(url)?;
        open::open(address, options).await
    }

    /// Where it is, without the password.
    pub fn address(&self) -> &str {
        &self.shown
    }

    /// Ends what is under way and closes the connections; later calls fail as unreachable.
    pub async fn close(&self) {
        self.listening.stop().await;
        self.writer.close().await;
        self.pool.close().await;
    }

    /// The address `url` as people may see it: without the password.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] for an address that cannot be read.
    pub fn shown_address(url: &str) -> Result<String, StoreError> {
        open::Address::parse(url).map(|address| address.shown)
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    async fn rows(&self, make: impl Fn() -> Sql + Send) -> Result<Vec<PgRow>, StoreError> {
        let mut patience = Patience::of(self.busy_timeout);
        loop {
            let read = match timeout(ANSWER_MAX, make().fetch_all(&self.pool)).await {
                Ok(read) => read,
                Err(_) => {
                    return Err(StoreError::Unreachable("the server did not answer in time".to_owned()));
                }
            };
            match read {
                Ok(rows) => return Ok(rows),
                // A connection that broke while it was idle says so only now; another one may do.
                Err(error) if kind(&error) != Kind::Final && patience.wait().await => {}
                Err(error) => return Err(pool_fault(&self.pool, &error).await),
            }
        }
    }

    async fn row(&self, make: impl Fn() -> Sql + Send) -> Result<Option<PgRow>, StoreError> {
        Ok(self.rows(make).await?.into_iter().next())
    }

    async fn change<C: Change>(&self, change: C) -> Result<C::Answer, C::Refusal> {
        self.writer.make(change).await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("address", &self.shown)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn backend(&self) -> &'static str {
        "postgres"
    }

    fn place(&self) -> Option<String> {
        Some(self.shown.clone())
    }

    async fn close(&self) {
        Self::close(self).await;
    }

    /// Also takes the log, so that a store that can only be read does not pass, nor one whose writes have all failed of
    /// late.
    async fn check(&self) -> Result<(), StoreError> {
        self.row(|| sql("SELECT last FROM log")).await?;
        self.change(Check).await?;
        self.trouble().map_or(Ok(()), Err)
    }

    fn trouble(&self) -> Option<StoreError> {
        self.writer.trouble()
    }

    async fn prune(&self, limits: &Retention) -> Result<u64, StoreError> {
        self.change(retention::Prune(*limits)).await
    }

    async fn backup(&self, _target: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unsupported {
            backend: "postgres",
            what: "copies of itself; use `pg_dump`, which makes a consistent one while it is in use",
        })
    }
}

/// The fault behind an error of the pool, which gives up after a time without saying why: it may be in use, or the server
/// away.
async fn pool_fault(pool: &PgPool, error: &sqlx::Error) -> StoreError {
    if matches!(error, sqlx::Error::PoolTimedOut)
        && let Err(error) = writer::connect(&pool.connect_options()).await
    {
        return fault(&error);
    }
    fault(error)
}

/// Takes the log and writes nothing but what every transaction writes.
struct Check;

#[async_trait]
impl Change for Check {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, batch: &mut writer::Batch<'_>) -> Result<(), StoreError> {
        batch.write(sql("UPDATE log SET wall = wall")).await?;
        Ok(())
    }
}

/// The text of a document.
fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Misuse(format!("a document cannot be written: {error}")))
}

/// A number as the store keeps it; saturates.
fn stored<T: TryInto<i64>>(number: T) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// The statement that takes the log of the store in this schema, for transactions of tests.
#[cfg(test)]
pub(crate) fn take_log(schema: &str) -> String {
    format!("SELECT pg_advisory_xact_lock({})", writer::Lock::Log.number(schema))
}
