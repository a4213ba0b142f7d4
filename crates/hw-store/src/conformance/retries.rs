//! Pauses, dependencies and second lives of tasks.

use std::time::Duration;

use expect_test::expect;
use hw_job::{AttemptCounts, Ending, ErrorClass, Failure, TaskState};

use super::{Setting, after, change, claim_of, done, ending, job_id, lost, new_job, of_flow, result, spec, task_id};
use crate::{AddTasks, ChangeRefused, ClaimedTask, NextState, TaskChange};

const SECOND: Duration = Duration::from_secs(1);

fn failed(claimed: &ClaimedTask, next: NextState) -> TaskChange {
    let failure = Failure::new(ErrorClass::External, "HW-T001", "timed out");
    change(claimed.id, claimed.fence, Ending::Failed(failure), next)
}

async fn wake(s: &Setting) -> Option<Duration> {
    s.store.wake_due_tasks(100).await.unwrap()
}

pub(crate) async fn a_pause_is_over_by_the_stores_clock(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let before = s.last().await;
    let report = failed(&claimed, NextState::RetryAfter(SECOND * 10));
    assert_eq!(s.change(report).await, Ok(TaskState::RetryWait));
    let task = s.task(1, 0).await;
    assert_eq!(
        task.not_before,
        Some(hw_job::Clock::elapsed(s.clock.as_ref()).after(SECOND * 10))
    );
    assert_eq!(task.counts.counted, 1);
    for jump in [3600, -7200] {
        s.clock.jump(jump);
        assert_eq!(wake(s).await, Some(SECOND * 10));
    }
    s.clock.pass(SECOND * 4);
    assert_eq!(wake(s).await, Some(SECOND * 6));
    assert_eq!(s.claimed_names(&claim_of("w", 1)).await, "");
    s.clock.pass(SECOND * 6);
    assert_eq!(wake(s).await, None);
    assert_eq!(s.task(1, 0).await.not_before, None);
    let again = s.claim_one("w").await;
    assert_eq!((again.attempt, again.counts.counted), (2, 1));
    expect![[r#"
        task.retry job/0 of 1 {"attempt":1,"state":"retry_wait"}
        task.ready job of 1 {"count":1}
        task.started job/0 of 1 {"attempt":2,"worker":"w"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn waking_goes_in_steps_and_tells_each_job_once(s: &Setting) {
    s.submit_tasks(1, 3).await;
    s.submit_tasks(2, 1).await;
    let claimed = s.claim("w", 4).await;
    let pauses = [3, 1, 2, 1];
    let reports = claimed.iter().zip(pauses);
    let reports = reports.map(|(task, pause)| failed(task, NextState::RetryAfter(SECOND * pause)));
    s.store.change_tasks(reports.collect()).await.unwrap();
    s.clock.pass(SECOND * 2);
    let before = s.last().await;
    assert_eq!(s.store.wake_due_tasks(2).await, Ok(Some(Duration::ZERO)));
    assert_eq!(s.store.wake_due_tasks(2).await, Ok(Some(SECOND)));
    expect![[r#"
        task.ready job of 1 {"count":1}
        task.ready job of 2 {"count":1}
        task.ready job of 1 {"count":1}
    "#]]
    .assert_eq(&s.log_after(before).await);
    s.clock.pass(SECOND);
    assert_eq!(wake(s).await, None);
    let before = s.last().await;
    assert_eq!(wake(s).await, None);
    assert_eq!(s.last().await, before);
}

pub(crate) async fn a_lost_task_is_ready_at_once_behind_its_flow(s: &Setting) {
    s.submit(new_job(1, vec![of_flow("a"); 3])).await;
    let claimed = s.claim_one("w").await;
    let before = s.last().await;
    s.clock.pass(super::LEASE);
    let taken = change(claimed.id, claimed.fence, lost(), NextState::Ready);
    assert_eq!(s.change(taken).await, Ok(TaskState::Ready));
    assert_eq!(s.task(1, 0).await.counts.lost, 1);
    assert_eq!(s.claimed_names(&claim_of("w", 3)).await, "1/1 1/2 1/0");
    expect![[r#"
        task.retry job/0 of 1 {"attempt":1,"state":"ready"}
        task.ready job of 1 {"count":1}
        task.started job/1 of 1 {"attempt":1,"worker":"w"}
        task.started job/2 of 1 {"attempt":1,"worker":"w"}
        task.started job/0 of 1 {"attempt":2,"worker":"w"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn a_pause_ends_with_the_job(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.change(failed(&claimed, NextState::RetryAfter(SECOND))).await.unwrap();
    s.store.end_job(ending(1, result())).await.unwrap();
    s.clock.pass(SECOND * 2);
    assert_eq!(wake(s).await, None);
    assert_eq!(s.task(1, 0).await.state, TaskState::Cancelled);
}

async fn quarantined(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let settled = NextState::Settled(TaskState::Quarantined);
    assert_eq!(s.change(failed(&claimed, settled)).await, Ok(TaskState::Quarantined));
}

pub(crate) async fn a_quarantined_task_gets_another_life(s: &Setting) {
    quarantined(s).await;
    let before = s.last().await;
    assert_eq!(s.store.requeue_task(task_id(1, 0)).await, Ok(Ok(())));
    let task = s.task(1, 0).await;
    assert_eq!((task.state, task.counts), (TaskState::Ready, AttemptCounts::default()));
    assert_eq!((task.attempts, task.ended_at), (1, None));
    assert_eq!(s.claim_one("w").await.attempt, 2);
    expect![[r#"
        task.ready job of 1 {"count":1}
        task.started job/0 of 1 {"attempt":2,"worker":"w"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn no_other_task_gets_another_life(s: &Setting) {
    quarantined(s).await;
    s.submit_tasks(2, 1).await;
    let illegal = |job, from| {
        Ok(Err(ChangeRefused::Illegal {
            task: task_id(job, 0),
            from,
            to: TaskState::Ready,
        }))
    };
    assert_eq!(s.store.requeue_task(task_id(2, 0)).await, illegal(2, TaskState::Ready));
    s.store.end_job(ending(1, result())).await.unwrap();
    assert_eq!(s.task(1, 0).await.state, TaskState::Quarantined);
    assert_eq!(
        s.store.requeue_task(task_id(1, 0)).await,
        illegal(1, TaskState::Quarantined)
    );
    for missing in [task_id(1, 5), task_id(7, 0)] {
        let answer = s.store.requeue_task(missing).await;
        assert_eq!(answer, Ok(Err(ChangeRefused::NotFound(missing))));
    }
}

async fn states(s: &Setting) -> String {
    let tasks = s.store.load_tasks(job_id(1)).await.unwrap();
    tasks
        .iter()
        .map(|task| task.state.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) async fn a_task_is_ready_when_the_last_it_waits_for_has_succeeded(s: &Setting) {
    s.submit(new_job(1, vec![spec(), spec(), after(&[0, 1, 1, 0]), after(&[2])]))
        .await;
    let claimed = s.claim("w", 9).await;
    s.change(done(&claimed[0])).await.unwrap();
    assert_eq!(states(s).await, "succeeded running waiting waiting");
    let before = s.last().await;
    s.change(done(&claimed[1])).await.unwrap();
    assert_eq!(states(s).await, "succeeded succeeded ready waiting");
    expect![[r#"
        task.ended job/1 of 1 {"attempt":1,"state":"succeeded"}
        task.ready job of 1 {"count":1}
    "#]]
    .assert_eq(&s.log_after(before).await);
    let third = s.claim_one("w").await;
    s.change(done(&third)).await.unwrap();
    assert_eq!(states(s).await, "succeeded succeeded succeeded ready");
}

pub(crate) async fn one_call_can_end_all_that_a_task_waits_for(s: &Setting) {
    s.submit(new_job(1, vec![spec(), spec(), after(&[0, 1]), after(&[1])]))
        .await;
    let claimed = s.claim("w", 2).await;
    let before = s.last().await;
    s.store.change_tasks(claimed.iter().map(done).collect()).await.unwrap();
    assert_eq!(states(s).await, "succeeded succeeded ready ready");
    expect![[r#"
        task.ended job/0 of 1 {"attempt":1,"state":"succeeded"}
        task.ended job/1 of 1 {"attempt":1,"state":"succeeded"}
        task.ready job of 1 {"count":2}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn a_task_that_waits_for_a_failed_one_is_blocked(s: &Setting) {
    s.submit(new_job(1, vec![spec(), spec(), after(&[0, 1]), after(&[2])]))
        .await;
    let claimed = s.claim("w", 2).await;
    let before = s.last().await;
    let settled = NextState::Settled(TaskState::Failed);
    s.change(failed(&claimed[0], settled)).await.unwrap();
    assert_eq!(states(s).await, "failed running blocked blocked");
    assert_eq!(s.job(1).await.tasks.in_state(TaskState::Blocked), 2);
    s.change(done(&claimed[1])).await.unwrap();
    assert_eq!(states(s).await, "failed succeeded blocked blocked");
    assert!(s.claim("w", 9).await.is_empty());
    s.store.end_job(ending(1, result())).await.unwrap();
    assert_eq!(states(s).await, "failed succeeded cancelled cancelled");
    expect![[r#"
        task.ended job/0 of 1 {"attempt":1,"state":"failed"}
        task.blocked job/2 of 1 {"by":0,"state":"failed"}
        task.blocked job/3 of 1 {"by":0,"state":"failed"}
        task.ended job/1 of 1 {"attempt":1,"state":"succeeded"}
        job.finishing job of 1 {}
        job.ended job of 1 {"state":"succeeded","kind":"test"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn blocked_tasks_are_told_after_the_reports(s: &Setting) {
    s.submit(new_job(
        1,
        vec![spec(), spec(), after(&[0, 1]), after(&[1]), after(&[0])],
    ))
    .await;
    let claimed = s.claim("w", 2).await;
    let before = s.last().await;
    let end = |task, state| failed(task, NextState::Settled(state));
    let ends = vec![
        end(&claimed[1], TaskState::TimedOut),
        end(&claimed[0], TaskState::Failed),
    ];
    s.store.change_tasks(ends).await.unwrap();
    assert_eq!(states(s).await, "failed timed_out blocked blocked blocked");
    expect![[r#"
        task.ended job/1 of 1 {"attempt":1,"state":"timed_out"}
        task.ended job/0 of 1 {"attempt":1,"state":"failed"}
        task.blocked job/2 of 1 {"by":1,"state":"timed_out"}
        task.blocked job/3 of 1 {"by":1,"state":"timed_out"}
        task.blocked job/4 of 1 {"by":0,"state":"failed"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn tasks_wait_again_when_what_blocks_them_gets_another_life(s: &Setting) {
    s.submit(new_job(1, vec![spec(), spec(), after(&[0]), after(&[0, 1])]))
        .await;
    let claimed = s.claim("w", 2).await;
    let settled = NextState::Settled(TaskState::Quarantined);
    for task in &claimed {
        s.change(failed(task, settled)).await.unwrap();
    }
    assert_eq!(states(s).await, "quarantined quarantined blocked blocked");
    let before = s.last().await;
    assert_eq!(s.store.requeue_task(task_id(1, 0)).await, Ok(Ok(())));
    assert_eq!(states(s).await, "ready quarantined waiting blocked");
    assert_eq!(s.store.requeue_task(task_id(1, 1)).await, Ok(Ok(())));
    assert_eq!(states(s).await, "ready ready waiting waiting");
    expect![[r#"
        task.unblocked job/2 of 1 {"by":0}
        task.ready job of 1 {"count":1}
        task.unblocked job/3 of 1 {"by":1}
        task.ready job of 1 {"count":1}
    "#]]
    .assert_eq(&s.log_after(before).await);
    for task in s.claim("w", 2).await {
        s.change(done(&task)).await.unwrap();
    }
    assert_eq!(states(s).await, "succeeded succeeded ready ready");
}

pub(crate) async fn an_added_task_that_needs_a_failed_one_is_blocked(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("w", 2).await;
    let settled = NextState::Settled(TaskState::Failed);
    s.change(failed(&claimed[1], settled)).await.unwrap();
    let add = AddTasks {
        job: job_id(1),
        first_index: 2,
        tasks: vec![after(&[0]), after(&[0, 1]), after(&[3])],
    };
    s.store.add_tasks(add).await.unwrap();
    assert_eq!(states(s).await, "running failed waiting blocked blocked");
    let behind = AddTasks {
        job: job_id(1),
        first_index: 5,
        tasks: vec![after(&[6]), after(&[4]), after(&[2])],
    };
    s.store.add_tasks(behind).await.unwrap();
    assert_eq!(
        states(s).await,
        "running failed waiting blocked blocked blocked blocked waiting"
    );
}

pub(crate) async fn a_whole_chain_is_blocked_and_freed(s: &Setting) {
    s.submit(new_job(1, vec![spec(), after(&[0]), after(&[1]), after(&[2])]))
        .await;
    let claimed = s.claim_one("w").await;
    let before = s.last().await;
    s.change(failed(&claimed, NextState::Settled(TaskState::Quarantined)))
        .await
        .unwrap();
    assert_eq!(states(s).await, "quarantined blocked blocked blocked");
    assert_eq!(s.store.requeue_task(task_id(1, 0)).await, Ok(Ok(())));
    assert_eq!(states(s).await, "ready waiting waiting waiting");
    expect![[r#"
        task.ended job/0 of 1 {"attempt":1,"state":"quarantined"}
        task.blocked job/1 of 1 {"by":0,"state":"quarantined"}
        task.blocked job/2 of 1 {"by":0,"state":"quarantined"}
        task.blocked job/3 of 1 {"by":0,"state":"quarantined"}
        task.unblocked job/1 of 1 {"by":0}
        task.unblocked job/2 of 1 {"by":0}
        task.unblocked job/3 of 1 {"by":0}
        task.ready job of 1 {"count":1}
    "#]]
    .assert_eq(&s.log_after(before).await);
    for _ in 0..4 {
        let claimed = s.claim_one("w").await;
        s.change(done(&claimed)).await.unwrap();
    }
    assert_eq!(states(s).await, "succeeded succeeded succeeded succeeded");
}

/// Tasks 1 and 2 need task 0, task 4 needs both of them; task 5 needs task 3, and task 6 all that came before.
pub(crate) async fn a_diamond_is_blocked_once_and_freed_by_the_last(s: &Setting) {
    let tasks = vec![
        spec(),
        after(&[0]),
        after(&[0]),
        spec(),
        after(&[1, 2]),
        after(&[3]),
        after(&[4, 5]),
    ];
    s.submit(new_job(1, tasks)).await;
    let claimed = s.claim("w", 2).await;
    let before = s.last().await;
    for task in &claimed {
        s.change(failed(task, NextState::Settled(TaskState::Quarantined)))
            .await
            .unwrap();
    }
    assert_eq!(s.job(1).await.tasks.in_state(TaskState::Blocked), 5);
    assert_eq!(s.store.requeue_task(task_id(1, 0)).await, Ok(Ok(())));
    assert_eq!(
        states(s).await,
        "ready waiting waiting quarantined waiting blocked blocked"
    );
    assert_eq!(s.store.requeue_task(task_id(1, 3)).await, Ok(Ok(())));
    assert_eq!(states(s).await, "ready waiting waiting ready waiting waiting waiting");
    expect![[r#"
        task.ended job/0 of 1 {"attempt":1,"state":"quarantined"}
        task.blocked job/1 of 1 {"by":0,"state":"quarantined"}
        task.blocked job/2 of 1 {"by":0,"state":"quarantined"}
        task.blocked job/4 of 1 {"by":0,"state":"quarantined"}
        task.blocked job/6 of 1 {"by":0,"state":"quarantined"}
        task.ended job/3 of 1 {"attempt":1,"state":"quarantined"}
        task.blocked job/5 of 1 {"by":3,"state":"quarantined"}
        task.unblocked job/1 of 1 {"by":0}
        task.unblocked job/2 of 1 {"by":0}
        task.unblocked job/4 of 1 {"by":0}
        task.ready job of 1 {"count":1}
        task.unblocked job/5 of 1 {"by":3}
        task.unblocked job/6 of 1 {"by":3}
        task.ready job of 1 {"count":1}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn an_added_task_waits_only_for_what_has_not_succeeded(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("w", 2).await;
    s.change(done(&claimed[0])).await.unwrap();
    let add = AddTasks {
        job: job_id(1),
        first_index: 2,
        tasks: vec![after(&[0]), after(&[0, 1]), after(&[2])],
    };
    s.store.add_tasks(add).await.unwrap();
    assert_eq!(states(s).await, "succeeded running ready waiting waiting");
    s.change(done(&claimed[1])).await.unwrap();
    assert_eq!(states(s).await, "succeeded succeeded ready ready waiting");
}
