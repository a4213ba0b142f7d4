//! From a statement to a stream of rows, on the engine's threads.
//!
//! ```text
//! caller                       engine's thread
//! start ──── spawn ──────────▶ check ▶ look up names ▶ plan
//!       ◀─── schema, pins ────┘   │
//! next  ◀─── batch ── channel ────┴ run the plan, at most two batches ahead
//! drop  ──── abort ──────────▶ (stops at the next batch, drops the plan on its own large stack)
//! ```

use std::sync::{Arc, Mutex};

use arrow_schema::{Schema, SchemaRef};
use datafusion::catalog::CatalogProviderList;
use datafusion::common::config::TableOptions;
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use hw_catalog::{TableName, TableVersion};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::catalog::{DefinedView, OpenCatalog, StatementCatalog};
use crate::counters::Counters;
use crate::engine::Engine;
use crate::error::{QueryError, StatementFault, StatementFaultKind, classify, from_execution};
use crate::explain::{self, Explained};
use crate::funnel::with_readable_names;
use crate::params;
use crate::rows::{Message, Rows};
use crate::session::{SessionInput, current};
use crate::setting;
use crate::statement::{self, CheckedStatement, StatementKind, ViewDefinition};
use crate::unplanned::faults_of;
use crate::yielding::{CancelFlag, let_joins_yield};

/// Batches that are computed before their reader asks for them.
const BATCHES_AHEAD: usize = 2;

/// Conditions up to which scans are told what will be filtered, to skip what cannot match.
const CONDITIONS_SCANNED_MAX: usize = 300;

/// One statement to be run.
pub(crate) struct Work {
    pub(crate) engine: Engine,
    pub(crate) input: SessionInput,
    pub(crate) options: Arc<Mutex<SessionConfig>>,
    pub(crate) sql: String,
    pub(crate) params: Vec<Value>,
    /// Set when nobody waits for the statement any more.
    pub(crate) cancelled: CancelFlag,
}

/// A statement that was planned.
pub(crate) struct Planned {
    pub(crate) schema: SchemaRef,
    /// `None` for SET, which gives no rows.
    pub(crate) plan: Option<Arc<dyn ExecutionPlan>>,
    pub(crate) context: Arc<TaskContext>,
    pub(crate) pinned: Vec<(TableName, TableVersion)>,
    pub(crate) counters: Arc<Counters>,
    _open: OpenCatalog,
}

/// What a reader gets before the first row.
pub(crate) struct Head {
    pub(crate) schema: SchemaRef,
    pub(crate) pinned: Vec<(TableName, TableVersion)>,
    pub(crate) counters: Arc<Counters>,
}

/// Starts a statement and returns once it is planned.
pub(crate) async fn start(work: Work) -> Result<Rows, QueryError> {
    let (head_sender, head) = oneshot::channel();
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    let engine = work.engine.clone();
    let cancelled = work.cancelled.clone();
    let task = engine.spawn(run(work, head_sender, sender))?.abort_handle();
    let task = AbortOnDrop(Canceller { task, cancelled });
    match head.await {
        Ok(Ok(head)) => Ok(Rows::new(engine, head, receiver, task)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(QueryError::internal("planning ended unexpectedly")),
    }
}

/// Stops the statement when its reader is gone.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) Canceller);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Ends a statement from outside. Dropping the handle does nothing.
#[derive(Debug, Clone)]
pub struct Canceller {
    task: AbortHandle,
    cancelled: CancelFlag,
}

impl Canceller {
    pub(crate) fn new(task: AbortHandle) -> Self {
        Self::with_flag(task, CancelFlag::default())
    }

    pub(crate) fn with_flag(task: AbortHandle, cancelled: CancelFlag) -> Self {
        Self { task, cancelled }
    }

    /// Stops the statement within one batch; its stream then ends with [`QueryError::Cancelled`].
    pub fn cancel(&self) {
        self.cancelled.set();
        self.task.abort();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_set()
    }
}

async fn run(work: Work, head: oneshot::Sender<Result<Head, QueryError>>, rows: mpsc::Sender<Message>) {
    let planned = match plan(&work, |_| Ok(())).await {
        Ok(planned) => planned,
        Err(error) => {
            drop(head.send(Err(error)));
            return;
        }
    };
    let sent = head.send(Ok(Head {
        schema: Arc::clone(&planned.schema),
        pinned: planned.pinned.clone(),
        counters: Arc::clone(&planned.counters),
    }));
    if sent.is_ok() {
        let last = pump(&work, planned, &rows).await;
        drop(rows.send(last).await);
    }
}

/// Sends batches until there are none, one fails, or the reader is gone.
async fn pump(work: &Work, planned: Planned, rows: &mpsc::Sender<Message>) -> Message {
    let failed = |error| Message::Failed(from_execution(error, work.engine.limits()));
    let Some(plan) = &planned.plan else {
        return Message::End;
    };
    let mut stream = match execute_stream(Arc::clone(plan), Arc::clone(&planned.context)) {
        Ok(stream) => stream,
        Err(error) => return failed(error),
    };
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) if batch.num_rows() == 0 => {}
            Ok(batch) => {
                planned.counters.add_rows(batch.num_rows());
                if rows.send(Message::Batch(batch)).await.is_err() {
                    return Message::End;
                }
            }
            Err(error) => return failed(error),
        }
    }
    Message::End
}

/// Plans a query and shows its plan.
pub(crate) async fn explain(work: &Work, analyze: bool) -> Result<Explained, QueryError> {
    let planned = plan(work, |checked| match checked.kind {
        StatementKind::Query => Ok(()),
        StatementKind::Explain | StatementKind::Catalog | StatementKind::Setting => {
            let message = "only a query has a plan to be explained";
            Err(StatementFault::new(StatementFaultKind::Refused, message)
                .help("give the SELECT alone")
                .into())
        }
    })
    .await?;
    match planned.plan {
        Some(plan) => explain::explain(plan, planned.context, analyze, work.engine.limits()).await,
        None => Err(QueryError::internal("a query without a plan")),
    }
}

/// The columns of a relation that is named outside of SQL.
pub(crate) async fn columns_of(
    engine: &Engine,
    input: SessionInput,
    config: SessionConfig,
    name: &str,
) -> Result<SchemaRef, QueryError> {
    let catalog = StatementCatalog::new(engine.clone(), input, Arc::default());
    let state = state_with(engine, config, &catalog);
    let open = catalog.open(&state);
    Ok(open.catalog().named(name).await?.schema())
}

/// What is to be kept of a view.
pub(crate) async fn define_view(
    engine: &Engine,
    input: SessionInput,
    config: SessionConfig,
    definition: &ViewDefinition,
) -> Result<DefinedView, QueryError> {
    let catalog = StatementCatalog::new(engine.clone(), input, Arc::default());
    let state = state_with(engine, config, &catalog);
    let open = catalog.open(&state);
    let (defined, plan) = open.catalog().define(definition, &state).await?;
    let failed = |error| classify(error, &definition.query, engine.limits());
    read_only().verify_plan(&plan).map_err(failed)?;
    state.create_physical_plan(&plan).await.map_err(failed)?;
    Ok(defined)
}

/// Checks, looks up, plans. `inspect` sees the statement before anything is looked up.
pub(crate) async fn plan(
    work: &Work,
    inspect: fn(&CheckedStatement) -> Result<(), QueryError>,
) -> Result<Planned, QueryError> {
    let limits = work.engine.limits();
    let checked = statement::check(&work.sql, limits)?;
    inspect(&checked)?;
    let values = params::values(&work.params, &checked.placeholders)?;
    let catalog = StatementCatalog::new(work.engine.clone(), work.input.clone(), Arc::default());
    let mut state = state_with(&work.engine, current(&work.options), &catalog);
    if checked.conditions > CONDITIONS_SCANNED_MAX {
        state = without_scan_filters(state);
    }
    let open = catalog.open(&state);
    plan_checked(work, checked, values, &state, open).await
}

async fn plan_checked(
    work: &Work,
    mut checked: CheckedStatement,
    values: Vec<ScalarValue>,
    state: &SessionState,
    open: OpenCatalog,
) -> Result<Planned, QueryError> {
    let catalog = open.catalog();
    let limits = work.engine.limits();
    catalog.prepare(&mut checked, &work.sql, state, &values, 0).await?;
    catalog.weigh(&checked.parsed)?;
    let kind = checked.kind;
    let parsed = checked.parsed;
    let logical = match state.statement_to_plan(parsed.clone()).await {
        Ok(plan) => plan,
        Err(error) => return Err(faults_of(error, &parsed, &work.sql, state, limits).await),
    };
    drop(parsed);
    if kind == StatementKind::Setting {
        setting::apply(&logical, &work.options, work.engine.threads())?;
        return Ok(nothing(state, open));
    }
    let failed = |error| classify(error, &work.sql, limits);
    let logical = with_values(logical, values)
        .and_then(with_readable_names)
        .map_err(failed)?;
    read_only().verify_plan(&logical).map_err(failed)?;
    let plan = state.create_physical_plan(&logical).await.map_err(failed)?;
    let plan = let_joins_yield(plan, &work.cancelled).map_err(failed)?;
    Ok(Planned {
        schema: plan.schema(),
        plan: Some(plan),
        context: state.task_ctx(),
        pinned: catalog.pinned(),
        counters: Arc::clone(&catalog.counters),
        _open: open,
    })
}

fn with_values(plan: LogicalPlan, values: Vec<ScalarValue>) -> Result<LogicalPlan, DataFusionError> {
    match values.is_empty() {
        true => Ok(plan),
        false => plan.with_param_values(values),
    }
}

/// A second look at what the syntax tree was already checked for.
fn read_only() -> SQLOptions {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
}

fn nothing(state: &SessionState, open: OpenCatalog) -> Planned {
    Planned {
        schema: Arc::new(Schema::empty()),
        plan: None,
        context: state.task_ctx(),
        pinned: Vec::new(),
        counters: Arc::clone(&open.catalog().counters),
        _open: open,
    }
}

/// Scans look at a condition again and again, in a time that grows with the square of its size; a very large condition
/// costs less where only its filter looks at it, row by row.
fn without_scan_filters(state: SessionState) -> SessionState {
    let rules = state.physical_optimizers().iter();
    let kept = rules
        .filter(|rule| !rule.name().starts_with("FilterPushdown"))
        .cloned()
        .collect();
    SessionStateBuilder::new_from_existing(state)
        .with_physical_optimizer_rules(kept)
        .build()
}

/// The engine's state with the session's options and the statement's catalog.
pub(crate) fn state_with(engine: &Engine, config: SessionConfig, catalog: &Arc<StatementCatalog>) -> SessionState {
    let list: Arc<dyn CatalogProviderList> = Arc::clone(catalog) as Arc<_>;
    // Built anew, not only changed: functions such as `now` take the session's time zone when they are registered.
    let mut state = SessionStateBuilder::new_from_existing(engine.template().clone())
        .with_table_options(TableOptions::default_from_session_config(config.options()))
        .with_config(config)
        .with_catalog_list(list)
        .with_runtime_env(runtime_for(catalog, engine))
        .build();
    state.mark_start_execution();
    state
}

/// The engine's pool, disk and caches with the statement's stores.
fn runtime_for(catalog: &StatementCatalog, engine: &Engine) -> Arc<RuntimeEnv> {
    let shared = engine.runtime();
    Arc::new(RuntimeEnv {
        memory_pool: Arc::clone(&shared.memory_pool),
        disk_manager: Arc::clone(&shared.disk_manager),
        cache_manager: Arc::clone(&shared.cache_manager),
        object_store_registry: Arc::clone(&catalog.stores) as Arc<_>,
    })
}
