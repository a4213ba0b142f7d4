//! Validation: structure, then static rules, then the dataset; all faults of all three in one answer.

mod binder;

use serde_json::{Map, Value, json};

use crate::document::{self, DEPTH_MAX};
use crate::finding::{Fault, Finding, FindingKind, Findings, Pointer};
use crate::query::{Dataset, Query};

/// `top` of aggregations per value that do not say otherwise.
pub const DEFAULT_TOP: u64 = 10;

/// The answer of validation.
#[derive(Debug, Clone)]
pub struct Validation {
    /// Whether the document is valid: there are no findings (there may be warnings).
    pub success: bool,
    /// All faults: structure first, then static rules, then what concerns the dataset; each group in document order.
    pub findings: Vec<Finding>,
    /// What is valid but probably not meant.
    pub warnings: Vec<Finding>,
    /// The query, if the document is valid and a dataset was given.
    pub query: Option<Query>,
    /// The document as given; null if it is not JSON or nested too deeply.
    pub source: Value,
    /// The document with all defaults and long forms written out, if it is valid.
    pub expanded: Option<Value>,
    /// Columns to read: group, time, then the others in the order of their first use; empty without a dataset.
    pub used_columns: Vec<String>,
    /// Indexes of the conditions that the relation mentions, in the order of their first use.
    pub used_conditions: Vec<usize>,
    /// Names of conditions with their index, in document order.
    pub condition_names: Vec<(String, usize)>,
}

/// Validates a query document. Without a dataset only structure and static rules are checked and no query is made.
pub fn validate(document: &Value, dataset: Option<&Dataset>) -> Validation {
    validate_with_top(document, dataset, DEFAULT_TOP)
}

/// As [`validate`], with another default for `top` (from 1 on). The default is written into the expanded document.
pub fn validate_with_top(document: &Value, dataset: Option<&Dataset>, default_top: u64) -> Validation {
    let mut findings = Findings::default();
    let mut warnings = Findings::default();
    let read = document::read(document, &mut findings);
    let checked = document::check(&read, &mut findings, &mut warnings);
    let default_top = (default_top != DEFAULT_TOP).then_some(default_top);
    let bound = dataset.map(|dataset| binder::bind(&read, &checked, dataset, &mut findings, &mut warnings));
    let expanded = findings
        .is_empty()
        .then(|| document::expand(&read, &checked, default_top));
    if let Some(expanded) = &expanded {
        check_expansion(expanded, &mut findings);
    }
    let success = findings.is_empty();
    let expanded = expanded.filter(|_| success);
    let used_columns = bound.as_ref().map_or(Vec::new(), |query| {
        query.columns().into_iter().map(str::to_owned).collect()
    });
    let query = bound
        .zip(expanded.as_ref())
        .map(|(query, expanded)| query.with_expanded(expanded, default_top));
    Validation {
        success,
        findings: findings.into_list(),
        warnings: warnings.into_list(),
        query,
        source: if document::is_deeper_than(document, DEPTH_MAX) {
            Value::Null
        } else {
            document.clone()
        },
        expanded,
        used_columns: if success { used_columns } else { Vec::new() },
        used_conditions: checked
            .relation
            .as_ref()
            .map(crate::relation::Relation::conditions)
            .unwrap_or_default(),
        condition_names: checked.names,
    }
}

/// The expanded document has to be a valid document itself, or no worker could read it.
fn check_expansion(expanded: &Value, findings: &mut Findings) {
    let mut faults = Findings::default();
    let read = document::read(expanded, &mut faults);
    document::check(&read, &mut faults, &mut Findings::default());
    for fault in faults.into_list() {
        let message = format!("the expanded query is not valid: {}", fault.message);
        let finding = Finding::new(Fault::Unexpected, &Pointer::default(), message);
        findings.push(finding.help("this is a bug of ours; please report it with the query"));
    }
}

/// As [`validate`], from text. Text that is not JSON gives one finding with its line and column.
pub fn validate_text(text: &str, dataset: Option<&Dataset>) -> Validation {
    match serde_json::from_str::<Value>(text) {
        Ok(document) => validate(&document, dataset),
        Err(error) => not_json(&error),
    }
}

fn not_json(error: &serde_json::Error) -> Validation {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    let message = format!("the query is not JSON: {reason}");
    let finding = Finding::new(Fault::NotJson, &Pointer::default(), message);
    Validation {
        success: false,
        findings: vec![Finding {
            position: Some((error.line().max(1), error.column().max(1))),
            ..finding
        }],
        warnings: Vec::new(),
        query: None,
        source: Value::Null,
        expanded: None,
        used_columns: Vec::new(),
        used_conditions: Vec::new(),
        condition_names: Vec::new(),
    }
}

impl Validation {
    /// The answer as a document with the members `success`, `errorKind`, `errorMessage`, `errors`, `warnings`,
    /// `sourceQuery`, `expandedQuery`, `usedColumns`, `usedConditions`, `conditionNames`. `errors` and `warnings` are
    /// always there, the others where they have content.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("success".to_owned(), json!(self.success));
        if let Some(first) = self.findings.first() {
            map.insert("errorKind".to_owned(), json!(first.kind.name()));
            map.insert("errorMessage".to_owned(), json!(error_message(first)));
        }
        map.insert(
            "errors".to_owned(),
            self.findings.iter().map(Finding::to_json).collect(),
        );
        map.insert(
            "warnings".to_owned(),
            self.warnings.iter().map(Finding::to_json).collect(),
        );
        if !self.source.is_null() {
            map.insert("sourceQuery".to_owned(), self.source.clone());
        }
        if let Some(expanded) = &self.expanded {
            map.insert("expandedQuery".to_owned(), expanded.clone());
        }
        if !self.used_columns.is_empty() {
            map.insert("usedColumns".to_owned(), json!(self.used_columns));
        }
        if !self.used_conditions.is_empty() {
            map.insert("usedConditions".to_owned(), json!(self.used_conditions));
        }
        if !self.condition_names.is_empty() {
            let names: Map<String, Value> = self
                .condition_names
                .iter()
                .map(|(name, index)| (name.clone(), json!(index)))
                .collect();
            map.insert("conditionNames".to_owned(), Value::Object(names));
        }
        Value::Object(map)
    }
}

/// The first fault in the one line that Funnel Rocket's clients know.
fn error_message(finding: &Finding) -> String {
    let kind: FindingKind = finding.kind;
    format!("ValidationError({}: {})", kind.name(), finding.message)
}

#[cfg(test)]
mod tests;
