//! Making jobs.

use expect_test::expect;
use hw_job::{EventSeq, JobState, TaskState};

use super::{Setting, after, new_job, spec};

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
