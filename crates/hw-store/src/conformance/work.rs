//! How much has been worked off.

use hw_job::{Fence, TaskSpec, Work};

use super::{Setting, change, done, job_id, lost, spec, task_id};
use crate::{AddTasks, ClaimedTask, NextState, TaskChange, TaskWork};

fn work(rows: u64, bytes: u64) -> Work {
    Work { rows, bytes }
}

fn told(claimed: &ClaimedTask, work: Work) -> TaskWork {
    TaskWork {
        task: claimed.id,
        fence: claimed.fence,
        work,
    }
}

async fn sum(s: &Setting, job: u64) -> Work {
    let progress = s.job(job).await.progress;
    work(progress.rows, progress.bytes)
}

pub(crate) async fn work_is_told_without_an_event_and_summed_up(s: &Setting) {
    s.submit_tasks(1, 2).await;
    s.submit_tasks(2, 1).await;
    let claimed = s.claim("w", 3).await;
    let of = |job: u64| {
        claimed
            .iter()
            .filter(move |task| task.id.job == job_id(job))
            .collect::<Vec<_>>()
    };
    let (first, second) = (of(1), of(2));
    let last = s.last().await;
    let mut wakes = s.store.wakes();
    wakes.borrow_and_update();
    s.store.note_work(&[]).await.unwrap();
    let all = [
        told(first[0], work(10, 1000)),
        told(first[1], work(5, 500)),
        told(second[0], work(1, 1)),
    ];
    s.store.note_work(&all).await.unwrap();
    assert_eq!((sum(s, 1).await, sum(s, 2).await), (work(15, 1500), work(1, 1)));
    s.store.note_work(&[told(first[0], work(11, 4000))]).await.unwrap();
    assert_eq!(sum(s, 1).await, work(16, 4500));
    assert_eq!(s.task(1, first[0].id.index).await.work, work(11, 4000));
    assert_eq!(s.last().await, last);
    assert!(!wakes.has_changed().unwrap(), "nobody is woken");
}

pub(crate) async fn a_new_attempt_begins_its_work_anew(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let first = s.claim_one("w").await;
    s.store.note_work(&[told(&first, work(10, 1000))]).await.unwrap();
    s.clock.pass(super::LEASE);
    s.change(change(first.id, first.fence, lost(), NextState::Ready))
        .await
        .unwrap();
    assert_eq!(sum(s, 1).await, work(10, 1000), "what was read, was read");
    let second = s.claim_one("w").await;
    s.store.note_work(&[told(&second, work(2, 100))]).await.unwrap();
    assert_eq!(sum(s, 1).await, work(2, 100), "nothing counts twice");
}

pub(crate) async fn work_under_another_fence_is_left_out(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let stale = TaskWork {
        fence: Fence(claimed.fence.0 + 1),
        ..told(&claimed, work(9, 9))
    };
    let unknown = TaskWork {
        task: task_id(7, 0),
        ..stale
    };
    s.store.note_work(&[stale, unknown]).await.unwrap();
    assert_eq!(sum(s, 1).await, Work::default());
    s.change(done(&claimed)).await.unwrap();
    s.store.note_work(&[told(&claimed, work(9, 9))]).await.unwrap();
    assert_eq!(sum(s, 1).await, Work::default(), "it does not run any more");
}

pub(crate) async fn work_told_twice_in_one_call_counts_once(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let twice = [told(&claimed, work(3, 300)), told(&claimed, work(5, 500))];
    s.store.note_work(&twice).await.unwrap();
    assert_eq!(sum(s, 1).await, work(5, 500), "what was told last");
    assert_eq!(s.task(1, 0).await.work, work(5, 500));
}

pub(crate) async fn a_report_tells_the_last_of_the_work(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("w", 2).await;
    let report = |task: &ClaimedTask, work| TaskChange { work, ..done(task) };
    s.store.note_work(&[told(&claimed[0], work(3, 300))]).await.unwrap();
    let reports = vec![report(&claimed[0], Some(work(8, 800))), report(&claimed[1], None)];
    s.store.change_tasks(reports).await.unwrap();
    assert_eq!(sum(s, 1).await, work(8, 800));
    assert_eq!(s.task(1, claimed[0].id.index).await.work, work(8, 800));
    let again = report(&claimed[0], Some(work(99, 99)));
    s.change(again).await.unwrap();
    assert_eq!(sum(s, 1).await, work(8, 800), "a repeated report changes nothing");
}

pub(crate) async fn a_stage_leaves_the_work_as_it_is(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.store.note_work(&[told(&claimed, work(3, 300))]).await.unwrap();
    let add = AddTasks {
        job: job_id(1),
        first_index: 1,
        tasks: vec![TaskSpec {
            kind: "test.compare".to_owned(),
            ..spec()
        }],
    };
    s.store.add_tasks(add).await.unwrap();
    let progress = s.job(1).await.progress;
    assert_eq!(
        (progress.stage.as_str(), progress.rows, progress.bytes),
        ("compare", 3, 300)
    );
}
