//! From events to the model: each must be a step that can follow the ones before.

use std::collections::BTreeSet;

use hw_job::{Clock, Event, EventKind, JobId, JobState, TaskId, TaskState};
use hw_store::EventFilter;
use serde_json::Value;

use super::model::{JobModel, News, TaskModel};
use super::{Checker, EVENTS_MAX, answer};
use crate::executor::Executor;
use crate::kind::plan_number;
use crate::violation::{Violation, demand};

fn session_of(event: &Event) -> Option<&str> {
    event.data.get("session").and_then(Value::as_str)
}

impl Checker {
    /// Reads all new events into the model; returns the jobs that they tell of.
    pub(super) fn read_events(&mut self, executor: &Executor) -> Result<BTreeSet<JobId>, Violation> {
        let mut touched = BTreeSet::new();
        let all = EventFilter::default();
        loop {
            let read = self.store.read_events(self.cursor, EVENTS_MAX, &all);
            let events = answer(executor.now(read))?;
            if events.is_empty() {
                return Ok(touched);
            }
            for event in events {
                demand(self.cursor < event.seq, "event numbers strictly increase", || {
                    format!("{} after {}", event.seq, self.cursor)
                })?;
                self.cursor = event.seq;
                self.log.push(event.seq);
                self.add_to_digest(&event);
                self.note(|| {
                    format!(
                        "    {} {} {} {}",
                        event.seq,
                        event.kind.as_str(),
                        event.subject,
                        event.data
                    )
                });
                touched.extend(event.job);
                self.learn(executor, &event)?;
            }
        }
    }

    fn add_to_digest(&mut self, event: &Event) {
        let words = event.seq.0.to_le_bytes();
        let text = event.kind.as_str().bytes().chain(event.subject.bytes());
        for byte in words.into_iter().chain(text) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
    }

    fn learn(&mut self, executor: &Executor, event: &Event) -> Result<(), Violation> {
        match event.kind {
            EventKind::JobSubmitted => self.learn_job(executor, event),
            EventKind::JobStarted
            | EventKind::JobFinishing
            | EventKind::JobCancelRequested
            | EventKind::JobEnded
            | EventKind::TaskReady => self.learn_job_step(event),
            EventKind::TaskStarted
            | EventKind::TaskRetry
            | EventKind::TaskCancelRequested
            | EventKind::TaskEnded
            | EventKind::TaskBlocked
            | EventKind::TaskUnblocked
            | EventKind::TaskLate => self.learn_task_step(event),
            EventKind::TableCreated | EventKind::TableChanged | EventKind::TableDropped => self.learn_table(event),
            EventKind::WorkerLeft => {
                self.orphan_jobs_of(event);
                Ok(())
            }
            EventKind::WorkerJoined => {
                if let Some(session) = session_of(event) {
                    self.given_up.remove(session);
                }
                Ok(())
            }
            EventKind::InputArrived
            | EventKind::ProductMade
            | EventKind::RuleChanged
            | EventKind::TimerFired
            | EventKind::HookCalled => Ok(()),
        }
    }

    /// A session was given up, and its jobs with it, even if it is begun again later: those that are there, and those that
    /// its process makes until it notices.
    fn orphan_jobs_of(&mut self, event: &Event) {
        let session = session_of(event);
        self.given_up.extend(session.map(str::to_owned));
        let open = self.jobs.values_mut().filter(|job| !job.is_settled());
        for job in open {
            let owner = job.owner.as_ref().map(|owner| owner.0.as_str());
            job.was_orphan |= owner == session;
        }
    }

    fn learn_job(&mut self, executor: &Executor, event: &Event) -> Result<(), Violation> {
        let Some(id) = event.job else {
            return Err(Violation::new("events name their jobs", event.subject.clone()));
        };
        let record = answer(executor.now(self.store.load_job(id)))?;
        let Some(record) = record else {
            return Err(Violation::new("unsettled jobs are kept", format!("job {id} is gone")));
        };
        if let Some(key) = record.tags.first() {
            let other = self.keys.insert(key.clone(), id);
            let other = other.filter(|other| self.jobs.get(other).is_some_and(|job| !job.is_gone));
            let is_alone = other.is_none_or(|other| self.is_pruned(executor, other));
            demand(is_alone, "a key makes one job", || {
                format!("{key} made {id} beside {other:?}")
            })?;
        }
        let plan = self.plans.plan(plan_number(&record.params));
        let since = self.began.min(self.clock.elapsed());
        let is_orphan = record
            .owner
            .as_ref()
            .is_some_and(|owner| self.given_up.contains(&owner.0));
        let new = JobModel {
            was_orphan: is_orphan,
            ..JobModel::new(plan, record.owner, since)
        };
        demand(self.jobs.insert(id, new).is_none(), "a job is submitted once", || {
            id.to_string()
        })?;
        self.order.push(id);
        Ok(())
    }

    /// Whether a job is no longer there, as retention may have it.
    fn is_pruned(&self, executor: &Executor, job: JobId) -> bool {
        matches!(executor.now(self.store.load_job(job)), Some(Ok(None)))
    }

    fn learn_job_step(&mut self, event: &Event) -> Result<(), Violation> {
        let now = self.clock.elapsed();
        let job = self.job_of(event)?;
        let told = event.kind.as_str();
        let begins = matches!(event.kind, EventKind::JobFinishing | EventKind::TaskReady);
        demand(!begins || job.may_start(now), "no job starts before it may", || {
            format!("{told} of {} of plan {:?}", event.subject, job.plan)
        })?;
        demand(!job.is_settled(), "nothing happens to settled jobs", || {
            format!("{told} of {} after {}", event.subject, job.state.as_str())
        })?;
        let from = job.state;
        match event.kind {
            EventKind::JobStarted => job.state = JobState::Running,
            EventKind::JobFinishing => job.state = JobState::Finishing,
            EventKind::JobCancelRequested => job.cancel_requested = true,
            EventKind::TaskReady => job.ready += event.data.get("count").and_then(Value::as_u64).unwrap_or(0),
            EventKind::JobEnded => {
                job.ends += 1;
                let state = event.data.get("state").and_then(Value::as_str);
                job.state = state.and_then(JobState::from_name).unwrap_or(JobState::Failed);
            }
            _ => {}
        }
        let legal = match (from, job.state) {
            (JobState::Queued, JobState::Running) => true,
            (JobState::Queued | JobState::Running, JobState::Finishing) => true,
            (JobState::Finishing, JobState::Succeeded) => true,
            (_, JobState::Failed | JobState::Cancelled | JobState::TimedOut) => true,
            (from, to) => from == to,
        };
        demand(legal, "every transition is legal", || {
            format!(
                "job {} went from {} to {}",
                event.subject,
                from.as_str(),
                job.state.as_str()
            )
        })
    }

    fn job_of(&mut self, event: &Event) -> Result<&mut JobModel, Violation> {
        let job = event.job.and_then(|job| self.jobs.get_mut(&job));
        job.ok_or_else(|| Violation::new("events name their jobs", format!("{event:?}")))
    }

    fn learn_task_step(&mut self, event: &Event) -> Result<(), Violation> {
        let Ok(id) = event.subject.parse::<TaskId>() else {
            return Err(Violation::new("events name their tasks", format!("{event:?}")));
        };
        let now = self.clock.elapsed();
        let job = self.job_of(event)?;
        let is_late = event.kind == EventKind::TaskLate;
        let may_start = job.may_start(now);
        demand(
            event.kind != EventKind::TaskStarted || may_start,
            "no job starts before it may",
            || format!("{id} of plan {:?}", job.plan),
        )?;
        demand(is_late || !job.is_settled(), "nothing happens to settled jobs", || {
            format!("{} of {id} after {}", event.kind.as_str(), job.state.as_str())
        })?;
        let task = job.tasks.entry(id.index).or_default();
        let attempt = event.data.get("attempt").and_then(Value::as_u64).unwrap_or(0);
        let state = event.data.get("state").and_then(Value::as_str);
        let state = state.and_then(TaskState::from_name);
        task.learn(event.kind, attempt, state)
            .map_err(|detail| Violation::new("every transition is legal", format!("task {id}: {detail}")))
    }

    fn learn_table(&mut self, event: &Event) -> Result<(), Violation> {
        self.job_of(event)?.changes += 1;
        let version = event.data.get("version").and_then(Value::as_u64).unwrap_or(0);
        let name = event.subject.clone();
        let exists = self.tables.contains_key(&name);
        let right = match event.kind {
            EventKind::TableCreated => !exists,
            _ => exists,
        };
        demand(right, "table events tell what was", || format!("{event:?}"))?;
        if event.kind == EventKind::TableDropped {
            self.tables.remove(&name);
            return Ok(());
        }
        let newest = self.table_versions.entry(name.clone()).or_default();
        *newest += 1;
        demand(*newest == version, "table versions rise by one", || {
            format!("{name} has version {version} instead of {newest}")
        })?;
        self.tables.insert(name, version);
        Ok(())
    }
}

impl TaskModel {
    fn learn(&mut self, kind: EventKind, attempt: u64, state: Option<TaskState>) -> Result<(), String> {
        let newest = u64::from(self.attempts);
        let next = match (kind, state) {
            (EventKind::TaskCancelRequested, _) => {
                let open = !matches!(self.news, News::Ended(_)) && !self.cancelled;
                self.cancelled = true;
                return open.then_some(()).ok_or("it was cancelled after its end".to_owned());
            }
            (EventKind::TaskLate, _) => {
                return (attempt <= newest)
                    .then_some(())
                    .ok_or(format!("attempt {attempt} came late before it began"));
            }
            (EventKind::TaskBlocked | EventKind::TaskUnblocked, _) => {
                let blocks = kind == EventKind::TaskBlocked;
                let (from, to) = match blocks {
                    true => (News::None, News::Blocked),
                    false => (News::Blocked, News::None),
                };
                let follows = self.news == from;
                let detail = format!("{} after {:?}", kind.as_str(), self.news);
                self.news = to;
                return follows.then_some(()).ok_or(detail);
            }
            (EventKind::TaskStarted, _) => News::Started,
            (EventKind::TaskRetry, Some(state)) => News::Retry(state),
            (_, Some(state)) => News::Ended(state),
            (_, None) => return Err("no state was told".to_owned()),
        };
        if self.cancelled {
            // It may have been anywhere: nobody needs to have had it.
            let follows = next == News::Ended(TaskState::Cancelled) && attempt == newest && self.news != next;
            self.news = next;
            return follows.then_some(()).ok_or(format!("{next:?} after it was cancelled"));
        }
        // Between two pieces of news a task may become ready, which is told once for all tasks of a job.
        let (from, to) = match next {
            News::Started => (TaskState::Ready, TaskState::Running),
            News::Retry(state) | News::Ended(state) => (TaskState::Running, state),
            News::None | News::Blocked => return Ok(()),
        };
        let follows = match self.news {
            News::None | News::Retry(_) => next == News::Started && attempt == newest + 1,
            News::Started => next != News::Started && attempt == newest,
            News::Ended(_) | News::Blocked => false,
        };
        if !follows || !from.may_become(to) {
            return Err(format!(
                "{next:?} of attempt {attempt} after {:?} of {newest}",
                self.news
            ));
        }
        self.attempts += u32::from(next == News::Started);
        self.successes += u32::from(next == News::Ended(TaskState::Succeeded));
        self.news = next;
        Ok(())
    }
}
