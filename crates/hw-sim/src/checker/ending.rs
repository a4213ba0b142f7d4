//! Why a job ended as it did: each ending must have a reason in its plan or in what happened.

use hw_job::{Clock, Elapsed, Failure, JobId, JobState, Lifetime, TaskState};

use super::Checker;
use super::compare::Stored;
use super::model::JobModel;
use crate::kind::{expected_result, merge_failure};
use crate::plan::TableMove;
use crate::violation::{Violation, demand};
use crate::world_policy;

impl Checker {
    pub(super) fn check_ending(&self, id: JobId, stored: &Stored) -> Result<(), Violation> {
        let Some(job) = self.jobs.get(&id) else {
            return Ok(());
        };
        let changes = u32::from(job.plan.table.is_some() && job.has_succeeded());
        demand(
            job.changes == changes,
            "tables change if and only if their job succeeds",
            || format!("job {id} is {} and made {} changes", job.state.as_str(), job.changes),
        )?;
        let open = stored.tasks.iter().any(|task| !task.state.is_settled());
        demand(!(job.is_settled() && open), "settled jobs leave no open tasks", || {
            id.to_string()
        })?;
        match job.state {
            JobState::Queued | JobState::Running | JobState::Finishing => Ok(()),
            JobState::Succeeded => self.check_success(id, job, stored),
            JobState::Failed if job.ending_seen => Ok(()),
            JobState::Failed => self.check_failure(id, job, stored),
            JobState::Cancelled => {
                let reason = stored.record.cancel_reason.as_deref().unwrap_or_default();
                let of_task = reason.ends_with("was cancelled: not this one") && job.cancelled_tasks() > 0;
                let asked = job.cancel_requested && reason == "enough" || of_task;
                demand(asked, "jobs are cancelled on request", || format!("job {id}"))
            }
            JobState::TimedOut => self.check_timeout(id, job, stored),
        }
    }

    fn check_success(&self, id: JobId, job: &JobModel, stored: &Stored) -> Result<(), Violation> {
        let done = stored
            .tasks
            .iter()
            .filter(|task| task.state == TaskState::Succeeded)
            .count();
        let all = done == stored.tasks.len() && done == job.plan.task_count() && !job.plan.merge_fails;
        demand(all, "a job succeeds when all its tasks did", || {
            format!("job {id} has {done} succeeded tasks, plan {:?}", job.plan)
        })?;
        let Some(result) = &stored.record.result else {
            // Retention has taken it.
            return Ok(());
        };
        let result = self.disk.read(result);
        demand(
            result == Some(expected_result(&job.plan)),
            "a result is that of its tasks",
            || format!("job {id} has {result:?}"),
        )
    }

    fn check_failure(&self, id: JobId, job: &JobModel, stored: &Stored) -> Result<(), Violation> {
        let Some(failure) = &stored.record.failure else {
            return Err(Violation::new("failed jobs say why", id.to_string()));
        };
        let has_reason = match failure.code.as_str() {
            "SIM-TASK" => by_a_task(failure, stored),
            "SIM-MERGE" => job.plan.merge_fails && *failure == merge_failure(),
            "HW-J010" => {
                let is_kept = job.plan.lifetime == Lifetime::Durable || job.plan.delay.is_some();
                !is_kept && self.is_orphan(job)
            }
            "HW-J013" => by_lost_workers(stored),
            "HW-J016" => job.plan.large,
            "HW-J018" => matches!(job.plan.table, Some(TableMove::Drop(_))),
            _ => false,
        };
        demand(has_reason, "each failure has its reason", || {
            format!("job {id} failed with {failure:?}; its plan is {:?}", job.plan)
        })
    }

    /// Its owner died or was silent for the length of its lease, as far as anybody can know.
    fn is_orphan(&self, job: &JobModel) -> bool {
        let now = self.clock.elapsed();
        job.was_orphan || job.owner.as_ref().is_none_or(|owner| !self.is_alive(&owner.0, now))
    }

    fn check_timeout(&self, id: JobId, job: &JobModel, stored: &Stored) -> Result<(), Violation> {
        // The submission's own time counts, so a job may be somewhat older than its record.
        let now: Elapsed = self.clock.elapsed();
        let age = now.since(job.since);
        let code = stored.record.failure.as_ref().map(|failure| failure.code.as_str());
        let allowed = match code {
            Some("HW-J017") => job.plan.times_out_after(),
            Some("HW-J027") => job.plan.deadline,
            _ => None,
        };
        let over = allowed.is_some_and(|allowed| age >= allowed);
        demand(over, "jobs time out by elapsed time", || {
            format!("job {id} timed out after {age:?}: {code:?}; its plan is {:?}", job.plan)
        })
    }
}

/// The failure is that of a task which was not tried again.
fn by_a_task(failure: &Failure, stored: &Stored) -> bool {
    let mut given_up = stored
        .tasks
        .iter()
        .filter(|task| matches!(task.state, TaskState::Failed | TaskState::Quarantined));
    given_up.any(|task| task.failure.as_ref() == Some(failure))
}

fn by_lost_workers(stored: &Stored) -> bool {
    let policy = world_policy();
    let mut given_up = stored.tasks.iter().filter(|task| task.state == TaskState::Quarantined);
    given_up.any(|task| task.counts.lost >= policy.lost_max || task.counts.deaths > 0)
}
