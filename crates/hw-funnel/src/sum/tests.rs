#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::{StoredSum, Sum};
use crate::scalar::Number;

fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::empty(true);
    values.iter().for_each(|value| sum.add(Number::Float(*value)));
    sum.total().as_f64()
}

#[track_caller]
fn check(values: &[f64], expected: f64) {
    assert_eq!(
        sum(values).to_bits(),
        expected.to_bits(),
        "{values:?}: {} is not {expected}",
        sum(values)
    );
    let negated: Vec<f64> = values.iter().map(|value| -value).collect();
    if expected != 0.0 {
        assert_eq!(sum(&negated).to_bits(), (-expected).to_bits(), "{negated:?}");
    }
}

#[test]
fn two_terms_round_as_one_addition_does() {
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut value = || {
            let value = f64::from_bits(random.random());
            if value.is_finite() { value } else { 1.0 }
        };
        let (left, right) = (value(), value());
        check(&[left, right], left + right + 0.0);
        let near = left * (1.0 + f64::EPSILON);
        check(&[left, -near], left - near + 0.0);
    }
}

#[test]
fn single_terms_are_kept() {
    for value in [
        0.0,
        1.0,
        0.1,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        f64::from_bits((1 << 52) - 1),
        1e-310,
    ] {
        check(&[value], value);
        check(&[value, value, -value], value);
    }
    check(&[], 0.0);
    check(&[-0.0], 0.0);
}

#[test]
fn nothing_is_lost_in_between() {
    check(&[1e100, 1.0, -1e100], 1.0);
    check(&[0.1; 10], 1.0);
    check(&[f64::MAX, f64::MAX, -f64::MAX, -f64::MAX, 5e-324], 5e-324);
    check(&[1e16, 1.0, 1e-16], 10_000_000_000_000_002.0);
    // Exactly between two doubles: to the even one, unless anything is left over.
    check(&[9_007_199_254_740_992.0, 1.0], 9_007_199_254_740_992.0);
    check(&[9_007_199_254_740_992.0, 1.0, 1e-300], 9_007_199_254_740_994.0);
    check(&[9_007_199_254_740_994.0, 1.0], 9_007_199_254_740_996.0);
    check(&[9_007_199_254_740_994.0, 1.0, -1e-300], 9_007_199_254_740_994.0);
}

#[test]
fn beyond_the_largest_double() {
    check(&[f64::MAX, f64::MAX], f64::INFINITY);
    check(&[f64::INFINITY, 1.0, -f64::MAX], f64::INFINITY);
    assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    // Half a unit in the last place rounds up to infinity, less does not.
    let half = 2.0_f64.powi(970);
    check(&[f64::MAX, half], f64::INFINITY);
    check(&[f64::MAX, half, -1.0], f64::MAX);
}

#[test]
fn order_and_cuts_do_not_matter() {
    let mut random = StdRng::seed_from_u64(2);
    for _ in 0..300 {
        let mut values: Vec<f64> = (0..random.random_range(1..60))
            .map(|_| random.random_range(-1.0..1.0) * 2.0_f64.powi(random.random_range(-80..80)))
            .collect();
        let expected = sum(&values);
        values.shuffle(&mut random);
        assert_eq!(sum(&values).to_bits(), expected.to_bits());
        let mut merged = Sum::empty(true);
        for part in values.chunks(7) {
            let mut sum = Sum::empty(true);
            part.iter().for_each(|value| sum.add(Number::Float(*value)));
            assert!(merged.merge(&StoredSum::from(&sum).restore().unwrap()));
        }
        assert_eq!(merged.total().as_f64().to_bits(), expected.to_bits());
        assert_eq!(merged.count, values.len() as u64);
    }
}

#[test]
fn integers() {
    let mut sum = Sum::empty(false);
    assert_eq!((sum.total(), sum.mean()), (Number::Int(0), None));
    for _ in 0..4 {
        sum.add(Number::Int(i128::from(u64::MAX)));
    }
    assert_eq!(sum.total(), Number::Int(4 * i128::from(u64::MAX)));
    assert_eq!(sum.mean(), Some(Number::Float(u64::MAX as f64)));
    assert_eq!(StoredSum::from(&sum).restore(), Some(sum.clone()));
    assert!(!sum.merge(&Sum::empty(true)), "sums of different types do not merge");
}
