//! What all handlers share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use hw_api::ServerDocument;
use hw_controller::Controller;
use hw_files::Access;
use hw_job::Clock;
use hw_query::{Engine, Tables};
use hw_store::Store;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::broken::BrokenAnswers;
use crate::config::{Config, LoadedConfig};
use crate::data_folder::DataFolder;
use crate::metrics::Metrics;

/// What handlers get as their state.
pub(crate) type Shared = Arc<State>;

/// The parts that the routes stand on.
pub(crate) struct Parts {
    /// The settings.
    pub(crate) config: LoadedConfig,
    /// The data folder.
    pub(crate) folder: DataFolder,
    /// What the system remembers.
    pub(crate) store: Arc<dyn Store>,
    /// Who makes and ends jobs.
    pub(crate) controller: Arc<Controller>,
    /// Who runs SQL.
    pub(crate) engine: Engine,
    /// The catalog as the engine sees it.
    pub(crate) tables: Arc<dyn Tables>,
    /// Where files are.
    pub(crate) stores: Arc<hw_files::FileStores>,
    /// Times.
    pub(crate) clock: Arc<dyn Clock>,
    /// Random bytes, for tokens and request ids.
    pub(crate) random: fn() -> [u8; 32],
    /// Fires when the server comes to its end.
    pub(crate) stop: CancellationToken,
}

/// What all handlers share.
pub(crate) struct State {
    parts: Parts,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Room for requests.
    pub(crate) requests: Arc<Semaphore>,
    /// Room for clients that follow events.
    pub(crate) followers: Arc<Semaphore>,
    network_access: Access,
    facts: RwLock<ServerDocument>,
    own_token: OnceLock<String>,
    /// Answers that broke off.
    pub(crate) broken: BrokenAnswers,
    vitals: Mutex<Vec<(&'static str, AbortHandle)>>,
}

impl State {
    /// The state of a server that listens nowhere yet.
    ///
    /// # Errors
    /// [`hw_files::FileError`] for an entry of `files.allow` that is no location.
    pub(crate) fn new(parts: Parts, facts: ServerDocument) -> Result<Self, hw_files::FileError> {
        let http = &parts.config.config.http;
        Ok(Self {
            metrics: Arc::new(Metrics::new(parts.config.config.metrics.buckets.clone())),
            requests: Arc::new(Semaphore::new(http.requests_max)),
            followers: Arc::new(Semaphore::new(http.followers_max)),
            network_access: network_access(&parts)?,
            facts: RwLock::new(facts),
            own_token: OnceLock::new(),
            broken: BrokenAnswers::default(),
            vitals: Mutex::default(),
            parts,
        })
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(crate) fn config(&self) -> &Config {
        &self.parts.config.config
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.parts.store
    }

    pub(crate) fn controller(&self) -> &Controller {
        &self.parts.controller
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.parts.stop
    }

    /// The files that clients over the network may name.
    pub(crate) fn network_access(&self) -> &Access {
        &self.network_access
    }

    /// What the server says of itself.
    pub(crate) fn facts(&self) -> ServerDocument {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what the server says of itself, once it knows its addresses.
    pub(crate) fn set_facts(&self, facts: ServerDocument) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = facts;
    }

    /// The token of the data folder, where one is demanded on the loopback.
    pub(crate) fn own_token(&self) -> Option<&str> {
        self.own_token.get().map(String::as_str)
    }

    /// Sets that token; the first one stays.
    pub(crate) fn set_own_token(&self, token: String) {
        drop(self.own_token.set(token));
    }

    /// Watches a task without which the server is not well.
    pub(crate) fn watch(&self, name: &'static str, task: AbortHandle) {
        self.vitals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, task));
    }

    /// The names of watched tasks that ended.
    pub(crate) fn ended_vitals(&self) -> Vec<&'static str> {
        let vitals = self.vitals.lock().unwrap_or_else(PoisonError::into_inner);
        vitals
            .iter()
            .filter(|(_, task)| task.is_finished())
            .map(|(name, _)| *name)
            .collect()
    }
}

/// The settings' list, and the parts of the data folder that hold nothing secret.
fn network_access(parts: &Parts) -> Result<Access, hw_files::FileError> {
    let own: Vec<PathBuf> = vec![parts.folder.files(), parts.folder.demo()];
    let own = own
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect::<Vec<_>>();
    let allowed = parts.config.config.files.allow.iter().chain(&own);
    Access::allowed(allowed.map(String::as_str), Some(parts.folder.path()))
}
