//! Reports of workers: which take effect, and what becomes of the others.

use expect_test::expect;
use hw_job::{AttemptState, Ending, ErrorClass, Failure, Fence, StoredDocument, TaskState};
use serde_json::json;

use super::{Setting, change, done, ending, job_id, lost, result, spec, success, task_id};
use crate::{ChangeRefused, NextState, StoreError, TaskChange, TaskChanged};

pub(crate) async fn the_outcome_is_kept(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.clock.pass(std::time::Duration::from_millis(1234));
    assert_eq!(s.change(done(&claimed)).await, Ok(TaskState::Succeeded));
    let task = s.task(1, 0).await;
    assert_eq!(task.outcome, Some(StoredDocument::Inline(json!({ "rows": 3 }))));
    assert_eq!((task.worker, task.lease_until), (None, None));
    assert_eq!(task.ended_at, Some(hw_job::Clock::wall(s.clock.as_ref())));
    assert_eq!(s.job(1).await.tasks.in_state(TaskState::Succeeded), 1);
    let attempt = s.store.load_attempts(job_id(1)).await.unwrap().remove(0);
    assert_eq!(attempt.state, AttemptState::Succeeded);
    assert_eq!(attempt.took, Some(std::time::Duration::from_millis(1234)));
}

pub(crate) async fn a_failure_is_kept_with_the_task_and_the_attempt(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let failure = Failure::new(ErrorClass::Data, "HW-F001", "no such column").help("look again");
    let report = change(
        claimed.id,
        claimed.fence,
        Ending::Failed(failure.clone()),
        NextState::Settled(TaskState::Failed),
    );
    assert_eq!(s.change(report).await, Ok(TaskState::Failed));
    assert_eq!(s.task(1, 0).await.failure, Some(failure.clone()));
    let attempt = s.store.load_attempts(job_id(1)).await.unwrap().remove(0);
    assert_eq!((attempt.state, attempt.failure), (AttemptState::Failed, Some(failure)));
}

/// Claims the only task and takes it away from its worker; returns the report that the worker will still make.
async fn taken_away(s: &Setting) -> TaskChange {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w1").await;
    s.clock.pass(super::LEASE);
    let taken = change(claimed.id, claimed.fence, lost(), NextState::Ready);
    assert_eq!(s.change(taken).await, Ok(TaskState::Ready));
    done(&claimed)
}

pub(crate) async fn a_report_after_the_task_was_taken_away_is_late(s: &Setting) {
    let report = taken_away(s).await;
    let before = (s.job(1).await, s.task(1, 0).await, s.last().await);
    let late = ChangeRefused::Late {
        task: task_id(1, 0),
        fence: Fence(1),
        current: Fence(2),
    };
    assert_eq!(s.change(report.clone()).await, Err(late.clone()));
    assert_eq!((s.job(1).await, s.task(1, 0).await), (before.0, before.1));
    expect![[r#"
        task.late job/0 of 1 {"attempt":1}
    "#]]
    .assert_eq(&s.log_after(before.2).await);
    let attempt = s.store.load_attempts(job_id(1)).await.unwrap().remove(0);
    assert_eq!(attempt.state, AttemptState::Late);

    let before = s.last().await;
    assert_eq!(s.change(report).await, Err(late));
    assert_eq!(s.last().await, before, "the second late report is no news");
}

pub(crate) async fn what_was_taken_away_already_stays_lost(s: &Setting) {
    let report = taken_away(s).await;
    let before = s.last().await;
    for again in [lost(), Ending::Lost { worker_died: true }, Ending::Preempted] {
        let second = change(report.task, report.fence, again, NextState::Ready);
        assert!(matches!(s.change(second).await, Err(ChangeRefused::Late { .. })));
    }
    let state = async || s.store.load_attempts(job_id(1)).await.unwrap().remove(0).state;
    assert_eq!(state().await, AttemptState::Lost);
    assert_eq!(s.last().await, before, "a second controller brings no news");
    s.change(report).await.unwrap_err();
    assert_eq!(state().await, AttemptState::Late, "the worker's own report does");
}

pub(crate) async fn a_late_report_does_not_touch_the_next_attempt(s: &Setting) {
    let report = taken_away(s).await;
    let second = s.claim_one("w2").await;
    assert_eq!((second.fence, second.attempt), (Fence(3), 2));
    s.change(report).await.unwrap_err();
    assert_eq!(s.task(1, 0).await.state, TaskState::Running);
    assert_eq!(s.change(done(&second)).await, Ok(TaskState::Succeeded));
    let attempts = s.store.load_attempts(job_id(1)).await.unwrap();
    let states: Vec<&str> = attempts.iter().map(|attempt| attempt.state.as_str()).collect();
    assert_eq!(states, ["late", "succeeded"]);
    assert_eq!(s.job(1).await.attempts, 2);
}

pub(crate) async fn a_repeated_report_is_accepted_again(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.change(done(&claimed)).await.unwrap();
    let before = s.last().await;
    assert_eq!(s.change(done(&claimed)).await, Ok(TaskState::Succeeded));
    assert_eq!(s.last().await, before);
    assert_eq!(s.job(1).await.tasks.in_state(TaskState::Succeeded), 1);
}

pub(crate) async fn another_report_after_the_end_is_late_and_the_end_stays(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.change(done(&claimed)).await.unwrap();
    let before = s.last().await;
    let other = change(claimed.id, claimed.fence, lost(), NextState::Ready);
    assert!(matches!(s.change(other).await, Err(ChangeRefused::Late { .. })));
    assert_eq!(s.task(1, 0).await.state, TaskState::Succeeded);
    assert_eq!(s.last().await, before);
    let attempt = s.store.load_attempts(job_id(1)).await.unwrap().remove(0);
    assert_eq!(attempt.state, AttemptState::Succeeded);
}

pub(crate) async fn a_fence_that_never_was_is_refused(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let mut report = done(&s.claim_one("w").await);
    let before = s.last().await;
    report.fence = Fence(7);
    assert!(matches!(s.change(report).await, Err(ChangeRefused::Late { .. })));
    assert_eq!(s.task(1, 0).await.state, TaskState::Running);
    assert_eq!(s.last().await, before);
}

pub(crate) async fn tasks_that_do_not_exist_are_named(s: &Setting) {
    s.submit_tasks(1, 1).await;
    for task in [task_id(1, 1), task_id(2, 0)] {
        let report = change(task, Fence(1), success(), NextState::Settled(TaskState::Succeeded));
        assert_eq!(s.change(report).await, Err(ChangeRefused::NotFound(task)));
    }
}

pub(crate) async fn endings_that_make_no_sense_are_refused(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.clock.pass(super::LEASE);
    let before = s.last().await;
    for (how, next) in [
        (success(), NextState::Ready),
        (success(), NextState::Settled(TaskState::Failed)),
        (lost(), NextState::Settled(TaskState::Succeeded)),
        (lost(), NextState::Settled(TaskState::Ready)),
        (lost(), NextState::Settled(TaskState::Infeasible)),
    ] {
        let report = change(claimed.id, claimed.fence, how, next);
        let refused = s.change(report).await;
        assert!(matches!(refused, Err(ChangeRefused::Illegal { .. })), "{next:?}");
    }
    assert_eq!(s.task(1, 0).await.state, TaskState::Running);
    assert_eq!(s.last().await, before);
}

pub(crate) async fn each_report_stands_by_itself(s: &Setting) {
    s.submit_tasks(1, 3).await;
    let claimed = s.claim("w", 3).await;
    let before = s.last().await;
    let [first, second, third] = [done(&claimed[0]), done(&claimed[1]), done(&claimed[2])];
    let missing = TaskChange {
        task: task_id(1, 9),
        ..third.clone()
    };
    let stale = TaskChange {
        fence: Fence(0),
        ..second.clone()
    };
    let reports = vec![third, missing, stale, first.clone(), second, first];
    let answers = s.store.change_tasks(reports).await.unwrap();
    let ok = Ok(TaskChanged {
        state: TaskState::Succeeded,
    });
    assert_eq!(answers[0], ok);
    assert_eq!(answers[1], Err(ChangeRefused::NotFound(task_id(1, 9))));
    assert!(matches!(answers[2], Err(ChangeRefused::Late { .. })));
    assert_eq!(answers[3..], [ok.clone(), ok.clone(), ok]);
    expect![[r#"
        task.ended job/2 of 1 {"attempt":1,"state":"succeeded"}
        task.ended job/0 of 1 {"attempt":1,"state":"succeeded"}
        task.ended job/1 of 1 {"attempt":1,"state":"succeeded"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn reports_of_one_call_see_each_other(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.clock.pass(super::LEASE);
    let taken = change(claimed.id, claimed.fence, lost(), NextState::Ready);
    let answers = s.store.change_tasks(vec![taken, done(&claimed)]).await.unwrap();
    assert!(answers[0].is_ok());
    assert!(matches!(answers[1], Err(ChangeRefused::Late { .. })));
    let attempt = s.store.load_attempts(job_id(1)).await.unwrap().remove(0);
    assert_eq!(attempt.state, AttemptState::Late);
    assert_eq!(s.task(1, 0).await.state, TaskState::Ready);
}

pub(crate) async fn a_large_outcome_is_refused_with_all_of_the_call(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("w", 2).await;
    let sized = |bytes: usize| {
        // Two quotes belong to the text.
        let outcome = StoredDocument::Inline(json!("x".repeat(bytes - 2)));
        Ending::Succeeded(outcome)
    };
    let largest = StoredDocument::INLINE_BYTES_MAX;
    let large = TaskChange {
        ending: sized(largest + 1),
        ..done(&claimed[1])
    };
    let refused = s.store.change_tasks(vec![done(&claimed[0]), large]).await;
    assert!(matches!(refused, Err(StoreError::Misuse(_))), "{refused:?}");
    assert_eq!(s.task(1, 0).await.state, TaskState::Running);

    let fits = TaskChange {
        ending: sized(largest),
        ..done(&claimed[1])
    };
    assert_eq!(s.change(fits).await, Ok(TaskState::Succeeded));
}

pub(crate) async fn fences_only_rise(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let mut last = Fence(0);
    for _ in 0..4 {
        let claimed = s.claim_one("w").await;
        assert!(claimed.fence > last);
        last = claimed.fence;
        let taken = change(claimed.id, claimed.fence, Ending::Preempted, NextState::Ready);
        s.change(taken).await.unwrap();
    }
    s.store.end_job(ending(1, result())).await.unwrap();
    assert!(s.task(1, 0).await.fence > last);
}

pub(crate) async fn files_are_confirmed_with_the_report_that_refers_to_them(s: &Setting) {
    s.submit(super::new_job(1, vec![spec(), spec()])).await;
    let claimed = s.claim("w", 2).await;
    let paths = ["kept".to_owned(), "late".to_owned()];
    s.store.announce_files("job", &paths).await.unwrap();
    let kept = TaskChange {
        files: vec!["kept".to_owned()],
        ..done(&claimed[0])
    };
    s.change(kept).await.unwrap();
    let late = TaskChange {
        files: vec!["late".to_owned()],
        fence: Fence(0),
        ..done(&claimed[1])
    };
    s.change(late).await.unwrap_err();
    assert_eq!(s.store.unreferenced_files(0, 9).await.unwrap(), ["late"]);
}
