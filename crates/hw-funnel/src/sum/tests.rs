#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::{FixedTerms, Sum, Total};
use crate::scalar::Number;

fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::empty(true);
    values.iter().for_each(|value| sum.add(Number::Float(*value)));
    sum.total().as_f64()
}

fn stored_and_read(sum: &Sum) -> Sum {
    postcard::from_bytes(&postcard::to_allocvec(sum).unwrap()).unwrap()
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
            assert!(merged.merge(&stored_and_read(&sum)));
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
    assert_eq!(stored_and_read(&sum), sum);
    assert!(!sum.merge(&Sum::empty(true)), "sums of different types do not merge");
}

/// Doubles of every size, many of them near each other.
fn any_value(random: &mut StdRng) -> f64 {
    match random.random_range(0..5) {
        0 => f64::from_bits(random.random::<u64>() >> random.random_range(0..64)),
        1 => random.random_range(-1e6..1e6),
        2 => f64::from(random.random_range(-1000..1000)) / 100.0,
        3 => f64::from_bits(random.random_range(0..1 << 53)),
        _ => f64::from(random.random_range(-3..3)),
    }
}

#[test]
fn a_sum_within_128_bits_rounds_like_one_of_all_digits() {
    let mut random = StdRng::seed_from_u64(3);
    let mut narrow = 0;
    for _ in 0..20_000 {
        let mut sum = Sum::empty(true);
        for _ in 0..random.random_range(1..6) {
            let value = any_value(&mut random);
            sum.add(Number::Float(if value.is_finite() { value } else { 0.5 }));
        }
        let Total::Float(total) = &sum.total else {
            unreachable!()
        };
        if let Some(rounded) = total.round_narrow() {
            narrow += 1;
            assert_eq!(rounded.to_bits(), total.round_wide().to_bits(), "{total:?}");
        }
    }
    assert!(narrow > 5_000, "{narrow}");
}

#[test]
fn terms_in_fixed_point_add_up_to_the_same() {
    let mut random = StdRng::seed_from_u64(4);
    let mut fixed = 0;
    for case in 0..10_000 {
        let is_float = case % 4 > 0;
        let values: Vec<Option<Number>> = (0..random.random_range(1..5))
            .map(|_| match (random.random_range(0..4), is_float) {
                (0, _) => None,
                (_, true) => Some(Number::Float(any_value(&mut random))),
                (_, false) => Some(Number::Int(random.random::<i64>().into())),
            })
            .filter(|value| !matches!(value, Some(Number::Float(value)) if value.is_nan()))
            .collect();
        if values.is_empty() {
            continue;
        }
        let rows: Vec<usize> = (0..random.random_range(0..40))
            .map(|_| random.random_range(0..values.len()))
            .collect();
        let mut expected = Sum::empty(is_float);
        rows.iter()
            .filter_map(|row| values[*row])
            .for_each(|value| expected.add(value));
        let Some(terms) = FixedTerms::of(values.iter().copied(), rows.len()) else {
            continue;
        };
        fixed += 1;
        let mut actual = Sum::empty(is_float);
        let sum = rows.iter().map(|row| terms.terms[*row]).sum();
        let count = rows.iter().filter(|row| values[**row].is_some()).count();
        actual.add_fixed(sum, count as u64, &terms);
        assert_eq!(actual.count, expected.count);
        assert_eq!(actual.total(), expected.total(), "{values:?} {rows:?}");
    }
    assert!(fixed > 3_000, "{fixed}");
}

#[test]
fn values_far_apart_have_no_fixed_point() {
    let terms = |values: &[f64]| {
        let values: Vec<_> = values.iter().map(|value| Some(Number::Float(*value))).collect();
        FixedTerms::of(values.iter().copied(), 100).is_some()
    };
    assert!(terms(&[0.01, 999.99, -5.0, 0.0]));
    assert!(terms(&[1e300, -1.5e300]));
    assert!(!terms(&[1e300, 1.0]));
    assert!(!terms(&[f64::INFINITY]));
}
