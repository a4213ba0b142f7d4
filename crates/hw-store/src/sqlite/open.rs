//! Opening a store: who may, in which form it is, and which connections it gets.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use hw_job::EventSeq;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection, SqlitePool};
use tokio::sync::watch as channel;

use super::backup::suffixed;
use super::clock::{Epoch, settle_epoch};
use super::fault::fault;
use super::migrations::{check_version, migrate};
use super::tail::Tail;
use super::watch::Watcher;
use super::writer::{Patience, Writer, WriterSettings};
use super::{SqliteOptions, SqliteStore, events};
use crate::StoreError;
use crate::limits::LOCK_WAIT;

/// Read and written by its user alone.
const PRIVATE: u32 = 0o600;
/// Memory for pages, in KiB: of the writer, and of each reader.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
const READER_CACHE_KIB: u32 = 8 * 1024;
/// Part of the file that readers map.
const READER_MAP_BYTES: u64 = 64 * 1024 * 1024;
/// Size to which the log is cut back when it is used anew.
const LOG_BYTES_KEPT: u64 = 64 * 1024 * 1024;
/// Pages in the log after which a commit moves them to the file.
const LOG_PAGES_MAX: u32 = 2_000;
/// Statements that each connection keeps prepared.
const STATEMENTS_KEPT: usize = 200;

pub(super) async fn open(path: &Path, options: SqliteOptions) -> Result<SqliteStore, StoreError> {
    make_private(path);
    let patience = Patience::of(options.busy_timeout);
    let (mut connection, epoch) = loop {
        match prepare(path, &options).await {
            Err(StoreError::Busy(_)) if patience.wait().await => {}
            prepared => break prepared?,
        }
    };
    let last = events::last_event(&mut connection).await?;
    let wakes = channel::Sender::new(last);
    let tail = Arc::new(Tail::default());
    let settings = WriterSettings {
        connect: writing(path, &options),
        clock: options.clock.clone(),
        epoch,
        busy_timeout: options.busy_timeout,
        group_commit_max: options.group_commit_max.max(1),
        wakes: wakes.clone(),
        tail: tail.clone(),
    };
    Ok(SqliteStore {
        path: path.to_owned(),
        clock: options.clock.clone(),
        epoch,
        unfinished_jobs_max: options.unfinished_jobs_max,
        writer: Writer::start(settings, connection),
        readers: readers(path, &options),
        watch: watcher(path, &options, last, &wakes).start(),
        wakes,
        tail,
    })
}

/// Makes the file for its user alone, whatever the umask and the folder let others do: its logs, which SQLite makes beside
/// it, get the same mode. What cannot be made or changed is left to SQLite, which says why it cannot be opened.
pub(super) fn make_private(path: &Path) {
    let mut options = OpenOptions::new();
    // Not truncated: it is the store, if there is one.
    let made = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(path);
    drop(made);
    for suffix in ["", "-wal", "-shm"] {
        let file = suffixed(path, suffix);
        let open = fs::metadata(&file).is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o077 != 0);
        if open {
            let _ = fs::set_permissions(&file, Permissions::from_mode(PRIVATE));
        }
    }
}

/// The fault, with the path that it is about.
pub(super) fn naming(path: &Path, error: StoreError) -> StoreError {
    let named = |text: String| format!("`{}`: {text}", path.display());
    match error {
        StoreError::Unreachable(text) => StoreError::Unreachable(named(text)),
        StoreError::Corrupt(text) => StoreError::Corrupt(named(text)),
        StoreError::Full(text) => StoreError::Full(named(text)),
        StoreError::Busy(text) => StoreError::Busy(named(text)),
        other => other,
    }
}

/// A connection to the store in its newest form. Nothing is written to a store that is refused.
async fn prepare(path: &Path, options: &SqliteOptions) -> Result<(SqliteConnection, Epoch), StoreError> {
    let mut connection = writing(path, options).connect().await.map_err(|error| fault(&error))?;
    match settle(&mut connection, options).await {
        Ok(epoch) => Ok((connection, epoch)),
        Err(error) => {
            let _ = connection.close().await;
            Err(error)
        }
    }
}

async fn settle(connection: &mut SqliteConnection, options: &SqliteOptions) -> Result<Epoch, StoreError> {
    check_version(connection).await?;
    use_log(connection).await?;
    run(connection, "BEGIN IMMEDIATE").await?;
    let clock = options.clock.as_ref();
    migrate(connection, clock.wall().0).await?;
    let epoch = settle_epoch(connection, clock, &options.host_boot_id).await?;
    run(connection, "COMMIT").await?;
    Ok(epoch)
}

/// Switches to the write-ahead log, once in the life of the file.
async fn use_log(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let row = sqlx::query("PRAGMA journal_mode = WAL")
        .fetch_one(connection)
        .await
        .map_err(|error| fault(&error))?;
    let mode: String = row.try_get(0).map_err(|error| fault(&error))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(StoreError::Unreachable(
        "its file system cannot hold a store: use a folder on a local disk".to_owned(),
    ))
}

async fn run(connection: &mut SqliteConnection, text: &'static str) -> Result<(), StoreError> {
    let done = sqlx::query(text).execute(connection).await;
    done.map(|_| ()).map_err(|error| fault(&error))
}

/// Options of all connections.
fn connecting(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS_KEPT)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

fn writing(path: &Path, options: &SqliteOptions) -> SqliteConnectOptions {
    let connect = connecting(path)
        .create_if_missing(true)
        // The writer asks for the lock again and again by itself: SQLite's own pauses grow too long to be fair.
        .busy_timeout(LOCK_WAIT)
        .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
        .pragma("wal_autocheckpoint", LOG_PAGES_MAX.to_string())
        .pragma("journal_size_limit", LOG_BYTES_KEPT.to_string())
        .thread_name(|number| format!("store-write-{number}"));
    limit_pages(connect, options)
}

#[cfg(test)]
fn limit_pages(connect: SqliteConnectOptions, options: &SqliteOptions) -> SqliteConnectOptions {
    match options.pages_max {
        Some(pages) => connect.pragma("max_page_count", pages.to_string()),
        None => connect,
    }
}

#[cfg(not(test))]
fn limit_pages(connect: SqliteConnectOptions, _options: &SqliteOptions) -> SqliteConnectOptions {
    connect
}

fn reading(path: &Path, options: &SqliteOptions) -> SqliteConnectOptions {
    connecting(path)
        .read_only(true)
        .busy_timeout(options.busy_timeout)
        .pragma("query_only", "ON")
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"))
        .pragma("mmap_size", READER_MAP_BYTES.to_string())
        .thread_name(|number| format!("store-read-{number}"))
}

fn readers(path: &Path, options: &SqliteOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        .acquire_timeout(options.busy_timeout)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(reading(path, options))
}

/// The watch for commits of other processes.
fn watcher(path: &Path, options: &SqliteOptions, last: EventSeq, wakes: &channel::Sender<EventSeq>) -> Watcher {
    Watcher {
        connect: reading(path, options).thread_name(|number| format!("store-watch-{number}")),
        pause_min: options.poll_min,
        pause_max: options.poll_max.max(options.poll_min),
        wakes: wakes.clone(),
        seen: last,
    }
}
