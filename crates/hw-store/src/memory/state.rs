//! Everything that the store holds, and the few moves of jobs and tasks that all its parts share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_job::{
    Elapsed, Event, EventSeq, Fence, JobId, NewEvent, SessionId, TaskId, TaskSpec, TaskState, Work, WorkerId,
};

use super::Now;
use super::listeners::ListenerEntry;
use crate::jobs::move_counted;
use crate::journal::Journal;
use crate::queue::{Lane, Need, behind, freed};
use crate::{AttemptRecord, JobRecord, NewSession, TaskRecord, TokenRecord, WorkerRecord};

/// The place of a ready task in the queue: priority, turn, number of its job, index.
pub(super) type Place = (i32, u64, u64, u32);

#[derive(Default)]
pub(super) struct State {
    /// Jobs by number, given in the order of their submission.
    pub(super) jobs: BTreeMap<u64, JobEntry>,
    pub(super) job_numbers: BTreeMap<JobId, u64>,
    pub(super) job_number_last: u64,
    /// Job and request by idempotency key.
    pub(super) keys: BTreeMap<String, (String, JobId)>,
    /// Ready tasks of jobs whose end was not asked for.
    pub(super) queue: BTreeSet<Place>,
    /// The same by flow and priority.
    pub(super) flows: BTreeMap<(String, i32), BTreeSet<Place>>,
    /// The largest turn claimed so far, by priority.
    pub(super) turns: BTreeMap<i32, u64>,
    /// Tasks that pause, or whose job must not start yet, by the end of that.
    pub(super) pausing: BTreeSet<(Elapsed, u64, u32)>,
    pub(super) running: BTreeSet<(u64, u32)>,
    pub(super) events: BTreeMap<u64, EventEntry>,
    pub(super) event_last: u64,
    pub(super) listeners: BTreeMap<String, ListenerEntry>,
    pub(super) tables: BTreeMap<TableName, TableEntry>,
    pub(super) parts: BTreeMap<(TableName, TableVersion), Vec<Part>>,
    pub(super) files: BTreeMap<String, FileEntry>,
    pub(super) sessions: BTreeMap<SessionId, SessionEntry>,
    pub(super) session_number_last: u64,
    pub(super) workers: BTreeMap<WorkerId, WorkerRecord>,
    pub(super) tokens: BTreeMap<String, TokenRecord>,
}

pub(super) struct JobEntry {
    /// `age` is worked out when it is read.
    pub(super) record: JobRecord,
    pub(super) created: Elapsed,
    pub(super) ended: Option<Elapsed>,
    pub(super) tasks: Vec<TaskEntry>,
    /// Tasks that wait for a task, by its index.
    pub(super) dependents: BTreeMap<u32, Vec<u32>>,
}

pub(super) struct TaskEntry {
    pub(super) record: TaskRecord,
    pub(super) lane: Lane,
    pub(super) turn: u64,
    /// Number of tasks that must still succeed first.
    pub(super) unmet: usize,
    /// Its worker's session was ended: the lease stays over.
    pub(super) given_up: bool,
    pub(super) attempts: Vec<AttemptEntry>,
}

pub(super) struct AttemptEntry {
    pub(super) record: AttemptRecord,
    pub(super) started: Elapsed,
}

pub(super) struct EventEntry {
    pub(super) event: Event,
    pub(super) at: Elapsed,
}

pub(super) struct TableEntry {
    /// The newest version that ever had this name.
    pub(super) version: TableVersion,
    pub(super) table: Option<Table>,
    pub(super) used: Option<Now>,
}

pub(super) struct FileEntry {
    pub(super) state: FileState,
    /// When it came into this state.
    pub(super) since: Elapsed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileState {
    Announced,
    Confirmed,
    Released,
    /// Given to a sweeper: never to be confirmed again.
    Condemned,
}

pub(super) struct SessionEntry {
    pub(super) number: u64,
    pub(super) session: NewSession,
    pub(super) started: Now,
    pub(super) lease_until: Elapsed,
}

impl State {
    /// Appends events; returns the newest number.
    pub(super) fn append(&mut self, events: Vec<NewEvent>, now: Now) -> EventSeq {
        for new in events {
            self.event_last += 1;
            let event = Event {
                seq: EventSeq(self.event_last),
                at: now.wall,
                kind: new.kind,
                subject: new.subject,
                job: new.job,
                data: new.data,
            };
            self.events
                .insert(self.event_last, EventEntry { event, at: now.elapsed });
        }
        EventSeq(self.event_last)
    }

    pub(super) fn job(&self, id: JobId) -> Option<&JobEntry> {
        self.jobs.get(self.job_numbers.get(&id)?)
    }

    pub(super) fn job_mut(&mut self, id: JobId) -> Option<&mut JobEntry> {
        self.jobs.get_mut(self.job_numbers.get(&id)?)
    }

    pub(super) fn task(&self, id: TaskId) -> Option<&TaskEntry> {
        self.job(id.job)?.task(id.index)
    }

    pub(super) fn task_mut(&mut self, id: TaskId) -> Option<&mut TaskEntry> {
        self.job_mut(id.job)?.task_mut(id.index)
    }

    /// Adds tasks to a job, each ready or waiting.
    pub(super) fn add_tasks(&mut self, job: JobId, tasks: Vec<TaskSpec>, journal: &mut Journal, now: Now) {
        let Some(entry) = self.job_mut(job) else { return };
        entry.note_stage(&tasks);
        let mut free = Vec::new();
        let needed: BTreeSet<u32> = tasks.iter().flat_map(|spec| spec.after.clone()).collect();
        for spec in tasks {
            let index = entry.add_task(spec, now);
            if entry.task(index).is_some_and(|task| task.unmet == 0) {
                free.push(index);
            }
        }
        for index in free {
            self.make_ready(TaskId::new(job, index), journal);
        }
        let needed = needed.into_iter().map(|index| TaskId::new(job, index));
        let states = needed.filter_map(|id| Some((id, self.task(id)?.record.state)));
        let states: Vec<_> = states.collect();
        self.block_dependents(&states, journal);
    }

    /// Blocks all that stand behind those among these which ended otherwise than needed or are blocked themselves.
    pub(super) fn block_dependents(&mut self, ended: &[(TaskId, TaskState)], journal: &mut Journal) {
        for (before, state) in ended.iter().filter(|(_, state)| state.holds_up()) {
            for index in self.waiting_behind(*before) {
                let task = TaskId::new(before.job, index);
                self.move_task(task, TaskState::Blocked);
                journal.task_blocked(task, before.index, *state);
            }
        }
    }

    /// Lets the tasks wait again that only this one blocked.
    pub(super) fn unblock_dependents(&mut self, before: TaskId, journal: &mut Journal) {
        for index in freed(&self.needs_of_blocked(before.job)) {
            let task = TaskId::new(before.job, index);
            self.move_task(task, TaskState::Waiting);
            journal.task_unblocked(task, before.index);
        }
    }

    fn waiting_behind(&self, before: TaskId) -> BTreeSet<u32> {
        let Some(job) = self.job(before.job) else {
            return BTreeSet::new();
        };
        let waits = |index: &u32| {
            job.task(*index)
                .is_some_and(|task| task.record.state == TaskState::Waiting)
        };
        behind(before.index, |index| {
            let dependents = job.dependents.get(&index).into_iter().flatten().copied();
            dependents.filter(waits).collect()
        })
    }

    /// What the blocked tasks of a job need that has not succeeded.
    fn needs_of_blocked(&self, job: JobId) -> Vec<Need<u32>> {
        let Some(job) = self.job(job) else { return Vec::new() };
        let tasks = job.tasks.iter().map(|task| &task.record);
        let blocked = tasks.filter(|task| task.state == TaskState::Blocked);
        let needs = blocked.flat_map(|task| {
            let after: BTreeSet<u32> = task.after.iter().copied().collect();
            let states = after
                .into_iter()
                .filter_map(|before| Some((before, job.task(before)?.record.state)));
            states.map(|(before, state)| Need {
                task: task.id.index,
                before,
                state,
            })
        });
        needs.filter(|need| need.state != TaskState::Succeeded).collect()
    }

    /// Adds tasks to a job that must not start yet: all of them wait.
    pub(super) fn add_delayed_tasks(&mut self, job: JobId, tasks: Vec<TaskSpec>, delay: Duration, now: Now) {
        let Some(number) = self.job_numbers.get(&job).copied() else {
            return;
        };
        let Some(entry) = self.jobs.get_mut(&number) else {
            return;
        };
        let until = now.elapsed.after(delay);
        entry.note_stage(&tasks);
        for spec in tasks {
            let index = entry.add_task(spec, now);
            if let Some(task) = entry.task_mut(index).filter(|task| task.unmet == 0) {
                task.record.not_before = Some(until);
                self.pausing.insert((until, number, index));
            }
        }
    }

    /// Makes a task ready and gives it a place in the queue, after all that its flow has there.
    pub(super) fn make_ready(&mut self, id: TaskId, journal: &mut Journal) {
        self.move_task(id, TaskState::Ready);
        journal.task_ready(id.job);
        let Some((priority, flow)) = self.queued_as(id) else {
            return;
        };
        let claimed = self.turns.get(&priority).copied().unwrap_or(0);
        let places = self.flows.entry((flow, priority)).or_default();
        let turn = 1 + places.last().map_or(claimed, |(_, last, _, _)| claimed.max(*last));
        let Some(number) = self.job_numbers.get(&id.job) else {
            return;
        };
        let place = (priority, turn, *number, id.index);
        places.insert(place);
        self.queue.insert(place);
        if let Some(task) = self.task_mut(id) {
            task.turn = turn;
        }
    }

    /// Moves a task to another state, keeping the counts and the sets in which it stands.
    pub(super) fn move_task(&mut self, id: TaskId, to: TaskState) {
        self.leave_queue(id);
        let Some(number) = self.job_numbers.get(&id.job).copied() else {
            return;
        };
        let Some(job) = self.jobs.get_mut(&number) else { return };
        let Some((from, pause)) = job.move_task(id.index, to) else {
            return;
        };
        if let (TaskState::RetryWait | TaskState::Waiting, Some(until)) = (from, pause) {
            self.pausing.remove(&(until, number, id.index));
        }
        if from == TaskState::Running {
            self.running.remove(&(number, id.index));
        }
        if to == TaskState::Running {
            self.running.insert((number, id.index));
        }
    }

    /// Takes a ready task out of the queue, whatever becomes of it.
    pub(super) fn leave_queue(&mut self, id: TaskId) {
        let Some(number) = self.job_numbers.get(&id.job).copied() else {
            return;
        };
        let Some(job) = self.jobs.get(&number) else { return };
        let Some(task) = job.task(id.index) else { return };
        let place = (job.record.priority, task.turn, number, id.index);
        if self.queue.remove(&place) {
            let flow = (task.record.flow.clone(), job.record.priority);
            if let Some(places) = self.flows.get_mut(&flow) {
                places.remove(&place);
                if places.is_empty() {
                    self.flows.remove(&flow);
                }
            }
        }
    }

    /// Priority and flow under which the task may be claimed; `None` if its job's end was asked for.
    fn queued_as(&self, id: TaskId) -> Option<(i32, String)> {
        let job = self.job(id.job)?;
        let task = job.task(id.index)?;
        job.record
            .cancel_reason
            .is_none()
            .then(|| (job.record.priority, task.record.flow.clone()))
    }
}

impl JobEntry {
    pub(super) fn task(&self, index: u32) -> Option<&TaskEntry> {
        self.tasks.get(usize::try_from(index).ok()?)
    }

    pub(super) fn task_mut(&mut self, index: u32) -> Option<&mut TaskEntry> {
        self.tasks.get_mut(usize::try_from(index).ok()?)
    }

    pub(super) fn task_count(&self) -> u32 {
        u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)
    }

    /// The record as it reads now.
    pub(super) fn record_at(&self, now: Now) -> JobRecord {
        let mut record = self.record.clone();
        record.age = self.ended.unwrap_or(now.elapsed).since(self.created);
        record
    }

    /// The stage of the job is that of its newest tasks.
    fn note_stage(&mut self, tasks: &[TaskSpec]) {
        if let Some(task) = tasks.first() {
            task.stage().clone_into(&mut self.record.progress.stage);
        }
    }

    fn add_task(&mut self, spec: TaskSpec, now: Now) -> u32 {
        let index = self.task_count();
        let open: BTreeSet<u32> = spec
            .after
            .iter()
            .copied()
            .filter(|before| !self.has_succeeded(*before))
            .collect();
        for before in &open {
            self.dependents.entry(*before).or_default().push(index);
        }
        let lane = Lane::of(&spec);
        *self.record.tasks.0.entry(TaskState::Waiting).or_default() += 1;
        self.tasks.push(TaskEntry {
            record: new_record(TaskId::new(self.record.id, index), spec, now),
            lane,
            turn: 0,
            unmet: open.len(),
            given_up: false,
            attempts: Vec::new(),
        });
        index
    }

    fn has_succeeded(&self, index: u32) -> bool {
        self.task(index)
            .is_some_and(|task| task.record.state == TaskState::Succeeded)
    }

    /// Changes the state of a task; returns the state it had and the pause it was in.
    fn move_task(&mut self, index: u32, to: TaskState) -> Option<(TaskState, Option<Elapsed>)> {
        let task = self.tasks.get_mut(usize::try_from(index).ok()?)?;
        let from = std::mem::replace(&mut task.record.state, to);
        let pause = task.record.not_before.take();
        move_counted(&mut self.record.tasks, from, to, 1);
        Some((from, pause))
    }
}

fn new_record(id: TaskId, spec: TaskSpec, now: Now) -> TaskRecord {
    TaskRecord {
        id,
        kind: spec.kind,
        format: spec.format,
        state: TaskState::Waiting,
        fence: Fence(0),
        params: spec.params,
        needs: spec.needs,
        affinity: spec.affinity,
        flow: spec.flow,
        after: spec.after,
        attempts: 0,
        counts: hw_job::AttemptCounts::default(),
        not_before: None,
        worker: None,
        lease_until: None,
        work: Work::default(),
        outcome: None,
        failure: None,
        created_at: now.wall,
        started_at: None,
        ended_at: None,
    }
}
