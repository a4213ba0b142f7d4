//! Binds a document to a dataset: columns to indexes, values to types, times to the stored unit.

mod times;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::column::ColumnKind;
use crate::comparison::Operator;
use crate::document::{self, AggregationKind, Checked, ConditionBody, Document, Rows};
use crate::filter::{Filter, Mismatch, Test, applies};
use crate::finding::{Fault, Finding, Findings, Located, Pointer, excerpt, excerpt_text, json_type};
use crate::query::{Aggregation, Breakdown, Column, Condition, Dataset, Funnel, Query, Sequence, Target};
use crate::scalar::Number;
use crate::validate::DEFAULT_TOP;

/// Binds as much as can be bound; the query is complete if and only if nothing was added to `findings`.
pub(super) fn bind(
    document: &Document,
    checked: &Checked,
    dataset: &Dataset,
    findings: &mut Findings,
    warnings: &mut Findings,
) -> Query {
    let mut binder = Binder::new(dataset, findings, warnings);
    let time_column = binder.group_and_time();
    let bounds = binder.timeframe(document);
    let conditions = document
        .conditions
        .iter()
        .filter_map(|condition| binder.condition(condition))
        .collect();
    let aggregations = binder.aggregations(&document.aggregations);
    let funnel = document.funnel.as_ref().map(|funnel| binder.funnel(funnel));
    for column in &document.columns {
        binder.column(column);
    }
    Query {
        expanded: Value::Null,
        columns: binder.columns,
        time_column: time_column.unwrap_or(0),
        bounds,
        filters: binder.filters,
        conditions,
        relation: checked.relation.clone(),
        aggregations,
        funnel,
        compare: document.compare,
    }
}

impl Query {
    /// Completes a bound query.
    pub(super) fn with_expanded(mut self, expanded: &Value, default_top: Option<u64>) -> Self {
        self.expanded = expanded.clone();
        if let Some(top) = default_top {
            self.set_default_top(top);
        }
        self
    }

    fn set_default_top(&mut self, top: u64) {
        let funnel = self.funnel.iter_mut();
        let funnel = funnel.flat_map(|funnel| funnel.step_aggregations.iter_mut().chain(&mut funnel.end_aggregations));
        for aggregation in self
            .aggregations
            .iter_mut()
            .chain(funnel)
            .filter(|aggregation| !aggregation.is_top_given)
        {
            aggregation.top = top;
        }
    }
}

struct Binder<'a> {
    dataset: &'a Dataset,
    known: HashMap<&'a str, Column>,
    findings: &'a mut Findings,
    warnings: &'a mut Findings,
    columns: Vec<Column>,
    /// The time column, once it has been found.
    time: Option<Column>,
    indexes: HashMap<String, usize>,
    filters: Vec<Filter>,
    filter_indexes: HashMap<String, usize>,
    /// Places where a missing column has been reported.
    reported: HashSet<String>,
}

impl<'a> Binder<'a> {
    fn new(dataset: &'a Dataset, findings: &'a mut Findings, warnings: &'a mut Findings) -> Self {
        let known = dataset.columns.iter().filter_map(|(name, data_type)| {
            let kind = ColumnKind::of(data_type)?;
            Some((
                name.as_str(),
                Column {
                    name: name.clone(),
                    data_type: data_type.clone(),
                    kind,
                },
            ))
        });
        Self {
            dataset,
            known: known.collect(),
            findings,
            warnings,
            columns: Vec::new(),
            time: None,
            indexes: HashMap::new(),
            filters: Vec::new(),
            filter_indexes: HashMap::new(),
            reported: HashSet::new(),
        }
    }

    /// Puts the two named columns first; returns the index of the time column.
    fn group_and_time(&mut self) -> Option<usize> {
        let dataset = self.dataset;
        let is_group = |kind: &ColumnKind| matches!(kind, ColumnKind::Int | ColumnKind::Text);
        let is_time = |kind: &ColumnKind| kind.is_numeric() || matches!(kind, ColumnKind::Calendar(_));
        self.named_column("group", &dataset.group_column, "an integer or a string", is_group);
        let index = self.named_column("time", &dataset.time_column, "a number, a timestamp or a date", is_time)?;
        self.time = self.columns.get(index).cloned();
        Some(index)
    }

    fn named_column(
        &mut self,
        role: &str,
        name: &str,
        expected: &str,
        fits: impl Fn(&ColumnKind) -> bool,
    ) -> Option<usize> {
        let message = match self.known.get(name) {
            None if self.dataset.columns.iter().any(|(known, _)| known == name) => {
                format!(
                    "the {role} column `{}` is of a type that funnels cannot read",
                    excerpt_text(name)
                )
            }
            None => format!(
                "the {role} column `{}` is not among the columns of the dataset",
                excerpt_text(name)
            ),
            Some(column) if !fits(&column.kind) => {
                let name = excerpt_text(name);
                format!(
                    "the {role} column `{name}` is of type {}, but has to be {expected}",
                    type_name(column)
                )
            }
            Some(_) => return self.index(name),
        };
        self.findings
            .push(Finding::new(Fault::InvalidArguments, &Pointer::default(), message));
        None
    }

    /// Index of a column that is known.
    fn index(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.indexes.get(name) {
            return Some(*index);
        }
        let column = self.known.get(name)?.clone();
        let index = self.columns.len();
        self.columns.push(column);
        self.indexes.insert(name.to_owned(), index);
        Some(index)
    }

    fn column(&mut self, name: &Located<String>) -> Option<(usize, Column)> {
        let index = self.index(&name.value);
        let Some(index) = index else {
            self.report_missing(name);
            return None;
        };
        self.columns.get(index).map(|column| (index, column.clone()))
    }

    fn report_missing(&mut self, name: &Located<String>) {
        if !self.reported.insert(format!("{:?}", name.at)) {
            return;
        }
        let column = excerpt_text(&name.value);
        let listed = self.dataset.columns.iter().find(|(known, _)| *known == name.value);
        let finding = if let Some((_, data_type)) = listed {
            let message = format!("the column `{column}` has the type `{data_type}`, which funnels cannot read");
            Finding::new(Fault::NoSuchColumn, &name.at, message)
        } else if self.dataset.unsupported.contains(&name.value) {
            let message = format!("the column `{column}` has a type that funnels cannot read");
            Finding::new(Fault::NoSuchColumn, &name.at, message)
        } else {
            let help = self.findings.did_you_mean(
                &name.value,
                self.dataset.columns.iter().map(|(known, _)| known.as_str()),
            );
            let message = format!("the dataset has no column `{column}`");
            Finding::new(Fault::NoSuchColumn, &name.at, message).maybe_help(help)
        };
        self.findings.push(finding);
    }

    fn numeric_column(&mut self, name: &Located<String>, role: &str) -> Option<usize> {
        let (index, column) = self.column(name)?;
        if column.kind.is_numeric() {
            return Some(index);
        }
        let (name_text, actual) = (excerpt_text(&name.value), type_name(&column));
        let message = format!("the column `{name_text}` {role} is of type {actual}, but has to be INT or FLOAT");
        self.mismatch(&name.at, message);
        None
    }

    fn condition(&mut self, condition: &document::Condition) -> Option<Condition> {
        match condition.body.as_ref()? {
            ConditionBody::Rows {
                rows,
                target,
                include_zero,
            } => {
                let filters = self.rows(rows);
                let implied = target.as_ref().is_some_and(document::Target::implies_zero);
                Some(Condition::Rows {
                    filters,
                    target: self.target(target.as_ref()),
                    include_zero: include_zero.as_ref().map_or(implied, |flag| flag.value),
                })
            }
            ConditionBody::Sequence { steps, max_duration } => {
                Some(Condition::Sequence(self.sequence(steps, max_duration.as_ref())))
            }
        }
    }

    fn target(&mut self, target: Option<&document::Target>) -> Target {
        let Some(target) = target else {
            let comparison = crate::comparison::Comparison::GreaterOrEqual;
            return Target {
                sum: None,
                comparison,
                constant: Number::Int(1),
            };
        };
        let sum = target
            .sum
            .as_ref()
            .and_then(|column| self.numeric_column(column, "of a sum target"));
        let is_float = sum
            .and_then(|sum| self.columns.get(sum))
            .is_some_and(|column| column.kind == ColumnKind::Float);
        // A sum of doubles is compared as a double, a sum of integers exactly.
        let constant = if is_float {
            Number::Float(target.value.as_f64())
        } else {
            target.value
        };
        Target {
            sum,
            comparison: target.comparison,
            constant,
        }
    }

    fn rows(&mut self, rows: &Rows) -> Vec<usize> {
        rows.filters.iter().filter_map(|filter| self.filter(filter)).collect()
    }

    fn filter(&mut self, filter: &document::Filter) -> Option<usize> {
        let (index, column) = self.column(&filter.column)?;
        let value = filter.value.as_ref().map(|value| &value.value);
        let operator = filter.operator.value;
        match Test::bind(&column.kind, operator, value) {
            Ok(test) => Some(self.distinct_filter(index, operator, value, test)),
            Err(Mismatch::Operator) => {
                self.report_operator(filter, &column);
                None
            }
            Err(Mismatch::Values(faults)) => {
                for (place, reason) in faults {
                    self.report_filter_value(filter, place, &reason, &column);
                }
                None
            }
        }
    }

    fn report_filter_value(&mut self, filter: &document::Filter, place: Option<usize>, reason: &str, column: &Column) {
        let Some(value) = &filter.value else { return };
        match place.and_then(|place| Some((value.at.index(place), value.value.get(place)?))) {
            Some((at, item)) => self.report_value(&at, item, reason, column),
            None => self.report_value(&value.at, &value.value, reason, column),
        }
    }

    /// Equal filters are evaluated once, however often they occur.
    fn distinct_filter(&mut self, column: usize, operator: Operator, value: Option<&Value>, test: Test) -> usize {
        let identity = format!(
            "{column} {} {}",
            operator.text(),
            value.map(Value::to_string).unwrap_or_default()
        );
        let filters = &mut self.filters;
        *self.filter_indexes.entry(identity).or_insert_with(|| {
            filters.push(Filter { column, test });
            filters.len() - 1
        })
    }

    fn report_operator(&mut self, filter: &document::Filter, column: &Column) {
        let (operator, name) = (filter.operator.value.text(), excerpt_text(&column.name));
        let allowed: Vec<String> = Operator::all()
            .filter(|operator| applies(&column.kind, *operator))
            .map(|operator| format!("`{}`", operator.text()))
            .collect();
        let message = format!(
            "the operator `{operator}` does not go with the column `{name}` of type {}",
            type_name(column)
        );
        let finding = Finding::new(Fault::TypeMismatch, &filter.operator.at, message);
        self.findings
            .push(finding.help(format!("such a column takes {}", allowed.join(" "))));
    }

    fn report_value(&mut self, at: &Pointer, value: &Value, reason: &str, column: &Column) {
        let (text, value_type) = (excerpt(value), json_type(value));
        let (name, column_type) = (excerpt_text(&column.name), type_name(column));
        let fit = format!("{text}, {value_type}, does not fit the column `{name}` of type {column_type}");
        self.mismatch(at, format!("{fit}: {reason}"));
    }

    fn mismatch(&mut self, at: &Pointer, message: String) {
        self.findings.push(Finding::new(Fault::TypeMismatch, at, message));
    }

    fn sequence(&mut self, steps: &[document::Step], limit: Option<&Located<Value>>) -> Sequence {
        Sequence {
            steps: steps.iter().map(|step| self.rows(&step.rows)).collect(),
            positive: steps.iter().map(|step| step.row_found).collect(),
            max_duration: limit.and_then(|limit| self.duration(limit)),
        }
    }

    fn funnel(&mut self, funnel: &document::Funnel) -> Funnel {
        Funnel {
            sequence: self.sequence(&funnel.steps, funnel.max_duration.as_ref()),
            step_aggregations: self.aggregations(&funnel.step_aggregations),
            end_aggregations: self.aggregations(&funnel.end_aggregations),
            step_times: funnel.step_times,
            breakdown: funnel
                .breakdown
                .as_ref()
                .and_then(|breakdown| self.breakdown(breakdown)),
        }
    }

    fn breakdown(&mut self, breakdown: &document::Breakdown) -> Option<Breakdown> {
        let (column, bound) = self.column(&breakdown.column)?;
        if matches!(bound.kind, ColumnKind::List(_)) {
            self.mismatch(&breakdown.column.at, no_list("a breakdown", &bound));
            return None;
        }
        Some(Breakdown {
            column,
            by: breakdown.by,
            top: breakdown.top.unwrap_or(DEFAULT_TOP),
        })
    }

    fn aggregations(&mut self, list: &[document::Aggregation]) -> Vec<Aggregation> {
        list.iter()
            .filter_map(|aggregation| self.aggregation(aggregation))
            .collect()
    }

    fn aggregation(&mut self, aggregation: &document::Aggregation) -> Option<Aggregation> {
        let column = self.aggregated_column(aggregation);
        let role = format!("as `otherColumn` of `{}`", aggregation.kind.name());
        let other = aggregation
            .other
            .as_ref()
            .map(|other| self.numeric_column(other, &role));
        Some(Aggregation {
            column: column?,
            kind: aggregation.kind,
            other: match other {
                Some(other) => Some(other?),
                None => None,
            },
            top: aggregation.top.unwrap_or(DEFAULT_TOP),
            is_top_given: aggregation.top.is_some(),
            q: aggregation.q.unwrap_or(0.5),
            name: aggregation.name.as_ref().map(|name| name.value.clone()),
        })
    }

    fn aggregated_column(&mut self, aggregation: &document::Aggregation) -> Option<usize> {
        let name = &aggregation.column;
        let (index, column) = self.column(name)?;
        let role = format!("`{}`", aggregation.kind.name());
        match aggregation.kind {
            AggregationKind::Count => Some(index),
            AggregationKind::CountPerValue
            | AggregationKind::GroupsPerValue
            | AggregationKind::SumPerValue
            | AggregationKind::MeanPerValue
            | AggregationKind::Distinct => {
                if matches!(column.kind, ColumnKind::List(_)) {
                    self.mismatch(&name.at, no_list(&role, &column));
                    return None;
                }
                Some(index)
            }
            AggregationKind::Min | AggregationKind::Max if matches!(column.kind, ColumnKind::Calendar(_)) => {
                Some(index)
            }
            AggregationKind::Min
            | AggregationKind::Max
            | AggregationKind::Sum
            | AggregationKind::Mean
            | AggregationKind::Quantile => self.numeric_column(name, &format!("of {role}")),
        }
    }
}

/// The type as users know it, such as `INT`.
fn type_name(column: &Column) -> String {
    hw_catalog::ColumnType::of(&column.data_type).map_or_else(|| column.data_type.to_string(), |known| known.name())
}

fn no_list(role: &str, column: &Column) -> String {
    format!(
        "{role} needs single values, but the column `{}` is of type {}",
        excerpt_text(&column.name),
        type_name(column)
    )
}
