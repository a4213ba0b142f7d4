//! Certificates made for a test, as files of a folder of its own.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedKey, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// An authority (`ca.pem`), a server for `localhost` and 127.0.0.1 (`server.pem`, `server.key`), a client (`client.pem`,
/// `client.key`), and a client of another authority (`stranger.pem`, `stranger.key`).
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let certificates = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let own = authority();
        std::fs::write(certificates.path("ca.pem"), own.cert.pem()).unwrap();
        certificates.issue(&own, "server", ExtendedKeyUsagePurpose::ServerAuth);
        certificates.issue(&own, "client", ExtendedKeyUsagePurpose::ClientAuth);
        certificates.issue(&authority(), "stranger", ExtendedKeyUsagePurpose::ClientAuth);
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as a setting's value.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A client that trusts the authority and shows this certificate, if any.
    pub(crate) fn connector(&self, shown: Option<&str>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            Some(name) => {
                let certificate = CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        TlsConnector::from(Arc::new(config))
    }
}

fn authority() -> CertifiedKey {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key_pair = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key_pair).unwrap();
    CertifiedKey { cert, key_pair }
}
