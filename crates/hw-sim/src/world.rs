//! A deployment of a few processes on one store, and what is done to it.

mod client;
mod process;
mod worker;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hw_controller::{Ids, Liveness};
use hw_job::{Clock, JobId, JobKind, Lifetime, SessionId, Timestamp};
use hw_store::{NewSession, Retention, Store};

use crate::chance::Chance;
use crate::checker::Checker;
use crate::clock::SimClock;
use crate::disk::Disk;
use crate::executor::Executor;
use crate::gate::{Passage, Trouble};
use crate::kind::{Complaints, SimKind};
use crate::plan::Plans;
use crate::script::Action;
use crate::violation::{Violation, demand};
use process::Process;
pub(crate) use process::retry_policy;

/// Longest stretch of time in which a process that is well does not look after its leases.
const STRETCH: Duration = Duration::from_secs(4);

/// Rounds after which everything must have settled once all trouble is over.
const CALM_ROUNDS_MAX: u32 = 400;

/// A deployment under simulation.
pub(crate) struct World<'a> {
    executor: &'a Executor,
    clock: Arc<SimClock>,
    store: Arc<dyn Store>,
    shared: Shared,
    processes: Vec<Process>,
    checker: Checker,
    chance: Chance,
}

/// What all processes have in common.
pub(crate) struct Shared {
    kinds: Vec<Arc<dyn JobKind>>,
    plans: Arc<Plans>,
    complaints: Arc<Complaints>,
    disk: Arc<Disk>,
    ids: Arc<SeededIds>,
    dead: Arc<Dead>,
    /// Whether a process that was given up goes on under its old session, or begins anew.
    revives: bool,
}

/// Ids and chance of the controllers.
struct SeededIds(Mutex<Chance>);

impl Ids for SeededIds {
    fn job_id(&self, now: Timestamp) -> JobId {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = [0; 10];
        for (place, byte) in random.iter_mut().zip(chance.draw().to_le_bytes()) {
            *place = byte;
        }
        JobId::new(u64::try_from(now.0 / 1000).unwrap_or(0), random)
    }

    fn chance(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).share()
    }
}

/// The processes that died, if that can be known.
struct Dead {
    is_known: bool,
    sessions: Mutex<BTreeSet<SessionId>>,
}

impl Dead {
    fn add(&self, session: SessionId) {
        self.sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session);
    }
}

impl Liveness for Dead {
    fn is_dead(&self, session: &NewSession) -> bool {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_known && sessions.contains(&session.id)
    }
}

impl Shared {
    fn new(chance: &mut Chance) -> Self {
        let plans = Arc::<Plans>::default();
        let complaints = Arc::<Complaints>::default();
        let kind = |lifetime| -> Arc<dyn JobKind> {
            Arc::new(SimKind {
                lifetime,
                plans: plans.clone(),
                complaints: complaints.clone(),
            })
        };
        Self {
            kinds: vec![kind(Lifetime::Interactive), kind(Lifetime::Durable)],
            disk: Arc::default(),
            ids: Arc::new(SeededIds(Mutex::new(Chance::new(chance.draw())))),
            dead: Arc::new(Dead {
                is_known: !chance.one_in(4),
                sessions: Mutex::default(),
            }),
            revives: chance.one_in(2),
            plans,
            complaints,
        }
    }
}

impl<'a> World<'a> {
    /// Two to four processes; the first one adopts what others leave, the others may.
    pub(crate) fn new(
        executor: &'a Executor,
        clock: Arc<SimClock>,
        store: Arc<dyn Store>,
        seed: u64,
    ) -> Result<Self, Violation> {
        let mut chance = Chance::new(seed.wrapping_add(1));
        let shared = Shared::new(&mut chance);
        let checker = Checker::new(clock.clone(), store.clone(), shared.plans.clone(), shared.disk.clone());
        let mut world = Self {
            executor,
            clock,
            store,
            shared,
            processes: Vec::new(),
            checker,
            chance,
        };
        for number in 0..2 + world.chance.below(3) {
            let adopts = number == 0 || world.chance.one_in(3);
            let own_tasks_only = number > 0 && world.chance.one_in(4);
            let process = world.start_process(number, 0, (adopts, own_tasks_only))?;
            world.processes.push(process);
        }
        Ok(world)
    }

    /// Tells what happens from now on, line by line.
    pub(crate) fn trace(&mut self) {
        self.checker.trace();
    }

    pub(crate) fn traced(&mut self) -> Vec<String> {
        self.checker.traced()
    }

    /// A number that differs between runs that went differently.
    pub(crate) fn digest(&self) -> u64 {
        self.checker.digest()
    }

    /// Does one thing, and checks that all promises still hold.
    pub(crate) fn act(&mut self, action: Action) -> Result<(), Violation> {
        self.checker.note(|| format!("{action:?}"));
        match action {
            Action::Submit {
                process,
                plan,
                key,
                reuse,
                trouble,
            } => self.submit(self.at(process), (plan, key, reuse), trouble)?,
            Action::Cancel { process, job, trouble } => self.cancel(self.at(process), job, trouble)?,
            Action::CancelTask {
                process,
                job,
                task,
                trouble,
            } => self.cancel_task(self.at(process), (job, task), trouble)?,
            Action::Step { process, trouble } => self.step(self.at(process), trouble)?,
            Action::GoOn { process, trouble } => self.go_on(self.at(process), trouble)?,
            Action::HangUp { process } => self.hang_up(self.at(process)),
            Action::Busy { process } => self.busy(self.at(process))?,
            Action::Claim {
                process,
                tasks,
                trouble,
            } => self.claim(self.at(process), tasks, trouble)?,
            Action::Work { process, task } => self.work(self.at(process), task),
            Action::Report {
                process,
                report,
                again,
                trouble,
            } => self.report(self.at(process), (report, again), trouble)?,
            Action::Pass { millis } => self.pass(Duration::from_millis(u64::from(millis)))?,
            Action::Jump { hours } => self.clock.jump(i64::from(hours)),
            Action::Pause { process } => self.change(process, |process| process.paused = true),
            Action::Wake { process } => self.change(process, |process| process.paused = false),
            Action::Oversleep { process, turns } => self.oversleep(self.at(process), turns)?,
            Action::Kill { process } => self.kill(self.at(process)),
            Action::Start { process } => self.restart(self.at(process))?,
            Action::Cut { process } => self.change(process, |process| process.gate.cut(true)),
            Action::Mend { process } => self.change(process, |process| process.gate.cut(false)),
            Action::Fill { full } => self.shared.disk.fill(full),
            Action::Prune {
                jobs_seconds,
                results_seconds,
            } => self.prune(jobs_seconds, results_seconds)?,
            Action::Read { limit } => self.checker.read_some(self.executor, u32::from(limit))?,
        }
        self.check()
    }

    /// The trouble is over: everything must settle, and nothing may be left.
    pub(crate) fn calm_down(&mut self) -> Result<(), Violation> {
        self.checker.note(|| "the trouble is over".to_owned());
        self.shared.disk.fill(false);
        for number in 0..self.processes.len() {
            if let Some(process) = self.processes.get_mut(number) {
                process.paused = false;
                process.gate.cut(false);
                // Trouble that has met no call yet.
                process.gate.arm(None);
            }
            self.restart(number)?;
            while self.go_on_with_one(number)? {}
        }
        for _ in 0..CALM_ROUNDS_MAX {
            let events = self.checker.events();
            self.round()?;
            if self.checker.all_settled() {
                return self.checker.check_end(self.executor);
            }
            let idle = self.checker.events() == events;
            self.pass(if idle { STRETCH } else { Duration::from_secs(1) })?;
        }
        Err(Violation::new("every job settles", self.checker.unsettled()))
    }

    fn oversleep(&mut self, sleeper: usize, turns: u8) -> Result<(), Violation> {
        let Some(process) = self.processes.get_mut(sleeper) else {
            return Ok(());
        };
        process.paused = true;
        self.pass(process::SESSION_LEASE)?;
        for _ in 0..turns {
            for other in (0..self.processes.len()).filter(|other| *other != sleeper) {
                self.busy(other)?;
            }
        }
        if let Some(process) = self.processes.get_mut(sleeper) {
            process.paused = false;
        }
        self.step(sleeper, None)
    }

    fn busy(&mut self, number: usize) -> Result<(), Violation> {
        self.claim(number, 2, None)?;
        self.work(number, 0);
        self.report(number, (0, false), None)?;
        self.step(number, None)
    }

    /// Every process does all that it can.
    fn round(&mut self) -> Result<(), Violation> {
        for number in 0..self.processes.len() {
            self.step(number, None)?;
            self.claim(number, 4, None)?;
            self.work_off(number)?;
            self.check()?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Violation> {
        if let Some(complaint) = self.shared.complaints.first() {
            return Err(Violation::new("kinds are asked when all tasks succeeded", complaint));
        }
        self.checker.check(self.executor)
    }

    /// The place of the process that an action means.
    fn at(&self, process: u8) -> usize {
        usize::from(process) % self.processes.len().max(1)
    }

    fn change(&mut self, process: u8, change: impl FnOnce(&mut Process)) {
        let place = self.at(process);
        if let Some(process) = self.processes.get_mut(place) {
            change(process);
        }
    }

    /// Time passes in stretches, so that processes that are well keep their leases.
    fn pass(&mut self, time: Duration) -> Result<(), Violation> {
        let mut left = time;
        while !left.is_zero() {
            let stretch = left.min(STRETCH);
            left -= stretch;
            self.clock.pass(stretch);
            for number in 0..self.processes.len() {
                self.look_after_leases(number)?;
            }
        }
        Ok(())
    }

    fn prune(&mut self, jobs_seconds: u8, results_seconds: u8) -> Result<(), Violation> {
        let limits = Retention {
            jobs: Duration::from_secs(u64::from(jobs_seconds)),
            results: Duration::from_secs(u64::from(results_seconds)),
            events: Duration::from_secs(3600),
        };
        let answer = self.executor.now(self.store.prune(&limits));
        demand(matches!(answer, Some(Ok(_))), "the store answers", || {
            format!("{answer:?}")
        })
    }

    /// Looks at how a process came out of its gate.
    fn after_passage(&mut self, number: usize) -> Result<(), Violation> {
        match self.processes.get(number).map(|process| process.gate.passage()) {
            Some(Passage::Killed) => self.kill(number),
            Some(Passage::Endless) => {
                let detail = format!("process {number} called the store again and again");
                return Err(Violation::new("every step comes to an end", detail));
            }
            Some(Passage::Open) | None => {}
        }
        Ok(())
    }

    fn kill(&mut self, number: usize) {
        let Some(process) = self.processes.get_mut(number).filter(|process| process.alive) else {
            return;
        };
        process.die();
        self.shared.dead.add(process.session.clone());
        self.checker.session_over(&process.session);
    }

    fn arm(&self, number: usize, trouble: Option<Trouble>) -> Option<&Process> {
        let process = self.processes.get(number)?;
        let can_act = process.alive && !process.paused;
        can_act.then(|| process.gate.arm(trouble))?;
        Some(process)
    }

    #[cfg(test)]
    pub(crate) fn first_state(&self) -> Option<hw_job::JobState> {
        self.checker.first_state()
    }

    fn now(&self) -> hw_job::Elapsed {
        self.clock.elapsed()
    }
}
