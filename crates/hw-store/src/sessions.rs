//! Processes that use the store, the workers in them, and access tokens.

use std::time::Duration;

use async_trait::async_trait;
use hw_job::{SessionId, Timestamp, WorkerId};
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// A process that starts to use the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Its id, made by itself.
    pub id: SessionId,
    /// `up`, `worker` or `cli`.
    pub role: String,
    /// Name of its host.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// When the process started, in a form that tells it from a later process of the same id.
    pub process_start: String,
    /// Version of the program.
    pub version: String,
    /// How long it counts as alive without a renewal.
    pub lease: Duration,
}

/// A process as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// What it said of itself.
    pub session: NewSession,
    /// When it started.
    pub started_at: Timestamp,
    /// Whether its lease is over.
    pub expired: bool,
}

/// A worker as the store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its id.
    pub id: WorkerId,
    /// The process it lives in.
    pub session: SessionId,
    /// Tasks that it takes at a time.
    pub slots: u32,
    /// Labels that it carries.
    pub labels: Vec<String>,
    /// Whether it takes no new tasks.
    pub draining: bool,
    /// Number of tasks that it has now; set by the store.
    #[serde(default)]
    pub running: u32,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Query and list.
    Read,
    /// Submit jobs and change tables.
    Write,
    /// Everything.
    Admin,
}

/// An access token; only its hash is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    /// Its name, for listing and dropping.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// SHA-256 of the token, hexadecimal.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, on the wall.
    pub expires_at: Option<Timestamp>,
}

/// What a worker is told that belongs to no process.
pub(crate) fn unknown_session(worker: &WorkerRecord) -> StoreError {
    StoreError::Misuse(format!(
        "worker `{}` names the session `{}`, which never started or was given up",
        worker.id, worker.session
    ))
}

/// Who uses the store.
#[async_trait]
pub trait SessionStore {
    /// Adds a process. One that is there already is told anew and its lease begins again.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn start_session(&self, session: NewSession) -> Result<(), StoreError>;

    /// Extends its lease; `false` if it was given up meanwhile, so that the process must start a new session.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn renew_session(&self, id: &SessionId, lease: Duration) -> Result<bool, StoreError>;

    /// Removes a process and its workers, with events `worker.left`; its running tasks count as expired from now on and
    /// its unsettled jobs have no owner.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn end_session(&self, id: &SessionId) -> Result<(), StoreError>;

    /// All processes, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, StoreError>;

    /// Adds or replaces a worker, with event `worker.joined` for a new one.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer, or the worker's session is not there ([`StoreError::Misuse`]).
    async fn put_worker(&self, worker: WorkerRecord) -> Result<(), StoreError>;

    /// Says whether a worker takes new tasks: a draining one is given none and keeps what it has. `false` if there is no such
    /// worker.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn drain_worker(&self, worker: &WorkerId, draining: bool) -> Result<bool, StoreError>;

    /// All workers by id.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn list_workers(&self) -> Result<Vec<WorkerRecord>, StoreError>;

    /// Adds a token; `false` if the name is taken.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn create_token(&self, token: TokenRecord) -> Result<bool, StoreError>;

    /// The token with this hash, whether or not it has ended.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn find_token(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError>;

    /// All tokens by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn list_tokens(&self) -> Result<Vec<TokenRecord>, StoreError>;

    /// Removes a token; whether it was there.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn drop_token(&self, name: &str) -> Result<bool, StoreError>;
}
