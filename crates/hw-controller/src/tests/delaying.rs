//! Jobs that must not start before a time, and jobs that must have ended by one.

use std::time::Duration;

use expect_test::expect;
use hw_job::{JobId, JobState};
use serde_json::json;

use super::setting::{Setting, ask, due, now, step, submit};
use crate::{Controller, Submit};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn delayed(controller: &Controller, kind: &str, delay: u64, stages: serde_json::Value) -> JobId {
    let request = Submit {
        not_before: Some(due(delay)),
        ..ask(kind, json!({ "stages": stages }))
    };
    submit(controller, request).unwrap().job()
}

/// Time passes a second at a time, in which the process looks after its session.
fn pass(setting: &Setting, controller: &Controller, count: u64) {
    for _ in 0..count {
        setting.pass(seconds(1));
        setting.renew("s");
        step(controller);
    }
}

#[test]
fn a_delayed_job_starts_by_itself_when_it_is_due() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = delayed(&controller, "asked", 5, json!([[{}, { "after": [0] }], [{}]]));
    for jump in [3600, -7200] {
        setting.jump(jump);
        step(&controller);
        assert_eq!(setting.tasks(job), "waiting waiting");
    }
    pass(&setting, &controller, 4);
    setting.pass(Duration::from_millis(999));
    let again_in = step(&controller).again_in;
    assert_eq!(setting.claim("s"), []);
    assert_eq!(
        again_in,
        Some(Duration::from_millis(1)),
        "it is woken, it does not poll"
    );
    setting.pass(Duration::from_millis(1));
    step(&controller);
    assert_eq!(setting.tasks(job), "ready waiting");
    setting.work(&controller, "s");
    assert_eq!(setting.job(job).state, JobState::Succeeded);
}

#[test]
fn a_delayed_job_without_tasks_waits_too() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = delayed(&controller, "asked", 3, json!([]));
    pass(&setting, &controller, 2);
    assert_eq!(setting.job(job).state, JobState::Queued);
    pass(&setting, &controller, 1);
    assert_eq!(setting.job(job).state, JobState::Succeeded);
}

#[test]
fn a_delayed_job_outlives_its_process_and_starts_when_it_is_due() {
    for stages in [json!([[{}]]), json!([])] {
        let setting = Setting::new();
        let job = delayed(&setting.one_shot("gone"), "asked", 5, stages);
        setting.kill("gone");
        let controller = setting.server("s");
        pass(&setting, &controller, 4);
        setting.work(&controller, "s");
        assert_eq!(setting.job(job).state, JobState::Queued);
        pass(&setting, &controller, 1);
        setting.work(&controller, "s");
        assert_eq!(setting.job(job).state, JobState::Succeeded);
    }
}

#[test]
fn a_delayed_job_can_be_cancelled_before_it_starts() {
    for stages in [json!([[{}]]), json!([])] {
        let setting = Setting::new();
        let controller = setting.one_shot("s");
        let job = delayed(&controller, "asked", 5, stages);
        step(&controller);
        now(controller.cancel(job, "no longer wanted")).unwrap();
        step(&controller);
        assert_eq!(setting.ending(job), "cancelled: no longer wanted");
    }
}

#[test]
fn a_timeout_counts_from_when_the_job_may_start() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let request = Submit {
        not_before: Some(due(5)),
        timeout: Some(seconds(2)),
        ..ask("asked", json!({ "stages": [[{}]] }))
    };
    let job = submit(&controller, request).unwrap().job();
    pass(&setting, &controller, 6);
    assert_eq!(setting.job(job).state, JobState::Queued);
    pass(&setting, &controller, 1);
    assert_eq!(
        setting.ending(job),
        "timed_out HW-J017 timeout: timed out after 2 seconds"
    );
}

#[test]
fn a_job_that_has_not_ended_by_its_deadline_is_timed_out() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let request = Submit {
        deadline: Some(due(3)),
        timeout: Some(seconds(60)),
        ..ask("asked", json!({ "stages": [[{}, { "after": [0] }]] }))
    };
    let job = submit(&controller, request).unwrap().job();
    let running = setting.claim("s");
    setting.jump(86_400);
    pass(&setting, &controller, 2);
    assert_eq!(setting.job(job).state, JobState::Running);
    setting.pass(Duration::from_millis(900));
    assert_eq!(step(&controller).again_in, Some(Duration::from_millis(100)));
    setting.pass(Duration::from_millis(100));
    step(&controller);
    expect!["timed_out HW-J027 timeout: it had not ended by its deadline, 2023-11-14T22:13:23Z"]
        .assert_eq(&setting.ending(job));
    assert_eq!(setting.tasks(job), "cancelled cancelled");
    assert_eq!(setting.report(&running[0], hw_job::Ending::Cancelled), None);
}

#[test]
fn a_deadline_holds_for_whoever_takes_the_job_over() {
    let setting = Setting::new();
    let request = Submit {
        deadline: Some(due(4)),
        ..ask("kept", json!({ "stages": [[{}]] }))
    };
    let job = submit(&setting.one_shot("gone"), request).unwrap().job();
    setting.kill("gone");
    let controller = setting.server("s");
    pass(&setting, &controller, 3);
    assert_eq!(setting.job(job).state, JobState::Queued);
    pass(&setting, &controller, 1);
    assert!(
        setting.ending(job).starts_with("timed_out HW-J027"),
        "{}",
        setting.ending(job)
    );
}

#[test]
fn a_finished_job_does_not_answer_for_a_delayed_one() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let question = |not_before| Submit {
        reuse: true,
        not_before,
        ..ask("asked", json!({ "fingerprint": "same" }))
    };
    let first = submit(&controller, question(None)).unwrap().job();
    step(&controller);
    assert_eq!(submit(&controller, question(None)), Ok(crate::Submitted::Cached(first)));
    let delayed = submit(&controller, question(Some(due(9)))).unwrap().job();
    assert_eq!(setting.job(delayed).state, JobState::Queued);
}

#[test]
fn a_request_can_be_checked_without_making_a_job() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let faulty = ask("asked", json!({ "faults": ["one", "two"] }));
    let told = now(controller.check(&faulty));
    assert_eq!(told, submit(&controller, faulty).map(|_| ()));
    assert!(told.is_err());
    assert_eq!(now(controller.check(&ask("asked", json!({})))), Ok(()));
    let jobs = now(setting
        .store
        .list_jobs(&Default::default(), &hw_store::PageRequest { limit: 9, after: None }));
    assert_eq!(jobs.unwrap().items, []);
}
