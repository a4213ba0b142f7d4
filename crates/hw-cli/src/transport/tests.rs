//! The same request over each of the three ways: what arrives, that bodies stream, and what a closed door means.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod tls;

use std::path::Path;
use std::time::Duration;

use expect_test::expect;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::tests::{FakeRouter, Piece, Played, Reply, Scene};

async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: FakeRouter) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        use http_body_util::BodyExt as _;
        router
            .clone()
            .answer(request.map(|body| body.map_err(Into::into).boxed_unsync()))
    });
    // A broken answer ends its connection with an error: that is what these tests want.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn serve_unix(path: &Path, router: FakeRouter) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream, router.clone()));
        }
    });
}

async fn serve_tcp(router: FakeRouter) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_connection(stream, router.clone()));
        }
    });
    format!("http://{address}")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn rows() -> Reply {
    Reply::pieces(vec![
        Piece::Data("n\r\n1\r\n".into()),
        Piece::Wait(Duration::from_millis(20)),
        Piece::Data("2\r\n".into()),
    ])
}

fn scene(reply: Reply) -> Scene {
    Scene::new().route("POST /sql", [reply])
}

const WORDS: [&str; 2] = ["sql", "SELECT 1"];

/// Over the Unix socket of the data folder `folder`.
async fn over_unix(scene: Scene, folder: &Path, socket: &Path, words: &[&str]) -> Played {
    serve_unix(socket, scene.router());
    let data_dir = folder.to_str().unwrap();
    scene.play_here(&[words, &["--data-dir", data_dir]].concat()).await
}

async fn over_http(scene: Scene, words: &[&str]) -> Played {
    let server = serve_tcp(scene.router()).await;
    scene.variable("HEADWATER_SERVER", &server).play_here(words).await
}

#[test]
fn a_running_up_is_found_by_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let played = block_on(over_unix(
        scene(rows()).folder(Path::new("/srv/ann")),
        folder.path(),
        &folder.path().join("server.sock"),
        &WORDS,
    ));
    assert_eq!((played.output.as_str(), played.code as i32), ("n\n1\n2\n", 0));
    // Nothing was opened in this process, so that nothing had to be closed.
    assert_eq!(
        played.requests,
        [r#"POST /sql (text/csv; charset=utf-8) {"sql":"SELECT 1","params":[]} [headwater-folder: /srv/ann]"#]
    );
}

#[test]
fn a_socket_elsewhere_is_found_by_what_the_server_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let socket = elsewhere.path().join("s");
    let document =
        json!({"pid": 1, "version": "0", "socket": socket, "data_dir": "x", "store": "sqlite", "started_at": "x"});
    std::fs::write(folder.path().join("server.json"), document.to_string()).unwrap();
    let played = block_on(over_unix(scene(rows()), folder.path(), &socket, &WORDS));
    assert_eq!((played.code as i32, played.requests.len()), (0, 1));
}

#[test]
fn a_socket_that_nobody_listens_on_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("server.sock")).unwrap());
    std::fs::write(folder.path().join("server.json"), "no json").unwrap();
    let played =
        block_on(scene(rows()).play_here(&[&WORDS[..], &["--data-dir", folder.path().to_str().unwrap()]].concat()));
    assert_eq!(
        (played.output.as_str(), played.requests.last().unwrap().as_str()),
        ("n\n1\n2\n", "(closed)")
    );
}

#[test]
fn a_server_over_http_gets_the_token_and_no_folder() {
    let played = block_on(over_http(
        scene(rows())
            .folder(Path::new("/srv/ann"))
            .variable("HEADWATER_TOKEN", "hw_secret"),
        &WORDS,
    ));
    assert_eq!((played.output.as_str(), played.code as i32), ("n\n1\n2\n", 0));
    expect![[
        r#"POST /sql (text/csv; charset=utf-8) {"sql":"SELECT 1","params":[]} [authorization: Bearer hw_secret]"#
    ]]
    .assert_eq(&played.requests[0]);
}

#[test]
fn a_token_from_a_file_and_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "hw_folder\n").unwrap();
    std::fs::write(folder.path().join("mine"), " hw_mine\n").unwrap();
    let token = |played: Played| played.requests[0].split("authorization: ").nth(1).map(str::to_owned);
    let with_file = block_on(over_http(
        scene(rows()).variable("HEADWATER_TOKEN_FILE", folder.path().join("mine").to_str().unwrap()),
        &WORDS,
    ));
    assert_eq!(token(with_file).as_deref(), Some("Bearer hw_mine]"));
    // The folder's token goes to the folder's own server, and to no other.
    let data_dir = folder.path().to_str().unwrap();
    let words = [&WORDS[..], &["--data-dir", data_dir]].concat();
    assert_eq!(token(block_on(over_http(scene(rows()), &words))), None);
    let own = block_on(async {
        let scene = scene(rows());
        let server = serve_tcp(scene.router()).await;
        let document =
            json!({"pid": 1, "version": "0", "http": server, "data_dir": "x", "store": "sqlite", "started_at": "x"});
        std::fs::write(folder.path().join("server.json"), document.to_string()).unwrap();
        scene.play_here(&[&words[..], &["--server", &server]].concat()).await
    });
    assert_eq!(token(own).as_deref(), Some("Bearer hw_folder]"));
}

#[test]
fn a_broken_answer_fails_on_every_way() {
    let broken = || {
        scene(Reply::pieces(vec![
            Piece::Data("n\r\n1\r\n".into()),
            Piece::Wait(Duration::from_millis(20)),
            Piece::Broken("x"),
        ]))
    };
    let folder = tempfile::tempdir().unwrap();
    let unix = block_on(over_unix(
        broken(),
        folder.path(),
        &folder.path().join("server.sock"),
        &WORDS,
    ));
    let http = block_on(over_http(broken(), &WORDS));
    for played in [unix, http] {
        assert_eq!((played.output.as_str(), played.code as i32), ("n\n1\n", 1));
        assert!(
            played.errors.starts_with("error[HW-C053]: the answer broke off: "),
            "{}",
            played.errors
        );
    }
}

#[test]
fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let played = scene(rows()).play(&["sql", "SELECT 1", "--server", &server]);
    assert_eq!(played.code as i32, 6);
    assert!(
        played
            .errors
            .starts_with(&format!("error[HW-C051]: the server at {server} does not answer: ")),
        "{}",
        played.errors
    );
}

#[test]
fn detached_jobs_go_on_at_the_server() {
    let queued = json!({"id": "0198c7a2-aaaa", "kind": "register", "state": "queued", "params": {}, "progress": {"tasks": {}}, "attempts": 0,
        "priority": 100, "created_at": "x", "elapsed_seconds": 0.0});
    let scene = Scene::new().route("POST /tables?detach=true", [Reply::json(&queued).status(202)]);
    let played = block_on(over_http(scene, &["table", "register", "x", "d", "--detach", "-q"]));
    assert_eq!((played.output.as_str(), played.code as i32), ("0198c7a2-aaaa\n", 0));
}

#[test]
fn settings_of_a_named_server_are_its_own() {
    let config = json!({"settings": [{"key": "a", "value": 1, "origin": "default"}]});
    let scene = Scene::new().route("GET /config", [Reply::json(&config)]);
    let played = block_on(over_http(scene, &["config", "show", "--format", "table"]));
    assert_eq!(played.output, "setting  value\na        1\n");
}

#[test]
fn a_dropped_answer_is_seen_by_the_server() {
    // The server's stream never ends; Ctrl-C drops the connection, and the command returns at once.
    let endless = scene(Reply::pieces(vec![
        Piece::Data("n\r\n".into()),
        Piece::Interrupt,
        Piece::Never,
    ]));
    let folder = tempfile::tempdir().unwrap();
    let played = block_on(over_unix(
        endless,
        folder.path(),
        &folder.path().join("server.sock"),
        &WORDS,
    ));
    assert_eq!(played.code as i32, 130);
}
