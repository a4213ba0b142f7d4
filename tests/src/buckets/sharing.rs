//! Several processes of a host over one cache: nothing is downloaded twice at once, and who dies leaves nothing behind.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::proxy::Faults;
use super::{RUN, SQL, World, cached, pieces, split};
use crate::harness::{finish, signal};

#[test]
fn processes_side_by_side_download_every_byte_once() {
    let Some(world) = World::start() else { return };
    world.register(800_000, 4);
    world.empty_cache();
    world.proxy.set(Faults {
        latency: Duration::from_millis(30),
        ..Faults::default()
    });
    let begin = |args: &[&str]| {
        let mut command = world.sandbox.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let running = [&RUN[..], &RUN[..], &SQL[..], &RUN[..]].map(begin);
    let ran = running.map(finish);
    assert!(ran.iter().all(|ran| ran.code == 0), "{ran:?}");
    let (_, moved) = split(world.proxy.take());
    let mut ranges: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
    for passed in moved {
        let range = passed.range.expect("parts are read by range");
        let (start, end) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        let range = (start.parse().unwrap(), end.parse::<u64>().unwrap() + 1);
        ranges.entry(passed.target).or_default().push(range);
    }
    assert_eq!(ranges.len(), 4);
    for (target, mut ranges) in ranges {
        ranges.sort_unstable();
        assert!(
            ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0),
            "{target}: {ranges:?}"
        );
    }
    assert_eq!(cached(&world.sandbox.json(RUN)).1, 0);
}

#[test]
fn processes_killed_at_their_downloads_leave_nothing_that_is_served_or_waited_for() {
    let Some(world) = World::start() else { return };
    world.register(800_000, 4);
    let expected = world.sandbox.json(RUN)["query"].clone();
    for round in 0..8_u64 {
        world.empty_cache();
        world.proxy.set(Faults {
            latency: Duration::from_millis(40),
            ..Faults::default()
        });
        let mut command = world.sandbox.command(RUN);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(60 + 35 * round));
        let _ = child.kill();
        child.wait().unwrap();
        world.proxy.set(Faults::default());
        let began = Instant::now();
        assert_eq!(world.sandbox.json(RUN)["query"], expected);
        assert!(began.elapsed() < Duration::from_secs(15), "nobody waits for the dead");
        assert_eq!(cached(&world.sandbox.json(RUN)).1, 0);
        assert!(pieces(&world.sandbox).iter().all(|path| !path.ends_with(".part")));
    }
}

/// A process that is stopped while it downloads holds the others up for a bounded time only.
#[test]
fn a_process_that_stands_still_does_not_hold_up_others_for_ever() {
    let Some(world) = World::start() else { return };
    world.register(20_000, 1);
    let expected = world.sandbox.json(RUN)["query"].clone();
    world.empty_cache();
    world.proxy.set(Faults {
        latency: Duration::from_millis(400),
        ..Faults::default()
    });
    let count = ["sql", "select count(*) from 's3://shop/data/*.parquet'"];
    let mut command = world.sandbox.command(count);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    super::server::wait_until("a download", || {
        pieces(&world.sandbox).iter().any(|path| path.ends_with(".part"))
    });
    signal(child.id(), libc::SIGSTOP);
    world.proxy.set(Faults::default());
    let began = Instant::now();
    assert_eq!(world.sandbox.json(RUN)["query"], expected);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    signal(child.id(), libc::SIGCONT);
    assert!(child.wait().unwrap().success());
    assert_eq!(world.sandbox.json(RUN)["query"], expected);
}
