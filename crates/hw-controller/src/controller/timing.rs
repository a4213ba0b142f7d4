//! What is due by itself: the ends of waits, pauses and allowed times, the next look for what others left.

use std::time::Duration;

use hw_job::{Elapsed, ErrorClass, Failure, JobEvent, JobId};
use hw_store::{JobRecord, StoreError};

use super::{Active, Controller, EVENTS_PER_STEP, Step};

impl Controller {
    pub(super) async fn end_overdue(&self, step: &mut Step) -> Result<(), StoreError> {
        let now = self.now();
        let overdue: Vec<JobId> = {
            let state = self.state();
            let due = state
                .active
                .iter()
                .filter(|(_, active)| active.instants.end.is_some_and(|end| end <= now));
            due.map(|(job, _)| *job).collect()
        };
        for job in overdue {
            let record = self.store().load_job(job).await?;
            let failure = record.as_ref().map_or_else(|| timed_out(Duration::ZERO), why_overdue);
            self.apply(job, JobEvent::TimedOut(failure), step).await?;
        }
        Ok(())
    }

    /// Makes the tasks ready whose pause is over, if one may be.
    pub(super) async fn wake_due_tasks(&self) -> Result<(), StoreError> {
        let due = self.state().wake_at.is_some_and(|at| at <= self.now());
        if due {
            let next = self.store().wake_due_tasks(EVENTS_PER_STEP).await?;
            self.state().wake_at = next.map(|pause| self.now().after(pause));
        }
        Ok(())
    }

    /// The next instant at which something is due by itself.
    pub(super) fn next_instant(&self) -> Option<Elapsed> {
        let state = self.state();
        let ends = state.active.values().filter_map(|active| active.instants.end);
        let due = state.active.values().filter_map(Active::due_at);
        ends.chain(due).chain(state.wake_at).chain([state.rescue_at]).min()
    }

    /// Whether it is time to look for what others left; the next time is `every` later.
    pub(crate) fn is_rescue_due(&self, every: Duration) -> bool {
        let now = self.now();
        let mut state = self.state();
        let due = state.rescue_at <= now;
        if due {
            state.rescue_at = now.after(every);
            state.wake_at = Some(now);
        }
        due
    }

    /// The page of unsettled jobs to look at, so that in the course of several looks each of them has its turn.
    pub(crate) fn rescue_page(&self) -> Option<String> {
        self.state().rescue_page.clone()
    }

    pub(crate) fn go_on_at_page(&self, next: Option<String>) {
        self.state().rescue_page = next;
    }
}

/// Why the job must end now: of its deadline and its timeout, the one that came first.
fn why_overdue(job: &JobRecord) -> Failure {
    let start = job.not_before.map(|due| due.after).unwrap_or_default();
    let times_out = job.timeout.map(|timeout| start.saturating_add(timeout));
    match (job.deadline, job.timeout) {
        (Some(deadline), _) if times_out.is_none_or(|timeout| deadline.after <= timeout) => {
            let message = format!("it had not ended by its deadline, {}", deadline.at);
            Failure::new(ErrorClass::Timeout, "HW-J027", message)
                .help("submit it earlier, with a later deadline, or ask for less")
        }
        (_, timeout) => timed_out(timeout.unwrap_or_default()),
    }
}

fn timed_out(timeout: Duration) -> Failure {
    let message = format!("timed out after {} seconds", timeout.as_secs_f64());
    Failure::new(ErrorClass::Timeout, "HW-J017", message).help("allow more time with a longer timeout, or ask for less")
}
