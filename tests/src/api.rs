//! `headwater up`: health, problems, jobs, events, who may ask, how it starts and stops.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::data;
use crate::harness::{Sandbox, Up};

fn served() -> (Sandbox, Up) {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let up = sandbox.up();
    (sandbox, up)
}

fn funnel(query: Value) -> Value {
    json!({"table": "events", "query": query})
}

#[test]
fn the_server_says_how_it_is() {
    let (sandbox, up) = served();
    assert_eq!(up.get("/health/live").is(200).json()["ok"], true);
    assert_eq!(up.get("/health/ready").is(200).json()["ok"], true);
    assert!(
        up.get("/metrics")
            .is(200)
            .body
            .contains("headwater_http_requests_total")
    );
    assert_eq!(up.get("/api/v1/openapi.json").is(200).json()["openapi"], "3.1.0");
    assert_eq!(up.get("/api/v1/server").is(200).json()["pid"], up.pid());
    let mode = std::fs::metadata(sandbox.data_dir().join("server.sock")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );
    assert_eq!(up.stop(), 0);
    assert!(!sandbox.data_dir().join("server.json").exists());
}

#[test]
fn a_second_server_on_the_folder_is_refused() {
    let (sandbox, _up) = served();
    let stderr = sandbox.fails(5, ["up", "--listen", "127.0.0.1:0"]);
    assert!(stderr.contains("server"), "{stderr}");
}

#[test]
fn faults_are_problem_documents() {
    let (_sandbox, up) = served();
    let answer = up.get("/api/v1/tables/nowhere").is(404);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem = answer.json();
    for member in ["type", "title", "status", "detail", "code"] {
        assert!(!problem[member].is_null(), "{member}: {problem}");
    }
    up.get("/api/v1/nowhere").is(404);
    up.request("PATCH", "/api/v1/tables", None, &[]).is(405);
    let json = [("content-type", "application/json")];
    let problem = up
        .request("POST", "/api/v1/sql", Some("{\"sql\": ".into()), &json)
        .is(400)
        .json();
    assert_eq!(problem["errors"][0]["line"], 1, "{problem}");
    let problem = up
        .post("/api/v1/sql", &json!({"sql": "select 1", "parms": []}))
        .is(422)
        .json();
    assert!(problem.to_string().contains("params"), "{problem}");
    let problem = up
        .post("/api/v1/funnels/run?wait=10s", &funnel(json!({"a": 1, "b": 2})))
        .is(422)
        .json();
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
}

#[test]
fn jobs_are_waited_for_streamed_listed_and_looked_at() {
    let (sandbox, up) = served();
    let job = up
        .post("/api/v1/funnels/run?wait=10s", &funnel(json!({})))
        .is(200)
        .json();
    assert_eq!(
        (&job["state"], &job["result"]["query"]["matchingGroups"]),
        (&json!("succeeded"), &json!(5)),
        "{job}"
    );
    let id = job["id"].as_str().unwrap();
    assert_eq!(up.get(&format!("/api/v1/jobs/{id}")).is(200).json()["id"], id);
    assert_eq!(
        up.get(&format!("/api/v1/jobs/{}", &id[id.len() - 8..])).is(200).json()["id"],
        id
    );
    assert_eq!(
        up.get(&format!("/api/v1/jobs/{id}/result")).is(200).json()["success"],
        true
    );
    let tasks = up.get(&format!("/api/v1/jobs/{id}/tasks")).is(200).json();
    assert_eq!(tasks["items"].as_array().unwrap().len(), 2, "{tasks}");
    let streamed = up
        .post(
            "/api/v1/funnels/run?stream=true",
            &json!({"table": "events", "query": {}, "cache": false}),
        )
        .is(200);
    let lines: Vec<Value> = streamed
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.last().unwrap()["job"]["state"], "succeeded", "{lines:?}");
    let submitted = up
        .post(
            "/api/v1/jobs",
            &json!({"kind": "funnel", "params": {"table": "events", "query": {}, "cache": false}}),
        )
        .is(202);
    assert!(
        submitted.headers["location"]
            .to_str()
            .unwrap()
            .starts_with("/api/v1/jobs/")
    );
    let listed = sandbox.json(["job", "list", "--format", "json"]);
    assert!(listed["items"].as_array().unwrap().len() >= 4, "{listed}");
    sandbox.ok([
        "job",
        "wait",
        submitted.json()["id"].as_str().unwrap(),
        "--timeout",
        "10s",
    ]);
}

#[test]
fn an_idempotency_key_gives_the_same_job_and_refuses_another_request() {
    let (_sandbox, up) = served();
    let post = |query: Value| {
        let body = json!({"kind": "funnel", "params": {"table": "events", "query": query, "cache": false}}).to_string();
        up.request(
            "POST",
            "/api/v1/jobs?wait=10s",
            Some(body),
            &[("content-type", "application/json"), ("idempotency-key", "k1")],
        )
    };
    let first = post(json!({})).json()["id"].clone();
    assert_eq!(post(json!({})).json()["id"], first);
    post(json!({"timeframe": {"from": 1}})).is(409);
}

#[test]
fn events_are_streamed_and_resumed() {
    let (sandbox, up) = served();
    sandbox.ok(["funnel", "run", "events", "--empty", "--no-cache"]);
    let lines = up
        .request(
            "GET",
            "/api/v1/events?since=0",
            None,
            &[("accept", "application/jsonl")],
        )
        .is(200);
    let events: Vec<Value> = lines
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seqs: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[0] < pair[1]), "{seqs:?}");
    let kinds: Vec<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    for kind in [
        "job.submitted",
        "job.started",
        "task.ended",
        "job.ended",
        "table.created",
    ] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
    let middle = seqs[seqs.len() / 2];
    let address = up.http.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(
        stream,
        "GET /api/v1/events HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\nlast-event-id: {middle}\r\n\r\n"
    )
    .unwrap();
    let first = BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .find(|line| line.starts_with("id:"))
        .unwrap();
    assert_eq!(
        first.trim_start_matches("id:").trim(),
        seqs[seqs.len() / 2 + 1].to_string()
    );
}

#[test]
fn foreign_pages_and_hosts_are_refused() {
    let (_sandbox, up) = served();
    up.request("GET", "/api/v1/tables", None, &[("host", "evil.example")])
        .is(403);
    up.request("GET", "/api/v1/tables", None, &[("origin", "http://evil.example")])
        .is(403);
    let answer = up
        .request("GET", "/api/v1/tables", None, &[("origin", &up.http)])
        .is(200);
    assert!(
        answer
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("access-control"))
    );
}

#[test]
fn clients_over_the_network_read_only_what_is_allowed() {
    let (sandbox, up) = served();
    for path in [
        "/etc/passwd",
        sandbox.path().join("data/part-0.parquet").to_str().unwrap(),
    ] {
        let problem = up.post("/api/v1/sql", &json!({"sql": format!("select * from '{path}'")}));
        assert!([403, 422].contains(&problem.status), "{path}: {}", problem.body);
    }
    up.post("/api/v1/sql", &json!({"sql": "select count(*) as n from events"}))
        .is(200);
    let register = json!({"name": "x", "path": sandbox.path().join("data"), "group": "user", "time": "ts"});
    let job = up.post("/api/v1/tables?wait=10s", &register);
    assert!(job.status >= 400 || job.json()["state"] == "failed", "{}", job.body);
}

#[test]
fn another_address_than_loopback_needs_a_token() {
    let sandbox = Sandbox::new();
    let stderr = sandbox.fails(3, ["up", "--listen", "0.0.0.0:0"]);
    assert!(stderr.contains("token"), "{stderr}");
}

#[test]
fn tokens_carry_roles() {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let token = |role: &str| {
        let made = sandbox.json(["token", "create", "--role", role, "--format", "json"]);
        format!("Bearer {}", made["token"].as_str().unwrap())
    };
    let (read, admin) = (token("read"), token("admin"));
    let up = sandbox.up_with(["--set", "auth.loopback_token=true"]);
    up.get("/api/v1/tables").is(401);
    up.request("GET", "/api/v1/tables", None, &[("authorization", "Bearer nonsense")])
        .is(401);
    up.request("GET", "/api/v1/tables", None, &[("authorization", &read)])
        .is(200);
    up.request(
        "DELETE",
        "/api/v1/tables/events?force=true",
        None,
        &[("authorization", &read)],
    )
    .is(403);
    up.request(
        "DELETE",
        "/api/v1/tables/events?force=true&wait=10s",
        None,
        &[("authorization", &admin)],
    )
    .is(200);
    let store = std::fs::read(sandbox.data_dir().join("store.db")).unwrap();
    let secret = admin.trim_start_matches("Bearer ").as_bytes();
    assert!(
        !store.windows(secret.len()).any(|window| window == secret),
        "the store holds a token in clear"
    );
}

#[test]
fn cancelling_stops_a_query_within_a_moment() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 2_000_000, 4);
    sandbox.ok([
        "table",
        "register",
        "events",
        "data",
        "--group",
        "user",
        "--time",
        "ts",
        "--skip-uniques",
    ]);
    let up = sandbox.up();
    let step = json!({"filter": ["event", "!=", "nothing"]});
    let query = json!({"funnel": {"sequence": vec![step; 32], "maxDuration": 80}});
    let job = up.post("/api/v1/funnels/run", &funnel(query)).is(202).json();
    let id = job["id"].as_str().unwrap().to_owned();
    std::thread::sleep(Duration::from_millis(150));
    let since = Instant::now();
    up.post(&format!("/api/v1/jobs/{id}/cancel"), &json!({})).is(200);
    let job = up.get(&format!("/api/v1/jobs/{id}?wait=5s")).is(200).json();
    assert_eq!(job["state"], "cancelled", "{job}");
    assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    let tasks = up.get(&format!("/api/v1/jobs/{id}/tasks")).json();
    assert!(
        tasks["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|task| task["state"] != "running"),
        "{tasks}"
    );
}

#[test]
fn a_slow_sender_and_a_huge_body_do_no_harm() {
    let (_sandbox, up) = served();
    let address = up.http.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address).unwrap();
    write!(slow, "POST /api/v1/sql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{").unwrap();
    let huge = format!("{{\"sql\": \"{}\"}}", "x".repeat(20 << 20));
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /api/v1/sql HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        huge.len()
    );
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(huge.as_bytes()));
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    up.get("/health/live").is(200);
}

/// Sends one request over the Unix socket as any HTTP client does; returns the status and the body.
fn over_socket(sandbox: &Sandbox, path: &str, body: &Value) -> (u16, Value) {
    let mut socket = UnixStream::connect(sandbox.data_dir().join("server.sock")).unwrap();
    let body = body.to_string();
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}");
    write!(socket, "{head}\r\ncontent-type: application/json\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

#[test]
fn whoever_is_on_the_socket_reads_what_the_user_may() {
    let (sandbox, up) = served();
    let data = sandbox.path().join("data");
    let register = |path: &str| json!({"name": "again", "path": path, "group": "user", "time": "ts"});
    let (status, job) = over_socket(&sandbox, "/api/v1/tables?wait=20s", &register(data.to_str().unwrap()));
    assert_eq!((status, &job["state"]), (200, &json!("succeeded")), "{job}");
    let files = format!("{}/*.parquet", data.display());
    let run = json!({"table": files, "group": "user", "time": "ts", "query": {}});
    let (status, job) = over_socket(&sandbox, "/api/v1/funnels/run?wait=20s", &run);
    assert_eq!((status, &job["state"]), (200, &json!("succeeded")), "{job}");
    // Without a working folder there is nothing that a relative path could start from.
    let (_, job) = over_socket(&sandbox, "/api/v1/tables?wait=20s", &register("data"));
    assert_ne!(job["state"], "succeeded", "{job}");
    let over_tcp = up.post("/api/v1/tables", &register(data.to_str().unwrap()));
    assert_eq!(over_tcp.is(403).json()["code"], "HW-T004");
}
