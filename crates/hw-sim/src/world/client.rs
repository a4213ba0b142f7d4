//! What clients ask of controllers, and the controllers' own steps. Each is a future that may stop at any call.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hw_controller::{Step, Submit, SubmitFault, Submitted};
use hw_job::{Clock, Due, Elapsed, JobId, JobState, TaskId, Timestamp};
use hw_store::{ChangeRefused, JobChangeError, StoreError};
use serde_json::json;

use super::World;
use crate::checker::Asked;
use crate::gate::Trouble;
use crate::violation::{Violation, demand};

/// Something that was begun.
pub(crate) struct Op {
    future: Pin<Box<dyn Future<Output = Done> + Send>>,
    began: Elapsed,
    is_step: bool,
}

enum Done {
    Stepped(Result<Step, StoreError>),
    Submitted(Asked, Result<Submitted, SubmitFault>),
    Cancelled(JobId, Result<JobState, JobChangeError>),
    TaskCancelled(TaskId, Result<Result<(), ChangeRefused>, StoreError>),
}

impl World<'_> {
    pub(super) fn submit(
        &mut self,
        number: usize,
        (plan, key, reuse): (u32, Option<u8>, bool),
        trouble: Option<Trouble>,
    ) -> Result<(), Violation> {
        let now = self.now();
        let plan = self.shared.plans.plan(plan);
        let Some(process) = self.arm(number, trouble) else {
            return Ok(());
        };
        let controller = process.controller.clone();
        let asked = Asked {
            plan: plan.clone(),
            key,
            at: now,
        };
        let submit = Submit {
            timeout: plan.timeout,
            not_before: plan.delay.map(|delay| self.due(delay)),
            deadline: plan.deadline.map(|deadline| self.due(deadline)),
            tags: key.map(|key| format!("key {key}")).into_iter().collect(),
            idempotency_key: key.map(|key| format!("key {key}")),
            reuse,
            ..Submit::new(plan.kind(), json!({ "plan": plan.number }))
        };
        let future = Box::pin(async move { Done::Submitted(asked, controller.submit(submit).await) });
        self.drive(
            number,
            Op {
                future,
                began: now,
                is_step: false,
            },
        )
    }

    fn due(&self, after: Duration) -> Due {
        let micros = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
        Due {
            after,
            at: Timestamp(self.clock.wall().0.saturating_add(micros)),
        }
    }

    /// A client cancels a single task, counted round.
    pub(super) fn cancel_task(
        &mut self,
        number: usize,
        (job, task): (u8, u8),
        trouble: Option<Trouble>,
    ) -> Result<(), Violation> {
        let began = self.now();
        let (Some(job), Some(process)) = (self.checker.newest(usize::from(job)), self.arm(number, trouble)) else {
            return Ok(());
        };
        let task = TaskId::new(job, u32::from(task));
        let controller = process.controller.clone();
        let future =
            Box::pin(async move { Done::TaskCancelled(task, controller.cancel_task(task, "not this one").await) });
        self.drive(
            number,
            Op {
                future,
                began,
                is_step: false,
            },
        )
    }

    pub(super) fn cancel(&mut self, number: usize, job: u8, trouble: Option<Trouble>) -> Result<(), Violation> {
        let began = self.now();
        let (Some(job), Some(process)) = (self.checker.newest(usize::from(job)), self.arm(number, trouble)) else {
            return Ok(());
        };
        let controller = process.controller.clone();
        let future = Box::pin(async move { Done::Cancelled(job, controller.cancel(job, "enough").await) });
        self.drive(
            number,
            Op {
                future,
                began,
                is_step: false,
            },
        )
    }

    /// A controller that stopped in a step goes on with it; it never does two steps at a time.
    pub(super) fn step(&mut self, number: usize, trouble: Option<Trouble>) -> Result<(), Violation> {
        let began = self.now();
        if self.arm(number, trouble).is_none() {
            return Ok(());
        }
        let Some(process) = self.processes.get_mut(number) else {
            return Ok(());
        };
        let stopped = process.ops.iter().position(|op| op.is_step);
        let op = match stopped {
            Some(place) => process.ops.remove(place),
            None => {
                let controller = process.controller.clone();
                Op {
                    future: Box::pin(async move { Done::Stepped(controller.step().await) }),
                    began,
                    is_step: true,
                }
            }
        };
        self.drive(number, op)
    }

    pub(super) fn go_on(&mut self, number: usize, trouble: Option<Trouble>) -> Result<(), Violation> {
        if self.arm(number, trouble).is_none() {
            return Ok(());
        }
        self.go_on_with_one(number).map(|_| ())
    }

    /// Whether there was something to go on with.
    pub(super) fn go_on_with_one(&mut self, number: usize) -> Result<bool, Violation> {
        let Some(process) = self.processes.get_mut(number).filter(|process| !process.ops.is_empty()) else {
            return Ok(false);
        };
        let op = process.ops.remove(0);
        self.drive(number, op)?;
        Ok(true)
    }

    pub(super) fn hang_up(&mut self, number: usize) {
        if let Some(process) = self.processes.get_mut(number).filter(|process| !process.ops.is_empty()) {
            drop(process.ops.remove(0));
        }
    }

    fn drive(&mut self, number: usize, mut op: Op) -> Result<(), Violation> {
        let Some(process) = self.processes.get_mut(number) else {
            return Ok(());
        };
        self.checker.began(op.began);
        let gate = process.gate.clone();
        let came_to = self.executor.drive(&mut op.future, || {
            gate.has_stopped() || gate.passage() != crate::gate::Passage::Open
        });
        match came_to {
            Some(done) => self.look_at(done)?,
            None => process.ops.push(op),
        }
        gate.arm(None);
        self.after_passage(number)
    }

    fn look_at(&mut self, done: Done) -> Result<(), Violation> {
        match done {
            Done::Stepped(Ok(step)) => demand(step.again_in.is_some(), "a controller knows when to step", String::new),
            Done::Submitted(asked, answer) => self.checker.submitted(self.executor, &asked, answer),
            Done::Cancelled(job, Err(JobChangeError::NotFound(_))) => self.checker.may_be_gone(job),
            Done::TaskCancelled(task, Ok(answer)) => self.checker.task_cancelled(self.executor, task, answer),
            Done::Stepped(Err(_)) | Done::Cancelled(..) | Done::TaskCancelled(..) => Ok(()),
        }
    }
}
