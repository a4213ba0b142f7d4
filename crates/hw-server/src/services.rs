//! The parts behind the router, put together and kept running: store, engine, controller, worker, housekeeping.
//!
//! ```text
//!             ┌── controller: what happened? what follows?
//!  store ─────┼── worker: claim, run, report
//!             ├── session: "I am alive", every third of its lease
//!             └── housekeeping: old jobs, events and files go
//! ```

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_controller::{Controller, ControllerOptions, DocumentError, Documents, HostLiveness, RandomIds, process_start};
use hw_files::{Access, FileStores, Files, Location, NewId, OpenLocation, sweep};
use hw_job::{Clock, JobId, JobKind, RetryPolicy, SessionId, StoredDocument};
use hw_query::{Engine, Tables};
use hw_store::{NewSession, Retention, Store, StoreError};
use hw_worker::{
    DropKind, FileDocuments, FunnelKind, FunnelRunner, RegisterKind, RegisterOptions, RegisterRunner, StoreLedger, StoreTables,
    TaskRunner, Worker, WorkerOptions,
};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a process counts as alive without a sign of life.
const SESSION_LEASE: Duration = Duration::from_secs(15);

/// Pause between two rounds of housekeeping.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(600);

/// How long a file may be announced and not confirmed: longer than any writer takes.
const FILE_GRACE: Duration = Duration::from_secs(6 * 3600);

/// How long the parts get to come to a halt.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// What a process is to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `headwater up`: works for everybody, takes over what others left.
    Up,
    /// A single command: works for its own jobs only.
    OneShot,
}

/// What the parts are made of.
pub(crate) struct Parts {
    pub(crate) role: Role,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Engine,
    pub(crate) stores: Arc<FileStores>,
    /// The deployment's own files.
    pub(crate) root: OpenLocation,
    /// What clients over the network may read.
    pub(crate) access: Access,
    pub(crate) retry: RetryPolicy,
    pub(crate) slots: u32,
    pub(crate) lease: Duration,
    pub(crate) retention: Retention,
    pub(crate) register: (RegisterKind, RegisterOptions),
    pub(crate) funnel: FunnelKind,
    pub(crate) drop: DropKind,
    pub(crate) host: String,
    pub(crate) version: String,
}

/// The running parts.
pub(crate) struct Services {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) controller: Arc<Controller>,
    pub(crate) engine: Engine,
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) session: SessionId,
    running: JoinSet<()>,
    stop: CancellationToken,
}

impl Services {
    /// Announces the process to the store and starts the parts.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    pub(crate) async fn start(parts: Parts) -> Result<Self, StoreError> {
        let session = announce(&parts).await?;
        let new_id: NewId = Arc::new(uuid::Uuid::now_v7);
        let files = Files::new(parts.root.clone(), Arc::new(StoreLedger(parts.store.clone())), new_id);
        let documents = Arc::new(FileDocuments::new(Arc::new(files)));
        let tables: Arc<dyn Tables> = Arc::new(StoreTables(parts.store.clone()));
        let controller = Arc::new(controller(&parts, &session, &documents).await?);
        let worker = Worker::new(worker_options(&parts, &session, &documents, &tables));
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(controller.clone().run(stop.clone()));
        let stopping = stop.clone();
        running.spawn(async move {
            if let Err(error) = worker.run(stopping).await {
                tracing::error!(%error, "the worker could not start");
            }
        });
        running.spawn(stay_alive(parts.store.clone(), session.clone(), stop.clone()));
        if parts.role == Role::Up {
            running.spawn(keep_house(parts.store.clone(), documents, parts.retention, stop.clone()));
        }
        Ok(Self { store: parts.store, controller, engine: parts.engine, tables, session, running, stop })
    }

    /// Lets what runs come to a halt, hands unfinished tasks back and takes leave of the store.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        let halt = async { while self.running.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WAIT, halt).await.is_err() {
            tracing::warn!("some parts did not come to a halt in time");
        }
        if let Err(error) = self.store.end_session(&self.session).await {
            tracing::debug!(%error, "the store did not take the leave; the lease will run out");
        }
    }
}

async fn announce(parts: &Parts) -> Result<SessionId, StoreError> {
    let pid = std::process::id();
    let session = SessionId(format!("{}-{pid}-{}", parts.host, uuid::Uuid::now_v7().simple()));
    let role = match parts.role {
        Role::Up => "up",
        Role::OneShot => "cli",
    };
    let new = NewSession {
        id: session.clone(),
        role: role.to_owned(),
        host: parts.host.clone(),
        pid,
        process_start: process_start(pid).unwrap_or_default(),
        version: parts.version.clone(),
        lease: SESSION_LEASE,
    };
    parts.store.start_session(new).await?;
    Ok(session)
}

async fn controller(parts: &Parts, session: &SessionId, documents: &Arc<FileDocuments>) -> Result<Controller, StoreError> {
    let kinds: Vec<Arc<dyn JobKind>> = vec![Arc::new(parts.register.0), Arc::new(parts.funnel), Arc::new(parts.drop)];
    Controller::open(ControllerOptions {
        session: session.clone(),
        retry: parts.retry,
        adopts: parts.role == Role::Up,
        kinds,
        store: parts.store.clone(),
        documents: Arc::new(KeptDocuments(documents.clone())),
        clock: parts.clock.clone(),
        ids: Arc::new(RandomIds),
        liveness: Arc::new(HostLiveness { host: parts.host.clone() }),
    })
    .await
}

fn worker_options(
    parts: &Parts,
    session: &SessionId,
    documents: &Arc<FileDocuments>,
    tables: &Arc<dyn Tables>,
) -> WorkerOptions {
    let funnel = FunnelRunner {
        engine: parts.engine.clone(),
        tables: tables.clone(),
        stores: parts.stores.clone(),
        documents: documents.clone(),
        access: parts.access.clone(),
        clock: parts.clock.clone(),
    };
    let register = RegisterRunner {
        options: parts.register.1,
        stores: parts.stores.clone(),
        documents: documents.clone(),
        access: parts.access.clone(),
        clock: parts.clock.clone(),
    };
    let runners: Vec<Arc<dyn TaskRunner>> = vec![Arc::new(funnel), Arc::new(register)];
    WorkerOptions {
        session: session.clone(),
        slots: parts.slots,
        owner: (parts.role == Role::OneShot).then(|| session.clone()),
        lease: parts.lease,
        retry: parts.retry,
        labels: Vec::new(),
        runners,
        store: parts.store.clone(),
        documents: documents.clone(),
    }
}

/// Renews the session's lease. A session that was given up meanwhile cannot be renewed: its tasks are taken back and its
/// reports come too late, so that nothing happens twice; the process should be started again.
async fn stay_alive(store: Arc<dyn Store>, session: SessionId, stop: CancellationToken) {
    let mut beat = tokio::time::interval(SESSION_LEASE / 3);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = beat.tick() => {}
        }
        match store.renew_session(&session, SESSION_LEASE).await {
            Ok(true) => {}
            Ok(false) => tracing::error!("this process was given up by others: it was silent for too long"),
            Err(error) => tracing::warn!(%error, "the store did not take the sign of life"),
        }
    }
}

async fn keep_house(store: Arc<dyn Store>, documents: Arc<FileDocuments>, retention: Retention, stop: CancellationToken) {
    let mut round = tokio::time::interval(HOUSEKEEPING_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = round.tick() => {}
        }
        match store.prune(&retention).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old records were removed"),
            Err(error) => tracing::warn!(%error, "old records could not be removed"),
        }
        match sweep(documents.files(), FILE_GRACE).await {
            Ok(swept) if swept.files + swept.temporaries == 0 => {}
            Ok(swept) => tracing::info!(files = swept.files, temporaries = swept.temporaries, "files that nobody refers to were removed"),
            Err(error) => tracing::warn!(%error, "files could not be swept"),
        }
    }
}

/// The documents of jobs as the controller asks for them.
struct KeptDocuments(Arc<FileDocuments>);

#[async_trait]
impl Documents for KeptDocuments {
    async fn keep(&self, job: JobId, document: Value) -> Result<StoredDocument, DocumentError> {
        self.0.keep(job, document).await.map_err(|failure| DocumentError::Files(failure.message))
    }

    async fn load(&self, stored: &StoredDocument) -> Result<Value, DocumentError> {
        self.0.load(stored).await.map_err(|failure| DocumentError::Gone(failure.message))
    }
}

/// The deployment's file root: a URL, or the folder in the data folder.
pub(crate) fn file_root(stores: &FileStores, root: &str) -> Result<OpenLocation, hw_files::FileError> {
    stores.open(&Location::parse(root, None)?.into_folder())
}
