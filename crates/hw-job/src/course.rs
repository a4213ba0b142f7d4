//! The course of a job: one event in, the commands that follow from it out.
//!
//! A job asks its kind what comes next whenever all its tasks are settled well. It needs all of them: it ends as soon as a
//! task settles otherwise (the tasks that need this one are blocked from that moment on, and withdrawn with the others), or when it is cancelled, times out or loses its owner; its open tasks are withdrawn in the same store
//! transaction (their fences rise, so that whatever their workers still report is late).

use std::collections::BTreeMap;

use crate::failure::{ErrorClass, Failure};
use crate::job::{JobEnding, JobState};
use crate::task::TaskState;

/// What a job goes through, without its documents.
#[derive(Debug, Clone, PartialEq)]
pub struct JobCourse {
    state: JobState,
    tasks: BTreeMap<u32, TaskState>,
    asked: bool,
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// Tasks exist that did not before.
    TasksAdded(Vec<(u32, TaskState)>),
    /// A task is in another state; `failure` says why it did not succeed.
    TaskChanged {
        /// Which task.
        index: u32,
        /// Its state now.
        state: TaskState,
        /// Why it settled otherwise than well.
        failure: Option<Failure>,
    },
    /// The job's kind made the result.
    Merged(JobEnding),
    /// Somebody asked for the job's end.
    CancelRequested {
        /// Who or what asked.
        reason: String,
    },
    /// The job took longer than allowed.
    TimedOut(Failure),
    /// The process that waited for the job is gone.
    OwnerLost,
}

/// What is to be done about a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Ask the job's kind for more tasks or the result.
    AskKind,
    /// End the job so, withdrawing its open tasks.
    End(JobEnding),
}

impl JobCourse {
    /// A job in `state` with these tasks, as a store remembers it. Follow with [`resume`](Self::resume).
    pub fn new(state: JobState, tasks: impl IntoIterator<Item = (u32, TaskState)>) -> Self {
        Self {
            state,
            tasks: tasks.into_iter().collect(),
            asked: false,
        }
    }

    /// The job's state.
    pub fn state(&self) -> JobState {
        self.state
    }

    /// States of the job's tasks, by index.
    pub fn tasks(&self) -> impl Iterator<Item = (u32, TaskState)> + '_ {
        self.tasks.iter().map(|(index, state)| (*index, *state))
    }

    /// What is to be done about a job that was just loaded.
    pub fn resume(&mut self) -> Vec<Command> {
        let ill = self
            .tasks
            .iter()
            .find(|(_, state)| state.is_settled() && **state != TaskState::Succeeded);
        match ill.map(|(index, state)| (*index, *state)) {
            Some((index, state)) if !self.state.is_settled() => self.end_for_task(index, state, None),
            _ => self.ask_if_idle(),
        }
    }

    /// Applies one event. No I/O, no clock, no randomness: equal inputs give equal commands.
    pub fn apply(&mut self, event: JobEvent) -> Vec<Command> {
        if self.state.is_settled() {
            return Vec::new();
        }
        match event {
            JobEvent::TasksAdded(tasks) => {
                self.tasks.extend(tasks);
                self.asked = false;
                self.ask_if_idle()
            }
            JobEvent::TaskChanged { index, state, failure } => self.task_changed(index, state, failure),
            JobEvent::Merged(ending) => self.end(ending),
            JobEvent::CancelRequested { reason } => self.end(JobEnding::Cancelled { reason }),
            JobEvent::TimedOut(failure) => self.end(JobEnding::TimedOut(failure)),
            JobEvent::OwnerLost => self.end(JobEnding::Failed(owner_lost())),
        }
    }

    fn task_changed(&mut self, index: u32, state: TaskState, failure: Option<Failure>) -> Vec<Command> {
        self.tasks.insert(index, state);
        if self.state == JobState::Queued && state == TaskState::Running {
            self.state = JobState::Running;
        }
        if state.is_settled() && state != TaskState::Succeeded {
            return self.end_for_task(index, state, failure);
        }
        self.ask_if_idle()
    }

    fn end_for_task(&mut self, index: u32, state: TaskState, failure: Option<Failure>) -> Vec<Command> {
        let failure = failure.unwrap_or_else(|| task_ended_badly(index, state));
        self.end(match state {
            TaskState::Cancelled => JobEnding::Cancelled {
                reason: failure.message,
            },
            TaskState::TimedOut => JobEnding::TimedOut(failure),
            _ => JobEnding::Failed(failure),
        })
    }

    fn ask_if_idle(&mut self) -> Vec<Command> {
        let idle = self.tasks.values().all(|state| *state == TaskState::Succeeded);
        if self.state.is_settled() || self.asked || !idle {
            return Vec::new();
        }
        self.asked = true;
        vec![Command::AskKind]
    }

    fn end(&mut self, ending: JobEnding) -> Vec<Command> {
        self.state = ending.state();
        vec![Command::End(ending)]
    }
}

fn owner_lost() -> Failure {
    Failure::new(
        ErrorClass::Platform,
        "HW-J010",
        "the process that ran the job ended before the job did",
    )
    .help("run it again; nothing of the job was kept")
}

fn task_ended_badly(index: u32, state: TaskState) -> Failure {
    Failure::new(
        ErrorClass::Internal,
        "HW-J012",
        format!("task {index} is {}", state.as_str()),
    )
    .help("see the task's attempts with `headwater task show`")
}
