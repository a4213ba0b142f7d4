//! The store against the model.

use std::collections::BTreeMap;

use hw_job::{AttemptState, Clock, Elapsed, ErrorClass, Fence, JobId, TaskCounts, TaskId, TaskState};
use hw_store::{AttemptRecord, JobRecord, TaskRecord};

use super::model::{JobModel, News};
use super::{Checker, answer};
use crate::executor::Executor;
use crate::violation::{Violation, demand};
use crate::world_policy;

/// A job as the store has it.
pub(super) struct Stored {
    pub(super) record: JobRecord,
    pub(super) tasks: Vec<TaskRecord>,
    pub(super) attempts: BTreeMap<TaskId, Vec<AttemptRecord>>,
}

impl Checker {
    pub(super) fn load(&self, executor: &Executor, id: JobId) -> Result<Option<Stored>, Violation> {
        let Some(record) = answer(executor.now(self.store.load_job(id)))? else {
            return Ok(None);
        };
        let mut attempts: BTreeMap<TaskId, Vec<AttemptRecord>> = BTreeMap::new();
        for attempt in answer(executor.now(self.store.load_attempts(id)))? {
            attempts.entry(attempt.id.task).or_default().push(attempt);
        }
        Ok(Some(Stored {
            record,
            tasks: answer(executor.now(self.store.load_tasks(id)))?,
            attempts,
        }))
    }

    pub(super) fn compare_job(&mut self, executor: &Executor, id: JobId) -> Result<(), Violation> {
        let stored = self.load(executor, id)?;
        let Some(job) = self.jobs.get_mut(&id) else {
            return Ok(());
        };
        let Some(stored) = stored else {
            job.is_gone = true;
            return self.may_be_gone(id);
        };
        compare_states(id, job, &stored)?;
        for task in &stored.tasks {
            let attempts = stored.attempts.get(&task.id).map(Vec::as_slice).unwrap_or_default();
            compare_task(job, task, attempts)?;
        }
        for task in &stored.tasks {
            let attempts = stored.attempts.get(&task.id).map(Vec::as_slice).unwrap_or_default();
            self.check_losses(task, attempts)?;
            self.check_outcome(task, attempts)?;
        }
        self.check_ending(id, &stored)?;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.ending_seen = job.is_settled();
        }
        Ok(())
    }

    /// An attempt is lost only when its lease ran out, or the session of its worker.
    fn check_losses(&mut self, task: &TaskRecord, attempts: &[AttemptRecord]) -> Result<(), Violation> {
        let now = self.clock.elapsed();
        let Some(attempt) = attempts.last().filter(|attempt| attempt.state == AttemptState::Lost) else {
            return Ok(());
        };
        let job = self.jobs.get_mut(&task.id.job);
        if let Some(model) = job.and_then(|job| job.tasks.get_mut(&task.id.index)) {
            let seen = std::mem::replace(&mut model.losses_seen, attempt.id.number);
            if seen == attempt.id.number {
                return Ok(());
            }
        }
        let leased = self.leases.get(&task.id);
        let leased = leased.is_some_and(|(fence, until)| *fence == attempt.fence && *until > now);
        let alive = self.is_alive(attempt.worker.0.trim_end_matches(":tasks"), now);
        demand(!(leased && alive), "no lease ends early", || {
            format!(
                "attempt {} was taken from {} while it was leased",
                attempt.id, attempt.worker
            )
        })
    }

    pub(super) fn is_alive(&self, session: &str, now: Elapsed) -> bool {
        let session = hw_job::SessionId(session.to_owned());
        let life = self.sessions.get(&session);
        life.is_some_and(|life| !life.is_over && life.until > now)
    }

    /// The outcome of a task is that of its one succeeded attempt, and deaths were deaths.
    fn check_outcome(&self, task: &TaskRecord, attempts: &[AttemptRecord]) -> Result<(), Violation> {
        let succeeded: Vec<_> = attempts
            .iter()
            .filter(|attempt| attempt.state == AttemptState::Succeeded)
            .collect();
        demand(succeeded.len() <= 1, "no task runs to success twice", || {
            format!("{succeeded:?}")
        })?;
        let is_done = task.state == TaskState::Succeeded;
        demand(
            is_done == (succeeded.len() == 1),
            "no task runs to success twice",
            || format!("task {} is {}: {succeeded:?}", task.id, task.state.as_str()),
        )?;
        if let (Some(outcome), Some(attempt)) = (&task.outcome, succeeded.first()) {
            let document = self.disk.read(outcome);
            let fence = document.as_ref().and_then(|document| document.get("fence")?.as_u64());
            demand(
                fence == Some(attempt.fence.0),
                "an outcome is that of the attempt that succeeded",
                || format!("task {} has {document:?}, {attempt:?}", task.id),
            )?;
        }
        let is_dead = |attempt: &&AttemptRecord| {
            let session = hw_job::SessionId(attempt.worker.0.trim_end_matches(":tasks").to_owned());
            self.sessions.get(&session).is_some_and(|life| life.is_over)
        };
        let dead = attempts.iter().filter(is_dead).count();
        let deaths = usize::try_from(task.counts.deaths).unwrap_or(usize::MAX);
        demand(deaths <= dead, "only the dead count as dead", || {
            format!("task {}: {:?}, {attempts:?}", task.id, task.counts)
        })
    }
}

fn compare_states(id: JobId, job: &JobModel, stored: &Stored) -> Result<(), Violation> {
    let record = &stored.record;
    demand(record.state == job.state, "each change has its event", || {
        format!(
            "job {id} is {}, events say {}",
            record.state.as_str(),
            job.state.as_str()
        )
    })?;
    let counts = TaskCounts::of(stored.tasks.iter().map(|task| task.state));
    demand(record.tasks == counts, "a job counts its tasks", || {
        format!("job {id} says {:?}, has {counts:?}", record.tasks)
    })?;
    demand(job.ends <= 1, "a job settles at most once", || id.to_string())?;
    let attempts: u64 = stored.tasks.iter().map(|task| u64::from(task.attempts)).sum();
    demand(
        u64::from(record.attempts) == attempts,
        "a job counts its attempts",
        || id.to_string(),
    )?;
    let ready = u64::from(counts.in_state(TaskState::Ready));
    // A task that was cancelled by itself may have been ready.
    let known = job.starts() + ready;
    let told = (known..=known + job.cancelled_tasks()).contains(&job.ready);
    demand(told || job.is_settled(), "each change has its event", || {
        format!(
            "job {id}: {} tasks were said to be ready, {} started, {ready} are ready",
            job.ready,
            job.starts()
        )
    })
}

fn compare_task(job: &mut JobModel, task: &TaskRecord, attempts: &[AttemptRecord]) -> Result<(), Violation> {
    let is_settled = job.is_settled();
    let model = job.tasks.entry(task.id.index).or_default();
    let told = match task.state {
        TaskState::Waiting => model.news == News::None,
        TaskState::Ready => matches!(model.news, News::None | News::Retry(_)),
        TaskState::Running => model.news == News::Started,
        TaskState::Blocked => model.news == News::Blocked,
        TaskState::RetryWait => model.news == News::Retry(TaskState::RetryWait),
        TaskState::Cancelled if is_settled => true,
        state if state.is_settled() => model.news == News::Ended(state),
        _ => false,
    };
    demand(
        told && model.attempts == task.attempts,
        "each change has its event",
        || format!("task {} is {}, events say {model:?}", task.id, task.state.as_str()),
    )?;
    demand(model.fence <= task.fence, "fences only rise", || {
        format!("task {} has fence {} after {}", task.id, task.fence, model.fence)
    })?;
    model.fence = task.fence;
    let is_held = task.not_before.is_some();
    let may_be_held = matches!(task.state, TaskState::Waiting | TaskState::RetryWait);
    demand(!is_held || may_be_held, "only waiting tasks wait for a time", || {
        format!("{task:?}")
    })?;
    let by_itself = model.cancelled || !matches!(model.news, News::Ended(_));
    let withdrawn = task.state == TaskState::Cancelled && by_itself;
    check_attempts(task, attempts, withdrawn)
}

fn check_attempts(task: &TaskRecord, attempts: &[AttemptRecord], withdrawn: bool) -> Result<(), Violation> {
    let running = attempts
        .iter()
        .filter(|attempt| attempt.state == AttemptState::Running)
        .count();
    demand(
        running == usize::from(task.state == TaskState::Running),
        "a task runs in its newest attempt",
        || format!("task {} is {}: {attempts:?}", task.id, task.state.as_str()),
    )?;
    let is_leased = task.worker.is_some() && task.lease_until.is_some();
    demand(is_leased == (running == 1), "only running tasks are leased", || {
        format!("{task:?}")
    })?;
    let numbers = attempts.iter().map(|attempt| attempt.id.number);
    demand(numbers.eq(1..=task.attempts), "attempts are counted up", || {
        format!("{attempts:?}")
    })?;
    let rising = attempts.is_sorted_by(|a, b| a.fence < b.fence);
    let last = attempts.last().map(|attempt| attempt.fence).unwrap_or_default();
    demand(rising && last <= task.fence, "fences only rise", || {
        format!("{attempts:?}")
    })?;
    let taken = |attempt: &AttemptRecord| matches!(attempt.state, AttemptState::Lost | AttemptState::Preempted);
    let over = attempts
        .iter()
        .filter(|attempt| taken(attempt))
        .map(|attempt| attempt.fence)
        .max();
    let over = over.unwrap_or_default().max(if withdrawn { last } else { Fence(0) });
    demand(
        over < task.fence || over == Fence(0),
        "what is taken from a worker is fenced off",
        || format!("task {} still has fence {}", task.id, task.fence),
    )?;
    check_counts(task, attempts)
}

/// How attempts ended is counted, within the bounds of the policy.
fn check_counts(task: &TaskRecord, attempts: &[AttemptRecord]) -> Result<(), Violation> {
    let policy = world_policy();
    let counts = task.counts;
    let bounds =
        counts.counted <= policy.counted_max && counts.lost <= policy.lost_max && counts.deaths <= policy.deaths_max;
    demand(bounds, "attempts stay within the policy", || {
        format!("task {}: {counts:?}", task.id)
    })?;
    let failed_by = |attempt: &AttemptRecord| match attempt.state {
        AttemptState::Failed => attempt.failure.as_ref().map(|failure| failure.class),
        _ => None,
    };
    let counted = attempts.iter().filter_map(failed_by);
    let counted = counted
        .filter(|class| matches!(class, ErrorClass::External | ErrorClass::Internal))
        .count();
    let may_be_lost = |attempt: &&AttemptRecord| {
        let taken = matches!(
            attempt.state,
            AttemptState::Lost | AttemptState::Preempted | AttemptState::Late
        );
        taken || failed_by(attempt) == Some(ErrorClass::Platform)
    };
    let lost = attempts.iter().filter(may_be_lost).count();
    let said = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let right = said(counts.counted) == counted && (said(counts.lost) == lost || task.state == TaskState::Cancelled);
    demand(right, "attempts are counted as they ended", || {
        format!("task {}: {counts:?}, {attempts:?}", task.id)
    })
}
