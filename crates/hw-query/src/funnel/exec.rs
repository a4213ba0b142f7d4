//! The operator in a physical plan.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow_array::RecordBatch;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::distribution_requirements::InputDistributionRequirements;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::metrics::{BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::StreamExt;
use hw_funnel::{MatchError, Matcher};
use tokio::sync::Semaphore;

use super::output::{encode, output_schema};
use super::room::{Room, Share};
use super::spec::FunnelSpec;
use crate::error::QueryError;

/// Matches the rows of each partition of its input and gives one row per partition: the serialised partial.
///
/// Its input has to be distributed by the group column, unless no group has rows in two partitions.
#[derive(Debug)]
pub struct FunnelExec {
    input: Arc<dyn ExecutionPlan>,
    spec: Arc<FunnelSpec>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
    /// One permit for each matcher that may hold rows.
    turns: Arc<Semaphore>,
    /// Given back with the last matcher, whoever still has the plan.
    room: Mutex<Weak<Room>>,
}

impl FunnelExec {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, spec: Arc<FunnelSpec>) -> Self {
        let partitions = input.output_partitioning().partition_count();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(output_schema()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        )
        .with_scheduling_type(SchedulingType::Cooperative);
        Self {
            turns: Arc::new(Semaphore::new(spec.options().matchers_max)),
            room: Mutex::default(),
            input,
            spec,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    pub(crate) fn spec(&self) -> &Arc<FunnelSpec> {
        &self.spec
    }

    fn distribution(&self) -> Result<Distribution, DataFusionError> {
        if !self.spec.options().redistribute {
            return Ok(Distribution::UnspecifiedDistribution);
        }
        let group = Column::new_with_schema(self.spec.group_column(), &self.input.schema())?;
        Ok(Distribution::KeyPartitioned(vec![Arc::new(group)]))
    }

    fn room(&self, context: &TaskContext) -> Arc<Room> {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        room.upgrade().unwrap_or_else(|| {
            let made = Room::new(context.memory_pool(), self.spec.options().room);
            *room = Arc::downgrade(&made);
            made
        })
    }

    fn matching(&self, partition: usize, context: &TaskContext) -> Result<Matching, DataFusionError> {
        Ok(Matching {
            spec: Arc::clone(&self.spec),
            matcher: new_matcher(&self.spec, &self.input)?,
            share: Share::of(self.room(context)),
            metrics: BaselineMetrics::new(&self.metrics, partition),
            input_rows: MetricBuilder::new(&self.metrics).counter("input_rows", partition),
        })
    }
}

fn new_matcher(spec: &FunnelSpec, input: &Arc<dyn ExecutionPlan>) -> Result<Matcher, DataFusionError> {
    let matcher = Matcher::new(spec.query(), &input.schema()).map_err(failed)?;
    match spec.options().export {
        Some(export) => matcher.with_export(export).map_err(failed),
        None => Ok(matcher),
    }
}

fn failed(error: MatchError) -> DataFusionError {
    QueryError::funnel_data(error).into()
}

/// One partition under way.
struct Matching {
    spec: Arc<FunnelSpec>,
    matcher: Matcher,
    share: Share,
    metrics: BaselineMetrics,
    input_rows: Count,
}

impl Matching {
    /// Takes all rows of `input`; gives the partial as a row. Gives way between batches.
    async fn run(mut self, mut input: SendableRecordBatchStream) -> Result<RecordBatch, DataFusionError> {
        while let Some(batch) = input.next().await {
            self.push(&batch?)?;
            tokio::task::coop::consume_budget().await;
        }
        drop(input);
        let Self { matcher, metrics, .. } = self;
        let timer = metrics.elapsed_compute().timer();
        let partial = matcher.finish().map_err(failed)?;
        let row = encode(partial)?;
        timer.done();
        metrics.record_output(row.num_rows());
        drop(self.spec);
        Ok(row)
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<(), DataFusionError> {
        let timer = self.metrics.elapsed_compute().timer();
        self.matcher.push(batch).map_err(failed)?;
        self.input_rows.add(batch.num_rows());
        timer.done();
        self.share.resize(self.matcher.memory_size())
    }
}

impl DisplayAs for FunnelExec {
    fn fmt_as(&self, format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.spec.query().columns().join(", ");
        let distributed = self.spec.options().redistribute;
        match format {
            DisplayFormatType::Default | DisplayFormatType::Verbose => {
                write!(f, "FunnelExec: columns=[{columns}], by_group={distributed}")
            }
            DisplayFormatType::TreeRender => writeln!(f, "columns={columns}"),
        }
    }
}

impl ExecutionPlan for FunnelExec {
    fn name(&self) -> &str {
        "FunnelExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        // The column is part of the input by construction; without it nothing is correct but one partition.
        let distribution = self.distribution().unwrap_or(Distribution::SinglePartition);
        InputDistributionRequirements::new(vec![distribution])
    }

    /// More partitions would cut parts apart, and groups with them.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![self.spec.options().redistribute]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(Self::new(input, Arc::clone(&self.spec)))),
            None => internal_err!("a funnel needs an input"),
        }
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        match children.into_iter().next() {
            Some(input) => Ok(Arc::new(Self::new(input, Arc::clone(&self.spec)))),
            None => internal_err!("a funnel needs an input"),
        }
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let input = self.input.execute(partition, Arc::clone(&context))?;
        let matching = self.matching(partition, &context)?;
        let turns = Arc::clone(&self.turns);
        let row = async move {
            // Rows of partitions whose turn has not come wait in the repartitioning, which spills them.
            let turn = turns.acquire_owned().await;
            let turn = turn.map_err(|error| DataFusionError::Execution(error.to_string()))?;
            let row = matching.run(input).await;
            drop(turn);
            row
        };
        let stream = futures::stream::once(row);
        Ok(Box::pin(RecordBatchStreamAdapter::new(output_schema(), stream)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
