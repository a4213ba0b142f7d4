//! Stores that refuse, stall and break off; disks that are full.

use std::time::Duration;

use super::proxy::Faults;
use super::{RUN, SQL, World, cached, pieces, register, split};

/// A name and the faults that it stands for.
type Case = (&'static str, fn() -> Faults);

#[test]
fn what_is_wrong_with_a_bucket_is_told_and_what_to_set() {
    let Some(world) = World::start() else { return };
    let missing = world.sandbox.fails(3, register("events", "s3://no-such-bucket/data/"));
    assert!(
        missing.contains("HW-T005") && missing.contains("s3://no-such-bucket/data/"),
        "{missing}"
    );
    let empty = world.sandbox.fails(3, register("events", "s3://shop/nothing/"));
    assert!(empty.contains("HW-T006") && empty.contains("it is empty"), "{empty}");
    world.register(2_000, 2);
    world.server.demand_credentials();
    for command in [&register("other", "s3://shop/data/")[..], &RUN[..], &SQL[..]] {
        let ran = world.sandbox.run(command);
        assert_ne!(ran.code, 0, "{ran:?}");
        let told = format!("{}{}", ran.stdout, ran.stderr);
        for word in ["s3.access_key_id", "s3.secret_access_key", "AWS_ACCESS_KEY_ID"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        for secret in ["0123secret", "AKIA0", "Signature="] {
            assert!(!told.contains(secret), "{secret}: {told}");
        }
    }
}

#[test]
fn stores_that_stall_break_off_and_refuse_delay_an_answer_and_do_not_change_it() {
    let Some(world) = World::start() else { return };
    world.register(400_000, 4);
    let clean = world.sandbox.json(RUN)["query"].clone();
    let table = world.sandbox.ok(SQL);
    let faults: [Case; 4] = [
        ("slow first bytes", || Faults {
            slow: (3, Duration::from_millis(700)),
            ..Faults::default()
        }),
        ("broken bodies", || Faults {
            broken: 6,
            ..Faults::default()
        }),
        ("slow down", || Faults {
            refused: 6,
            ..Faults::default()
        }),
        ("all at once", || Faults {
            latency: Duration::from_millis(20),
            slow: (2, Duration::from_millis(300)),
            broken: 4,
            refused: 4,
        }),
    ];
    for limit in ["100MB", "0B"] {
        world.settings(&format!("[cache]\ndisk = \"{limit}\""));
        for (name, faults) in &faults {
            // Nothing is left of the run before.
            world.empty_cache();
            world.proxy.set(faults());
            assert_eq!(world.sandbox.json(RUN)["query"], clean, "{name}, {limit}");
            assert_eq!(world.proxy.left(), (0, 0), "{name} came about");
            world.empty_cache();
            world.proxy.set(faults());
            assert_eq!(world.sandbox.ok(SQL), table, "{name}, {limit}");
        }
    }
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_but_time() {
    let Some(world) = World::start() else { return };
    world.register(400_000, 4);
    let expected = world.sandbox.json(RUN)["query"].clone();
    let cache = world.sandbox.data_dir().join("cache");
    std::fs::remove_dir_all(&cache).unwrap();
    std::fs::write(&cache, "a file where the folder should be").unwrap();
    let up = world.sandbox.up();
    for _ in 0..2 {
        let result = world.sandbox.json(RUN);
        assert_eq!((&result["query"], cached(&result).0), (&expected, 0));
        world.sandbox.ok(SQL);
    }
    assert_eq!(up.stop(), 0);
    let log = std::fs::read_to_string(world.sandbox.path().join("up.log")).unwrap();
    assert_eq!(log.matches("without the cache").count(), 1, "told once: {log}");
    std::fs::remove_file(&cache).unwrap();
    world.sandbox.ok(RUN);
    assert_eq!(cached(&world.sandbox.json(RUN)).1, 0);
}

#[test]
fn a_disk_without_room_for_the_cache_costs_nothing_but_time() {
    let Some(world) = World::start() else { return };
    world.register(1_000_000, 2);
    let count = "select count(price) as n, sum(price) as p from events where price >= 0";
    let expected = world.sandbox.ok(["sql", count]);
    std::fs::remove_dir_all(world.sandbox.data_dir().join("cache")).unwrap();
    let up = world.sandbox.up();
    assert_eq!(up.stop(), 0);
    for _ in 0..2 {
        // The store's own files are smaller than that, most pieces are not.
        let output = world.sandbox.limited(512, ["sql", count]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
        assert!(told.matches("without the cache").count() <= 1, "{told}");
    }
    assert!(
        pieces(&world.sandbox).iter().all(|path| !path.ends_with(".part")),
        "nothing torn is left"
    );
    world.proxy.take();
    assert_eq!(world.sandbox.ok(["sql", count]), expected);
    assert!(
        !split(world.proxy.take()).1.is_empty(),
        "what could not be kept is fetched again"
    );
}

#[test]
fn damaged_pieces_are_fetched_again() {
    let Some(world) = World::start() else { return };
    world.register(40_000, 4);
    let expected = world.sandbox.json(RUN)["query"].clone();
    for path in pieces(&world.sandbox) {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
    }
    let again = world.sandbox.json(RUN);
    assert_eq!(again["query"], expected);
    assert!(cached(&again).1 > 0);
    assert_eq!(cached(&world.sandbox.json(RUN)).1, 0);
}
