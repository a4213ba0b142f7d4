//! Making the parts of a process from its settings.

use std::sync::Arc;
use std::time::Duration;

use hw_controller::{Controller, ControllerOptions, HostLiveness, RandomIds, process_start};
use hw_files::{Access, FileStores, Files, Location, PartCache, StoreLimits};
use hw_job::{JobKind, RetryPolicy, Scarce, SessionId};
use hw_query::{Engine, EngineConfig};
use hw_store::{NewSession, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store, SystemClock};
use hw_worker::{
    Capacity, Drain, DropKind, ExportKind, ExportRunner, FileDocuments, FunnelKind, FunnelRunner, LastJob,
    RegisterKind, RegisterOptions, RegisterRunner, RepartitionKind, RepartitionRunner, SampleLimits, StoreLedger,
    StoreTables, TaskRunner, ViewKind, ViewRunner, Worker, WorkerOptions,
};

use super::documents::KeptDocuments;
use super::{AppRole, Common};
use crate::config::{Config, FunnelSettings, LoadedConfig, RetrySettings, WorkerSettings};
use crate::data_folder::{DataFolder, DataFolderError, private_folder};
use crate::host;
use crate::problem::Fault;

/// How long a process counts as alive without a renewal.
pub(super) const SESSION_LEASE: Duration = Duration::from_secs(15);

/// A job whose result is made faster ends without being seen as finishing.
const FINISHING_SHOWN_AFTER: Duration = Duration::from_millis(20);

/// Memory that is counted on where the system does not tell.
const MEMORY_BYTES_UNKNOWN: u64 = 2 << 30;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Random bytes of the system.
pub(super) fn random_bytes() -> [u8; 32] {
    rand::random()
}

fn random_uuid() -> uuid::Uuid {
    let random = random_bytes();
    let bytes: [u8; 16] = std::array::from_fn(|index| random.get(index).copied().unwrap_or_default());
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// Opens store, files and engine.
pub(super) async fn common(config: LoadedConfig, folder: DataFolder, role: AppRole) -> Result<Common, Fault> {
    let store = open_store(&config.config, &folder).await?;
    let stores = FileStores::new(config.store_options.clone(), StoreLimits::default());
    let stores = Arc::new(stores.with_cache(part_cache(&config.config, &folder)));
    stores.cache().trim().await;
    let files = Arc::new(files(&config.config, &folder, &stores, &store)?);
    let engine = Engine::new(&engine_config(&config.config, &folder), stores.clone())?;
    Ok(Common {
        config,
        folder,
        role,
        session: SessionId(random_uuid().to_string()),
        store,
        files,
        engine,
        stores,
    })
}

/// The store that the settings name: Postgres, or SQLite in the data folder.
async fn open_store(config: &Config, folder: &DataFolder) -> Result<Arc<dyn Store>, Fault> {
    let unfinished_jobs_max = config.jobs.unfinished_max;
    if let Some(url) = &config.store.url {
        let mut options = PostgresOptions::new();
        options.unfinished_jobs_max = unfinished_jobs_max;
        return Ok(Arc::new(PostgresStore::open(url, options).await?));
    }
    warn_of_network(folder);
    let options = SqliteOptions {
        unfinished_jobs_max,
        ..SqliteOptions::new(Arc::new(SystemClock), host::boot_id())
    };
    Ok(Arc::new(SqliteStore::open(&folder.store(), options).await?))
}

fn warn_of_network(folder: &DataFolder) {
    if let Some(found) = host::file_system(folder.path()).filter(|found| found.network) {
        tracing::warn!(
            folder = %folder.path().display(),
            kind = found.kind,
            "the data folder lies on a file system of the network, where the store may be damaged; move it to a local disk"
        );
    }
}

fn files(config: &Config, folder: &DataFolder, stores: &FileStores, store: &Arc<dyn Store>) -> Result<Files, Fault> {
    let root = match &config.files.root {
        Some(root) => Location::parse(root, Some(folder.path()))?,
        None => Location::of_path(&folder.files(), None)?,
    };
    if let Some(path) = root.local_path() {
        private_folder(&path).map_err(|error| DataFolderError::Unusable {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
    }
    let open = stores.open_own(&root.into_folder())?;
    let ledger = Arc::new(StoreLedger(store.clone()));
    Ok(Files::new(open, ledger, Arc::new(random_uuid)))
}

/// The cache of remote files that this process shares with others of the host.
fn part_cache(config: &Config, folder: &DataFolder) -> PartCache {
    let place = match &config.cache.folder {
        Some(named) => folder.path().join(named),
        None => folder.cache(),
    };
    // The folder itself is made when something is kept.
    let disk = place.ancestors().find(|existing| existing.exists());
    let free = disk
        .and_then(|disk| fs4::available_space(disk).ok())
        .unwrap_or_default();
    // What is kept already is no reason to keep less.
    let kept = PartCache::new(place.clone(), 1).used().bytes;
    PartCache::new(place, config.cache.disk.of(free.saturating_add(kept)))
}

fn engine_config(config: &Config, folder: &DataFolder) -> EngineConfig {
    let memory = host::memory_bytes().unwrap_or(MEMORY_BYTES_UNKNOWN);
    let free = fs4::available_space(folder.path()).unwrap_or_default();
    let memory_limit = config.memory.limit.of(memory);
    EngineConfig {
        memory_limit,
        hot_limit: config.cache.memory.of(memory_limit),
        spill_limit: config.spill.limit.of(free),
        spill_dir: folder.spill(),
        threads: config.threads.unwrap_or_else(host::processors),
        batch_size: BATCH_ROWS,
    }
}

/// What the process says of itself.
pub(super) fn new_session(common: &Common) -> NewSession {
    let pid = std::process::id();
    NewSession {
        id: common.session.clone(),
        role: common.role.name().to_owned(),
        host: host::host_name(),
        pid,
        process_start: process_start(pid).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lease: SESSION_LEASE,
    }
}

fn retry_policy(retry: &RetrySettings) -> RetryPolicy {
    RetryPolicy {
        counted_max: retry.counted_max,
        lost_max: retry.lost_max,
        deaths_max: retry.deaths_max,
        pause_first: retry.pause_first.0,
        external_pause_first: retry.external_pause_first.0,
        pause_max: retry.pause_max.0,
        jitter: retry.jitter,
    }
}

/// Funnels as they are set.
pub(crate) fn funnel_kind(settings: &FunnelSettings) -> FunnelKind {
    FunnelKind {
        default_top: u64::from(settings.top_count),
        top_factor: Some(settings.top_grace_factor).filter(|factor| *factor > 0.0),
        percentiles: settings.stats_percentiles.clone(),
    }
}

fn kinds(config: &Config) -> Vec<Arc<dyn JobKind>> {
    let registration = &config.registration;
    vec![
        Arc::new(RegisterKind {
            top_count: registration.top_count as usize,
            top_share_min: registration.top_share_min,
        }),
        Arc::new(funnel_kind(&config.funnel)),
        Arc::new(RepartitionKind),
        Arc::new(ExportKind),
        Arc::new(ViewKind),
        Arc::new(DropKind {
            guard_seconds: config.tables.unregister_guard.0.as_secs(),
        }),
    ]
}

/// The deciding part.
pub(super) async fn controller(common: &Common) -> Result<Arc<Controller>, Fault> {
    let options = ControllerOptions {
        session: common.session.clone(),
        retry: retry_policy(&common.config.config.retry),
        finishing_shown_after: FINISHING_SHOWN_AFTER,
        adopts: common.role == AppRole::Up,
        kinds: kinds(&common.config.config),
        store: common.store.clone(),
        documents: Arc::new(KeptDocuments(documents(common))),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        liveness: Arc::new(HostLiveness {
            host: host::host_name(),
        }),
    };
    Ok(Arc::new(Controller::open(options).await?))
}

fn documents(common: &Common) -> Arc<FileDocuments> {
    Arc::new(FileDocuments::new(common.files.clone()))
}

/// The doing part. `access` are the files that clients without a working folder may read.
pub(super) fn worker(common: &Common, access: Access, drain: Drain) -> Worker {
    let config = &common.config.config;
    let threads = config.threads.unwrap_or_else(host::processors);
    let default_slots = config
        .worker
        .slots
        .unwrap_or(u32::try_from(threads).unwrap_or(u32::MAX));
    let (slots, labels, owner) = match &common.role {
        AppRole::Up => (default_slots, Vec::new(), None),
        AppRole::OneShot => (default_slots, Vec::new(), Some(common.session.clone())),
        AppRole::Worker { slots, labels } => (slots.unwrap_or(default_slots), labels.clone(), None),
    };
    Worker::new(WorkerOptions {
        session: new_session(common),
        slots,
        owner,
        lease: config.worker.lease.0,
        retry: retry_policy(&config.retry),
        labels,
        capacity: capacity(&config.worker),
        runners: runners(common, access),
        store: common.store.clone(),
        documents: documents(common),
        drain,
    })
}

/// What a worker offers besides its slots.
fn capacity(settings: &WorkerSettings) -> Capacity {
    Capacity {
        memory_bytes: settings.memory.of(host::memory_bytes().unwrap_or(MEMORY_BYTES_UNKNOWN)),
        scarce: Scarce {
            disk_bytes: settings.disk.map_or(0, |size| size.0),
            gpu: settings.gpu,
            counters: settings.counters.0.clone(),
        },
    }
}

fn runners(common: &Common, access: Access) -> Vec<Arc<dyn TaskRunner>> {
    let registration = &common.config.config.registration;
    let store: Arc<dyn Store> = common.store.clone();
    vec![
        Arc::new(RegisterRunner {
            options: RegisterOptions {
                sample: SampleLimits {
                    ratio: registration.sample_ratio,
                    parts_max: registration.sample_max as usize,
                },
                categorical_ratio: registration.categorical_ratio,
                top_count: registration.top_count as usize,
            },
            stores: common.stores.clone(),
            documents: documents(common),
            access: access.clone(),
            clock: Arc::new(SystemClock),
        }),
        Arc::new(FunnelRunner {
            last_job: LastJob::default(),
            engine: common.engine.clone(),
            tables: Arc::new(StoreTables(store.clone())),
            stores: common.stores.clone(),
            documents: documents(common),
            access: access.clone(),
            clock: Arc::new(SystemClock),
        }),
        Arc::new(ExportRunner {
            engine: common.engine.clone(),
            tables: Arc::new(StoreTables(store.clone())),
            stores: common.stores.clone(),
            access: access.clone(),
        }),
        Arc::new(ViewRunner {
            engine: common.engine.clone(),
            tables: Arc::new(StoreTables(store.clone())),
            access: access.clone(),
        }),
        Arc::new(RepartitionRunner {
            engine: common.engine.clone(),
            tables: Arc::new(StoreTables(store)),
            access,
            documents: documents(common),
            clock: Arc::new(SystemClock),
        }),
    ]
}
