//! Plans as people and programs read them.

use std::sync::Arc;

use datafusion::execution::TaskContext;
use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};
use datafusion::physical_plan::{ExecutionPlan, displayable, execute_stream};
use futures::StreamExt;
use serde_json::{Map, Value, json};

use crate::engine::Limits;
use crate::error::{QueryError, from_execution};

/// A plan, with what its operators did if it was run.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// A tree, one operator per line, inputs below what reads them.
    pub text: String,
    /// The same as a document: `name`, `details`, `children`, and after a run `rows`, `elapsed_ms` (computing time over
    /// all threads) and `metrics`.
    pub plan: Value,
}

/// Shows a plan; runs it first, and throws its rows away, if `analyze` is set.
pub(crate) async fn explain(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    analyze: bool,
    limits: &Limits,
) -> Result<Explained, QueryError> {
    if analyze {
        let failed = |error| from_execution(error, limits);
        let mut rows = execute_stream(Arc::clone(&plan), context).map_err(failed)?;
        while let Some(batch) = rows.next().await {
            batch.map_err(failed)?;
        }
    }
    Ok(shown(&plan, analyze))
}

/// Shows a plan, with what its operators did if it was run.
pub(crate) fn shown(plan: &Arc<dyn ExecutionPlan>, analyzed: bool) -> Explained {
    let node = Node::of(plan, analyzed);
    let mut text = String::new();
    node.write(&mut text, "", "");
    Explained {
        text,
        plan: node.to_json(),
    }
}

/// One operator.
struct Node {
    name: String,
    details: String,
    run: Option<Run>,
    children: Vec<Node>,
}

/// What an operator did.
struct Run {
    rows: Option<usize>,
    elapsed_ms: Option<f64>,
    metrics: Map<String, Value>,
}

impl Node {
    fn of(plan: &Arc<dyn ExecutionPlan>, analyzed: bool) -> Self {
        let line = displayable(plan.as_ref()).one_line().to_string();
        let line = line.trim();
        let (name, details) = line.split_once(": ").unwrap_or((line, ""));
        Self {
            name: name.to_owned(),
            details: details.to_owned(),
            run: analyzed.then(|| Run::of(plan.metrics().unwrap_or_default())),
            children: plan
                .children()
                .into_iter()
                .map(|child| Self::of(child, analyzed))
                .collect(),
        }
    }

    /// Appends this operator behind `first` and its inputs behind `rest`.
    fn write(&self, text: &mut String, first: &str, rest: &str) {
        text.push_str(first);
        text.push_str(&self.name);
        if let Some(run) = &self.run {
            text.push_str(&run.to_string());
        }
        if !self.details.is_empty() {
            text.push_str(": ");
            text.push_str(&self.details);
        }
        text.push('\n');
        let last = self.children.len().saturating_sub(1);
        for (index, child) in self.children.iter().enumerate() {
            let (branch, below) = if index == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            child.write(text, &format!("{rest}{branch}"), &format!("{rest}{below}"));
        }
    }

    fn to_json(&self) -> Value {
        let children: Vec<Value> = self.children.iter().map(Self::to_json).collect();
        let mut node = json!({ "name": self.name, "details": self.details });
        if let (Some(run), Some(members)) = (&self.run, node.as_object_mut()) {
            members.insert("rows".to_owned(), json!(run.rows));
            members.insert("elapsed_ms".to_owned(), json!(run.elapsed_ms));
            members.insert("metrics".to_owned(), Value::Object(run.metrics.clone()));
        }
        if let Some(members) = node.as_object_mut() {
            members.insert("children".to_owned(), Value::Array(children));
        }
        node
    }
}

impl Run {
    fn of(metrics: MetricsSet) -> Self {
        let metrics = metrics.aggregate_by_name().timestamps_removed();
        Self {
            rows: metrics.output_rows(),
            elapsed_ms: metrics.elapsed_compute().map(milliseconds),
            metrics: metrics.iter().filter_map(|metric| document(metric.value())).collect(),
        }
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.rows, self.elapsed_ms) {
            (Some(rows), Some(elapsed)) => write!(f, " [rows={rows}, {elapsed:.3} ms]"),
            (Some(rows), None) => write!(f, " [rows={rows}]"),
            (None, Some(elapsed)) => write!(f, " [{elapsed:.3} ms]"),
            (None, None) => Ok(()),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration for people")]
fn milliseconds(nanoseconds: usize) -> f64 {
    nanoseconds as f64 / 1e6
}

/// A metric by its name; those that counted nothing are left out.
fn document(value: &MetricValue) -> Option<(String, Value)> {
    let name = value.name().to_owned();
    match value {
        MetricValue::PruningMetrics { pruning_metrics, .. } => {
            let (pruned, matched) = (pruning_metrics.pruned(), pruning_metrics.matched());
            (pruned + matched > 0).then(|| (name, json!({ "pruned": pruned, "matched": matched })))
        }
        MetricValue::Ratio { ratio_metrics, .. } => {
            let (part, total) = (ratio_metrics.part(), ratio_metrics.total());
            (total > 0).then(|| (name, json!({ "part": part, "total": total })))
        }
        MetricValue::Time { time, .. } => {
            (time.value() > 0).then(|| (format!("{name}_ms"), json!(milliseconds(time.value()))))
        }
        MetricValue::ElapsedCompute(_) | MetricValue::OutputRows(_) => None,
        other => (other.as_usize() > 0).then(|| (name, json!(other.as_usize()))),
    }
}

/// Row groups that scans skipped by statistics, filters or limits, over the whole plan.
pub(crate) fn row_groups_pruned(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    const SKIPPED: [&str; 3] = [
        "row_groups_pruned_statistics",
        "row_groups_pruned_bloom_filter",
        "limit_pruned_row_groups",
    ];
    let metrics = plan.metrics().unwrap_or_default();
    let own: usize = metrics
        .iter()
        .filter_map(|metric| match metric.value() {
            MetricValue::PruningMetrics { name, pruning_metrics } if SKIPPED.contains(&name.as_ref()) => {
                Some(pruning_metrics.pruned())
            }
            _ => None,
        })
        .sum();
    own as u64 + plan.children().into_iter().map(row_groups_pruned).sum::<u64>()
}
