//! How jobs go on and end.

use std::time::Duration;

use expect_test::expect;
use hw_job::{AttemptState, ErrorClass, Failure, Fence, JobEnding, JobState, StoredDocument, TaskSpec, TaskState};
use serde_json::json;

use super::{Setting, after, claim_of, done, ending, job_id, new_job, new_session, result, session, spec};
use crate::{AddTasks, ChangeRefused, JobChangeError, StoreError};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn a_result_is_kept(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.change(done(&claimed)).await.unwrap();
    s.store.finish_job(job_id(1)).await.unwrap();
    let before = s.last().await;
    let succeeded = JobEnding::Succeeded {
        result: StoredDocument::Inline(json!({ "answer": 42 })),
        partial: true,
    };
    s.store.end_job(ending(1, succeeded)).await.unwrap();
    let job = s.job(1).await;
    assert_eq!((job.state, job.partial), (JobState::Succeeded, true));
    assert_eq!(job.result, Some(StoredDocument::Inline(json!({ "answer": 42 }))));
    assert_eq!(job.ended_at, Some(hw_job::Clock::wall(s.clock.as_ref())));
    expect![[r#"
        job.ended job of 1 {"state":"succeeded","kind":"test"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn a_file_as_result_is_referred_to(s: &Setting) {
    s.submit_tasks(1, 0).await;
    let result = StoredDocument::File {
        path: "jobs/1/result.json".to_owned(),
        media_type: "application/json".to_owned(),
        bytes: 1_000_000,
        checksum: "0123456789abcdef".to_owned(),
    };
    let mut end = ending(
        1,
        JobEnding::Succeeded {
            result: result.clone(),
            partial: false,
        },
    );
    end.files = vec!["jobs/1/result.json".to_owned()];
    s.store.announce_files("job", &end.files).await.unwrap();
    s.store.end_job(end).await.unwrap();
    assert_eq!(s.job(1).await.result, Some(result));
    assert_eq!(s.store.unreferenced_files(0, 9).await, Ok(Vec::new()));
}

pub(crate) async fn other_endings_say_why(s: &Setting) {
    let failure = Failure::new(ErrorClass::Timeout, "HW-J013", "took too long");
    for (number, how, state) in [
        (1, JobEnding::Failed(failure.clone()), JobState::Failed),
        (2, JobEnding::TimedOut(failure.clone()), JobState::TimedOut),
    ] {
        s.submit_tasks(number, 1).await;
        s.store.end_job(ending(number, how)).await.unwrap();
        let job = s.job(number).await;
        assert_eq!(
            (job.state, job.failure, job.result),
            (state, Some(failure.clone()), None)
        );
    }
    s.submit_tasks(3, 1).await;
    let reason = "ann pressed Ctrl-C".to_owned();
    s.store
        .end_job(ending(3, JobEnding::Cancelled { reason: reason.clone() }))
        .await
        .unwrap();
    let job = s.job(3).await;
    assert_eq!((job.state, job.cancel_reason), (JobState::Cancelled, Some(reason)));
}

pub(crate) async fn open_tasks_are_withdrawn_with_the_job(s: &Setting) {
    s.submit(new_job(1, vec![spec(), spec(), spec(), after(&[0])])).await;
    let claimed = s.claim("w", 2).await;
    s.change(done(&claimed[0])).await.unwrap();
    s.clock.pass(SECOND);
    let before = s.last().await;
    s.store.end_job(ending(1, result())).await.unwrap();
    let tasks = s.store.load_tasks(job_id(1)).await.unwrap();
    let shown: Vec<(&str, u64)> = tasks.iter().map(|task| (task.state.as_str(), task.fence.0)).collect();
    assert_eq!(
        shown,
        [("succeeded", 1), ("cancelled", 2), ("cancelled", 1), ("cancelled", 1)]
    );
    assert_eq!(tasks[1].worker, None);
    assert_eq!(tasks[1].ended_at, Some(hw_job::Clock::wall(s.clock.as_ref())));
    let attempts = s.store.load_attempts(job_id(1)).await.unwrap();
    assert_eq!(attempts[1].state, AttemptState::Cancelled);
    assert_eq!(attempts[1].took, Some(SECOND));
    let job = s.job(1).await;
    assert_eq!(job.tasks.in_state(TaskState::Cancelled), 3);
    assert_eq!(job.tasks.total(), 4);
    assert_eq!(s.store.queue_length(None).await, Ok(0));
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "");

    let report = s.change(done(&claimed[1])).await;
    let (fence, current) = (Fence(1), Fence(2));
    let task = claimed[1].id;
    assert_eq!(report, Err(ChangeRefused::Late { task, fence, current }));
    expect![[r#"
        job.finishing job of 1 {}
        job.ended job of 1 {"state":"succeeded","kind":"test"}
        task.late job/1 of 1 {"attempt":1}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn a_settled_job_stays_as_it_is(s: &Setting) {
    s.submit_tasks(1, 1).await;
    s.store.end_job(ending(1, result())).await.unwrap();
    let (before, last) = (s.job(1).await, s.last().await);
    let settled = JobChangeError::Settled {
        job: job_id(1),
        state: JobState::Succeeded,
    };
    let add = AddTasks {
        job: job_id(1),
        first_index: 1,
        tasks: vec![spec()],
    };
    let cancelled = JobEnding::Cancelled { reason: String::new() };
    assert_eq!(s.store.end_job(ending(1, cancelled)).await, Err(settled.clone()));
    assert_eq!(s.store.finish_job(job_id(1)).await, Err(settled.clone()));
    assert_eq!(s.store.add_tasks(add).await, Err(settled));
    assert_eq!(s.store.request_cancel(job_id(1), "no").await, Ok(JobState::Succeeded));
    let (from, to) = (session("s1"), session("s2"));
    assert_eq!(s.store.adopt_job(job_id(1), Some(&from), &to).await, Ok(false));
    assert_eq!((s.job(1).await, s.last().await), (before, last));
}

pub(crate) async fn jobs_that_do_not_exist_are_named(s: &Setting) {
    let missing = JobChangeError::NotFound(job_id(1));
    let add = AddTasks {
        job: job_id(1),
        first_index: 0,
        tasks: Vec::new(),
    };
    assert_eq!(s.store.load_job(job_id(1)).await, Ok(None));
    assert_eq!(s.store.load_tasks(job_id(1)).await, Ok(Vec::new()));
    assert_eq!(s.store.load_attempts(job_id(1)).await, Ok(Vec::new()));
    assert_eq!(s.store.end_job(ending(1, result())).await, Err(missing.clone()));
    assert_eq!(s.store.finish_job(job_id(1)).await, Err(missing.clone()));
    assert_eq!(s.store.add_tasks(add).await, Err(missing.clone()));
    assert_eq!(s.store.request_cancel(job_id(1), "no").await, Err(missing));
    assert_eq!(s.store.adopt_job(job_id(1), None, &session("s2")).await, Ok(false));
    assert_eq!(s.last().await.0, 0);
}

pub(crate) async fn a_job_is_finishing_once(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    s.change(done(&claimed)).await.unwrap();
    let before = s.last().await;
    s.store.finish_job(job_id(1)).await.unwrap();
    s.store.finish_job(job_id(1)).await.unwrap();
    assert_eq!(s.job(1).await.state, JobState::Finishing);
    expect![[r#"
        job.finishing job of 1 {}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn the_first_reason_for_the_end_counts(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let before = s.last().await;
    assert_eq!(s.store.request_cancel(job_id(1), "ann").await, Ok(JobState::Queued));
    assert_eq!(s.store.request_cancel(job_id(1), "ben").await, Ok(JobState::Queued));
    assert_eq!(s.job(1).await.cancel_reason.as_deref(), Some("ann"));
    expect![[r#"
        job.cancel_requested job of 1 {"reason":"ann"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn a_large_result_is_refused_and_the_job_goes_on(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let (before, last) = (s.job(1).await, s.last().await);
    let large = JobEnding::Succeeded {
        result: StoredDocument::Inline(json!("x".repeat(StoredDocument::INLINE_BYTES_MAX))),
        partial: false,
    };
    let refused = s.store.end_job(ending(1, large)).await;
    assert!(matches!(refused, Err(JobChangeError::Store(StoreError::Misuse(_)))));
    assert_eq!((s.job(1).await, s.last().await), (before, last));
}

pub(crate) async fn the_stage_is_that_of_the_newest_tasks(s: &Setting) {
    let of_kind = |kind: &str| TaskSpec {
        kind: kind.to_owned(),
        ..spec()
    };
    let stage = async || s.job(1).await.progress.stage;
    s.submit(new_job(
        1,
        vec![of_kind("register.inspect"), of_kind("register.combine")],
    ))
    .await;
    assert_eq!(stage().await, "inspect");
    let add = |first_index, tasks| AddTasks {
        job: job_id(1),
        first_index,
        tasks,
    };
    s.store.add_tasks(add(2, vec![of_kind("compare")])).await.unwrap();
    assert_eq!(stage().await, "compare");
    s.store.add_tasks(add(3, Vec::new())).await.unwrap();
    assert_eq!(stage().await, "compare");
}

pub(crate) async fn a_job_is_adopted_from_its_owner_only(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let (one, two) = (session("s1"), session("s2"));
    assert_eq!(s.store.adopt_job(job_id(1), Some(&two), &two).await, Ok(false));
    assert_eq!(s.store.adopt_job(job_id(1), None, &two).await, Ok(false));
    s.store.start_session(new_session("s1")).await.unwrap();
    assert_eq!(s.store.adopt_job(job_id(1), Some(&one), &two).await, Ok(false));
    assert_eq!(s.job(1).await.owner, Some(one.clone()));
    s.store.end_session(&one).await.unwrap();
    assert_eq!(s.store.adopt_job(job_id(1), Some(&one), &two).await, Ok(false));
    assert_eq!(s.store.adopt_job(job_id(1), None, &two).await, Ok(true));
    assert_eq!(s.job(1).await.owner, Some(two.clone()));
    s.store.end_session(&two).await.unwrap();
    assert_eq!(s.job(1).await.owner, None);
    assert_eq!(s.store.adopt_job(job_id(1), None, &one).await, Ok(true));
}

pub(crate) async fn a_job_ages_until_it_settles(s: &Setting) {
    s.submit_tasks(1, 1).await;
    s.clock.pass(SECOND * 5);
    s.clock.jump(-3600);
    assert_eq!(s.job(1).await.age, SECOND * 5);
    s.store.end_job(ending(1, result())).await.unwrap();
    s.clock.pass(SECOND * 5);
    assert_eq!(s.job(1).await.age, SECOND * 5);
}

pub(crate) async fn a_job_starts_once(s: &Setting) {
    s.submit_tasks(1, 2).await;
    s.claim_one("w").await;
    let started = s.job(1).await.started_at;
    assert_eq!(started, Some(hw_job::Clock::wall(s.clock.as_ref())));
    s.clock.pass(SECOND);
    s.claim_one("w").await;
    assert_eq!(s.job(1).await.started_at, started);
}
