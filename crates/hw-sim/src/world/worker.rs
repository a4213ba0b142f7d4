//! Fake workers: they claim, keep, do and report tasks through the store, and are as unlucky as the script says.

use hw_job::{AfterAttempt, Ending, ErrorClass, Failure, StoredDocument};
use hw_store::{Claim, ClaimedTask, HeldTask, NextState, Slot, TaskChange, Verdict};
use serde_json::json;

use super::World;
use super::process::{TASK_LEASE, retry_policy};
use crate::gate::Trouble;
use crate::kind::{TASK_KIND, plan_number};
use crate::plan::Act;
use crate::violation::Violation;
use hw_controller::Documents;

/// The end of an attempt that is to be told to the store.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    change: TaskChange,
}

impl World<'_> {
    pub(super) fn claim(&mut self, number: usize, tasks: u8, trouble: Option<Trouble>) -> Result<(), Violation> {
        let now = self.now();
        let Some(process) = self.arm(number, trouble) else {
            return Ok(());
        };
        let claim = Claim {
            worker: process.worker.clone(),
            kinds: vec![(TASK_KIND.to_owned(), 1)],
            slot: Slot {
                tasks: u32::from(tasks),
                cpu_milli: u32::MAX,
                memory_bytes: u64::MAX,
                scarce: hw_job::Scarce::default(),
                labels: Vec::new(),
            },
            owner: process.own_tasks_only.then(|| process.session.clone()),
            holds: Vec::new(),
            lease: TASK_LEASE,
        };
        let store = process.store.clone();
        if let Some(Ok(claimed)) = self.call(number, async { store.claim_tasks(&claim).await })? {
            for task in &claimed {
                let until = now.after(TASK_LEASE);
                self.checker.claimed(task, &claim.worker, until)?;
            }
            if let Some(process) = self.processes.get_mut(number) {
                process.held.extend(claimed);
            }
        }
        Ok(())
    }

    /// Comes to the end of a task, unless it hangs.
    pub(super) fn work(&mut self, number: usize, task: u8) {
        let Some(process) = self.arm(number, None).filter(|process| !process.held.is_empty()) else {
            return;
        };
        let place = usize::from(task) % process.held.len();
        let Some(task) = process.held.get(place).cloned() else {
            return;
        };
        let Some(ending) = self.ending(number, &task) else {
            return;
        };
        let report = self.report_of(&task, ending);
        if let Some(process) = self.processes.get_mut(number) {
            process.held.remove(place);
            process.reports.push(report);
        }
    }

    /// Sends one of the reports that wait.
    pub(super) fn report(
        &mut self,
        number: usize,
        (report, again): (u8, bool),
        trouble: Option<Trouble>,
    ) -> Result<(), Violation> {
        let Some(process) = self.arm(number, trouble).filter(|process| !process.reports.is_empty()) else {
            return Ok(());
        };
        let place = usize::from(report) % process.reports.len();
        let Some(report) = process.reports.get(place).cloned() else {
            return Ok(());
        };
        let store = process.store.clone();
        let change = report.change.clone();
        let answer = self.call(number, async { store.change_tasks(vec![change]).await })?;
        if let Some(process) = self.processes.get_mut(number).filter(|_| !again)
            && place < process.reports.len()
        {
            process.reports.remove(place);
        }
        match answer
            .and_then(Result::ok)
            .and_then(|answers| answers.into_iter().next())
        {
            Some(answer) => self.checker.reported(self.executor, &report.change, answer),
            None => Ok(()),
        }
    }

    /// Does and reports all that the worker has.
    pub(super) fn work_off(&mut self, number: usize) -> Result<(), Violation> {
        let held = self.processes.get(number).map_or(0, |process| process.held.len());
        for place in (0..held).rev() {
            self.work(number, u8::try_from(place).unwrap_or(0));
        }
        while self
            .processes
            .get(number)
            .is_some_and(|process| !process.reports.is_empty())
        {
            self.report(number, (0, false), None)?;
        }
        Ok(())
    }

    /// Extends the leases of what it has. What it has lost, it may finish nevertheless, and report too late.
    pub(super) fn beat(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.now();
        let Some(process) = self.processes.get_mut(number).filter(|process| process.alive) else {
            return Ok(());
        };
        process.beat_at = now.after(TASK_LEASE / 3);
        let tasks = std::mem::take(&mut process.held);
        let held: Vec<HeldTask> = tasks
            .iter()
            .map(|task| HeldTask {
                task: task.id,
                fence: task.fence,
            })
            .collect();
        let beat = process.store.heartbeat(&process.worker, &held, TASK_LEASE);
        let verdicts = self.executor.now(beat).and_then(Result::ok);
        let Some(verdicts) = verdicts.filter(|_| !tasks.is_empty()) else {
            process.held = tasks;
            return Ok(());
        };
        for (task, verdict) in tasks.into_iter().zip(verdicts) {
            self.heed(number, task, verdict);
        }
        Ok(())
    }

    fn heed(&mut self, number: usize, task: ClaimedTask, verdict: Verdict) {
        let report = match verdict {
            Verdict::Keep => {
                self.checker.kept(&task, self.now().after(TASK_LEASE));
                None
            }
            Verdict::Cancel => Some(self.report_of(&task, Ending::Cancelled)),
            Verdict::Lost if self.chance.one_in(2) => {
                let ending = self.ending(number, &task);
                ending.map(|ending| self.report_of(&task, ending))
            }
            Verdict::Lost => return,
        };
        if let Some(process) = self.processes.get_mut(number) {
            match report {
                Some(report) => process.reports.push(report),
                None => process.held.push(task),
            }
        }
    }

    /// How the attempt ends, by the plan; `None` if it hangs.
    fn ending(&self, number: usize, task: &ClaimedTask) -> Option<Ending> {
        let plan = self.shared.plans.plan(plan_number(&task.params));
        let planned = plan.task(task.id.index)?;
        match planned.act(task.attempt) {
            Act::Hang => None,
            Act::Fail(class) => Some(Ending::Failed(task_failure(class))),
            Act::Succeed => {
                let document = json!({ "value": planned.value, "fence": task.fence.0, "large": plan.large });
                let process = self.processes.get(number)?;
                let kept = self.executor.now(process.documents.keep(task.id.job, document));
                Some(match kept {
                    Some(Ok(outcome)) => Ending::Succeeded(outcome),
                    Some(Err(_)) | None => Ending::Failed(task_failure(ErrorClass::Platform)),
                })
            }
        }
    }

    fn report_of(&mut self, task: &ClaimedTask, ending: Ending) -> Report {
        let counts = task.counts.and(&ending);
        let next = match retry_policy().after(counts, &ending, self.chance.share()) {
            AfterAttempt::Settled(state) => NextState::Settled(state),
            AfterAttempt::Ready => NextState::Ready,
            AfterAttempt::RetryAfter(pause) => NextState::RetryAfter(pause),
        };
        let files = match &ending {
            Ending::Succeeded(StoredDocument::File { path, .. }) => vec![path.clone()],
            _ => Vec::new(),
        };
        Report {
            change: TaskChange {
                task: task.id,
                fence: task.fence,
                ending,
                counts,
                next,
                files,
                work: None,
            },
        }
    }

    /// A call of a worker. One that stops is a broken connection to it.
    fn call<T>(&mut self, number: usize, call: impl Future<Output = T> + Send) -> Result<Option<T>, Violation> {
        let Some(gate) = self.processes.get(number).map(|process| process.gate.clone()) else {
            return Ok(None);
        };
        let mut call: std::pin::Pin<Box<dyn Future<Output = T> + Send + '_>> = Box::pin(call);
        let stopped = || gate.has_stopped() || gate.passage() != crate::gate::Passage::Open;
        let answer = self.executor.drive(&mut call, stopped);
        drop(call);
        gate.arm(None);
        self.after_passage(number)?;
        Ok(answer)
    }
}

/// How a task fails by plan.
pub(crate) fn task_failure(class: ErrorClass) -> Failure {
    Failure::new(class, "SIM-TASK", class.as_str())
}
