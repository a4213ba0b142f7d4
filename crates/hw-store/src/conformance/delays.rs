//! Jobs that must not start before a time.

use std::time::Duration;

use expect_test::expect;
use hw_job::{Clock as _, Ending, ErrorClass, EventSeq, Failure, TaskState};

use super::{Setting, after, change, claim_of, delayed, done, ending, result, spec};
use crate::NextState;

const SECOND: Duration = Duration::from_secs(1);

async fn wake(s: &Setting) -> Option<Duration> {
    s.store.wake_due_tasks(100).await.unwrap()
}

async fn states(s: &Setting, job: u64) -> String {
    let counts = s.job(job).await.tasks;
    let counts = counts
        .0
        .iter()
        .map(|(state, count)| format!("{count} {}", state.as_str()));
    counts.collect::<Vec<_>>().join(", ")
}

pub(crate) async fn a_delayed_job_waits_until_it_may_start(s: &Setting) {
    s.submit(delayed(1, 10, vec![spec(), spec()])).await;
    assert_eq!(states(s, 1).await, "2 waiting");
    assert_eq!(s.job(1).await.starts_in(), Some(SECOND * 10));
    let until = s.clock.elapsed().after(SECOND * 10);
    assert_eq!(s.task(1, 1).await.not_before, Some(until));
    assert_eq!(s.store.queue_length(None).await, Ok(0));
    s.clock.pass(SECOND * 10 - Duration::from_micros(1));
    assert_eq!(wake(s).await, Some(Duration::from_micros(1)));
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "");
    s.clock.pass(Duration::from_micros(1));
    assert_eq!(wake(s).await, None);
    assert_eq!(s.job(1).await.starts_in(), None);
    assert_eq!(s.task(1, 1).await.not_before, None);
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "1/0 1/1");
    expect![[r#"
        job.submitted job of 1 {"kind":"test"}
        task.ready job of 1 {"count":2}
        job.started job of 1 {}
        task.started job/0 of 1 {"attempt":1,"worker":"w"}
        task.started job/1 of 1 {"attempt":1,"worker":"w"}
    "#]]
    .assert_eq(&s.log_after(EventSeq(0)).await);
}

pub(crate) async fn jumps_of_the_wall_neither_hasten_nor_delay_a_start(s: &Setting) {
    s.submit(delayed(1, 10, vec![spec()])).await;
    for jump in [86_400, -2 * 86_400] {
        s.clock.jump(jump);
        assert_eq!(wake(s).await, Some(SECOND * 10));
    }
    s.clock.pass(SECOND * 10);
    assert_eq!(wake(s).await, None);
    assert_eq!(states(s, 1).await, "1 ready");
}

pub(crate) async fn delayed_tasks_that_wait_for_others_go_on_waiting(s: &Setting) {
    s.submit(delayed(1, 10, vec![spec(), after(&[0])])).await;
    s.clock.pass(SECOND * 10);
    assert_eq!(wake(s).await, None);
    assert_eq!(states(s, 1).await, "1 waiting, 1 ready");
    let first = s.claim_one("w").await;
    s.change(done(&first)).await.unwrap();
    assert_eq!(states(s, 1).await, "1 ready, 1 succeeded");
}

pub(crate) async fn a_delay_that_is_over_is_none(s: &Setting) {
    s.submit(delayed(1, 0, vec![spec()])).await;
    assert_eq!(states(s, 1).await, "1 ready");
    assert_eq!(s.job(1).await.starts_in(), None);
}

pub(crate) async fn a_delay_ends_with_the_job(s: &Setting) {
    s.submit(delayed(1, 10, vec![spec(), after(&[0])])).await;
    s.store.end_job(ending(1, result())).await.unwrap();
    s.clock.pass(SECOND * 20);
    assert_eq!(wake(s).await, None);
    assert_eq!(states(s, 1).await, "2 cancelled");
    assert_eq!(s.job(1).await.starts_in(), None);
}

pub(crate) async fn starts_and_ends_of_pauses_come_in_their_order(s: &Setting) {
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let failure = Failure::new(ErrorClass::External, "HW-T001", "timed out");
    let pause = NextState::RetryAfter(SECOND * 5);
    let paused = change(claimed.id, claimed.fence, Ending::Failed(failure), pause);
    assert_eq!(s.change(paused).await, Ok(TaskState::RetryWait));
    s.submit(delayed(2, 3, vec![spec()])).await;
    s.submit(delayed(3, 8, vec![spec()])).await;
    assert_eq!(wake(s).await, Some(SECOND * 3));
    s.clock.pass(SECOND * 8);
    for left in [Some(Duration::ZERO), Some(Duration::ZERO), None] {
        assert_eq!(s.store.wake_due_tasks(1).await, Ok(left));
    }
    assert_eq!(s.claimed_names(&claim_of("w", 9)).await, "2/0 1/0 3/0");
}
