//! Copies of a store in use, and stores made from them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hw_job::EventSeq;

use super::open;
use super::opening::run_raw;
use crate::conformance::*;
use crate::sqlite::restore;
use crate::{EventFilter, EventStore, JobStore, QueueStore, Store, StoreError};

#[test]
fn a_copy_made_while_writing_is_whole() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new();
        let store = Arc::new(open(&folder.path().join("store.db"), &clock).await);
        let stop = Arc::new(AtomicBool::new(false));
        let writer = tokio::spawn({
            let (store, stop) = (store.clone(), stop.clone());
            async move {
                let mut number = 0;
                while !stop.load(Ordering::SeqCst) {
                    number += 1;
                    store.submit_job(new_job(number, vec![spec(); 3])).await.unwrap();
                    let claimed = store.claim_tasks(&claim_of("w", 3)).await.unwrap();
                    store.change_tasks(claimed.iter().map(done).collect()).await.unwrap();
                    store.end_job(ending(number, result())).await.unwrap();
                }
            }
        });
        for round in 0..3 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let before = store.last_event().await.unwrap();
            let target = folder.path().join(format!("backup-{round}"));
            store.backup(&target).await.unwrap();
            let after = store.last_event().await.unwrap();

            let restored = folder.path().join(format!("restored-{round}.db"));
            restore(&target, &restored, false).await.unwrap();
            let copy = open(&restored, &clock).await;
            check_invariants(&copy).await;
            let last = copy.last_event().await.unwrap();
            assert!(before <= last && last <= after);
            let all = EventFilter::default();
            let copied = copy.read_events(EventSeq(0), u32::MAX, &all).await.unwrap();
            let count = u32::try_from(copied.len()).unwrap();
            assert_eq!(copied, store.read_events(EventSeq(0), count, &all).await.unwrap());
            copy.submit_job(new_job(999_999, vec![spec()])).await.unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        writer.await.unwrap();
        let names = fs::read_dir(folder.path()).unwrap();
        let names: Vec<_> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(names.iter().all(|name| !name.ends_with(".part")), "{names:?}");
    });
}

#[test]
fn a_backup_never_replaces_a_file() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("store.db"), &ManualClock::new()).await;
        let target = folder.path().join("backup");
        fs::write(&target, "precious").unwrap();
        assert!(matches!(store.backup(&target).await, Err(StoreError::Misuse(_))));
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        let nowhere = folder.path().join("missing/backup");
        assert!(matches!(store.backup(&nowhere).await, Err(StoreError::Unreachable(_))));
    });
}

#[test]
fn a_store_is_replaced_only_when_told_and_when_nobody_uses_it() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("store.db"), folder.path().join("backup"));
        let clock = ManualClock::new();
        let store = open(&path, &clock).await;
        store.submit_job(new_job(1, vec![spec()])).await.unwrap();
        store.backup(&backup).await.unwrap();
        store.submit_job(new_job(2, vec![spec()])).await.unwrap();

        assert!(matches!(
            restore(&backup, &path, false).await,
            Err(StoreError::Misuse(_))
        ));
        assert!(matches!(restore(&backup, &path, true).await, Err(StoreError::Busy(_))));
        assert_eq!(store.queue_length(None).await, Ok(2));
        store.close().await;
        restore(&backup, &path, true).await.unwrap();
        let store = open(&path, &clock).await;
        assert_eq!(store.queue_length(None).await, Ok(1));
        assert!(backup.exists());
    });
}

#[test]
fn a_damaged_store_can_be_replaced() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("store.db"), folder.path().join("backup"));
        let clock = ManualClock::new();
        let store = open(&path, &clock).await;
        store.submit_job(new_job(1, vec![spec()])).await.unwrap();
        store.backup(&backup).await.unwrap();
        store.close().await;
        fs::write(&path, "rubbish ".repeat(999)).unwrap();
        restore(&backup, &path, true).await.unwrap();
        assert_eq!(open(&path, &clock).await.queue_length(None).await, Ok(1));
    });
}

#[test]
fn bad_backups_are_refused_before_anything_changes() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let (path, backup) = (folder.path().join("store.db"), folder.path().join("backup"));
        let clock = ManualClock::new();
        let store = open(&path, &clock).await;
        store.backup(&backup).await.unwrap();
        store.submit_job(new_job(1, vec![spec()])).await.unwrap();
        store.close().await;
        let before = fs::read(&path).unwrap();

        let whole = fs::read(&backup).unwrap();
        let bad = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let cut = bad("cut", &whole[..whole.len() / 2]);
        let garbage = bad("garbage", &[7; 9999]);
        let empty = bad("empty", &[]);
        for file in [cut, garbage, empty] {
            let refused = restore(&file, &path, true).await;
            assert!(matches!(refused, Err(StoreError::Corrupt(_))), "{file:?}: {refused:?}");
        }
        let newer = bad("newer", &whole);
        run_raw(&newer, "PRAGMA user_version = 99").await;
        assert!(matches!(
            restore(&newer, &path, true).await,
            Err(StoreError::Newer { .. })
        ));
        let missing = folder.path().join("missing");
        assert!(matches!(
            restore(&missing, &path, true).await,
            Err(StoreError::Unreachable(_))
        ));
        assert_eq!(fs::read(&path).unwrap(), before);
        assert!(!folder.path().join("store.db.restoring").exists());
    });
}
