//! Keeps joins from holding a thread.
//!
//! Tasks are cancelled, and let others run, where they wait. The engine makes scans wait now and then, but one batch
//! of a scan can become millions of rows in a join, and a join whose condition lets nothing pass gives its thread back
//! only when its input ends. So the output of each join waits now and then too, and join conditions look at a flag.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, Schema};
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, PiecewiseMergeJoinExec,
    SortMergeJoinExec, SymmetricHashJoinExec,
};
use datafusion::physical_plan::unnest::UnnestExec;

use crate::error::QueryError;

/// Set when nobody waits for the statement any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The same plan, with joins that give way.
pub(crate) fn let_joins_yield(
    plan: Arc<dyn ExecutionPlan>,
    flag: &CancelFlag,
) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    let rewritten = plan.transform_up(|node| {
        if !multiplies_rows(node.as_ref()) {
            return Ok(Transformed::no(node));
        }
        let watched = watch(node, flag)?;
        let yielding: Arc<dyn ExecutionPlan> = Arc::new(CooperativeExec::new(watched));
        Ok(Transformed::yes(yielding))
    })?;
    Ok(rewritten.data)
}

/// Operators that may give many batches for one.
fn multiplies_rows(node: &dyn ExecutionPlan) -> bool {
    node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<SymmetricHashJoinExec>()
        || node.is::<PiecewiseMergeJoinExec>()
        || node.is::<UnnestExec>()
}

fn watch(node: Arc<dyn ExecutionPlan>, flag: &CancelFlag) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
        && let Some(filter) = join.filter()
    {
        let rebuilt =
            NestedLoopJoinExecBuilder::new(Arc::clone(join.left()), Arc::clone(join.right()), *join.join_type())
                .with_filter(Some(watched(filter, flag)))
                .with_projection_ref(join.projection().clone())
                .build()?;
        return Ok(Arc::new(rebuilt));
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>()
        && let Some(filter) = join.filter()
    {
        return join.builder().with_filter(Some(watched(filter, flag))).build_exec();
    }
    Ok(node)
}

fn watched(filter: &JoinFilter, flag: &CancelFlag) -> JoinFilter {
    let expression: Arc<dyn PhysicalExpr> = Arc::new(WatchedExpr {
        inner: Arc::clone(filter.expression()),
        flag: flag.clone(),
    });
    JoinFilter::new(
        expression,
        filter.column_indices().to_vec(),
        Arc::clone(filter.schema()),
    )
}

/// A condition that fails once nobody waits for its answer.
#[derive(Debug, Clone)]
struct WatchedExpr {
    inner: Arc<dyn PhysicalExpr>,
    flag: CancelFlag,
}

impl PartialEq for WatchedExpr {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for WatchedExpr {}

impl Hash for WatchedExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for WatchedExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for WatchedExpr {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue, DataFusionError> {
        if self.flag.is_set() {
            return Err(QueryError::Cancelled.into());
        }
        self.inner.evaluate(batch)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef, DataFusionError> {
        self.inner.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>, DataFusionError> {
        let inner = children.into_iter().next().unwrap_or_else(|| Arc::clone(&self.inner));
        Ok(Arc::new(Self {
            inner,
            flag: self.flag.clone(),
        }))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
