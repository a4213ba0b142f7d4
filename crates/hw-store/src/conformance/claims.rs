//! Taking tasks from the queue.

use expect_test::expect;
use hw_job::{AttemptState, Fence, JobState, TaskSpec, TaskState};
use serde_json::json;

use super::{LEASE, Setting, after, claim_of, done, job_id, new_job, of_flow, session, spec, worker};
use crate::{Claim, NewJob, QUEUE_WINDOW};

pub(crate) async fn a_claim_leases_the_task_and_starts_the_job(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let before = s.last().await;
    let claimed = s.claim_one("w1").await;
    assert_eq!((claimed.fence, claimed.attempt), (Fence(1), 1));
    assert_eq!(s.job(1).await.state, JobState::Running);
    let task = s.task(1, 0).await;
    assert_eq!(
        (task.state, task.fence, task.attempts),
        (TaskState::Running, Fence(1), 1)
    );
    assert_eq!(task.worker, Some(worker("w1")));
    assert_eq!(
        task.lease_until,
        Some(hw_job::Clock::elapsed(s.clock.as_ref()).after(LEASE))
    );
    assert_eq!(s.change(done(&claimed)).await, Ok(TaskState::Succeeded));
    expect![[r#"
        job.started job of 1 {}
        task.started job/0 of 1 {"attempt":1,"worker":"w1"}
        task.ended job/0 of 1 {"attempt":1,"state":"succeeded"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn a_claim_tells_all_that_a_worker_needs(s: &Setting) {
    let mut task = spec();
    task.params = json!({ "part": 9 });
    task.needs.cpu_milli = 700;
    task.needs.memory_bytes = 5;
    s.submit(new_job(1, vec![task])).await;
    let claimed = s.claim_one("w1").await;
    assert_eq!((claimed.kind.as_str(), claimed.format), ("test.part", 1));
    assert_eq!(
        (claimed.job_kind.as_str(), claimed.params),
        ("test", json!({ "part": 9 }))
    );
    assert_eq!(*claimed.job_params, json!({ "expanded": 1 }));
    assert_eq!((claimed.cpu_milli, claimed.memory_bytes), (700, 5));
}

pub(crate) async fn an_attempt_is_recorded(s: &Setting) {
    s.submit_tasks(1, 1).await;
    s.claim_one("w1").await;
    let attempts = s.store.load_attempts(job_id(1)).await.unwrap();
    assert_eq!(attempts.len(), 1);
    let attempt = &attempts[0];
    assert_eq!((attempt.id.number, attempt.fence), (1, Fence(1)));
    assert_eq!((attempt.state, &attempt.worker), (AttemptState::Running, &worker("w1")));
    assert_eq!((attempt.ended_at, attempt.took), (None, None));
    assert_eq!(s.job(1).await.attempts, 1);
}

pub(crate) async fn a_claimed_task_is_not_claimed_again(s: &Setting) {
    s.submit_tasks(1, 3).await;
    assert_eq!(s.claimed_names(&claim_of("w1", 2)).await, "1/0 1/1");
    assert_eq!(s.claimed_names(&claim_of("w2", 2)).await, "1/2");
    assert_eq!(s.claimed_names(&claim_of("w2", 2)).await, "");
}

pub(crate) async fn an_empty_claim_leaves_no_trace(s: &Setting) {
    s.submit(new_job(1, vec![after(&[1]), spec()])).await;
    s.claim_one("w1").await;
    let before = s.last().await;
    assert_eq!(s.claimed_names(&claim_of("w1", 9)).await, "");
    s.submit_tasks(2, 1).await;
    assert_eq!(s.claimed_names(&claim_of("w1", 0)).await, "");
    assert_eq!(s.last().await.0, before.0 + 2);
}

pub(crate) async fn lower_priority_values_go_first(s: &Setting) {
    let of_priority = |number, priority| NewJob {
        priority,
        ..new_job(number, vec![spec(); 2])
    };
    for (number, priority) in [(1, 100), (2, -5), (3, 7)] {
        s.submit(of_priority(number, priority)).await;
    }
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "2/0 2/1 3/0 3/1 1/0 1/1");
}

pub(crate) async fn flows_take_turns(s: &Setting) {
    s.submit(new_job(1, vec![of_flow("a"); 3])).await;
    s.submit(new_job(2, vec![of_flow("b"); 3])).await;
    s.submit(new_job(3, vec![of_flow("b"); 1])).await;
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "1/0 2/0 1/1 2/1 1/2 2/2 3/0");
}

pub(crate) async fn a_late_flow_does_not_wait_for_a_long_one(s: &Setting) {
    s.submit(new_job(1, vec![of_flow("a"); 9])).await;
    assert_eq!(s.claimed_names(&claim_of("w", 3)).await, "1/0 1/1 1/2");
    s.submit(new_job(2, vec![of_flow("b"); 2])).await;
    assert_eq!(s.claimed_names(&claim_of("w", 4)).await, "1/3 2/0 1/4 2/1");
}

pub(crate) async fn an_idle_flow_gathers_no_credit(s: &Setting) {
    s.submit(new_job(1, vec![of_flow("a"); 9])).await;
    assert_eq!(s.claimed_names(&claim_of("w", 5)).await, "1/0 1/1 1/2 1/3 1/4");
    s.submit(new_job(2, vec![of_flow("b"); 4])).await;
    assert_eq!(s.claimed_names(&claim_of("w", 6)).await, "1/5 2/0 1/6 2/1 1/7 2/2");
}

pub(crate) async fn a_withdrawn_flow_owes_nothing(s: &Setting) {
    s.submit(new_job(1, vec![of_flow("a"); 9])).await;
    s.store.request_cancel(job_id(1), "no").await.unwrap();
    s.submit(new_job(2, vec![of_flow("b"); 3])).await;
    s.submit(new_job(3, vec![of_flow("a"); 3])).await;
    assert_eq!(s.claimed_names(&claim_of("w", 4)).await, "2/0 3/0 2/1 3/1");
}

pub(crate) async fn flows_take_turns_at_each_priority(s: &Setting) {
    let urgent = NewJob {
        priority: 1,
        ..new_job(1, vec![of_flow("a"); 20])
    };
    s.submit(urgent).await;
    assert_eq!(s.claim("w", 20).await.len(), 20);
    s.submit(new_job(2, vec![of_flow("a"); 2])).await;
    s.submit(new_job(3, vec![of_flow("b"); 2])).await;
    assert_eq!(s.claimed_names(&claim_of("w", 4)).await, "2/0 3/0 2/1 3/1");
}

fn with_part(part: &str) -> TaskSpec {
    TaskSpec {
        affinity: vec!["other".to_owned(), part.to_owned()],
        ..spec()
    }
}

fn holding(part: &str, tasks: u32) -> Claim {
    Claim {
        holds: vec!["x".to_owned(), part.to_owned()],
        ..claim_of("w", tasks)
    }
}

pub(crate) async fn held_parts_come_first(s: &Setting) {
    s.submit(new_job(1, vec![spec(), with_part("p"), spec(), with_part("p")]))
        .await;
    assert_eq!(s.claimed_names(&holding("p", 3)).await, "1/1 1/3 1/0");
}

pub(crate) async fn held_parts_beyond_the_window_do_not(s: &Setting) {
    let mut tasks = vec![spec(); QUEUE_WINDOW];
    tasks.push(with_part("p"));
    s.submit(new_job(1, tasks)).await;
    assert_eq!(s.claimed_names(&holding("p", 1)).await, "1/0");
    assert_eq!(s.claimed_names(&holding("p", 1)).await, format!("1/{QUEUE_WINDOW}"));
}

fn needing(cpu_milli: u32, memory_bytes: u64) -> TaskSpec {
    let mut task = spec();
    task.needs.cpu_milli = cpu_milli;
    task.needs.memory_bytes = memory_bytes;
    task
}

fn with_room(cpu_milli: u32, memory_bytes: u64) -> Claim {
    let mut claim = claim_of("w", 9);
    claim.slot.cpu_milli = cpu_milli;
    claim.slot.memory_bytes = memory_bytes;
    claim
}

pub(crate) async fn the_room_is_never_exceeded(s: &Setting) {
    s.submit(new_job(1, vec![needing(1000, 10); 6])).await;
    assert_eq!(s.claimed_names(&with_room(2500, 100)).await, "1/0 1/1");
    assert_eq!(s.claimed_names(&with_room(9999, 25)).await, "1/2 1/3");
    assert_eq!(s.claimed_names(&with_room(999, 100)).await, "");
    assert_eq!(s.claimed_names(&with_room(1000, 10)).await, "1/4");
}

pub(crate) async fn what_does_not_fit_is_left_for_others(s: &Setting) {
    s.submit(new_job(1, vec![needing(1000, 0), needing(8000, 0), needing(1000, 0)]))
        .await;
    assert_eq!(s.claimed_names(&with_room(2000, 0)).await, "1/0 1/2");
    assert_eq!(s.claimed_names(&with_room(8000, 0)).await, "1/1");
}

fn labelled(labels: &[&str]) -> TaskSpec {
    let mut task = spec();
    task.needs.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    task
}

pub(crate) async fn labels_must_be_carried(s: &Setting) {
    s.submit(new_job(1, vec![labelled(&["b", "a"]), labelled(&["a"]), spec()]))
        .await;
    let mut claim = claim_of("w", 9);
    claim.slot.labels = vec!["a".to_owned(), "c".to_owned()];
    assert_eq!(s.claimed_names(&claim).await, "1/1 1/2");
    claim.slot.labels = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(s.claimed_names(&claim).await, "1/0");
}

pub(crate) async fn tasks_for_others_hide_nothing(s: &Setting) {
    let mut tasks = vec![labelled(&["gpu"]); QUEUE_WINDOW + 10];
    tasks.push(spec());
    s.submit(new_job(1, tasks)).await;
    let index = QUEUE_WINDOW + 10;
    assert_eq!(s.claimed_names(&claim_of("w", 1)).await, format!("1/{index}"));
}

pub(crate) async fn only_known_kinds_and_formats_are_claimed(s: &Setting) {
    let of = |kind: &str, format| TaskSpec {
        kind: kind.to_owned(),
        format,
        ..spec()
    };
    s.submit(new_job(
        1,
        vec![of("other", 1), of("test.part", 2), of("test.part", 1), of("third", 3)],
    ))
    .await;
    let mut claim = claim_of("w", 9);
    assert_eq!(s.claimed_names(&claim).await, "1/2");
    claim.kinds = vec![("test.part".to_owned(), 3), ("third".to_owned(), 2)];
    assert_eq!(s.claimed_names(&claim).await, "1/1");
    claim.kinds = Vec::new();
    assert_eq!(s.claimed_names(&claim).await, "");
}

pub(crate) async fn scarce_things_are_for_those_who_need_them(s: &Setting) {
    let (mut gpu, mut counter, mut disk) = (spec(), spec(), spec());
    gpu.needs.gpu = 1;
    counter.needs.counters = [("licence".to_owned(), 2), ("seat".to_owned(), 0)].into();
    disk.needs.disk_bytes = 10;
    s.submit(new_job(1, vec![gpu.clone(), counter, spec(), gpu, disk]))
        .await;
    assert_eq!(s.claimed_names(&claim_of("none", 9)).await, "1/2");
    let mut claim = claim_of("w", 9);
    claim.slot.scarce.gpu = 1;
    claim.slot.scarce.disk_bytes = 9;
    claim.slot.scarce.counters = [("licence".to_owned(), 1), ("seat".to_owned(), 5)].into();
    assert_eq!(
        s.claimed_names(&claim).await,
        "1/0",
        "one of two, and nothing that is too large"
    );
    let mut claim = claim_of("w", 9);
    claim.slot.scarce.gpu = 2;
    claim.slot.scarce.disk_bytes = 10;
    claim.slot.scarce.counters = [("licence".to_owned(), 2)].into();
    let claimed = s.store.claim_tasks(&claim).await.unwrap();
    let needs: Vec<_> = claimed.into_iter().map(|task| task.scarce).collect();
    let needed: Vec<_> = needs
        .iter()
        .map(|scarce| (scarce.gpu, scarce.disk_bytes, scarce.counters.len()))
        .collect();
    assert_eq!(needed, [(0, 0, 1), (1, 0, 0), (0, 10, 0)]);
}

/// A session's own jobs are claimed by other statements.
pub(crate) async fn scarce_things_are_counted_for_owners_too(s: &Setting) {
    let mut licensed = spec();
    licensed.needs.counters.insert("licence".to_owned(), 1);
    s.submit(NewJob {
        owner: session("s1"),
        ..new_job(1, vec![licensed.clone(), spec(), licensed.clone(), licensed])
    })
    .await;
    let mut claim = Claim {
        owner: Some(session("s1")),
        ..claim_of("w", 9)
    };
    claim.slot.scarce.counters.insert("licence".to_owned(), 2);
    assert_eq!(s.claimed_names(&claim).await, "1/0 1/1 1/2");
}

pub(crate) async fn an_owner_claims_its_own_jobs_only(s: &Setting) {
    let owned = |number, owner: &str| NewJob {
        owner: session(owner),
        ..new_job(number, vec![spec(); 2])
    };
    for (number, owner) in [(1, "s1"), (2, "s2"), (3, "s1")] {
        s.submit(owned(number, owner)).await;
    }
    let of_owner = |owner: &str| Claim {
        owner: Some(session(owner)),
        ..claim_of("w", 9)
    };
    assert_eq!(s.claimed_names(&of_owner("s3")).await, "");
    assert_eq!(s.claimed_names(&of_owner("s1")).await, "1/0 1/1 3/0 3/1");
    s.store
        .adopt_job(job_id(2), Some(&session("s2")), &session("s3"))
        .await
        .unwrap();
    assert_eq!(s.claimed_names(&of_owner("s3")).await, "2/0 2/1");
}

pub(crate) async fn jobs_whose_end_was_asked_for_are_not_claimed(s: &Setting) {
    s.submit(new_job(1, vec![spec(), after(&[0]), spec()])).await;
    let first = s.claim_one("w").await;
    s.store.request_cancel(job_id(1), "no").await.unwrap();
    s.change(done(&first)).await.unwrap();
    assert_eq!(s.task(1, 1).await.state, TaskState::Ready);
    assert_eq!(s.store.queue_length(Some(job_id(1))).await, Ok(2));
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "");
}

pub(crate) async fn the_queue_knows_its_length(s: &Setting) {
    s.submit_tasks(1, 3).await;
    s.submit(new_job(2, vec![spec(), after(&[0])])).await;
    assert_eq!(s.store.queue_length(None).await, Ok(4));
    assert_eq!(s.store.queue_length(Some(job_id(2))).await, Ok(1));
    assert_eq!(s.store.queue_length(Some(job_id(9))).await, Ok(0));
    s.claim("w", 2).await;
    assert_eq!(s.store.queue_length(None).await, Ok(2));
}
