//! The configuration as the program uses it: typed, complete, checked.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::keys::{counters_of, percent_of};
use super::units::{parse_duration, parse_size};

/// All settings. `default.toml` says what each does.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of threads; `None` = number of processors.
    #[serde(default)]
    pub threads: Option<usize>,
    /// Memory.
    pub memory: MemorySettings,
    /// Spilled data.
    pub spill: SpillSettings,
    /// Where jobs, tables and events are kept.
    #[serde(default)]
    pub store: StoreSettings,
    /// The HTTP listener.
    pub http: HttpSettings,
    /// The command line as a client of servers.
    #[serde(default)]
    pub client: ClientSettings,
    /// Who may do what.
    pub auth: AuthSettings,
    /// Files of the deployment and of users.
    pub files: FileSettings,
    /// Object stores that speak S3.
    pub s3: S3Settings,
    /// Jobs.
    pub jobs: JobSettings,
    /// Events.
    pub events: EventSettings,
    /// Workers of this process.
    pub worker: WorkerSettings,
    /// Retries of tasks.
    pub retry: RetrySettings,
    /// Registration of tables.
    pub registration: RegistrationSettings,
    /// Tables.
    pub tables: TableSettings,
    /// Funnel queries.
    pub funnel: FunnelSettings,
    /// What is kept to be faster the next time.
    pub cache: CacheSettings,
    /// Other programs' clients.
    pub compat: CompatSettings,
    /// Logs.
    pub log: LogSettings,
    /// Metrics.
    pub metrics: MetricSettings,
}

/// `memory.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySettings {
    /// Memory that queries, tasks and buffers may take.
    pub limit: Share,
}

/// `spill.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpillSettings {
    /// Data that queries may write to disk.
    pub limit: Share,
}

/// `http.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address of the listener.
    pub listen: ListenAddress,
    /// Further host names under which requests may arrive.
    pub hosts: Vec<String>,
    /// Largest body of a request.
    pub body_limit: ByteSize,
    /// Requests answered at the same time.
    pub requests_max: usize,
    /// Clients that follow events at the same time.
    pub followers_max: usize,
    /// Open connections.
    pub connections_max: usize,
    /// Longest `wait`.
    pub wait_max: TimeSpan,
    /// Time that requests under way get at the end.
    pub drain: TimeSpan,
    /// Encryption.
    pub tls: TlsSettings,
}

/// `http.tls.*`. Paths are relative to the data folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Certificate chain of the listener; `None` = it speaks http.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Who signs for clients; `None` = clients show no certificate.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
    /// What a client with a certificate may do without a token: `none`, `read`, `write` or `admin`.
    pub client_role: String,
    /// Longest time to agree on a session.
    pub handshake_timeout: TimeSpan,
    /// Clients that do so at the same time.
    pub handshakes_max: usize,
}

/// `client.*`. Paths are relative to the working folder.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// Certificates that servers are trusted by; `None` = those of the host.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Certificate to show.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// `auth.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// Whether the loopback needs a token, too.
    pub loopback_token: bool,
}

/// `files.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Folders and URL prefixes that clients over the network may read.
    pub allow: Vec<String>,
    /// Where the deployment's own files are; `None` = in the data folder.
    #[serde(default)]
    pub root: Option<String>,
    /// How long a file may be there before something refers to it.
    pub grace: TimeSpan,
}

/// `store.*`.
#[derive(Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Address of a Postgres store, with its password; `None` = SQLite in the data folder.
    #[serde(default)]
    pub url: Option<String>,
}

/// `s3.*`.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// Address of the store.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Region of the buckets.
    #[serde(default)]
    pub region: Option<String>,
    /// Public half of the credentials.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// Secret half of the credentials.
    #[serde(default)]
    pub secret_access_key: Option<String>,
    /// Whether requests go out unsigned.
    pub skip_signature: bool,
}

/// `jobs.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// How long results are kept.
    pub keep_results: TimeSpan,
    /// How long the records of ended jobs are kept.
    pub keep_history: TimeSpan,
    /// Longest time from submission to end.
    #[serde(default)]
    pub timeout: Option<TimeSpan>,
    /// Jobs that may be queued or running.
    pub unfinished_max: u32,
}

/// `events.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventSettings {
    /// How long events are kept.
    pub keep: TimeSpan,
}

/// `worker.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// Tasks carried out at the same time; `None` = number of threads.
    #[serde(default)]
    pub slots: Option<u32>,
    /// How long a task may be kept without a sign of life.
    pub lease: TimeSpan,
    /// How long a worker process that is told to end may take for the tasks that it has begun.
    pub drain: TimeSpan,
    /// Memory that its tasks may ask for, of the host's.
    pub memory: Share,
    /// Scratch disk that they may ask for; `None` = none.
    #[serde(default)]
    pub disk: Option<ByteSize>,
    /// Accelerators that they may ask for.
    pub gpu: u32,
    /// Counters that they may ask for.
    pub counters: Counters,
    /// Address at which a worker process serves `/metrics` and the routes of health; `None` = nowhere.
    #[serde(default)]
    pub metrics: Option<ListenAddress>,
}

/// `retry.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    /// Failures of its own after which a task is given up.
    pub counted_max: u32,
    /// Losses by the platform after which it is.
    pub lost_max: u32,
    /// Deaths of its worker after which it is.
    pub deaths_max: u32,
    /// Pause before the first retry.
    pub pause_first: TimeSpan,
    /// The same after a failure of something outside.
    pub external_pause_first: TimeSpan,
    /// Longest pause.
    pub pause_max: TimeSpan,
    /// Random share of a pause.
    pub jitter: f64,
}

/// `registration.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrationSettings {
    /// Share of the parts that a sample holds.
    pub sample_ratio: f64,
    /// Most parts that it holds.
    pub sample_max: u32,
    /// Distinct values per row up to which a text column is categorical.
    pub categorical_ratio: f64,
    /// Frequent values kept of a column.
    pub top_count: u32,
    /// Least share of the rows that such a value has.
    pub top_share_min: f64,
}

/// `tables.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSettings {
    /// How recently a table must not have been used to be dropped.
    pub unregister_guard: TimeSpan,
}

/// `funnel.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunnelSettings {
    /// Values of a `top` aggregation.
    pub top_count: u32,
    /// How many times `top` values of a list a part passes on; 0 = all.
    pub top_grace_factor: f64,
    /// Percentiles of times in `stats`, as shares of 1, ascending.
    pub stats_percentiles: Vec<f64>,
}

/// `cache.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Whether finished queries answer for identical ones.
    pub results: bool,
    /// Memory for decoded parts that funnels ask for again and again, as a share of `memory.limit` or in bytes.
    pub memory: Share,
    /// What of remote files is kept on disk, as a share of what is free there or in bytes.
    pub disk: Share,
    /// Where it is kept, relative to the data folder; `None` = `cache` in it.
    #[serde(default)]
    pub folder: Option<PathBuf>,
}

/// `compat.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompatSettings {
    /// Whether Funnel Rocket's routes and metrics are served.
    pub funnel_rocket: bool,
    /// Whether all failures there have status 500.
    pub funnel_rocket_status: bool,
    /// Whether failures there that are no fault of the client's are told.
    pub error_details: bool,
    /// Whether datasets can be registered, unregistered and their parts listed there.
    pub admin_actions: bool,
    /// Whether documents there are indented.
    pub pretty_print: bool,
}

/// `log.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `auto`, `text` or `json`.
    pub format: String,
    /// File to write to instead of standard error.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// `metrics.*`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSettings {
    /// Whether `/metrics` is served.
    pub export: bool,
    /// A further address for `/metrics` and the routes of health alone.
    #[serde(default)]
    pub listen: Option<ListenAddress>,
    /// Whether metrics of jobs carry their table's name.
    pub dataset_label: bool,
    /// File that the metrics of the last query or registration are written to.
    #[serde(default)]
    pub export_lastrun: Option<PathBuf>,
    /// Upper bounds of histograms under Funnel Rocket's names.
    pub buckets: BucketSettings,
}

/// `metrics.buckets.*`: upper bounds by unit, ascending.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketSettings {
    /// Of times.
    pub seconds: Vec<f64>,
    /// Of sizes.
    pub bytes: Vec<f64>,
    /// Of numbers of rows.
    pub rows: Vec<f64>,
    /// Of numbers of groups.
    pub groups: Vec<f64>,
}

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeSpan(pub Duration);

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ByteSize(pub u64);

/// A size in bytes, or a share of something that is known only at run time.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub enum Share {
    /// So many bytes.
    Bytes(u64),
    /// So much of the whole, above 0 and at most 1.
    Part(f64),
}

/// How many there are of each of the user's own things, by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct Counters(pub BTreeMap<String, u64>);

/// An address and a port; port 0 picks a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ListenAddress(pub SocketAddr);

impl Share {
    /// The number of bytes, given the size of the whole.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a size needs no more than 52 bits"
    )]
    pub fn of(self, whole: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Part(part) => (whole as f64 * part) as u64,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
            return Ok(Self(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
        }
        text.parse()
            .map(Self)
            .map_err(|_| format!("`{text}` is not an address and a port"))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for TimeSpan {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_duration(&text)
            .map(Self)
            .map_err(|fault| format!("`{text}` {fault}"))
    }
}

impl TryFrom<String> for ByteSize {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_size(&text).map(Self).map_err(|fault| format!("`{text}` {fault}"))
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.trim().strip_suffix('%') {
            Some(percent) => percent_of(percent)
                .map(Self::Part)
                .ok_or_else(|| format!("`{text}` is not a percentage")),
            None => ByteSize::try_from(text).map(|size| Self::Bytes(size.0)),
        }
    }
}

impl TryFrom<Value> for Counters {
    type Error = String;

    fn try_from(list: Value) -> Result<Self, String> {
        counters_of(&list)
            .map(Self)
            .ok_or_else(|| format!("`{list}` is not a list of counters"))
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSettings").finish_non_exhaustive()
    }
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("skip_signature", &self.skip_signature)
            .finish_non_exhaustive()
    }
}
