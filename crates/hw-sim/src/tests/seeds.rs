//! A fixed set of seeds that must be clean.

use crate::Simulation;

/// The seeds of each run of the tests; `cargo xtask sim --seeds N` runs any number.
const SEEDS: u64 = 300;

/// Seeds in which something was found once.
const SEEDS_FOUND: [u64; 1] = [503_871];

/// Seeds within which everything must have happened that is tested.
const SEEDS_SEEN: u64 = 120;

#[test]
fn the_usual_seeds_keep_all_promises() {
    let simulation = Simulation::in_memory(120);
    for seed in (0..SEEDS).chain(SEEDS_FOUND) {
        if let Err(broken) = simulation.run(seed) {
            panic!("seed {seed}: {}\n{}", broken.violation, broken.script.join("\n"));
        }
    }
}

#[test]
fn a_seed_goes_the_same_way_each_time() {
    let simulation = Simulation::in_memory(120);
    let digests: Vec<u64> = (0..20).map(|seed| simulation.run(seed).unwrap().digest).collect();
    let again: Vec<u64> = (0..20).map(|seed| simulation.run(seed).unwrap().digest).collect();
    assert_eq!(digests, again);
    let different: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len(), "two seeds went the same way");
}

/// The seeds meet what they are to test: without that, clean seeds would say nothing.
#[test]
fn the_usual_seeds_see_all_kinds_of_events() {
    let simulation = Simulation::in_memory(120);
    let traces: Vec<String> = (0..SEEDS_SEEN).flat_map(|seed| simulation.tell(seed).0).collect();
    let told = traces.join("\n");
    let expected = [
        "job.started",
        "job.finishing",
        "job.cancel_requested",
        "task.ready",
        "task.started",
        "task.retry",
        "task.late",
        "task.cancel_requested",
        "task.blocked",
        "table.created",
        "table.changed",
        "table.dropped",
        "worker.left",
        "\"state\":\"succeeded\"",
        "\"state\":\"failed\"",
        "\"state\":\"cancelled\"",
        "\"state\":\"timed_out\"",
        "\"state\":\"quarantined\"",
        "\"state\":\"retry_wait\"",
    ];
    for event in expected {
        assert!(told.contains(event), "no seed of the first {SEEDS_SEEN} sees {event}");
    }
}
