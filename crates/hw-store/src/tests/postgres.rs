//! What the store on Postgres alone can do wrong: order of commits, wake-ups, a server that goes, answers that are lost.

mod away;
mod proxy;

use std::time::Duration;

use hw_job::{EventKind, EventSeq, NewEvent};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};

use super::server;
use crate::conformance::*;
use crate::postgres::take_log;
use crate::{
    Claim, EventFilter, EventStore as _, JobStore as _, NextState, PostgresOptions, PostgresStore, QueueStore as _,
    SessionStore as _, Store as _, StoreError,
};

/// The address of a new store, and its schema.
fn new_store() -> Option<(String, String)> {
    let url = server::new_store()?;
    let schema = url.split_once("schema=").unwrap().1.to_owned();
    Some((url, schema))
}

async fn open(url: &str) -> PostgresStore {
    PostgresStore::open(url, PostgresOptions::new()).await.unwrap()
}

/// A connection into the store's schema, without the store.
async fn raw(url: &str, schema: &str) -> PgConnection {
    let options: PgConnectOptions = url.split("&schema").next().unwrap().parse().unwrap();
    options.options([("search_path", schema)]).connect().await.unwrap()
}

async fn run(connection: &mut PgConnection, text: &str) {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

async fn append(store: &PostgresStore, kind: EventKind, subject: &str) -> EventSeq {
    let event = NewEvent {
        kind,
        subject: subject.to_owned(),
        job: None,
        data: json!({}),
    };
    store.append_events(vec![event]).await.unwrap()
}

/// Subjects of the events after the cursor, which moves.
async fn read_on(store: &PostgresStore, cursor: &mut EventSeq) -> String {
    let events = store.read_events(*cursor, 100, &EventFilter::default()).await.unwrap();
    *cursor = events.last().map_or(*cursor, |event| event.seq);
    let seen = events.iter().map(|event| format!("{}:{}", event.seq.0, event.subject));
    seen.collect::<Vec<_>>().join(" ")
}

/// What a writer does at the end of its transaction.
fn write_event(schema: &str, subject: &str) -> String {
    format!(
        "{};
         WITH head AS (UPDATE log SET last = last + 1 RETURNING last)
         INSERT INTO event (seq, at, elapsed, kind, subject, data) SELECT last, 0, 0, 'hook.called', '{subject}', '{{}}' FROM head",
        take_log(schema)
    )
}

#[test]
fn numbers_are_given_in_the_order_of_commits() {
    let Some((url, schema)) = new_store() else { return };
    block_on(async {
        let store = open(&url).await;
        let mut cursor = EventSeq(0);
        // A begins earlier and has written already when B comes and commits.
        let mut a = raw(&url, &schema).await;
        run(
            &mut a,
            "BEGIN; INSERT INTO token (name, role, hash, created_at) VALUES ('a', 'read', 'x', 0)",
        )
        .await;
        assert_eq!(append(&store, EventKind::HookCalled, "b").await, EventSeq(1));
        assert_eq!(read_on(&store, &mut cursor).await, "1:b");
        run(&mut a, &write_event(&schema, "a")).await;
        assert_eq!(
            read_on(&store, &mut cursor).await,
            "",
            "nothing is seen before it is committed"
        );

        // A has its number, and is not committed: B waits, and nobody sees the later before the earlier.
        let late = {
            let store = &store;
            let waiting = append(store, EventKind::HookCalled, "c");
            tokio::pin!(waiting);
            let early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
            assert!(early.is_err(), "the number of B hangs on the commit of A");
            assert_eq!(read_on(store, &mut cursor).await, "");
            run(&mut a, "COMMIT").await;
            waiting.await
        };
        assert_eq!(late, EventSeq(3));
        assert_eq!(read_on(&store, &mut cursor).await, "2:a 3:c");

        // A rolls back: its number is not waited for.
        run(&mut a, &format!("BEGIN; {}", write_event(&schema, "gone"))).await;
        run(&mut a, "ROLLBACK").await;
        append(&store, EventKind::HookCalled, "d").await;
        assert_eq!(read_on(&store, &mut cursor).await, "4:d");
    });
}

async fn hear(url: &str, schema: &str) -> PgListener {
    let options: PgConnectOptions = url.split("&schema").next().unwrap().parse().unwrap();
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap();
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen(&format!("headwater.{schema}")).await.unwrap();
    listener
}

/// The wake-ups until it has been quiet for a while.
async fn heard(listener: &mut PgListener) -> Vec<String> {
    let mut heard = Vec::new();
    while let Ok(told) = tokio::time::timeout(Duration::from_millis(200), listener.recv()).await {
        heard.push(told.unwrap().payload().to_owned());
    }
    heard
}

#[test]
fn a_transaction_wakes_once_and_only_where_somebody_waits() {
    let Some((url, schema)) = new_store() else { return };
    block_on(async {
        let store = open(&url).await;
        let mut listener = hear(&url, &schema).await;
        store.submit_job(new_job(1, vec![spec(); 3])).await.unwrap();
        assert_eq!(heard(&mut listener).await, ["2"], "submitted and ready, told once");
        let claimed = store.claim_tasks(&claim_of("w", 2)).await.unwrap();
        assert_eq!(claimed.len(), 2);
        store.heartbeat(&worker("w"), &[], LEASE).await.unwrap();
        let held = crate::HeldTask {
            task: claimed[0].id,
            fence: claimed[0].fence,
        };
        store.heartbeat(&worker("w"), &[held], LEASE).await.unwrap();
        let work = hw_job::Work { rows: 1, bytes: 2 };
        let told = crate::TaskWork {
            task: held.task,
            fence: held.fence,
            work,
        };
        store.note_work(&[told]).await.unwrap();
        store.start_session(new_session("s")).await.unwrap();
        assert_eq!(
            heard(&mut listener).await,
            [""; 0],
            "starts, heartbeats and progress wake nobody"
        );
        store.change_tasks(claimed.iter().map(done).collect()).await.unwrap();
        let last = store.last_event().await.unwrap().0.to_string();
        assert_eq!(heard(&mut listener).await, [last]);
    });
}

#[test]
fn a_lost_listener_comes_back_and_reads_what_it_missed() {
    let Some((url, schema)) = new_store() else { return };
    block_on(async {
        let writing = open(&url).await;
        let mut options = PostgresOptions::new();
        // No look in between: what wakes is the notification, and the scan after the connection was lost.
        options.poll = Duration::from_secs(600);
        let reading = PostgresStore::open(&url, options).await.unwrap();
        let mut wakes = reading.wakes();
        let mut raw = raw(&url, &schema).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        for round in 1..=4 {
            append(&writing, EventKind::HookCalled, "x").await;
            if round % 2 == 0 {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE pid <> pg_backend_pid() AND state = 'idle'
                             AND (query LIKE 'LISTEN%' OR query LIKE 'SELECT last, elapsed%')";
                run(&mut raw, cut).await;
                append(&writing, EventKind::HookCalled, "x").await;
            }
            let last = writing.last_event().await.unwrap();
            let woken = tokio::time::timeout(Duration::from_secs(10), wakes.wait_for(|known| *known >= last));
            woken.await.unwrap().unwrap();
        }
    });
}

#[test]
fn jumps_of_the_servers_clock_end_no_lease() {
    let Some((url, schema)) = new_store() else { return };
    block_on(async {
        let store = open(&url).await;
        store.start_session(new_session("w")).await.unwrap();
        store.put_worker(new_worker("w", "w")).await.unwrap();
        store.submit_job(new_job(1, vec![spec(); 9])).await.unwrap();
        store.claim_tasks(&claim_of("w", 1)).await.unwrap();
        let mut raw = raw(&url, &schema).await;
        for hours in [1, -1, 24] {
            // As if the server's clock had been set so many hours forward since the last write.
            let jump = format!("UPDATE log SET wall = wall - {hours} * 3600000000");
            run(&mut raw, &jump).await;
            let fresh = open(&url).await;
            append(&fresh, EventKind::WorkerLeft, "x").await;
            assert_eq!(
                fresh.expired_tasks(9).await.unwrap(),
                [],
                "who has just come, {hours} h"
            );
            run(&mut raw, &jump).await;
            assert_eq!(store.claim_tasks(&claim_of("w", 1)).await.unwrap().len(), 1);
            assert_eq!(store.expired_tasks(9).await.unwrap(), [], "who was there, {hours} h");
            fresh.close().await;
        }
        let sessions = store.list_sessions().await.unwrap();
        assert!(sessions.iter().all(|session| !session.expired));
    });
}

/// Pauses and leases are told on the clock of the host that asks, whatever the store's own shows.
#[test]
fn instants_are_told_on_the_clock_of_the_host() {
    let Some((url, _)) = new_store() else { return };
    block_on(async {
        let store = open(&url).await;
        store.submit_job(new_job(1, vec![spec()])).await.unwrap();
        store.claim_tasks(&claim_of("w", 1)).await.unwrap();
        let task = store.load_task(task_id(1, 0)).await.unwrap().unwrap();
        let left = task
            .lease_until
            .unwrap()
            .since(hw_job::Clock::elapsed(&crate::SystemClock));
        assert!(left > LEASE / 2 && left <= LEASE, "{left:?}");
    });
}

#[test]
fn leases_end_by_the_time_that_passes() {
    let Some((url, _)) = new_store() else { return };
    block_on(async {
        let store = open(&url).await;
        store.submit_job(new_job(1, vec![spec()])).await.unwrap();
        let claim = Claim {
            lease: Duration::from_millis(300),
            ..claim_of("w", 1)
        };
        let claimed = store.claim_tasks(&claim).await.unwrap();
        assert_eq!(store.expired_tasks(9).await.unwrap(), []);
        tokio::time::sleep(Duration::from_millis(400)).await;
        let expired = store.expired_tasks(9).await.unwrap();
        assert_eq!(expired.len(), 1);
        let lost = change(claimed[0].id, claimed[0].fence, lost(), NextState::Ready);
        store.change_tasks(vec![lost]).await.unwrap().remove(0).unwrap();
    });
}

#[test]
fn processes_that_open_an_empty_database_at_once_make_one_store() {
    let Some((url, _)) = new_store() else { return };
    let opening: Vec<_> = (0..4)
        .map(|number| {
            let url = url.clone();
            std::thread::spawn(move || {
                block_on(async {
                    let store = open(&url).await;
                    store.submit_job(new_job(number, vec![spec()])).await.unwrap();
                    store.close().await;
                });
            })
        })
        .collect();
    opening.into_iter().for_each(|opening| opening.join().unwrap());
    block_on(async {
        let store = open(&url).await;
        assert_eq!(store.queue_length(None).await, Ok(4));
        check_invariants(&store).await;
    });
}

#[test]
fn stores_of_newer_programs_and_other_things_are_refused() {
    let Some((url, schema)) = new_store() else { return };
    block_on(async {
        open(&url).await.close().await;
        let mut raw = raw(&url, &schema).await;
        run(
            &mut raw,
            "INSERT INTO migration (version, name, checksum) VALUES (999, 'later', 'x')",
        )
        .await;
        let opened = PostgresStore::open(&url, PostgresOptions::new()).await;
        assert_eq!(opened.unwrap_err(), StoreError::Newer { found: 999, known: 1 });
        run(
            &mut raw,
            "DELETE FROM migration WHERE version = 999; UPDATE migration SET checksum = 'edited'",
        )
        .await;
        let opened = PostgresStore::open(&url, PostgresOptions::new()).await;
        assert!(matches!(opened, Err(StoreError::Corrupt(_))), "{opened:?}");
        let other = format!("{schema}_other");
        run(
            &mut raw,
            &format!("CREATE SCHEMA {other}; CREATE TABLE {other}.job (x int)"),
        )
        .await;
        let opened = PostgresStore::open(&url.replace(&schema, &other), PostgresOptions::new()).await;
        assert!(matches!(opened, Err(StoreError::Corrupt(_))), "{opened:?}");
    });
}

#[test]
fn addresses_are_checked_and_passwords_never_told() {
    block_on(async {
        for (url, code) in [
            ("postgres://me:S3cret@127.0.0.1:1/db", "HW-S001"),
            ("postgres://me:S3cret@127.0.0.1:99999999/db", "HW-S007"),
            ("postgres://me:S3cret%ZZ@[::1/db", "HW-S007"),
            ("mysql://me:S3cret@127.0.0.1/db", "HW-S007"),
            ("postgres://me:S3cret@127.0.0.1/db?schema=a-b", "HW-S007"),
            ("postgres://me:S3cret@127.0.0.1/db?schema=pg_x", "HW-S007"),
            ("postgres://me:S3cret@127.0.0.1/db?sslmode=S3cret", "HW-S007"),
        ] {
            let mut options = PostgresOptions::new();
            options.busy_timeout = Duration::from_millis(100);
            let fault = PostgresStore::open(url, options).await.unwrap_err();
            assert_eq!(fault.code(), code, "{url}: {fault}");
            assert!(!format!("{fault} {fault:?}").contains("S3cret"), "{fault:?}");
        }
        let shown = PostgresStore::shown_address("postgres://me:S3cret@host/db?sslmode=require").unwrap();
        assert_eq!(shown, "postgres://me@host:5432/db?schema=headwater");
        let Some((url, _)) = new_store() else { return };
        let url = url.replace("postgres@", "postgres:S3cret@");
        let store = open(&url).await;
        assert!(!format!("{store:?} {} {:?}", store.address(), PostgresOptions::new()).contains("S3cret"));
    });
}

#[test]
fn claims_pass_over_what_another_one_is_taking() {
    let Some((url, schema)) = new_store() else { return };
    block_on(async {
        let store = open(&url).await;
        store.submit_job(new_job(1, vec![spec(); 5])).await.unwrap();
        let mut raw = raw(&url, &schema).await;
        run(
            &mut raw,
            "BEGIN; SELECT task FROM task WHERE queued ORDER BY turn LIMIT 2 FOR UPDATE",
        )
        .await;
        let claimed = store.claim_tasks(&claim_of("w", 2)).await.unwrap();
        let names: Vec<String> = claimed.iter().map(|task| short(task.id)).collect();
        assert_eq!(names, ["1/2", "1/3"]);
        let mut holding = claim_of("w", 3);
        holding.holds = vec!["x".to_owned()];
        assert_eq!(store.claim_tasks(&holding).await.unwrap().len(), 1);
        run(&mut raw, "ROLLBACK").await;
        assert_eq!(store.claim_tasks(&claim_of("w", 9)).await.unwrap().len(), 2);
        check_invariants(&store).await;
    });
}

#[test]
fn who_stops_in_the_middle_holds_up_others_for_a_bounded_time() {
    let Some((url, schema)) = new_store() else { return };
    block_on(async {
        let store = open(&url).await;
        let mut raw = raw(&url, &schema).await;
        // As a process of ours that was stopped: its session has the settings of all of them.
        run(&mut raw, "SET idle_in_transaction_session_timeout = 1000").await;
        run(&mut raw, &format!("BEGIN; {}", take_log(&schema))).await;
        assert_eq!(append(&store, EventKind::HookCalled, "x").await, EventSeq(1));
    });
}

#[test]
fn copies_are_left_to_the_server() {
    let Some((url, _)) = new_store() else { return };
    block_on(async {
        let fault = open(&url)
            .await
            .backup(std::path::Path::new("/nowhere"))
            .await
            .unwrap_err();
        assert_eq!(fault.code(), "HW-S006");
    });
}
