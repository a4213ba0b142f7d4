//! A server that encrypts: its own certificate, those of clients, and what it refuses at start.

use std::net::SocketAddr;

use hw_api::Problem;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Up, one_shot, post};
use crate::tests::certificates::Certificates;

fn encrypted(certificates: &Certificates) -> Vec<(&'static str, String)> {
    vec![
        ("http.tls.certificate", certificates.text("server.pem")),
        ("http.tls.key", certificates.text("server.key")),
    ]
}

fn mutual(certificates: &Certificates) -> Vec<(&'static str, String)> {
    let client_ca = ("http.tls.client_ca", certificates.text("ca.pem"));
    encrypted(certificates).into_iter().chain([client_ca]).collect()
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    settings.iter().map(|(key, value)| (*key, value.as_str())).collect()
}

fn address(up: &Up) -> SocketAddr {
    let http = up.facts.http.clone().unwrap();
    http.strip_prefix("https://")
        .expect("the address says https")
        .parse()
        .unwrap()
}

/// The answer to a request over TLS, or why there is none.
async fn ask(up: &Up, certificates: &Certificates, shown: Option<&str>, path: &str) -> Result<String, String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stream = TcpStream::connect(address(up)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connected = certificates.connector(shown).connect(name, stream).await;
    let mut stream = connected.map_err(|error| error.to_string())?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .map_err(|error| error.to_string())?;
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .await
        .map_err(|error| error.to_string())?;
    Ok(text)
}

#[tokio::test]
async fn requests_are_answered_over_https_only() {
    let (parent, certificates) = (tempfile::tempdir().unwrap(), Certificates::new());
    let up = Up::start(&parent, &borrowed(&encrypted(&certificates))).await.unwrap();
    let answer = ask(&up, &certificates, None, "/api/v1/tokens").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let plain = exchange_plain(&up).await;
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    up.stop().await;
}

async fn exchange_plain(up: &Up) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = TcpStream::connect(address(up)).await.unwrap();
    stream
        .write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn clients_without_a_certificate_of_ours_are_not_let_in() {
    let (parent, certificates) = (tempfile::tempdir().unwrap(), Certificates::new());
    let up = Up::start(&parent, &borrowed(&mutual(&certificates))).await.unwrap();
    for shown in [None, Some("stranger")] {
        let answer = ask(&up, &certificates, shown, "/health/live").await;
        assert!(answer.is_err(), "{shown:?}: {answer:?}");
    }
    let answer = ask(&up, &certificates, Some("client"), "/api/v1/tables").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    up.stop().await;
}

#[tokio::test]
async fn a_certificate_stands_for_the_role_of_the_settings() {
    for (role, tables, tokens) in [
        ("none", 401, 401),
        ("read", 200, 403),
        ("write", 200, 403),
        ("admin", 200, 200),
    ] {
        let (parent, certificates) = (tempfile::tempdir().unwrap(), Certificates::new());
        let mut settings = mutual(&certificates);
        settings.push(("http.tls.client_role", role.to_owned()));
        let up = Up::start(&parent, &borrowed(&settings)).await.unwrap();
        for (path, status) in [("/api/v1/tables", tables), ("/api/v1/tokens", tokens)] {
            let answer = ask(&up, &certificates, Some("client"), path).await.unwrap();
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{role} {path}: {answer}"
            );
        }
        up.stop().await;
    }
}

/// The addresses are ones that no host has (RFC 5737): nothing is ever bound to them, so that HW-C012 means let through.
#[tokio::test]
async fn who_may_listen_where_others_can_reach() {
    let (parent, certificates) = (tempfile::tempdir().unwrap(), Certificates::new());
    let elsewhere: Vec<SocketAddr> = vec!["192.0.2.1:7080".parse().unwrap()];
    let code = async |settings: &[(&'static str, String)]| {
        let problem = Up::listen(&parent, &borrowed(settings), elsewhere.clone()).await;
        problem.err().unwrap().code
    };
    let no_role = ("http.tls.client_role", "none".to_owned());
    let own_token = ("auth.loopback_token", "true".to_owned());
    let with = |settings: Vec<_>, more: &(&'static str, String)| {
        settings.into_iter().chain([more.clone()]).collect::<Vec<_>>()
    };
    assert_eq!(
        code(&encrypted(&certificates)).await,
        "HW-C013",
        "encryption alone knows nobody"
    );
    assert_eq!(code(&mutual(&certificates)).await, "HW-C012");
    assert_eq!(code(&with(mutual(&certificates), &no_role)).await, "HW-C013");
    assert_eq!(code(&with(encrypted(&certificates), &own_token)).await, "HW-C012");
    let app = one_shot(&parent).await;
    post(&app.router(), "/api/v1/tokens", &serde_json::json!({"role": "read"})).await;
    app.close().await;
    assert_eq!(code(&with(mutual(&certificates), &no_role)).await, "HW-C012");
}

async fn refused(settings: &[(&'static str, String)]) -> Problem {
    let parent = tempfile::tempdir().unwrap();
    Up::start(&parent, &borrowed(settings)).await.err().unwrap()
}

/// What is said about each setting, without the folder of the test.
async fn faults(certificates: &Certificates, settings: &[(&'static str, &str)]) -> String {
    let settings: Vec<_> = settings
        .iter()
        .map(|(key, name)| (*key, certificates.text(name)))
        .collect();
    let problem = refused(&settings).await;
    assert_eq!((problem.status, problem.code.as_str()), (422, "HW-C017"));
    let folder = certificates.text("");
    let lines = problem.errors.iter().map(|error| {
        assert!(error.help.is_some() && error.code == "HW-C017");
        error.message.replace(&folder, "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn wrong_files_are_named_at_start_all_at_once() {
    let certificates = Certificates::new();
    std::fs::write(certificates.path("text.pem"), "hello").unwrap();
    std::fs::write(
        certificates.path("bad.pem"),
        "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let check = async |settings: &[(&'static str, &str)]| faults(&certificates, settings).await;
    let (certificate, key, client_ca) = ("http.tls.certificate", "http.tls.key", "http.tls.client_ca");
    expect_test::expect![[r#"
        `http.tls.certificate` names `text.pem`: it holds no certificate
        `http.tls.key` names `server.pem`: it holds no private key without a passphrase
        `http.tls.client_ca` names `none.pem`: No such file or directory (os error 2)"#]]
    .assert_eq(&check(&[(certificate, "text.pem"), (key, "server.pem"), (client_ca, "none.pem")]).await);
    expect_test::expect![
        "`http.tls.certificate` names `bad.pem`: it is no PEM file: base64 decode error: InvalidCharacter(33)"
    ]
    .assert_eq(&check(&[(certificate, "bad.pem"), (key, "server.key")]).await);
    expect_test::expect!["`server.pem` and `client.key` do not go together: keys may not be consistent: KeyMismatch"]
        .assert_eq(&check(&[(certificate, "server.pem"), (key, "client.key")]).await);
    expect_test::expect!["`http.tls.key` is not set, but other settings of `http.tls` are"]
        .assert_eq(&check(&[(certificate, "server.pem")]).await);
    expect_test::expect![[r#"
        `http.tls.certificate` is not set, but other settings of `http.tls` are
        `http.tls.key` is not set, but other settings of `http.tls` are"#]]
    .assert_eq(&check(&[(client_ca, "ca.pem")]).await);
}
