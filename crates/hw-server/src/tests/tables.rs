//! Tables: list, show, parts, register, drop.

use expect_test::expect;
use serde_json::{Value, json};

use super::setting::Setting;

async fn register(setting: &Setting, name: &str) -> Value {
    setting
        .post("/api/v1/tables?wait=10s", json!({"name": name, "path": "/data"}))
        .await
        .ok()
}

#[tokio::test]
async fn a_registered_table_is_shown() {
    let setting = Setting::new().await;
    let job = register(&setting, "events").await;
    assert_eq!((&job["kind"], &job["state"]), (&json!("register"), &json!("succeeded")));
    let mut table = setting.get("/api/v1/tables/events").await.ok();
    let members = table.as_object_mut().unwrap();
    assert_eq!(members.remove("origin"), Some(job["id"].clone()));
    let registered_at = members.remove("registered_at").unwrap();
    assert!(registered_at.as_str().unwrap().starts_with("20"), "{registered_at}");
    expect![[r#"
        {
          "name": "events",
          "kind": "dataset",
          "version": 1,
          "group_column": "user",
          "time_column": "at",
          "groups": "contained",
          "containment_proven": true,
          "rows": 6,
          "bytes": 60,
          "parts": 3,
          "location": "file:///data/",
          "pattern": "*.parquet",
          "columns": [
            {
              "name": "user",
              "type": "INT",
              "sql_type": "Int64",
              "null_count": 0,
              "categorical": false
            },
            {
              "name": "at",
              "type": "TIMESTAMP",
              "sql_type": "Timestamp(ms, \"UTC\")",
              "min": "1970-01-01T00:00:00.000Z",
              "max": "1970-01-01T00:00:01.500Z",
              "null_count": 0,
              "categorical": false
            },
            {
              "name": "event",
              "type": "STRING",
              "sql_type": "Utf8",
              "null_count": 0,
              "categorical": true
            },
            {
              "name": "blob",
              "sql_type": "Binary",
              "categorical": false
            }
          ],
          "unsupported": [
            {
              "name": "blob",
              "reason": "Binary"
            }
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&table).unwrap());
    let full = setting.get("/api/v1/tables/events?full=true").await.ok();
    assert_eq!(full["columns"][2]["top_values"], json!({"view": 0.75, "buy": 0.25}));
    assert_eq!(full["columns"][2]["unique_ratio"], json!(0.5));
}

#[tokio::test]
async fn faults_of_a_registration_are_those_of_its_kind() {
    let setting = Setting::new().await;
    let reply = setting
        .post(
            "/api/v1/tables",
            json!({"name": "t", "path": "/d", "colour": 1, "size": 2}),
        )
        .await;
    expect![[r#"
        422 HW-T030 2 faults
        help: leave it out
        - /colour: unknown member `colour` (leave it out)
        - /size: unknown member `size` (leave it out)"#]]
    .assert_eq(&reply.fault());
}

#[tokio::test]
async fn hostile_names_pass_through_paths() {
    let setting = Setting::new().await;
    let names = [
        "a b",
        "100%",
        "ä/ö?#&=+",
        "\"a.b\"",
        "'; DROP TABLE x; --",
        "\"..%2f\"",
        "%00",
        "ünï 🛫",
    ];
    for name in names {
        let job = register(&setting, name).await;
        assert_eq!(job["state"], "succeeded", "{name}: {job}");
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let shown = setting.get(&format!("/api/v1/tables/{encoded}")).await.ok();
        assert_eq!(shown["name"], name);
        let job = setting.delete(&format!("/api/v1/tables/{encoded}?wait=10s")).await.ok();
        assert_eq!(job["params"]["table"], name);
        assert_eq!(setting.get(&format!("/api/v1/tables/{encoded}")).await.status, 404);
    }
}

#[tokio::test]
async fn tables_that_are_not_there_are_told_with_a_near_one() {
    let setting = Setting::new().await;
    register(&setting, "flights").await;
    expect![[r#"
        404 HW-A015 there is no table `flihgts`
        help: did you mean `flights`?"#]]
    .assert_eq(&setting.get("/api/v1/tables/flihgts").await.fault());
    expect![[r#"
        404 HW-A015 there is no table `Flights`
        help: did you mean `flights`?"#]]
    .assert_eq(&setting.delete("/api/v1/tables/Flights").await.fault());
    expect![[r#"
        404 HW-A015 there is no table `a.b.c.d`
        help: `headwater table list` shows the tables"#]]
    .assert_eq(&setting.get("/api/v1/tables/a.b.c.d/parts").await.fault());
}

#[tokio::test]
async fn lists_come_in_pages() {
    let setting = Setting::new().await;
    for name in ["d", "a", "ü", "c", "b"] {
        register(&setting, name).await;
    }
    let mut names = Vec::new();
    let mut page = String::new();
    loop {
        let list = setting.get(&format!("/api/v1/tables?limit=2&page={page}")).await.ok();
        let items = list["items"].as_array().unwrap();
        assert!(items.iter().all(|table| table.get("columns").is_none()));
        names.push(
            items
                .iter()
                .map(|table| table["name"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" "),
        );
        match list.get("next") {
            Some(next) => page = next.as_str().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["b c", "ü a", "d"], "the newest first");
    for page in ["xyz", "a", "ff"] {
        let reply = setting.get(&format!("/api/v1/tables?page={page}")).await;
        assert_eq!(reply.problem().code, "HW-A003", "{page}");
    }
}

#[tokio::test]
async fn parts_come_in_pages() {
    let setting = Setting::new().await;
    register(&setting, "t").await;
    let first = setting.get("/api/v1/tables/t/parts?limit=2").await.ok();
    assert_eq!(first["items"][1], json!({"path": "b.parquet", "bytes": 20, "rows": 2}));
    let next = first["next"].as_str().unwrap();
    let second = setting
        .get(&format!("/api/v1/tables/t/parts?limit=2&page={next}"))
        .await
        .ok();
    assert_eq!(
        second,
        json!({"items": [{"path": "sub/c é.parquet", "bytes": 30, "rows": 3}]})
    );
}

#[tokio::test]
async fn schemas_are_given_in_funnel_rockets_form() {
    let setting = Setting::new().await;
    register(&setting, "t").await;
    let short = setting.get("/api/v1/tables/t?schema=short").await.ok();
    assert_eq!(short["columns"]["event"], "STRING");
    let full = setting.get("/api/v1/tables/t?schema=full").await.ok();
    assert_eq!(full["columns"]["event"]["coltype"], "STRING");
    assert_eq!(
        setting.get("/api/v1/tables/t?schema=fulll").await.problem().code,
        "HW-A003"
    );
}
