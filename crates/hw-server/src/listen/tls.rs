//! Encryption of the HTTP listener: its certificate, and those of clients.
//!
//! rustls on ring, as everything else in the program that speaks TLS. The files are read once, at start; every fault in them
//! is told at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hw_catalog::Finding;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::config::TlsSettings;

/// Code of every fault of these settings.
const CODE: &str = "HW-C017";

/// How connections become encrypted ones.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    timeout: Duration,
    /// Clients that agree on a session now.
    pub(super) handshakes: Arc<Semaphore>,
    /// Whether only clients with a certificate are let in.
    pub(crate) knows_clients: bool,
}

impl Tls {
    /// Reads the files that the settings name, relative to `folder`; `None` where there is no certificate.
    ///
    /// # Errors
    /// Every file that is missing or not what it should be.
    pub(crate) fn of(settings: &TlsSettings, folder: &Path) -> Result<Option<Self>, Vec<Finding>> {
        let named = |name: &Option<PathBuf>| name.as_ref().map(|name| folder.join(name));
        let (certificate, key) = match (named(&settings.certificate), named(&settings.key)) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) if settings.client_ca.is_none() => return Ok(None),
            (certificate, key) => return Err(incomplete(certificate.is_some(), key.is_some())),
        };
        let provider = Arc::new(ring::default_provider());
        let verifier = named(&settings.client_ca)
            .map(|path| verifier(&path, &provider))
            .transpose();
        let chain = chain("http.tls.certificate", &certificate);
        let private = private_key("http.tls.key", &key);
        let (chain, private, verifier) = match (chain, private, verifier) {
            (Ok(chain), Ok(private), Ok(verifier)) => (chain, private, verifier),
            (chain, private, verifier) => {
                let messages = [chain.err(), private.err(), verifier.err()];
                let help = "name a PEM file that the server's user can read";
                let faults = messages.into_iter().flatten();
                return Err(faults.map(|message| fault(message, help.to_owned())).collect());
            }
        };
        let knows_clients = verifier.is_some();
        let config = server_config(provider, verifier, chain, private).map_err(|reason| {
            let (certificate, key) = (certificate.display(), key.display());
            let message = format!("`{certificate}` and `{key}` do not go together: {reason}");
            let help = "name the key that the first certificate of the file was made for".to_owned();
            vec![fault(message, help)]
        })?;
        Ok(Some(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            timeout: settings.handshake_timeout.0,
            handshakes: Arc::new(Semaphore::new(settings.handshakes_max)),
            knows_clients,
        }))
    }

    /// Agrees with a client on a session.
    ///
    /// # Errors
    /// When they do not agree, or not in time.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        tokio::time::timeout(self.timeout, self.acceptor.accept(stream))
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

fn server_config(
    provider: Arc<CryptoProvider>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
) -> Result<ServerConfig, tokio_rustls::rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, private)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn incomplete(certificate: bool, key: bool) -> Vec<Finding> {
    let settings = [("http.tls.certificate", certificate), ("http.tls.key", key)];
    let missing = settings.into_iter().filter(|(_, is_set)| !is_set);
    missing
        .map(|(name, _)| {
            let message = format!("`{name}` is not set, but other settings of `http.tls` are");
            fault(
                message,
                format!("name a PEM file in `{name}`, or remove the other settings"),
            )
        })
        .collect()
}

fn verifier(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let setting = "http.tls.client_ca";
    let mut roots = RootCertStore::empty();
    for certificate in chain(setting, path)? {
        roots
            .add(certificate)
            .map_err(|error| of_file(setting, path, &error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|error| of_file(setting, path, &error.to_string()))
}

fn chain(setting: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, PemError>>();
    match read() {
        Ok(chain) if chain.is_empty() => Err(of_file(setting, path, "it holds no certificate")),
        Ok(chain) => Ok(chain),
        Err(error) => Err(of_file(setting, path, &reason(&error))),
    }
}

fn private_key(setting: &str, path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        let reason = match error {
            PemError::NoItemsFound => "it holds no private key without a passphrase".to_owned(),
            error => reason(&error),
        };
        of_file(setting, path, &reason)
    })
}

fn reason(error: &PemError) -> String {
    match error {
        PemError::Io(error) => error.to_string(),
        error => format!("it is no PEM file: {error}"),
    }
}

fn of_file(setting: &str, path: &Path, reason: &str) -> String {
    format!("`{setting}` names `{}`: {reason}", path.display())
}

fn fault(message: String, help: String) -> Finding {
    Finding {
        help: Some(help),
        ..Finding::new(CODE, message)
    }
}
