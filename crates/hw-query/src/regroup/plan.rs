//! The plan that brings rows together, and running it.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::compute::{SortOptions, cast};
use arrow::datatypes::UInt32Type;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError};
use datafusion::datasource::provider_as_source;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, ScalarUDF, cast as cast_to};
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::{LexOrdering, Partitioning, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, execute_stream, execute_stream_partitioned};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use hw_catalog::TableKind;
use tokio::sync::mpsc;

use super::bucket::BucketFunction;
use super::{BucketMessage, BucketStream, Regroup, RegroupInput, RegroupRun, plain_schema};
use crate::catalog::{OpenCatalog, StatementCatalog};
use crate::counters::Counters;
use crate::dataset;
use crate::engine::{Engine, Limits};
use crate::error::{QueryError, from_execution};
use crate::rows::SummaryHandle;
use crate::run::{AbortOnDrop, Canceller, state_with};
use crate::session::SessionInput;
use crate::tables::StoredTable;
use crate::yielding::CancelFlag;

/// Batches that a stream computes before its reader asks for them.
const BATCHES_AHEAD: usize = 2;

/// The part of the pool that all sorts together keep back for merging what they spilled.
const MERGING_SHARE: u64 = 16;

/// Least and most that one sort keeps back for it, in bytes.
const MERGING_BYTES: (u64, u64) = (64 << 10, 10 << 20);

/// Rows to be brought together on the engine's threads.
pub(crate) struct RegroupWork {
    pub(crate) engine: Engine,
    pub(crate) input: SessionInput,
    pub(crate) config: SessionConfig,
    pub(crate) regroup: Regroup,
    pub(crate) counters: Arc<Counters>,
    pub(crate) cancelled: CancelFlag,
}

/// A plan, and what it needs while it runs.
struct Planned {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    open: Arc<OpenCatalog>,
}

impl RegroupWork {
    /// Starts a stream per thread.
    pub(crate) async fn start(self) -> Result<RegroupRun, QueryError> {
        let failed = |error| from_execution(error, self.engine.limits());
        let schema = Arc::new(plain_schema(&self.first()?.table.schema));
        let planned = self.planned(&schema).await?;
        let sorted = self.sorted(planned.plan, &schema).map_err(failed)?;
        let streams = execute_stream_partitioned(sorted, planned.context).map_err(failed)?;
        let streams = streams.into_iter().map(|rows| {
            let pump = Pump {
                rows,
                schema: Arc::clone(&schema),
                limits: *self.engine.limits(),
                counters: Arc::clone(&self.counters),
                _open: Arc::clone(&planned.open),
            };
            self.spawned(pump)
        });
        Ok(RegroupRun {
            streams: streams.collect::<Result<_, _>>()?,
            schema,
            summary: SummaryHandle::new(Arc::clone(&self.counters)),
        })
    }

    /// The buckets of all rows. Reads the column of the groups alone.
    pub(crate) async fn buckets(self) -> Result<BTreeSet<u32>, QueryError> {
        let failed = |error| from_execution(error, self.engine.limits());
        let nothing = Arc::new(arrow_schema::Schema::empty());
        let planned = self.planned(&nothing).await?;
        let mut rows = execute_stream(planned.plan, planned.context).map_err(failed)?;
        let mut found = BTreeSet::new();
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(failed)?;
            let buckets = buckets_in(&batch)?;
            let mut last = None;
            for bucket in buckets {
                if last != Some(*bucket) {
                    found.insert(*bucket);
                    last = Some(*bucket);
                }
            }
        }
        Ok(found)
    }

    fn first(&self) -> Result<&RegroupInput, QueryError> {
        let first = self.regroup.inputs.first();
        first.ok_or_else(|| QueryError::internal("no rows were given to be brought together"))
    }

    fn spawned(&self, pump: Pump) -> Result<BucketStream, QueryError> {
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let task = self.engine.spawn(pump.run(sender))?;
        let canceller = Canceller::with_flag(task.abort_handle(), self.cancelled.clone());
        Ok(BucketStream {
            receiver,
            ended: false,
            task: AbortOnDrop(canceller),
        })
    }

    /// The columns of `schema`, and the bucket as the last one.
    async fn planned(&self, schema: &SchemaRef) -> Result<Planned, QueryError> {
        let failed = |error| from_execution(error, self.engine.limits());
        let catalog = StatementCatalog::new(self.engine.clone(), self.input.clone(), Arc::clone(&self.counters));
        let state = state_with(&self.engine, self.config(), &catalog);
        let open = Arc::new(catalog.open(&state));
        let mut logical: Option<LogicalPlan> = None;
        for input in &self.regroup.inputs {
            let table = self.relation(&catalog, input).await?;
            let more = self.projected(table, schema).map_err(failed)?;
            logical = Some(match logical {
                None => more,
                Some(plan) => united(plan, more).map_err(failed)?,
            });
        }
        let logical = logical.ok_or_else(|| QueryError::internal("no rows were given to be brought together"))?;
        let plan = state.create_physical_plan(&logical).await.map_err(failed)?;
        Ok(Planned {
            plan,
            context: state.task_ctx(),
            open,
        })
    }

    async fn relation(
        &self,
        catalog: &Arc<StatementCatalog>,
        input: &RegroupInput,
    ) -> Result<Arc<dyn TableProvider>, QueryError> {
        if input.table.kind == TableKind::View {
            return catalog.known_view(&input.table).await;
        }
        let stored = StoredTable {
            table: Arc::clone(&input.table),
            parts: input.parts.clone().into(),
            query: None,
        };
        let table = dataset::table(&self.engine, &catalog.stores, &self.counters, &stored)?;
        Ok(Arc::new(table))
    }

    /// Sorts that run side by side must be able to merge what they spilled within a small pool, too.
    fn config(&self) -> SessionConfig {
        let sorts = self.engine.threads() as u64;
        let (least, most) = MERGING_BYTES;
        let each = (self.engine.limits().memory / MERGING_SHARE / sorts).clamp(least, most);
        let mut config = self.config.clone().with_target_partitions(self.engine.threads());
        config.options_mut().execution.sort_spill_reservation_bytes = usize::try_from(each).unwrap_or(usize::MAX);
        config
    }

    fn projected(&self, table: Arc<dyn TableProvider>, schema: &SchemaRef) -> Result<LogicalPlan, DataFusionError> {
        let stored = table.schema();
        // Texts are read as views, which keep whole pages alive: as they are moved about and spilled, copies of their own
        // are smaller, and are counted for what they are.
        let plain = |name: &str, data_type: &DataType| -> Result<Expr, DataFusionError> {
            let column = Expr::Column(Column::from_name(name));
            Ok(match stored.field_with_name(name)?.data_type() == data_type {
                true => column,
                false => cast_to(column, data_type.clone()),
            })
        };
        let mut columns = Vec::with_capacity(schema.fields().len() + 1);
        for field in schema.fields() {
            columns.push(plain(field.name(), field.data_type())?.alias(field.name()));
        }
        let group = self.regroup.group.as_str();
        let ids = match stored.field_with_name(group)?.data_type() {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        let function = ScalarUDF::new_from_impl(BucketFunction::new(self.regroup.buckets));
        let bucket = function.call(vec![plain(group, ids)?]);
        columns.push(bucket.alias(free_name(schema)));
        LogicalPlanBuilder::scan("rows", provider_as_source(table), None)?
            .project(columns)?
            .build()
    }

    fn sorted(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        schema: &SchemaRef,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let column = |name: &str| -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
            Ok(Arc::new(PhysicalColumn::new_with_schema(name, &plan.schema())?))
        };
        let bucket = column(&free_name(schema))?;
        let ascending = |expr| PhysicalSortExpr {
            expr,
            options: SortOptions {
                descending: false,
                nulls_first: false,
            },
        };
        let order = [
            ascending(Arc::clone(&bucket)),
            ascending(column(&self.regroup.group)?),
            ascending(column(&self.regroup.time)?),
        ];
        let order = LexOrdering::new(order)
            .ok_or_else(|| DataFusionError::from(QueryError::internal("rows were to be sorted by nothing")))?;
        let threads = self.engine.threads();
        let distributed = RepartitionExec::try_new(plan, Partitioning::Hash(vec![bucket], threads))?;
        Ok(Arc::new(
            SortExec::new(order, Arc::new(distributed)).with_preserve_partitioning(true),
        ))
    }
}

fn united(plan: LogicalPlan, more: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    LogicalPlanBuilder::from(plan).union(more)?.build()
}

/// A name that no column has.
fn free_name(schema: &SchemaRef) -> String {
    let mut name = "bucket".to_owned();
    while schema.field_with_name(&name).is_ok() {
        name.push('_');
    }
    name
}

fn buckets_in(batch: &RecordBatch) -> Result<&[u32], QueryError> {
    let last = batch.columns().last();
    let buckets = last.and_then(|column| column.as_primitive_opt::<UInt32Type>());
    buckets
        .map(|buckets| buckets.values().as_ref())
        .ok_or_else(|| QueryError::internal("rows came without their bucket"))
}

/// Moves the rows of one sorted stream to its reader.
struct Pump {
    rows: SendableRecordBatchStream,
    schema: SchemaRef,
    limits: Limits,
    counters: Arc<Counters>,
    _open: Arc<OpenCatalog>,
}

impl Pump {
    async fn run(mut self, sender: mpsc::Sender<BucketMessage>) {
        let last = self.pump(&sender).await.err().map(Err);
        drop(sender.send(last).await);
    }

    async fn pump(&mut self, sender: &mpsc::Sender<BucketMessage>) -> Result<(), QueryError> {
        while let Some(batch) = self.rows.next().await {
            let batch = batch.map_err(|error| from_execution(error, &self.limits))?;
            for (bucket, rows) in self.cut(&batch)? {
                self.counters.add_rows(rows.num_rows());
                if sender.send(Some(Ok((bucket, rows)))).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The rows of each bucket, in the columns' own types.
    fn cut(&self, batch: &RecordBatch) -> Result<Vec<(u32, RecordBatch)>, QueryError> {
        let plain = self.plain(batch)?;
        let mut from = 0;
        let runs = buckets_in(batch)?.chunk_by(|one, next| one == next);
        Ok(runs
            .filter_map(|run| {
                let rows = plain.slice(from, run.len());
                from += run.len();
                run.first().map(|bucket| (*bucket, rows))
            })
            .collect())
    }

    fn plain(&self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let failed = |error: arrow_schema::ArrowError| from_execution(error.into(), &self.limits);
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns = columns
            .map(|(field, column)| match column.data_type() == field.data_type() {
                true => Ok(Arc::clone(column)),
                false => cast(column, field.data_type()),
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(failed)
    }
}
