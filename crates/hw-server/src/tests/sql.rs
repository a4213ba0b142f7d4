//! SQL: formats, faults, files, streams.

use expect_test::expect;
use futures::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use super::client::{Call, Reply, TCP};
use super::setting::Setting;
use crate::auth::Transport;

const FLIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/flights");

fn sql<'a>(setting: &'a Setting, accept: &str, body: Value) -> Call<'a> {
    setting
        .call(Method::POST, "/api/v1/sql")
        .header("accept", accept)
        .json(&body)
}

async fn rows(setting: &Setting, accept: &str, statement: &str) -> Reply {
    sql(setting, accept, json!({"sql": statement})).send().await
}

const TWO_ROWS: &str = "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(n, s) ORDER BY n";

#[tokio::test]
async fn rows_come_in_the_form_that_the_client_accepts() {
    let setting = Setting::new().await;
    let json_rows = rows(&setting, "*/*", TWO_ROWS).await;
    assert_eq!(json_rows.json(), json!([{"n": 1, "s": "a"}, {"n": 2, "s": null}]));
    assert_eq!(json_rows.header("content-type"), "application/json");
    let columns: Value = serde_json::from_str(json_rows.header("headwater-columns")).unwrap();
    assert_eq!(columns[0], json!({"name": "n", "type": "Int64"}));
    let lines = rows(&setting, "application/jsonl", TWO_ROWS).await;
    assert_eq!(lines.text, "{\"n\":1,\"s\":\"a\"}\n{\"n\":2,\"s\":null}\n");
    let csv = rows(&setting, "text/csv, application/json;q=0.5", TWO_ROWS).await;
    assert_eq!(csv.text, "n,s\r\n1,a\r\n2,\r\n");
    let arrow = sql(
        &setting,
        "application/vnd.apache.arrow.stream",
        json!({"sql": TWO_ROWS}),
    )
    .start()
    .await;
    assert_eq!(arrow.headers()["content-type"], "application/vnd.apache.arrow.stream");
    expect![[r#"
        406 HW-A008 none of the accepted media types can be given: `image/png`
        help: there is application/json, application/jsonl, text/csv, application/vnd.apache.arrow.stream and application/vnd.apache.parquet"#]]
    .assert_eq(&rows(&setting, "image/png", TWO_ROWS).await.fault());
}

#[tokio::test]
async fn parameters_are_values() {
    let setting = Setting::new().await;
    let body = json!({"sql": "SELECT $1 AS a, $2 AS b", "params": ["'; DROP TABLE x; --", 7]});
    let reply = sql(&setting, "application/json", body).send().await;
    assert_eq!(reply.json(), json!([{"a": "'; DROP TABLE x; --", "b": 7}]));
    let options = json!({"sql": "SELECT 1", "format_options": {"x/y": 1}});
    expect![[r#"
        422 HW-A002 the body has 1 fault(s)
        help: leave it out; there are none yet
        - /format_options/x~1y: unknown format option `x/y` (leave it out; there are none yet)"#]]
    .assert_eq(&sql(&setting, "*/*", options).send().await.fault());
}

#[tokio::test]
async fn faults_of_a_statement_have_a_status_and_a_place() {
    let setting = Setting::new().await;
    let reply = rows(&setting, "application/json", "SELECT nothing FROM (VALUES (1)) AS t(n)").await;
    let problem = reply.problem();
    assert_eq!((reply.status.as_u16(), problem.code.as_str()), (422, "HW-Q007"));
    assert_eq!((problem.errors[0].line, problem.errors[0].column), (Some(1), Some(8)));
    assert_eq!(problem.class.as_deref(), Some("input"));
}

#[tokio::test]
async fn what_goes_wrong_before_the_first_row_has_a_status_in_every_form() {
    let setting = Setting::new().await;
    let statement = "SELECT 1 / (n - 1) AS x FROM (VALUES (1)) AS t(n)";
    for accept in [
        "application/json",
        "application/jsonl",
        "text/csv",
        "application/vnd.apache.arrow.stream",
    ] {
        let reply = rows(&setting, accept, statement).await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem().code.as_str()),
            (422, "HW-Q016"),
            "{accept}"
        );
    }
}

/// The first batches come through, a later one divides by zero.
const BREAKS_LATER: &str = "SELECT 100 / (50000 - value) AS x FROM generate_series(1, 100000)";

#[tokio::test]
async fn what_goes_wrong_after_the_first_row_ends_the_answer_visibly() {
    let setting = Setting::new().await;
    let lines = rows(&setting, "application/jsonl", BREAKS_LATER).await;
    assert_eq!(lines.status, 200);
    let last: Value = serde_json::from_str(lines.text.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["code"], "HW-Q016");
    for accept in ["application/json", "text/csv", "application/vnd.apache.arrow.stream"] {
        let response = sql(&setting, accept, json!({"sql": BREAKS_LATER})).start().await;
        assert_eq!(response.status(), 200, "{accept}");
        let chunks: Vec<_> = response.into_body().into_data_stream().collect().await;
        assert!(chunks.first().unwrap().is_ok(), "{accept}");
        assert!(chunks.last().unwrap().is_err(), "{accept}");
    }
}

#[tokio::test]
async fn rows_are_not_made_before_they_are_taken() {
    let setting = Setting::new().await;
    let statement =
        "SELECT a.value, b.value AS other FROM generate_series(1, 1000000) a, generate_series(1, 1000000) b";
    let response = sql(&setting, "application/jsonl", json!({"sql": statement}))
        .start()
        .await;
    let mut body = response.into_body().into_data_stream();
    for _ in 0..3 {
        body.next().await.unwrap().unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let reserved = setting.state.parts().engine.memory().reserved;
    assert!(reserved < 32 << 20, "{reserved}");
    drop(body);
    for _ in 0..200 {
        if setting.state.requests.available_permits() == 512 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the statement goes on without its reader");
}

#[tokio::test]
async fn files_are_found_from_the_clients_folder_on_the_socket_only() {
    let setting = Setting::new().await;
    let count = |transport, statement: &str| {
        let body = json!({"sql": statement});
        sql(&setting, "application/json", body)
            .over(transport)
            .header("headwater-folder", FLIGHTS)
            .send()
    };
    let relative = "SELECT count(*) AS n FROM 'part-*.parquet'";
    assert_eq!(count(Transport::Unix, relative).await.ok(), json!([{"n": 334_264}]));
    assert_eq!(count(TCP, relative).await.status, 422);
    let absolute = format!("SELECT count(*) AS n FROM '{FLIGHTS}/part-0.parquet'");
    assert_eq!(
        count(Transport::InProcess, &absolute).await.ok(),
        json!([{"n": 86_575}])
    );
    let refused = count(TCP, &absolute).await;
    assert_eq!(refused.problem().code, "HW-Q013", "{}", refused.text);
    let allowed = Setting::with(&[("files.allow", FLIGHTS)]).await;
    let reply = sql(&allowed, "application/json", json!({"sql": absolute}))
        .over(TCP)
        .send()
        .await;
    assert_eq!(reply.ok(), json!([{"n": 86_575}]));
}

#[tokio::test]
async fn plans_are_told() {
    let setting = Setting::new().await;
    let plain = setting.post("/api/v1/sql/explain", json!({"sql": TWO_ROWS})).await.ok();
    assert!(plain["text"].as_str().unwrap().contains("Sort"), "{plain}");
    let analyzed = setting
        .post("/api/v1/sql/explain", json!({"sql": TWO_ROWS, "analyze": true}))
        .await
        .ok();
    assert!(!analyzed["plan"].is_null(), "{analyzed}");
    let fault = setting.post("/api/v1/sql/explain", json!({"sql": "SELEC 1"})).await;
    assert_eq!(fault.problem().code, "HW-Q001");
}

#[tokio::test]
async fn settings_hold_for_their_statement() {
    let setting = Setting::new().await;
    let shown = async |settings: Value| {
        let body = json!({"sql": "SHOW datafusion.execution.time_zone", "settings": settings});
        setting.post("/api/v1/sql", body).await.ok()[0]["value"].clone()
    };
    assert_eq!(
        shown(json!({"datafusion.execution.time_zone": "Europe/Vienna"})).await,
        "Europe/Vienna"
    );
    assert_ne!(shown(json!({})).await, "Europe/Vienna");
    let body = json!({"sql": "SELECT 1 AS one", "settings": {"datafusion.explain.format": "tree", "datafusion.execution.batch_size": "7"}});
    assert_eq!(setting.post("/api/v1/sql", body).await.ok(), json!([{"one": 1}]));
    let body = json!({"sql": "SELECT 1", "settings": {"datafusion.explain.show_schema": "true"}});
    setting.post("/api/v1/sql/explain", body).await.ok();
}

#[tokio::test]
async fn every_setting_that_is_wrong_is_told() {
    let setting = Setting::new().await;
    let settings = json!({
        "datafusion.execution.batch_size": "0",
        "datafusion.execution.time_zon": "UTC",
        "datafusion.runtime.memory_limit": "1T",
        "x = 1; DROP TABLE y --": "1",
        "datafusion.execution.target_partitions": "many'; SELECT 1",
    });
    for path in ["/api/v1/sql", "/api/v1/sql/explain"] {
        let reply = setting
            .post(path, json!({"sql": "SELECT 1", "settings": settings}))
            .await;
        expect![[r#"
            422 HW-A002 the body has 5 fault(s)
            help: `SHOW ALL` lists the names of options
            - /settings/datafusion.execution.batch_size: `datafusion.execution.batch_size` does not take this value: value must be greater than 0 (`SHOW ALL` lists the names of options)
            - /settings/datafusion.execution.target_partitions: `datafusion.execution.target_partitions` does not take this value: invalid digit found in string (`SHOW ALL` lists the names of options)
            - /settings/datafusion.execution.time_zon: `datafusion.execution.time_zon` is no option that a session may set (did you mean `datafusion.execution.time_zone`?)
            - /settings/datafusion.runtime.memory_limit: `datafusion.runtime.memory_limit` is no option that a session may set (a session may set datafusion.execution.batch_size, datafusion.execution.target_partitions, datafusion.execution.time_zone, datafusion.explain.analyze_level, datafusion.explain.format, datafusion.explain.logical_plan_only, datafusion.explain.physical_plan_only, datafusion.explain.show_schema, datafusion.explain.show_sizes, datafusion.explain.show_statistics, datafusion.explain.tree_maximum_render_width, datafusion.optimizer.prefer_hash_join, datafusion.optimizer.repartition_aggregations, datafusion.optimizer.repartition_joins, datafusion.optimizer.repartition_sorts, datafusion.optimizer.repartition_windows, datafusion.sql_parser.default_null_ordering, datafusion.sql_parser.parse_float_as_decimal)
            - /settings/x = 1; DROP TABLE y --: `x = 1; DROP TABLE y --` is no option that a session may set (`SHOW ALL` lists the names of options)"#]].assert_eq(&reply.fault());
    }
    let many: serde_json::Map<String, Value> = (0..65).map(|number| (format!("a{number}"), json!("1"))).collect();
    let reply = setting
        .post("/api/v1/sql", json!({"sql": "SELECT 1", "settings": many}))
        .await;
    assert_eq!(reply.problem().errors.len(), 1);
    let reply = setting
        .post("/api/v1/sql", json!({"sql": "SELECT 1", "settings": {"a": 1}}))
        .await;
    assert_eq!(reply.problem().status, 422);
}
