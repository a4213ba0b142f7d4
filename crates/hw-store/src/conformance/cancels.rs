//! Cancelling tasks one by one.

use std::time::Duration;

use expect_test::expect;
use hw_job::{AttemptState, Ending, ErrorClass, Failure, TaskState};

use super::{Setting, after, change, claim_of, delayed, done, ending, job_id, new_job, result, spec, task_id, worker};
use crate::{ChangeRefused, HeldTask, NextState, Verdict};

async fn cancel(s: &Setting, index: u32) -> Result<(), ChangeRefused> {
    s.store.cancel_task(task_id(1, index), "not needed").await.unwrap()
}

pub(crate) async fn a_task_that_nobody_has_is_cancelled_at_once(s: &Setting) {
    s.submit(new_job(1, vec![spec(), after(&[0])])).await;
    let before = s.last().await;
    assert_eq!(cancel(s, 0).await, Ok(()));
    assert_eq!(cancel(s, 1).await, Ok(()));
    let task = s.task(1, 0).await;
    assert_eq!((task.state, task.fence.0, task.attempts), (TaskState::Cancelled, 1, 0));
    assert_eq!(task.ended_at, Some(hw_job::Clock::wall(s.clock.as_ref())));
    let failure = task.failure.unwrap();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::Cancelled, "HW-J028")
    );
    assert!(
        failure.message.ends_with("/0 was cancelled: not needed"),
        "{}",
        failure.message
    );
    assert_eq!(s.job(1).await.tasks.in_state(TaskState::Cancelled), 2);
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "");
    assert_eq!(s.store.queue_length(None).await, Ok(0));
    expect![[r#"
        task.cancel_requested job/0 of 1 {"reason":"not needed"}
        task.ended job/0 of 1 {"attempt":0,"state":"cancelled"}
        task.blocked job/1 of 1 {"by":0,"state":"cancelled"}
        task.cancel_requested job/1 of 1 {"reason":"not needed"}
        task.ended job/1 of 1 {"attempt":0,"state":"cancelled"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn a_running_task_is_taken_from_its_worker(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("w", 2).await;
    s.clock.pass(Duration::from_secs(3));
    assert_eq!(cancel(s, 0).await, Ok(()));
    let task = s.task(1, 0).await;
    assert_eq!(
        (task.state, task.worker, task.lease_until),
        (TaskState::Cancelled, None, None)
    );
    assert!(claimed[0].fence < task.fence);
    let attempts = s.store.load_attempts(job_id(1)).await.unwrap();
    assert_eq!(attempts[0].state, AttemptState::Cancelled);
    assert_eq!(attempts[0].took, Some(Duration::from_secs(3)));
    assert_eq!(attempts[1].state, AttemptState::Running, "the others go on");
    let held: Vec<_> = claimed
        .iter()
        .map(|task| HeldTask {
            task: task.id,
            fence: task.fence,
        })
        .collect();
    let verdicts = s.store.heartbeat(&worker("w"), &held, super::LEASE).await;
    assert_eq!(verdicts, Ok(vec![Verdict::Lost, Verdict::Keep]));
}

pub(crate) async fn what_a_worker_brings_for_a_cancelled_task_is_late(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    assert_eq!(cancel(s, 0).await, Ok(()));
    let before = s.last().await;
    for _ in 0..2 {
        assert!(matches!(
            s.change(done(&claimed)).await,
            Err(ChangeRefused::Late { .. })
        ));
    }
    let task = s.task(1, 0).await;
    assert_eq!((task.state, task.outcome), (TaskState::Cancelled, None));
    expect![[r#"
        task.late job/0 of 1 {"attempt":1}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn settled_tasks_are_not_cancelled(s: &Setting) {
    s.submit_tasks(1, 3).await;
    let claimed = s.claim("w", 2).await;
    s.change(done(&claimed[0])).await.unwrap();
    let failure = Failure::new(ErrorClass::Internal, "HW-J020", "a bug");
    let settled = NextState::Settled(TaskState::Quarantined);
    s.change(change(
        claimed[1].id,
        claimed[1].fence,
        Ending::Failed(failure),
        settled,
    ))
    .await
    .unwrap();
    cancel(s, 2).await.unwrap();
    let before = s.last().await;
    let states = [TaskState::Succeeded, TaskState::Quarantined, TaskState::Cancelled];
    for (index, from) in (0..).zip(states) {
        let (task, to) = (task_id(1, index), TaskState::Cancelled);
        assert_eq!(cancel(s, index).await, Err(ChangeRefused::Illegal { task, from, to }));
    }
    assert_eq!(cancel(s, 9).await, Err(ChangeRefused::NotFound(task_id(1, 9))));
    let unknown = s.store.cancel_task(task_id(7, 0), "").await;
    assert_eq!(unknown, Ok(Err(ChangeRefused::NotFound(task_id(7, 0)))));
    s.store.end_job(ending(1, result())).await.unwrap();
    assert!(matches!(cancel(s, 1).await, Err(ChangeRefused::Illegal { .. })));
    expect![[r#"
        job.finishing job of 1 {}
        job.ended job of 1 {"state":"succeeded","kind":"test"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn nothing_follows_a_cancelled_task(s: &Setting) {
    s.submit(delayed(1, 5, vec![spec(), after(&[0])])).await;
    assert_eq!(cancel(s, 0).await, Ok(()));
    s.clock.pass(Duration::from_secs(9));
    assert_eq!(s.store.wake_due_tasks(9).await, Ok(None));
    assert_eq!(s.task(1, 0).await.state, TaskState::Cancelled);
    assert_eq!(s.task(1, 1).await.state, TaskState::Blocked);
    assert_eq!(
        s.store.requeue_task(task_id(1, 0)).await,
        Ok(Err(ChangeRefused::Illegal {
            task: task_id(1, 0),
            from: TaskState::Cancelled,
            to: TaskState::Ready,
        }))
    );
}
