//! One fault at every single call of a job's life, before and after it takes effect: nothing of the job is lost.

use hw_job::{JobState, Lifetime};

use crate::gate::{Fate, Trouble};
use crate::plan::{Act, Plan, Plans, TableMove};
use crate::script::Action;
use crate::wrap::Side;
use crate::{Executor, SimClock};

/// The first plan that the test may use: it succeeds, in two stages, with files and a table.
fn plan(fits: impl Fn(&Plan) -> bool) -> u32 {
    let plans = Plans::default();
    let succeeds = |plan: &Plan| {
        let mut tasks = plan.stages.iter().flatten();
        let ends_by_time = plan.timeout.is_some() || plan.deadline.is_some();
        tasks.all(|task| task.script == [Act::Succeed]) && !plan.merge_fails && !ends_by_time
    };
    let mut numbers = 0..100_000;
    let found = numbers.find(|number| {
        let plan = plans.plan(*number);
        succeeds(&plan) && fits(&plan)
    });
    found.expect("one of so many plans fits")
}

/// How the one job of the script ends, if there is one, where the `nth` step of the controller meets trouble.
fn ending(plan: u32, nth: usize, trouble: Trouble) -> Option<JobState> {
    let executor = Executor::inline();
    let clock = std::sync::Arc::new(SimClock::new());
    let store = std::sync::Arc::new(hw_store::MemoryStore::new(clock.clone()));
    let mut world = crate::world::World::new(&executor, clock, store, 7).unwrap();
    let step = |at: usize| Action::Step {
        process: 0,
        trouble: Some(trouble).filter(|_| at == nth),
    };
    let mut script = vec![Action::Submit {
        process: 0,
        plan,
        key: None,
        reuse: false,
        trouble: Some(trouble).filter(|_| nth == 0),
    }];
    for at in 1..6 {
        script.extend([step(at), Action::Busy { process: 0 }, Action::Pass { millis: 400 }]);
    }
    let played = script.iter().try_for_each(|action| world.act(*action));
    let ended = played.and_then(|()| world.calm_down());
    ended.unwrap_or_else(|violation| panic!("step {nth}, {trouble:?}: {violation}"));
    world.first_state()
}

/// Tries each call of each step. Only where the submission itself met the trouble, there may be no job.
fn check(plan: u32, fate: Fate, expected: &[JobState]) {
    for side in [Side::Before, Side::After] {
        for nth in 0..6 {
            for call in 1..=14 {
                let state = ending(plan, nth, Trouble { call, side, fate });
                let right = match state {
                    Some(state) => expected.contains(&state),
                    None => nth == 0 && fate != Fate::Stop,
                };
                assert!(right, "step {nth}, call {call}, {side:?}: {state:?}");
            }
        }
    }
}

#[test]
fn a_store_that_fails_once_loses_nothing() {
    let in_stages = plan(|plan| plan.stages.len() == 2 && matches!(plan.table, Some(TableMove::Put(_))) && !plan.large);
    let empty = plan(|plan| plan.stages.is_empty() && !plan.large && plan.table.is_none());
    for plan in [in_stages, empty] {
        for fate in [Fate::Fail, Fate::Stop] {
            check(plan, fate, &[JobState::Succeeded]);
        }
    }
}

#[test]
fn a_process_that_dies_at_any_call_loses_no_durable_job() {
    let durable = plan(|plan| plan.stages.len() == 2 && plan.lifetime == Lifetime::Durable && !plan.large);
    check(durable, Fate::Kill, &[JobState::Succeeded]);
    let asked = plan(|plan| plan.stages.len() == 2 && plan.lifetime == Lifetime::Interactive);
    check(asked, Fate::Kill, &[JobState::Succeeded, JobState::Failed]);
}
