//! The answer of a funnel as a table of SQL.
//!
//! The operator's plans depend on the size of what is matched and run one after the other, so they stay behind one
//! leaf of the statement's plan, which runs them as a funnel job does and turns the merged partial into rows.

use std::fmt;
use std::sync::{Arc, Weak};

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, new_empty_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::arrow::compute::cast;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::display::{PlanType, ToStringifiedPlan};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{DataFusionError, TableReference, internal_err};
use datafusion::datasource::{TableType, source_as_provider};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableScan};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use hw_funnel::{Partial, Query, result};
use serde_json::Value;

use super::FunnelWork;
use super::run::Source;
use crate::catalog::StatementCatalog;
use crate::statement::FUNNEL_SCHEMA;
use crate::yielding::CancelFlag;

/// What rows there are.
#[derive(Debug, Clone)]
pub(super) enum Answered {
    /// A row for each step, with these names.
    Steps { labels: Vec<String> },
    /// A row for each group that passes.
    Groups { column: String, data_type: DataType },
}

impl Answered {
    fn schema(&self) -> SchemaRef {
        let fields = match self {
            Self::Steps { .. } => vec![
                Field::new("step", DataType::Int64, false),
                Field::new("label", DataType::Utf8, false),
                Field::new("groups", DataType::Int64, false),
                Field::new("rows", DataType::Int64, false),
                Field::new("step_rate", DataType::Float64, true),
                Field::new("total_rate", DataType::Float64, true),
            ],
            Self::Groups { column, data_type } => vec![Field::new(column, data_type.clone(), false)],
        };
        Arc::new(Schema::new(fields))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Steps { .. } => "funnel",
            Self::Groups { .. } => "funnel_groups",
        }
    }
}

/// A funnel over a relation, as SQL names it.
pub(super) struct FunnelTable {
    /// The catalog of the statement, which holds this table too.
    catalog: Weak<StatementCatalog>,
    asked: Arc<Asked>,
    schema: SchemaRef,
}

struct Asked {
    work: FunnelWork,
    source: Source,
    query: Arc<Query>,
    relation: String,
    answered: Answered,
}

impl FunnelTable {
    pub(super) fn new(
        catalog: &Arc<StatementCatalog>,
        work: FunnelWork,
        source: Source,
        query: Arc<Query>,
        relation: String,
        answered: Answered,
    ) -> Self {
        Self {
            catalog: Arc::downgrade(catalog),
            schema: answered.schema(),
            asked: Arc::new(Asked {
                work,
                source,
                query,
                relation,
                answered,
            }),
        }
    }
}

/// The plan with funnels under names that people read, `funnel(events)`. The planner found each under a name that nobody can
/// write; behind it, the names of tables are for people alone.
///
/// # Errors
/// [`DataFusionError`] if the plan cannot be put together again: our bug.
pub(crate) fn with_readable_names(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let renamed = plan.transform_up_with_subqueries(|plan| match plan {
        LogicalPlan::TableScan(scan) => match funnel_name(&scan) {
            Some(name) => {
                let named = LogicalPlanBuilder::scan(name, scan.source, scan.projection)?.build()?;
                Ok(Transformed::yes(named))
            }
            None => Ok(Transformed::no(LogicalPlan::TableScan(scan))),
        },
        LogicalPlan::Explain(mut explain) => {
            // Made of the plan before it was changed.
            explain.stringified_plans = vec![explain.plan.to_stringified(PlanType::InitialLogicalPlan)];
            Ok(Transformed::yes(LogicalPlan::Explain(explain)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(renamed.data)
}

fn funnel_name(scan: &TableScan) -> Option<TableReference> {
    if scan.table_name.schema() != Some(FUNNEL_SCHEMA) {
        return None;
    }
    let provider = source_as_provider(&scan.source).ok()?;
    let table = (provider.as_ref() as &dyn std::any::Any).downcast_ref::<FunnelTable>()?;
    let (function, relation) = (table.asked.answered.name(), &table.asked.relation);
    Some(TableReference::bare(format!("{function}({relation})")))
}

impl fmt::Debug for FunnelTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunnelTable")
            .field("relation", &self.asked.relation)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for FunnelTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let Some(catalog) = self.catalog.upgrade() else {
            return internal_err!("a funnel outlived its statement");
        };
        let columns = projection
            .cloned()
            .unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let schema = Arc::new(self.schema.project(&columns)?);
        Ok(Arc::new(FunnelTableExec::new(
            catalog,
            Arc::clone(&self.asked),
            columns,
            schema,
        )))
    }
}

/// Runs the funnel and gives its rows.
struct FunnelTableExec {
    catalog: Arc<StatementCatalog>,
    asked: Arc<Asked>,
    /// Columns of the answer that are wanted.
    columns: Vec<usize>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl FunnelTableExec {
    fn new(catalog: Arc<StatementCatalog>, asked: Arc<Asked>, columns: Vec<usize>, schema: SchemaRef) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            catalog,
            asked,
            columns,
            schema,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl fmt::Debug for FunnelTableExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunnelTableExec")
            .field("relation", &self.asked.relation)
            .finish_non_exhaustive()
    }
}

impl DisplayAs for FunnelTableExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.asked;
        let columns = asked.query.columns().join(", ");
        let (function, relation) = (asked.answered.name(), &asked.relation);
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => write!(
                f,
                "FunnelTableExec: {function}, relation={relation}, columns=[{columns}], by_group={}",
                asked.source.straddles()
            ),
            DisplayFormatType::TreeRender => writeln!(f, "{function}\nrelation={relation}\ncolumns={columns}"),
        }
    }
}

impl ExecutionPlan for FunnelTableExec {
    fn name(&self) -> &str {
        "FunnelTableExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        Ok(self)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let (catalog, asked) = (Arc::clone(&self.catalog), Arc::clone(&self.asked));
        let (columns, schema) = (self.columns.clone(), Arc::clone(&self.schema));
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let batch_size = context.session_config().batch_size().max(1);
        let held = MemoryConsumer::new("FunnelTableExec").register(context.memory_pool());
        let rows = async move {
            let timer = metrics.elapsed_compute().timer();
            let batch = asked.rows(&catalog).await?.project(&columns)?;
            timer.done();
            held.try_resize(batch.get_array_memory_size())?;
            let pieces = (0..batch.num_rows()).step_by(batch_size).map(move |begin| {
                let piece = batch.slice(begin, batch_size.min(batch.num_rows() - begin));
                metrics.record_output(piece.num_rows());
                // The rows are held until the last piece is handed out.
                let _ = &held;
                Ok(piece)
            });
            Ok::<_, DataFusionError>(futures::stream::iter(pieces))
        };
        let stream = futures::stream::once(rows).map(|rows| match rows {
            Ok(pieces) => pieces.boxed(),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream.flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// Tells work on other threads that nobody waits for it any more.
struct CancelOnDrop(CancelFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Asked {
    async fn rows(&self, catalog: &Arc<StatementCatalog>) -> Result<RecordBatch, DataFusionError> {
        let cancelled = CancelOnDrop(CancelFlag::default());
        let work = self.work.with_flag(cancelled.0.clone());
        let (mut partial, _) = work.match_source(catalog, &self.source, &self.query).await?;
        let columns = match &self.answered {
            Answered::Steps { labels } => step_columns(&result(&self.query, &partial), labels),
            Answered::Groups { data_type, .. } => vec![group_ids(&mut partial, data_type)?],
        };
        Ok(RecordBatch::try_new(self.answered.schema(), columns)?)
    }
}

fn group_ids(partial: &mut Partial, data_type: &DataType) -> Result<ArrayRef, DataFusionError> {
    match partial.take_groups() {
        Some(groups) => Ok(cast(&groups, data_type)?),
        None => Ok(new_empty_array(data_type)),
    }
}

/// The columns of [`Answered::Steps`], from the result document.
fn step_columns(document: &Value, labels: &[String]) -> Vec<ArrayRef> {
    let sequence = document.pointer("/funnel/sequence").and_then(Value::as_array);
    let steps: &[Value] = sequence.map(Vec::as_slice).unwrap_or_default();
    let figure = |key: &str| -> Vec<i64> {
        let figures = steps.iter().map(|step| step.get(key).and_then(Value::as_i64));
        figures.map(Option::unwrap_or_default).collect()
    };
    let groups = figure("matchingGroups");
    let first = groups.first().copied().unwrap_or(0);
    let before = std::iter::once(first).chain(groups.iter().copied());
    let step_rates = groups.iter().zip(before).map(|(groups, before)| rate(*groups, before));
    let total_rates = groups.iter().map(|groups| rate(*groups, first));
    let names = (0..steps.len()).map(|at| labels.get(at).map_or("", String::as_str));
    vec![
        Arc::new(Int64Array::from_iter_values((1..).take(steps.len()))),
        Arc::new(StringArray::from_iter_values(names)),
        Arc::new(Int64Array::from(groups.clone())),
        Arc::new(Int64Array::from(figure("matchingGroupRows"))),
        Arc::new(step_rates.collect::<Float64Array>()),
        Arc::new(total_rates.collect::<Float64Array>()),
    ]
}

/// A share of a whole; null of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 do not occur")]
fn rate(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
