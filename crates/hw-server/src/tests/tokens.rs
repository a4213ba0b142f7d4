//! Tokens, workers, settings, backups.

use expect_test::expect;
use serde_json::json;

use super::setting::Setting;

#[tokio::test]
async fn tokens_are_made_listed_and_dropped() {
    let setting = Setting::new().await;
    let reply = setting
        .post(
            "/api/v1/tokens",
            json!({"name": "ci", "role": "write", "expires": "30d"}),
        )
        .await;
    assert_eq!(reply.status, 201);
    let made = reply.json();
    assert!(made["token"].as_str().unwrap().starts_with("hw_"));
    assert_eq!(made["token"].as_str().unwrap().len(), 67);
    assert!(made["expires_at"].is_string());
    let listed = setting.get("/api/v1/tokens").await;
    assert!(!listed.text.contains(made["token"].as_str().unwrap()));
    let listed = listed.ok();
    assert_eq!(listed["items"][0]["name"], "ci");
    assert_eq!(setting.get("/api/v1/tokens/ci").await.ok(), listed["items"][0]);
    assert_eq!(setting.get("/api/v1/tokens/c").await.problem().code, "HW-A025");
    let taken = setting
        .post("/api/v1/tokens", json!({"name": "ci", "role": "read"}))
        .await;
    assert_eq!(taken.problem().code, "HW-A024");
    assert_eq!(setting.delete("/api/v1/tokens/ci").await.status, 204);
    assert_eq!(setting.delete("/api/v1/tokens/ci").await.problem().code, "HW-A025");
    let unnamed = setting.post("/api/v1/tokens", json!({"role": "read"})).await.ok();
    assert!(unnamed["name"].as_str().unwrap().starts_with("read-"));
}

#[tokio::test]
async fn every_fault_of_a_token_is_told() {
    let setting = Setting::new().await;
    let reply = setting
        .post(
            "/api/v1/tokens",
            json!({"name": "a\nb", "role": "amdin", "expires": "30"}),
        )
        .await;
    expect![[r#"
        422 HW-A002 the body has 3 fault(s)
        help: did you mean `admin`?
        - /role: there is no role `amdin` (did you mean `admin`?)
        - /name: `name` must have 1 to 255 bytes without control characters (choose another name, or leave it out)
        - /expires: `expires` needs a unit (write for instance "30d")"#]]
    .assert_eq(&reply.fault());
}

#[tokio::test]
async fn workers_are_listed_with_their_process() {
    let setting = Setting::new().await;
    setting.add_worker(&["gold"]).await;
    let mut workers = setting.get("/api/v1/workers?limit=50").await.ok();
    let started = workers["items"][0]
        .as_object_mut()
        .unwrap()
        .remove("started_at")
        .unwrap();
    assert!(started.as_str().unwrap().starts_with("20"), "{started}");
    assert_eq!(
        workers["items"],
        json!([{"id": "test:tasks", "host": "here", "pid": 7, "version": "0.1.0", "slots": 2, "running": 0, "labels": ["gold"], "draining": false}])
    );
}

#[tokio::test]
async fn settings_are_shown_without_secrets() {
    let setting = Setting::with(&[("s3.secret_access_key", "hidden"), ("threads", "3")]).await;
    let reply = setting.get("/api/v1/config").await;
    assert!(!reply.text.contains("hidden"));
    let settings = reply.ok();
    let of = |key: &str| {
        settings["settings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|setting| setting["key"] == key)
            .unwrap()
            .clone()
    };
    assert_eq!(
        of("threads"),
        json!({"key": "threads", "value": 3, "origin": "HEADWATER_THREADS"})
    );
    assert_eq!(of("s3.secret_access_key")["value"], "***");
}

#[tokio::test]
async fn a_backup_needs_a_new_file_in_a_folder() {
    let setting = Setting::new().await;
    std::fs::write(setting.path("there"), "").unwrap();
    let to = async |name: &str| {
        let path = setting.path(name).display().to_string();
        setting.post("/api/v1/config/backup", json!({"path": path})).await
    };
    assert_eq!(to("there").await.problem().code, "HW-A027");
    assert_eq!(to("no/folder/x.db").await.problem().code, "HW-A027");
    // The store in memory has no backups; the SQLite one is tested with the whole program.
    assert_eq!(to("new.db").await.problem().code, "HW-S006");
    let relative = setting.post("/api/v1/config/backup", json!({"path": "x.db"})).await;
    assert_eq!(relative.status, 422);
}
