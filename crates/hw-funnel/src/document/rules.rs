//! Static rules: what can be said about a document without a dataset.

use std::collections::HashMap;

use serde_json::Value;

use super::{Aggregation, Checked, Condition, ConditionBody, Document, Target};
use crate::comparison::Comparison;
use crate::finding::{Fault, Finding, Findings, Located, bare_excerpt, excerpt, excerpt_text};
use crate::relation::{RELATION_BYTES_MAX, Relation, RelationFault, Step, single_operator};
use crate::scalar::Number;

/// Checks names, relation, `includeZero`, sequences and the order of the timeframe.
pub(crate) fn check(document: &Document, findings: &mut Findings, warnings: &mut Findings) -> Checked {
    let names = check_condition_names(&document.conditions, findings);
    for list in document.aggregation_lists() {
        check_aggregation_names(list, findings);
    }
    for condition in &document.conditions {
        check_include_zero(condition, findings, warnings);
    }
    check_sequences(document, findings);
    check_timeframe(document, findings);
    let mut checked = Checked {
        names,
        ..Checked::default()
    };
    check_relation(document, &mut checked, findings, warnings);
    checked
}

/// Names in order, with their index. Relations are case-insensitive, so names that differ by case alone are refused.
fn check_condition_names(conditions: &[Condition], findings: &mut Findings) -> Vec<(String, usize)> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    let mut names = Vec::new();
    for (index, condition) in conditions.iter().enumerate() {
        let Some(name) = &condition.name else { continue };
        let lower = name.value.to_lowercase();
        if lower == "and" || lower == "or" {
            let message = format!(
                "a condition cannot be called `{}`, which is an operator of the relation",
                name.value
            );
            findings.push(Finding::new(Fault::Schema, &name.at, message));
        }
        match seen.insert(lower, &name.value) {
            None => names.push((name.value.clone(), index)),
            Some(earlier) => findings.push(repeated_condition_name(name, earlier)),
        }
    }
    names
}

fn repeated_condition_name(name: &Located<String>, earlier: &str) -> Finding {
    let message = if name.value == earlier {
        format!("the condition name `{}` is used twice", excerpt_text(earlier))
    } else {
        let (name, earlier) = (excerpt_text(&name.value), excerpt_text(earlier));
        format!("the condition names `{earlier}` and `{name}` differ by case only")
    };
    let finding = Finding::new(Fault::Schema, &name.at, message);
    finding.help("give each condition a name of its own; relations do not distinguish case")
}

fn check_aggregation_names(list: &[Aggregation], findings: &mut Findings) {
    let mut seen = std::collections::HashSet::new();
    for name in list.iter().filter_map(|aggregation| aggregation.name.as_ref()) {
        if !seen.insert(&name.value) {
            let message = format!(
                "the aggregation name `{}` is used twice in one list",
                excerpt_text(&name.value)
            );
            findings.push(Finding::new(Fault::Schema, &name.at, message));
        }
    }
}

fn check_include_zero(condition: &Condition, findings: &mut Findings, warnings: &mut Findings) {
    let Some(ConditionBody::Rows {
        target, include_zero, ..
    }) = &condition.body
    else {
        return;
    };
    let target_text = target.as_ref().map_or("count >= 1".to_owned(), Target::text);
    if let Some(flag) = include_zero
        && let Some(reason) = include_zero_fault(target.as_ref(), flag.value)
    {
        let message = format!("`includeZero` does not go with the target `{target_text}`: {reason}");
        findings.push(Finding::new(Fault::TypeMismatch, &flag.at, message));
    }
    let includes_zero = include_zero.as_ref().is_some_and(|flag| flag.value);
    if let Some(target) = target.as_ref().filter(|target| target.is_impossible(includes_zero)) {
        let message = format!("no group can satisfy the target `{target_text}`");
        let help = "a group without matching rows is only counted with `\"includeZero\": true`";
        warnings.push(Finding::new(Fault::ImpossibleTarget, &target.at, message).help(help));
    }
}

fn include_zero_fault(target: Option<&Target>, flag: bool) -> Option<&'static str> {
    const EXCLUDED: &str = "zero is excluded by the target";
    let Some(target) = target else {
        return flag.then_some(EXCLUDED);
    };
    let is_zero = target.value == Number::Int(0);
    match (flag, target.comparison) {
        (true, _) if target.sum.is_some() => Some("a sum has no rows to count"),
        (false, Comparison::Equal) if is_zero && target.sum.is_none() => {
            Some("it asks for groups without matching rows")
        }
        (false, _) => None,
        (true, Comparison::Greater) => Some(EXCLUDED),
        (true, Comparison::Less) => is_zero.then_some("a count is never negative"),
        (true, Comparison::NotEqual) => is_zero.then_some(EXCLUDED),
        (true, Comparison::Equal | Comparison::GreaterOrEqual) => (!is_zero).then_some(EXCLUDED),
        (true, Comparison::LessOrEqual) => None,
    }
}

impl Target {
    /// As in `count >= 1` or `sum price > 2.5`.
    fn text(&self) -> String {
        let subject = match &self.sum {
            Some(column) => format!("sum {}", excerpt_text(&column.value)),
            None => "count".to_owned(),
        };
        format!("{subject} {} {}", self.comparison.text(), bare_excerpt(&self.written))
    }

    /// Whether no count from 1 on satisfies the target and zero is not asked for.
    fn is_impossible(&self, includes_zero: bool) -> bool {
        let is_count = self.sum.is_none();
        match self.comparison {
            Comparison::Less if self.value == Number::Int(0) => is_count,
            Comparison::Less if self.value == Number::Int(1) => is_count && !includes_zero,
            Comparison::LessOrEqual if self.value == Number::Int(0) => is_count && !includes_zero,
            _ => false,
        }
    }
}

fn check_sequences(document: &Document, findings: &mut Findings) {
    for (at, steps) in document.sequences() {
        if !steps.is_empty() && steps.iter().all(|step| !step.row_found) {
            let message = "a sequence needs at least one step whose row is to be found";
            findings.push(Finding::new(Fault::Schema, &at.key("sequence"), message));
        }
    }
}

/// Bounds of the same form are compared here; a number against text needs the dataset.
fn check_timeframe(document: &Document, findings: &mut Findings) {
    let (Some(from), Some(to)) = (&document.from, &document.to) else {
        return;
    };
    let (Value::Number(first), Value::Number(end)) = (&from.value, &to.value) else {
        return;
    };
    let order = Number::from_json(end)
        .zip(Number::from_json(first))
        .and_then(|(end, first)| end.compare(first));
    if order.is_some_and(|order| order.is_le()) {
        findings.push(empty_timeframe(from, to));
    }
}

pub(crate) fn empty_timeframe(from: &Located<Value>, to: &Located<Value>) -> Finding {
    let (first, end) = (excerpt(&from.value), excerpt(&to.value));
    let message = format!("the timeframe is empty: `to` {end} is not after `from` {first}");
    Finding::new(Fault::Schema, &to.at, message)
        .help("`from` belongs to the timeframe, `to` is the first time after it")
}

fn check_relation(document: &Document, checked: &mut Checked, findings: &mut Findings, warnings: &mut Findings) {
    let count = document.conditions.len();
    let written = document.relation.as_ref();
    if count == 0 {
        if let Some(relation) = written {
            let message = "there is a relation, but no condition to relate";
            findings.push(Finding::new(Fault::Relation, &relation.at, message));
        }
        return;
    }
    let single = match written {
        None => Some(("and".to_owned(), Step::And)),
        Some(relation) => single_operator(&relation.value),
    };
    match (single, written) {
        (Some((word, join)), _) => {
            let all: Vec<String> = (0..count).map(|index| format!("${index}")).collect();
            checked.relation_text = Some(all.join(&format!(" {word} ")));
            checked.relation = Some(Relation::joined(count, join));
        }
        (None, Some(relation)) => check_expression(document, relation, checked, findings),
        (None, None) => {}
    }
    warn_of_unused(document, checked, warnings);
}

fn check_expression(document: &Document, written: &Located<String>, checked: &mut Checked, findings: &mut Findings) {
    let names = checked
        .names
        .iter()
        .map(|(name, index)| (name.to_lowercase(), *index))
        .collect();
    let count = document.conditions.len();
    match Relation::parse(&written.value, count, &names) {
        Ok(relation) => {
            checked.relation = Some(relation);
            checked.relation_text = Some(written.value.trim().to_owned());
        }
        Err(faults) => {
            for fault in faults {
                let finding = relation_finding(&fault, written, count, &checked.names, findings);
                findings.push(finding);
            }
        }
    }
}

fn relation_finding(
    fault: &RelationFault,
    written: &Located<String>,
    count: usize,
    names: &[(String, usize)],
    findings: &Findings,
) -> Finding {
    let finding = |message: String| Finding::new(Fault::Relation, &written.at, message);
    match fault {
        RelationFault::Empty => finding("the relation is empty".to_owned())
            .help("leave it out to join all conditions with `and`, or write for instance `$0 or $1`"),
        RelationFault::TooLong { bytes } => finding(format!(
            "the relation has {bytes} bytes, more than the limit of {RELATION_BYTES_MAX}"
        )),
        RelationFault::UnknownIndex { text } => {
            let last = count.saturating_sub(1);
            finding(format!("there is no condition `${}`", excerpt_text(text)))
                .help(format!("the conditions are `$0` to `${last}`"))
        }
        RelationFault::UnknownName { name } => {
            let help = findings.did_you_mean(name, names.iter().map(|(name, _)| name.as_str()));
            finding(format!("no condition is called `{}`", excerpt_text(name))).maybe_help(help)
        }
        RelationFault::Syntax { expected, at } => {
            let rest = written.value.get(*at..).unwrap_or_default().trim_start();
            let found = if rest.is_empty() {
                "the end".to_owned()
            } else {
                format!("`{}`", excerpt_text(rest))
            };
            finding(format!(
                "the relation has {found} at byte {at}, where {expected} is expected"
            ))
            .help("write for instance `$0 and ($1 or not $name)`")
        }
    }
}

fn warn_of_unused(document: &Document, checked: &Checked, warnings: &mut Findings) {
    let Some(relation) = &checked.relation else { return };
    let mut is_used = vec![false; document.conditions.len()];
    for index in relation.conditions() {
        if let Some(flag) = is_used.get_mut(index) {
            *flag = true;
        }
    }
    let conditions = document.conditions.iter().zip(is_used).enumerate();
    for (index, (condition, _)) in conditions.filter(|(_, (_, is_used))| !is_used) {
        let label = condition
            .name
            .as_ref()
            .map_or(index.to_string(), |name| name.value.clone());
        let message = format!("the relation does not mention condition `${label}`, which therefore has no effect");
        warnings.push(Finding::new(Fault::UnusedCondition, &condition.at, message));
    }
}
