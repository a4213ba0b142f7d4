//! A server that encrypts: whom the client trusts, and what it shows of itself.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::{WORDS, block_on, rows, scene, serve_connection};
use crate::tests::{FakeRouter, Played};

/// An authority (`ca.pem`), and a server and a client (`NAME.pem`, `NAME.key`) that it signed for.
struct Certificates(tempfile::TempDir);

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key_pair = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key_pair).unwrap();
        let certificates = Self(tempfile::tempdir().unwrap());
        std::fs::write(certificates.path("ca.pem"), cert.pem()).unwrap();
        let authority = CertifiedKey { cert, key_pair };
        certificates.issue(&authority, "server", ExtendedKeyUsagePurpose::ServerAuth);
        certificates.issue(&authority, "client", ExtendedKeyUsagePurpose::ClientAuth);
        certificates
    }

    fn issue(&self, authority: &CertifiedKey, name: &str, usage: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &authority.cert, &authority.key_pair).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), signed.pem()).unwrap();
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `--set KEY=FILE`.
    fn set(&self, key: &str, name: &str) -> [String; 2] {
        ["--set".to_owned(), format!("{key}={}", self.path(name).display())]
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(name)).unwrap()
    }

    fn acceptor(&self, mutual: bool) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate("ca.pem")).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let builder = match mutual {
            true => builder.with_client_cert_verifier(verifier.build().unwrap()),
            false => builder.with_no_client_auth(),
        };
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let config = builder.with_single_cert(vec![self.certificate("server.pem")], key);
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }
}

async fn serve_tls(acceptor: TlsAcceptor, router: FakeRouter) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not agree goes away.
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve_connection(stream, router.clone()));
            }
        }
    });
    format!("https://{address}")
}

fn play(certificates: &Certificates, mutual: bool, options: &[[String; 2]]) -> Played {
    block_on(async {
        let scene = scene(rows());
        let server = serve_tls(certificates.acceptor(mutual), scene.router()).await;
        let options: Vec<&str> = options.iter().flatten().map(String::as_str).collect();
        let words = [&WORDS[..], &["--server", &server], &options].concat();
        scene.play_here(&words).await
    })
}

#[track_caller]
fn answered(played: &Played) {
    assert_eq!(
        (played.output.as_str(), played.code as i32),
        ("n\n1\n2\n", 0),
        "{}",
        played.errors
    );
}

#[track_caller]
fn refused(played: &Played, code: i32, begin: &str) {
    assert_eq!(
        (played.code as i32, played.requests.len()),
        (code, 0),
        "{}",
        played.errors
    );
    assert!(played.errors.starts_with(begin), "{}", played.errors);
}

#[test]
fn a_server_is_trusted_by_the_authority_of_the_settings() {
    let certificates = Certificates::new();
    answered(&play(&certificates, false, &[certificates.set("client.ca", "ca.pem")]));
}

#[test]
fn a_server_that_nobody_signed_for_gets_no_request() {
    let certificates = Certificates::new();
    refused(&play(&certificates, false, &[]), 6, "error[HW-C051]: ");
    let other = Certificates::new();
    refused(
        &play(&certificates, false, &[other.set("client.ca", "ca.pem")]),
        6,
        "error[HW-C051]: ",
    );
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_one() {
    let certificates = Certificates::new();
    let ca = certificates.set("client.ca", "ca.pem");
    let shown = [
        ca.clone(),
        certificates.set("client.certificate", "client.pem"),
        certificates.set("client.key", "client.key"),
    ];
    answered(&play(&certificates, true, &shown));
    refused(&play(&certificates, true, &[ca]), 6, "error[HW-C051]: ");
}

#[test]
fn files_that_are_no_certificates_are_named_at_once() {
    let certificates = Certificates::new();
    std::fs::write(certificates.path("text.pem"), "hello").unwrap();
    let played = play(
        &certificates,
        false,
        &[
            certificates.set("client.ca", "text.pem"),
            certificates.set("client.certificate", "client.pem"),
            certificates.set("client.key", "none.key"),
        ],
    );
    refused(&played, 3, "error[HW-C064]: ");
    for part in [
        "`client.ca` names",
        "text.pem`, which holds no certificate",
        "`client.key` names",
        "No such file",
    ] {
        assert!(played.errors.contains(part), "{part}: {}", played.errors);
    }
    let played = play(
        &certificates,
        false,
        &[certificates.set("client.certificate", "client.pem")],
    );
    refused(&played, 3, "error[HW-C064]: ");
    assert!(played.errors.contains("`client.key` is not"), "{}", played.errors);
}
