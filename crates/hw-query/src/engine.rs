//! The engine: one memory pool, one spill folder and one set of worker threads, shared by all sessions.
//!
//! Statements are planned and run on threads of the engine's own. Their stacks are large, because syntax trees, plans
//! and expressions are walked (and dropped) recursively, and they keep the caller's reactor free of computing.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::execution::cache::cache_manager::{CachedFileMetadataEntry, FileMetadataCache};
use datafusion::execution::cache::default_cache::DefaultCache;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryPool, MemoryReservation, TrackConsumersPool,
};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use hw_catalog::Part;
use hw_files::{Buffers, FileError, FileStores, FoundFile, OpenLocation, PartCache, ReadRange, ReadTally, part_source};
use hw_funnel::Memory;
use object_store::path::Path;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::bounded::bounded;
use crate::error::{QueryError, from_execution};
use crate::funnel::{FunnelQueryPlanner, KnownParts, listed};
use crate::hot::{HotParts, HotUse, YieldingPool};
use crate::session::{Session, SessionInput};
use crate::spill::SpillFolder;

/// Address space for the stack of a worker; memory is used only as far as a stack grows.
const WORKER_STACK_BYTES: usize = 256 << 20;

/// Threads beyond those that one statement can keep busy, so that others get on beside it.
const SPARE_THREADS: usize = 2;

/// Threads for blocking file calls.
const BLOCKING_THREADS_MAX: usize = 64;

/// Largest consumers of memory that an error names.
const CONSUMERS_NAMED: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");

/// Parquet footers kept for one store, in bytes.
const FOOTER_CACHE_BYTES: usize = 48 << 20;

/// Stores whose footers are kept; beyond it footers are read each time.
const FOOTER_CACHES_MAX: usize = 8;

/// Layouts of parts that were held against their records, in bytes; less where the pool is small.
const KNOWN_PARTS_BYTES: usize = 16 << 20;

/// Memory for decoding parts that is kept for the next one, in bytes; less where the pool is small.
const BUFFER_BYTES_KEPT: usize = 64 << 20;

/// Memory for the states of groups that is kept for the next matcher, in bytes; less where the pool is small.
const STATE_BYTES_KEPT: usize = 64 << 20;

/// What an engine may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Bytes for sorts, joins, aggregations and funnels of all sessions together, the setting `memory.limit`.
    pub memory_limit: u64,
    /// Bytes of spilled data of all sessions together, the setting `spill.limit`; 0 forbids spilling.
    pub spill_limit: u64,
    /// Folder for spilled data, made if it is missing. Leftovers of dead processes in it are removed.
    pub spill_dir: PathBuf,
    /// Worker threads, and partitions of a query; at least 1.
    pub threads: usize,
    /// Rows of a batch; at least 1.
    pub batch_size: usize,
    /// Bytes, within `memory_limit`, for decoded parts that funnels ask for again and again, the setting `cache.memory`; 0
    /// keeps none. Queries that need the memory get it.
    pub hot_limit: u64,
}

/// What the sessions of an engine hold at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes reserved from the pool.
    pub reserved: u64,
    /// Size of the pool.
    pub limit: u64,
    /// Bytes of spilled data on disk.
    pub spilled: u64,
    /// Bytes that may be spilled.
    pub spill_limit: u64,
}

/// Memory set aside in the engine's pool for work outside of it; given back when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    _held: MemoryReservation,
}

/// The two limits that errors name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) memory: u64,
    pub(crate) spill: u64,
}

/// Runs queries. Clones share everything.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    limits: Limits,
    threads: usize,
    runtime: Arc<RuntimeEnv>,
    template: SessionState,
    stores: Arc<FileStores>,
    footers: Mutex<HashMap<String, Arc<FileMetadataCache>>>,
    buffers: Buffers,
    states: Memory,
    hot: HotParts,
    known: KnownParts,
    /// One permit for each unit of a funnel that runs on a thread of its own.
    turns: Arc<Semaphore>,
    workers: Workers,
    /// Held as long as the engine lives: other processes tell by it that the spilled data are in use.
    spill: SpillFolder,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("memory", &self.memory())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine that opens files through `stores`. Starts its threads.
    ///
    /// # Errors
    /// [`QueryError::Storage`] if the spill folder cannot be made, [`QueryError::Internal`] if threads cannot be
    /// started.
    pub fn new(config: &EngineConfig, stores: Arc<FileStores>) -> Result<Self, QueryError> {
        let limits = Limits {
            memory: config.memory_limit,
            spill: config.spill_limit,
        };
        let threads = config.threads.max(1);
        let spill = SpillFolder::open(&config.spill_dir, config.spill_limit)?;
        let buffers = Buffers::new(share_of(BUFFER_BYTES_KEPT, limits.memory));
        let hot = HotParts::new(config.hot_limit.min(config.memory_limit), buffers.clone());
        let runtime = runtime_env(config, &spill, &hot).map_err(|error| QueryError::Storage {
            message: format!("the spill folder cannot be used: {error}"),
        })?;
        let mut builder = SessionStateBuilder::new_with_default_features();
        *builder.scalar_functions() = builder.scalar_functions().take().map(bounded);
        builder.table_functions().get_or_insert_default().extend(listed());
        let template = builder
            .with_config(session_config(threads, config.batch_size.max(1)))
            .with_runtime_env(Arc::clone(&runtime))
            .with_query_planner(Arc::new(FunnelQueryPlanner))
            .build();
        Ok(Self(Arc::new(Inner {
            limits,
            threads,
            runtime,
            template,
            stores,
            footers: Mutex::default(),
            buffers,
            states: Memory::new(share_of(STATE_BYTES_KEPT, limits.memory)),
            hot,
            known: KnownParts::new(share_of(KNOWN_PARTS_BYTES, limits.memory)),
            turns: Arc::new(Semaphore::new(threads)),
            workers: Workers::start(threads)?,
            spill,
        })))
    }

    /// A session that sees the tables and files of `input`.
    pub fn session(&self, input: SessionInput) -> Session {
        Session::new(self.clone(), input)
    }

    /// Gives up the spill folder, at the end of a process: what still runs and spills fails.
    pub fn close(&self) {
        self.0.spill.close();
    }

    /// What all sessions hold now, for metrics.
    pub fn memory(&self) -> MemoryUse {
        MemoryUse {
            reserved: self.0.runtime.memory_pool.reserved() as u64,
            limit: self.0.limits.memory,
            spilled: self.0.runtime.disk_manager.used_disk_space(),
            spill_limit: self.0.limits.spill,
        }
    }

    /// Sets memory aside for work that is done outside of the engine. `what` names it in errors.
    ///
    /// # Errors
    /// [`QueryError::Memory`] if the pool has not so much left.
    pub fn reserve(&self, what: &str, bytes: u64) -> Result<Reservation, QueryError> {
        let held = MemoryConsumer::new(what).register(&self.0.runtime.memory_pool);
        held.try_grow(usize::try_from(bytes).unwrap_or(usize::MAX))
            .map_err(|error| from_execution(error, self.limits()))?;
        Ok(Reservation { _held: held })
    }

    /// What is held in memory of parts, and how it was used.
    pub fn hot(&self) -> HotUse {
        self.0.hot.used()
    }

    /// The cache of remote files that this engine reads through.
    pub fn part_cache(&self) -> &PartCache {
        self.0.stores.cache()
    }

    /// Worker threads, and streams of a [`RegroupRun`](crate::RegroupRun).
    pub fn threads(&self) -> usize {
        self.0.threads
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn stores(&self) -> &FileStores {
        &self.0.stores
    }

    pub(crate) fn runtime(&self) -> &RuntimeEnv {
        &self.0.runtime
    }

    pub(crate) fn template(&self) -> &SessionState {
        &self.0.template
    }

    /// The footers of one store. Kept by store, since entries are told apart by path, size and time alone.
    pub(crate) fn footers(&self, store: &str) -> Arc<FileMetadataCache> {
        let mut kept = self.0.footers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = kept.get(store) {
            return Arc::clone(cache);
        }
        let bytes = FOOTER_CACHE_BYTES.min(usize::try_from(self.0.limits.memory / 8).unwrap_or(usize::MAX));
        let cache: Arc<FileMetadataCache> = Arc::new(DefaultCache::<Path, CachedFileMetadataEntry>::new(bytes));
        if kept.len() < FOOTER_CACHES_MAX {
            kept.insert(store.to_owned(), Arc::clone(&cache));
        }
        cache
    }

    /// Memory for the states of groups that is used again.
    pub(crate) fn states(&self) -> &Memory {
        &self.0.states
    }

    /// Memory for decoding that is used again.
    pub(crate) fn buffers(&self) -> &Buffers {
        &self.0.buffers
    }

    /// Parts that were held against their records before.
    pub(crate) fn known_parts(&self) -> &KnownParts {
        &self.0.known
    }

    pub(crate) fn hot_parts(&self) -> &HotParts {
        &self.0.hot
    }

    /// Takes in parts that are used again and again, on a thread of its own.
    pub(crate) fn fill_hot_parts(&self) -> Result<(), QueryError> {
        let (hot, pool) = (self.0.hot.clone(), Arc::clone(&self.0.runtime.memory_pool));
        self.spawn_blocking(move || hot.fill(&pool)).map(drop)
    }

    pub(crate) fn turns(&self) -> &Arc<Semaphore> {
        &self.0.turns
    }

    /// The bytes of a part, to be read on threads for work, and counted.
    ///
    /// # Errors
    /// [`FileError`] if it is gone or was changed, or the store does not answer.
    pub(crate) async fn part_source(
        &self,
        open: &OpenLocation,
        part: &Part,
        tally: &Arc<ReadTally>,
    ) -> Result<Arc<dyn ReadRange>, FileError> {
        let file = FoundFile::of_part(open, part)?;
        part_source(open, &file, Handle::current(), tally).await
    }

    pub(crate) fn spawn_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>, QueryError> {
        match &self.0.workers.0 {
            Some(runtime) => Ok(runtime.spawn_blocking(work)),
            None => Err(QueryError::internal("the engine is shut down")),
        }
    }

    pub(crate) fn spawn<F>(&self, work: F) -> Result<JoinHandle<F::Output>, QueryError>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.0.workers.0 {
            Some(runtime) => Ok(runtime.spawn(work)),
            None => Err(QueryError::internal("the engine is shut down")),
        }
    }
}

/// So many bytes, or a sixteenth of the memory where that is less.
fn share_of(bytes: usize, memory: u64) -> usize {
    bytes.min(usize::try_from(memory / 16).unwrap_or(usize::MAX))
}

/// The engine's own threads. Stopping them must not block, since the last handle may be dropped on a reactor.
struct Workers(Option<Runtime>);

impl Workers {
    fn start(threads: usize) -> Result<Self, QueryError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads + SPARE_THREADS)
            .max_blocking_threads(BLOCKING_THREADS_MAX)
            .thread_stack_size(WORKER_STACK_BYTES)
            .thread_name("headwater-query")
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => Ok(Self(Some(runtime))),
            Err(error) => Err(QueryError::internal(format!(
                "the query threads cannot be started: {error}"
            ))),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn runtime_env(config: &EngineConfig, spill: &SpillFolder, hot: &HotParts) -> Result<Arc<RuntimeEnv>, DataFusionError> {
    let bytes = usize::try_from(config.memory_limit).unwrap_or(usize::MAX);
    let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), CONSUMERS_NAMED);
    let pool: Arc<dyn MemoryPool> = Arc::new(YieldingPool::new(pool, hot.clone()));
    RuntimeEnvBuilder::new()
        .with_memory_pool(pool)
        .with_disk_manager_builder(spill.disk_manager())
        .build_arc()
}

fn session_config(threads: usize, batch_size: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(crate::catalog::CATALOG, hw_catalog::DEFAULT_SCHEMA)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(true)
        .with_target_partitions(threads)
        .with_batch_size(batch_size);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    // The planner would walk the whole plan below each name of a WITH clause, which takes for ever where clauses name
    // each other; a sort that is not needed costs less.
    options.sql_parser.enable_subquery_sort_elimination = false;
    config
}
