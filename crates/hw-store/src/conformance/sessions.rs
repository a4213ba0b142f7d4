//! Processes, workers and tokens.

use std::time::Duration;

use expect_test::expect;
use hw_job::Timestamp;

use super::{LEASE, Setting, new_session, new_worker, session};
use crate::{NewSession, Role, StoreError, TokenRecord, WorkerRecord};

pub(crate) async fn sessions_are_listed_oldest_first(s: &Setting) {
    for name in ["z", "a", "m"] {
        s.store.start_session(new_session(name)).await.unwrap();
        s.clock.jump(-100);
    }
    let sessions = s.store.list_sessions().await.unwrap();
    let told: Vec<NewSession> = sessions.iter().map(|record| record.session.clone()).collect();
    assert_eq!(told, [new_session("z"), new_session("a"), new_session("m")]);
    assert!(sessions.iter().all(|record| !record.expired));
    assert_eq!(sessions[0].started_at.0, sessions[1].started_at.0 + 100_000_000);
}

pub(crate) async fn a_session_lives_as_long_as_it_is_renewed(s: &Setting) {
    s.store.start_session(new_session("s1")).await.unwrap();
    s.clock.pass(LEASE - Duration::from_micros(1));
    assert!(!s.store.list_sessions().await.unwrap()[0].expired);
    s.clock.pass(Duration::from_micros(1));
    assert!(s.store.list_sessions().await.unwrap()[0].expired);
    assert_eq!(s.store.renew_session(&session("s1"), LEASE).await, Ok(true));
    assert!(!s.store.list_sessions().await.unwrap()[0].expired);
}

pub(crate) async fn a_session_that_was_given_up_is_not_renewed(s: &Setting) {
    s.store.start_session(new_session("s1")).await.unwrap();
    s.store.end_session(&session("s1")).await.unwrap();
    assert_eq!(s.store.renew_session(&session("s1"), LEASE).await, Ok(false));
    assert_eq!(s.store.list_sessions().await, Ok(Vec::new()));
    s.store.end_session(&session("s1")).await.unwrap();
}

pub(crate) async fn a_session_started_twice_is_one(s: &Setting) {
    s.store.start_session(new_session("s1")).await.unwrap();
    s.clock.pass(LEASE);
    s.store.start_session(new_session("s1")).await.unwrap();
    let sessions = s.store.list_sessions().await.unwrap();
    assert_eq!((sessions.len(), sessions[0].expired), (1, false));
}

pub(crate) async fn workers_join_once_and_leave_with_their_session(s: &Setting) {
    s.store.start_session(new_session("s1")).await.unwrap();
    s.store.put_worker(new_worker("w2", "s1")).await.unwrap();
    s.store.put_worker(new_worker("w1", "s1")).await.unwrap();
    let draining = WorkerRecord {
        draining: true,
        labels: vec!["gpu".to_owned()],
        ..new_worker("w1", "s1")
    };
    s.store.put_worker(draining.clone()).await.unwrap();
    assert_eq!(s.store.list_workers().await, Ok(vec![draining, new_worker("w2", "s1")]));
    s.store.end_session(&session("s1")).await.unwrap();
    assert_eq!(s.store.list_workers().await, Ok(Vec::new()));
    expect![[r#"
        worker.joined w2 {"session":"s1"}
        worker.joined w1 {"session":"s1"}
        worker.left w1 {"session":"s1"}
        worker.left w2 {"session":"s1"}
    "#]]
    .assert_eq(&s.log_after(hw_job::EventSeq(0)).await);
}

pub(crate) async fn a_draining_worker_keeps_what_it_has_and_is_given_no_more(s: &Setting) {
    s.join("s1").await;
    s.submit_tasks(1, 3).await;
    let worker = s.store.list_workers().await.unwrap()[0].id.clone();
    assert_eq!(s.claim("s1", 1).await.len(), 1);
    assert_eq!(s.store.drain_worker(&worker, true).await, Ok(true));
    assert_eq!(s.claim("s1", 1).await.len(), 0);
    let record = s.store.list_workers().await.unwrap()[0].clone();
    assert_eq!((record.draining, record.running), (true, 1));
    assert_eq!(s.store.drain_worker(&worker, false).await, Ok(true));
    assert_eq!(s.claim("s1", 1).await.len(), 1);
    let unknown = hw_job::WorkerId("nobody".to_owned());
    assert_eq!(s.store.drain_worker(&unknown, true).await, Ok(false));
}

pub(crate) async fn a_worker_belongs_to_a_session(s: &Setting) {
    let refused = s.store.put_worker(new_worker("w1", "s1")).await;
    assert!(matches!(refused, Err(StoreError::Misuse(_))), "{refused:?}");
    assert_eq!(s.store.list_workers().await, Ok(Vec::new()));
}

pub(crate) async fn the_store_counts_what_a_worker_runs(s: &Setting) {
    s.join("s1").await;
    s.submit_tasks(1, 3).await;
    let claimed = s.claim("s1", 2).await;
    let running = async || s.store.list_workers().await.unwrap()[0].running;
    assert_eq!(running().await, 2);
    s.change(super::done(&claimed[0])).await.unwrap();
    assert_eq!(running().await, 1);
}

pub(crate) async fn an_ended_session_owns_nothing(s: &Setting) {
    s.join("s1").await;
    s.submit_tasks(1, 1).await;
    s.submit_tasks(2, 1).await;
    s.store.end_job(super::ending(2, super::result())).await.unwrap();
    s.store.end_session(&session("s1")).await.unwrap();
    assert_eq!(s.job(1).await.owner, None);
    assert_eq!(
        s.job(2).await.owner,
        Some(session("s1")),
        "a settled job keeps its record"
    );
}

fn token(name: &str) -> TokenRecord {
    TokenRecord {
        name: name.to_owned(),
        role: Role::Admin,
        hash: format!("hash of {name}"),
        created_at: Timestamp(7),
        expires_at: Some(Timestamp(9)),
    }
}

pub(crate) async fn tokens_are_found_by_their_hash(s: &Setting) {
    assert_eq!(s.store.create_token(token("b")).await, Ok(true));
    assert_eq!(s.store.create_token(token("a")).await, Ok(true));
    let taken = TokenRecord {
        hash: "other".to_owned(),
        ..token("a")
    };
    assert_eq!(s.store.create_token(taken).await, Ok(false));
    assert_eq!(s.store.find_token("hash of a").await, Ok(Some(token("a"))));
    assert_eq!(s.store.find_token("other").await, Ok(None));
    assert_eq!(s.store.list_tokens().await, Ok(vec![token("a"), token("b")]));
    assert_eq!(s.store.drop_token("a").await, Ok(true));
    assert_eq!(s.store.drop_token("a").await, Ok(false));
    assert_eq!(s.store.find_token("hash of a").await, Ok(None));
}
