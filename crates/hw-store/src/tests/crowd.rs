//! Many workers and readers at once.

use std::sync::Arc;

use super::{open, open_postgres, server};
use crate::conformance::ManualClock;
use crate::conformance::crowd::work_off;
use crate::{MemoryStore, Store};

#[test]
fn threads_share_a_store_in_memory() {
    let store: Arc<MemoryStore> = Arc::new(MemoryStore::new(ManualClock::new()));
    work_off(
        &move || {
            let store: Arc<dyn Store> = store.clone();
            Box::pin(async move { store })
        },
        4,
    );
}

#[test]
fn stores_of_one_file_share_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let clock = ManualClock::new();
    work_off(
        &move || {
            let (path, clock) = (path.clone(), clock.clone());
            Box::pin(async move {
                let store: Arc<dyn Store> = Arc::new(open(&path, &clock).await);
                store
            })
        },
        4,
    );
}

#[test]
fn stores_of_one_schema_share_the_work() {
    let Some(url) = server::new_store() else { return };
    let clock = ManualClock::new();
    work_off(
        &move || {
            let (url, clock) = (url.clone(), clock.clone());
            Box::pin(async move {
                let store: Arc<dyn Store> = Arc::new(open_postgres(&url, &clock).await);
                store
            })
        },
        4,
    );
}
