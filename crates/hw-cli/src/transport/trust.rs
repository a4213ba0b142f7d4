//! Whom this client trusts, and how it shows who it is: the settings `client.*`.

use std::path::{Path, PathBuf};

use hw_api::CheckedConfig;
use reqwest::{Certificate, ClientBuilder, Identity};

use crate::failure::ClientError;

/// Files with certificates; the host's own are trusted where none is named.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trust {
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Trust {
    /// What the settings say; paths are relative to `folder`.
    pub(super) fn of(config: &CheckedConfig, folder: &Path) -> Self {
        let path = |key: &str| {
            let setting = config.settings.iter().find(|setting| setting.key == key)?;
            setting.value.as_str().map(|path| folder.join(path))
        };
        Self {
            ca: path("client.ca"),
            certificate: path("client.certificate"),
            key: path("client.key"),
        }
    }

    /// The client with these certificates.
    ///
    /// # Errors
    /// Every file that is missing or not what it should be.
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, ClientError> {
        let (authorities, identity) = match (self.authorities(), self.identity()) {
            (Ok(authorities), Ok(identity)) => (authorities, identity),
            (authorities, identity) => {
                let faults = [authorities.err(), identity.err()].into_iter().flatten().collect();
                return Err(ClientError::Certificates { faults });
            }
        };
        if let Some(authorities) = authorities {
            builder = builder.tls_built_in_root_certs(false);
            builder = authorities
                .into_iter()
                .fold(builder, ClientBuilder::add_root_certificate);
        }
        Ok(match identity {
            Some(identity) => builder.identity(identity),
            None => builder,
        })
    }

    /// Whether something was said at all.
    pub(super) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    fn authorities(&self) -> Result<Option<Vec<Certificate>>, String> {
        let Some(path) = &self.ca else { return Ok(None) };
        let certificates = Certificate::from_pem_bundle(&read("client.ca", path)?).unwrap_or_default();
        match certificates.is_empty() {
            true => Err(format!(
                "`client.ca` names `{}`, which holds no certificate",
                path.display()
            )),
            false => Ok(Some(certificates)),
        }
    }

    /// Certificate and key, which belong together.
    fn identity(&self) -> Result<Option<Identity>, String> {
        let (certificate, key) = match (&self.certificate, &self.key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => return Err("`client.certificate` is set, but `client.key` is not".to_owned()),
            (None, Some(_)) => return Err("`client.key` is set, but `client.certificate` is not".to_owned()),
        };
        let mut text = read("client.key", key)?;
        text.push(b'\n');
        text.extend(read("client.certificate", certificate)?);
        let identity = Identity::from_pem(&text).map_err(|_| {
            let (certificate, key) = (certificate.display(), key.display());
            format!("`{certificate}` and `{key}` are not a certificate and its private key")
        })?;
        Ok(Some(identity))
    }
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("`{setting}` names `{}`: {error}", path.display()))
}
