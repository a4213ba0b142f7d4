//! The operator in a logical plan.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use super::output::output_schema;
use super::spec::FunnelSpec;

/// Matches the rows of its input, which has exactly the columns of the query.
#[derive(Debug, Clone)]
pub(crate) struct FunnelNode {
    input: LogicalPlan,
    spec: Arc<FunnelSpec>,
    schema: DFSchemaRef,
}

impl FunnelNode {
    pub(crate) fn new(input: LogicalPlan, spec: Arc<FunnelSpec>) -> Result<Self, DataFusionError> {
        let schema = DFSchema::try_from(output_schema())?;
        Ok(Self {
            input,
            spec,
            schema: Arc::new(schema),
        })
    }

    pub(crate) fn spec(&self) -> &Arc<FunnelSpec> {
        &self.spec
    }
}

impl PartialEq for FunnelNode {
    fn eq(&self, other: &Self) -> bool {
        self.input == other.input && self.spec == other.spec
    }
}

impl Eq for FunnelNode {}

impl Hash for FunnelNode {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.spec.hash(state);
    }
}

impl PartialOrd for FunnelNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.spec.partial_cmp(&other.spec) {
            Some(Ordering::Equal) => self.input.partial_cmp(&other.input),
            unequal => unequal,
        }
    }
}

impl UserDefinedLogicalNodeCore for FunnelNode {
    fn name(&self) -> &str {
        "Funnel"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Funnel: group={}", self.spec.group_column())
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self, DataFusionError> {
        match inputs.into_iter().next() {
            Some(input) => Self::new(input, Arc::clone(&self.spec)),
            None => plan_err!("a funnel needs an input"),
        }
    }

    /// All columns of the input are needed, whatever is asked of the output.
    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![(0..self.input.schema().fields().len()).collect()])
    }
}
