//! Funnel Rocket's routes.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use hw_store::Role;
use serde_json::{Value, json};

use super::client::{Reply, TCP, TCP_WITH_TOKEN};
use super::setting::Setting;
use crate::auth::Transport;
use crate::metrics::{CollectOptions, RunOptions, collect};

const EMPTY: &str = "/datasets/events/empty-query";

async fn registered(settings: &[(&str, &str)]) -> Setting {
    let setting = Setting::with(settings).await;
    register(&setting, "events").await.ok();
    setting
}

async fn register(setting: &Setting, name: &str) -> Reply {
    let body = json!({"name": name, "basepath": "/data", "groupIdColumn": "user", "timestampColumn": "at"});
    setting.post("/datasets/register", body).await
}

async fn query(setting: &Setting, query: Value) -> Reply {
    setting.post("/datasets/events/query", query).await
}

/// Status, kind and message of a failure.
#[track_caller]
fn failure(reply: &Reply) -> (u16, String, String) {
    let document = reply.json();
    assert_eq!(document["success"], false, "{document}");
    assert!(!document["errors"].as_array().unwrap().is_empty(), "{document}");
    let text = |name: &str| document[name].as_str().unwrap().to_owned();
    (reply.status.as_u16(), text("errorKind"), text("errorMessage"))
}

#[track_caller]
fn check_failure(reply: &Reply, status: u16, kind: &str, message: &str) {
    assert_eq!(failure(reply), (status, kind.to_owned(), message.to_owned()));
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_dataset_is_registered_shown_and_unregistered() {
    let setting = registered(&[]).await;
    let listed = setting.get("/datasets").await.ok();
    let mut info = listed[0].clone();
    let registered_at = info["id"].as_object_mut().unwrap().remove("registeredAt").unwrap();
    assert!(registered_at.as_str().unwrap().ends_with("+00:00"), "{registered_at}");
    assert_eq!(
        info,
        json!({"basepath": "/data/", "totalParts": 3, "id": {"name": "events"}, "groupIdColumn": "user", "timestampColumn": "at"})
    );
    let short = setting.get("/datasets/events/schema").await.ok();
    assert_eq!(
        short,
        json!({"columns": {"user": "INT", "at": "TIMESTAMP", "event": "STRING"}, "minTimestamp": 0, "maxTimestamp": 1500,
            "sourceCategoricals": [], "potentialCategoricals": ["event"]})
    );
    let full = setting.get("/datasets/events/schema?full=TRUE&nobody=knows").await.ok();
    assert_eq!(full["columns"]["event"]["colattrs"]["catTopValues"]["view"], 0.75);
    assert!(!full.to_string().contains("null"), "{full}");
    let parts = setting.get("/datasets/events/parts").await.ok();
    assert_eq!(
        (&parts["namingMethod"], &parts["totalParts"], &parts["totalSize"]),
        (&json!("LIST"), &json!(3), &json!(60))
    );
    let gone = setting.post("/datasets/events/unregister", json!({})).await.ok();
    assert_eq!(gone, json!({"success": true, "datasetFound": true}));
    let gone = setting
        .post("/datasets/events/unregister?force=true", json!({}))
        .await
        .ok();
    assert_eq!(gone, json!({"success": true, "datasetFound": false}));
    assert_eq!(setting.get("/datasets").await.ok(), json!([]));
}

#[tokio::test]
async fn every_fault_of_a_registration_is_told() {
    let setting = Setting::new().await;
    let reply = setting
        .post(
            "/datasets/register",
            json!({"name": "events", "basepath": "/data", "patern": "x"}),
        )
        .await;
    let document = reply.json();
    let messages: Vec<&str> = document["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["message"].as_str().unwrap())
        .collect();
    assert_eq!(reply.status, 422);
    assert_eq!(
        messages,
        [
            "`groupIdColumn` is missing",
            "`timestampColumn` is missing",
            "unknown member `patern`"
        ]
    );
    assert_eq!(document["errorMessage"], messages.join("; "));
    let pointers = [0, 1].map(|error| document["errors"][error]["pointer"].as_str().unwrap());
    assert_eq!(pointers, ["/groupIdColumn", "/timestampColumn"]);
    assert_eq!(setting.get("/datasets").await.ok(), json!([]));
}

#[tokio::test]
async fn names_are_whole_whatever_they_hold() {
    let setting = Setting::new().await;
    for (name, encoded) in [
        ("a.b", "a.b"),
        ("my events/2024*", "my%20events%2F2024*"),
        ("x.parquet", "x.parquet"),
    ] {
        register(&setting, name).await.ok();
        let listed = setting.get("/datasets").await.ok();
        assert_eq!(listed[0]["id"]["name"], name);
        setting.get(&format!("/datasets/{encoded}/schema")).await.ok();
        let result = setting
            .get(&format!("/datasets/{encoded}/empty-query?cache=false"))
            .await
            .ok();
        assert_eq!(result["asked"]["table"], format!("\"main\".\"{name}\""));
    }
    // A table of another schema goes by our own name.
    let body = json!({"name": "shop.events", "path": "/data"});
    setting.post("/api/v1/tables?wait=10s", body).await.ok();
    let result = setting.get("/datasets/shop.events/empty-query?cache=false").await.ok();
    assert_eq!(result["asked"]["table"], r#""shop"."events""#);
}

#[tokio::test]
async fn a_query_is_answered_with_its_result_document() {
    let setting = registered(&[]).await;
    let result = query(&setting, json!({"a": 1})).await.ok();
    assert_eq!(result["asked"]["query"], json!({"a": 1}));
    let again = query(&setting, json!({"a": 1})).await.ok();
    assert_eq!(again["by"], result["by"], "a finished identical query answers");
    let fresh = setting
        .post("/datasets/events/query?cache=false", json!({"a": 1}))
        .await
        .ok();
    assert_ne!(fresh["by"], result["by"]);
    assert_eq!(setting.get(EMPTY).await.ok()["asked"]["query"], json!({}));
    let checked = setting
        .post(
            "/datasets/events/validate",
            json!({"query": {"conditions": [{"filter": ["nope", "==", 1]}]}}),
        )
        .await
        .ok();
    assert_eq!(
        (&checked["success"], &checked["errorKind"]),
        (&json!(false), &json!("DATASET_MISMATCH"))
    );
}

/// What curl says of `-d '{}'`; a page from elsewhere cannot send it.
#[tokio::test]
async fn a_body_is_json_whatever_its_media_type_says() {
    let setting = registered(&[]).await;
    let send = async |origin: &str| {
        let call = setting
            .call(Method::POST, "/datasets/events/query")
            .over(TCP)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin);
        call.body(r#"{"a": 2}"#).send().await
    };
    let own = send("http://127.0.0.1:7080").await;
    assert_eq!(own.ok()["asked"]["query"], json!({"a": 2}));
    assert_eq!(send("http://evil.example").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn failures_have_apt_statuses_and_funnel_rockets_form() {
    let setting = registered(&[]).await;
    check_failure(
        &setting.get("/datasets/evnets/schema").await,
        404,
        "NOT_FOUND",
        "there is no table `evnets`",
    );
    check_failure(
        &query(&setting, json!({"wrong": 1})).await,
        422,
        "SCHEMA",
        "Query validation failed: ValidationError(SCHEMA: unknown member `wrong`)",
    );
    let reply = setting
        .call(Method::POST, "/datasets/events/query")
        .header("content-type", "application/json")
        .body("{\"query\": ")
        .send()
        .await;
    let (status, kind, _) = failure(&reply);
    assert_eq!((status, kind.as_str()), (400, "INVALID_ARGUMENTS"));
    assert_eq!(reply.json()["errors"][0]["line"], 1);
    let reply = query(&setting, json!({"fail": "user 7 is in two parts"})).await;
    check_failure(&reply, 422, "DATA", "user 7 is in two parts");
    let document = reply.json();
    assert!(document["requestId"].as_str().unwrap().contains('-'), "{document}");
    assert_eq!(document["stats"]["invoker"]["totalTasks"], 0);
    assert!(document.get("query").is_none());
    for (method, path, status, kind) in [
        (Method::GET, "/datasets/events/nothing", 404, "NOT_FOUND"),
        (Method::GET, "/datasets/", 404, "NOT_FOUND"),
        (Method::GET, "/datasets/events/query", 405, "INVALID_ARGUMENTS"),
        (Method::PUT, "/datasets", 405, "INVALID_ARGUMENTS"),
    ] {
        let reply = setting.call(method, path).send().await;
        let (found, found_kind, _) = failure(&reply);
        assert_eq!((found, found_kind.as_str()), (status, kind), "{path}");
    }
    assert_eq!(setting.get("/datasetsandmore").await.problem().status, 404);
}

#[tokio::test]
async fn what_failed_is_counted_as_in_the_list_of_runs() {
    let setting = registered(&[("jobs.timeout", "300ms")]).await;
    setting.add_worker(&[]).await;
    let reply = query(&setting, json!({"tasks": 2})).await;
    assert_eq!(failure(&reply).1, "TIMEOUT");
    let answer = reply.json();
    let request = answer["requestId"].as_str().unwrap();
    let run = setting.get(&format!("/runs/{request}")).await.ok();
    assert_eq!(run["progress"]["tasks"], json!({"ENDED_FAILED": 2}));
    assert_eq!(answer["stats"]["invoker"]["failedTasks"], 2, "{answer}");
}

#[tokio::test]
async fn documents_are_indented_where_the_settings_say_so() {
    let setting = registered(&[("compat.pretty_print", "true")]).await;
    let plain = registered(&[]).await;
    let indented = setting.get("/datasets/events/parts").await;
    assert!(
        indented.text.starts_with("{\n  \"namingMethod\": \"LIST\","),
        "{}",
        indented.text
    );
    assert_eq!(indented.json(), plain.get("/datasets/events/parts").await.ok());
    let nowhere = setting.get("/datasets/events/nothing").await;
    let begin = "{\n  \"success\": false";
    assert!(nowhere.text.starts_with(begin), "{}", nowhere.text);
    let refused = setting.get("/datasets/evnets/schema").await;
    assert!(refused.text.starts_with("{\n  \"success\": false"), "{}", refused.text);
    let streamed = setting
        .post("/datasets/events/query?stream=true", json!({"a": 1}))
        .await;
    assert_eq!(streamed.lines().len(), streamed.text.lines().count());
    assert!(!setting.get("/api/v1/tables").await.text.contains('\n'));
}

#[tokio::test]
async fn a_run_that_is_answered_from_the_cache_bears_its_label() {
    let setting = registered(&[]).await;
    let first = query(&setting, json!({"a": 1})).await.ok();
    let path = "/datasets/events/query?tag=zzz";
    let again = setting.post(path, json!({"a": 1})).await.ok();
    assert_eq!(again["by"], first["by"]);
    let runs = setting.get("/runs?tag=zzz").await.ok();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 1, "{runs}");
    assert_eq!(runs["runs"][0]["tags"], json!(["zzz"]));
}

#[tokio::test]
async fn all_failures_have_status_500_where_the_settings_say_so() {
    let setting = registered(&[("compat.funnel_rocket_status", "true")]).await;
    for (reply, text) in [
        (
            setting.get("/datasets/nowhere/schema").await,
            "Error: there is no table `nowhere`",
        ),
        (
            query(&setting, json!({"wrong": 1})).await,
            "Error: Query validation failed: ValidationError(SCHEMA: unknown member `wrong`)",
        ),
        (
            setting.post("/datasets/register", json!({"name": "x"})).await,
            "Error: `groupIdColumn` is missing; `timestampColumn` is missing",
        ),
        (
            setting.get("/datasets/events/nothing").await,
            "Error: there is nothing at `/datasets/events/nothing`",
        ),
    ] {
        assert_eq!((reply.status.as_u16(), reply.text.as_str()), (500, text));
        assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    }
    let reply = query(&setting, json!({"fail": "bad data"})).await;
    check_failure(&reply, 500, "DATA", "bad data");
    assert_eq!(setting.get("/api/v1/tables/nowhere").await.status, 404);
}

#[tokio::test]
async fn faults_of_ours_are_not_told_where_the_settings_say_so() {
    let told = registered(&[]).await;
    check_failure(
        &query(&told, json!({"fail": "inside"})).await,
        500,
        "UNEXPECTED",
        "a secret of the program",
    );
    let setting = registered(&[("compat.error_details", "false")]).await;
    let reply = query(&setting, json!({"fail": "inside"})).await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.json()["errorMessage"], "Error");
    assert!(!reply.text.contains("secret"), "{}", reply.text);
    check_failure(
        &query(&setting, json!({"fail": "bad data"})).await,
        422,
        "DATA",
        "bad data",
    );
}

#[tokio::test]
async fn admin_calls_can_be_switched_off_and_take_the_role_otherwise() {
    let setting = Setting::with(&[("compat.admin_actions", "false")]).await;
    check_failure(&register(&setting, "events").await, 403, "FORBIDDEN", "Not supported");
    let body = json!({"name": "events", "path": "/data"});
    setting.post("/api/v1/tables?wait=10s", body).await.ok();
    for reply in [
        setting.post("/datasets/events/unregister", json!({})).await,
        setting.get("/datasets/events/parts").await,
    ] {
        check_failure(&reply, 403, "FORBIDDEN", "Not supported");
    }
    setting.get(EMPTY).await.ok();

    let setting = registered(&[]).await;
    let reader = Transport::Tcp {
        without_token: Some(Role::Read),
    };
    for (method, path, status) in [
        (Method::POST, "/datasets/register", 403),
        (Method::POST, "/datasets/events/unregister", 403),
        (Method::GET, "/datasets/events/parts", 403),
        (Method::DELETE, "/runs/00000000", 403),
        (Method::GET, "/datasets/events/schema", 200),
        (Method::GET, EMPTY, 200),
        (Method::GET, "/runs", 200),
    ] {
        let reply = setting.call(method, path).over(reader).json(&json!({})).send().await;
        assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.text);
    }
    let reply = setting.call(Method::GET, "/datasets").over(TCP_WITH_TOKEN).send().await;
    assert_eq!(failure(&reply).1, "UNAUTHORIZED");
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    // Files outside what the server lets clients of the network read are refused here, too.
    let body = json!({"name": "x", "basepath": "/etc", "groupIdColumn": "a", "timestampColumn": "b"});
    let reply = setting
        .call(Method::POST, "/datasets/register")
        .over(TCP)
        .json(&body)
        .send()
        .await;
    assert_eq!(failure(&reply).0, 403);
}

#[tokio::test]
async fn progress_comes_line_by_line_and_its_counts_add_up() {
    let setting = registered(&[]).await;
    setting.add_worker(&[]).await;
    let streamed = setting
        .call(Method::POST, "/datasets/events/query?stream=True")
        .json(&json!({"tasks": 3}))
        .start()
        .await;
    assert_eq!(streamed.status(), StatusCode::OK);
    assert_eq!(streamed.headers()["content-type"], "application/json");
    let mut body = streamed.into_body();
    let mut text = String::new();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    text += std::str::from_utf8(&first).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(text.trim()).unwrap(),
        json!({"stage": "STARTING", "tasks": {"QUEUED": 3}})
    );
    for task in setting.claim().await {
        setting.succeed(&task, json!({})).await;
    }
    let rest = tokio::time::timeout(Duration::from_secs(20), body.collect())
        .await
        .unwrap();
    text += std::str::from_utf8(&rest.unwrap().to_bytes()).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, progress) = lines.split_last().unwrap();
    assert_eq!(last["asked"]["query"], json!({"tasks": 3}));
    for line in progress {
        let counts = line["tasks"].as_object().unwrap().values();
        assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), 3, "{line}");
    }
    let failed = setting
        .call(Method::POST, "/datasets/events/query?stream=true")
        .json(&json!({"fail": "bad data"}))
        .send()
        .await;
    assert_eq!(failed.status, 200, "a stream that has begun is judged by its last line");
    let last = failed.lines().pop().unwrap();
    assert_eq!(
        (&last["success"], &last["errorMessage"]),
        (&json!(false), &json!("bad data"))
    );
    let refused = setting
        .post("/datasets/events/query?stream=true", json!({"wrong": 1}))
        .await;
    assert_eq!(refused.status, 422);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_query() {
    let setting = registered(&[]).await;
    let streamed = setting
        .call(Method::POST, "/datasets/events/query?stream=true")
        .json(&json!({"tasks": 1}))
        .start()
        .await;
    let run = setting.get("/runs?type=query").await.ok()["runs"][0].clone();
    drop(streamed);
    for _ in 0..200 {
        let run = setting
            .get(&format!("/runs/{}", run["requestId"].as_str().unwrap()))
            .await
            .ok();
        if run["status"] == "CANCELLED" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the query goes on without its client");
}

#[tokio::test]
async fn runs_are_listed_shown_and_cancelled() {
    let setting = registered(&[]).await;
    let tagged = "/datasets/events/query?tag=nightly&tag=b&cache=false";
    setting.post(tagged, json!({"a": 1})).await.ok();
    query(&setting, json!({"fail": "bad data"})).await;
    setting
        .post("/api/v1/jobs?wait=10s", json!({"kind": "work", "params": {}}))
        .await
        .ok();
    let all = setting.get("/runs").await.ok();
    let brief: Vec<_> = all["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| (run["jobType"].as_str().unwrap(), run["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        brief,
        [
            ("QUERY", "ENDED_FAILED"),
            ("QUERY", "ENDED_SUCCESS"),
            ("REGISTER", "ENDED_SUCCESS")
        ]
    );
    assert_eq!(all["runs"][0]["errorMessage"], "bad data");
    assert_eq!(all["runs"][2]["dataset"]["name"], "events");
    for (filter, count) in [
        ("type=register", 1),
        ("type=query", 2),
        ("status=ended_failed", 1),
        ("status=ENDED_SUCCESS,CANCELLED", 2),
        ("tag=nightly", 1),
        ("dataset=nowhere", 0),
    ] {
        let found = setting.get(&format!("/runs?{filter}")).await.ok();
        assert_eq!(found["runs"].as_array().unwrap().len(), count, "{filter}");
    }
    let page = setting.get("/runs?limit=2").await.ok();
    let next = page["next"].as_str().unwrap();
    let rest = setting.get(&format!("/runs?limit=2&page={next}")).await.ok();
    assert_eq!(rest["runs"].as_array().unwrap().len(), 1);
    assert!(rest.get("next").is_none());

    let request = all["runs"][1]["requestId"].as_str().unwrap();
    let run = setting.get(&format!("/runs/{request}")).await.ok();
    assert_eq!(
        (&run["query"], &run["tags"]),
        (&json!({"a": 1}), &json!(["nightly", "b"]))
    );
    assert_eq!(run["result"]["asked"]["query"], json!({"a": 1}));
    let job = run["jobId"].as_str().unwrap();
    assert_eq!(setting.get(&format!("/runs/{job}")).await.ok(), run);
    check_failure(
        &setting.delete(&format!("/runs/{request}")).await,
        409,
        "CONFLICT",
        &format!("job {job} has ended already, as succeeded"),
    );
    let unknown = setting.get("/runs/1700000000-00000000").await;
    assert_eq!(failure(&unknown).0, 404);
    let wrong = setting.get("/runs?status=over&limit=0&nothing=1").await;
    assert_eq!(wrong.json()["errors"].as_array().unwrap().len(), 3, "{}", wrong.text);

    let body = json!({"kind": "funnel", "params": {"table": "events", "query": {"tasks": 1}}});
    let job = setting.post("/api/v1/jobs", body).await.ok();
    let ended = setting
        .delete(&format!("/runs/{}", job["id"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(ended["jobId"], job["id"]);
    let settled = setting
        .get(&format!("/api/v1/jobs/{}?wait=10s", job["id"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!(settled["state"], "cancelled");
    let again = setting
        .call(Method::POST, &format!("/runs/{}/cancel", job["id"].as_str().unwrap()))
        .send()
        .await
        .ok();
    assert_eq!(
        (&again["status"], &again["errorKind"]),
        (&json!("CANCELLED"), &json!("CANCELLED"))
    );
}

#[tokio::test]
async fn the_routes_can_be_switched_off() {
    let setting = Setting::with(&[("compat.funnel_rocket", "false")]).await;
    for path in ["/datasets", "/runs"] {
        let problem = setting.get(path).await.problem();
        assert_eq!((problem.status, problem.code.as_str()), (404, "HW-A004"));
        assert!(
            !problem.help.unwrap().contains(&format!("`{path}")),
            "it proposes what is not there"
        );
    }
}

#[tokio::test]
async fn metrics_have_funnel_rockets_names_too() {
    let setting = Setting::new().await;
    setting.add_worker(&[]).await;
    let lastrun = setting.folder.path().join("lastrun.csv");
    let options = CollectOptions {
        runs: RunOptions {
            dataset_label: true,
            lastrun: Some(lastrun.clone()),
        },
        funnel_rocket: true,
    };
    let store = setting.state.parts().store.clone();
    let stop = setting.state.stop().clone();
    let collecting = tokio::spawn(collect(setting.state.metrics.clone(), store, options, stop));
    tokio::task::yield_now().await;
    register(&setting, "events").await.ok();
    query(&setting, json!({"wrong": 1})).await;
    let streamed = setting
        .call(Method::POST, "/datasets/events/query?stream=true")
        .json(&json!({"tasks": 1}))
        .start()
        .await;
    for task in setting.claim().await {
        let outcome = json!({"scannedRows": 1500, "scannedGroups": 7, "seconds": 0.75, "loadSeconds": 0.25,
            "invokeLatency": 0.0625, "loadFrom": "memory_cache"});
        setting.succeed(&task, outcome).await;
    }
    Reply::of(streamed).await;
    let job = r#"component="invoker",success="True",dataset="None",job_type="query""#;
    let task = r#"component="worker",success="True",dataset="None",job_type="query",worker_startup="warm",load_from="memory_cache",part_select_method="set_by_invoker""#;
    let lines = [
        format!("invoker_total_seconds_count{{{job}}} 1"),
        r#"invoker_total_seconds_count{component="invoker",success="True",dataset="events",job_type="register"} 1"#
            .to_owned(),
        format!("invoke_to_run_seconds_count{{{task}}} 1"),
        format!("invoke_to_run_seconds_sum{{{task}}} 0.0625"),
        format!("task_total_run_seconds_sum{{{task}}} 0.75"),
        format!("task_download_seconds_sum{{{task}}} 0"),
        format!("task_load_file_seconds_sum{{{task}}} 0.25"),
        format!("task_total_load_seconds_sum{{{task}}} 0.25"),
        format!("task_run_query_seconds_sum{{{task}}} 0.5"),
        format!("scanned_rows_bucket{{{task},le=\"1000\"}} 0"),
        format!("scanned_rows_bucket{{{task},le=\"10000\"}} 1"),
        format!("scanned_groups_sum{{{task}}} 7"),
        r#"headwater_request_faults_total{kind="funnel",fault="SCHEMA"} 1"#.to_owned(),
    ];
    let mut text = String::new();
    for _ in 0..100 {
        text = setting.get("/metrics").await.text;
        if text.contains("scanned_groups_sum") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The funnels of these tests name no table that they read.
    for line in lines {
        assert!(text.lines().any(|known| known == line), "{line} is missing in\n{text}");
    }
    setting.stop();
    collecting.await.unwrap();
    let rows = std::fs::read_to_string(lastrun).unwrap();
    assert!(
        rows.starts_with("name,value,component,success,dataset,job_type,"),
        "{rows}"
    );
    let row = "scanned_rows,1500.0,worker,True,None,query,warm,memory_cache,set_by_invoker";
    assert!(rows.lines().any(|line| line == row), "{rows}");
}
