//! What the binary hands in: the router in the process itself, the long-running processes, and what needs no router.
//!
//! This crate knows requests and answers only. Everything it cannot get through a router stands in [`Program`], which
//! the binary implements over the server.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hw_api::{CheckedConfig, Problem, ServerDocument};
use serde_json::Value;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

/// Any error, as bodies carry it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is streamed, never collected. An error after the first bytes means that the answer broke off.
pub type RouterBody = UnsyncBoxBody<Bytes, BoxError>;

/// What answers requests in the process itself.
pub type RouterService = BoxCloneSyncService<http::Request<RouterBody>, http::Response<RouterBody>, BoxError>;

/// The parts of `headwater` that this crate does not have.
pub trait Program: Send + Sync + 'static {
    /// Opens the data folder and makes the router in this process. Called at most once per process, at the first
    /// request, and only when no server is named and none runs on the data folder.
    ///
    /// # Errors
    /// When the folder cannot be opened: a store of a newer version, a bad configuration.
    fn open(&self, options: LocalOptions) -> BoxFuture<'_, Result<LocalRouter, Problem>>;

    /// `headwater up`: serves until `options.shutdown` resolves, then lets running work come to a halt and returns.
    ///
    /// # Errors
    /// When it cannot start (another one runs: status 409) or ends by a fault.
    fn up(&self, options: UpOptions) -> BoxFuture<'_, Result<(), Problem>>;

    /// `headwater worker`: takes tasks from the store until `options.shutdown` resolves.
    ///
    /// # Errors
    /// When it cannot start or ends by a fault.
    fn worker(&self, options: WorkerOptions) -> BoxFuture<'_, Result<(), Problem>>;

    /// The settings in force here, each with its origin, or every fault in them.
    ///
    /// # Errors
    /// A problem of status 422 with every finding when the configuration has faults.
    fn config(&self, options: &LocalOptions) -> Result<CheckedConfig, Box<Problem>>;

    /// The compiled-in, commented defaults file.
    fn default_config(&self) -> &'static str;

    /// Puts a backup in the place of the store of the data folder. The caller has asked already.
    ///
    /// # Errors
    /// When a server runs on the folder (status 409), or the file is no backup (422). The store is then as before.
    fn restore(&self, options: LocalOptions, backup: PathBuf) -> BoxFuture<'_, Result<Restored, Problem>>;

    /// Writes the data of a demo below the data folder, unless it is there already, and tells what to do with it.
    ///
    /// # Errors
    /// When there is no demo of that name (status 404), or its files cannot be written.
    fn demo(&self, options: &LocalOptions, name: &str) -> Result<DemoData, Box<Problem>>;
}

/// Where a process finds its data folder and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalOptions {
    /// The data folder, absolute; it may not exist yet.
    pub data_dir: PathBuf,
    /// The client's working folder, absolute: where the search for a project's configuration begins.
    pub folder: PathBuf,
    /// Where settings are read from.
    pub config: ConfigSource,
    /// Settings given as flags, `--set KEY=VALUE`, in the order given; they win over every other origin.
    pub settings: Vec<(String, String)>,
    /// `--log-level`, where given: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: Option<String>,
}

/// Which configuration files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// The project's and the user's.
    Discover,
    /// This one only (absolute).
    File(PathBuf),
    /// None.
    Nothing,
}

/// Options of `headwater up`.
pub struct UpOptions {
    /// Folder and settings.
    pub local: LocalOptions,
    /// Addresses of the HTTP listener; none: the configuration decides. Port 0 picks a free one.
    pub listen: Vec<SocketAddr>,
    /// No HTTP listener at all: the Unix socket only.
    pub no_http: bool,
    /// To be called once, when requests are answered.
    pub started: Box<dyn FnOnce(&ServerDocument) + Send>,
    /// Resolves at the first Ctrl-C or SIGTERM. A second one ends the process without asking.
    pub shutdown: BoxFuture<'static, ()>,
}

/// Options of `headwater worker`.
pub struct WorkerOptions {
    /// Folder and settings.
    pub local: LocalOptions,
    /// Tasks to take at a time; the configuration decides if absent.
    pub slots: Option<u32>,
    /// Labels to carry.
    pub labels: Vec<String>,
    /// Resolves at the first Ctrl-C or SIGTERM.
    pub shutdown: BoxFuture<'static, ()>,
}

/// The router in this process.
pub struct LocalRouter {
    pub(crate) service: RouterService,
    pub(crate) close: BoxFuture<'static, ()>,
}

impl LocalRouter {
    /// A router from any service that answers with a stream. `close` runs when the command is through with it: it waits
    /// for what must not be cut off, and lets go of the data folder.
    pub fn new<S, B>(service: S, close: impl Future<Output = ()> + Send + 'static) -> Self
    where
        S: tower::Service<http::Request<RouterBody>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let service = service
            .map_err(Into::into)
            .map_response(|response| response.map(|body| body.map_err(Into::into).boxed_unsync()));
        Self {
            service: BoxCloneSyncService::new(service),
            close: close.boxed(),
        }
    }
}

/// What `config restore` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The store that was written.
    pub store: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where the store that stood there before was put aside; `None` if there was none.
    pub previous: Option<PathBuf>,
}

/// A demo, ready to be registered and asked.
#[derive(Debug, Clone, PartialEq)]
pub struct DemoData {
    /// Headline of what is shown.
    pub title: String,
    /// Folder of the parts, absolute.
    pub path: PathBuf,
    /// Name to register it under.
    pub table: String,
    /// Its group column.
    pub group: String,
    /// Its time column.
    pub time: String,
    /// The funnel query.
    pub query: Value,
    /// The same query as a file that a user can change, absolute.
    pub query_file: PathBuf,
    /// An SQL statement over the table worth trying next.
    pub sql: String,
    /// A page that tells where the data are from, absolute.
    pub readme: PathBuf,
}
