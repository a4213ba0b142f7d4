#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::{Value, json};

use super::{Durations, EXACT_DURATIONS_MAX, bar_of, bound_of};
use crate::scalar::Number;

fn durations(values: impl IntoIterator<Item = Number>, is_float: bool) -> Durations {
    let mut durations = Durations::empty(is_float);
    values.into_iter().for_each(|value| durations.add(value));
    durations
}

#[test]
fn nothing() {
    assert_eq!(durations([], false).to_json(), json!({"count": 0, "histogram": []}));
}

#[test]
fn one() {
    let expected = json!({"count": 1, "mean": 7.0, "p50": 7.0, "p90": 7.0, "p99": 7.0, "min": 7, "max": 7,
        "histogram": [{"from": 5, "to": 10, "count": 1}]});
    assert_eq!(durations([Number::Int(7)], false).to_json(), expected);
}

#[test]
fn percentiles_interpolate() {
    let some = durations((1..=5).map(|value| Number::Int(value * 10)), false).to_json();
    assert_eq!(
        [&some["p50"], &some["p90"], &some["p99"]],
        [&json!(30.0), &json!(46.0), &json!(49.6)]
    );
    let two = durations([Number::Float(0.5), Number::Float(0.75)], true).to_json();
    assert_eq!(
        [&two["p50"], &two["min"], &two["max"]],
        [&json!(0.625), &json!(0.5), &json!(0.75)]
    );
}

#[test]
fn bars_have_round_bounds() {
    for (value, low, high) in [
        (1.0, 1.0, 2.0),
        (2.0, 2.0, 5.0),
        (4.999, 2.0, 5.0),
        (5.0, 5.0, 10.0),
        (10.0, 10.0, 20.0),
        (999.0, 500.0, 1_000.0),
        (1_000.0, 1_000.0, 2_000.0),
        (0.3, 0.2, 0.5),
        (0.2, 0.2, 0.5),
        (1e-300, 1e-300, 2e-300),
        (1e300, 1e300, 2e300),
    ] {
        let bar = bar_of(value);
        assert_eq!((bound_of(bar), bound_of(bar + 1)), (low, high), "{value}");
    }
    for exponent in -300..300 {
        for digit in [1, 2, 5] {
            let bound: f64 = format!("{digit}e{exponent}").parse().unwrap();
            assert_eq!(bound_of(bar_of(bound)), bound);
            assert!(bound_of(bar_of(bound.next_down())) < bound);
        }
    }
    let histogram = durations([1, 30].map(Number::Int), false).to_json()["histogram"].clone();
    let counts: Vec<Value> = histogram
        .as_array()
        .unwrap()
        .iter()
        .map(|bar| bar["count"].clone())
        .collect();
    assert_eq!(counts, [1, 0, 0, 0, 1].map(Value::from));
}

#[test]
fn extreme_durations() {
    let values = [f64::MIN_POSITIVE, f64::from_bits(1), 1e308, f64::INFINITY].map(Number::Float);
    let json = durations(values, true).to_json();
    assert_eq!(
        [&json["count"], &json["mean"], &json["max"]],
        [&json!(4), &json!("Infinity"), &json!("Infinity")]
    );
}

/// As [`durations`], with each value many times.
fn many(values: impl Iterator<Item = (i128, u64)>) -> Durations {
    let mut durations = Durations::empty(false);
    for (value, count) in values {
        for _ in 0..count {
            durations.add(Number::Int(value));
        }
    }
    durations
}

#[test]
fn a_million_are_exact_and_one_more_is_close() {
    let value = |number: u64| (i128::from(number * number % 999_983 + 1), 1);
    let exact = many((0..EXACT_DURATIONS_MAX).map(value));
    let exact_json = exact.to_json();
    assert_eq!(exact_json.get("approx"), None);
    let mut close = exact.clone();
    close.add(Number::Int(1));
    let close_json = close.to_json();
    assert_eq!(close_json["approx"], json!(true));
    for key in ["p50", "p90", "p99"] {
        let (exact, close) = (exact_json[key].as_f64().unwrap(), close_json[key].as_f64().unwrap());
        assert!((exact - close).abs() <= exact * 0.01, "{key}: {exact} {close}");
    }
    assert_eq!(close_json["count"], json!(EXACT_DURATIONS_MAX + 1));
    assert_eq!(
        [&close_json["min"], &close_json["max"]],
        [&exact_json["min"], &exact_json["max"]]
    );

    // However the same durations come together, the answer is the same.
    let mut other = durations([Number::Int(1)], false);
    assert!(other.merge(&exact));
    assert_eq!(other, close);
    let mut twice = close.clone();
    assert!(twice.merge(&other));
    let mut again = other;
    assert!(again.merge(&close));
    assert_eq!(twice, again);
    assert_eq!(twice.to_json()["p50"], close_json["p50"]);
}

#[test]
fn of_different_types_they_do_not_merge() {
    assert!(!durations([], false).merge(&durations([], true)));
}
