//! Deterministic simulation: controller and store against fake workers.
//!
//! A seed decides everything: how many processes there are, what jobs are to do, and a script of a hundred or so actions
//! (`script`): clients submit, cancel and hang up, controllers step, workers claim, work and report, messages are
//! late, doubled or lost, calls fail before or after they took effect, processes pause, die at any call and start anew,
//! the disk is full, the wall's clock jumps. Everything happens in one thread, on a clock that the script moves. After
//! each action the promises of store and controller are checked (`checker`); at the end all trouble stops, and
//! everything must settle and leave nothing behind.
//!
//! A seed whose promises are broken is reported with the shortest script that still breaks the same promise.
//!
//! ```text
//! cargo xtask sim --seeds 100000
//! cargo xtask sim --verbose 4711
//! ```

mod chance;
mod checker;
mod clock;
mod disk;
mod executor;
mod gate;
mod kind;
mod plan;
mod script;
mod shrink;
mod simulation;
#[cfg(test)]
mod tests;
mod violation;
mod world;
mod wrap;

pub use clock::SimClock;
pub use executor::Executor;
pub use simulation::{Broken, Played, Simulation};
pub use violation::Violation;

/// The policy under which the simulated tasks are tried again.
fn world_policy() -> hw_job::RetryPolicy {
    world::retry_policy()
}
