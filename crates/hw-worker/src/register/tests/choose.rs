use std::collections::HashSet;

use hw_catalog::Groups;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use crate::register::{RegisterParams, SampleLimits, Validation, checks_uniqueness, choose_parts};

fn chosen(count: usize, mode: Validation, seed: u64) -> Vec<usize> {
    choose_parts(count, mode, SampleLimits::default(), &mut StdRng::seed_from_u64(seed))
}

#[test]
fn modes_other_than_sample_leave_nothing_to_chance() {
    for (count, mode, expected) in [
        (0, Validation::All, vec![]),
        (1, Validation::Sample, vec![0]),
        (1, Validation::All, vec![0]),
        (1, Validation::FirstLast, vec![0]),
        (2, Validation::Sample, vec![0, 1]),
        (2, Validation::Single, vec![0]),
        (5, Validation::Single, vec![0]),
        (5, Validation::FirstLast, vec![0, 4]),
        (5, Validation::All, vec![0, 1, 2, 3, 4]),
    ] {
        assert_eq!(chosen(count, mode, 1), expected, "{count} {mode:?}");
    }
}

#[test]
fn the_size_of_a_sample_follows_ratio_and_limit() {
    let size = |count, ratio, parts_max| {
        let limits = SampleLimits { ratio, parts_max };
        choose_parts(count, Validation::Sample, limits, &mut StdRng::seed_from_u64(1)).len()
    };
    assert_eq!(size(3, 0.1, 10), 2);
    assert_eq!(size(19, 0.1, 10), 2);
    assert_eq!(size(29, 0.1, 10), 2);
    assert_eq!(size(30, 0.1, 10), 3);
    assert_eq!(size(70, 0.1, 10), 7);
    assert_eq!(size(10_000, 0.1, 10), 10);
    assert_eq!(size(100, 0.29, 1_000), 29);
    assert_eq!(size(100, 5.0, 1_000), 100);
    assert_eq!(size(100, 0.5, 0), 2);
    for odd in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY] {
        assert_eq!(size(100, odd, 10), 2, "{odd}");
    }
    assert_eq!(size(100, f64::INFINITY, 10), 2);
}

/// Drawing with replacement would draw one of 100 parts twice in a quarter of all samples.
#[test]
fn no_part_is_drawn_twice_and_each_can_be_drawn() {
    let mut seen = HashSet::new();
    for seed in 0..2_000 {
        let parts = chosen(100, Validation::Sample, seed);
        assert_eq!(parts.len(), 10);
        assert!(parts.is_sorted_by(|a, b| a < b), "{parts:?}");
        assert_eq!((parts[0], parts[9]), (0, 99));
        seen.extend(parts);
    }
    assert_eq!(seen.len(), 100);
    assert_eq!(
        chosen(100, Validation::Sample, 7),
        chosen(100, Validation::Sample, 7),
        "a seed replays"
    );
}

#[test]
fn uniqueness_is_checked_where_it_can_fail() {
    let params = RegisterParams::parse(&json!({"name": "t", "path": "/p", "group": "g", "time": "t"})).unwrap();
    assert!(checks_uniqueness(2, &params));
    assert!(!checks_uniqueness(1, &params));
    assert!(!checks_uniqueness(
        2,
        &RegisterParams {
            groups: Groups::Split,
            ..params.clone()
        }
    ));
    assert!(!checks_uniqueness(
        2,
        &RegisterParams {
            validate_uniques: false,
            ..params.clone()
        }
    ));
    assert!(!checks_uniqueness(
        2,
        &RegisterParams {
            group: None,
            time: None,
            ..params
        }
    ));
}
