//! Many at once: workers that claim and report, readers that follow the log, on one store or on several of one file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use hw_job::{Ending, ErrorClass, EventKind, EventSeq, Failure, Fence, TaskId, TaskState};

use super::{after, all_events, block_on, change, check_invariants, claim_of, done, job_id, new_job, of_flow};
use crate::{ClaimedTask, EventFilter, HeldTask, NextState, Store, TaskChange, Verdict};

const JOBS: u64 = 8;
const TASKS: u32 = 60;
const ROUNDS_MAX: usize = 100_000;

/// Opens the store once more; for a store in memory, the same one.
pub(crate) type Open = dyn Fn() -> futures::future::BoxFuture<'static, Arc<dyn Store>> + Send + Sync;

/// Lets `workers` threads, each with a store of its own, work off jobs while others follow the log.
pub(crate) fn work_off(open: &Open, workers: usize) {
    let desk = Desk::default();
    block_on(submit_all(open));
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| follow(open, &desk))).collect();
        let workers: Vec<_> = (0..workers)
            .map(|number| {
                let desk = &desk;
                scope.spawn(move || block_on(work(open, desk, number)))
            })
            .collect();
        let ends: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        desk.over.store(true, Ordering::SeqCst);
        let followed: Vec<_> = readers.into_iter().map(|reader| reader.join()).collect();
        ends.into_iter().for_each(|end| end.unwrap());
        let followed: Vec<Vec<EventSeq>> = followed.into_iter().map(|seen| seen.unwrap()).collect();
        block_on(check_end(open, &followed));
    });
}

/// Who has what, by the workers' own account.
#[derive(Default)]
struct Desk {
    held: Mutex<BTreeMap<TaskId, (usize, Fence)>>,
    over: AtomicBool,
}

impl Desk {
    fn take(&self, worker: usize, claimed: &ClaimedTask) {
        let mut held = self.held.lock().unwrap();
        let before = held.insert(claimed.id, (worker, claimed.fence));
        assert_eq!(before, None, "task {} was claimed twice", claimed.id);
    }

    fn give_back(&self, claimed: &ClaimedTask) {
        self.held.lock().unwrap().remove(&claimed.id);
    }
}

async fn submit_all(open: &Open) {
    let store = open().await;
    for number in 0..JOBS {
        let flow = format!("flow {}", number % 3);
        let mut tasks = vec![of_flow(&flow); usize::try_from(TASKS).unwrap() - 1];
        tasks.push(after(&[0, 1, 2]));
        store.submit_job(new_job(number, tasks)).await.unwrap();
    }
}

async fn work(open: &Open, desk: &Desk, number: usize) {
    let store = open().await;
    let name = format!("w{number}");
    for round in 0..ROUNDS_MAX {
        let claimed = store.claim_tasks(&claim_of(&name, 7)).await.unwrap();
        claimed.iter().for_each(|task| desk.take(number, task));
        if claimed.is_empty() {
            store.wake_due_tasks(100).await.unwrap();
            if is_over(store.as_ref()).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
            continue;
        }
        keep(store.as_ref(), &name, &claimed).await;
        claimed.iter().for_each(|task| desk.give_back(task));
        let reports = claimed.iter().zip(round..).map(|(task, turn)| report(task, turn));
        for answer in store.change_tasks(reports.collect()).await.unwrap() {
            answer.unwrap();
        }
    }
    panic!("the work did not come to an end");
}

async fn keep(store: &dyn Store, name: &str, claimed: &[ClaimedTask]) {
    let held = claimed.iter().map(|task| HeldTask {
        task: task.id,
        fence: task.fence,
    });
    let held: Vec<_> = held.collect();
    let verdicts = store
        .heartbeat(&super::worker(name), &held, super::LEASE)
        .await
        .unwrap();
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Keep));
}

/// Mostly success; now and then a loss or a failure, at the first attempts only.
fn report(task: &ClaimedTask, turn: usize) -> TaskChange {
    let failure = Failure::new(ErrorClass::External, "HW-T001", "away");
    match turn % 7 {
        3 if task.attempt < 3 => change(task.id, task.fence, Ending::Preempted, NextState::Ready),
        5 if task.attempt < 3 => change(
            task.id,
            task.fence,
            Ending::Failed(failure),
            NextState::RetryAfter(Duration::ZERO),
        ),
        _ => done(task),
    }
}

async fn is_over(store: &dyn Store) -> bool {
    for number in 0..JOBS {
        let job = store.load_job(job_id(number)).await.unwrap().unwrap();
        if job.tasks.in_state(TaskState::Succeeded) < TASKS {
            return false;
        }
    }
    true
}

/// Reads the log while it is written; returns the numbers in the order in which they were seen.
fn follow(open: &Open, desk: &Desk) -> Vec<EventSeq> {
    let mut seen = Vec::new();
    block_on(async {
        let store = open().await;
        let mut wakes = store.wakes();
        loop {
            let over = desk.over.load(Ordering::SeqCst);
            let cursor = seen.last().copied().unwrap_or(EventSeq(0));
            let events = store.read_events(cursor, 13, &EventFilter::default()).await.unwrap();
            if events.is_empty() && over {
                return;
            }
            if events.is_empty() {
                let _ = tokio::time::timeout(Duration::from_millis(50), wakes.changed()).await;
            }
            seen.extend(events.iter().map(|event| event.seq));
        }
    });
    seen
}

async fn check_end(open: &Open, followed: &[Vec<EventSeq>]) {
    let store = open().await;
    let events = all_events(store.as_ref()).await;
    let numbers: Vec<EventSeq> = events.iter().map(|event| event.seq).collect();
    for seen in followed {
        assert_eq!(*seen, numbers, "each event is seen once, in order");
    }
    let ended = events.iter().filter(|event| event.kind == EventKind::TaskEnded);
    assert_eq!(u64::try_from(ended.count()).unwrap(), JOBS * u64::from(TASKS));
    check_invariants(store.as_ref()).await;
}
