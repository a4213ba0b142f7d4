//! The stored form of partials: JSON, with a version.
//!
//! Maps are lists of pairs, because their keys are values, not text. Floats are written as text that reads back to the
//! very same double, 128-bit integers as text too.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{FunnelPartial, Partial, PartialError, Selection, StepPartial};
use crate::durations::{Durations, Shape};
use crate::scalar::{Real, Scalar};
use crate::sum::{StoredSum, Sum};
use crate::tally::Tally;

/// Version of the stored form.
const VERSION: u32 = 1;

impl Partial {
    /// The stored form, without the group ids.
    pub fn to_json(&self) -> Value {
        let stored = StoredPartial {
            version: VERSION,
            scanned_rows: self.scanned_rows,
            scanned_groups: self.scanned_groups,
            query: (&self.query).into(),
            funnel: self.funnel.as_ref().map(Into::into),
            compare: self
                .compare
                .as_ref()
                .map(|(matched, rest)| (matched.into(), rest.into())),
            lists_cut: self.lists_cut,
            approximate: self.approximate,
        };
        // Nothing in the form can fail to be JSON: no map with other keys than text, no float.
        serde_json::to_value(stored).unwrap_or_default()
    }

    /// Reads the stored form; group ids are put back with [`Partial::set_groups`].
    ///
    /// # Errors
    /// [`PartialError::Unreadable`] if it is of another version or damaged.
    pub fn from_json(stored: &Value) -> Result<Self, PartialError> {
        let version = stored.get("version").and_then(Value::as_u64);
        if version != Some(u64::from(VERSION)) {
            let found = version.map_or("none".to_owned(), |version| version.to_string());
            let reason = format!("its version is {found}, expected is {VERSION}");
            return Err(PartialError::Unreadable { reason });
        }
        let stored: StoredPartial = read(stored)?;
        stored.restore().ok_or_else(|| PartialError::Unreadable {
            reason: "a number is damaged".to_owned(),
        })
    }
}

fn read<T: DeserializeOwned>(stored: &Value) -> Result<T, PartialError> {
    T::deserialize(stored).map_err(|error| PartialError::Unreadable {
        reason: error.to_string(),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredPartial {
    version: u32,
    scanned_rows: u64,
    scanned_groups: u64,
    query: StoredSelection,
    #[serde(skip_serializing_if = "Option::is_none")]
    funnel: Option<StoredFunnel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare: Option<(StoredSelection, StoredSelection)>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lists_cut: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    approximate: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredSelection {
    groups: u64,
    rows: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tallies: Vec<StoredTally>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredFunnel {
    steps: Vec<StoredStep>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    end: Vec<StoredTally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breakdown: Option<Vec<(Option<Scalar>, Vec<StoredStep>)>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredStep {
    selection: StoredSelection,
    #[serde(skip_serializing_if = "Option::is_none")]
    since_previous: Option<StoredDurations>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
enum StoredTally {
    Rows(u64),
    Counts(Vec<(Scalar, u64)>),
    Sums(Vec<(Scalar, StoredSum)>),
    Total(StoredSum),
    Min(Option<Scalar>),
    Max(Option<Scalar>),
    Values(Vec<Scalar>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StoredDurations {
    sum: StoredSum,
    min: Option<Scalar>,
    max: Option<Scalar>,
    bars: Vec<(i32, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exact: Option<Vec<(Scalar, u64)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buckets: Option<Vec<(i32, u64)>>,
}

impl StoredPartial {
    fn restore(self) -> Option<Partial> {
        Some(Partial {
            scanned_rows: self.scanned_rows,
            scanned_groups: self.scanned_groups,
            query: self.query.restore()?,
            funnel: restore_optional(self.funnel, StoredFunnel::restore)?,
            compare: restore_optional(self.compare, |(matched, rest)| {
                Some((matched.restore()?, rest.restore()?))
            })?,
            groups: None,
            lists_cut: self.lists_cut,
            approximate: self.approximate,
        })
    }
}

/// `None` if there is something and it is damaged.
fn restore_optional<S, T>(stored: Option<S>, restore: impl Fn(S) -> Option<T>) -> Option<Option<T>> {
    match stored {
        Some(stored) => restore(stored).map(Some),
        None => Some(None),
    }
}

fn restore_all<S, T>(stored: Vec<S>, restore: impl Fn(S) -> Option<T>) -> Option<Vec<T>> {
    stored.into_iter().map(restore).collect()
}

impl From<&Selection> for StoredSelection {
    fn from(selection: &Selection) -> Self {
        let tallies = selection.tallies.iter().map(Into::into).collect();
        Self {
            groups: selection.groups,
            rows: selection.rows,
            tallies,
        }
    }
}

impl StoredSelection {
    fn restore(self) -> Option<Selection> {
        let tallies = restore_all(self.tallies, StoredTally::restore)?;
        Some(Selection {
            groups: self.groups,
            rows: self.rows,
            tallies,
        })
    }
}

impl From<&FunnelPartial> for StoredFunnel {
    fn from(funnel: &FunnelPartial) -> Self {
        let steps = |steps: &Vec<StepPartial>| steps.iter().map(Into::into).collect();
        Self {
            steps: steps(&funnel.steps),
            end: funnel.end.iter().map(Into::into).collect(),
            breakdown: funnel.breakdown.as_ref().map(|breakdown| {
                breakdown
                    .iter()
                    .map(|(value, of_value)| (value.clone(), steps(of_value)))
                    .collect()
            }),
        }
    }
}

impl StoredFunnel {
    fn restore(self) -> Option<FunnelPartial> {
        let steps = |steps| restore_all(steps, StoredStep::restore);
        let breakdown = |stored: Vec<(Option<Scalar>, Vec<StoredStep>)>| {
            stored
                .into_iter()
                .map(|(value, stored)| Some((value, steps(stored)?)))
                .collect::<Option<BTreeMap<_, _>>>()
        };
        Some(FunnelPartial {
            steps: steps(self.steps)?,
            end: restore_all(self.end, StoredTally::restore)?,
            breakdown: restore_optional(self.breakdown, breakdown)?,
        })
    }
}

impl From<&StepPartial> for StoredStep {
    fn from(step: &StepPartial) -> Self {
        Self {
            selection: (&step.selection).into(),
            since_previous: step.since_previous.as_ref().map(Into::into),
        }
    }
}

impl StoredStep {
    fn restore(self) -> Option<StepPartial> {
        let since_previous = restore_optional(self.since_previous, StoredDurations::restore)?;
        Some(StepPartial {
            selection: self.selection.restore()?,
            since_previous,
        })
    }
}

impl From<&Tally> for StoredTally {
    fn from(tally: &Tally) -> Self {
        match tally {
            Tally::Rows(count) => Self::Rows(*count),
            Tally::Counts(counts) => Self::Counts(pairs(counts)),
            Tally::Sums(sums) => Self::Sums(sums.iter().map(|(value, sum)| (value.clone(), sum.into())).collect()),
            Tally::Total(sum) => Self::Total(sum.into()),
            Tally::Extreme { is_max: false, value } => Self::Min(value.clone()),
            Tally::Extreme { is_max: true, value } => Self::Max(value.clone()),
            Tally::Values(values) => Self::Values(values.iter().cloned().collect()),
        }
    }
}

impl StoredTally {
    fn restore(self) -> Option<Tally> {
        Some(match self {
            Self::Rows(count) => Tally::Rows(count),
            Self::Counts(counts) => Tally::Counts(counts.into_iter().collect()),
            Self::Sums(sums) => {
                let sums = sums.into_iter().map(|(value, sum)| Some((value, sum.restore()?)));
                Tally::Sums(sums.collect::<Option<BTreeMap<Scalar, Sum>>>()?)
            }
            Self::Total(sum) => Tally::Total(sum.restore()?),
            Self::Min(value) => Tally::Extreme { is_max: false, value },
            Self::Max(value) => Tally::Extreme { is_max: true, value },
            Self::Values(values) => Tally::Values(values.into_iter().collect::<BTreeSet<Scalar>>()),
        })
    }
}

fn pairs<K: Clone>(counts: &BTreeMap<K, u64>) -> Vec<(K, u64)> {
    counts.iter().map(|(value, count)| (value.clone(), *count)).collect()
}

impl From<&Durations> for StoredDurations {
    fn from(durations: &Durations) -> Self {
        let (exact, buckets) = match &durations.shape {
            Shape::Exact(counts) => (Some(pairs(counts)), None),
            Shape::Buckets(counts) => (None, Some(pairs(counts))),
        };
        Self {
            sum: (&durations.sum).into(),
            min: durations.min.clone(),
            max: durations.max.clone(),
            bars: pairs(&durations.bars),
            exact,
            buckets,
        }
    }
}

impl StoredDurations {
    fn restore(self) -> Option<Durations> {
        let shape = match (self.exact, self.buckets) {
            (Some(counts), None) => Shape::Exact(counts.into_iter().collect()),
            (None, Some(counts)) => Shape::Buckets(counts.into_iter().collect()),
            _ => return None,
        };
        let bars = self.bars.into_iter().collect();
        Some(Durations {
            sum: self.sum.restore()?,
            min: self.min,
            max: self.max,
            bars,
            shape,
        })
    }
}

/// A float, written as an object to tell it from an integer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFloat {
    float: String,
}

/// An integer beyond 64 bits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredInteger {
    int: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredScalar {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(String),
    Float(StoredFloat),
    Integer(StoredInteger),
}

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = match self {
            Self::Bool(value) => StoredScalar::Bool(*value),
            Self::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => StoredScalar::Signed(value),
                (_, Ok(value)) => StoredScalar::Unsigned(value),
                _ => StoredScalar::Integer(StoredInteger { int: value.to_string() }),
            },
            Self::Float(value) => StoredScalar::Float(StoredFloat {
                float: format!("{:?}", value.get()),
            }),
            Self::Text(text) => StoredScalar::Text(text.to_string()),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match StoredScalar::deserialize(deserializer)? {
            StoredScalar::Bool(value) => Self::Bool(value),
            StoredScalar::Signed(value) => Self::Int(value.into()),
            StoredScalar::Unsigned(value) => Self::Int(value.into()),
            StoredScalar::Integer(value) => Self::Int(value.int.parse().map_err(D::Error::custom)?),
            StoredScalar::Text(text) => Self::Text(text.into()),
            StoredScalar::Float(value) => {
                let number = value.float.parse().map_err(D::Error::custom)?;
                Self::Float(Real::new(number).ok_or_else(|| D::Error::custom("NaN is no value"))?)
            }
        })
    }
}
