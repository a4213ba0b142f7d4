//! Jobs: submitting, looking up, adding tasks, ending.

use std::time::Duration;

use async_trait::async_trait;
use hw_job::{AttemptState, Fence, JobEnding, JobId, JobState, Progress, SessionId, TaskCounts, TaskId, TaskState};

use super::state::{JobEntry, State};
use super::{MemoryStore, Now};
use crate::catalog::{check_changes, names_of, plan_changes};
use crate::jobs::{
    JobFilter, check_ending, check_job, check_page, check_tasks, page_token, parse_page_token, plain_id,
};
use crate::{
    AddTasks, AttemptRecord, EndJob, JobChangeError, JobRecord, JobStore, NewJob, Page, PageRequest, StoreError,
    Submission, SubmitError, TaskRecord,
};

#[async_trait]
impl JobStore for MemoryStore {
    async fn submit_job(&self, job: NewJob) -> Result<Submission, SubmitError> {
        check_job(&job)?;
        let limit = self.unfinished_jobs_max;
        self.write(|state, journal, now| {
            if let Some(known) = state.known_submission(&job)? {
                return Ok(known);
            }
            if state.job_numbers.contains_key(&job.id) {
                return Err(StoreError::Misuse(format!("job {} exists already", job.id)).into());
            }
            if state.unsettled_jobs() >= u64::from(limit) {
                return Err(SubmitError::QueueFull { limit });
            }
            state.touch_tables(job.reads.iter().map(|(name, _)| name), now);
            journal.job_submitted(job.id, &job.kind);
            state.insert_job(job, journal, now);
            Ok(Submission::Created)
        })
    }

    async fn load_job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        Ok(self.read(|state, now| state.job(id).map(|job| job.record_at(now))))
    }

    async fn find_jobs(&self, text: &str, limit: u32) -> Result<Vec<JobId>, StoreError> {
        let text = plain_id(text);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let matches = |id: &JobId| {
            let id = plain_id(&id.to_string());
            id.starts_with(&text) || id.ends_with(&text)
        };
        Ok(self.read(|state, _| {
            let ids = state.jobs.values().rev().map(|job| job.record.id);
            ids.filter(matches).take(limit).collect()
        }))
    }

    async fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobRecord>, StoreError> {
        check_page(page)?;
        let before = page.after.as_deref().map(parse_page_token).transpose()?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        Ok(self.read(|state, now| {
            let mut found = state
                .jobs
                .range(..before.unwrap_or(u64::MAX))
                .rev()
                .filter(|(_, job)| passes(filter, &job.record));
            let page: Vec<_> = found.by_ref().take(limit).collect();
            let last = page.last().map(|(number, _)| page_token(**number));
            Page {
                next: found.next().and(last),
                items: page.into_iter().map(|(_, job)| job.record_at(now)).collect(),
            }
        }))
    }

    async fn load_tasks(&self, job: JobId) -> Result<Vec<TaskRecord>, StoreError> {
        Ok(self.read(|state, _| {
            let tasks = state.job(job).into_iter().flat_map(|job| &job.tasks);
            tasks.map(|task| task.record.clone()).collect()
        }))
    }

    async fn load_task(&self, task: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        Ok(self.read(|state, _| state.task(task).map(|task| task.record.clone())))
    }

    async fn load_attempts(&self, job: JobId) -> Result<Vec<AttemptRecord>, StoreError> {
        Ok(self.read(|state, _| {
            let tasks = state.job(job).into_iter().flat_map(|job| &job.tasks);
            let attempts = tasks.flat_map(|task| &task.attempts);
            attempts.map(|attempt| attempt.record.clone()).collect()
        }))
    }

    async fn find_key(&self, key: &str) -> Result<Option<(JobId, String)>, StoreError> {
        Ok(self.read(|state, _| state.keys.get(key).map(|(request, job)| (*job, request.clone()))))
    }

    async fn find_result(&self, kind: &str, fingerprint: &str) -> Result<Option<JobRecord>, StoreError> {
        let answers = |job: &&JobEntry| {
            job.record.state == JobState::Succeeded
                && job.record.result.is_some()
                && job.record.kind == kind
                && job.record.fingerprint.as_deref() == Some(fingerprint)
        };
        Ok(self.read(|state, now| {
            let newest = state.jobs.values().rev().find(answers);
            newest.map(|job| job.record_at(now))
        }))
    }

    async fn add_tasks(&self, add: AddTasks) -> Result<(), JobChangeError> {
        self.write(|state, journal, now| {
            let found = state.unsettled(add.job)?.task_count();
            if found != add.first_index {
                return Err(JobChangeError::TasksMoved {
                    job: add.job,
                    expected: add.first_index,
                    found,
                });
            }
            check_tasks(add.job, found, &add.tasks)?;
            state.add_tasks(add.job, add.tasks, journal, now);
            Ok(())
        })
    }

    async fn finish_job(&self, job: JobId) -> Result<(), JobChangeError> {
        self.write(|state, journal, _| {
            let entry = state.unsettled_mut(job)?;
            if entry.record.state != JobState::Finishing {
                entry.record.state = JobState::Finishing;
                journal.job_finishing(job);
            }
            Ok(())
        })
    }

    async fn end_job(&self, end: EndJob) -> Result<(), JobChangeError> {
        check_ending(end.job, &end.ending)?;
        check_changes(&end.changes)?;
        self.write(|state, journal, now| {
            let kind = state.unsettled(end.job)?.record.kind.clone();
            let names = names_of(&end.changes)
                .into_iter()
                .map(|name| (name.clone(), state.name_state(name)))
                .collect();
            let planned = plan_changes(names, &end.changes, end.job, now.wall)?;
            if let Some(path) = state.swept_file(&end.files) {
                return Err(StoreError::FileSwept(path.clone()).into());
            }
            let finishing = state.unsettled(end.job)?.record.state == JobState::Finishing;
            if !finishing && end.ending.state() == JobState::Succeeded {
                journal.job_finishing(end.job);
            }
            state.change_catalog(end.job, &end.changes, planned, (journal, now));
            state.confirm_files(&end.files, now);
            state.withdraw_tasks(end.job, now);
            journal.job_ended(end.job, &kind, end.ending.state());
            if let Some(job) = state.job_mut(end.job) {
                job.settle(end.ending, now);
            }
            Ok(())
        })
    }

    async fn request_cancel(&self, job: JobId, reason: &str) -> Result<JobState, JobChangeError> {
        self.write(|state, journal, _| {
            let entry = state.job_mut(job).ok_or(JobChangeError::NotFound(job))?;
            let now = entry.record.state;
            if now.is_settled() || entry.record.cancel_reason.is_some() {
                return Ok(now);
            }
            entry.record.cancel_reason = Some(reason.to_owned());
            for index in 0..entry.task_count() {
                state.leave_queue(TaskId::new(job, index));
            }
            journal.cancel_requested(job, reason);
            Ok(now)
        })
    }

    async fn label_job(&self, job: JobId, tags: &[String]) -> Result<(), StoreError> {
        self.write(|state, _, _| {
            if let Some(entry) = state.jobs.values_mut().find(|entry| entry.record.id == job) {
                for tag in tags {
                    if !entry.record.tags.contains(tag) {
                        entry.record.tags.push(tag.clone());
                    }
                }
            }
            Ok(())
        })
    }

    async fn adopt_job(&self, job: JobId, from: Option<&SessionId>, to: &SessionId) -> Result<bool, StoreError> {
        self.write(|state, _, _| {
            let is_there = from.is_some_and(|from| state.sessions.contains_key(from));
            let Ok(entry) = state.unsettled_mut(job) else {
                return Ok(false);
            };
            let owned = entry.record.owner.as_ref() == from && !is_there;
            if owned {
                entry.record.owner = Some(to.clone());
            }
            Ok(owned)
        })
    }
}

impl State {
    /// The answer to a submission whose idempotency key is known.
    fn known_submission(&self, job: &NewJob) -> Result<Option<Submission>, SubmitError> {
        let Some(idempotency) = &job.idempotency else {
            return Ok(None);
        };
        match self.keys.get(&idempotency.key) {
            None => Ok(None),
            Some((request, known)) if *request == idempotency.request => Ok(Some(Submission::Existing(*known))),
            Some((_, known)) => Err(SubmitError::KeyConflict {
                key: idempotency.key.clone(),
                job: *known,
            }),
        }
    }

    fn unsettled_jobs(&self) -> u64 {
        let open = self.jobs.values().filter(|job| !job.record.state.is_settled());
        u64::try_from(open.count()).unwrap_or(u64::MAX)
    }

    fn insert_job(&mut self, job: NewJob, journal: &mut crate::journal::Journal, now: Now) {
        if let Some(idempotency) = &job.idempotency {
            let known = (idempotency.request.clone(), job.id);
            self.keys.insert(idempotency.key.clone(), known);
        }
        self.job_number_last += 1;
        self.job_numbers.insert(job.id, self.job_number_last);
        let (id, tasks) = (job.id, job.tasks.clone());
        let delay = job.not_before.map(|due| due.after).filter(|delay| !delay.is_zero());
        let entry = JobEntry {
            record: new_record(job, now),
            created: now.elapsed,
            ended: None,
            tasks: Vec::new(),
            dependents: std::collections::BTreeMap::new(),
        };
        self.jobs.insert(self.job_number_last, entry);
        match delay {
            Some(delay) => self.add_delayed_tasks(id, tasks, delay, now),
            None => self.add_tasks(id, tasks, journal, now),
        }
    }

    fn unsettled(&self, id: JobId) -> Result<&JobEntry, JobChangeError> {
        let job = self.job(id).ok_or(JobChangeError::NotFound(id))?;
        match job.record.state {
            state if state.is_settled() => Err(JobChangeError::Settled { job: id, state }),
            _ => Ok(job),
        }
    }

    fn unsettled_mut(&mut self, id: JobId) -> Result<&mut JobEntry, JobChangeError> {
        self.unsettled(id)?;
        self.job_mut(id).ok_or(JobChangeError::NotFound(id))
    }

    /// Cancels the open tasks of a job and puts their fences up, so that whatever is reported on them is late.
    fn withdraw_tasks(&mut self, job: JobId, now: Now) {
        let Some(entry) = self.job(job) else { return };
        let open = entry.tasks.iter().filter(|task| !task.record.state.is_settled());
        let open: Vec<TaskId> = open.map(|task| task.record.id).collect();
        for id in open {
            self.withdraw_task(id, now);
        }
    }

    /// Cancels an open task and puts its fence up.
    pub(super) fn withdraw_task(&mut self, id: TaskId, now: Now) {
        self.move_task(id, TaskState::Cancelled);
        let Some(task) = self.task_mut(id) else { return };
        task.record.fence = Fence(task.record.fence.0 + 1);
        task.record.ended_at = Some(now.wall);
        task.end_attempt(AttemptState::Cancelled, None, now);
    }
}

impl JobEntry {
    fn settle(&mut self, ending: JobEnding, now: Now) {
        let record = &mut self.record;
        record.state = ending.state();
        record.ended_at = Some(now.wall);
        self.ended = Some(now.elapsed);
        match ending {
            JobEnding::Succeeded { result, partial } => {
                record.result = Some(result);
                record.partial = partial;
            }
            JobEnding::Failed(failure) | JobEnding::TimedOut(failure) => record.failure = Some(failure),
            JobEnding::Cancelled { reason } => record.cancel_reason = Some(reason),
        }
    }
}

fn passes(filter: &JobFilter, job: &JobRecord) -> bool {
    (filter.kinds.is_empty() || filter.kinds.contains(&job.kind))
        && (filter.states.is_empty() || filter.states.contains(&job.state))
        && filter.tag.as_ref().is_none_or(|tag| job.tags.contains(tag))
        && filter
            .owner
            .as_ref()
            .is_none_or(|owner| job.owner.as_ref() == Some(owner))
        && !(filter.unsettled && job.state.is_settled())
        && filter
            .table
            .as_ref()
            .is_none_or(|table| job.reads.iter().any(|(name, _)| name == table))
}

fn new_record(job: NewJob, now: Now) -> JobRecord {
    JobRecord {
        id: job.id,
        kind: job.kind,
        format: job.format,
        state: JobState::Queued,
        params: job.params,
        expanded: job.expanded,
        warnings: job.warnings,
        reads: job.reads,
        result: None,
        partial: false,
        failure: None,
        cancel_reason: None,
        progress: Progress::default(),
        tasks: TaskCounts::default(),
        attempts: 0,
        priority: job.priority,
        timeout: job.timeout,
        not_before: job.not_before,
        deadline: job.deadline,
        tags: job.tags,
        parent: job.parent,
        lifetime: job.lifetime,
        owner: Some(job.owner),
        fingerprint: job.fingerprint,
        created_at: now.wall,
        started_at: None,
        ended_at: None,
        age: Duration::ZERO,
    }
}
