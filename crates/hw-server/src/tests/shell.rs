//! What surrounds every route.

use expect_test::expect;
use http::{Method, StatusCode};

use super::client::TCP;
use super::setting::Setting;

#[tokio::test]
async fn every_answer_tells_version_and_request() {
    let setting = Setting::new().await;
    for path in ["/api/v1/server", "/nothing/here", "/health/live"] {
        let reply = setting.get(path).await;
        assert_eq!(reply.header("headwater-version"), env!("CARGO_PKG_VERSION"), "{path}");
        assert_eq!(reply.header("headwater-request").len(), 16, "{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
    }
    let one = setting.get("/health/live").await;
    let other = setting.get("/health/live").await;
    assert_ne!(one.header("headwater-request"), other.header("headwater-request"));
}

#[tokio::test]
async fn unknown_routes_propose_a_near_one() {
    let setting = Setting::new().await;
    expect![[r#"
        404 HW-A004 there is nothing at `/api/v1/tabels`
        help: did you mean `/api/v1/tables`?"#]]
    .assert_eq(&setting.get("/api/v1/tabels").await.fault());
    expect![[r#"
        404 HW-A004 there is nothing at `/jobs/0123abcd/result`
        help: did you mean `/api/v1/jobs/0123abcd/result`?"#]]
    .assert_eq(&setting.get("/jobs/0123abcd/result").await.fault());
    expect![[r#"
        404 HW-A004 there is nothing at `/api/v1/jobs/`
        help: did you mean `/api/v1/jobs`?"#]]
    .assert_eq(&setting.get("/api/v1/jobs/").await.fault());
    expect![[r#"
        404 HW-A004 there is nothing at `/wp-login.php`
        help: the routes are listed in /api/v1/openapi.json"#]]
    .assert_eq(&setting.get("/wp-login.php").await.fault());
}

#[tokio::test]
async fn problems_name_the_request_they_belong_to() {
    let setting = Setting::new().await;
    let problem = setting.get("/api/v1/tables/none").await.problem();
    assert_eq!(problem.instance.as_deref(), Some("/api/v1/tables/none"));
    assert_eq!(problem.problem_type, "urn:headwater:error:HW-A015");
}

#[tokio::test]
async fn wrong_methods_are_told_which_there_are() {
    let setting = Setting::new().await;
    let reply = setting.call(Method::PUT, "/api/v1/tokens").send().await;
    expect![[r#"
        405 HW-A005 `/api/v1/tokens` does not answer to PUT
        help: the header `Allow` lists the methods that it answers to"#]]
    .assert_eq(&reply.fault());
    assert_eq!(reply.header("allow"), "GET,HEAD,POST");
}

#[tokio::test]
async fn options_are_answered_without_leave_for_other_sites() {
    let setting = Setting::new().await;
    let reply = setting
        .call(Method::OPTIONS, "/api/v1/jobs")
        .over(TCP)
        .header("access-control-request-method", "POST")
        .send()
        .await;
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(reply.header("allow"), "POST,GET,HEAD");
    assert!(
        reply
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}

#[tokio::test]
async fn head_gives_the_head_alone() {
    let setting = Setting::new().await;
    let reply = setting.call(Method::HEAD, "/api/v1/server").send().await;
    assert_eq!((reply.status, reply.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn every_parameter_that_is_wrong_is_told() {
    let setting = Setting::new().await;
    expect![[r#"
        422 HW-A003 the parameters of the request have 4 fault(s)
        help: did you mean `limit`?
        - unknown parameter `limt` (did you mean `limit`?)
        - `state` has no value `runing` (did you mean `running`?)
        - `table`: a table name must not be empty (give the name of a table)
        - `limit` must be a number from 1 to 1000, found `0` (leave it out for 100 items)"#]]
    .assert_eq(
        &setting
            .get("/api/v1/jobs?limt=3&state=runing,failed&table=&limit=0")
            .await
            .fault(),
    );
    expect![[r#"
        422 HW-A003 the parameters of the request have 1 fault(s)
        help: known are host, label, draining, all, limit, page
        - unknown parameter `x` (known are host, label, draining, all, limit, page)"#]]
    .assert_eq(&setting.get("/api/v1/workers?limit=5&x").await.fault());
    expect![[r#"
        422 HW-A003 the parameters of the request have 1 fault(s)
        help: write names percent-encoded in UTF-8
        - the path cannot be read: Invalid URL: Invalid UTF-8 in `name` (write names percent-encoded in UTF-8)"#]]
    .assert_eq(&setting.get("/api/v1/tables/%ff").await.fault());
}

#[tokio::test]
async fn a_busy_server_sends_further_requests_away() {
    let setting = Setting::with(&[("http.requests_max", "1")]).await;
    let first = setting.call(Method::GET, "/api/v1/server").start().await;
    let second = setting.get("/api/v1/server").await;
    expect![[r#"
        503 HW-A009 1 requests are under way, no more are accepted
        help: try again, or raise the setting `http.requests_max`"#]]
    .assert_eq(&second.fault());
    assert_eq!(second.header("retry-after"), "1");
    assert_eq!(setting.get("/health/ready").await.status, StatusCode::OK);
    assert_eq!(setting.get("/metrics").await.status, StatusCode::OK);
    drop(first);
    assert_eq!(setting.get("/api/v1/server").await.status, StatusCode::OK);
}
