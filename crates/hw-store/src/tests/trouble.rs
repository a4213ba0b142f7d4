//! A full disk, a busy lock, damaged rows, callers that go away; and that queries use their indices.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use hw_job::{EventKind, EventSeq, JobState, NewEvent};
use serde_json::json;
use sqlx::{AssertSqlSafe, Row as _};

use super::opening::{raw, run_raw};
use super::{open, options};
use crate::conformance::*;
use crate::sqlite::{SqliteOptions, SqliteStore, queries_with_plans};
use crate::{
    CatalogStore, EventFilter, EventStore, JobFilter, JobStore, PageRequest, QueueStore, Retention, SessionStore,
    Store, StoreError, SubmitError,
};

fn bulky(number: u64) -> crate::NewJob {
    let mut job = new_job(number, vec![spec()]);
    job.params = json!("x".repeat(40_000));
    job
}

#[test]
fn a_full_disk_refuses_whole_changes_and_leaves_the_writer_usable() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let clock = ManualClock::new();
        let limited = SqliteOptions {
            pages_max: Some(300),
            unfinished_jobs_max: 1000,
            ..options(&clock)
        };
        let store = SqliteStore::open(&path, limited).await.unwrap();
        for number in 0..5 {
            store.submit_job(bulky(number)).await.unwrap();
            store.end_job(ending(number, result())).await.unwrap();
        }
        let mut number = 5;
        let full = loop {
            match store.submit_job(bulky(number)).await {
                Ok(_) => number += 1,
                Err(fault) => break fault,
            }
        };
        assert!(matches!(full, SubmitError::Store(StoreError::Full(_))), "{full:?}");
        assert!(number > 5);
        assert_eq!(store.load_job(job_id(number)).await, Ok(None));
        assert_eq!(store.check().await, Ok(()));
        check_invariants(&store).await;

        let forget = Retention {
            jobs: Duration::ZERO,
            ..Retention::default()
        };
        assert_eq!(store.prune(&forget).await, Ok(5));
        store.submit_job(bulky(number)).await.unwrap();
    });
}

#[test]
fn a_lock_that_others_keep_is_reported_in_time() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let clock = ManualClock::new();
        let impatient = SqliteOptions {
            busy_timeout: Duration::from_millis(100),
            ..options(&clock)
        };
        let store = SqliteStore::open(&path, impatient.clone()).await.unwrap();
        store.submit_job(new_job(1, vec![spec()])).await.unwrap();
        let mut other = raw(&path).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let busy = store.submit_job(new_job(2, vec![spec()])).await;
        assert!(matches!(busy, Err(SubmitError::Store(StoreError::Busy(_)))), "{busy:?}");
        let opened = SqliteStore::open(&path, impatient).await;
        assert!(matches!(opened, Err(StoreError::Busy(_))), "{opened:?}");
        assert!(
            store.load_job(job_id(1)).await.unwrap().is_some(),
            "readers do not wait"
        );
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        store.submit_job(new_job(2, vec![spec()])).await.unwrap();
    });
}

/// Damages a row of a store with one job, one task and one table, and shows what the readers say.
async fn check_damage(damage: &str, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = open(&path, &ManualClock::new()).await;
    let put = hw_job::CatalogChange::Put {
        table: Box::new(table(&table_name("t"))),
        parts: vec![part("p", 1)],
        expected: None,
    };
    store.submit_job(new_job(9, Vec::new())).await.unwrap();
    let mut end = ending(9, result());
    end.changes = vec![put];
    store.end_job(end).await.unwrap();
    store.submit_job(new_job(1, vec![spec()])).await.unwrap();
    store.start_session(new_session("s1")).await.unwrap();
    store.put_worker(new_worker("w1", "s1")).await.unwrap();
    store.claim_tasks(&claim_of("w1", 1)).await.unwrap();
    run_raw(&path, damage).await;

    let mut faults = vec![
        store.load_job(job_id(1)).await.err(),
        list(&store).await.err(),
        store.load_tasks(job_id(1)).await.err(),
        store.load_attempts(job_id(1)).await.err(),
        store.list_tables().await.err(),
        store
            .load_parts(&table_name("t"), hw_catalog::TableVersion(1))
            .await
            .err(),
        store.read_events(EventSeq(0), 99, &EventFilter::default()).await.err(),
        store.list_workers().await.err(),
        store.list_sessions().await.err(),
    ];
    faults.retain(Option::is_some);
    let mut shown: Vec<String> = faults.into_iter().flatten().map(|fault| fault.to_string()).collect();
    shown.dedup();
    // Whatever is damaged, changes of other things go on.
    store.submit_job(new_job(2, vec![spec()])).await.unwrap();
    expected.assert_eq(&shown.join("\n"));
}

async fn list(store: &SqliteStore) -> Result<(), StoreError> {
    let page = PageRequest { limit: 9, after: None };
    store.list_jobs(&JobFilter::default(), &page).await.map(|_| ())
}

#[test]
fn damaged_rows_are_named() {
    block_on(async {
        check_damage("UPDATE job SET state = 'odd' WHERE number = 2", expect!["the store holds something that cannot be read: job 018bcfe5-6800-7000-8000-000000000001: `state`: unknown word `odd`"]).await;
        check_damage("UPDATE job SET task_counts = '[' WHERE number = 2", expect!["the store holds something that cannot be read: job 018bcfe5-6800-7000-8000-000000000001: `task_counts`: invalid type: sequence, expected a map at line 1 column 0"]).await;
        check_damage("UPDATE job SET attempts = -1 WHERE number = 2", expect!["the store holds something that cannot be read: job 018bcfe5-6800-7000-8000-000000000001: `attempts`: -1 is out of range"]).await;
        check_damage(
            "UPDATE job SET id = 'no id' WHERE number = 2",
            expect![
                "the store holds something that cannot be read: a job: `id`: `no id` is not the id of a job (a UUID)"
            ],
        )
        .await;
        check_damage(
            "UPDATE job_document SET details = '{\"format\":7,\"value\":{}}'",
            expect!["the store holds something that cannot be read: job 018bcfe5-6800-7000-8000-000000000001: `details`: its form 7 is unknown"],
        )
        .await;
        check_damage("UPDATE task_document SET params = 'x'", expect!["the store holds something that cannot be read: task 018bcfe5-6800-7000-8000-000000000001/0: `params`: expected value at line 1 column 1"]).await;
        check_damage("UPDATE attempt SET state = 'odd'", expect!["the store holds something that cannot be read: attempt 018bcfe5-6800-7000-8000-000000000001/0.1: `state`: unknown word `odd`"]).await;
        check_damage("UPDATE catalog_table SET document = '{}'", expect!["the store holds something that cannot be read: table `t`: `document`: missing field `format` at line 1 column 2"]).await;
        check_damage("UPDATE table_parts SET document = 'x'", expect!["the store holds something that cannot be read: the parts of table `t` version 1: `document`: expected value at line 1 column 1"]).await;
        check_damage(
            "UPDATE event SET kind = 'odd' WHERE seq = 2",
            expect!["the store holds something that cannot be read: event 2: `kind`: unknown word `odd`"],
        )
        .await;
        check_damage("UPDATE worker SET labels = 'x'", expect!["the store holds something that cannot be read: worker `w1`: `labels`: expected value at line 1 column 1"]).await;
        check_damage(
            "UPDATE session SET pid = -1",
            expect!["the store holds something that cannot be read: session `s1`: `pid`: -1 is out of range"],
        )
        .await;
    });
}

#[test]
fn a_change_that_fails_half_way_spares_its_neighbours() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = open(&path, &ManualClock::new()).await;
        for number in 1..=9 {
            store.submit_job(new_job(number, vec![spec()])).await.unwrap();
        }
        // Its end is refused by the database itself, after the change has begun to write.
        let trap = "CREATE TRIGGER trap BEFORE UPDATE OF settled ON job WHEN old.number = 5
                    BEGIN SELECT raise(ABORT, 'trapped'); END";
        run_raw(&path, trap).await;
        let ends = (1..=9).map(|number| store.end_job(ending(number, result())));
        let ends = futures::future::join_all(ends).await;
        for (number, end) in (1..).zip(ends) {
            let job = store.load_job(job_id(number)).await.unwrap().unwrap();
            assert_eq!(end.is_ok(), number != 5, "{end:?}");
            assert_eq!(job.state == JobState::Succeeded, number != 5);
        }
        check_invariants(&store).await;
    });
}

#[test]
fn a_caller_that_went_away_before_its_turn_changes_nothing() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let store = Arc::new(open(&path, &ManualClock::new()).await);
        store.submit_job(new_job(1, vec![spec(); 3])).await.unwrap();
        let mut other = raw(&path).await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        let blocked = store.append_events(Vec::new());
        let claim = claim_of("w", 1);
        let gone = tokio::time::timeout(Duration::from_millis(50), async {
            tokio::join!(blocked, store.claim_tasks(&claim))
        });
        assert!(gone.await.is_err());
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        store.check().await.unwrap();
        assert_eq!(store.queue_length(None).await, Ok(3));
    });
}

#[test]
fn wake_ups_cross_stores_in_time() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let clock = ManualClock::new();
        let (one, two) = (open(&path, &clock).await, open(&path, &clock).await);
        let mut wakes = two.wakes();
        let mut took = Vec::new();
        for _ in 0..12 {
            let event = NewEvent {
                kind: EventKind::HookCalled,
                subject: "h".to_owned(),
                job: None,
                data: json!({}),
            };
            // Long enough for the pauses between looks to have grown.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let seq = one.append_events(vec![event]).await.unwrap();
            let start = tokio::time::Instant::now();
            let woken = wakes.wait_for(|known| *known >= seq);
            tokio::time::timeout(Duration::from_secs(10), woken)
                .await
                .unwrap()
                .unwrap();
            took.push(start.elapsed());
        }
        took.sort_unstable();
        assert!(took[took.len() / 2] < Duration::from_millis(220), "{took:?}");
    });
}

/// The plan of a statement, a step a line.
async fn plan(path: &Path, sql: &str) -> String {
    let mut connection = raw(path).await;
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let steps = rows.iter().map(|row| row.get::<String, _>("detail"));
    steps.map(|step| format!("{step}\n")).collect()
}

#[test]
fn queries_use_their_indices() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        open(&path, &ManualClock::new()).await.close().await;
        let mut shown = String::new();
        for (name, sql) in queries_with_plans() {
            shown += &format!("{name}\n{}\n", plan(&path, sql).await);
        }
        expect![[r#"
            any task to claim
            SCAN task USING COVERING INDEX task_queue_of_job

            worker that may not claim
            SEARCH w USING PRIMARY KEY (id=?)
            SEARCH s USING INDEX sqlite_autoindex_session_1 (id=?)
            SCAN task EXISTS USING COVERING INDEX task_queue_of_job

            lanes with tasks
            CO-ROUTINE open
            SETUP
            SEARCH task USING COVERING INDEX task_queue
            RECURSIVE STEP
            SCAN open
            CORRELATED SCALAR SUBQUERY 2
            SEARCH task USING COVERING INDEX task_queue (lane>?)
            SCAN open

            head of a lane
            CO-ROUTINE (subquery-1)
            SEARCH task USING INDEX task_queue (lane=?)
            SCAN (subquery-1)

            head of a job
            CO-ROUTINE (subquery-2)
            SEARCH task USING INDEX task_queue_of_job (job=?)
            LIST SUBQUERY 1
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER
            SCAN (subquery-2)

            last turn of a flow
            SCAN f VIRTUAL TABLE INDEX 1:
            CORRELATED SCALAR SUBQUERY 1
            SEARCH task USING COVERING INDEX task_queue_of_flow (flow=? AND priority=?)
            CORRELATED SCALAR SUBQUERY 2
            SEARCH queue_turn USING INTEGER PRIMARY KEY (rowid=?)

            end of the next pause
            CO-ROUTINE (subquery-2)
            COMPOUND QUERY
            LEFT-MOST SUBQUERY
            SEARCH task USING COVERING INDEX task_pausing
            UNION ALL
            SEARCH task USING COVERING INDEX task_delayed (not_before>?)
            SEARCH (subquery-2)

            pauses that are over
            MERGE (UNION ALL)
            LEFT
            SEARCH task USING INDEX task_pausing (not_before<?)
            RIGHT
            SEARCH task USING INDEX task_delayed (not_before>? AND not_before<?)

            expired tasks
            SCAN t USING INDEX task_running
            SEARCH j USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH d USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH o USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN
            SEARCH w USING PRIMARY KEY (id=?) LEFT-JOIN
            SEARCH s USING INDEX sqlite_autoindex_session_1 (id=?) LEFT-JOIN
            USE TEMP B-TREE FOR ORDER BY

            tasks and attempts reported on
            SCAN c VIRTUAL TABLE INDEX 1:
            SEARCH t USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH j USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH a USING PRIMARY KEY (task=?) LEFT-JOIN
            CORRELATED SCALAR SUBQUERY 1
            SEARCH w USING PRIMARY KEY (id=?)
            SEARCH s USING INDEX sqlite_autoindex_session_1 (id=?)

            one job
            SEARCH j USING INDEX sqlite_autoindex_job_1 (id=?)
            SEARCH d USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH r USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN

            job of a key
            SEARCH i USING PRIMARY KEY (key=?)
            SEARCH j USING INTEGER PRIMARY KEY (rowid=?)

            newest result
            SEARCH j USING INDEX job_by_fingerprint (fingerprint=? AND kind=?)
            SEARCH d USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH r USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN

            page of jobs
            SEARCH j USING INTEGER PRIMARY KEY (rowid<?)
            LIST SUBQUERY 1
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER
            LIST SUBQUERY 2
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER
            CORRELATED SCALAR SUBQUERY 3
            SEARCH b USING PRIMARY KEY (job=?)
            CORRELATED SCALAR SUBQUERY 4
            SCAN t VIRTUAL TABLE INDEX 1:
            SEARCH d USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH r USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN

            page of unsettled jobs
            SEARCH j USING INTEGER PRIMARY KEY (rowid=?)
            LIST SUBQUERY 1
            SCAN job USING COVERING INDEX job_unsettled
            CREATE BLOOM FILTER
            LIST SUBQUERY 2
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER
            LIST SUBQUERY 3
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER
            CORRELATED SCALAR SUBQUERY 4
            SEARCH b USING PRIMARY KEY (job=?)
            CORRELATED SCALAR SUBQUERY 5
            SCAN t VIRTUAL TABLE INDEX 1:
            SEARCH d USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH r USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN

            tasks of a job
            SEARCH t USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)
            SCALAR SUBQUERY 1
            SEARCH job USING COVERING INDEX sqlite_autoindex_job_1 (id=?)
            SCALAR SUBQUERY 2
            SEARCH job USING COVERING INDEX sqlite_autoindex_job_1 (id=?)
            SEARCH j USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH d USING INTEGER PRIMARY KEY (rowid=?)
            SEARCH o USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN

            attempts of a job
            SEARCH attempt USING PRIMARY KEY (task>? AND task<?)
            SCALAR SUBQUERY 1
            SEARCH job USING COVERING INDEX sqlite_autoindex_job_1 (id=?)
            SCALAR SUBQUERY 2
            SEARCH job USING COVERING INDEX sqlite_autoindex_job_1 (id=?)

            ends of ids
            MERGE (UNION)
            LEFT
            SEARCH job USING COVERING INDEX sqlite_autoindex_job_1 (id>? AND id<?)
            USE TEMP B-TREE FOR ORDER BY
            RIGHT
            SEARCH job USING INDEX job_by_end_of_id (id_reversed>? AND id_reversed<?)
            USE TEMP B-TREE FOR ORDER BY

            events
            SEARCH event USING INTEGER PRIMARY KEY (rowid>?)
            LIST SUBQUERY 1
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER

            events of a job
            SEARCH event USING INDEX event_of_job (job=? AND seq>?)
            LIST SUBQUERY 1
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER

            last event
            SCAN CONSTANT ROW
            SCALAR SUBQUERY 1
            SCAN sqlite_sequence

            events for a listener
            SEARCH l USING PRIMARY KEY (name=?)
            SEARCH e USING INTEGER PRIMARY KEY (rowid>?) LEFT-JOIN
            LIST SUBQUERY 4
            SCAN json_each VIRTUAL TABLE INDEX 1:
            CREATE BLOOM FILTER
            SCALAR SUBQUERY 1
            SEARCH event
            SCALAR SUBQUERY 2
            SCAN sqlite_sequence
            SCALAR SUBQUERY 3
            SCAN sqlite_sequence

            slowest listener
            SCAN CONSTANT ROW
            SCALAR SUBQUERY 2
            SEARCH listener USING COVERING INDEX listener_by_cursor (cursor>?)
            SCALAR SUBQUERY 1
            SEARCH event

            unreferenced files
            SCAN file USING INDEX file_unreferenced

            files to be confirmed
            SCAN c VIRTUAL TABLE INDEX 1:
            SEARCH f USING INDEX sqlite_autoindex_file_1 (path=?) LEFT-JOIN
            USE TEMP B-TREE FOR ORDER BY

            files of a job
            SEARCH file USING INDEX sqlite_autoindex_file_1 (path>? AND path<?)

        "#]]
        .assert_eq(&shown);
    });
}
