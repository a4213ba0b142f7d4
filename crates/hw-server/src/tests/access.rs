//! Who may do what: names, origins, tokens, roles, folders.

use expect_test::expect;
use http::{Method, StatusCode};
use serde_json::json;

use super::client::{Reply, TCP, TCP_WITH_TOKEN};
use super::setting::Setting;
use crate::auth::Transport;

async fn under(setting: &Setting, host: &str, origin: Option<&str>) -> Reply {
    let mut call = setting.call(Method::GET, "/api/v1/server").header("host", host);
    if let Some(origin) = origin {
        call = call.header("origin", origin);
    }
    call.under_its_own_name().send().await
}

#[tokio::test]
async fn foreign_names_and_pages_are_refused_over_tcp() {
    let setting = Setting::with(&[("http.hosts", "data.example")]).await;
    assert_eq!(under(&setting, "127.0.0.1:7080", None).await.status, StatusCode::OK);
    assert_eq!(
        under(&setting, "data.example", Some("https://data.example"))
            .await
            .status,
        StatusCode::OK
    );
    expect![[r#"
        403 HW-A019 the server does not answer under the name `evil.example`
        help: add the name to the setting `http.hosts`"#]]
    .assert_eq(&under(&setting, "evil.example", None).await.fault());
    let reply = under(&setting, "127.0.0.1:7080", Some("http://evil.example")).await;
    expect![[r#"
        403 HW-A020 requests of pages from `http://evil.example` are refused
        help: pages of other sites cannot use this server"#]]
    .assert_eq(&reply.fault());
    assert!(
        reply
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}

#[tokio::test]
async fn foreign_pages_are_refused_on_every_path() {
    let setting = Setting::new().await;
    for path in ["/health/live", "/metrics", "/nothing", "/api/v1/events"] {
        let call = setting.call(Method::GET, path).over(TCP).header("origin", "null");
        assert_eq!(call.send().await.problem().code, "HW-A020", "{path}");
    }
}

#[tokio::test]
async fn the_socket_and_this_process_need_neither_name_nor_token() {
    let setting = Setting::new().await;
    for transport in [Transport::Unix, Transport::InProcess] {
        let call = setting
            .call(Method::GET, "/api/v1/tokens")
            .over(transport)
            .header("host", "evil.example");
        assert_eq!(call.send().await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_of_unknown_origin_needs_a_token() {
    let setting = Setting::new().await;
    let reply = setting
        .call(Method::GET, "/api/v1/server")
        .over(TCP_WITH_TOKEN)
        .send()
        .await;
    assert_eq!(reply.problem().code, "HW-A021");
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    let live = setting
        .call(Method::GET, "/health/live")
        .over(TCP_WITH_TOKEN)
        .send()
        .await;
    assert_eq!(live.status, StatusCode::OK);
}

async fn token(setting: &Setting, role: &str) -> String {
    let created = setting.post("/api/v1/tokens", json!({"role": role})).await.ok();
    created["token"].as_str().unwrap().to_owned()
}

async fn with_token(setting: &Setting, method: Method, path: &str, token: &str) -> Reply {
    let call = setting
        .call(method, path)
        .over(TCP_WITH_TOKEN)
        .header("authorization", &format!("Bearer {token}"));
    call.json(&json!({"kind": "work", "params": {}})).send().await
}

#[tokio::test]
async fn roles_allow_what_they_say() {
    let setting = Setting::new().await;
    let read = token(&setting, "read").await;
    let write = token(&setting, "write").await;
    let admin = token(&setting, "admin").await;
    let status = async |method, path, token: &str| with_token(&setting, method, path, token).await.status.as_u16();
    assert_eq!(status(Method::GET, "/api/v1/jobs", &read).await, 200);
    assert_eq!(status(Method::POST, "/api/v1/jobs", &read).await, 403);
    assert_eq!(status(Method::POST, "/api/v1/jobs", &write).await, 202);
    assert_eq!(status(Method::POST, "/api/v1/tables", &write).await, 403);
    assert_eq!(status(Method::GET, "/api/v1/tokens", &write).await, 403);
    assert_eq!(status(Method::GET, "/api/v1/tokens", &admin).await, 200);
    expect![[r#"
        403 HW-A023 the token's role `read` is not enough, `admin` is needed
        help: use a token with the role `admin`"#]]
    .assert_eq(&with_token(&setting, Method::GET, "/api/v1/config", &read).await.fault());
}

#[tokio::test]
async fn registrations_and_exports_need_their_role_through_every_door() {
    let setting = Setting::new().await;
    let write = token(&setting, "write").await;
    let read = token(&setting, "read").await;
    let post = async |path, token: &str, body| {
        let call = setting.call(Method::POST, path).over(TCP_WITH_TOKEN);
        call.header("authorization", &format!("Bearer {token}"))
            .json(&body)
            .send()
            .await
    };
    let register = json!({"kind": "register", "params": {"name": "t", "path": "/tmp"}});
    assert_eq!(post("/api/v1/jobs", &write, register).await.problem().code, "HW-A023");
    let plain = json!({"table": "t", "query": {}});
    assert_eq!(
        post("/api/v1/funnels/run", &read, plain).await.status,
        StatusCode::ACCEPTED
    );
    let export = json!({"table": "t", "query": {}, "export": {"table": "x"}});
    assert_eq!(
        post("/api/v1/funnels/run", &read, export).await.problem().code,
        "HW-A023"
    );
}

#[tokio::test]
async fn tokens_that_are_not_known_or_over_are_refused_even_where_none_is_needed() {
    let setting = Setting::new().await;
    let call = |value: &'static str| {
        setting
            .call(Method::GET, "/api/v1/server")
            .over(TCP)
            .header("authorization", value)
    };
    for value in ["Bearer nonsense", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer", "\u{e9}"] {
        assert_eq!(call(value).send().await.problem().code, "HW-A022", "{value}");
    }
    let created = setting
        .post("/api/v1/tokens", json!({"role": "read", "expires": "1us"}))
        .await
        .ok();
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    let reply = with_token(
        &setting,
        Method::GET,
        "/api/v1/server",
        created["token"].as_str().unwrap(),
    )
    .await;
    assert_eq!(reply.problem().code, "HW-A022");
}

#[tokio::test]
async fn the_data_folders_token_opens_everything() {
    let setting = Setting::new().await;
    setting.state.set_own_token("hw_own".to_owned());
    assert_eq!(
        with_token(&setting, Method::GET, "/api/v1/tokens", "hw_own")
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(
        with_token(&setting, Method::GET, "/api/v1/tokens", "hw_owm")
            .await
            .problem()
            .code,
        "HW-A022"
    );
}

#[tokio::test]
async fn clients_over_the_network_register_only_allowed_folders() {
    let setting = Setting::with(&[("files.allow", "/srv/data, s3://bucket/allowed")]).await;
    let register = async |path: &str, transport| {
        let body = json!({"name": "t", "path": path});
        setting
            .call(Method::POST, "/api/v1/tables")
            .over(transport)
            .json(&body)
            .send()
            .await
    };
    assert_eq!(register("/srv/data/flights", TCP).await.status, StatusCode::ACCEPTED);
    assert_eq!(
        register("s3://bucket/allowed/x", TCP).await.status,
        StatusCode::ACCEPTED
    );
    for path in [
        "/etc",
        "/srv/database",
        "/srv/data/../secret",
        "s3://bucket/other",
        "http://169.254.169.254/latest",
    ] {
        let reply = register(path, TCP).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}: {}", reply.text);
    }
    assert_eq!(register("data", TCP).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(register("/etc", Transport::Unix).await.status, StatusCode::ACCEPTED);
    let token = setting.state.parts().folder.token().display().to_string();
    assert_eq!(register(&token, TCP).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn funnels_over_the_network_read_and_write_only_allowed_files() {
    let setting = Setting::with(&[("files.allow", "/srv/data")]).await;
    let run = async |body| {
        setting
            .call(Method::POST, "/api/v1/funnels/run")
            .over(TCP)
            .json(&body)
            .send()
            .await
            .status
    };
    let files = |table: &str| json!({"table": table, "query": {}, "group": "g", "time": "t"});
    assert_eq!(run(files("/srv/data/*.parquet")).await, StatusCode::ACCEPTED);
    assert_eq!(run(files("/etc/*.parquet")).await, StatusCode::FORBIDDEN);
    assert_eq!(run(files("plain_name")).await, StatusCode::ACCEPTED);
    let export = |file: &str| json!({"table": "t", "query": {}, "export": {"file": file}});
    assert_eq!(run(export("/srv/data/out.parquet")).await, StatusCode::ACCEPTED);
    assert_eq!(run(export("/etc/cron.d/x")).await, StatusCode::FORBIDDEN);
}
