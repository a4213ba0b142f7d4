//! Aggregations of a document.

use serde_json::{Map, Value};

use super::Reader;
use crate::document::{Aggregation, AggregationKind};
use crate::finding::{Located, Pointer, excerpt, excerpt_text, json_type};

impl Reader<'_> {
    pub(super) fn aggregations(&mut self, map: &Map<String, Value>, at: &Pointer, key: &str) -> Vec<Aggregation> {
        let Some(value) = map.get(key) else { return Vec::new() };
        let mut at = at.key(key);
        let mut list = value;
        if value.is_object() {
            let Some(wrapper) = self.object(value, &at, "the object around aggregations", &["columns"]) else {
                return Vec::new();
            };
            let Some(columns) = self.required(wrapper, &at, "columns") else {
                return Vec::new();
            };
            list = columns;
            at = at.key("columns");
        }
        let items = self.list(list, &at);
        let read = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.aggregation(item, &at.index(index)));
        read.flatten().collect()
    }

    fn aggregation(&mut self, value: &Value, at: &Pointer) -> Option<Vec<Aggregation>> {
        let map = self.object(
            value,
            at,
            "an aggregation",
            &["column", "type", "name", "otherColumn", "top", "q"],
        )?;
        let column = self
            .required(map, at, "column")
            .and_then(|column| self.column(column, &at.key("column")));
        let name = self.name(map, at);
        let top = self.top(map, at, u64::MAX);
        match map.get("type") {
            None => {
                // An empty name is no name.
                let is_set = |key: &str| map.get(key).is_some_and(|value| key != "name" || *value != "");
                for key in ["name", "otherColumn", "q"].into_iter().filter(|key| is_set(key)) {
                    let message = format!(
                        "an aggregation of `{}` without a `type` takes no `{key}`",
                        column_of(map)
                    );
                    self.fault(&at.key(key), message);
                }
                Some(default_aggregations(&column?, top))
            }
            Some(kind) => {
                let kind = self.aggregation_kind(kind, &at.key("type"))?;
                let other = self.other_column(map, at, kind);
                let q = self.quantile(map, at, kind);
                if top.is_some() && !kind.is_per_value() {
                    self.fault(
                        &at.key("top"),
                        format!("`top` does not go with `{}`, whose answer is one number", kind.name()),
                    );
                }
                Some(vec![Aggregation {
                    column: column?,
                    kind,
                    other,
                    top,
                    q,
                    name,
                }])
            }
        }
    }

    fn aggregation_kind(&mut self, value: &Value, at: &Pointer) -> Option<AggregationKind> {
        let text = value.as_str().unwrap_or_default();
        let kind = AggregationKind::ALL.into_iter().find(|kind| kind.name() == text);
        match (kind, value) {
            (None, Value::String(text)) => {
                self.unknown_word(
                    "aggregation type",
                    text,
                    at,
                    &AggregationKind::ALL.map(AggregationKind::name),
                );
            }
            (None, _) => self.fault(
                at,
                format!("the type of an aggregation is a string, not {}", json_type(value)),
            ),
            (Some(_), _) => {}
        }
        kind
    }

    fn other_column(
        &mut self,
        map: &Map<String, Value>,
        at: &Pointer,
        kind: AggregationKind,
    ) -> Option<Located<String>> {
        let aggregation = format!("the aggregation `{}` of `{}`", kind.name(), column_of(map));
        match (map.get("otherColumn"), kind.needs_other()) {
            (Some(other), true) => self.column(other, &at.key("otherColumn")),
            (Some(_), false) => {
                self.fault(&at.key("otherColumn"), format!("{aggregation} takes no `otherColumn`"));
                None
            }
            (None, true) => {
                self.fault(at, format!("{aggregation} needs an `otherColumn`"));
                None
            }
            (None, false) => None,
        }
    }

    pub(super) fn quantile(&mut self, map: &Map<String, Value>, at: &Pointer, kind: AggregationKind) -> Option<f64> {
        match (map.get("q"), kind == AggregationKind::Quantile) {
            (Some(q), true) => {
                let share = q.as_f64().filter(|q| *q > 0.0 && *q < 1.0);
                if share.is_none() {
                    self.fault(
                        &at.key("q"),
                        format!("`q` lies strictly between 0 and 1, it cannot be {}", excerpt(q)),
                    );
                }
                share
            }
            (Some(_), false) => {
                self.fault(
                    &at.key("q"),
                    format!("`q` goes with `quantile`, not with `{}`", kind.name()),
                );
                None
            }
            (None, true) => {
                self.fault(
                    at,
                    format!("the aggregation `quantile` of `{}` needs a `q`", column_of(map)),
                );
                None
            }
            (None, false) => None,
        }
    }
}

fn column_of(map: &Map<String, Value>) -> String {
    map.get("column")
        .and_then(Value::as_str)
        .map(excerpt_text)
        .unwrap_or_default()
}

fn default_aggregations(column: &Located<String>, top: Option<u64>) -> Vec<Aggregation> {
    let aggregation = |kind: AggregationKind| Aggregation {
        column: column.clone(),
        kind,
        other: None,
        top: top.filter(|_| kind.is_per_value()),
        q: None,
        name: None,
    };
    AggregationKind::DEFAULTS.map(aggregation).into()
}
