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
mod trouble;

use std::path::Path;
use std::sync::Arc;

use crate::conformance::{ManualClock, Setting, UNFINISHED_MAX, conformance};
use crate::{MemoryStore, SqliteOptions, SqliteStore};

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

async fn open(path: &Path, clock: &Arc<ManualClock>) -> SqliteStore {
    SqliteStore::open(path, options(clock)).await.unwrap()
}

fn options(clock: &Arc<ManualClock>) -> SqliteOptions {
    SqliteOptions {
        unfinished_jobs_max: UNFINISHED_MAX,
        ..SqliteOptions::new(clock.clone(), "boot-1")
    }
}

conformance!(memory, crate::tests::in_memory);
conformance!(sqlite, crate::tests::on_sqlite);
