//! Names of steps: what they filter, as the query has it.

use serde_json::Value;

/// The steps' names in their order; empty without a funnel.
pub fn step_labels(query: &Value) -> Vec<String> {
    let sequence = query.pointer("/funnel/sequence").and_then(Value::as_array);
    sequence.into_iter().flatten().map(step_label).collect()
}

/// `event == buy`, `event == buy and price > 10`, `no event == buy`. Takes short and verbose filters.
pub fn step_label(step: &Value) -> String {
    let filters: Vec<String> = match (step.get("filter"), step.get("filters").and_then(Value::as_array)) {
        (Some(filter), _) => vec![filter_label(filter)],
        (None, Some(filters)) => filters.iter().map(filter_label).collect(),
        (None, None) => Vec::new(),
    };
    let label = filters.join(" and ");
    match step.get("rowFound") {
        Some(Value::Bool(false)) => format!("no {label}"),
        _ => label,
    }
}

/// `1 event == view`, `2 event == buy`, and numbers alone behind the last name, without end.
pub fn numbered(labels: &[String]) -> impl Iterator<Item = String> {
    let known = labels
        .iter()
        .enumerate()
        .map(|(at, label)| format!("{} {label}", at + 1));
    known
        .chain((labels.len() + 1..).map(|at| at.to_string()))
        .map(|label| label.trim_end().to_owned())
}

fn filter_label(filter: &Value) -> String {
    let parts: Vec<&Value> = match filter {
        Value::Array(parts) => parts.iter().collect(),
        Value::Object(members) => ["column", "op", "value"]
            .iter()
            .filter_map(|key| members.get(*key))
            .collect(),
        other => vec![other],
    };
    let texts: Vec<String> = parts.into_iter().map(value_text).collect();
    texts.join(" ")
}

/// A text as it is, any other value as JSON.
pub(crate) fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
