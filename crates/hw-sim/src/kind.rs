//! The kinds of jobs that are simulated. They do what their plan says and complain when they are asked wrongly.

use std::sync::{Arc, Mutex, PoisonError};

use hw_catalog::{Finding, Table, TableName, TableVersion};
use hw_job::{
    Advance, CatalogChange, ErrorClass, Failure, JobKind, JobView, Lifetime, Merged, Needs, PrepareError,
    PrepareRequest, Prepared, TaskSpec,
};
use serde_json::{Value, json};

use crate::plan::{Plan, Plans, TableMove, TaskPlan};

/// Kind of all simulated tasks.
pub(crate) const TASK_KIND: &str = "sim.work";

/// What was found to break a promise by those who cannot answer with an error.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Vec<String>>);

impl Complaints {
    pub(crate) fn add(&self, complaint: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(complaint);
    }

    pub(crate) fn first(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }
}

pub(crate) struct SimKind {
    pub(crate) lifetime: Lifetime,
    pub(crate) plans: Arc<Plans>,
    pub(crate) complaints: Arc<Complaints>,
}

/// The number of the plan that parameters of jobs and tasks name.
pub(crate) fn plan_number(params: &Value) -> u32 {
    let number = params.get("plan").and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(number).unwrap_or(0)
}

impl JobKind for SimKind {
    fn name(&self) -> &'static str {
        match self.lifetime {
            Lifetime::Interactive => "sim.asked",
            Lifetime::Durable => "sim.kept",
        }
    }

    fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        Ok(match &self.plans.plan(plan_number(params)).table {
            Some(TableMove::Drop(name)) => vec![name.clone()],
            Some(TableMove::Put(_)) | None => Vec::new(),
        })
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let plan = self.plans.plan(plan_number(request.params));
        let version = request.tables.first().map(|pinned| pinned.table.version.0);
        Ok(Prepared {
            expanded: json!({ "plan": plan.number, "version": version }),
            tasks: specs(&plan, 0, 0),
            fingerprint: plan.answers.then(|| format!("{}@{version:?}", plan.number)),
            warnings: Vec::new(),
        })
    }

    fn advance(&self, job: &JobView<'_>) -> Result<Advance, Failure> {
        let plan = self.plans.plan(plan_number(job.expanded));
        if let Some(complaint) = complaint(&plan, job) {
            self.complaints.add(complaint);
        }
        let mut first_index = 0;
        for (number, stage) in plan.stages.iter().enumerate() {
            if job.tasks.len() <= first_index && !stage.is_empty() {
                return Ok(Advance::Tasks(specs(&plan, number, first_index)));
            }
            first_index += stage.len();
        }
        Ok(Advance::Merge)
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let plan = self.plans.plan(plan_number(job.expanded));
        if let Some(complaint) = complaint(&plan, job) {
            self.complaints.add(complaint);
        }
        if plan.merge_fails {
            return Err(merge_failure());
        }
        Ok(merged(&plan, job))
    }
}

pub(crate) fn merge_failure() -> Failure {
    Failure::new(ErrorClass::Data, "SIM-MERGE", "the outcomes contradict each other")
}

/// A kind may be asked only when all tasks so far have succeeded, and only between two stages.
fn complaint(plan: &Plan, job: &JobView<'_>) -> Option<String> {
    let whole = |index: usize, task: &hw_job::TaskView| {
        usize::try_from(task.index) == Ok(index) && task.outcome.get("value").is_some()
    };
    if !job.tasks.iter().enumerate().all(|(index, task)| whole(index, task)) {
        return Some(format!("the kind of job {} was asked while tasks were open", job.id));
    }
    let ends = plan.stages.iter().scan(0, |end, stage| {
        *end += stage.len();
        Some(*end)
    });
    let at_an_end = std::iter::once(0).chain(ends).any(|end| end == job.tasks.len());
    (!at_an_end).then(|| format!("the kind of job {} was asked within a stage", job.id))
}

fn specs(plan: &Plan, stage: usize, first_index: usize) -> Vec<TaskSpec> {
    let tasks = plan.stages.get(stage).into_iter().flatten();
    let spec = |(offset, task): (usize, &TaskPlan)| TaskSpec {
        kind: TASK_KIND.to_owned(),
        format: 1,
        params: json!({ "plan": plan.number, "task": first_index + offset }),
        needs: Needs::default(),
        affinity: Vec::new(),
        flow: plan.kind().to_owned(),
        after: task.after.clone(),
    };
    tasks.enumerate().map(spec).collect()
}

fn merged(plan: &Plan, job: &JobView<'_>) -> Merged {
    let values = job.tasks.iter().filter_map(|task| task.outcome.get("value")?.as_u64());
    let version = job.expanded.get("version").and_then(Value::as_u64).unwrap_or(0);
    let change = plan.table.as_ref().and_then(|change| match change {
        TableMove::Put(name) => table(name).map(|table| CatalogChange::Put {
            table,
            parts: Vec::new(),
            expected: None,
        }),
        TableMove::Drop(name) => Some(CatalogChange::Drop {
            name: name.clone(),
            version: TableVersion(version),
        }),
    });
    Merged {
        result: json!({ "sum": values.sum::<u64>(), "tasks": job.tasks.len(), "large": plan.large }),
        partial: false,
        changes: change.into_iter().collect(),
        files: Vec::new(),
    }
}

/// The result that a job of this plan must have.
pub(crate) fn expected_result(plan: &Plan) -> Value {
    json!({ "sum": plan.sum(), "tasks": plan.task_count(), "large": plan.large })
}

/// A table without columns; the store gives it its version and its origin.
fn table(name: &TableName) -> Option<Box<Table>> {
    let document = json!({
        "name": name, "kind": "dataset", "version": 0, "schema": { "fields": [], "metadata": {} }, "groups": "contained",
        "sorted_by": [], "bytes": 0, "columns": [], "unsupported": [], "registered_at": 0,
    });
    serde_json::from_value(document).ok()
}
