//! What happened to jobs and tasks, and what follows from it.

use hw_job::{Command, Event, EventKind, JobEvent, JobId, TaskId, TaskState};
use hw_store::{EventFilter, StoreError};
use serde_json::Value;

use super::ending::{Merge, failure_of};
use super::{Active, Controller, EVENTS_PER_STEP, Step, Unfinished};

impl Controller {
    /// Does what was decided when jobs were made or loaded, one job after the other.
    pub(super) async fn do_what_is_due(&self, step: &mut Step) -> Result<(), StoreError> {
        while let Some((job, commands)) = self.take_due() {
            self.carry_out(job, commands, step).await?;
        }
        Ok(())
    }

    fn take_due(&self) -> Option<(JobId, Vec<Command>)> {
        let now = self.now();
        let mut state = self.state();
        let is_due = |active: &Active| active.due_at().is_some_and(|at| at <= now);
        let mut waiting = state.active.iter_mut().filter(|(_, active)| is_due(active));
        waiting
            .next()
            .map(|(job, active)| (*job, std::mem::take(&mut active.due)))
    }

    /// Deals with a page of events; returns their number.
    pub(super) async fn read_events(&self, step: &mut Step) -> Result<u32, StoreError> {
        let filter = EventFilter {
            kinds: vec![
                EventKind::TaskEnded,
                EventKind::TaskRetry,
                EventKind::JobCancelRequested,
                EventKind::JobEnded,
            ],
            ..EventFilter::default()
        };
        let cursor = self.state().cursor;
        let events = self.store().read_recent(cursor, EVENTS_PER_STEP, &filter).await?;
        for event in &events {
            self.deal_with(event, step).await?;
            self.state().cursor = event.seq;
        }
        step.events += events.len();
        Ok(u32::try_from(events.len()).unwrap_or(u32::MAX))
    }

    async fn deal_with(&self, event: &Event, step: &mut Step) -> Result<(), StoreError> {
        if event.kind == EventKind::TaskRetry {
            // Asking now tells when the new pause is over.
            self.state().wake_at = Some(self.now());
            return Ok(());
        }
        let Some(job) = event.job.filter(|job| self.drives(*job)) else {
            return Ok(());
        };
        let happened = match event.kind {
            EventKind::JobEnded => {
                self.abandon(job);
                None
            }
            EventKind::JobCancelRequested => {
                let record = self.store().load_job(job).await?;
                let reason = record.and_then(|record| record.cancel_reason).unwrap_or_default();
                Some(JobEvent::CancelRequested { reason })
            }
            _ => self.task_change(event).await?,
        };
        match happened {
            Some(happened) => self.apply(job, happened, step).await,
            None => Ok(()),
        }
    }

    async fn task_change(&self, event: &Event) -> Result<Option<JobEvent>, StoreError> {
        let state = event
            .data
            .get("state")
            .and_then(Value::as_str)
            .and_then(TaskState::from_name);
        let (Ok(task), Some(state)) = (event.subject.parse::<TaskId>(), state) else {
            return Ok(None);
        };
        let failure = match state {
            TaskState::Succeeded => None,
            _ => self.store().load_task(task).await?.map(|record| failure_of(&record)),
        };
        Ok(Some(JobEvent::TaskChanged {
            index: task.index,
            state,
            failure,
        }))
    }

    pub(crate) async fn apply(&self, job: JobId, happened: JobEvent, step: &mut Step) -> Result<(), StoreError> {
        let commands = match self.state().active.get_mut(&job) {
            Some(active) => active.course.apply(happened),
            None => Vec::new(),
        };
        self.carry_out(job, commands, step).await
    }

    async fn carry_out(&self, job: JobId, mut commands: Vec<Command>, step: &mut Step) -> Result<(), StoreError> {
        let unfinished = Unfinished::new(self, job);
        while let Some(command) = commands.pop() {
            match command {
                Command::AskKind => commands.extend(self.ask_kind(job, step).await?),
                Command::End(ending) => self.end(job, ending, Merge::default(), step).await?,
            }
        }
        unfinished.finish();
        Ok(())
    }
}
