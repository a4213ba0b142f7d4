//! The result document of a funnel job, as far as it is shown. Members that are not known are left aside.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use crate::figures::count;
use crate::label::value_text;

/// The document.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct FunnelResult {
    /// Groups that satisfy the conditions.
    #[serde(default)]
    pub query: Selection,
    /// The steps, where the query has a funnel.
    pub funnel: Option<Funnel>,
    /// The matched groups beside the others, where asked for.
    pub compare: Option<Compare>,
    /// How the answer was found.
    #[serde(default)]
    pub stats: Value,
}

/// A set of groups.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Their number.
    #[serde(default)]
    pub matching_groups: u64,
    /// All their rows within the timeframe.
    #[serde(default)]
    pub matching_group_rows: u64,
    /// In the order of the request.
    #[serde(default)]
    pub aggregations: Vec<Aggregation>,
    /// Of a step: times since the step before.
    pub since_previous: Option<Times>,
}

/// The steps of a funnel.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Funnel {
    /// Groups that passed this step and all before it.
    pub sequence: Vec<Selection>,
    /// Over the groups that passed the last step.
    #[serde(default)]
    pub end_aggregations: Vec<Aggregation>,
    /// The steps value by value, largest first step first.
    #[serde(default)]
    pub breakdown: Vec<Branch>,
}

/// The steps of one value of a breakdown.
#[derive(Debug, Clone, Deserialize)]
pub struct Branch {
    /// The value; `null` is one like any other.
    #[serde(default)]
    pub value: Value,
    /// Whether it stands for all values that are not listed.
    #[serde(default)]
    pub other: bool,
    /// For how many.
    pub values: Option<u64>,
    /// Its steps.
    pub sequence: Vec<Selection>,
}

/// The matched groups beside the others.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Compare {
    /// Those that match.
    pub matched: Selection,
    /// Those that do not.
    pub rest: Selection,
}

/// An aggregation and what came out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aggregation {
    /// The column.
    pub column: String,
    /// Its type, as in the query.
    #[serde(rename = "type")]
    pub kind: String,
    /// A number, a map from values to numbers, or `null` over no input.
    #[serde(default)]
    pub value: Value,
    /// The name that the query gives it.
    pub name: Option<String>,
}

/// Times between two steps, in the unit of the time column.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Times {
    /// Groups that reach the step.
    #[serde(default)]
    pub count: u64,
    /// Mean.
    #[serde(default, deserialize_with = "figure")]
    pub mean: Option<f64>,
    /// Median.
    #[serde(default, deserialize_with = "figure")]
    pub p50: Option<f64>,
    /// 90th percentile.
    #[serde(default, deserialize_with = "figure")]
    pub p90: Option<f64>,
    /// 99th percentile.
    #[serde(default, deserialize_with = "figure")]
    pub p99: Option<f64>,
    /// Shortest.
    #[serde(default, deserialize_with = "figure")]
    pub min: Option<f64>,
    /// Longest.
    #[serde(default, deserialize_with = "figure")]
    pub max: Option<f64>,
    /// Bars from the shortest time to the longest, without gaps.
    #[serde(default)]
    pub histogram: Vec<Bar>,
    /// Whether the percentiles may be off by 1 %.
    #[serde(default)]
    pub approx: bool,
}

/// A bar of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Bar {
    /// Lower bound, included.
    #[serde(default, deserialize_with = "figure")]
    pub from: Option<f64>,
    /// Upper bound, not included.
    #[serde(default, deserialize_with = "figure")]
    pub to: Option<f64>,
    /// Groups between them.
    #[serde(default)]
    pub count: u64,
}

/// Numbers that JSON cannot write come as texts: `Infinity`.
fn figure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    })
}

impl Branch {
    /// Its value for people: `(null)` and `(3 others)` in brackets.
    pub fn label(&self) -> String {
        match (self.other, self.values) {
            (true, Some(values)) => format!("({} others)", count(values)),
            (true, None) => "(others)".to_owned(),
            (false, _) if self.value.is_null() => "(null)".to_owned(),
            (false, _) => value_text(&self.value),
        }
    }
}

impl Aggregation {
    /// `priced (count of price)`.
    pub fn title(&self) -> String {
        let what = format!("{} of {}", self.kind, self.column);
        match &self.name {
            Some(name) => format!("{name} ({what})"),
            None => what,
        }
    }

    /// The entries of a map, largest first, equal ones by key; `None` for a single number.
    pub fn entries(&self) -> Option<Vec<(&str, &Value)>> {
        let values: &Map<String, Value> = self.value.as_object()?;
        let mut entries: Vec<(&str, &Value)> = values.iter().map(|(key, value)| (key.as_str(), value)).collect();
        // The document's order means nothing.
        entries.sort_by(|(key, value), (other_key, other)| {
            let (value, other) = (value.as_f64().unwrap_or(f64::NAN), other.as_f64().unwrap_or(f64::NAN));
            other.total_cmp(&value).then_with(|| key.cmp(other_key))
        });
        Some(entries)
    }
}
