//! From the first task to the end, as far as one process alone decides it.

use std::sync::Arc;
use std::time::Duration;

use expect_test::{Expect, expect};
use hw_job::{Ending, ErrorClass, JobState, StoredDocument, TaskState};
use serde_json::{Value, json};

use super::setting::{FullDisk, Setting, Unreadable, ask, failed, first, made, now, step, submit};
use crate::{Controller, Submit};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn result(setting: &Setting, controller: &Controller, job: hw_job::JobId) -> Value {
    now(controller.result(&setting.job(job))).unwrap().unwrap()
}

#[test]
fn a_job_without_tasks_ends_at_once() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({}));
    assert_eq!(setting.job(job).state, JobState::Queued);
    assert_eq!(step(&controller).ended, 1);
    assert_eq!(
        result(&setting, &controller, job),
        json!({ "outcomes": [], "seconds": 0, "filler": "" })
    );
}

#[test]
fn outcomes_are_merged_by_index() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(
        &controller,
        "asked",
        json!({ "stages": [[{}, {}, { "after": [0, 1] }]] }),
    );
    let tasks = setting.claim("s");
    assert_eq!(setting.tasks(job), "running running waiting");
    setting.succeed(&tasks[1]);
    assert_eq!(step(&controller).ended, 0);
    setting.succeed(&tasks[0]);
    assert_eq!(setting.tasks(job), "succeeded succeeded ready");
    setting.work(&controller, "s");
    assert_eq!(
        result(&setting, &controller, job)["outcomes"],
        json!(["0.1", "1.1", "2.1"])
    );
}

#[test]
fn later_stages_follow_from_earlier_ones() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(
        &controller,
        "asked",
        json!({ "stages": [[{}], [{}, { "after": [0, 1] }], [{}]] }),
    );
    let mut seen = vec![setting.tasks(job)];
    while !setting.job(job).state.is_settled() {
        let stage = setting.job(job).progress.stage;
        setting.claim("s").iter().for_each(|task| setting.succeed(task));
        step(&controller);
        seen.push(format!("{stage}: {}", setting.tasks(job)));
    }
    expect![[r#"
        ready
        stage0: succeeded ready waiting
        stage1: succeeded succeeded ready
        stage1: succeeded succeeded succeeded ready
        stage2: succeeded succeeded succeeded succeeded"#]]
    .assert_eq(&seen.join("\n"));
    assert_eq!(setting.job(job).state, JobState::Succeeded);
}

/// How a job with one more open task ends when its first task ends so; and that nothing of it is left.
#[track_caller]
fn check_task_ending(ending: Ending, expected: Expect) {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(
        &controller,
        "asked",
        json!({ "stages": [[{}, {}, { "after": [0] }]], "puts": ["t"] }),
    );
    let tasks = setting.claim("s");
    setting.report(&tasks[0], ending).unwrap();
    step(&controller);
    expected.assert_eq(&format!("{} [{}]", setting.ending(job), setting.tasks(job)));
    assert_eq!(
        setting.report(&tasks[1], Ending::Succeeded(StoredDocument::Inline(json!(1)))),
        None
    );
    assert_eq!((setting.queue_length(), setting.tables().as_str()), (0, ""));
}

#[test]
fn a_task_that_settles_otherwise_than_well_ends_the_job() {
    check_task_ending(
        failed(ErrorClass::Input),
        expect!["failed HW-J002 input: it broke [failed cancelled cancelled]"],
    );
    check_task_ending(
        failed(ErrorClass::Data),
        expect!["failed HW-J002 data: it broke [failed cancelled cancelled]"],
    );
    check_task_ending(
        failed(ErrorClass::Timeout),
        expect!["timed_out HW-J002 timeout: it broke [timed_out cancelled cancelled]"],
    );
    check_task_ending(
        Ending::TimedOut,
        expect![
            "timed_out HW-J012 internal: task 018bcfe5-6800-7000-8000-000000000001/0 is timed_out [timed_out cancelled cancelled]"
        ],
    );
    check_task_ending(
        Ending::Cancelled,
        expect!["cancelled: task 018bcfe5-6800-7000-8000-000000000001/0 is cancelled [cancelled cancelled cancelled]"],
    );
}

#[test]
fn a_task_is_tried_again_after_its_pause() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({ "stages": [[{}]] }));
    for (pause, next) in [
        (1, TaskState::RetryWait),
        (2, TaskState::RetryWait),
        (0, TaskState::Quarantined),
    ] {
        let tasks = setting.claim("s");
        assert_eq!(setting.report(&tasks[0], failed(ErrorClass::Internal)), Some(next));
        let again_in = step(&controller).again_in.unwrap();
        assert!(again_in <= seconds(1).max(seconds(pause)));
        setting.pass(seconds(pause).saturating_sub(Duration::from_millis(1)));
        step(&controller);
        assert_eq!(setting.claim("s"), [], "the pause is not over");
        setting.pass(Duration::from_millis(1));
        setting.renew("s");
        step(&controller);
    }
    assert_eq!(setting.ending(job), "failed HW-J002 internal: it broke");
}

#[test]
fn a_merge_that_fails_ends_the_job() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(
        &controller,
        "asked",
        json!({ "merge_failure": "two groups in one", "puts": ["t"] }),
    );
    step(&controller);
    assert_eq!(setting.ending(job), "failed HW-J001 data: two groups in one");
    assert_eq!(setting.tables(), "");
}

#[test]
fn a_kind_that_names_nothing_is_not_asked_for_ever() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({ "idle": true }));
    step(&controller);
    expect!["failed HW-J025 internal: the job's kind named neither further tasks nor a result"]
        .assert_eq(&setting.ending(job));
}

#[test]
fn tasks_that_the_store_never_takes_end_the_job() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let other = made(&controller, "asked", json!({}));
    let job = made(&controller, "asked", json!({ "stages": [[], [{ "after": [7] }]] }));
    step(&controller);
    expect!["failed HW-J026 internal: the store refused what the job's kind made: task 018bcfe5-6800-7000-8000-000000000002/0 waits for task 7, which does not exist"]
        .assert_eq(&setting.ending(job));
    assert_eq!(setting.job(other).state, JobState::Succeeded, "the others go on");
}

#[test]
fn a_queued_job_is_cancelled_at_once() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({ "stages": [[{}, {}]] }));
    assert_eq!(
        now(controller.cancel(job, "changed my mind")).unwrap(),
        JobState::Queued
    );
    assert_eq!(
        setting.claim("s"),
        [],
        "tasks of a job whose end was asked for stay where they are"
    );
    step(&controller);
    assert_eq!(setting.ending(job), "cancelled: changed my mind");
    assert_eq!(setting.tasks(job), "cancelled cancelled");
    assert_eq!(now(controller.cancel(job, "again")).unwrap(), JobState::Cancelled);
    assert_eq!(setting.ending(job), "cancelled: changed my mind");
}

#[test]
fn a_running_job_is_cancelled_and_what_its_workers_bring_is_late() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({ "stages": [[{}, {}]] }));
    let tasks = setting.claim("s");
    setting.succeed(&tasks[0]);
    let other = setting.one_shot("other");
    now(other.cancel(job, "the client hung up")).unwrap();
    assert_eq!(step(&other).ended, 0, "the process that drives the job ends it");
    step(&controller);
    assert_eq!(setting.ending(job), "cancelled: the client hung up");
    assert_eq!(setting.tasks(job), "succeeded cancelled");
    assert_eq!(setting.report(&tasks[1], Ending::Cancelled), None);
}

#[test]
fn only_elapsed_time_times_a_job_out() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let request = Submit {
        timeout: Some(seconds(20)),
        ..ask("asked", json!({ "stages": [[{}]] }))
    };
    let job = submit(&controller, request).unwrap().job();
    for hours in [1, -1, -1, 1] {
        setting.jump(hours * 3600);
        assert_eq!(step(&controller).ended, 0);
    }
    setting.pass(seconds(19));
    setting.renew("s");
    step(&controller);
    assert_eq!(setting.job(job).state, JobState::Queued);
    assert!(step(&controller).again_in.unwrap() <= seconds(1));
    setting.pass(seconds(1));
    step(&controller);
    assert_eq!(
        setting.ending(job),
        "timed_out HW-J017 timeout: timed out after 20 seconds"
    );
}

#[test]
fn a_table_that_moved_fails_the_job_and_stays() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    made(&controller, "asked", json!({ "puts": ["t"] }));
    step(&controller);
    let job = made(
        &controller,
        "asked",
        json!({ "stages": [[{}]], "drops": [["t", 1]], "puts": ["u"] }),
    );
    made(&controller, "asked", json!({ "puts": ["t"] }));
    step(&controller);
    assert_eq!(setting.tables(), "t@2");
    setting.work(&controller, "s");
    expect!["failed HW-J018 input: table `t` changed while the job ran: it read version 1, now there is 2"]
        .assert_eq(&setting.ending(job));
    assert_eq!(setting.tables(), "t@2", "all changes of a job or none");

    made(&controller, "asked", json!({ "drops": [["t", 2]], "puts": ["u"] }));
    step(&controller);
    assert_eq!(setting.tables(), "u@1");
}

#[test]
fn a_result_that_cannot_be_written_fails_the_job() {
    let setting = Setting::new();
    let controller = setting.process("s", false, Arc::new(FullDisk));
    let job = made(&controller, "asked", json!({ "puts": ["t"] }));
    step(&controller);
    expect!["failed HW-J016 platform: the result could not be written: the file layer did not answer: no space left on device"]
        .assert_eq(&setting.ending(job));
    assert_eq!(setting.tables(), "");
}

#[test]
fn outcomes_that_cannot_be_read_fail_the_job() {
    let setting = Setting::new();
    let controller = setting.process("s", false, Arc::new(Unreadable));
    let job = made(&controller, "asked", json!({ "stages": [[{}]] }));
    setting.work(&controller, "s");
    expect!["failed HW-J015 platform: the outcome of task 018bcfe5-6800-7000-8000-000000000001/0 cannot be read: the document jobs/x/outcome.json is no longer there or was damaged"]
        .assert_eq(&setting.ending(job));
}

#[test]
fn a_result_too_large_for_the_store_fails_the_job_for_good() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({ "filler": 70_000, "puts": ["t"] }));
    step(&controller);
    let ending = setting.ending(job);
    assert!(
        ending.starts_with("failed HW-J026 internal: the store refused"),
        "{ending}"
    );
    assert_eq!(setting.tables(), "");
}

#[test]
fn a_quarantined_task_is_named() {
    let setting = Setting::new();
    let controller = setting.server("s");
    let job = made(&controller, "asked", json!({ "stages": [[{}]] }));
    for worker in ["w1", "w2"] {
        setting.server(worker);
        setting.pass(seconds(1));
        assert_eq!(setting.claim(worker).len(), 1);
        setting.kill(worker);
        assert_eq!(step(&controller).taken_back, 1);
    }
    assert_eq!(setting.tasks(first(job).job), "quarantined");
    expect!["failed HW-J013 platform: task 018bcfe5-6800-7000-8000-000000000001/0 was given up after 2 attempts: its worker died 2 times, it was lost 2 times"]
        .assert_eq(&setting.ending(job));
}
