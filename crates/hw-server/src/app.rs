//! The assembly: from settings and a data folder to a process that does what its role says.
//!
//! ```text
//!             ┌ store ── controller ── router ── listeners (up) or the command line's own requests
//! settings ───┤   └──── worker
//!             └ file stores ── engine
//! ```
//!
//! A process registers itself with the store as a session and keeps that alive. It ends in the order in which work flows:
//! listeners, jobs that somebody waited for, worker, controller, session, store.

mod documents;
mod keep;
mod parts;
#[cfg(test)]
mod tests;
mod up;
mod worker;

pub(crate) use parts::funnel_kind;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hw_api::{Problem, ServerDocument, rfc3339};
use hw_controller::Controller;
use hw_files::Files;
use hw_job::{Clock as _, SessionId};
use hw_query::Engine;
use hw_store::{JobFilter, PageRequest, StoreError, SystemClock};
use hw_worker::Drain;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::auth::Transport;
use crate::config::LoadedConfig;
use crate::data_folder::DataFolder;
use crate::metrics;
use crate::problem::Fault;
use crate::router::router;
use crate::state::{Parts, Shared, State};

pub use up::{UpSettings, serve_up};
pub use worker::{WorkerProcessSettings, serve_worker};

/// Longest time that jobs which somebody waited for get to settle at the end.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// Pause between two looks whether they have.
const SETTLE_PAUSE: Duration = Duration::from_millis(10);

/// What a process is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppRole {
    /// A server: drives jobs, adopts durable ones, carries out any task, keeps the store in order.
    Up,
    /// One command: drives and carries out its own jobs only.
    OneShot,
    /// Carries out tasks of any job and makes none.
    Worker {
        /// Tasks at a time; `None` = the settings decide.
        slots: Option<u32>,
        /// Labels that it carries.
        labels: Vec<String>,
    },
}

impl AppRole {
    fn name(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::OneShot => "cli",
            Self::Worker { .. } => "worker",
        }
    }
}

/// A process that is at work.
pub struct App {
    state: Shared,
    store: Arc<dyn hw_store::Store>,
    session: SessionId,
    /// Ends listeners and followers.
    stop: CancellationToken,
    /// Ends worker and housekeeping.
    rest: CancellationToken,
    /// Ends the controller and the session's renewal.
    end: CancellationToken,
    drain: Drain,
    working: JoinSet<()>,
    deciding: JoinSet<()>,
}

/// What the parts of a process share.
struct Common {
    config: LoadedConfig,
    folder: DataFolder,
    role: AppRole,
    session: SessionId,
    store: Arc<dyn hw_store::Store>,
    files: Arc<Files>,
    engine: Engine,
    stores: Arc<hw_files::FileStores>,
}

impl App {
    /// Opens the data folder's store and starts what the role needs. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the store, the files' root or the engine cannot be opened: the problem says which and what to do.
    pub async fn open(config: LoadedConfig, folder: DataFolder, role: AppRole) -> Result<Self, Problem> {
        Self::assemble(config, folder, role).await.map_err(Fault::into_problem)
    }

    async fn assemble(config: LoadedConfig, folder: DataFolder, role: AppRole) -> Result<Self, Fault> {
        let common = parts::common(config, folder, role).await?;
        let (stop, rest, end) = (
            CancellationToken::new(),
            CancellationToken::new(),
            CancellationToken::new(),
        );
        let session = parts::new_session(&common);
        common.store.start_session(session.clone()).await?;
        let controller = parts::controller(&common).await?;
        // What processes that died left is settled before the first request is answered.
        controller.step().await?;
        let state = Arc::new(State::new(
            server_parts(&common, controller.clone(), &stop),
            facts(&common),
        )?);
        let drain = Drain::default();
        let worker = Arc::new(parts::worker(&common, state.network_access().clone(), drain.clone()));
        let mut deciding = JoinSet::new();
        deciding.spawn(keep::session_alive(
            common.store.clone(),
            session,
            worker.clone(),
            end.clone(),
        ));
        let vital = deciding.spawn(controller.run(end.clone()));
        state.watch("controller", vital);
        let mut working = JoinSet::new();
        let watched = {
            let rest = rest.clone();
            working.spawn(async move {
                if let Err(error) = worker.run(rest).await {
                    tracing::error!(%error, "the worker could not start");
                }
            })
        };
        state.watch("worker", watched);
        if common.role == AppRole::Up {
            let store: Arc<dyn hw_store::Store> = common.store.clone();
            working.spawn(metrics::collect(
                state.metrics.clone(),
                store.clone(),
                collected(&common),
                rest.clone(),
            ));
            working.spawn(keep::in_order(
                store,
                common.files.clone(),
                limits(&common),
                rest.clone(),
            ));
        }
        Ok(Self {
            state,
            store: common.store,
            session: common.session,
            stop,
            rest,
            end,
            drain,
            working,
            deciding,
        })
    }

    /// The router for requests from within this process, which may do everything.
    pub fn router(&self) -> Router {
        router(&self.state, Transport::InProcess)
    }

    /// Lets work come to a halt and lets go of the data folder: jobs that somebody waited for are cancelled, durable ones
    /// stay for the next server.
    pub async fn close(mut self) {
        self.stop.cancel();
        if let Err(error) = self.settle_interactive().await {
            tracing::warn!(%error, "jobs of this process could not be ended");
        }
        self.rest.cancel();
        while self.working.join_next().await.is_some() {}
        self.end.cancel();
        while self.deciding.join_next().await.is_some() {}
        if let Err(error) = self.store.end_session(&self.session).await {
            tracing::warn!(%error, "the session could not be ended");
        }
        self.store.close().await;
        // Whoever still holds the engine may be cut off at the end of the process, without a chance to tidy up.
        self.state.parts().engine.close();
    }

    /// Ends the interactive jobs of this session, and waits until they have settled, for a bounded time.
    async fn settle_interactive(&self) -> Result<(), StoreError> {
        let deadline = tokio::time::Instant::now() + SETTLE_MAX;
        loop {
            let open = self.interactive_jobs().await?;
            if open.is_empty() || tokio::time::Instant::now() >= deadline || self.store.trouble().is_some() {
                return Ok(());
            }
            for job in open {
                // One that has settled meanwhile is none that is left.
                drop(self.state.controller().cancel(job, "its process ended").await);
            }
            tokio::time::sleep(SETTLE_PAUSE).await;
        }
    }

    async fn interactive_jobs(&self) -> Result<Vec<hw_job::JobId>, StoreError> {
        let filter = JobFilter {
            owner: Some(self.session.clone()),
            unsettled: true,
            ..JobFilter::default()
        };
        let page = PageRequest {
            limit: hw_store::PAGE_ITEMS_MAX,
            after: None,
        };
        let jobs = self.state.store().list_jobs(&filter, &page).await?.items;
        let interactive = jobs
            .into_iter()
            .filter(|job| job.lifetime == hw_job::Lifetime::Interactive);
        Ok(interactive.map(|job| job.id).collect())
    }
}

fn server_parts(common: &Common, controller: Arc<Controller>, stop: &CancellationToken) -> Parts {
    let store: Arc<dyn hw_store::Store> = common.store.clone();
    Parts {
        config: common.config.clone(),
        folder: common.folder.clone(),
        controller,
        engine: common.engine.clone(),
        tables: Arc::new(hw_worker::StoreTables(store.clone())),
        stores: Arc::clone(&common.stores),
        store,
        clock: Arc::new(SystemClock),
        random: parts::random_bytes,
        stop: stop.clone(),
    }
}

/// What is counted of jobs.
fn collected(common: &Common) -> metrics::CollectOptions {
    let config = &common.config.config;
    let lastrun = config.metrics.export_lastrun.as_ref();
    metrics::CollectOptions {
        runs: metrics::RunOptions {
            dataset_label: config.metrics.dataset_label,
            lastrun: lastrun.map(|path| common.folder.path().join(path)),
        },
        funnel_rocket: config.compat.funnel_rocket,
    }
}

fn facts(common: &Common) -> ServerDocument {
    ServerDocument {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        http: None,
        metrics: None,
        socket: None,
        data_dir: common.folder.path().display().to_string(),
        store: common.store.backend().to_owned(),
        started_at: rfc3339(SystemClock.wall().0),
    }
}

fn limits(common: &Common) -> keep::Limits {
    let config = &common.config.config;
    let retention = hw_store::Retention {
        jobs: config.jobs.keep_history.0,
        results: config.jobs.keep_results.0,
        events: config.events.keep.0,
    };
    keep::Limits {
        retention,
        grace: config.files.grace.0,
    }
}
