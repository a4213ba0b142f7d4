//! From the logical operator to the physical one.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};

use super::exec::FunnelExec;
use super::node::FunnelNode;

/// The engine's planner with ours beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FunnelQueryPlanner;

#[async_trait]
impl QueryPlanner for FunnelQueryPlanner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(FunnelPlanner)]);
        planner.create_physical_plan(plan, session).await
    }
}

struct FunnelPlanner;

#[async_trait]
impl ExtensionPlanner for FunnelPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>, DataFusionError> {
        let (Some(node), [input]) = (node.as_any().downcast_ref::<FunnelNode>(), inputs) else {
            return Ok(None);
        };
        Ok(Some(Arc::new(FunnelExec::new(
            Arc::clone(input),
            Arc::clone(node.spec()),
        ))))
    }
}
