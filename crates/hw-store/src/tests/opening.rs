//! Which files are opened as a store, and which are refused as they are.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hw_job::{AttemptState, EventSeq, TaskState};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection};

use super::{open, options};
use crate::conformance::*;
use crate::{EventStore, JobStore, NextState, QueueStore, SqliteOptions, SqliteStore, Store, StoreError};

pub(super) async fn raw(path: &Path) -> SqliteConnection {
    let connect = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    connect.connect().await.unwrap()
}

pub(super) async fn run_raw(path: &Path, sql: &str) {
    let mut connection = raw(path).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn refused(path: &Path) -> StoreError {
    SqliteStore::open(path, options(&ManualClock::new())).await.unwrap_err()
}

/// A closed store in a folder of its own.
async fn closed_store() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path, &ManualClock::new()).await;
    store.submit_job(new_job(1, vec![spec()])).await.unwrap();
    store.close().await;
    (folder, path)
}

#[test]
fn a_store_is_found_as_it_was_left() {
    block_on(async {
        let (_folder, path) = closed_store().await;
        let store = open(&path, &ManualClock::new()).await;
        assert_eq!(store.last_event().await, Ok(EventSeq(2)));
        assert!(store.load_job(job_id(1)).await.unwrap().is_some());
        assert_eq!(store.check().await, Ok(()));
        assert_eq!(*store.wakes().borrow(), EventSeq(2));
    });
}

#[test]
fn a_closed_store_is_one_file_and_refuses_calls() {
    block_on(async {
        let (folder, path) = closed_store().await;
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let store = open(&path, &ManualClock::new()).await;
        store.close().await;
        assert!(matches!(store.check().await, Err(StoreError::Unreachable(_))));
        let refused = store.append_events(Vec::new()).await;
        assert!(matches!(refused, Err(StoreError::Unreachable(_))));
    });
}

#[test]
fn a_newer_store_is_refused_untouched() {
    block_on(async {
        let (_folder, path) = closed_store().await;
        run_raw(&path, "PRAGMA user_version = 99").await;
        let before = fs::read(&path).unwrap();
        let known = 3;
        assert_eq!(refused(&path).await, StoreError::Newer { found: 99, known });
        assert_eq!(fs::read(&path).unwrap(), before);
    });
}

#[test]
fn a_store_with_other_migrations_is_refused() {
    block_on(async {
        let (_folder, path) = closed_store().await;
        run_raw(&path, "UPDATE migration SET checksum = 'edited'").await;
        assert!(matches!(refused(&path).await, StoreError::Corrupt(_)));
    });
}

#[test]
fn files_that_are_no_store_are_refused_untouched() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let garbage = folder.path().join("garbage");
        fs::write(&garbage, "this is not a database. ".repeat(1000)).unwrap();
        let other = folder.path().join("other");
        run_raw(&other, "CREATE TABLE theirs (x)").await;
        for path in [garbage, other] {
            let before = fs::read(&path).unwrap();
            match refused(&path).await {
                StoreError::Corrupt(text) => assert!(text.contains(path.to_str().unwrap()), "{text}"),
                fault => panic!("{fault:?}"),
            }
            assert_eq!(fs::read(&path).unwrap(), before);
        }
    });
}

#[test]
fn a_cut_off_store_is_refused() {
    block_on(async {
        let (_folder, path) = closed_store().await;
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 3]).unwrap();
        assert!(matches!(refused(&path).await, StoreError::Corrupt(_)));
    });
}

#[test]
fn an_empty_file_becomes_a_store() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        fs::write(&path, "").unwrap();
        assert_eq!(open(&path, &ManualClock::new()).await.check().await, Ok(()));
    });
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        for path in [
            folder.path().join("missing/store.db"),
            file.join("store.db"),
            folder.path().to_owned(),
        ] {
            match refused(&path).await {
                StoreError::Unreachable(text) => assert!(text.contains(path.to_str().unwrap()), "{text}"),
                fault => panic!("{fault:?}"),
            }
        }
    });
}

#[test]
fn a_store_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        println!("skipped: the rights of files do not bind root");
        return;
    }
    block_on(async {
        let (folder, path) = closed_store().await;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let fault = refused(&path).await;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(fault, StoreError::Unreachable(_)), "{fault:?}");
    });
}

#[test]
fn many_can_make_the_same_store_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let clock = ManualClock::new();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (path, clock) = (&path, &clock);
            scope.spawn(move || {
                block_on(async {
                    let store = open(path, clock).await;
                    store.submit_job(new_job(number, vec![spec()])).await.unwrap();
                });
            });
        }
    });
    block_on(async {
        let store = open(&path, &clock).await;
        assert_eq!(store.queue_length(None).await, Ok(8));
        check_invariants(&store).await;
    });
}

async fn open_after(path: &Path, clock: &Arc<ManualClock>, boot: &str) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::new(clock.clone(), boot))
        .await
        .unwrap()
}

#[test]
fn leases_and_pauses_do_not_outlive_the_host() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let clock = ManualClock::new();
        clock.pass(Duration::from_secs(100_000));
        let store = open_after(&path, &clock, "boot-1").await;
        begin_work(&store).await;
        clock.pass(Duration::from_secs(60));
        store.append_events(Vec::new()).await.unwrap();
        store.request_cancel(job_id(2), "a mark in the log").await.unwrap();
        store.close().await;

        clock.reboot();
        clock.jump(600);
        let store = open_after(&path, &clock, "boot-2").await;
        let expired = store.expired_tasks(9).await.unwrap();
        assert_eq!(expired.len(), 1);
        assert!(expired[0].lease_until <= Some(hw_job::Clock::elapsed(clock.as_ref())));
        assert_eq!(store.wake_due_tasks(9).await, Ok(None));
        assert_eq!(
            store.load_task(task_id(1, 1)).await.unwrap().unwrap().state,
            TaskState::Ready
        );
        let age = store.load_job(job_id(1)).await.unwrap().unwrap().age;
        assert_eq!(age, Duration::from_secs(660));
        assert_eq!(store.last_event().await, Ok(EventSeq(9)), "the log goes on");

        clock.pass(Duration::from_secs(5));
        let taken = change(expired[0].id, expired[0].fence, lost(), NextState::Ready);
        store.change_tasks(vec![taken]).await.unwrap();
        let attempts = store.load_attempts(job_id(1)).await.unwrap();
        assert_eq!(attempts[0].state, AttemptState::Lost);
        store.close().await;

        // The same run of the host again: nothing is expired by opening.
        let store = open_after(&path, &clock, "boot-2").await;
        assert_eq!(
            store.load_job(job_id(1)).await.unwrap().unwrap().age,
            age + Duration::from_secs(5)
        );
    });
}

#[test]
fn a_wall_clock_that_is_years_off_ages_nothing_by_years() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let clock = ManualClock::new();
        let store = open_after(&path, &clock, "boot-1").await;
        begin_work(&store).await;
        store.close().await;
        clock.reboot();
        clock.jump(70 * 365 * 24 * 3600);
        let store = open_after(&path, &clock, "boot-2").await;
        let days = store.load_job(job_id(1)).await.unwrap().unwrap().age.as_secs() / (24 * 3600);
        assert_eq!(days, 30);
        store.close().await;
        clock.reboot();
        clock.jump(-70 * 365 * 24 * 3600);
        let store = open_after(&path, &clock, "boot-3").await;
        let days = store.load_job(job_id(1)).await.unwrap().unwrap().age.as_secs() / (24 * 3600);
        assert!(days <= 30, "{days}");
    });
}

#[test]
fn the_stores_clock_goes_on_though_its_events_are_forgotten() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let clock = ManualClock::new();
        clock.pass(Duration::from_secs(500_000));
        let store = open_after(&path, &clock, "boot-1").await;
        begin_work(&store).await;
        clock.pass(Duration::from_secs(1000));
        let none = Duration::ZERO;
        let limits = crate::Retention {
            events: none,
            ..crate::Retention::default()
        };
        assert_eq!(store.prune(&limits).await, Ok(7));
        store.close().await;
        clock.reboot();
        let store = open_after(&path, &clock, "boot-2").await;
        let age = store.load_job(job_id(1)).await.unwrap().unwrap().age;
        assert_eq!(age, Duration::from_secs(1000));
        assert_eq!(store.expired_tasks(9).await.unwrap().len(), 1);
    });
}

/// Two jobs, one with a running task and a pausing one.
async fn begin_work(store: &SqliteStore) {
    store.submit_job(new_job(1, vec![spec(); 2])).await.unwrap();
    store.submit_job(new_job(2, vec![])).await.unwrap();
    let claimed = store.claim_tasks(&claim_of("w", 2)).await.unwrap();
    let next = NextState::RetryAfter(Duration::from_secs(9_999_999));
    let pause = change(claimed[1].id, claimed[1].fence, hw_job::Ending::Preempted, next);
    store.change_tasks(vec![pause]).await.unwrap();
}

#[test]
fn a_store_is_for_its_user_alone_wherever_it_lies() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("store.db");
    block_on(async {
        for number in 1..3 {
            let store = open(&path, &ManualClock::new()).await;
            store.submit_job(new_job(number, vec![spec()])).await.unwrap();
            for file in ["store.db", "store.db-wal", "store.db-shm"] {
                assert_eq!(mode(&folder.path().join(file)), 0o600, "{file}");
            }
            store.backup(&folder.path().join("copy")).await.unwrap();
            assert_eq!(mode(&folder.path().join("copy")), 0o600);
            fs::remove_file(folder.path().join("copy")).unwrap();
            store.close().await;
            // As an earlier version made it.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
    });
}
