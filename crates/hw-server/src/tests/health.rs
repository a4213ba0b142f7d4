//! Health, metrics, the self-check.

use http::{Method, StatusCode};
use serde_json::json;

use super::setting::Setting;
use crate::metrics::{CollectOptions, RunOptions, collect};

#[tokio::test]
async fn a_server_is_live_and_ready_until_it_stops() {
    let setting = Setting::new().await;
    assert_eq!(setting.get("/health/live").await.ok(), json!({"ok": true}));
    assert_eq!(setting.get("/health/ready").await.ok(), json!({"ok": true}));
    let task = tokio::spawn(async {});
    setting.state.watch("controller", task.abort_handle());
    task.await.unwrap();
    setting.stop();
    let reply = setting.get("/health/ready").await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        reply.json(),
        json!({"ok": false, "reasons": ["the controller has ended", "the server is stopping"]})
    );
    assert_eq!(setting.get("/health/live").await.ok(), json!({"ok": true}));
}

#[tokio::test]
async fn metrics_tell_of_requests_jobs_and_memory() {
    let setting = Setting::new().await;
    let store = setting.state.parts().store.clone();
    let stop = setting.state.stop().clone();
    let collecting = tokio::spawn(collect(
        setting.state.metrics.clone(),
        store,
        CollectOptions {
            runs: RunOptions {
                dataset_label: true,
                lastrun: None,
            },
            funnel_rocket: true,
        },
        stop,
    ));
    tokio::task::yield_now().await;
    setting
        .post("/api/v1/jobs?wait=10s", json!({"kind": "work", "params": {}}))
        .await
        .ok();
    setting.get("/api/v1/tables/none").await;
    setting.get("/api/v1/tables/other").await;
    setting.get("/nothing").await;
    let mut text = String::new();
    for _ in 0..100 {
        text = setting.get("/metrics").await.text;
        if text.contains("headwater_job_seconds_count") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for line in [
        r#"headwater_build_info{version="0.1.0",store="memory"} 1"#,
        r#"headwater_http_requests_total{route="/api/v1/tables/{name}",status="404"} 2"#,
        r#"headwater_http_requests_total{route="unmatched",status="404"} 1"#,
        r#"headwater_jobs_submitted_total{kind="work"} 1"#,
        r#"headwater_jobs_ended_total{kind="work",state="succeeded"} 1"#,
        r#"headwater_jobs_unfinished{kind="work"} 0"#,
        r#"headwater_job_seconds_count{kind="work",state="succeeded"} 1"#,
        "headwater_queue_tasks 0",
        "headwater_memory_limit_bytes 67108864",
        "headwater_http_requests_running 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
    }
    setting.stop();
    collecting.await.unwrap();
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let setting = Setting::with(&[("metrics.export", "false")]).await;
    assert_eq!(setting.get("/metrics").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_doctor_looks_at_everything() {
    let setting = Setting::new().await;
    let doctor = setting.get("/api/v1/doctor").await.ok();
    let checks = doctor["checks"].as_array().unwrap();
    let names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "version",
            "store",
            "files",
            "data folder",
            "file system",
            "disk space",
            "part cache",
            "memory",
            "clock",
            "server",
            "access"
        ]
    );
    for check in checks {
        assert_eq!(check["state"] == "ok", check.get("remedy").is_none(), "{check}");
    }
}

#[tokio::test]
async fn the_doctor_sees_an_open_data_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let setting = Setting::new().await;
    let path = setting.state.parts().folder.path().to_owned();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let doctor = setting.get("/api/v1/doctor").await.ok();
    assert_eq!(doctor["checks"][3]["state"], "warning");
    assert_eq!(doctor["checks"][3]["remedy"], format!("chmod 700 '{}'", path.display()));
}

#[tokio::test]
async fn the_server_tells_of_itself() {
    let setting = Setting::new().await;
    let facts = setting.get("/api/v1/server").await.ok();
    assert_eq!(
        (&facts["store"], &facts["data_dir"]),
        (&json!("memory"), &json!("/data"))
    );
    let reply = setting.call(Method::GET, "/api/v1/openapi.json").send().await;
    assert_eq!(reply.json()["openapi"], "3.1.0");
}
