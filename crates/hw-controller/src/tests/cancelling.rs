//! Cancelling tasks one by one.

use expect_test::expect;
use hw_job::{Ending, ErrorClass, StoredDocument, TaskId};
use hw_store::ChangeRefused;
use serde_json::json;

use super::setting::{Setting, failed, first, made, now, step};

#[test]
fn a_cancelled_task_ends_its_job_and_is_named() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(
        &controller,
        "asked",
        json!({ "stages": [[{}, {}, { "after": [0] }]], "puts": ["t"] }),
    );
    let tasks = setting.claim("s");
    let told = now(controller.cancel_task(tasks[1].id, "it hangs")).unwrap();
    assert_eq!(told, Ok(()));
    assert_eq!(setting.tasks(job), "running cancelled waiting");
    step(&controller);
    expect!["cancelled: task 018bcfe5-6800-7000-8000-000000000001/1 was cancelled: it hangs"]
        .assert_eq(&setting.ending(job));
    assert_eq!(setting.tasks(job), "cancelled cancelled cancelled");
    assert_eq!((setting.queue_length(), setting.tables().as_str()), (0, ""));
    let late = Ending::Succeeded(StoredDocument::Inline(json!(1)));
    assert_eq!(setting.report(&tasks[1], late), None);
}

#[test]
fn whoever_drives_the_job_ends_it() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({ "stages": [[{}, {}]] }));
    let other = setting.one_shot("other");
    now(other.cancel_task(first(job), "not needed")).unwrap().unwrap();
    assert_eq!(step(&other).ended, 0);
    assert_eq!(step(&controller).ended, 1);
    assert!(
        setting.ending(job).starts_with("cancelled: task"),
        "{}",
        setting.ending(job)
    );
}

#[test]
fn a_process_that_takes_the_job_over_ends_it_too() {
    let setting = Setting::new();
    let gone = setting.one_shot("gone");
    let job = made(&gone, "kept", json!({ "stages": [[{}, {}]] }));
    now(gone.cancel_task(first(job), "not needed")).unwrap().unwrap();
    setting.kill("gone");
    let controller = setting.server("s");
    step(&controller);
    step(&controller);
    expect!["cancelled: task 018bcfe5-6800-7000-8000-000000000001/0 was cancelled: not needed"]
        .assert_eq(&setting.ending(job));
}

#[test]
fn a_task_that_has_ended_stays_as_it_is() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let job = made(&controller, "asked", json!({ "stages": [[{}, {}]] }));
    let tasks = setting.claim("s");
    setting.succeed(&tasks[0]);
    let refused = now(controller.cancel_task(first(job), "too late")).unwrap();
    assert!(matches!(refused, Err(ChangeRefused::Illegal { .. })), "{refused:?}");
    let unknown = now(controller.cancel_task(TaskId::new(job, 7), "")).unwrap();
    assert_eq!(unknown, Err(ChangeRefused::NotFound(TaskId::new(job, 7))));
    setting.report(&tasks[1], failed(ErrorClass::Data));
    step(&controller);
    assert_eq!(setting.ending(job), "failed HW-J002 data: it broke");
}
