#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod backup;
mod codes;
mod crash;
mod crowd;
mod differential;
mod opening;
mod postgres;
mod server;
mod trouble;

use std::path::Path;
use std::sync::Arc;

use crate::conformance::{ManualClock, Setting, UNFINISHED_MAX, conformance};
use crate::{MemoryStore, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore};

async fn in_memory() -> Setting {
    let clock = ManualClock::new();
    Setting {
        store: Arc::new(MemoryStore::new(clock.clone()).with_unfinished_jobs_max(UNFINISHED_MAX)),
        clock,
        _keep: Box::new(()),
    }
}

async fn on_sqlite() -> Setting {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let store = open(&folder.path().join("store.db"), &clock).await;
    Setting {
        store: Arc::new(store),
        clock,
        _keep: Box::new(folder),
    }
}

/// A store in a schema of its own; `None`, with the reason printed, where no server can be had.
async fn on_postgres() -> Option<Setting> {
    let url = server::new_store()?;
    let clock = ManualClock::new();
    let store = open_postgres(&url, &clock).await;
    Some(Setting {
        store: Arc::new(store),
        clock,
        _keep: Box::new(()),
    })
}

async fn open_postgres(url: &str, clock: &Arc<ManualClock>) -> PostgresStore {
    let mut options = PostgresOptions::new().with_clock(clock.clone());
    options.unfinished_jobs_max = UNFINISHED_MAX;
    PostgresStore::open(url, options).await.unwrap()
}

async fn open(path: &Path, clock: &Arc<ManualClock>) -> SqliteStore {
    SqliteStore::open(path, options(clock)).await.unwrap()
}

fn options(clock: &Arc<ManualClock>) -> SqliteOptions {
    SqliteOptions {
        unfinished_jobs_max: UNFINISHED_MAX,
        ..SqliteOptions::new(clock.clone(), "boot-1")
    }
}

async fn perhaps_in_memory() -> Option<Setting> {
    Some(in_memory().await)
}

async fn perhaps_on_sqlite() -> Option<Setting> {
    Some(on_sqlite().await)
}

conformance!(memory, crate::tests::perhaps_in_memory);
conformance!(sqlite, crate::tests::perhaps_on_sqlite);
conformance!(postgres_store, crate::tests::on_postgres);
