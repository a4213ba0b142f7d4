//! What becomes of the work of processes that died, slept or lost the store.

use std::time::Duration;

use expect_test::expect;
use hw_job::{Ending, ErrorClass, JobState, SessionId};
use serde_json::json;

use super::setting::{LEASE, Setting, ask, failed, made, now, step, submit};
use crate::Submit;

fn second() -> Duration {
    Duration::from_secs(1)
}

#[test]
fn a_job_that_someone_waited_for_ends_with_its_process() {
    let setting = Setting::new();
    let server = setting.server("server");
    let gone = setting.one_shot("gone");
    let job = made(&gone, "asked", json!({ "stages": [[{}, {}]], "puts": ["t"] }));
    let tasks = setting.claim("gone");
    setting.kill("gone");
    step(&server);
    expect!["failed HW-J010 platform: the process that ran the job ended before the job did"]
        .assert_eq(&setting.ending(job));
    assert_eq!(setting.tasks(job), "cancelled cancelled");
    assert_eq!(setting.report(&tasks[0], Ending::Preempted), None);
    assert_eq!((setting.queue_length(), setting.tables().as_str()), (0, ""));
}

#[test]
fn a_durable_job_waits_for_a_process_that_adopts() {
    let setting = Setting::new();
    let gone = setting.server("gone");
    let job = made(&gone, "kept", json!({ "stages": [[{}], [{}]] }));
    setting.claim("gone").iter().for_each(|task| setting.succeed(task));
    setting.kill("gone");

    let passer_by = setting.one_shot("passer-by");
    step(&passer_by);
    assert_eq!(setting.job(job).owner, None);
    assert_eq!(setting.tasks(job), "succeeded");

    let server = setting.server("server");
    setting.work(&server, "server");
    assert_eq!(setting.job(job).state, JobState::Succeeded);
    assert_eq!(setting.job(job).owner, Some(SessionId("server".to_owned())));
    assert_eq!(setting.tasks(job), "succeeded succeeded");
}

#[test]
fn the_failure_of_a_task_outlives_the_process_that_should_have_told_it() {
    let setting = Setting::new();
    let gone = setting.server("gone");
    let job = made(&gone, "kept", json!({ "stages": [[{}, {}]] }));
    let tasks = setting.claim("gone");
    setting.report(&tasks[1], failed(ErrorClass::Input)).unwrap();
    setting.kill("gone");
    step(&setting.server("server"));
    assert_eq!(setting.ending(job), "failed HW-J002 input: it broke");
}

#[test]
fn a_cancellation_outlives_the_process_that_should_have_heard_it() {
    for adopts in [true, false] {
        let setting = Setting::new();
        let gone = setting.server("gone");
        let job = made(&gone, "kept", json!({ "stages": [[{}]] }));
        setting.kill("gone");
        step(&setting.one_shot("passer-by"));
        now(setting.one_shot("client").cancel(job, "enough")).unwrap();
        let later = setting.process("later", adopts, std::sync::Arc::new(crate::InlineDocuments));
        step(&later);
        assert_eq!(setting.ending(job), "cancelled: enough");
    }
}

#[test]
fn a_timeout_outlives_its_process() {
    let setting = Setting::new();
    let gone = setting.server("gone");
    let request = Submit {
        timeout: Some(Duration::from_secs(10)),
        ..ask("kept", json!({ "stages": [[{}]] }))
    };
    let job = submit(&gone, request).unwrap().job();
    setting.kill("gone");
    setting.pass(Duration::from_secs(4));
    let server = setting.server("server");
    step(&server);
    setting.pass(Duration::from_secs(5));
    step(&server);
    assert_eq!(setting.job(job).state, JobState::Queued);
    setting.pass(second());
    step(&server);
    assert_eq!(
        setting.ending(job),
        "timed_out HW-J017 timeout: timed out after 10 seconds"
    );
}

#[test]
fn a_lease_that_ran_out_gives_the_task_to_another() {
    let setting = Setting::new();
    let server = setting.server("server");
    setting.server("slow");
    let job = made(&server, "asked", json!({ "stages": [[{}]] }));
    let slow = setting.claim("slow");
    setting.pass(LEASE - second());
    setting.jump(3600);
    assert_eq!(step(&server).taken_back, 0);
    setting.pass(second());
    assert_eq!(step(&server).taken_back, 1);

    let quick = setting.claim("server");
    assert_eq!(quick[0].attempt, 2);
    assert!(quick[0].fence > slow[0].fence);
    assert_eq!(quick[0].counts.deaths, 0, "nobody is known to have died");
    assert_eq!(setting.report(&slow[0], failed(ErrorClass::Input)), None);
    setting.succeed(&quick[0]);
    step(&server);
    assert_eq!(setting.job(job).state, JobState::Succeeded);
}

#[test]
fn a_worker_of_a_session_with_a_longer_name_is_not_mistaken() {
    let setting = Setting::new();
    let server = setting.server("server");
    setting.server("w1");
    setting.server("w10");
    setting.kill("w1");
    made(&server, "asked", json!({ "stages": [[{}]] }));
    assert_eq!(setting.claim("w10").len(), 1);
    setting.pass(LEASE);
    step(&server);
    assert_eq!(setting.claim("server")[0].counts.deaths, 0, "w1 died, not w10");
}

#[test]
fn a_session_that_was_silent_for_its_lease_is_given_up() {
    let setting = Setting::new();
    let server = setting.server("server");
    let silent = setting.one_shot("silent");
    let job = made(&silent, "asked", json!({ "stages": [[{}]] }));
    setting.pass(Duration::from_secs(29));
    setting.renew("server");
    step(&server);
    assert_eq!(setting.job(job).state, JobState::Queued);
    setting.pass(second());
    step(&server);
    assert_eq!(setting.job(job).state, JobState::Failed);
}

#[test]
fn what_a_process_makes_after_it_was_given_up_is_not_forgotten() {
    let setting = Setting::new();
    let server = setting.server("server");
    let sleeper = setting.server("sleeper");
    step(&sleeper);
    setting.kill("sleeper");
    step(&server);
    let asked = made(&sleeper, "asked", json!({ "stages": [[{}]] }));
    let kept = made(&sleeper, "kept", json!({ "stages": [[{}]] }));
    setting.pass(second());
    step(&server);
    assert_eq!(setting.job(asked).state, JobState::Failed);
    setting.work(&server, "server");
    assert_eq!(setting.job(kept).state, JobState::Succeeded);
}

#[test]
fn two_processes_that_drive_one_job_ask_its_kind_only_when_all_is_done() {
    let setting = Setting::new();
    let sleeper = setting.server("sleeper");
    let job = made(&sleeper, "kept", json!({ "stages": [[{}], [{}, {}]] }));
    setting.claim("sleeper").iter().for_each(|task| setting.succeed(task));
    setting.kill("sleeper");
    let server = setting.server("server");
    step(&server);
    assert_eq!(setting.tasks(job), "succeeded ready ready");
    let tasks = setting.claim("server");
    setting.succeed(&tasks[0]);
    step(&sleeper);
    assert_eq!(setting.job(job).state, JobState::Running, "one task is still running");
    setting.succeed(&tasks[1]);
    step(&sleeper);
    step(&server);
    assert_eq!(setting.job(job).state, JobState::Succeeded);
}

#[test]
fn every_unsettled_job_has_its_turn() {
    let setting = Setting::new();
    let gone = setting.server("gone");
    let first = made(&gone, "kept", json!({}));
    setting.kill("gone");
    let busy = setting.server("busy");
    for _ in 0..300 {
        made(&busy, "kept", json!({ "stages": [[{}]] }));
    }
    let server = setting.server("server");
    for _ in 0..2 {
        setting.pass(second());
        step(&server);
    }
    assert_eq!(
        setting.job(first).state,
        JobState::Succeeded,
        "it stands behind 300 newer ones"
    );
}

#[test]
fn a_kind_that_nobody_knows_is_left_alone() {
    let setting = Setting::new();
    let gone = setting.server("gone");
    let job = made(&gone, "kept", json!({ "stages": [[{}]] }));
    setting.kill("gone");
    let stranger = setting.stranger("stranger");
    step(&stranger);
    assert_eq!(
        setting.job(job).owner,
        None,
        "a program that knows the kind may still adopt it"
    );
    let server = setting.server("server");
    setting.pass(second());
    setting.work(&server, "server");
    assert_eq!(setting.job(job).state, JobState::Succeeded);
}
