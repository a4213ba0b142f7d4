//! What a request becomes: a job, an older job, or all that is wrong with it.

use std::time::Duration;

use expect_test::{Expect, expect};
use hw_job::JobState;
use serde_json::{Value, json};

use super::setting::{Setting, ask, made, now, step, submit};
use crate::{Submit, SubmitFault, Submitted};

/// The fault of a request, with all its parts.
#[track_caller]
fn check_fault(setting: &Setting, request: Submit, expected: Expect) {
    let controller = setting.one_shot("s");
    let fault = submit(&controller, request).unwrap_err();
    let more = match &fault {
        SubmitFault::UnknownKind { proposal, .. } | SubmitFault::TableNotFound { proposal, .. } => {
            format!("; perhaps {proposal:?}")
        }
        SubmitFault::Faults(findings) => {
            let findings = findings.iter().map(|finding| finding.message.as_str());
            format!(": {}", findings.collect::<Vec<_>>().join(", "))
        }
        SubmitFault::Conflict(_)
        | SubmitFault::KeyConflict { .. }
        | SubmitFault::QueueFull { .. }
        | SubmitFault::Store(_) => String::new(),
    };
    expected.assert_eq(&format!("{fault}{more}"));
    assert_eq!(setting.queue_length(), 0, "a refused request left tasks behind");
}

fn with_table(name: &str) -> Setting {
    let setting = Setting::new();
    let maker = setting.one_shot("maker");
    made(&maker, "asked", json!({ "puts": [name] }));
    step(&maker);
    assert_eq!(setting.tables(), format!("{name}@1"));
    setting
}

#[test]
fn every_fault_is_told_at_once() {
    check_fault(
        &Setting::new(),
        ask("asked", json!({ "faults": ["no steps", "no table"] })),
        expect!["the parameters have 2 fault(s): no steps, no table"],
    );
}

#[test]
fn unknown_kinds_are_proposed() {
    check_fault(
        &Setting::new(),
        ask("askd", json!({})),
        expect![[r#"there is no job kind `askd`; perhaps Some("asked")"#]],
    );
    check_fault(
        &Setting::new(),
        ask("something else", json!({})),
        expect!["there is no job kind `something else`; perhaps None"],
    );
}

#[test]
fn unknown_tables_are_proposed() {
    let setting = with_table("flights");
    check_fault(
        &setting,
        ask("asked", json!({ "reads": ["Flights"] })),
        expect![[r#"there is no table `Flights`; perhaps Some("flights")"#]],
    );
    check_fault(
        &setting,
        ask("asked", json!({ "reads": ["flights", "passengers"] })),
        expect!["there is no table `passengers`; perhaps None"],
    );
}

#[test]
fn conflicts_and_too_many_tasks_are_refused() {
    check_fault(
        &Setting::new(),
        ask("asked", json!({ "conflict": "the table is in use" })),
        expect!["the table is in use"],
    );
    let many = vec![json!({}); 100_001];
    check_fault(
        &Setting::new(),
        ask("asked", json!({ "stages": [many] })),
        expect!["the parameters have 1 fault(s): the job would be cut into 100001 tasks, at most 100000 are allowed"],
    );
}

#[test]
fn tables_are_pinned_and_marked_as_used() {
    let setting = with_table("flights");
    let controller = setting.one_shot("s");
    setting.pass(Duration::from_secs(5));
    let job = made(&controller, "asked", json!({ "reads": ["flights"] }));
    let record = setting.job(job);
    assert_eq!(record.expanded["versions"], json!([1]));
    assert_eq!(record.reads.len(), 1);
    let used = now(setting.store.table_use(&"flights".parse().unwrap())).unwrap();
    assert_eq!(used.seconds_ago, Some(0));
}

#[track_caller]
fn keyed(params: Value) -> Submit {
    Submit {
        idempotency_key: Some("key".to_owned()),
        reuse: true,
        ..ask("asked", params)
    }
}

#[test]
fn a_key_tells_repetitions_from_new_requests() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let params = json!({ "stages": [[{}]], "fingerprint": "f" });
    let Submitted::Created(job) = submit(&controller, keyed(params.clone())).unwrap() else {
        panic!("the first request makes a job");
    };
    let again = submit(&controller, keyed(params.clone())).unwrap();
    assert_eq!(again, Submitted::Existing(job));
    let other = setting.one_shot("other");
    let elsewhere = submit(&other, keyed(params.clone())).unwrap();
    assert_eq!(elsewhere, Submitted::Existing(job));

    let conflict = submit(&controller, keyed(json!({}))).unwrap_err();
    expect!["the idempotency key `key` was used for another request, job 018bcfe5-6800-7000-8000-000000000001"]
        .assert_eq(&conflict.to_string());

    setting.work(&controller, "s");
    assert_eq!(setting.job(job).state, JobState::Succeeded);
    let after_the_end = submit(&controller, keyed(params)).unwrap();
    assert_eq!(after_the_end, Submitted::Existing(job));
}

#[test]
fn a_repetition_is_not_judged_by_what_its_job_did() {
    let setting = with_table("flights");
    let controller = setting.one_shot("s");
    let drops = || keyed(json!({ "reads": ["flights"], "drops": [["flights", 1]] }));
    let job = submit(&controller, drops()).unwrap().job();
    step(&controller);
    assert_eq!(
        (setting.job(job).state, setting.tables().as_str()),
        (JobState::Succeeded, "")
    );
    assert_eq!(submit(&controller, drops()).unwrap(), Submitted::Existing(job));

    let another = keyed(json!({ "reads": ["passengers"] }));
    let conflict = submit(&controller, another).unwrap_err();
    assert!(matches!(conflict, SubmitFault::KeyConflict { .. }), "{conflict}");
    let keyless = Submit {
        idempotency_key: None,
        ..drops()
    };
    let fault = submit(&controller, keyless).unwrap_err();
    assert!(matches!(fault, SubmitFault::TableNotFound { .. }), "{fault}");
}

#[test]
fn the_order_of_members_makes_no_other_request() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let one = json!({ "filler": 1, "extra": [{ "a": 1, "b": { "c": 2, "d": 3 } }] });
    let other = json!({ "extra": [{ "b": { "d": 3, "c": 2 }, "a": 1 }], "filler": 1 });
    assert_ne!(one.to_string(), other.to_string());
    let job = submit(&controller, keyed(one)).unwrap().job();
    assert_eq!(submit(&controller, keyed(other)).unwrap(), Submitted::Existing(job));
    let swapped = keyed(json!({ "filler": 1, "extra": [{ "a": 1, "b": { "c": 3, "d": 2 } }] }));
    let conflict = submit(&controller, swapped).unwrap_err();
    assert!(matches!(conflict, SubmitFault::KeyConflict { .. }), "{conflict}");
}

#[test]
fn a_finished_job_answers_an_equal_question() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let question = |fingerprint: &str| Submit {
        reuse: true,
        ..ask("asked", json!({ "stages": [[{}]], "fingerprint": fingerprint }))
    };
    let first = submit(&controller, question("f")).unwrap().job();
    let meanwhile = submit(&controller, question("f")).unwrap();
    assert!(matches!(meanwhile, Submitted::Created(_)), "only finished jobs answer");
    setting.work(&controller, "s");
    assert_eq!(setting.job(first).state, JobState::Succeeded);

    let answer = submit(&controller, question("f")).unwrap();
    assert_eq!(answer, Submitted::Cached(meanwhile.job()), "the newest one answers");
    assert!(matches!(
        submit(&controller, question("g")).unwrap(),
        Submitted::Created(_)
    ));
    let anew = Submit {
        reuse: false,
        ..question("f")
    };
    assert!(matches!(submit(&controller, anew).unwrap(), Submitted::Created(_)));
}

#[test]
fn a_job_that_answers_again_bears_the_labels_of_all_who_asked() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let question = |tags: &[&str]| Submit {
        reuse: true,
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..ask("asked", json!({ "stages": [[{}]], "fingerprint": "f" }))
    };
    let first = submit(&controller, question(&["a"])).unwrap().job();
    setting.work(&controller, "s");
    for tags in [["a"].as_slice(), &["b", "a"], &["b"], &[]] {
        assert_eq!(submit(&controller, question(tags)).unwrap(), Submitted::Cached(first));
    }
    assert_eq!(setting.job(first).tags, ["a", "b"]);
    let many: Vec<String> = (0..70).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(matches!(
        submit(&controller, question(&many)).unwrap(),
        Submitted::Created(_)
    ));
    assert_eq!(setting.job(first).tags, ["a", "b"]);
}

#[test]
fn a_failed_job_answers_nothing() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let question = || Submit {
        reuse: true,
        ..ask("asked", json!({ "merge_failure": "no", "fingerprint": "f" }))
    };
    let first = submit(&controller, question()).unwrap().job();
    step(&controller);
    assert_eq!(setting.job(first).state, JobState::Failed);
    assert!(matches!(
        submit(&controller, question()).unwrap(),
        Submitted::Created(_)
    ));
}

#[test]
fn what_the_request_says_is_kept() {
    let setting = Setting::new();
    let controller = setting.one_shot("s");
    let parent = made(&controller, "asked", json!({}));
    let request = Submit {
        priority: 7,
        timeout: Some(Duration::from_secs(9)),
        tags: vec!["nightly".to_owned()],
        parent: Some(parent),
        ..ask("kept", json!({ "stages": [[{}, { "after": [0] }]] }))
    };
    let record = setting.job(submit(&controller, request).unwrap().job());
    assert_eq!((record.priority, record.timeout), (7, Some(Duration::from_secs(9))));
    assert_eq!((record.tags, record.parent), (vec!["nightly".to_owned()], Some(parent)));
    assert_eq!(record.progress.stage, "stage0");
    assert_eq!(setting.tasks(record.id), "ready waiting");
}
