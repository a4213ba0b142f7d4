//! When ends of tasks are told, and how much is taken in reserve.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use hw_job::{AttemptCounts, Fence};
use hw_store::NextState;
use serde_json::Value;

use super::*;

fn task(job: u64, index: u32) -> ClaimedTask {
    ClaimedTask {
        id: TaskId::new(JobId::new(job, [0; 10]), index),
        job_kind: "test".to_owned(),
        kind: "test.task".to_owned(),
        format: 1,
        params: Value::Null,
        job_params: Arc::default(),
        fence: Fence(1),
        attempt: 1,
        counts: AttemptCounts::default(),
        cpu_milli: SLOT_CPU_MILLI,
        memory_bytes: 0,
        scarce: hw_job::Scarce::default(),
    }
}

fn ended(job: u64, ending: Ending) -> TaskChange {
    TaskChange {
        task: TaskId::new(JobId::new(job, [0; 10]), 99),
        fence: Fence(1),
        next: NextState::Ready,
        ending,
        counts: AttemptCounts::default(),
        files: Vec::new(),
        work: None,
    }
}

fn succeeded(job: u64) -> TaskChange {
    ended(job, Ending::Succeeded(hw_job::StoredDocument::Inline(Value::Null)))
}

/// What is held takes its share of what the worker has, also before it is begun.
#[test]
fn claims_tell_what_is_left_of_the_capacity() {
    let capacity = Capacity {
        memory_bytes: 100,
        scarce: hw_job::Scarce {
            disk_bytes: 10,
            gpu: 2,
            counters: [("licence".to_owned(), 3)].into(),
        },
    };
    let mut pool = Pool::new(2, capacity.clone(), EventSeq(0));
    assert_eq!(pool.take_claim().unwrap().left, capacity);
    let mut held = task(1, 0);
    held.memory_bytes = 60;
    held.scarce.gpu = 1;
    held.scarce.counters.insert("licence".to_owned(), 2);
    pool.hold(vec![held]);
    pool.claiming = false;
    pool.look = true;
    pool.next_to_run().unwrap();
    let left = pool.take_claim().unwrap().left;
    assert_eq!(
        (left.memory_bytes, left.scarce.gpu, left.scarce.disk_bytes),
        (40, 1, 10)
    );
    assert_eq!(left.scarce.counters["licence"], 1);
}

/// A worker of two slots that runs so many tasks of job 1.
fn running(tasks: u32) -> Pool {
    let mut pool = Pool::new(2, Capacity::default(), EventSeq(0));
    pool.hold((0..tasks).map(|index| task(1, index)).collect());
    for _ in 0..tasks {
        pool.next_to_run().unwrap();
    }
    pool
}

#[test]
fn a_success_waits_for_others_of_its_job_while_all_slots_are_busy_and_not_for_long() {
    let mut pool = running(2);
    pool.report(succeeded(1));
    assert!(pool.take_reports().is_none());
    let until = pool.reports_at().unwrap();
    assert!(until <= Instant::now() + REPORT_LAG_MAX);
    std::thread::sleep(REPORT_LAG_MAX);
    pool.report(succeeded(1));
    assert_eq!(pool.take_reports().unwrap().len(), 2);
    assert_eq!(pool.reports_at(), None);
}

#[test]
fn what_somebody_may_wait_for_is_told_at_once() {
    let check = |tasks: u32, change: TaskChange| {
        let mut pool = running(tasks);
        pool.report(change);
        assert_eq!(pool.take_reports().map(|reports| reports.len()), Some(1));
    };
    check(0, succeeded(1));
    // A slot is free.
    check(1, succeeded(1));
    // No more of the job is here.
    check(2, succeeded(2));
    check(2, ended(1, Ending::Preempted));
    check(2, ended(1, Ending::Cancelled));
}

#[test]
fn reports_follow_each_other() {
    let mut pool = running(0);
    pool.report(succeeded(1));
    assert!(pool.take_reports().is_some());
    pool.report(succeeded(1));
    assert!(pool.take_reports().is_none(), "the ones before it have not arrived");
    assert_eq!(pool.reports_at(), None, "nothing is to be sent before that");
    pool.sending = false;
    assert!(pool.take_reports().is_some());
}

#[test]
fn the_reserve_holds_some_milliseconds_of_work_and_more_if_nobody_else_could_do_it() {
    let check = |alone: bool, took: u64, tasks: Option<u32>| {
        let mut pool = running(2);
        pool.alone = alone;
        pool.pace.note(Duration::from_millis(took));
        assert_eq!(pool.take_claim().map(|room| room.tasks), tasks, "{alone} {took}");
    };
    check(false, 5, Some(8));
    check(false, 15, Some(2));
    check(false, 25, None);
    check(true, 5, Some(24));
    check(true, 15, Some(8));
    check(true, 61, None);
    check(true, 0, Some(RESERVED_MAX));
}
