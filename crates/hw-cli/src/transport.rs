//! How requests reach the router: over HTTP, over the Unix socket of a running `up`, or in this process.
//!
//! Which of the three is decided at the first request (DESIGN section 2): a server that is named; else one that runs on
//! the data folder; else this process. Bodies are streams in all three.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Response};
use hw_api::{FOLDER_HEADER, ServerDocument};

use crate::failure::{ClientError, Failure};
use crate::program::{LocalOptions, Program, RouterBody};

mod http_server;
mod local;
#[cfg(test)]
mod tests;
mod trust;
#[cfg(unix)]
mod unix;

use http_server::HttpTransport;
pub(crate) use http_server::ServerAddress;
use local::LocalTransport;
use trust::Trust;
#[cfg(unix)]
use unix::UnixTransport;

/// Where requests go, as flags and environment say; the rest is found out at the first request.
pub(crate) struct Destination {
    /// The server that was named, and its token.
    pub(crate) server: Option<ServerAddress>,
    /// Folder and settings of a router in this process.
    pub(crate) local: LocalOptions,
    pub(crate) program: Arc<dyn Program>,
}

/// The way to the router.
pub(crate) enum Transport {
    Http(HttpTransport),
    #[cfg(unix)]
    Unix(UnixTransport),
    Local(LocalTransport),
}

impl Transport {
    /// Finds the router.
    pub(crate) async fn open(destination: &Destination) -> Result<Self, Failure> {
        if let Some(server) = &destination.server {
            check_settings(&destination.local, "the server named by `--server`")?;
            return Ok(Self::Http(HttpTransport::new(server, &trust(destination, server)?)?));
        }
        #[cfg(unix)]
        if let Some(transport) = UnixTransport::find(&sockets(&destination.local.data_dir)).await {
            check_settings(&destination.local, "the `headwater up` of the data folder")?;
            return Ok(Self::Unix(transport));
        }
        let router = destination.program.open(destination.local.clone()).await?;
        Ok(Self::Local(LocalTransport::new(router)))
    }

    /// Sends a request whose URI is a path, and gives the answer as soon as its head is there.
    ///
    /// Dropping the future or the answer's body lets the server see that nobody listens any more.
    pub(crate) async fn send(
        &self,
        mut request: Request<Bytes>,
        folder: &Path,
    ) -> Result<Response<RouterBody>, Failure> {
        let headers = request.headers_mut();
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("headwater/", env!("CARGO_PKG_VERSION"))),
        );
        match self {
            Self::Http(transport) => transport.send(request).await,
            #[cfg(unix)]
            Self::Unix(transport) => transport.send(with_folder(request, folder)).await,
            Self::Local(transport) => transport.send(with_folder(request, folder)).await,
        }
    }

    /// Whether the router ends with this process.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// Lets go of the router; one in this process comes to a halt first.
    pub(crate) async fn close(self) {
        match self {
            Self::Local(transport) => transport.close().await,
            Self::Http(_) => {}
            #[cfg(unix)]
            Self::Unix(_) => {}
        }
    }
}

/// Settings that were given for this command alone are those of a router in this process; a server has its own. What it says
/// in the environment or in files is meant for all commands and is no fault.
fn check_settings(local: &LocalOptions, server: &str) -> Result<(), ClientError> {
    let keys = local.settings.iter().map(|(key, _)| key);
    let keys: Vec<String> = keys.filter(|key| !key.starts_with("client.")).cloned().collect();
    match keys.is_empty() {
        true => Ok(()),
        false => Err(ClientError::SettingsElsewhere {
            keys,
            server: server.to_owned(),
        }),
    }
}

/// Whom to trust; only an encrypted connection needs to know, so that the settings are read for one only.
fn trust(destination: &Destination, server: &ServerAddress) -> Result<Trust, Failure> {
    if !server.is_encrypted() {
        return Ok(Trust::default());
    }
    let config = destination.program.config(&destination.local)?;
    Ok(Trust::of(&config, &destination.local.folder))
}

/// A request for a router that trusts this process: it says where relative paths begin.
fn with_folder(mut request: Request<Bytes>, folder: &Path) -> Request<Bytes> {
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    if let Ok(folder) = HeaderValue::from_bytes(folder.as_os_str().as_encoded_bytes()) {
        headers.insert(FOLDER_HEADER, folder);
    }
    request
}

/// Sockets that a server of the data folder may listen on, the one it wrote down first.
fn sockets(data_dir: &Path) -> Vec<PathBuf> {
    let written = server_document(data_dir).and_then(|document| document.socket);
    let written = written.map(|socket| data_dir.join(socket));
    let usual = data_dir.join("server.sock");
    written
        .filter(|socket| *socket != usual)
        .into_iter()
        .chain([usual])
        .collect()
}

/// What the server of the data folder wrote about itself; `None` where none did, or it cannot be read.
pub(crate) fn server_document(data_dir: &Path) -> Option<ServerDocument> {
    let text = std::fs::read_to_string(data_dir.join("server.json")).ok()?;
    serde_json::from_str(&text).ok()
}
