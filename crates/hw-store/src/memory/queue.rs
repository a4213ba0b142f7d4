//! The queue: claiming, keeping and finishing tasks under leases and fences.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{
    AttemptCounts, AttemptId, AttemptState, Ending, Failure, Fence, JobId, TaskId, TaskState, Work, WorkerId,
};

use super::state::{AttemptEntry, Place, State, TaskEntry};
use super::{MemoryStore, Now};
use crate::journal::Journal;
use crate::limits::QUEUE_WINDOW;
use crate::queue::{
    Candidate, Judgement, Standing, cancelled_by_itself, check_outcome, choose, holds_any, judge, takes_away,
};
use crate::{
    AttemptRecord, ChangeRefused, Claim, ClaimedTask, HeldTask, NextState, QueueStore, StoreError, TaskChange,
    TaskChanged, TaskRecord, TaskWork, Verdict,
};

#[async_trait]
impl QueueStore for MemoryStore {
    async fn claim_tasks(&self, claim: &Claim) -> Result<Vec<ClaimedTask>, StoreError> {
        self.write(|state, journal, now| {
            if claim.slot.tasks > 0 && !state.queue.is_empty() && state.is_silent(&claim.worker, now) {
                return Err(StoreError::SessionOver(claim.worker.clone()));
            }
            if state.workers.get(&claim.worker).is_some_and(|worker| worker.draining) {
                return Ok(Vec::new());
            }
            let window = state.window(claim);
            let chosen = choose(window, &claim.slot);
            Ok(chosen
                .into_iter()
                .filter_map(|place| state.start(place, claim, journal, now))
                .collect())
        })
    }

    async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[HeldTask],
        lease: Duration,
    ) -> Result<Vec<Verdict>, StoreError> {
        self.write(|state, _, now| {
            let verdicts = held.iter().map(|held| state.keep(worker, held, now, lease));
            Ok(verdicts.collect())
        })
    }

    async fn note_work(&self, done: &[TaskWork]) -> Result<(), StoreError> {
        self.write(|state, _, _| {
            for told in done {
                let current = state
                    .task(told.task)
                    .filter(|task| task.record.state == TaskState::Running);
                if current.is_some_and(|task| task.record.fence == told.fence) {
                    state.note_work_of(told.task, told.work);
                }
            }
            Ok(())
        })
    }

    async fn change_tasks(
        &self,
        changes: Vec<TaskChange>,
    ) -> Result<Vec<Result<TaskChanged, ChangeRefused>>, StoreError> {
        changes.iter().try_for_each(check_outcome)?;
        self.write(|state, journal, now| {
            let mut ended = Vec::new();
            let answers = changes.into_iter().map(|change| {
                let task = change.task;
                let answer = state.report(change, journal, now);
                ended.extend(answer.iter().map(|changed| (task, changed.state)));
                answer
            });
            let answers = answers.collect();
            state.block_dependents(&ended, journal);
            Ok(answers)
        })
    }

    async fn expired_tasks(&self, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.read(|state, now| {
            let running = state.running.iter();
            let mut over: Vec<_> = running
                .filter_map(|(number, index)| {
                    let task = state.jobs.get(number)?.task(*index)?;
                    state
                        .is_over(task, now)
                        .then_some((task.record.lease_until, number, index, task))
                })
                .collect();
            over.sort_unstable_by_key(|(until, number, index, _)| (*until, **number, **index));
            let records = over.into_iter().map(|(_, _, _, task)| task.record.clone());
            records.take(limit).collect()
        }))
    }

    async fn wake_due_tasks(&self, limit: u32) -> Result<Option<Duration>, StoreError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.write(|state, journal, now| {
            let due = state.pausing.iter().take_while(|(until, _, _)| *until <= now.elapsed);
            let due: Vec<_> = due.take(limit).copied().collect();
            for (_, number, index) in due {
                if let Some(job) = state.jobs.get(&number).map(|job| job.record.id) {
                    state.make_ready(TaskId::new(job, index), journal);
                }
            }
            Ok(state.pausing.first().map(|(until, _, _)| until.since(now.elapsed)))
        })
    }

    async fn requeue_task(&self, task: TaskId) -> Result<Result<(), ChangeRefused>, StoreError> {
        self.write(|state, journal, _| {
            let settled = state.job(task.job).is_none_or(|job| job.record.state.is_settled());
            let Some(entry) = state.task_mut(task) else {
                return Ok(Err(ChangeRefused::NotFound(task)));
            };
            let from = entry.record.state;
            if settled || from != TaskState::Quarantined {
                let to = TaskState::Ready;
                return Ok(Err(ChangeRefused::Illegal { task, from, to }));
            }
            entry.record.counts = AttemptCounts::default();
            entry.record.ended_at = None;
            state.make_ready(task, journal);
            state.unblock_dependents(task, journal);
            Ok(Ok(()))
        })
    }

    async fn cancel_task(&self, task: TaskId, reason: &str) -> Result<Result<(), ChangeRefused>, StoreError> {
        self.write(|state, journal, now| {
            let settled = state.job(task.job).is_none_or(|job| job.record.state.is_settled());
            let Some(entry) = state.task(task) else {
                return Ok(Err(ChangeRefused::NotFound(task)));
            };
            let (from, to, attempts) = (entry.record.state, TaskState::Cancelled, entry.record.attempts);
            if settled || !from.may_become(to) {
                return Ok(Err(ChangeRefused::Illegal { task, from, to }));
            }
            journal.task_cancel_requested(task, reason);
            journal.attempt_ended(task, attempts, to);
            state.withdraw_task(task, now);
            if let Some(entry) = state.task_mut(task) {
                entry.record.failure = Some(cancelled_by_itself(task, reason));
            }
            state.block_dependents(&[(task, to)], journal);
            Ok(Ok(()))
        })
    }

    async fn queue_length(&self, job: Option<JobId>) -> Result<u64, StoreError> {
        Ok(self.read(|state, _| {
            let jobs = state.jobs.values().map(|job| &job.record);
            let counted = jobs.filter(|record| job.is_none_or(|job| record.id == job));
            counted
                .map(|record| u64::from(record.tasks.in_state(TaskState::Ready)))
                .sum()
        }))
    }
}

impl State {
    /// The head of the queue as far as the worker may take it.
    fn window(&self, claim: &Claim) -> Vec<Candidate<Place>> {
        let candidate = |place: &Place| {
            let job = self.jobs.get(&place.2)?;
            let task = job.task(place.3)?;
            let owned = claim.owner.is_none() || job.record.owner == claim.owner;
            (owned && task.lane.suits(claim)).then(|| Candidate {
                task: *place,
                cpu_milli: task.record.needs.cpu_milli,
                memory_bytes: task.record.needs.memory_bytes,
                scarce: task.record.needs.scarce(),
                held: holds_any(claim, &task.record.affinity),
            })
        };
        self.queue.iter().filter_map(candidate).take(QUEUE_WINDOW).collect()
    }

    /// Leases a task of the window to the worker.
    fn start(&mut self, place: Place, claim: &Claim, journal: &mut Journal, now: Now) -> Option<ClaimedTask> {
        let (priority, turn, number, index) = place;
        let id = TaskId::new(self.jobs.get(&number)?.record.id, index);
        self.move_task(id, TaskState::Running);
        let claimed = self.turns.entry(priority).or_default();
        *claimed = turn.max(*claimed);

        let job = self.jobs.get_mut(&number)?;
        if job.record.state == hw_job::JobState::Queued {
            job.record.state = hw_job::JobState::Running;
            journal.job_started(id.job);
        }
        job.record.started_at.get_or_insert(now.wall);
        job.record.attempts += 1;
        let (job_kind, job_params) = (job.record.kind.clone(), Arc::new(job.record.expanded.clone()));

        let task = job.task_mut(index)?;
        task.start_attempt(claim, now);
        journal.task_started(id, task.record.attempts, &claim.worker);
        Some(ClaimedTask {
            id,
            job_kind,
            kind: task.record.kind.clone(),
            format: task.record.format,
            params: task.record.params.clone(),
            job_params,
            fence: task.record.fence,
            attempt: task.record.attempts,
            counts: task.record.counts,
            cpu_milli: task.record.needs.cpu_milli,
            memory_bytes: task.record.needs.memory_bytes,
            scarce: task.record.needs.scarce(),
        })
    }

    fn keep(&mut self, worker: &WorkerId, held: &HeldTask, now: Now, lease: Duration) -> Verdict {
        let Some(job) = self.job_mut(held.task.job) else {
            return Verdict::Lost;
        };
        let cancelled = job.record.cancel_reason.is_some();
        let Some(task) = job.task_mut(held.task.index) else {
            return Verdict::Lost;
        };
        let has = task.record.state == TaskState::Running
            && task.record.fence == held.fence
            && task.record.worker.as_ref() == Some(worker)
            && !task.given_up;
        if !has {
            return Verdict::Lost;
        }
        task.record.lease_until = Some(now.elapsed.after(lease));
        if cancelled { Verdict::Cancel } else { Verdict::Keep }
    }

    fn report(&mut self, change: TaskChange, journal: &mut Journal, now: Now) -> Result<TaskChanged, ChangeRefused> {
        let id = change.task;
        let swept = self.swept_file(&change.files).cloned();
        let worker = self.task(id).and_then(|task| task.record.worker.clone());
        let silent = worker.filter(|worker| self.is_silent(worker, now));
        let task = self.task_mut(id).ok_or(ChangeRefused::NotFound(id))?;
        let state = task.record.state;
        let standing = Standing {
            state,
            fence: task.record.fence,
            attempt: task.attempt_under(change.fence).map(|attempt| attempt.record.state),
            silent,
            leased: task.record.lease_until.is_some_and(|until| until > now.elapsed),
        };
        match (judge(&change, standing), swept) {
            (Judgement::Apply(_), Some(file)) => Err(ChangeRefused::FileSwept { task: id, file }),
            (Judgement::Apply(to), None) => Ok(self.apply(change, to, journal, now)),
            (Judgement::Repeated, _) => Ok(TaskChanged { state }),
            (Judgement::Refused { why, mark_late }, _) => {
                if let Some(attempt) = task.attempt_under(change.fence).filter(|_| mark_late) {
                    attempt.record.state = AttemptState::Late;
                    journal.task_late(id, attempt.record.id.number);
                }
                Err(why)
            }
        }
    }

    fn apply(&mut self, change: TaskChange, to: TaskState, journal: &mut Journal, now: Now) -> TaskChanged {
        let id = change.task;
        self.confirm_files(&change.files, now);
        let taken = takes_away(&change.ending);
        if let Some(work) = change.work {
            self.note_work_of(id, work);
        }
        if let Some(task) = self.task_mut(id) {
            journal.attempt_ended(id, task.record.attempts, to);
            task.record.fence = Fence(task.record.fence.0 + u64::from(taken));
            task.record.counts = change.counts;
            task.record.ended_at = to.is_settled().then_some(now.wall);
            let attempt_state = change.ending.attempt_state();
            let failure = task.take_ending(change.ending);
            task.end_attempt(attempt_state, failure, now);
        }
        match change.next {
            NextState::Ready => self.make_ready(id, journal),
            NextState::RetryAfter(pause) => self.pause(id, now, pause),
            NextState::Settled(state) => self.move_task(id, state),
        }
        if to == TaskState::Succeeded {
            self.free_dependents(id, journal);
        }
        TaskChanged { state: to }
    }

    fn note_work_of(&mut self, id: TaskId, work: Work) {
        let Some(job) = self.job_mut(id.job) else { return };
        let Some(task) = job.task_mut(id.index) else { return };
        let before = std::mem::replace(&mut task.record.work, work);
        let progress = &mut job.record.progress;
        progress.rows = (progress.rows + work.rows).saturating_sub(before.rows);
        progress.bytes = (progress.bytes + work.bytes).saturating_sub(before.bytes);
    }

    fn pause(&mut self, id: TaskId, now: Now, pause: Duration) {
        self.move_task(id, TaskState::RetryWait);
        let until = now.elapsed.after(pause);
        if let Some(task) = self.task_mut(id) {
            task.record.not_before = Some(until);
        }
        if let Some(number) = self.job_numbers.get(&id.job) {
            self.pausing.insert((until, *number, id.index));
        }
    }

    /// Makes the tasks ready that waited for this one only.
    fn free_dependents(&mut self, id: TaskId, journal: &mut Journal) {
        let Some(job) = self.job_mut(id.job) else { return };
        let mut free = Vec::new();
        for dependent in job.dependents.remove(&id.index).unwrap_or_default() {
            if let Some(task) = job.task_mut(dependent) {
                task.unmet -= 1;
                if task.unmet == 0 && task.record.state == TaskState::Waiting {
                    free.push(dependent);
                }
            }
        }
        for index in free {
            self.make_ready(TaskId::new(id.job, index), journal);
        }
    }

    /// Whether the lease of a running task is over, or that of its worker's session.
    fn is_over(&self, task: &TaskEntry, now: Now) -> bool {
        let worker = task.record.worker.as_ref();
        task.record.lease_until.is_none_or(|until| until <= now.elapsed)
            || worker.is_some_and(|worker| self.is_silent(worker, now))
    }

    /// Whether the lease of the worker's session is over.
    fn is_silent(&self, worker: &WorkerId, now: Now) -> bool {
        let worker = self.workers.get(worker);
        let session = worker.and_then(|worker| self.sessions.get(&worker.session));
        session.is_some_and(|session| session.lease_until <= now.elapsed)
    }
}

impl TaskEntry {
    fn start_attempt(&mut self, claim: &Claim, now: Now) {
        let record = &mut self.record;
        record.fence = Fence(record.fence.0 + 1);
        record.attempts += 1;
        record.worker = Some(claim.worker.clone());
        record.lease_until = Some(now.elapsed.after(claim.lease));
        record.started_at = Some(now.wall);
        self.given_up = false;
        self.attempts.push(AttemptEntry {
            started: now.elapsed,
            record: AttemptRecord {
                id: AttemptId {
                    task: record.id,
                    number: record.attempts,
                },
                fence: record.fence,
                state: AttemptState::Running,
                worker: claim.worker.clone(),
                started_at: now.wall,
                ended_at: None,
                took: None,
                failure: None,
            },
        });
    }

    /// Ends the attempt that runs, if one does, and the lease with it.
    pub(super) fn end_attempt(&mut self, state: AttemptState, failure: Option<Failure>, now: Now) {
        self.record.worker = None;
        self.record.lease_until = None;
        let running = |attempt: &&mut AttemptEntry| attempt.record.state == AttemptState::Running;
        if let Some(attempt) = self.attempts.last_mut().filter(running) {
            attempt.record.state = state;
            attempt.record.ended_at = Some(now.wall);
            attempt.record.took = Some(now.elapsed.since(attempt.started));
            attempt.record.failure = failure;
        }
    }

    /// Keeps what the ending brings; returns the failure.
    fn take_ending(&mut self, ending: Ending) -> Option<Failure> {
        let (outcome, failure) = match ending {
            Ending::Succeeded(outcome) => (Some(outcome), None),
            Ending::Failed(failure) => (None, Some(failure)),
            Ending::Cancelled | Ending::TimedOut | Ending::Lost { .. } | Ending::Preempted => (None, None),
        };
        self.record.outcome = outcome;
        self.record.failure.clone_from(&failure);
        failure
    }

    fn attempt_under(&mut self, fence: Fence) -> Option<&mut AttemptEntry> {
        self.attempts.iter_mut().find(|attempt| attempt.record.fence == fence)
    }
}
