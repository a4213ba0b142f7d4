//! JSON to [`Document`]: structure only, every fault reported, whatever can be read kept.

mod aggregations;
mod filters;

use serde_json::{Map, Value};

use super::{
    BREAKDOWN_TOP_MAX, Breakdown, BreakdownBy, Condition, ConditionBody, DEPTH_MAX, Document, Funnel, Rows, Step,
};
use crate::finding::{Fault, Finding, Findings, Located, Pointer, excerpt, excerpt_text, json_type};
use crate::time::parse_duration;

/// Reads a document. What is returned is complete if and only if nothing was added to `findings`.
pub(crate) fn read(document: &Value, findings: &mut Findings) -> Document {
    let mut reader = Reader {
        findings,
        columns: Vec::new(),
    };
    if is_deeper_than(document, DEPTH_MAX) {
        let message = format!("the document is nested deeper than {DEPTH_MAX} levels");
        reader.fault(&Pointer::default(), message);
        return Document::default();
    }
    let mut document = reader.document(document);
    document.columns = reader.columns;
    document
}

/// Measures the nesting with a stack of its own.
pub(crate) fn is_deeper_than(document: &Value, limit: usize) -> bool {
    let mut open = vec![(document, 1)];
    while let Some((value, depth)) = open.pop() {
        if depth > limit {
            return true;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(map) => open.extend(map.values().map(|item| (item, depth + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    false
}

struct Reader<'f> {
    findings: &'f mut Findings,
    /// Every column read so far, also those of parts that are dropped for another fault.
    columns: Vec<Located<String>>,
}

impl Reader<'_> {
    fn document(&mut self, value: &Value) -> Document {
        let at = Pointer::default();
        let mut document = Document::default();
        let Some(map) = self.object(value, &at, "the query", &["timeframe", "query", "funnel", "compare"]) else {
            return document;
        };
        if let Some(timeframe) = map.get("timeframe") {
            self.timeframe(timeframe, &at.key("timeframe"), &mut document);
        }
        if let Some(query) = map.get("query") {
            self.query(query, &at.key("query"), &mut document);
        }
        document.funnel = map
            .get("funnel")
            .and_then(|funnel| self.funnel(funnel, &at.key("funnel")));
        document.compare = self.flag(map, &at, "compare").is_some_and(|compare| compare.value);
        document
    }

    fn timeframe(&mut self, value: &Value, at: &Pointer, document: &mut Document) {
        let Some(map) = self.object(value, at, "a timeframe", &["from", "to"]) else {
            return;
        };
        document.from = map.get("from").and_then(|from| self.time(from, &at.key("from")));
        document.to = map.get("to").and_then(|to| self.time(to, &at.key("to")));
    }

    fn time(&mut self, value: &Value, at: &Pointer) -> Option<Located<Value>> {
        let is_valid = match value {
            Value::Number(number) => number.as_f64().is_some_and(|number| number >= 0.0),
            Value::String(_) => true,
            _ => false,
        };
        if !is_valid {
            let message = format!(
                "a time must be a number that is not negative, or ISO text, not {}",
                excerpt(value)
            );
            self.fault(at, message);
        }
        is_valid.then(|| Located {
            at: at.clone(),
            value: value.clone(),
        })
    }

    fn query(&mut self, value: &Value, at: &Pointer, document: &mut Document) {
        let keys = ["conditions", "relation", "aggregations"];
        let Some(map) = self.object(value, at, "`query`", &keys) else {
            return;
        };
        if let Some(conditions) = map.get("conditions") {
            let at = at.key("conditions");
            let items = self.list(conditions, &at);
            document.conditions = items
                .iter()
                .enumerate()
                .map(|(index, item)| self.condition(item, &at.index(index)))
                .collect();
        }
        document.relation = self.text(map, at, "relation");
        document.aggregations = self.aggregations(map, at, "aggregations");
    }

    fn condition(&mut self, value: &Value, at: &Pointer) -> Condition {
        let mut condition = Condition {
            at: at.clone(),
            name: None,
            body: None,
        };
        let keys = [
            "filter",
            "filters",
            "sequence",
            "target",
            "includeZero",
            "maxDuration",
            "name",
        ];
        let Some(map) = self.object(value, at, "a condition", &keys) else {
            return condition;
        };
        condition.name = self.name(map, at);
        let forms: Vec<&str> = ["filter", "filters", "sequence"]
            .into_iter()
            .filter(|form| map.contains_key(*form))
            .collect();
        condition.body = match forms.as_slice() {
            ["sequence"] => self.sequence_condition(map, at),
            [_] => self.rows_condition(map, at),
            _ => {
                let message = "a condition needs exactly one of `filter`, `filters` and `sequence`";
                self.fault(at, format!("{message}, this one has {}", forms.len()));
                None
            }
        };
        condition
    }

    fn sequence_condition(&mut self, map: &Map<String, Value>, at: &Pointer) -> Option<ConditionBody> {
        for key in ["target", "includeZero"] {
            if map.contains_key(key) {
                self.fault(&at.key(key), format!("a condition with a `sequence` takes no `{key}`"));
            }
        }
        let max_duration = self.max_duration(map, at);
        let steps = self.steps(map, at)?;
        Some(ConditionBody::Sequence { steps, max_duration })
    }

    fn rows_condition(&mut self, map: &Map<String, Value>, at: &Pointer) -> Option<ConditionBody> {
        if map.contains_key("maxDuration") {
            self.fault(
                &at.key("maxDuration"),
                "`maxDuration` belongs to a condition with a `sequence`",
            );
        }
        let rows = self.rows(map, at)?;
        let target = map.get("target").map(|target| self.target(target, &at.key("target")));
        // Without its target, which could not be read, the flag cannot be judged.
        let is_target_lost = target.as_ref().is_some_and(Option::is_none);
        let include_zero = self.flag(map, at, "includeZero").filter(|_| !is_target_lost);
        Some(ConditionBody::Rows {
            rows,
            target: target.flatten(),
            include_zero,
        })
    }

    fn steps(&mut self, map: &Map<String, Value>, at: &Pointer) -> Option<Vec<Step>> {
        let at = at.key("sequence");
        let items = self.filled_list(map.get("sequence")?, &at, "a `sequence`")?;
        Some(
            items
                .iter()
                .enumerate()
                .filter_map(|(index, item)| self.step(item, &at.index(index)))
                .collect(),
        )
    }

    fn step(&mut self, value: &Value, at: &Pointer) -> Option<Step> {
        let map = self.object(value, at, "a step", &["filter", "filters", "rowFound"])?;
        let row_found = self.flag(map, at, "rowFound").is_none_or(|flag| flag.value);
        if map.contains_key("filter") == map.contains_key("filters") {
            self.fault(at, "a step needs exactly one of `filter` and `filters`");
            return None;
        }
        Some(Step {
            rows: self.rows(map, at)?,
            row_found,
        })
    }

    /// The content of `filter` or `filters`, of which the caller has found exactly one.
    fn rows(&mut self, map: &Map<String, Value>, at: &Pointer) -> Option<Rows> {
        if let Some(filter) = map.get("filter") {
            let filter = self.filter(filter, &at.key("filter"));
            return Some(Rows {
                filters: filter.into_iter().collect(),
                is_list: false,
            });
        }
        let at = at.key("filters");
        let items = self.filled_list(map.get("filters")?, &at, "`filters`")?;
        let filters = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.verbose_filter(item, &at.index(index)));
        Some(Rows {
            filters: filters.collect(),
            is_list: true,
        })
    }

    fn funnel(&mut self, value: &Value, at: &Pointer) -> Option<Funnel> {
        let keys = [
            "sequence",
            "maxDuration",
            "stepAggregations",
            "endAggregations",
            "stepTimes",
            "breakdown",
        ];
        let map = self.object(value, at, "`funnel`", &keys)?;
        self.required(map, at, "sequence");
        Some(Funnel {
            at: at.clone(),
            steps: self.steps(map, at).unwrap_or_default(),
            max_duration: self.max_duration(map, at),
            step_aggregations: self.aggregations(map, at, "stepAggregations"),
            end_aggregations: self.aggregations(map, at, "endAggregations"),
            step_times: self.flag(map, at, "stepTimes").is_some_and(|flag| flag.value),
            breakdown: map
                .get("breakdown")
                .and_then(|value| self.breakdown(value, &at.key("breakdown"))),
        })
    }

    fn max_duration(&mut self, map: &Map<String, Value>, at: &Pointer) -> Option<Located<Value>> {
        let value = map.get("maxDuration")?;
        let at = at.key("maxDuration");
        let is_valid = match value {
            Value::Number(number) => number.as_f64().is_some_and(|number| number >= 0.0),
            Value::String(text) => parse_duration(text).is_some(),
            _ => false,
        };
        if !is_valid {
            let message = format!(
                "a duration is a number that is not negative, or text such as \"30m\", not {}",
                excerpt(value)
            );
            self.fault_with_help(&at, message, "the units are `ns us ms s m h d w`");
        }
        is_valid.then(|| Located {
            at,
            value: value.clone(),
        })
    }

    fn breakdown(&mut self, value: &Value, at: &Pointer) -> Option<Breakdown> {
        let map = self.object(value, at, "a breakdown", &["column", "by", "top"])?;
        let column = self
            .required(map, at, "column")
            .and_then(|column| self.column(column, &at.key("column")));
        let by = match map.get("by").map(|by| (by, by.as_str())) {
            None | Some((_, Some("first"))) => BreakdownBy::First,
            Some((_, Some("pair"))) => BreakdownBy::Pair,
            Some((by, _)) => {
                self.fault(&at.key("by"), format!("`by` is `first` or `pair`, not {}", excerpt(by)));
                BreakdownBy::First
            }
        };
        let top = self.top(map, at, BREAKDOWN_TOP_MAX);
        Some(Breakdown {
            column: column?,
            by,
            top,
        })
    }

    fn top(&mut self, map: &Map<String, Value>, at: &Pointer, limit: u64) -> Option<u64> {
        let value = map.get("top")?;
        let top = value.as_u64().filter(|top| (1..=limit).contains(top));
        if top.is_none() {
            let range = if limit == u64::MAX {
                "from 1".to_owned()
            } else {
                format!("from 1 to {limit}")
            };
            self.fault(
                &at.key("top"),
                format!("`top` is an integer {range}, not {}", excerpt(value)),
            );
        }
        top
    }

    fn name(&mut self, map: &Map<String, Value>, at: &Pointer) -> Option<Located<String>> {
        let name = self.text(map, at, "name").filter(|name| !name.value.is_empty())?;
        if is_name(&name.value) {
            return Some(name);
        }
        let message = format!("`{}` is not a name", excerpt_text(&name.value));
        self.fault_with_help(
            &name.at,
            message,
            "a name is a letter followed by letters, digits and `_`",
        );
        None
    }

    fn text(&mut self, map: &Map<String, Value>, at: &Pointer, key: &str) -> Option<Located<String>> {
        let value = map.get(key)?;
        let at = at.key(key);
        match value {
            Value::String(text) => Some(Located {
                at,
                value: text.clone(),
            }),
            _ => {
                self.fault(&at, format!("`{key}` is a string, not {}", json_type(value)));
                None
            }
        }
    }

    fn flag(&mut self, map: &Map<String, Value>, at: &Pointer, key: &str) -> Option<Located<bool>> {
        let value = map.get(key)?;
        let at = at.key(key);
        match value {
            Value::Bool(flag) => Some(Located { at, value: *flag }),
            _ => {
                self.fault(&at, format!("`{key}` is true or false, not {}", json_type(value)));
                None
            }
        }
    }

    fn required<'v>(&mut self, map: &'v Map<String, Value>, at: &Pointer, key: &str) -> Option<&'v Value> {
        let value = map.get(key);
        if value.is_none() {
            self.fault(at, format!("the key `{key}` is missing"));
        }
        value
    }

    /// The items of a list; none of what is not a list, which is reported.
    fn list<'v>(&mut self, value: &'v Value, at: &Pointer) -> &'v [Value] {
        match value {
            Value::Array(items) => items,
            _ => {
                self.fault(at, format!("expected a list, not {}", json_type(value)));
                &[]
            }
        }
    }

    fn filled_list<'v>(&mut self, value: &'v Value, at: &Pointer, what: &str) -> Option<&'v [Value]> {
        let list = self.list(value, at);
        if list.is_empty() && value.is_array() {
            self.fault(at, format!("{what} needs at least one item"));
        }
        (!list.is_empty()).then_some(list)
    }

    /// The members of an object; keys that do not belong there are reported.
    fn object<'v>(
        &mut self,
        value: &'v Value,
        at: &Pointer,
        what: &str,
        keys: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Value::Object(map) = value else {
            self.fault(at, format!("{what} is an object, not {}", json_type(value)));
            return None;
        };
        for key in map.keys().filter(|key| !keys.contains(&key.as_str())) {
            let message = format!("{what} has no key `{}`", excerpt_text(key));
            let help = self.findings.did_you_mean(key, keys.iter().copied());
            let help = help.or_else(|| Some(format!("the keys are {}", quoted(keys))));
            self.findings
                .push(Finding::new(Fault::Schema, &at.key(key), message).maybe_help(help));
        }
        Some(map)
    }

    fn unknown_word(&mut self, what: &str, word: &str, at: &Pointer, known: &[&str]) {
        let help = self.findings.did_you_mean(word, known.iter().copied());
        let help = help.or_else(|| Some(format!("known are {}", quoted(known))));
        let message = format!("there is no {what} `{}`", excerpt_text(word));
        self.findings
            .push(Finding::new(Fault::Schema, at, message).maybe_help(help));
    }

    fn fault(&mut self, at: &Pointer, message: impl Into<String>) {
        self.findings.push(Finding::new(Fault::Schema, at, message));
    }

    fn fault_with_help(&mut self, at: &Pointer, message: impl Into<String>, help: &str) {
        self.findings.push(Finding::new(Fault::Schema, at, message).help(help));
    }
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A letter followed by letters, digits and underscores, all ASCII.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}
