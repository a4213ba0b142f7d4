//! Clients that do not come to terms.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::Serving;
use crate::config::{LoadedConfig, TimeSpan};
use crate::listen::{ListenLimits, Listener, Tls, bind_tcp, serve};
use crate::tests::certificates::Certificates;

async fn start(certificates: &Certificates, handshake: Duration, handshakes_max: usize) -> Serving {
    let mut settings = LoadedConfig::defaults().unwrap().config.http.tls;
    settings.certificate = Some(certificates.path("server.pem"));
    settings.key = Some(certificates.path("server.key"));
    settings.handshake_timeout = TimeSpan(handshake);
    settings.handshakes_max = handshakes_max;
    let tls = Tls::of(&settings, std::path::Path::new("/")).unwrap().unwrap();
    let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let limits = ListenLimits {
        connections: Arc::new(Semaphore::new(100)),
        drain: Duration::from_millis(200),
    };
    let router = Router::new().route("/", get(|| async { "done" }));
    let ended = tokio::spawn(serve(Listener::Tls(listener, tls), router, limits, stop.clone()));
    Serving { address, stop, ended }
}

async fn ask(serving: &Serving, certificates: &Certificates) -> String {
    let stream = TcpStream::connect(serving.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = certificates.connector(None).connect(name, stream).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_client_that_says_nothing_is_sent_away_in_time() {
    let certificates = Certificates::new();
    let serving = start(&certificates, Duration::from_millis(200), 8).await;
    let mut silent = TcpStream::connect(serving.address).await.unwrap();
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(10), silent.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the connection has an end");
    assert!(bytes.is_empty());
}

#[tokio::test]
async fn silent_clients_take_a_bounded_share_and_for_a_bounded_time() {
    let certificates = Certificates::new();
    let serving = start(&certificates, Duration::from_millis(400), 2).await;
    let begin = Instant::now();
    let _silent = [
        TcpStream::connect(serving.address).await.unwrap(),
        TcpStream::connect(serving.address).await.unwrap(),
    ];
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(ask(&serving, &certificates).await.ends_with("done"));
    assert!(begin.elapsed() >= Duration::from_millis(390), "it waited for its turn");
}

#[tokio::test]
async fn the_end_does_not_wait_for_clients_without_a_session() {
    let certificates = Certificates::new();
    let serving = start(&certificates, Duration::from_secs(3600), 8).await;
    let _silent = TcpStream::connect(serving.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    serving.stop.cancel();
    timeout(Duration::from_secs(5), serving.ended).await.unwrap().unwrap();
}
