//! The store on SQLite: one file, one host, any number of processes.
//!
//! Each process has one writer, which shares its transactions among the changes that wait, and a pool of readers, which
//! never wait for it (write-ahead log). Transactions take the write lock at once, so that events are numbered in the
//! order of commits, over all processes. Other processes' commits are noticed by polling `PRAGMA data_version`.

mod backup;
mod catalog;
mod clock;
mod document;
mod events;
mod fault;
mod files;
mod jobs;
mod listeners;
mod migrations;
mod open;
mod queue;
mod retention;
mod row;
mod sessions;
mod tail;
mod watch;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{Clock, EventSeq};
use serde::Serialize;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteRow;
use tokio::sync::watch as channel;

pub use backup::restore;

use crate::limits::{GROUP_COMMIT_MAX, UNFINISHED_JOBS_MAX};
use crate::{Retention, Store, StoreError};
use clock::{Epoch, Now};
use fault::fault;
use writer::{Change, Sql, Writer, sql};

/// How a store is opened.
#[derive(Clone)]
pub struct SqliteOptions {
    /// Where times come from. Its elapsed time must be the same clock for all processes of the host.
    pub clock: Arc<dyn Clock>,
    /// Tells one run of the host from the next: its elapsed clock begins anew.
    pub host_boot_id: String,
    /// Connections for reading.
    pub readers: u32,
    /// How long the store may stay busy before a call fails.
    pub busy_timeout: Duration,
    /// Writes that share a transaction at most.
    pub group_commit_max: usize,
    /// Pause between two looks for commits of other processes while there are some.
    pub poll_min: Duration,
    /// The same while there are none.
    pub poll_max: Duration,
    /// Jobs that may be queued or running at a time.
    pub unfinished_jobs_max: u32,
    /// Size of the file beyond which the disk counts as full, in pages.
    #[cfg(test)]
    pub(crate) pages_max: Option<u32>,
}

impl SqliteOptions {
    /// The usual options: 4 readers, 5 s, 256 writes a transaction, 20 to 200 ms between looks, 10,000 jobs.
    pub fn new(clock: Arc<dyn Clock>, host_boot_id: impl Into<String>) -> Self {
        Self {
            clock,
            host_boot_id: host_boot_id.into(),
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            group_commit_max: GROUP_COMMIT_MAX,
            poll_min: Duration::from_millis(20),
            poll_max: Duration::from_millis(200),
            unfinished_jobs_max: UNFINISHED_JOBS_MAX,
            #[cfg(test)]
            pages_max: None,
        }
    }
}

impl fmt::Debug for SqliteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOptions")
            .field("host_boot_id", &self.host_boot_id)
            .field("readers", &self.readers)
            .field("busy_timeout", &self.busy_timeout)
            .field("group_commit_max", &self.group_commit_max)
            .field("poll_min", &self.poll_min)
            .field("poll_max", &self.poll_max)
            .field("unfinished_jobs_max", &self.unfinished_jobs_max)
            .finish_non_exhaustive()
    }
}

/// A store in a file. Close it with [`close`](Self::close) where its file should be whole without its log at once; a
/// store that is only dropped loses nothing either.
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    unfinished_jobs_max: u32,
    writer: Writer,
    readers: SqlitePool,
    wakes: channel::Sender<EventSeq>,
    tail: Arc<tail::Tail>,
    watch: watch::Watch,
}

impl SqliteStore {
    /// Opens the store in `path`, or makes it there, and brings it to the newest form. Must be called within a tokio
    /// runtime, which then carries the store's writer.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] if the folder is missing or not writable, [`StoreError::Newer`] for a store that a
    /// newer program wrote, [`StoreError::Corrupt`] for a file that is no store, [`StoreError::Busy`] if another process
    /// kept the lock; all name the path, and the file is as it was.
    pub async fn open(path: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        open::open(path, options)
            .await
            .map_err(|error| open::naming(path, error))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends what is under way and closes the file; later calls fail as unreachable.
    pub async fn close(&self) {
        self.watch.stop().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    fn now(&self) -> Now {
        self.epoch.now(self.clock.as_ref())
    }

    async fn rows(&self, sql: Sql) -> Result<Vec<SqliteRow>, StoreError> {
        sql.fetch_all(&self.readers).await.map_err(|error| fault(&error))
    }

    async fn row(&self, sql: Sql) -> Result<Option<SqliteRow>, StoreError> {
        sql.fetch_optional(&self.readers).await.map_err(|error| fault(&error))
    }

    async fn change<C: Change>(&self, change: C) -> Result<C::Answer, C::Refusal> {
        self.writer.make(change).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn backend(&self) -> &'static str {
        "sqlite"
    }

    async fn close(&self) {
        Self::close(self).await;
    }

    /// Also takes the write lock, so that a store that can only be read does not pass, nor one whose
    /// writes have all failed of late.
    async fn check(&self) -> Result<(), StoreError> {
        self.row(sql("SELECT count(*) FROM meta")).await?;
        self.change(Check).await?;
        self.trouble().map_or(Ok(()), Err)
    }

    fn trouble(&self) -> Option<StoreError> {
        self.writer.trouble()
    }

    async fn prune(&self, limits: &Retention) -> Result<u64, StoreError> {
        self.change(retention::Prune(*limits)).await
    }

    async fn backup(&self, target: &Path) -> Result<(), StoreError> {
        backup::backup(self, target).await
    }
}

/// Takes the write lock and nothing else.
struct Check;

#[async_trait]
impl Change for Check {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, _batch: &mut writer::Batch<'_>) -> Result<(), StoreError> {
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

/// Statements whose plans a test pins down: those that must stay cheap however much the store holds.
#[cfg(test)]
pub(crate) fn queries_with_plans() -> Vec<(&'static str, &'static str)> {
    let mut queries = queue::queries_with_plans();
    queries.extend(jobs::queries_with_plans());
    queries.extend(events::queries_with_plans());
    queries.extend(listeners::queries_with_plans());
    queries.extend(files::queries_with_plans());
    queries
}
