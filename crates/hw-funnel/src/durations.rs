//! Times between steps: exact statistics, percentiles that are exact up to a million groups.
//!
//! Beyond that, the durations are kept in buckets whose bounds grow by 1 %: a percentile is then off by at most 1 % in
//! value, and says so. Whether the buckets are used depends on the number of durations alone, and buckets add up
//! exactly, so the answer does not depend on the order of merging.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::scalar::{Number, Real, Scalar};
use crate::sum::Sum;

/// Most durations for which percentiles are exact.
pub(crate) const EXACT_DURATIONS_MAX: u64 = 1_000_000;
/// Natural logarithm of the growth of buckets: the middle of a bucket is within half a per cent of all its values.
const BUCKET_GROWTH: f64 = 0.01;

/// A distribution of durations in the unit of the time column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Durations {
    pub(crate) sum: Sum,
    pub(crate) min: Option<Scalar>,
    pub(crate) max: Option<Scalar>,
    /// Counts per bar of the histogram.
    pub(crate) bars: BTreeMap<i32, u64>,
    pub(crate) shape: Shape,
}

/// What percentiles are read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Exact(BTreeMap<Scalar, u64>),
    Buckets(BTreeMap<i32, u64>),
}

impl Durations {
    pub(crate) fn empty(is_float: bool) -> Self {
        Self {
            sum: Sum::empty(is_float),
            min: None,
            max: None,
            bars: BTreeMap::new(),
            shape: Shape::Exact(BTreeMap::new()),
        }
    }

    /// Adds one duration, which is positive.
    pub(crate) fn add(&mut self, duration: Number) {
        let value = match duration {
            Number::Int(value) => Scalar::Int(value),
            Number::Float(value) => match Real::new(value) {
                Some(value) => Scalar::Float(value),
                None => return,
            },
        };
        self.sum.add(duration);
        *self.bars.entry(bar_of(duration.as_f64())).or_default() += 1;
        self.stretch(Some(&value), Some(&value));
        match &mut self.shape {
            Shape::Exact(counts) => *counts.entry(value).or_default() += 1,
            Shape::Buckets(counts) => *counts.entry(bucket_of(duration.as_f64())).or_default() += 1,
        }
        self.limit();
    }

    /// `false` if the other distribution is of another type.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        if !self.sum.merge(&other.sum) {
            return false;
        }
        for (bar, count) in &other.bars {
            *self.bars.entry(*bar).or_default() += count;
        }
        self.stretch(other.min.as_ref(), other.max.as_ref());
        if let (Shape::Exact(counts), Shape::Exact(more)) = (&mut self.shape, &other.shape) {
            for (value, count) in more {
                *counts.entry(value.clone()).or_default() += count;
            }
        } else {
            let mut buckets = self.shape.to_buckets();
            for (bucket, count) in other.shape.to_buckets() {
                *buckets.entry(bucket).or_default() += count;
            }
            self.shape = Shape::Buckets(buckets);
        }
        self.limit();
        true
    }

    fn stretch(&mut self, low: Option<&Scalar>, high: Option<&Scalar>) {
        if let Some(low) = low.filter(|low| self.min.as_ref().is_none_or(|min| *low < min)) {
            self.min = Some(low.clone());
        }
        if let Some(high) = high.filter(|high| self.max.as_ref().is_none_or(|max| *high > max)) {
            self.max = Some(high.clone());
        }
    }

    fn limit(&mut self) {
        if self.sum.count > EXACT_DURATIONS_MAX && matches!(self.shape, Shape::Exact(_)) {
            self.shape = Shape::Buckets(self.shape.to_buckets());
        }
    }

    /// The member `sincePrevious` of a step.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("count".to_owned(), json!(self.sum.count));
        let number = |value: &Option<Scalar>| value.as_ref().and_then(Scalar::number);
        let facts = [
            ("mean", self.sum.mean()),
            ("p50", self.percentile(0.5)),
            ("p90", self.percentile(0.9)),
            ("p99", self.percentile(0.99)),
            ("min", number(&self.min)),
            ("max", number(&self.max)),
        ];
        for (key, fact) in facts {
            if let Some(fact) = fact {
                map.insert(key.to_owned(), fact.to_json());
            }
        }
        map.insert("histogram".to_owned(), self.histogram());
        if matches!(self.shape, Shape::Buckets(_)) {
            map.insert("approx".to_owned(), json!(true));
        }
        Value::Object(map)
    }

    fn percentile(&self, q: f64) -> Option<Number> {
        match &self.shape {
            Shape::Exact(counts) => quantile(counts, q),
            Shape::Buckets(counts) => {
                let middle = |bucket: &i32| (f64::from(*bucket) * BUCKET_GROWTH).exp();
                let estimate = interpolate(counts.iter().map(|(bucket, count)| (middle(bucket), *count)), q)?;
                let low = self.min.as_ref()?.number()?.as_f64();
                let high = self.max.as_ref()?.number()?.as_f64();
                Some(Number::Float(estimate.clamp(low, high)))
            }
        }
    }

    /// All bars from the first to the last that is not empty, with bounds 1, 2, 5, 10, 20, 50 and so on; `from`
    /// belongs to a bar, `to` does not.
    fn histogram(&self) -> Value {
        let (Some((first, _)), Some((last, _))) = (self.bars.first_key_value(), self.bars.last_key_value()) else {
            return json!([]);
        };
        let bar = |bar: i32| {
            let count = self.bars.get(&bar).copied().unwrap_or(0);
            json!({"from": bound_to_json(bar), "to": bound_to_json(bar + 1), "count": count})
        };
        (*first..=*last).map(bar).collect()
    }
}

impl Shape {
    fn to_buckets(&self) -> BTreeMap<i32, u64> {
        match self {
            Self::Buckets(counts) => counts.clone(),
            Self::Exact(counts) => {
                let mut buckets = BTreeMap::new();
                for (value, count) in counts {
                    let value = value.number().map_or(0.0, Number::as_f64);
                    *buckets.entry(bucket_of(value)).or_default() += count;
                }
                buckets
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the logarithm of a double is small; zero saturates"
)]
fn bucket_of(duration: f64) -> i32 {
    (duration.ln() / BUCKET_GROWTH).round() as i32
}

/// Number of the bar that a duration falls into: bar `3 e` starts at `10^e`, the next ones at 2 and 5 times that.
fn bar_of(duration: f64) -> i32 {
    let below = BOUNDS.partition_point(|bound| *bound <= duration);
    FIRST_BAR + i32::try_from(below).unwrap_or(i32::MAX - 1) - 1
}

/// The bar of the smallest double; the last one begins at infinity.
const FIRST_BAR: i32 = 3 * (f64::MIN_10_EXP - 18);
const LAST_BAR: i32 = 3 * (f64::MAX_10_EXP + 1);

/// Lower bounds of all bars.
static BOUNDS: LazyLock<Vec<f64>> = LazyLock::new(|| (FIRST_BAR..=LAST_BAR).map(parsed_bound).collect());

/// Lower bound of a bar.
fn bound_of(bar: i32) -> f64 {
    let place = usize::try_from(bar - FIRST_BAR).ok();
    place
        .and_then(|place| BOUNDS.get(place))
        .copied()
        .unwrap_or(f64::INFINITY)
}

/// Text gives the double nearest to the decimal number, which repeated multiplication does not.
fn parsed_bound(bar: i32) -> f64 {
    let digit = match bar.rem_euclid(3) {
        0 => 1,
        1 => 2,
        _ => 5,
    };
    format!("{digit}e{}", bar.div_euclid(3))
        .parse()
        .unwrap_or(f64::INFINITY)
}

fn bound_to_json(bar: i32) -> Value {
    let bound = bound_of(bar);
    #[expect(clippy::cast_possible_truncation, reason = "the bound is a small integer")]
    if (1.0..1e15).contains(&bound) {
        return json!(bound as i64);
    }
    Number::Float(bound).to_json()
}

/// Quantile of a counted set, interpolated linearly between the two nearest values; the exact value where it falls on
/// one. `None` without input.
pub(crate) fn quantile(counts: &BTreeMap<Scalar, u64>, q: f64) -> Option<Number> {
    let numbers = counts
        .iter()
        .filter_map(|(value, count)| Some((value.number()?.as_f64(), *count)));
    interpolate(numbers, q).map(Number::Float)
}

/// `values` ascending with their counts.
#[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 do not occur")]
fn interpolate(values: impl Iterator<Item = (f64, u64)> + Clone, q: f64) -> Option<f64> {
    let total: u64 = values.clone().map(|(_, count)| count).sum();
    let place = q * (total.checked_sub(1)?) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 <= place < total"
    )]
    let below = place.floor() as u64;
    let low = value_at(values.clone(), below)?;
    let high = value_at(values, (below + 1).min(total - 1))?;
    let share = place - place.floor();
    Some(if share == 0.0 || low == high {
        low
    } else {
        low + (high - low) * share
    })
}

fn value_at(values: impl Iterator<Item = (f64, u64)>, index: u64) -> Option<f64> {
    let mut seen = 0;
    for (value, count) in values {
        seen += count;
        if index < seen {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
