//! Taking tasks from the queue.

use expect_test::expect;
use hw_job::{Fence, JobState, TaskState};

use super::{Setting, done};

pub(crate) async fn a_claim_leases_the_task_and_starts_the_job(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let before = s.last().await;
    let claimed = s.claim_one("w1").await;
    assert_eq!((claimed.fence, claimed.attempt), (Fence(1), 1));
    assert_eq!(s.job(1).await.state, JobState::Running);
    assert_eq!(s.task(1, 0).await.state, TaskState::Running);
    assert_eq!(s.change(done(&claimed)).await, Ok(TaskState::Succeeded));
    expect![[r#"
        job.started job of 1 {}
        task.started job/0 of 1 {"attempt":1,"worker":"w1"}
        task.ended job/0 of 1 {"attempt":1,"state":"succeeded"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}
