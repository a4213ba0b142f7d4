//! Real sockets on the loopback, port 0.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::get;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{ListenLimits, Listener, StallLimit, bind_tcp, serve};

struct Serving {
    address: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

async fn start(router: Router, connections: usize, drain: Duration) -> Serving {
    let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let limits = ListenLimits {
        connections: Arc::new(Semaphore::new(connections)),
        drain,
    };
    let ended = tokio::spawn(serve(Listener::Tcp(listener), router, limits, stop.clone()));
    Serving { address, stop, ended }
}

fn endless() -> Body {
    let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 64 << 10])));
    Body::from_stream(chunks)
}

async fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn answer(address: SocketAddr, path: &str) -> String {
    let mut text = String::new();
    ask(address, path).await.read_to_string(&mut text).await.unwrap();
    text
}

fn slow(time: Duration) -> Router {
    let handler = move || async move {
        sleep(time).await;
        "done"
    };
    Router::new().route("/", get(handler))
}

#[tokio::test]
async fn requests_under_way_are_answered_at_the_end() {
    let serving = start(slow(Duration::from_millis(300)), 10, Duration::from_secs(5)).await;
    let asked = tokio::spawn(answer(serving.address, "/"));
    sleep(Duration::from_millis(100)).await;
    serving.stop.cancel();
    assert!(asked.await.unwrap().ends_with("done"));
    timeout(Duration::from_secs(2), serving.ended).await.unwrap().unwrap();
    assert!(TcpStream::connect(serving.address).await.is_err());
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let serving = start(slow(Duration::from_secs(3600)), 10, Duration::from_millis(200)).await;
    let _asked = ask(serving.address, "/").await;
    sleep(Duration::from_millis(100)).await;
    serving.stop.cancel();
    timeout(Duration::from_secs(5), serving.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let serving = start(slow(Duration::from_millis(200)), 1, Duration::from_secs(5)).await;
    let begin = tokio::time::Instant::now();
    let (one, other) = tokio::join!(answer(serving.address, "/"), answer(serving.address, "/"));
    assert!(one.ends_with("done") && other.ends_with("done"));
    assert!(begin.elapsed() >= Duration::from_millis(380), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off_where_a_handler_says_so() {
    let limited = |Extension(stall): Extension<StallLimit>| async move {
        stall.set(Duration::from_millis(200));
        endless()
    };
    let router = Router::new()
        .route("/limited", get(limited))
        .route("/patient", get(|| async { endless() }));
    let serving = start(router, 10, Duration::from_millis(100)).await;
    let mut patient = ask(serving.address, "/patient").await;
    let mut limited = ask(serving.address, "/limited").await;
    sleep(Duration::from_millis(1500)).await;
    // What was sent before is still there; then the connection is over.
    let mut buffer = vec![0; 1 << 20];
    let cut_off = async { while matches!(limited.read(&mut buffer).await, Ok(count) if count > 0) {} };
    timeout(Duration::from_secs(5), cut_off)
        .await
        .expect("the connection has an end");
    let mut taken = 0;
    let mut buffer = vec![0; 1 << 20];
    while taken < 64 << 20 {
        let count = patient.read(&mut buffer).await.unwrap();
        assert!(count > 0, "a patient answer goes on");
        taken += count;
    }
}

#[tokio::test]
async fn what_is_not_http_is_sent_away() {
    let serving = start(slow(Duration::ZERO), 10, Duration::from_secs(1)).await;
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    stream.write_all(b"\x16\x03\x01\x02\x00 hello\r\n\r\n").await.unwrap();
    let mut text = Vec::new();
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut text))
        .await
        .unwrap();
    assert!(!text.starts_with(b"HTTP/1.1 200"));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100 << 10));
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    stream.write_all(long.as_bytes()).await.unwrap();
    let mut text = Vec::new();
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut text))
        .await
        .unwrap();
    assert!(
        text.is_empty() || text.starts_with(b"HTTP/1.1 4"),
        "{}",
        String::from_utf8_lossy(&text)
    );
}
