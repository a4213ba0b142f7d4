//! Tasks: list, one with its attempts, why it waits, another chance.

use std::time::Duration;

use hw_job::{ErrorClass, Failure, TaskState};
use hw_store::NextState;
use serde_json::{Value, json};

use super::setting::Setting;

async fn submit(setting: &Setting, params: Value) -> String {
    let job = setting
        .post("/api/v1/jobs", json!({"kind": "work", "params": params}))
        .await
        .ok();
    format!("/api/v1/jobs/{}/tasks", job["id"].as_str().unwrap())
}

async fn reasons(setting: &Setting, path: &str) -> Vec<String> {
    let explained = setting.get(&format!("{path}/explain")).await.ok();
    let reasons = explained["reasons"].as_array().unwrap();
    reasons
        .iter()
        .map(|reason| reason.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn tasks_are_listed_and_shown() {
    let setting = Setting::new().await;
    let path = submit(&setting, json!({"tasks": 5})).await;
    let first = setting.get(&format!("{path}?limit=3")).await.ok();
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    assert!(first["items"][0].get("params").is_none());
    let next = first["next"].as_str().unwrap();
    let second = setting.get(&format!("{path}?limit=3&page={next}")).await.ok();
    assert!(second["items"][0]["id"].as_str().unwrap().ends_with("/3"));
    assert!(second.get("next").is_none());
    let tasks = setting.claim().await;
    setting
        .fail(
            &tasks[1],
            Failure::new(ErrorClass::Platform, "HW-J024", "gone"),
            NextState::Ready,
        )
        .await;
    let shown = setting.get(&format!("{path}/1")).await.ok();
    assert_eq!(shown["params"], json!({"index": 1}));
    assert_eq!((&shown["state"], &shown["attempts"]), (&json!("ready"), &json!(1)));
    assert_eq!(shown["history"][0]["state"], "failed");
    assert_eq!(shown["history"][0]["worker"], "test:tasks");
    assert_eq!(shown["error"]["class"], "platform");
}

#[tokio::test]
async fn tasks_that_are_not_there() {
    let setting = Setting::new().await;
    let path = submit(&setting, json!({"tasks": 1})).await;
    for index in ["1", "-1", "x", "4294967296"] {
        assert_eq!(
            setting.get(&format!("{path}/{index}")).await.problem().code,
            "HW-A014",
            "{index}"
        );
    }
}

#[tokio::test]
async fn a_task_says_what_it_waits_for() {
    let setting = Setting::new().await;
    let path = submit(&setting, json!({"tasks": 2, "chain": true, "label": "gold"})).await;
    assert_eq!(
        reasons(&setting, &format!("{path}/1")).await,
        ["it needs task 0, which is ready"]
    );
    let ready = reasons(&setting, &format!("{path}/0")).await;
    assert!(ready[1].starts_with("there is no worker"), "{ready:?}");
    setting.add_worker(&[]).await;
    let ready = reasons(&setting, &format!("{path}/0")).await;
    assert_eq!(ready[1], "worker `test:tasks` does not carry the label `gold`");
    setting.add_worker(&["gold"]).await;
    let ready = reasons(&setting, &format!("{path}/0")).await;
    assert_eq!(
        ready[1],
        "worker `test:tasks` has 2 free slots and may take it any moment"
    );
    let tasks = setting.claim().await;
    assert_eq!(
        reasons(&setting, &format!("{path}/0")).await,
        ["worker `test:tasks` has it, attempt 1"]
    );
    let failure = Failure::new(ErrorClass::External, "HW-T010", "the store is away");
    setting
        .fail(&tasks[0], failure, NextState::RetryAfter(Duration::from_secs(3600)))
        .await;
    let pause = reasons(&setting, &format!("{path}/0")).await;
    assert!(pause[0].starts_with("it is tried again in 35"), "{pause:?}");
    assert!(pause[0].ends_with("after: the store is away"), "{pause:?}");
}

#[tokio::test]
async fn only_quarantined_tasks_of_open_jobs_get_another_chance() {
    let setting = Setting::new().await;
    let path = submit(&setting, json!({"tasks": 1})).await;
    let reply = setting
        .call(http::Method::POST, &format!("{path}/0/requeue"))
        .send()
        .await;
    assert_eq!((reply.status.as_u16(), reply.problem().code.as_str()), (409, "HW-A026"));
    assert!(
        reply
            .problem()
            .detail
            .ends_with("/0 is ready: only a quarantined task gets another chance"),
        "{}",
        reply.problem().detail
    );
    let tasks = setting.claim().await;
    let failure = Failure::new(ErrorClass::Internal, "HW-J024", "again and again");
    setting
        .fail(&tasks[0], failure, NextState::Settled(TaskState::Quarantined))
        .await;
    let given_up = reasons(&setting, &format!("{path}/0")).await;
    assert_eq!(given_up[0], "it was given up after 1 attempt");
    // A job of the usual kinds fails with its task.
    let job = path.trim_end_matches("/tasks");
    assert_eq!(setting.get(&format!("{job}?wait=10s")).await.ok()["state"], "failed");
    let given_up = reasons(&setting, &format!("{path}/0")).await;
    assert_eq!(
        given_up[1],
        "its job has ended as failed, so nothing gives it another chance: run the job again when the cause is mended"
    );
    let reply = setting
        .call(http::Method::POST, &format!("{path}/0/requeue"))
        .send()
        .await;
    let problem = reply.problem();
    assert_eq!((reply.status.as_u16(), problem.code.as_str()), (409, "HW-A026"));
    assert!(
        problem
            .detail
            .ends_with("/0 is quarantined, and its job has ended: nothing gives it another chance")
    );
    assert_eq!(
        problem.help.as_deref(),
        Some("run the job again when the cause is mended")
    );
}

#[tokio::test]
async fn a_cancelled_task_ends_with_its_job() {
    let setting = Setting::new().await;
    let path = submit(&setting, json!({"tasks": 2})).await;
    setting.claim().await;
    let reply = setting
        .post(&format!("{path}/1/cancel"), json!({"reason": "it hangs"}))
        .await;
    let task = reply.ok();
    assert_eq!(
        (&task["state"], &task["error"]["code"]),
        (&json!("cancelled"), &json!("HW-J028"))
    );
    assert_eq!(task["history"][0]["state"], "cancelled");
    let job = setting
        .get(&format!("{}?wait=10s", path.trim_end_matches("/tasks")))
        .await
        .ok();
    assert_eq!(job["state"], "cancelled");
    let reason = job["cancel_reason"].as_str().unwrap();
    assert!(reason.ends_with("/1 was cancelled: it hangs"), "{reason}");
    assert_eq!(job["progress"]["tasks"], json!({"cancelled": 2}));
}

#[tokio::test]
async fn only_tasks_that_are_there_and_open_are_cancelled() {
    let setting = Setting::new().await;
    let path = submit(&setting, json!({"tasks": 2})).await;
    let tasks = setting.claim().await;
    setting.succeed(&tasks[0], json!(1)).await;
    let cancel = async |index: &str| {
        let path = format!("{path}/{index}/cancel");
        let reply = setting.call(http::Method::POST, &path).send().await;
        (reply.status.as_u16(), reply.problem().code)
    };
    assert_eq!(cancel("0").await, (409, "HW-A026".to_owned()));
    let late = setting
        .call(http::Method::POST, &format!("{path}/0/cancel"))
        .send()
        .await;
    assert!(
        late.problem()
            .detail
            .ends_with("/0 is succeeded, and so cannot be cancelled any more")
    );
    assert_eq!(cancel("7").await, (404, "HW-A014".to_owned()));
    assert_eq!(cancel("x").await, (404, "HW-A014".to_owned()));
    let unknown = setting.post(&format!("{path}/1/cancel"), json!({"why": 1})).await;
    assert_eq!(unknown.problem().code, "HW-A002");
    assert_eq!(setting.get(&format!("{path}/1")).await.ok()["state"], "running");
}

#[tokio::test]
async fn what_was_worked_off_is_told_of_task_and_job() {
    let setting = Setting::new().await;
    let path = submit(&setting, json!({"tasks": 2})).await;
    let tasks = setting.claim().await;
    let work = |task: &hw_store::ClaimedTask, rows| hw_store::TaskWork {
        task: task.id,
        fence: task.fence,
        work: hw_job::Work { rows, bytes: rows * 10 },
    };
    let done = [work(&tasks[0], 5), work(&tasks[1], 7)];
    setting.store().note_work(&done).await.unwrap();
    let task = setting.get(&format!("{path}/1")).await.ok();
    assert_eq!((&task["rows"], &task["bytes"]), (&json!(7), &json!(70)));
    let job = setting.get(path.trim_end_matches("/tasks")).await.ok();
    assert_eq!(
        (&job["progress"]["rows"], &job["progress"]["bytes"]),
        (&json!(12), &json!(120))
    );
}
