//! Asking a job's kind what comes next: more tasks, or the result.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hw_job::{
    Advance, Command, ErrorClass, Failure, JobEnding, JobEvent, JobId, JobView, TaskSpec, TaskState, TaskView,
};
use hw_store::{AddTasks, JobChangeError, StoreError, TaskRecord};
use serde_json::Value;

use super::active::Facts;
use super::ending::refused_by_store;
use super::{Controller, Step};

/// What a kind is asked about.
struct Asked {
    job: JobId,
    facts: Facts,
    tasks: Vec<TaskView>,
}

impl Asked {
    fn view(&self) -> JobView<'_> {
        JobView {
            id: self.job,
            expanded: &self.facts.expanded,
            reads: &self.facts.reads,
            tasks: &self.tasks,
            elapsed: self.facts.elapsed,
            enqueued: self.facts.enqueued,
        }
    }
}

impl Controller {
    /// Asks the job's kind what comes next, and does it.
    pub(super) async fn ask_kind(&self, job: JobId, step: &mut Step) -> Result<Vec<Command>, StoreError> {
        let Some(facts) = self.facts(job) else {
            return Ok(Vec::new());
        };
        let records = self.store().load_tasks(job).await?;
        if records.iter().any(|task| task.state != TaskState::Succeeded) {
            return Ok(self.correct_course(job, &records));
        }
        if records.iter().any(|task| task.outcome.is_none()) {
            // Retention takes outcomes of settled jobs only: while this process slept, another one ended the job.
            self.look_anew(job);
            return Ok(Vec::new());
        }
        let tasks = match self.task_views(records).await {
            Ok(tasks) => tasks,
            Err(failure) => return Ok(vec![Command::End(JobEnding::Failed(failure))]),
        };
        let count = tasks.len();
        let asked = Arc::new(Asked { job, facts, tasks });
        let advance = asked.clone();
        match offload(move || advance.facts.kind.advance(&advance.view())).await {
            Err(failure) => Ok(vec![Command::End(JobEnding::Failed(failure))]),
            Ok(Advance::Tasks(specs)) if specs.is_empty() => Ok(vec![Command::End(JobEnding::Failed(nothing_named()))]),
            Ok(Advance::Tasks(specs)) => self.add_tasks(job, count, specs).await,
            Ok(Advance::Merge) => self.merge(asked, step).await,
        }
    }

    /// Has the kind make the result; where that takes a while, everybody can see that it does. A process that ends meanwhile
    /// leaves a job that has all its outcomes: whoever takes it over asks the kind again.
    async fn merge(&self, asked: Arc<Asked>, step: &mut Step) -> Result<Vec<Command>, StoreError> {
        let job = asked.job;
        let kind = Arc::clone(&asked.facts.kind);
        let mut merging = pin!(offload(move || asked.facts.kind.merge(&asked.view())));
        let merged = match within(self.options.finishing_shown_after, merging.as_mut()).await {
            Some(merged) => merged,
            None if self.show_finishing(job).await? => merging.await,
            None => return Ok(Vec::new()),
        };
        match merged {
            Err(failure) => Ok(vec![Command::End(JobEnding::Failed(failure))]),
            Ok(mut merged) => {
                if let Some(elapsed) = self.elapsed(job) {
                    kind.note_time(&mut merged.result, elapsed);
                }
                self.finish(job, merged, step).await
            }
        }
    }

    /// Another process has driven the job on: its course becomes what the store says.
    fn correct_course(&self, job: JobId, records: &[TaskRecord]) -> Vec<Command> {
        let tasks = records.iter().map(|task| (task.id.index, task.state)).collect();
        match self.state().active.get_mut(&job) {
            Some(active) => active.course.apply(JobEvent::TasksAdded(tasks)),
            None => Vec::new(),
        }
    }

    async fn task_views(&self, records: Vec<TaskRecord>) -> Result<Vec<TaskView>, Failure> {
        let mut views = Vec::with_capacity(records.len());
        for task in records {
            let outcome = match &task.outcome {
                Some(stored) => self.options.documents.load(stored).await,
                None => Ok(Value::Null),
            };
            match outcome {
                Ok(outcome) => views.push(TaskView {
                    index: task.id.index,
                    kind: task.kind,
                    params: task.params,
                    outcome,
                    attempts: task.attempts,
                    lost: task.counts.lost,
                }),
                Err(error) => {
                    let message = format!("the outcome of task {} cannot be read: {error}", task.id);
                    return Err(Failure::new(ErrorClass::Platform, "HW-J015", message)
                        .help("it was removed or damaged; run the job again"));
                }
            }
        }
        Ok(views)
    }

    async fn add_tasks(&self, job: JobId, count: usize, specs: Vec<TaskSpec>) -> Result<Vec<Command>, StoreError> {
        let first_index = u32::try_from(count).unwrap_or(u32::MAX);
        let added = (first_index..).zip(specs.iter().map(|_| TaskState::Waiting)).collect();
        match self
            .store()
            .add_tasks(AddTasks {
                job,
                first_index,
                tasks: specs,
            })
            .await
        {
            Ok(()) => {
                let mut state = self.state();
                let course = state.active.get_mut(&job).map(|active| &mut active.course);
                Ok(course
                    .map(|course| course.apply(JobEvent::TasksAdded(added)))
                    .unwrap_or_default())
            }
            Err(JobChangeError::Store(StoreError::Misuse(reason))) => {
                Ok(vec![Command::End(JobEnding::Failed(refused_by_store(&reason)))])
            }
            Err(JobChangeError::Store(error)) => Err(error),
            Err(refused) => {
                tracing::debug!(%job, %refused, "the tasks were not added");
                self.look_anew(job);
                Ok(Vec::new())
            }
        }
    }
}

/// A job that asks for nothing would be asked again for ever.
fn nothing_named() -> Failure {
    let message = "the job's kind named neither further tasks nor a result";
    Failure::new(ErrorClass::Internal, "HW-J025", message).help("this is a bug of ours; please report it")
}

/// What the work gives if it takes no longer than this. Without any time it is not even begun.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    if limit.is_zero() {
        return None;
    }
    tokio::time::timeout(limit, work).await.ok()
}

/// Runs a computation off the reactor where there is one, and in place where there is none (simulation).
async fn offload<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    match tokio::runtime::Handle::try_current() {
        Err(_) => work(),
        Ok(runtime) => runtime.spawn_blocking(work).await.unwrap_or_else(|error| {
            let message = format!("the result could not be computed: {error}");
            Err(Failure::new(ErrorClass::Internal, "HW-J019", message).help("this is a bug of ours; please report it"))
        }),
    }
}
