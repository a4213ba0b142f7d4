//! Making jobs.

use std::time::Duration;

use expect_test::expect;
use hw_catalog::{Finding, TableVersion};
use hw_job::{EventSeq, JobState, Lifetime, TaskState};
use serde_json::json;

use super::{
    Setting, UNFINISHED_MAX, after, due, ending, job_id, keyed, new_job, of_flow, result, session, spec, table_name,
};
use crate::{AddTasks, DOCUMENT_DEPTH_MAX, NewJob, StoreError, Submission, SubmitError};

pub(crate) async fn a_new_job_is_queued_and_its_tasks_are_ready(s: &Setting) {
    s.submit(new_job(1, vec![spec(), after(&[0]), spec()])).await;
    let job = s.job(1).await;
    assert_eq!(job.state, JobState::Queued);
    assert_eq!(job.tasks.in_state(TaskState::Ready), 2);
    assert_eq!(s.task(1, 1).await.state, TaskState::Waiting);
    expect![[r#"
        job.submitted job of 1 {"kind":"test"}
        task.ready job of 1 {"count":2}
    "#]]
    .assert_eq(&s.log_after(EventSeq(0)).await);
}

pub(crate) async fn a_job_without_ready_tasks_tells_of_none(s: &Setting) {
    s.submit(new_job(1, Vec::new())).await;
    expect![[r#"
        job.submitted job of 1 {"kind":"test"}
    "#]]
    .assert_eq(&s.log_after(EventSeq(0)).await);
    assert_eq!(s.job(1).await.tasks.total(), 0);
}

pub(crate) async fn everything_told_of_a_job_is_kept(s: &Setting) {
    let new = NewJob {
        warnings: vec![Finding::new("HW-F003", "odd").at("/query")],
        reads: vec![(table_name("b"), TableVersion(3)), (table_name("a"), TableVersion(1))],
        priority: -7,
        timeout: Some(Duration::from_millis(1500)),
        not_before: Some(due(7)),
        deadline: Some(due(9)),
        tags: vec!["nightly".to_owned(), "x".to_owned()],
        parent: Some(job_id(77)),
        lifetime: Lifetime::Durable,
        owner: session("s9"),
        fingerprint: Some("print".to_owned()),
        ..new_job(1, vec![spec()])
    };
    s.submit(new.clone()).await;
    let job = s.job(1).await;
    assert_eq!((&job.kind, job.format), (&new.kind, new.format));
    assert_eq!((&job.params, &job.expanded), (&new.params, &new.expanded));
    assert_eq!((&job.warnings, &job.reads), (&new.warnings, &new.reads));
    assert_eq!((job.priority, job.timeout), (new.priority, new.timeout));
    assert_eq!((job.not_before, job.deadline), (new.not_before, new.deadline));
    assert_eq!((&job.tags, job.parent), (&new.tags, new.parent));
    assert_eq!((job.lifetime, job.owner), (new.lifetime, Some(new.owner)));
    assert_eq!(job.fingerprint, new.fingerprint);
    assert_eq!(job.created_at, hw_job::Clock::wall(s.clock.as_ref()));
    assert_eq!((job.started_at, job.ended_at, job.age), (None, None, Duration::ZERO));
}

pub(crate) async fn everything_told_of_a_task_is_kept(s: &Setting) {
    let mut task = after(&[1]);
    task.params = json!({ "deep": [1, { "x": null }, -0.5, 18_446_744_073_709_551_615_u64] });
    task.needs.memory_bytes = u64::MAX;
    task.needs.disk_bytes = 9;
    task.needs.counters.insert("licence".to_owned(), 2);
    task.needs.labels = vec!["z".to_owned(), "a".to_owned()];
    task.affinity = vec!["p2".to_owned(), "p1".to_owned()];
    s.submit(new_job(1, vec![task.clone(), spec()])).await;
    let record = s.task(1, 0).await;
    assert_eq!((&record.kind, record.format), (&task.kind, task.format));
    assert_eq!((&record.params, &record.needs), (&task.params, &task.needs));
    assert_eq!((&record.affinity, &record.flow), (&task.affinity, &task.flow));
    assert_eq!(record.after, task.after);
    assert_eq!((record.attempts, record.fence.0), (0, 0));
    assert_eq!(
        (record.worker, record.lease_until, record.not_before),
        (None, None, None)
    );
}

pub(crate) async fn the_same_key_and_request_give_the_same_job(s: &Setting) {
    s.submit(keyed(1, "key", "request")).await;
    let before = s.last().await;
    let again = s.store.submit_job(keyed(2, "key", "request")).await;
    assert_eq!(again, Ok(Submission::Existing(job_id(1))));
    assert_eq!(s.store.load_job(job_id(2)).await, Ok(None));
    assert_eq!(s.last().await, before);
}

pub(crate) async fn the_same_key_with_another_request_is_a_conflict(s: &Setting) {
    s.submit(keyed(1, "key", "request")).await;
    let key = "key".to_owned();
    let conflict = s.store.submit_job(keyed(2, "key", "another")).await;
    assert_eq!(conflict, Err(SubmitError::KeyConflict { key, job: job_id(1) }));
    assert_eq!(s.store.load_job(job_id(2)).await, Ok(None));
}

pub(crate) async fn a_key_answers_for_a_settled_job_too(s: &Setting) {
    s.submit(keyed(1, "key", "request")).await;
    s.store.end_job(ending(1, result())).await.unwrap();
    let again = s.store.submit_job(keyed(2, "key", "request")).await;
    assert_eq!(again, Ok(Submission::Existing(job_id(1))));
}

pub(crate) async fn a_key_tells_its_job_and_request(s: &Setting) {
    assert_eq!(s.store.find_key("key").await, Ok(None));
    s.submit(keyed(1, "key", "request")).await;
    s.submit(keyed(2, "another", "request")).await;
    let known = Some((job_id(1), "request".to_owned()));
    assert_eq!(s.store.find_key("key").await, Ok(known.clone()));
    s.store.end_job(ending(1, result())).await.unwrap();
    assert_eq!(s.store.find_key("key").await, Ok(known));
    assert_eq!(s.store.find_key("KEY").await, Ok(None));
}

pub(crate) async fn too_many_unfinished_jobs_are_refused(s: &Setting) {
    s.submit(keyed(0, "key", "request")).await;
    for number in 1..u64::from(UNFINISHED_MAX) {
        s.submit_tasks(number, 0).await;
    }
    let limit = UNFINISHED_MAX;
    let refused = s.store.submit_job(new_job(1000, Vec::new())).await;
    assert_eq!(refused, Err(SubmitError::QueueFull { limit }));
    assert_eq!(s.store.load_job(job_id(1000)).await, Ok(None));

    let known = s.store.submit_job(keyed(1001, "key", "request")).await;
    assert_eq!(known, Ok(Submission::Existing(job_id(0))));

    s.store.end_job(ending(3, result())).await.unwrap();
    s.submit_tasks(1000, 0).await;
}

pub(crate) async fn an_id_is_given_once(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let before = s.last().await;
    let again = s.store.submit_job(new_job(1, vec![spec(); 3])).await;
    assert!(
        matches!(again, Err(SubmitError::Store(StoreError::Misuse(_)))),
        "{again:?}"
    );
    assert_eq!(s.job(1).await.tasks.total(), 1);
    assert_eq!(s.last().await, before);
}

pub(crate) async fn tasks_that_wait_for_nothing_that_exists_are_refused(s: &Setting) {
    for tasks in [
        vec![after(&[0])],
        vec![after(&[1])],
        vec![after(&[1]), after(&[0])],
        vec![spec(), after(&[0, 3]), after(&[1]), after(&[2])],
    ] {
        let refused = s.store.submit_job(new_job(1, tasks)).await;
        assert!(
            matches!(refused, Err(SubmitError::Store(StoreError::Misuse(_)))),
            "{refused:?}"
        );
    }
    assert_eq!(s.last().await, EventSeq(0));
    s.submit(new_job(1, vec![after(&[2]), after(&[0]), spec()])).await;
}

pub(crate) async fn added_tasks_follow_those_that_are_there(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let before = s.last().await;
    let add = AddTasks {
        job: job_id(1),
        first_index: 2,
        tasks: vec![spec(), after(&[0]), after(&[2])],
    };
    s.store.add_tasks(add.clone()).await.unwrap();
    let tasks = s.store.load_tasks(job_id(1)).await.unwrap();
    let states: Vec<&str> = tasks.iter().map(|task| task.state.as_str()).collect();
    assert_eq!(states, ["ready", "ready", "ready", "waiting", "waiting"]);
    expect![[r#"
        task.ready job of 1 {"count":1}
    "#]]
    .assert_eq(&s.log_after(before).await);

    let moved = s.store.add_tasks(add).await;
    expect!["job 018bcfe5-6800-7000-8000-000000000001 has 5 tasks, not 2"].assert_eq(&moved.unwrap_err().to_string());
    assert_eq!(s.job(1).await.tasks.total(), 5);
}

pub(crate) async fn texts_are_never_interpreted(s: &Setting) {
    let hostile = "'; DROP TABLE job; -- \" \u{0} \\ \u{1F600} %_ {\"a\":1} \n";
    let mut task = of_flow(hostile);
    task.kind = hostile.to_owned();
    task.params = json!({ hostile: [hostile] });
    task.affinity = vec![hostile.to_owned()];
    task.needs.labels = vec![hostile.to_owned()];
    let job = NewJob {
        kind: hostile.to_owned(),
        params: json!(hostile),
        tags: vec![hostile.to_owned()],
        owner: session(hostile),
        fingerprint: Some(hostile.to_owned()),
        ..keyed(1, hostile, hostile)
    };
    s.submit(NewJob {
        tasks: vec![task.clone()],
        ..job.clone()
    })
    .await;
    let record = s.job(1).await;
    assert_eq!((record.kind.as_str(), record.params), (hostile, json!(hostile)));
    assert_eq!((&record.tags, record.owner), (&job.tags, Some(job.owner)));
    let kept = s.task(1, 0).await;
    assert_eq!((kept.kind.as_str(), kept.flow.as_str()), (hostile, hostile));
    assert_eq!((kept.params, kept.affinity), (task.params, task.affinity));

    let mut claim = super::claim_of(hostile, 1);
    claim.kinds = vec![(hostile.to_owned(), 1)];
    claim.slot.labels = vec![hostile.to_owned()];
    claim.owner = Some(session(hostile));
    assert_eq!(s.claimed_names(&claim).await, "1/0");
    let paths = [hostile.to_owned()];
    s.store.announce_files(hostile, &paths).await.unwrap();
    assert_eq!(s.store.unreferenced_files(0, 9).await.unwrap(), paths);
    s.store.request_cancel(job_id(1), hostile).await.unwrap();
    let last = s.events().await.pop().unwrap();
    assert_eq!(last.data, json!({ "reason": hostile }));
}

pub(crate) async fn large_parameters_are_kept(s: &Setting) {
    let text = "conditions ".repeat(100_000);
    let mut job = new_job(1, vec![spec()]);
    job.params = json!({ "query": text });
    s.submit(job.clone()).await;
    assert_eq!(s.job(1).await.params, job.params);
}

fn nested(levels: usize) -> serde_json::Value {
    (1..levels).fold(json!([]), |inner, _| json!([inner]))
}

pub(crate) async fn documents_are_kept_only_as_deep_as_they_can_be_read(s: &Setting) {
    let deep = |params| NewJob {
        params,
        ..new_job(1, vec![spec()])
    };
    let mut deep_task = spec();
    deep_task.params = nested(DOCUMENT_DEPTH_MAX + 1);
    for job in [
        deep(nested(DOCUMENT_DEPTH_MAX + 1)),
        deep(nested(1_000)),
        new_job(1, vec![deep_task]),
    ] {
        let refused = s.store.submit_job(job).await;
        let misuse = matches!(refused, Err(SubmitError::Store(StoreError::Misuse(_))));
        assert!(misuse, "{refused:?}");
    }
    s.submit(deep(nested(DOCUMENT_DEPTH_MAX))).await;
    assert_eq!(s.job(1).await.params, nested(DOCUMENT_DEPTH_MAX));
    let claimed = s.claim_one("w").await;
    for levels in [DOCUMENT_DEPTH_MAX, DOCUMENT_DEPTH_MAX + 1] {
        let report = crate::TaskChange {
            ending: hw_job::Ending::Succeeded(hw_job::StoredDocument::Inline(nested(levels))),
            ..super::done(&claimed)
        };
        let answer = s.store.change_tasks(vec![report]).await;
        assert_eq!(answer.is_ok(), levels == DOCUMENT_DEPTH_MAX);
    }
    assert!(s.task(1, 0).await.outcome.is_some());
}

pub(crate) async fn numbers_are_kept_to_the_last_digit(s: &Setting) {
    let numbers = json!([
        u64::MAX,
        i64::MIN,
        0.1,
        0.1 + 0.2,
        1.0,
        -0.0,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        123_456_789.123_456_78,
        9_007_199_254_740_993_i64,
        2.225_073_858_507_201e-308,
        1.797_693_134_862_315_4e308,
        8.988_465_674_311_58e307,
    ]);
    s.submit(NewJob {
        params: numbers.clone(),
        ..new_job(1, Vec::new())
    })
    .await;
    assert_eq!(s.job(1).await.params.to_string(), numbers.to_string());
}
