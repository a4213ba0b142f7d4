//! Why a task is where it is, each reason in one sentence.

use std::time::Duration;

use hw_job::{TaskId, TaskState};
use hw_store::{TaskRecord, WorkerRecord};

use crate::config::show_duration;
use crate::problem::Fault;
use crate::state::State as Server;

/// Workers that are told one by one.
const WORKERS_MAX: usize = 8;

/// What the task waits for; empty if it does not wait.
pub(super) async fn reasons(state: &Server, task: &TaskRecord) -> Result<Vec<String>, Fault> {
    Ok(match task.state {
        TaskState::Waiting | TaskState::Blocked => waiting(state, task).await?,
        TaskState::Ready => ready(state, task).await?,
        TaskState::RetryWait => vec![pause(state, task)],
        TaskState::Running => vec![running(task)],
        TaskState::Quarantined => quarantined(state, task).await?,
        TaskState::Infeasible => vec!["no worker could ever take it".to_owned()],
        TaskState::Planned | TaskState::Launching => vec!["its place is being made ready".to_owned()],
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled | TaskState::TimedOut => Vec::new(),
    })
}

/// A task of a job that has ended is out of reach.
async fn quarantined(state: &Server, task: &TaskRecord) -> Result<Vec<String>, Fault> {
    let job = state.store().load_job(task.id.job).await?;
    let next = match job.filter(|job| job.state.is_settled()) {
        Some(job) => format!(
            "its job has ended as {}, so nothing gives it another chance: run the job again when the cause is mended",
            job.state.as_str()
        ),
        None => format!("`headwater task requeue {}` gives it another chance", task.id),
    };
    Ok(vec![format!("it was given up after {}", attempts(task)), next])
}

fn attempts(task: &TaskRecord) -> String {
    match task.attempts {
        1 => "1 attempt".to_owned(),
        count => format!("{count} attempts"),
    }
}

fn running(task: &TaskRecord) -> String {
    match &task.worker {
        Some(worker) => format!("worker `{worker}` has it, attempt {}", task.attempts),
        None => format!("a worker has it, attempt {}", task.attempts),
    }
}

async fn waiting(state: &Server, task: &TaskRecord) -> Result<Vec<String>, Fault> {
    let mut reasons: Vec<String> = start(state, task).await?.into_iter().collect();
    for index in &task.after {
        let id = TaskId::new(task.id.job, *index);
        let state_of = state.store().load_task(id).await?.map(|before| before.state);
        match state_of {
            Some(TaskState::Succeeded) => {}
            Some(other) => reasons.push(format!("it needs task {index}, which is {}", other.as_str())),
            None => reasons.push(format!("it needs task {index}, which is not there")),
        }
    }
    Ok(reasons)
}

/// Until when its job must not start.
async fn start(state: &Server, task: &TaskRecord) -> Result<Option<String>, Fault> {
    let Some(job) = state.store().load_job(task.id.job).await? else {
        return Ok(None);
    };
    let due = job.starts_in().zip(job.not_before);
    Ok(due.map(|(left, due)| format!("its job must not start before {}, in {}", due.at, rounded(left))))
}

/// Without the digits that nobody reads.
fn rounded(time: Duration) -> String {
    let whole = match time.as_secs() {
        0..10 => Duration::from_millis(time.as_millis() as u64),
        seconds => Duration::from_secs(seconds),
    };
    show_duration(whole)
}

fn pause(state: &Server, task: &TaskRecord) -> String {
    let now = state.parts().clock.elapsed();
    let left = task.not_before.map(|until| until.since(now)).unwrap_or_default();
    let cause = task
        .failure
        .as_ref()
        .map_or_else(String::new, |failure| format!(" after: {}", failure.message));
    format!(
        "it is tried again in {}{cause}",
        show_duration(Duration::from_millis(left.as_millis() as u64))
    )
}

async fn ready(state: &Server, task: &TaskRecord) -> Result<Vec<String>, Fault> {
    let workers = state.store().list_workers().await?;
    let queued = state.store().queue_length(None).await?;
    let mut reasons = vec![format!(
        "{queued} tasks are ready, this one among them; lower priority values go first"
    )];
    if workers.is_empty() {
        reasons.push("there is no worker; `headwater up` or `headwater worker` starts one".to_owned());
    }
    reasons.extend(workers.iter().take(WORKERS_MAX).map(|worker| against(worker, task)));
    if workers.len() > WORKERS_MAX {
        reasons.push(format!("and {} further workers", workers.len() - WORKERS_MAX));
    }
    Ok(reasons)
}

/// What stands against a worker's taking the task.
fn against(worker: &WorkerRecord, task: &TaskRecord) -> String {
    let missing: Vec<_> = task
        .needs
        .labels
        .iter()
        .filter(|label| !worker.labels.contains(label))
        .collect();
    let id = &worker.id;
    if let Some(label) = missing.first() {
        format!("worker `{id}` does not carry the label `{label}`")
    } else if worker.draining {
        format!("worker `{id}` takes no new tasks")
    } else if worker.running >= worker.slots {
        format!("all {} slots of worker `{id}` are taken", worker.slots)
    } else {
        format!(
            "worker `{id}` has {} free slots and may take it any moment",
            worker.slots - worker.running
        )
    }
}
