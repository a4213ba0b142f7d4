//! Processes: a controller and a worker under one session.

use std::sync::Arc;
use std::time::Duration;

use hw_controller::{Controller, ControllerOptions};
use hw_job::{Elapsed, RetryPolicy, SessionId, WorkerId};
use hw_store::{ClaimedTask, NewSession, Store, WorkerRecord};

use super::World;
use super::client::Op;
use super::worker::Report;
use crate::disk::DiskDocuments;
use crate::gate::Gate;
use crate::violation::Violation;
use crate::wrap::Wrapped;

pub(super) const SESSION_LEASE: Duration = Duration::from_secs(30);
pub(super) const TASK_LEASE: Duration = Duration::from_secs(15);

/// One process, from its start to the next.
pub(crate) struct Process {
    pub(super) alive: bool,
    pub(super) paused: bool,
    pub(super) adopts: bool,
    pub(super) own_tasks_only: bool,
    pub(super) generation: u32,
    pub(super) session: SessionId,
    pub(super) worker: WorkerId,
    pub(super) gate: Arc<Gate>,
    pub(super) store: Arc<dyn Store>,
    pub(super) documents: DiskDocuments,
    pub(super) controller: Arc<Controller>,
    /// What it has begun and not brought to an end.
    pub(super) ops: Vec<Op>,
    pub(super) held: Vec<ClaimedTask>,
    pub(super) reports: Vec<Report>,
    pub(super) renew_at: Elapsed,
    pub(super) beat_at: Elapsed,
}

/// The policy of all processes: the usual one, with shorter pauses.
pub(crate) fn retry_policy() -> RetryPolicy {
    RetryPolicy {
        pause_max: Duration::from_secs(5),
        ..RetryPolicy::default()
    }
}

impl Process {
    pub(super) fn die(&mut self) {
        self.alive = false;
        self.ops.clear();
        self.held.clear();
        self.reports.clear();
    }
}

impl World<'_> {
    pub(super) fn start_process(
        &mut self,
        number: u64,
        generation: u32,
        (adopts, own_tasks_only): (bool, bool),
    ) -> Result<Process, Violation> {
        let session = SessionId(format!("p{number}.{generation}"));
        let worker = WorkerId(format!("{session}:tasks"));
        self.announce(number, &session, &worker)?;
        let gate = Arc::new(Gate::new());
        let store: Arc<dyn Store> = Arc::new(Wrapped {
            inner: self.store.clone(),
            around: gate.clone(),
        });
        let options = ControllerOptions {
            session: session.clone(),
            retry: retry_policy(),
            finishing_shown_after: Duration::ZERO,
            adopts,
            kinds: self.shared.kinds.clone(),
            store: store.clone(),
            documents: Arc::new(self.documents(&store)),
            clock: self.clock.clone(),
            ids: self.shared.ids.clone(),
            liveness: self.shared.dead.clone(),
        };
        let opened = self.executor.now(Controller::open(options));
        let Some(Ok(controller)) = opened else {
            return Err(Violation::new("the store answers", "a controller could not be opened"));
        };
        let now = self.now();
        Ok(Process {
            alive: true,
            paused: false,
            adopts,
            own_tasks_only,
            generation,
            session,
            worker,
            gate,
            documents: self.documents(&store),
            store,
            controller: Arc::new(controller),
            ops: Vec::new(),
            held: Vec::new(),
            reports: Vec::new(),
            renew_at: now.after(SESSION_LEASE / 3),
            beat_at: now.after(TASK_LEASE / 3),
        })
    }

    fn announce(&mut self, number: u64, session: &SessionId, worker: &WorkerId) -> Result<(), Violation> {
        let new = NewSession {
            id: session.clone(),
            role: "up".to_owned(),
            host: "host".to_owned(),
            pid: u32::try_from(number).unwrap_or(0),
            process_start: session.0.clone(),
            version: "0".to_owned(),
            lease: SESSION_LEASE,
        };
        let record = WorkerRecord {
            id: worker.clone(),
            session: session.clone(),
            slots: 4,
            labels: Vec::new(),
            draining: false,
            running: 0,
        };
        let begun = self.executor.now(async {
            self.store.start_session(new).await?;
            self.store.put_worker(record).await
        });
        match begun {
            Some(Ok(())) => {
                self.checker.session_until(session, self.now().after(SESSION_LEASE));
                Ok(())
            }
            other => Err(Violation::new("the store answers", format!("{other:?}"))),
        }
    }

    fn documents(&self, store: &Arc<dyn Store>) -> DiskDocuments {
        DiskDocuments {
            disk: self.shared.disk.clone(),
            store: store.clone(),
        }
    }

    /// Starts a dead process anew.
    pub(super) fn restart(&mut self, number: usize) -> Result<(), Violation> {
        match self.processes.get(number) {
            Some(process) if !process.alive => self.replace(number, Vec::new()),
            Some(_) | None => Ok(()),
        }
    }

    /// A new process takes the place of one; what the old one had sent may still arrive.
    fn replace(&mut self, number: usize, sent: Vec<Report>) -> Result<(), Violation> {
        let Some(old) = self.processes.get(number) else {
            return Ok(());
        };
        let (generation, roles) = (old.generation + 1, (old.adopts, old.own_tasks_only));
        let mut process = self.start_process(u64::try_from(number).unwrap_or(0), generation, roles)?;
        process.reports = sent;
        if let Some(place) = self.processes.get_mut(number) {
            *place = process;
        }
        Ok(())
    }

    /// Renews the session and the leases of tasks, as processes do that are well.
    pub(super) fn look_after_leases(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.now();
        let Some(process) = self.arm(number, None) else {
            return Ok(());
        };
        let (renews, beats) = (process.renew_at <= now, process.beat_at <= now);
        if renews {
            self.renew(number)?;
        }
        if beats {
            self.beat(number)?;
        }
        self.after_passage(number)
    }

    fn renew(&mut self, number: usize) -> Result<(), Violation> {
        let now = self.now();
        let Some(process) = self.processes.get_mut(number) else {
            return Ok(());
        };
        let renewed = self
            .executor
            .now(process.store.renew_session(&process.session, SESSION_LEASE));
        match renewed {
            Some(Ok(true)) => {
                process.renew_at = now.after(SESSION_LEASE / 3);
                let session = process.session.clone();
                self.checker.session_until(&session, now.after(SESSION_LEASE));
                Ok(())
            }
            // It was given up while it slept or was cut off.
            Some(Ok(false)) if self.shared.revives => {
                process.renew_at = now.after(SESSION_LEASE / 3);
                let (session, worker) = (process.session.clone(), process.worker.clone());
                self.announce(u64::try_from(number).unwrap_or(0), &session, &worker)
            }
            Some(Ok(false)) => {
                let sent = std::mem::take(&mut process.reports);
                let session = process.session.clone();
                self.checker.session_over(&session);
                self.replace(number, sent)
            }
            Some(Err(_)) | None => Ok(()),
        }
    }
}
