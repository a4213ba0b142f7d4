//! From a seed to a verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hw_store::{MemoryStore, Store};

use crate::chance::Chance;
use crate::clock::SimClock;
use crate::executor::Executor;
use crate::script::{Action, Weather, script};
use crate::shrink::shrink;
use crate::violation::Violation;
use crate::world::World;

/// Replays that shortening a script may take.
const REPLAYS_MAX: usize = 2_000;

/// Makes a store on a clock.
type Open = dyn Fn(Arc<SimClock>) -> Arc<dyn Store>;

/// Runs seeds against one kind of store.
pub struct Simulation {
    executor: Executor,
    open: Box<Open>,
    steps: usize,
}

/// A seed that kept all promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// Equal for equal courses of events.
    pub digest: u64,
    /// What happened, if it was to be told.
    pub trace: Vec<String>,
}

/// A seed that broke a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The seed.
    pub seed: u64,
    /// What was broken.
    pub violation: Violation,
    /// The shortest script that was found to break it, one action a line.
    pub script: Vec<String>,
    /// What happened in that script.
    pub trace: Vec<String>,
}

impl Simulation {
    /// Scripts of `steps` actions against stores in memory.
    pub fn in_memory(steps: usize) -> Self {
        let open = |clock: Arc<SimClock>| -> Arc<dyn Store> { Arc::new(MemoryStore::new(clock)) };
        Self::new(Executor::inline(), steps, open)
    }

    /// Scripts of `steps` actions against stores that `open` makes.
    pub fn new(executor: Executor, steps: usize, open: impl Fn(Arc<SimClock>) -> Arc<dyn Store> + 'static) -> Self {
        Self {
            executor,
            open: Box::new(open),
            steps,
        }
    }

    /// Plays the script of a seed.
    ///
    /// # Errors
    /// [`Broken`] with the shortest script that breaks the same promise.
    pub fn run(&self, seed: u64) -> Result<Played, Box<Broken>> {
        let script = self.script(seed);
        match self.play(seed, &script, false) {
            Ok(played) => Ok(played),
            Err((violation, _)) => Err(Box::new(self.explain(seed, &script, violation))),
        }
    }

    /// Plays the script of a seed and tells what happens, line by line.
    pub fn tell(&self, seed: u64) -> (Vec<String>, Option<Violation>) {
        match self.play(seed, &self.script(seed), true) {
            Ok(played) => (played.trace, None),
            Err((violation, trace)) => (trace, Some(violation)),
        }
    }

    /// One seed in eight has no trouble at all, the others more or less of it.
    fn script(&self, seed: u64) -> Vec<Action> {
        let mut chance = Chance::new(seed);
        let trouble = [None, Some(3), Some(5), Some(8), Some(8), Some(12), Some(20), Some(40)];
        let weather = Weather {
            steps: self.steps,
            trouble: trouble.into_iter().nth(usize::from(chance.small(8))).flatten(),
        };
        script(&mut chance, weather)
    }

    fn play(&self, seed: u64, script: &[Action], tells: bool) -> Result<Played, (Violation, Vec<String>)> {
        let clock = Arc::new(SimClock::new());
        let store = (self.open)(clock.clone());
        let mut trace = Vec::new();
        let played = catch_unwind(AssertUnwindSafe(|| {
            let mut world = World::new(&self.executor, clock, store, seed)?;
            if tells {
                world.trace();
            }
            let mut all = script.iter().try_for_each(|action| world.act(*action));
            if all.is_ok() {
                all = world.calm_down();
            }
            trace = world.traced();
            all.map(|()| world.digest())
        }));
        match played {
            Ok(Ok(digest)) => Ok(Played { digest, trace }),
            Ok(Err(violation)) => Err((violation, trace)),
            Err(panic) => Err((Violation::new("nothing panics", told_by(&*panic)), trace)),
        }
    }

    fn explain(&self, seed: u64, script: &[Action], violation: Violation) -> Broken {
        let breaks = |script: &[Action]| {
            let broken = self.play(seed, script, false).err();
            broken.is_some_and(|(other, _)| other.invariant == violation.invariant)
        };
        let shortest = shrink(script, REPLAYS_MAX, breaks);
        let (violation, trace) = match self.play(seed, &shortest, true) {
            Err(broken) => broken,
            Ok(played) => (violation, played.trace),
        };
        Broken {
            seed,
            violation,
            script: shortest.iter().map(|action| format!("{action:?}")).collect(),
            trace,
        }
    }
}

fn told_by(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
