//! Jobs: submit, wait, stream, cancel, find, list, result, records.

use std::time::Duration;

use expect_test::expect;
use futures::StreamExt as _;
use http::Method;
use hw_job::{Clock as _, ErrorClass, Failure, JobId, TaskState};
use hw_store::NextState;
use serde_json::{Value, json};

use super::client::Reply;
use super::setting::Setting;

fn work(params: Value) -> Value {
    json!({"kind": "work", "params": params})
}

fn id_of(job: &Value) -> JobId {
    job["id"].as_str().unwrap().parse().unwrap()
}

async fn eventually(setting: &Setting, job: JobId, state: &str) {
    for _ in 0..500 {
        if setting.state_of(job).await == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the job is {}, not {state}", setting.state_of(job).await);
}

#[tokio::test]
async fn a_job_is_accepted_and_told_where() {
    let setting = Setting::new().await;
    let body = json!({"kind": "work", "params": {"tasks": 1}, "tags": ["a"], "priority": 5, "timeout": "2min"});
    let reply = setting.post("/api/v1/jobs", body).await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.header("retry-after"), "1");
    let job = reply.json();
    assert_eq!(
        reply.header("location"),
        format!("/api/v1/jobs/{}", job["id"].as_str().unwrap())
    );
    assert_eq!(job["state"], "queued");
    assert_eq!(
        (&job["tags"], &job["priority"], &job["timeout_seconds"]),
        (&json!(["a"]), &json!(5), &json!(120.0))
    );
    assert_eq!(job["progress"]["tasks"], json!({"ready": 1}));
    let shown = setting.get(reply.header("location")).await.ok();
    assert_eq!(shown["id"], job["id"]);
}

#[tokio::test]
async fn waiting_gives_the_settled_job_or_what_there_is() {
    let setting = Setting::new().await;
    let done = setting.post("/api/v1/jobs?wait=10s", work(json!({}))).await;
    assert_eq!(
        (done.status.as_u16(), &done.json()["result"]),
        (200, &json!({"outcomes": []}))
    );
    let pending = setting
        .post("/api/v1/jobs?wait=30ms&detach=true", work(json!({"tasks": 1})))
        .await;
    assert_eq!((pending.status.as_u16(), pending.header("retry-after")), (202, "1"));
    let path = format!("/api/v1/jobs/{}", id_of(&pending.json()));
    assert_eq!(setting.get(&format!("{path}?wait=10ms")).await.status, 202);
    assert_eq!(setting.get(&path).await.status, 200);
    let waiting_path = format!("{path}?wait=10s");
    let waiting = setting.get(&waiting_path);
    let finishing = async {
        let tasks = setting.claim().await;
        setting.succeed(&tasks[0], json!(7)).await;
    };
    let (reply, ()) = tokio::join!(waiting, finishing);
    assert_eq!(
        (reply.status.as_u16(), &reply.json()["result"]),
        (200, &json!({"outcomes": [7]}))
    );
}

#[tokio::test]
async fn a_wait_is_bounded_by_the_setting() {
    let setting = Setting::with(&[("http.wait_max", "20ms")]).await;
    let reply = setting.post("/api/v1/jobs?wait=1h", work(json!({"tasks": 1}))).await;
    assert_eq!(reply.status, 202);
}

#[tokio::test]
async fn a_job_that_failed_while_it_was_waited_for_tells_why() {
    let setting = Setting::new().await;
    let job = setting
        .post("/api/v1/jobs?wait=10s", work(json!({"fail": "the file is broken"})))
        .await
        .ok();
    assert_eq!(job["state"], "failed");
    assert_eq!(
        (&job["error"]["code"], &job["error"]["class"]),
        (&json!("HW-T012"), &json!("data"))
    );
    let path = format!("/api/v1/jobs/{}/result", id_of(&job));
    let reply = setting.get(&path).await;
    expect![[r#"
        422 HW-T012 the file is broken
        help: mend the data"#]]
    .assert_eq(&reply.fault());
    assert_eq!(reply.problem().instance, Some(format!("/api/v1/jobs/{}", id_of(&job))));
}

#[tokio::test]
async fn the_stream_tells_progress_whose_numbers_add_up_and_ends_with_the_job() {
    let setting = Setting::new().await;
    let response = setting
        .call(Method::POST, "/api/v1/jobs?stream=true")
        .json(&work(json!({"tasks": 3})))
        .start()
        .await;
    assert_eq!(response.headers()["content-type"], "application/jsonl");
    assert!(
        response.headers()["location"]
            .to_str()
            .unwrap()
            .starts_with("/api/v1/jobs/")
    );
    let driving = async {
        let tasks = setting.claim().await;
        for task in &tasks {
            tokio::time::sleep(Duration::from_millis(70)).await;
            setting.succeed(task, json!(task.id.index)).await;
        }
    };
    let (reply, ()) = tokio::join!(Reply::of(response), driving);
    let lines = reply.lines();
    let (last, progress) = lines.split_last().unwrap();
    assert!(progress.len() >= 2, "{lines:?}");
    for line in progress {
        let counts = line["progress"]["tasks"].as_object().unwrap();
        assert_eq!(
            counts.values().map(|count| count.as_u64().unwrap()).sum::<u64>(),
            3,
            "{line}"
        );
    }
    assert_eq!(last["job"]["state"], "succeeded");
    assert_eq!(last["job"]["result"], json!({"outcomes": [0, 1, 2]}));
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_job() {
    let setting = Setting::new().await;
    let response = setting
        .call(Method::POST, "/api/v1/jobs?stream=true")
        .json(&work(json!({"tasks": 1})))
        .start()
        .await;
    let job: JobId = response.headers()["location"]
        .to_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let mut body = response.into_body().into_data_stream();
    body.next().await.unwrap().unwrap();
    drop(body);
    eventually(&setting, job, "cancelled").await;
    let shown = setting.get(&format!("/api/v1/jobs/{job}")).await.ok();
    assert_eq!(shown["cancel_reason"], "the client went away");
}

#[tokio::test]
async fn a_client_that_stops_waiting_cancels_its_job() {
    let setting = Setting::new().await;
    let request = setting
        .call(Method::POST, "/api/v1/jobs?wait=20s")
        .json(&work(json!({"tasks": 1})));
    assert!(
        tokio::time::timeout(Duration::from_millis(100), request.send())
            .await
            .is_err()
    );
    let jobs = setting.get("/api/v1/jobs").await.ok();
    eventually(&setting, id_of(&jobs["items"][0]), "cancelled").await;
}

#[tokio::test]
async fn a_detached_job_goes_on() {
    let setting = Setting::new().await;
    let path = "/api/v1/jobs?stream=true&detach=true";
    let response = setting
        .call(Method::POST, path)
        .json(&work(json!({"tasks": 1})))
        .start()
        .await;
    drop(response);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let jobs = setting.get("/api/v1/jobs").await.ok();
    assert_eq!(jobs["items"][0]["state"], "queued");
}

#[tokio::test]
async fn an_idempotency_key_gives_one_job() {
    let setting = Setting::new().await;
    let submit = async |key: &str, params| {
        let call = setting
            .call(Method::POST, "/api/v1/jobs")
            .header("idempotency-key", key);
        call.json(&work(params)).send().await
    };
    let first = submit("k1", json!({"tasks": 1})).await;
    let again = submit("k1", json!({"tasks": 1})).await;
    assert_eq!(first.json()["id"], again.json()["id"]);
    let other = submit("k2", json!({"tasks": 1})).await;
    assert_ne!(first.json()["id"], other.json()["id"]);
    let conflict = submit("k1", json!({"tasks": 2})).await;
    let id = first.json()["id"].as_str().unwrap().to_owned();
    expect![[r#"
        409 HW-A016 the idempotency key `k1` was used for another request, job ID
        help: send the same request again under its key, or use a new key"#]]
    .assert_eq(&conflict.fault().replace(&id, "ID"));
    assert_eq!(submit(&"x".repeat(256), json!({})).await.problem().code, "HW-A003");
    assert_eq!(submit(" ", json!({})).await.problem().code, "HW-A003");
}

#[tokio::test]
async fn a_repeated_request_gives_its_job_although_time_has_passed() {
    let setting = Setting::new().await;
    let submit = async |key: &str, body: &Value, query: &str| {
        let call = setting.call(Method::POST, &format!("/api/v1/jobs{query}"));
        call.header("idempotency-key", key).json(body).send().await
    };
    let now = hw_store::SystemClock.wall();
    let soon = hw_api::rfc3339(now.0 + 700_000);
    let body = json!({"kind": "work", "params": {"tasks": 1}, "deadline": soon});
    let (plain, query) = (work(json!({"tasks": 2})), format!("?deadline={soon}"));
    let first = submit("body", &body, "").await.json();
    let second = submit("query", &plain, &query).await.json();
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(submit("body", &body, "").await.json()["id"], first["id"]);
    assert_eq!(submit("query", &plain, &query).await.json()["id"], second["id"]);
    assert_eq!(submit("query", &body, "").await.problem().code, "HW-A016");
    assert_eq!(submit("new", &body, "").await.problem().code, "HW-A002");
    assert_eq!(submit("new", &plain, &query).await.problem().code, "HW-A003");
}

#[tokio::test]
async fn a_finished_funnel_answers_for_an_identical_one() {
    let setting = Setting::new().await;
    let run = async |body| setting.post("/api/v1/funnels/run?wait=10s", body).await.ok();
    let first = run(json!({"table": "t", "query": {"a": 1}})).await;
    assert!(first.get("cached_from").is_none());
    let second = run(json!({"table": "t", "query": {"a": 1}})).await;
    assert_eq!((&second["id"], &second["cached_from"]), (&first["id"], &first["id"]));
    let asked_anew = run(json!({"table": "t", "query": {"a": 1}, "cache": false})).await;
    assert_ne!(asked_anew["id"], first["id"]);
    let other = run(json!({"table": "t", "query": {"a": 2}})).await;
    assert_ne!(other["id"], first["id"]);
    let metrics = setting.get("/metrics").await.text;
    assert!(
        metrics.contains(r#"headwater_result_cache_total{kind="funnel",outcome="hit"} 1"#),
        "{metrics}"
    );
    let without = Setting::with(&[("cache.results", "false")]).await;
    let body = json!({"table": "t", "query": {"a": 1}});
    let one = without.post("/api/v1/funnels/run?wait=10s", body.clone()).await.ok();
    let other = without.post("/api/v1/funnels/run?wait=10s", body).await.ok();
    assert_ne!(one["id"], other["id"]);
}

#[tokio::test]
async fn conflicts_and_missing_tables_are_told_before_a_job_exists() {
    let setting = Setting::new().await;
    expect![[r#"
        409 HW-T050 it is in use
        help: wait"#]]
    .assert_eq(
        &setting
            .post("/api/v1/jobs", work(json!({"conflict": true})))
            .await
            .fault(),
    );
    expect![[r#"
        404 HW-A015 there is no table `none`
        help: `headwater table list` shows the tables"#]]
    .assert_eq(
        &setting
            .post("/api/v1/jobs", work(json!({"table": "none"})))
            .await
            .fault(),
    );
    assert_eq!(setting.get("/api/v1/jobs").await.ok()["items"], json!([]));
    assert_eq!(setting.get("/api/v1/jobs?kind=funnel").await.ok()["items"], json!([]));
    let slip = setting.get("/api/v1/jobs?kind=funel,drop").await.fault();
    assert!(
        slip.contains("`kind` has no value `funel`") && slip.contains("did you mean `funnel`?"),
        "{slip}"
    );
}

#[tokio::test]
async fn too_many_unfinished_jobs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = hw_store::MemoryStore::new(std::sync::Arc::new(hw_store::SystemClock)).with_unfinished_jobs_max(1);
    let setting = Setting::over(folder, std::sync::Arc::new(store), &[]).await;
    setting.post("/api/v1/jobs", work(json!({"tasks": 1}))).await.ok();
    let reply = setting.post("/api/v1/jobs", work(json!({"tasks": 1}))).await;
    assert_eq!(
        (reply.problem().code.as_str(), reply.header("retry-after")),
        ("HW-A017", "1")
    );
}

#[tokio::test]
async fn jobs_are_found_by_a_part_of_their_id() {
    let setting = Setting::new().await;
    let job = setting.post("/api/v1/jobs?wait=10s", work(json!({}))).await.ok();
    let id = job["id"].as_str().unwrap().to_owned();
    let found = async |text: &str| setting.get(&format!("/api/v1/jobs/{text}")).await;
    assert_eq!(found(&id[28..]).await.ok()["id"], job["id"]);
    assert_eq!(found(&id[28..].to_uppercase()).await.ok()["id"], job["id"]);
    assert_eq!(found(&id[..8]).await.ok()["id"], job["id"]);
    for text in ["abc", "zzzzzzzz", "00000000", "%20%20%20%20"] {
        assert_eq!(found(text).await.problem().code, "HW-A010", "{text}");
    }
    let other = setting.post("/api/v1/jobs?wait=10s", work(json!({}))).await.ok();
    // Ids that were made in the same minute begin alike.
    let reply = found(&id[..4]).await;
    assert_eq!((reply.status.as_u16(), reply.problem().code.as_str()), (409, "HW-A013"));
    let help = reply.problem().help.unwrap();
    assert!(
        help.contains(&id) && help.contains(other["id"].as_str().unwrap()),
        "{help}"
    );
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let setting = Setting::new().await;
    for number in 0..3 {
        let body = json!({"kind": "work", "params": {"number": number}, "tags": [format!("t{number}")]});
        setting.post("/api/v1/jobs?wait=10s", body).await.ok();
    }
    setting.post("/api/v1/jobs", work(json!({"tasks": 1}))).await.ok();
    setting
        .post("/api/v1/funnels/run?wait=10s", json!({"table": "t", "query": {}}))
        .await
        .ok();
    let list = async |query: &str| setting.get(&format!("/api/v1/jobs?{query}")).await.ok();
    let count = async |query: &str| list(query).await["items"].as_array().unwrap().len();
    assert_eq!(count("").await, 5);
    assert_eq!(count("kind=funnel").await, 1);
    assert_eq!(count("kind=funnel,work").await, 5);
    assert_eq!(count("state=queued,running").await, 1);
    assert_eq!(count("tag=t1").await, 1);
    assert_eq!(count("table=x").await, 0);
    let first = list("limit=3").await;
    let next = first["next"].as_str().unwrap();
    assert_eq!(count(&format!("limit=3&page={next}")).await, 2);
    assert_eq!(first["items"][0]["kind"], "funnel");
    assert!(first["items"][0].get("result").is_none() && first["items"][0].get("expanded").is_none());
    assert_eq!(
        setting.get("/api/v1/jobs?page=nonsense").await.problem().code,
        "HW-A003"
    );
}

#[tokio::test]
async fn results_have_a_route_of_their_own() {
    let setting = Setting::new().await;
    let job = setting.post("/api/v1/jobs", work(json!({"tasks": 1}))).await.ok();
    let path = format!("/api/v1/jobs/{}/result", id_of(&job));
    expect![[r#"
        409 HW-A011 job ID is queued, it has no result yet
        help: wait for it: `headwater job wait`, or `?wait=20s`"#]]
    .assert_eq(
        &setting
            .get(&path)
            .await
            .fault()
            .replace(job["id"].as_str().unwrap(), "ID"),
    );
    let tasks = setting.claim().await;
    setting.succeed(&tasks[0], json!({"n": 1})).await;
    eventually(&setting, id_of(&job), "succeeded").await;
    assert_eq!(setting.get(&path).await.ok(), json!({"outcomes": [{"n": 1}]}));
    let limits = hw_store::Retention {
        results: Duration::ZERO,
        ..hw_store::Retention::default()
    };
    tokio::time::sleep(Duration::from_millis(5)).await;
    setting.store().prune(&limits).await.unwrap();
    let gone = setting.get(&path).await;
    assert_eq!((gone.status.as_u16(), gone.problem().code.as_str()), (410, "HW-A012"));
}

#[tokio::test]
async fn jobs_are_cancelled_on_request() {
    let setting = Setting::new().await;
    let job = setting.post("/api/v1/jobs", work(json!({"tasks": 1}))).await.ok();
    let path = format!("/api/v1/jobs/{}", id_of(&job));
    let reply = setting
        .post(&format!("{path}/cancel"), json!({"reason": "not needed"}))
        .await;
    assert_eq!(reply.ok()["cancel_reason"], "not needed");
    eventually(&setting, id_of(&job), "cancelled").await;
    let again = setting.call(Method::POST, &format!("{path}/cancel")).send().await.ok();
    assert_eq!(
        (&again["state"], &again["cancel_reason"]),
        (&json!("cancelled"), &json!("not needed"))
    );
    let result = setting.get(&format!("{path}/result")).await;
    assert_eq!(result.problem().class.as_deref(), Some("cancelled"));
    let typo = setting.post(&format!("{path}/cancel"), json!({"raeson": "x"})).await;
    assert_eq!(typo.problem().errors[0].help.as_deref(), Some("did you mean `reason`?"));
}

#[tokio::test]
async fn a_job_is_exported_with_all_its_records() {
    let setting = Setting::new().await;
    let job = setting.post("/api/v1/jobs", work(json!({"tasks": 2}))).await.ok();
    let tasks = setting.claim().await;
    let failure = Failure::new(ErrorClass::Internal, "HW-J024", "it broke");
    setting.fail(&tasks[0], failure, NextState::Ready).await;
    let retried = setting.claim().await;
    setting.succeed(&retried[0], json!(1)).await;
    setting.succeed(&tasks[1], json!(2)).await;
    eventually(&setting, id_of(&job), "succeeded").await;
    let path = format!("/api/v1/jobs/{}/export", id_of(&job));
    let artefact = setting.get(&path).await.ok();
    assert_eq!(artefact["form"], "headwater.job/1");
    assert_eq!(artefact["job"]["result"], json!({"outcomes": [1, 2]}));
    assert_eq!(artefact["tasks"][0]["history"].as_array().unwrap().len(), 2);
    assert_eq!(artefact["tasks"][0]["history"][0]["error"]["code"], "HW-J024");
    assert!(artefact["events"].as_array().unwrap().len() >= 6);
    let trace = setting.get(&format!("{path}?format=chrome-trace")).await.ok();
    let slices: Vec<_> = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["ph"] == "X")
        .collect();
    assert_eq!(slices.len(), 4, "{trace}");
    let logs = setting.get(&format!("/api/v1/jobs/{}/logs", id_of(&job))).await;
    let kinds: Vec<_> = logs
        .lines()
        .iter()
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds.first().map(String::as_str), Some("job.submitted"));
    assert_eq!(kinds.last().map(String::as_str), Some("job.ended"));
}

#[tokio::test]
async fn wait_and_stream_exclude_each_other() {
    let setting = Setting::new().await;
    expect![[r#"
        422 HW-A003 the parameters of the request have 2 fault(s)
        help: write `wait=20s`
        - `wait` needs a unit, found `20` (write `wait=20s`)
        - `detach` must be true or false, found `maybe` (write `detach=true`)"#]]
    .assert_eq(
        &setting
            .post("/api/v1/jobs?wait=20&stream&detach=maybe", work(json!({})))
            .await
            .fault(),
    );
    let both = setting.post("/api/v1/jobs?wait=20s&stream", work(json!({}))).await;
    assert_eq!(both.problem().code, "HW-A003");
}

#[tokio::test]
async fn a_quarantined_task_ends_its_job_with_its_failure() {
    let setting = Setting::new().await;
    let job = setting.post("/api/v1/jobs", work(json!({"tasks": 1}))).await.ok();
    let tasks = setting.claim().await;
    let failure = Failure::new(ErrorClass::External, "HW-T010", "the store is away");
    setting
        .fail(&tasks[0], failure, NextState::Settled(TaskState::Quarantined))
        .await;
    eventually(&setting, id_of(&job), "failed").await;
    let reply = setting.get(&format!("/api/v1/jobs/{}/result", id_of(&job))).await;
    assert_eq!((reply.status.as_u16(), reply.problem().code.as_str()), (502, "HW-T010"));
}

#[tokio::test]
async fn a_delayed_job_says_until_when_and_starts_by_itself() {
    let setting = Setting::new().await;
    let body = json!({"kind": "work", "params": {"tasks": 1}, "not_before": "400ms", "deadline": "1h"});
    let job = setting.post("/api/v1/jobs", body).await.ok();
    assert_eq!(
        (&job["state"], &job["progress"]["tasks"]),
        (&json!("queued"), &json!({"waiting": 1}))
    );
    let left = job["starts_in_seconds"].as_f64().unwrap();
    assert!(0.0 < left && left <= 0.4, "{left}");
    let message = job["progress"]["message"].as_str().unwrap();
    assert!(message.starts_with("waits until 20"), "{message}");
    assert!(job["not_before"].as_str().unwrap() < job["deadline"].as_str().unwrap());
    let path = format!("/api/v1/jobs/{}/tasks/0/explain", id_of(&job));
    let explained = setting.get(&path).await.ok();
    assert_eq!(explained["state"], "waiting");
    let reason = explained["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("its job must not start before 20"), "{reason}");
    assert_eq!(setting.claim().await.len(), 0);
    tokio::time::sleep(Duration::from_millis(450)).await;
    let tasks = setting.claim().await;
    assert_eq!(tasks.len(), 1);
    let job = setting.get(&format!("/api/v1/jobs/{}", id_of(&job))).await.ok();
    assert_eq!(
        (&job["starts_in_seconds"], &job["progress"]["message"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_deadline_ends_a_job_and_is_named() {
    let setting = Setting::new().await;
    let job = setting
        .post(
            "/api/v1/jobs?wait=10s&detach=true&deadline=100ms",
            work(json!({"tasks": 1})),
        )
        .await
        .ok();
    assert_eq!(
        (&job["state"], &job["error"]["code"]),
        (&json!("timed_out"), &json!("HW-J027"))
    );
    let detail = job["error"]["detail"].as_str().unwrap();
    assert!(detail.starts_with("it had not ended by its deadline, 20"), "{detail}");
}

#[tokio::test]
async fn all_faults_of_a_request_are_told_at_once() {
    let setting = Setting::new().await;
    let body = json!({
        "kind": "register", "params": {"nam": "t"}, "timeout": "5", "not_before": "tomorrow",
        "deadline": "2020-01-01T00:00:00Z", "tags": [""], "parent": "x",
    });
    let reply = setting.post("/api/v1/jobs", body).await;
    expect![[r#"
        422 HW-A002 the body has 6 fault(s)
        help: write for instance "60s"
        - /timeout: `timeout` needs a unit (write for instance "60s")
        - /parent: `x` is not the id of a job (a UUID) (give the whole id of a job)
        - /tags: `tags` holds at most 32 texts of 1 to 255 bytes (give fewer or shorter tags)
        - /not_before: `not_before` is neither a time as RFC 3339 writes it nor a duration, found `tomorrow` (write for instance `2026-01-31T06:00:00Z`, or `10m` for ten minutes from now)
        - /deadline: `deadline` has passed already: 2020-01-01T00:00:00Z (name a later time, or leave it out)
        - /nam: unknown member `nam` (leave it out)"#]]
    .assert_eq(&reply.fault());
    let reply = setting
        .post("/api/v1/jobs?deadline=0s&not_before=soon", work(json!({})))
        .await;
    assert_eq!((reply.status.as_u16(), reply.problem().code.as_str()), (422, "HW-A003"));
    assert_eq!(setting.get("/api/v1/jobs").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn short_cuts_take_starts_and_deadlines_too() {
    let setting = Setting::new().await;
    let query = "not_before=2h&deadline=2100-01-01T00:00:00+01:00";
    let job = setting
        .post(&format!("/api/v1/tables?{query}"), json!({"name": "t", "path": "x"}))
        .await
        .ok();
    assert_eq!(
        (&job["state"], &job["deadline"]),
        (&json!("queued"), &json!("2099-12-31T23:00:00.000000Z"))
    );
    assert!(job["starts_in_seconds"].as_f64().unwrap() > 7100.0);
}

#[tokio::test]
async fn a_funnels_result_is_shown_in_the_form_that_the_client_likes() {
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let setting = Setting::new().await;
    let funnel = setting
        .post("/api/v1/funnels/run?wait=10s", json!({"table": "a<b>", "query": {}}))
        .await;
    let work = setting.post("/api/v1/jobs?wait=10s", work(json!({}))).await;
    let ask = async |job: &Value, accept: &str| {
        let path = format!("/api/v1/jobs/{}/result", job["id"].as_str().unwrap());
        let reply = setting.call(Method::GET, &path).header("accept", accept).send().await;
        format!("{} {}", reply.status.as_u16(), reply.header("content-type"))
    };
    let mut answers = String::new();
    for accept in [
        "image/svg+xml",
        "image/*",
        "text/html",
        BROWSER,
        "*/*",
        "application/json, image/svg+xml",
        "text/html;q=0.1, image/svg+xml;q=0.2",
        "image/png",
    ] {
        answers += &format!(
            "{accept}: {}, {}\n",
            ask(&funnel.json(), accept).await,
            ask(&work.json(), accept).await
        );
    }
    expect![[r#"
        image/svg+xml: 200 image/svg+xml, 406 application/problem+json
        image/*: 200 image/svg+xml, 406 application/problem+json
        text/html: 200 text/html; charset=utf-8, 406 application/problem+json
        text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8: 200 text/html; charset=utf-8, 200 application/json
        */*: 200 application/json, 200 application/json
        application/json, image/svg+xml: 200 application/json, 200 application/json
        text/html;q=0.1, image/svg+xml;q=0.2: 200 image/svg+xml, 406 application/problem+json
        image/png: 406 application/problem+json, 406 application/problem+json
    "#]].assert_eq(&answers);
    let path = format!("/api/v1/jobs/{}/result", funnel.json()["id"].as_str().unwrap());
    let reply = setting
        .call(Method::GET, &path)
        .header("accept", "text/html")
        .send()
        .await;
    assert_eq!(
        (reply.header("content-security-policy"), reply.header("vary")),
        ("default-src 'none'; style-src 'unsafe-inline'; sandbox", "Accept")
    );
    assert!(
        reply.text.contains("<title>Groups of a&lt;b&gt;</title>"),
        "{}",
        reply.text
    );
}
