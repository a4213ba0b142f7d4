//! Bodies: their form, their members, their size.

use expect_test::expect;
use http::{Method, StatusCode};
use serde_json::json;

use super::client::Reply;
use super::setting::Setting;

async fn send(setting: &Setting, path: &str, text: &str) -> Reply {
    let call = setting
        .call(Method::POST, path)
        .header("content-type", "application/json");
    call.body(text.to_owned()).send().await
}

#[tokio::test]
async fn what_is_not_json_has_a_place() {
    let setting = Setting::new().await;
    expect![[r#"
        400 HW-A001 the body is not JSON: expected `,` or `}`
        help: correct the text there
        - 3:1: expected `,` or `}`"#]]
    .assert_eq(
        &send(&setting, "/api/v1/jobs", "{\n  \"kind\": \"work\"\n\"params\": {}}")
            .await
            .fault(),
    );
    expect![[r#"
        400 HW-A001 the body is not JSON: EOF while parsing a value
        help: correct the text there
        - 1:1: EOF while parsing a value"#]]
    .assert_eq(&send(&setting, "/api/v1/jobs", "").await.fault());
    let deep = "[".repeat(100_000);
    assert_eq!(send(&setting, "/api/v1/jobs", &deep).await.problem().code, "HW-A001");
    let call = setting
        .call(Method::POST, "/api/v1/jobs")
        .header("content-type", "application/json");
    assert_eq!(call.body(vec![b'"', 0xff, b'"']).send().await.problem().code, "HW-A001");
}

#[tokio::test]
async fn every_member_that_is_wrong_is_told() {
    let setting = Setting::new().await;
    let body = json!({"kind": 3, "parms": {}, "priority": "high", "tags": ["a", 1], "a/b~c": 1});
    expect![[r#"
        422 HW-A002 the body has 6 fault(s)
        help: did you mean `params`?
        - /parms: unknown member `parms` (did you mean `params`?)
        - /a~1b~0c: unknown member `a/b~c` (known members are `kind`, `params`, `priority`, `timeout`, `not_before`, `deadline`, `tags`, `parent`)
        - /kind: `kind` must be a text, found `3` (give a text)
        - /priority: `priority` must be a whole number from -2147483648 to 2147483647, found `"high"` (give a whole number from -2147483648 to 2147483647)
        - /tags: `tags` must be a list of texts, found `["a",1]` (give a list of texts)
        - /params: `params` is missing (add the member `params`)"#]]
    .assert_eq(&setting.post("/api/v1/jobs", body).await.fault());
    expect![[r#"
        422 HW-A002 the body has 1 fault(s)
        help: known members are `sql`, `params`, `format_options`, `settings`
        - : the body must be an object (known members are `sql`, `params`, `format_options`, `settings`)"#]]
    .assert_eq(&setting.post("/api/v1/sql", json!([1])).await.fault());
    let large = json!({"kind": "work", "params": {}, "priority": 1_u64 << 40});
    expect![[r#"
        422 HW-A002 the body has 1 fault(s)
        help: give a whole number from -2147483648 to 2147483647
        - /priority: `priority` must be a whole number from -2147483648 to 2147483647, found `1099511627776` (give a whole number from -2147483648 to 2147483647)"#]]
    .assert_eq(&setting.post("/api/v1/jobs", large).await.fault());
    let least = json!({"kind": "work", "params": {}, "priority": i32::MIN});
    assert_eq!(setting.post("/api/v1/jobs", least).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn values_of_members_have_their_rules() {
    let setting = Setting::new().await;
    let with = async |member: &str, value| {
        let mut body = json!({"kind": "work", "params": {}});
        body[member] = value;
        setting.post("/api/v1/jobs", body).await.fault()
    };
    expect![[r#"
        422 HW-A002 the body has 1 fault(s)
        help: write for instance "60s"
        - /timeout: `timeout` needs a unit (write for instance "60s")"#]]
    .assert_eq(&with("timeout", json!("60")).await);
    expect![[r#"
        422 HW-A002 the body has 1 fault(s)
        help: give the whole id of a job
        - /parent: `x` is not the id of a job (a UUID) (give the whole id of a job)"#]]
    .assert_eq(&with("parent", json!("x")).await);
    expect![[r#"
        422 HW-A002 the body has 1 fault(s)
        help: give the whole id of a job that is there, or leave it out
        - /parent: there is no job `018bcfe5-6800-7000-8000-000000000077` (give the whole id of a job that is there, or leave it out)"#]]
    .assert_eq(&with("parent", json!("018bcfe5-6800-7000-8000-000000000077")).await);
    expect![[r#"
        422 HW-A002 the body has 1 fault(s)
        help: give fewer or shorter tags
        - /tags: `tags` holds at most 32 texts of 1 to 255 bytes (give fewer or shorter tags)"#]]
    .assert_eq(&with("tags", json!(["x".repeat(256)])).await);
    expect![[r#"
        422 HW-A018 there is no job kind `wrok`
        help: did you mean `work`?"#]]
    .assert_eq(&with("kind", json!("wrok")).await);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let setting = Setting::with(&[("http.body_limit", "1KiB")]).await;
    let large = json!({"kind": "work", "params": {"x": "y".repeat(2000)}}).to_string();
    expect![[r#"
        413 HW-A006 the body has more than 1024 bytes
        help: send less, or raise the setting `http.body_limit`"#]]
    .assert_eq(&send(&setting, "/api/v1/jobs", &large).await.fault());
    let chunks = futures::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>("x".repeat(100))));
    let call = setting
        .call(Method::POST, "/api/v1/jobs")
        .header("content-type", "application/json");
    let endless = call.body(axum::body::Body::from_stream(chunks)).send().await;
    assert_eq!(endless.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn only_json_is_taken() {
    let setting = Setting::new().await;
    let with = async |media_type: &str| {
        let call = setting
            .call(Method::POST, "/api/v1/jobs")
            .header("content-type", media_type);
        call.body(r#"{"kind": "work", "params": {}}"#).send().await
    };
    assert_eq!(
        with("application/json; charset=utf-8").await.status,
        StatusCode::ACCEPTED
    );
    assert_eq!(with("application/vnd.x+json").await.status, StatusCode::ACCEPTED);
    expect![[r#"
        415 HW-A007 the body has the media type `text/plain`, this route takes JSON
        help: send the header `Content-Type: application/json`"#]]
    .assert_eq(&with("text/plain").await.fault());
    assert_eq!(
        with("application/x-www-form-urlencoded").await.problem().code,
        "HW-A007"
    );
    let none = setting
        .call(Method::POST, "/api/v1/jobs")
        .body(r#"{"kind": "work", "params": {}}"#);
    assert_eq!(none.send().await.status, StatusCode::ACCEPTED);
}
