//! A server without listeners, and what tests do behind its back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hw_api::ServerDocument;
use hw_controller::{Controller, ControllerOptions, HostLiveness, InlineDocuments, RandomIds};
use hw_files::{FileStores, StoreLimits};
use hw_job::{AttemptCounts, Ending, Failure, JobId, RetryPolicy, SessionId, StoredDocument, TaskState, WorkerId};
use hw_query::{CatalogFault, Engine, EngineConfig, StoredTable, Tables};
use hw_store::{
    Claim, ClaimedTask, MemoryStore, NewSession, NextState, Slot, Store, SystemClock, TaskChange, WorkerRecord,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::kinds::kinds;
use crate::auth::Transport;
use crate::config::{ConfigFiles, ConfigSources, load_config};
use crate::data_folder::DataFolder;
use crate::router::router;
use crate::state::{Parts, Shared, State};

pub(super) struct Setting {
    pub(super) state: Shared,
    pub(super) folder: tempfile::TempDir,
    stop: CancellationToken,
}

struct StoreTables(Arc<dyn Store>);

#[async_trait::async_trait]
impl Tables for StoreTables {
    async fn table(&self, name: &hw_catalog::TableName) -> Result<Option<StoredTable>, CatalogFault> {
        let Some(table) = self.0.load_table(name).await.map_err(CatalogFault::new)? else {
            return Ok(None);
        };
        let parts = self
            .0
            .load_parts(name, table.version)
            .await
            .map_err(CatalogFault::new)?;
        Ok(Some(StoredTable {
            table: Arc::new(table),
            parts: parts.into(),
            query: None,
        }))
    }

    async fn names(&self) -> Result<Vec<hw_catalog::TableName>, CatalogFault> {
        let tables = self.0.list_tables().await.map_err(CatalogFault::new)?;
        Ok(tables.into_iter().map(|table| table.name).collect())
    }
}

pub(super) fn session() -> SessionId {
    SessionId("test".to_owned())
}

impl Setting {
    pub(super) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// A server with these settings, `("http.body_limit", "1KiB")`.
    pub(super) async fn with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        Self::over(folder, store, settings).await
    }

    pub(super) async fn over(folder: tempfile::TempDir, store: Arc<dyn Store>, settings: &[(&str, &str)]) -> Self {
        let environment = settings.iter().map(|(key, value)| {
            (
                format!("HEADWATER_{}", key.replace('.', "__").to_uppercase()),
                (*value).to_owned(),
            )
        });
        let sources = ConfigSources {
            environment: environment.collect(),
            files: ConfigFiles::None,
            ..ConfigSources::default()
        };
        let stop = CancellationToken::new();
        let data = DataFolder::open(&folder.path().join("data")).unwrap();
        let controller = controller(&store).await;
        tokio::spawn(controller.clone().run(stop.clone()));
        let parts = Parts {
            config: load_config(&sources).unwrap(),
            engine: engine(&data),
            folder: data,
            controller,
            tables: Arc::new(StoreTables(store.clone())),
            stores: Arc::new(FileStores::new([], StoreLimits::default())),
            store,
            clock: Arc::new(SystemClock),
            random: rand::random,
            stop: stop.clone(),
        };
        let state = State::new(parts, facts()).unwrap();
        Self {
            state: Arc::new(state),
            folder,
            stop,
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.state.store()
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn router(&self, transport: Transport) -> Router {
        router(&self.state, transport)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a worker of two slots known.
    pub(super) async fn add_worker(&self, labels: &[&str]) {
        let new = NewSession {
            id: session(),
            role: "up".to_owned(),
            host: "here".to_owned(),
            pid: 7,
            process_start: "1".to_owned(),
            version: "0.1.0".to_owned(),
            lease: Duration::from_secs(60),
        };
        self.store().start_session(new).await.unwrap();
        let worker = WorkerRecord {
            id: worker(),
            session: session(),
            slots: 2,
            labels: labels.iter().map(|&label| label.to_owned()).collect(),
            draining: false,
            running: 0,
        };
        self.store().put_worker(worker).await.unwrap();
    }

    /// Claims the ready tasks.
    pub(super) async fn claim(&self) -> Vec<ClaimedTask> {
        let claim = Claim {
            worker: worker(),
            kinds: vec![("step".to_owned(), 1)],
            slot: Slot {
                tasks: 100,
                cpu_milli: 100_000,
                memory_bytes: u64::MAX,
                scarce: hw_job::Scarce::default(),
                labels: vec!["gold".to_owned()],
            },
            owner: None,
            holds: Vec::new(),
            lease: Duration::from_secs(60),
        };
        self.store().claim_tasks(&claim).await.unwrap()
    }

    /// Ends an attempt with an outcome.
    pub(super) async fn succeed(&self, task: &ClaimedTask, outcome: Value) {
        let ending = Ending::Succeeded(StoredDocument::Inline(outcome));
        self.end(task, ending, NextState::Settled(TaskState::Succeeded)).await;
    }

    /// Ends an attempt with a failure.
    pub(super) async fn fail(&self, task: &ClaimedTask, failure: Failure, next: NextState) {
        self.end(task, Ending::Failed(failure), next).await;
    }

    async fn end(&self, task: &ClaimedTask, ending: Ending, next: NextState) {
        let change = TaskChange {
            task: task.id,
            fence: task.fence,
            ending,
            counts: AttemptCounts::default(),
            next,
            files: Vec::new(),
            work: None,
        };
        let answers = self.store().change_tasks(vec![change]).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }

    pub(super) async fn state_of(&self, job: JobId) -> &'static str {
        self.store().load_job(job).await.unwrap().unwrap().state.as_str()
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn worker() -> WorkerId {
    WorkerId("test:tasks".to_owned())
}

async fn controller(store: &Arc<dyn Store>) -> Arc<Controller> {
    let options = ControllerOptions {
        session: session(),
        retry: RetryPolicy::default(),
        finishing_shown_after: Duration::ZERO,
        adopts: false,
        kinds: kinds(),
        store: store.clone(),
        documents: Arc::new(InlineDocuments),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        liveness: Arc::new(HostLiveness {
            host: "elsewhere".to_owned(),
        }),
    };
    Arc::new(Controller::open(options).await.unwrap())
}

fn engine(folder: &DataFolder) -> Engine {
    let config = EngineConfig {
        hot_limit: 0,
        memory_limit: 64 << 20,
        spill_limit: 64 << 20,
        spill_dir: folder.spill(),
        threads: 1,
        batch_size: 1024,
    };
    let stores = FileStores::new([], StoreLimits::default());
    Engine::new(&config, Arc::new(stores)).unwrap()
}

fn facts() -> ServerDocument {
    ServerDocument {
        pid: 1,
        version: "0.1.0".to_owned(),
        http: None,
        metrics: None,
        socket: None,
        data_dir: "/data".to_owned(),
        store: "memory".to_owned(),
        started_at: "2026-01-01T00:00:00.000000Z".to_owned(),
    }
}
