//! Whole processes on a real data folder: one command, and a server with its listeners.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod tls;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::FutureExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use hw_api::{Problem, ServerDocument};
use hw_store::{SessionStore as _, SqliteOptions, SqliteStore, SystemClock};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use super::{App, AppRole, UpSettings, WorkerProcessSettings, serve_up, serve_worker};
use crate::config::{ConfigFiles, ConfigSources, FlagSetting, LoadedConfig, load_config};
use crate::data_folder::DataFolder;
use crate::demo::write_demo;

fn config(settings: &[(&str, &str)]) -> LoadedConfig {
    let defaults = [
        ("memory.limit", "512MiB"),
        ("threads", "2"),
        ("http.listen", "127.0.0.1:0"),
        ("http.drain", "2s"),
    ];
    let flags = settings.iter().chain(&defaults).map(|(key, value)| FlagSetting {
        flag: "--set".to_owned(),
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    });
    let sources = ConfigSources {
        flags: flags.collect(),
        files: ConfigFiles::None,
        ..ConfigSources::default()
    };
    load_config(&sources).unwrap()
}

fn folder(parent: &tempfile::TempDir) -> DataFolder {
    DataFolder::open(&parent.path().join("data")).unwrap()
}

async fn one_shot(parent: &tempfile::TempDir) -> App {
    App::open(config(&[]), folder(parent), AppRole::OneShot).await.unwrap()
}

async fn post(router: &Router, path: &str, body: &Value) -> Value {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .header("headwater-folder", "/")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

async fn sessions(parent: &tempfile::TempDir) -> usize {
    let options = SqliteOptions::new(std::sync::Arc::new(SystemClock), crate::host::boot_id());
    let store = SqliteStore::open(&folder(parent).store(), options).await.unwrap();
    let count = store.list_sessions().await.unwrap().len();
    store.close().await;
    count
}

/// The demo through the router: registered, asked, and the same in SQL; the answers are those that plain loops gave.
#[tokio::test]
async fn the_demo_gives_the_answers_that_are_known() {
    let parent = tempfile::tempdir().unwrap();
    let demo = write_demo(folder(&parent).path(), "funnel").unwrap();
    let expected: Value = serde_json::from_str(include_str!("../../demo/expected.json")).unwrap();
    let app = one_shot(&parent).await;
    let router = app.router();
    let register =
        json!({"name": demo.table, "path": demo.path, "group": demo.group, "time": demo.time, "validation": "all"});
    let job = post(&router, "/api/v1/tables?wait=60s", &register).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let job = post(
        &router,
        "/api/v1/funnels/run?wait=60s",
        &json!({"table": demo.table, "query": demo.query}),
    )
    .await;
    assert_eq!(job["state"], "succeeded", "{job}");
    let steps = job["result"]["funnel"]["sequence"].as_array().unwrap();
    let groups: Vec<_> = steps.iter().map(|step| step["matchingGroups"].clone()).collect();
    let known = expected["funnel_within_12_hours"]["sequence"].as_array().unwrap();
    assert_eq!(
        groups,
        known
            .iter()
            .map(|step| step["matchingGroups"].clone())
            .collect::<Vec<_>>()
    );
    let rows = post(&router, "/api/v1/sql", &json!({"sql": demo.sql})).await;
    let jfk = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["origin"] == "JFK")
        .unwrap();
    assert_eq!(jfk["flights"], expected["rows_per_origin"]["JFK"]);
    let validated = post(
        &router,
        "/api/v1/funnels/validate",
        &json!({"table": "flights", "query": demo.query}),
    )
    .await;
    assert_eq!(validated["success"], true, "{validated}");
    app.close().await;
    assert_eq!(sessions(&parent).await, 0);
}

#[tokio::test]
async fn what_one_command_registered_the_next_one_sees() {
    let parent = tempfile::tempdir().unwrap();
    let demo = write_demo(folder(&parent).path(), "funnel").unwrap();
    let app = one_shot(&parent).await;
    let register =
        json!({"name": "flights", "path": demo.path, "group": "aircraft", "time": "departure", "validation": "single"});
    assert_eq!(
        post(&app.router(), "/api/v1/tables?wait=60s", &register).await["state"],
        "succeeded"
    );
    app.close().await;
    let app = one_shot(&parent).await;
    let rows = post(
        &app.router(),
        "/api/v1/sql",
        &json!({"sql": "SELECT count(*) AS n FROM flights"}),
    )
    .await;
    assert_eq!(rows, json!([{"n": 334_264}]));
    app.close().await;
}

#[tokio::test]
async fn a_command_that_ends_takes_its_job_along() {
    let parent = tempfile::tempdir().unwrap();
    let app = one_shot(&parent).await;
    // Nothing answers at this address, so that the registration is under way when the command ends.
    let register = json!({"name": "t", "path": "http://127.0.0.1:9/x.parquet"});
    let job = post(&app.router(), "/api/v1/tables", &register).await;
    let id = job["id"].as_str().unwrap().to_owned();
    tokio::time::timeout(Duration::from_secs(10), app.close())
        .await
        .unwrap();
    let app = one_shot(&parent).await;
    let request = Request::get(format!("/api/v1/jobs/{id}")).body(Body::empty()).unwrap();
    let response = app.router().oneshot(request).await.unwrap();
    let shown: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(shown["state"], "cancelled", "{shown}");
    app.close().await;
}

struct Up {
    facts: ServerDocument,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), Problem>>,
}

impl Up {
    async fn start(parent: &tempfile::TempDir, settings: &[(&str, &str)]) -> Result<Self, Problem> {
        Self::listen(parent, settings, Vec::new()).await
    }

    async fn listen(
        parent: &tempfile::TempDir,
        settings: &[(&str, &str)],
        listen: Vec<SocketAddr>,
    ) -> Result<Self, Problem> {
        let (stop, stopped) = oneshot::channel();
        let (started, facts) = oneshot::channel();
        let settings_of_up = UpSettings {
            listen,
            http: true,
            runtime_folder: Some(parent.path().join("run")),
            started: Box::new(move |facts: &ServerDocument| started.send(facts.clone()).unwrap()),
            shutdown: stopped.map(|_| ()).boxed(),
        };
        let ended = tokio::spawn(serve_up(config(settings), folder(parent), settings_of_up));
        match facts.await {
            Ok(facts) => Ok(Self { facts, stop, ended }),
            Err(_) => Err(ended.await.unwrap().unwrap_err()),
        }
    }

    fn address(&self) -> SocketAddr {
        self.facts
            .http
            .as_ref()
            .unwrap()
            .trim_start_matches("http://")
            .parse()
            .unwrap()
    }

    async fn ask(&self, path: &str, header: &str) -> String {
        exchange(TcpStream::connect(self.address()).await.unwrap(), path, header).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.ended)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

async fn exchange(mut stream: impl AsyncWrite + tokio::io::AsyncRead + Unpin, path: &str, header: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{header}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_server_answers_over_both_doors_and_leaves_nothing_behind() {
    let parent = tempfile::tempdir().unwrap();
    let up = Up::start(&parent, &[]).await.unwrap();
    let data = folder(&parent);
    let written: ServerDocument = serde_json::from_slice(&std::fs::read(data.server_document()).unwrap()).unwrap();
    assert_eq!(written, up.facts);
    let socket = PathBuf::from(up.facts.socket.clone().unwrap());
    assert_eq!(
        (socket.as_path(), mode(&socket)),
        (data.path().join("server.sock").as_path(), 0o600)
    );
    let over_tcp = up.ask("/api/v1/server", "").await;
    assert!(
        over_tcp.starts_with("HTTP/1.1 200") && over_tcp.contains(&up.facts.started_at),
        "{over_tcp}"
    );
    let worker_joins = async {
        let over_unix = async || exchange(UnixStream::connect(&socket).await.unwrap(), "/api/v1/workers", "").await;
        while !over_unix().await.contains(":tasks") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), worker_joins)
        .await
        .expect("the server has a worker");
    assert!(up.ask("/health/ready", "").await.starts_with("HTTP/1.1 200"));
    assert!(
        up.ask("/api/v1/server", "origin: http://evil.example\r\n")
            .await
            .starts_with("HTTP/1.1 403")
    );
    up.stop().await;
    assert!(!socket.exists() && !data.server_document().exists());
    assert_eq!(sessions(&parent).await, 0);
}

#[tokio::test]
async fn metrics_have_an_address_of_their_own_where_the_settings_name_one() {
    let parent = tempfile::tempdir().unwrap();
    let up = Up::start(&parent, &[("metrics.listen", "127.0.0.1:0")]).await.unwrap();
    let written: ServerDocument =
        serde_json::from_slice(&std::fs::read(folder(&parent).server_document()).unwrap()).unwrap();
    assert_eq!(written.metrics, up.facts.metrics);
    let url = up.facts.metrics.clone().unwrap();
    let address = url
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/metrics"));
    let address: SocketAddr = address.unwrap().parse().unwrap();
    assert!(address.port() != 0 && address != up.address());
    let ask = async |path: &str| exchange(TcpStream::connect(address).await.unwrap(), path, "").await;
    let told = ask("/metrics").await;
    assert!(
        told.starts_with("HTTP/1.1 200") && told.contains("headwater_build_info"),
        "{told}"
    );
    assert!(ask("/health/live").await.starts_with("HTTP/1.1 200"));
    assert!(ask("/health/ready").await.starts_with("HTTP/1.1 200"));
    for path in ["/api/v1/server", "/datasets", "/"] {
        assert!(ask(path).await.starts_with("HTTP/1.1 404"), "{path}");
    }
    assert!(up.ask("/metrics", "").await.starts_with("HTTP/1.1 200"));
    up.stop().await;
    TcpStream::connect(address).await.unwrap_err();
}

/// The rules are those of the other address: a token is asked for where others can reach it, or where the loopback has one.
#[tokio::test]
async fn the_address_of_metrics_is_guarded_like_the_other() {
    let parent = tempfile::tempdir().unwrap();
    let refused = |listen: &'static str| {
        let parent = &parent;
        async move {
            Up::start(parent, &[("metrics.listen", listen)])
                .await
                .err()
                .unwrap()
                .code
        }
    };
    assert_eq!(refused("192.0.2.1:9100").await, "HW-C013");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address: &'static str = taken.local_addr().unwrap().to_string().leak();
    assert_eq!(refused(address).await, "HW-C012");
    let settings = [("metrics.listen", "127.0.0.1:0"), ("auth.loopback_token", "true")];
    let up = Up::start(&parent, &settings).await.unwrap();
    let url = up.facts.metrics.clone().unwrap();
    let address = url
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/metrics"))
        .unwrap();
    let ask = async |header: &str| exchange(TcpStream::connect(address).await.unwrap(), "/metrics", header).await;
    assert!(ask("").await.starts_with("HTTP/1.1 401"));
    let token = std::fs::read_to_string(folder(&parent).token()).unwrap();
    let header = format!("authorization: Bearer {}\r\n", token.trim());
    assert!(ask(&header).await.starts_with("HTTP/1.1 200"));
    up.stop().await;
}

#[tokio::test]
async fn one_server_per_data_folder() {
    let parent = tempfile::tempdir().unwrap();
    let up = Up::start(&parent, &[]).await.unwrap();
    let problem = Up::start(&parent, &[]).await.err().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (409, "HW-C011"));
    assert_eq!(problem.exit_code(), hw_api::ExitCode::Conflict);
    assert!(
        up.ask("/health/live", "").await.starts_with("HTTP/1.1 200"),
        "the first one goes on"
    );
    up.stop().await;
    Up::start(&parent, &[]).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_server_that_others_can_reach_needs_a_token() {
    let parent = tempfile::tempdir().unwrap();
    // An address that no host has (RFC 5737): nothing is ever bound to it.
    let elsewhere: Vec<SocketAddr> = vec!["192.0.2.1:7080".parse().unwrap()];
    let problem = Up::listen(&parent, &[], elsewhere.clone()).await.err().unwrap();
    assert_eq!((problem.status, problem.code.as_str()), (422, "HW-C013"));
    let app = one_shot(&parent).await;
    post(&app.router(), "/api/v1/tokens", &json!({"role": "read"})).await;
    app.close().await;
    // With a token to ask for, only the address itself stands against it.
    let problem = Up::listen(&parent, &[], elsewhere).await.err().unwrap();
    assert_eq!(problem.code, "HW-C012");
}

#[tokio::test]
async fn the_loopback_token_is_written_for_its_user_and_demanded() {
    let parent = tempfile::tempdir().unwrap();
    let up = Up::start(&parent, &[("auth.loopback_token", "true")]).await.unwrap();
    let path = folder(&parent).token();
    assert_eq!(mode(&path), 0o600);
    let token = std::fs::read_to_string(path).unwrap();
    assert!(up.ask("/api/v1/server", "").await.starts_with("HTTP/1.1 401"));
    let header = format!("authorization: Bearer {}\r\n", token.trim());
    assert!(up.ask("/api/v1/tokens", &header).await.starts_with("HTTP/1.1 200"));
    let socket = UnixStream::connect(up.facts.socket.clone().unwrap()).await.unwrap();
    assert!(exchange(socket, "/api/v1/tokens", "").await.starts_with("HTTP/1.1 200"));
    up.stop().await;
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let parent = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let problem = Up::listen(&parent, &[], vec![address]).await.err().unwrap();
    assert_eq!(problem.code, "HW-C012");
    assert!(problem.detail.contains(&address.to_string()), "{}", problem.detail);
    Up::start(&parent, &[]).await.unwrap().stop().await;
}

#[tokio::test]
async fn a_worker_process_announces_itself() {
    let parent = tempfile::tempdir().unwrap();
    let up = Up::start(&parent, &[]).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let settings = WorkerProcessSettings {
        slots: Some(3),
        labels: vec!["gold".to_owned()],
        shutdown: stopped.map(|_| ()).boxed(),
    };
    let worker = tokio::spawn(serve_worker(config(&[]), folder(&parent), settings));
    let seen = async {
        while !up.ask("/api/v1/workers", "").await.contains("\"gold\"") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen).await.unwrap();
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();
    assert!(!up.ask("/api/v1/workers", "").await.contains("\"gold\""));
    up.stop().await;
}

#[tokio::test]
async fn a_worker_process_tells_its_own_metrics() {
    let parent = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let start = |stopped: oneshot::Receiver<()>| {
        let settings = WorkerProcessSettings {
            slots: Some(1),
            labels: Vec::new(),
            shutdown: stopped.map(|_| ()).boxed(),
        };
        let config = config(&[("worker.metrics", &address.to_string())]);
        tokio::spawn(serve_worker(config, folder(&parent), settings))
    };
    let (_stop, stopped) = oneshot::channel();
    let problem = start(stopped).await.unwrap().unwrap_err();
    assert_eq!(problem.code, "HW-C012");
    drop(free);
    let (stop, stopped) = oneshot::channel();
    let worker = start(stopped);
    let told = async {
        loop {
            match TcpStream::connect(address).await {
                Ok(stream) => return exchange(stream, "/metrics", "").await,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    assert!(told.contains("headwater_build_info"), "{told}");
    for (path, status) in [("/health/ready", 200), ("/api/v1/workers", 404)] {
        let answer = exchange(TcpStream::connect(address).await.unwrap(), path, "").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    stop.send(()).unwrap();
    worker.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn the_store_is_backed_up_while_it_is_in_use() {
    let parent = tempfile::tempdir().unwrap();
    let app = one_shot(&parent).await;
    let target = parent.path().join("copy.db");
    let answer = post(&app.router(), "/api/v1/config/backup", &json!({"path": target})).await;
    assert_eq!(
        answer["bytes"].as_u64(),
        Some(std::fs::metadata(&target).unwrap().len()),
        "{answer}"
    );
    app.close().await;
}
