//! Filters and targets of a document.

use serde_json::Value;

use super::Reader;
use crate::comparison::{Comparison, Operator};
use crate::document::{Filter, LIST_LENGTH_MAX, Target};
use crate::finding::{Fault, Finding, Located, Pointer, excerpt, excerpt_text, json_type};
use crate::scalar::Number;

const SHORT_FILTER: &str = "write [column, operator, value], or [column, \"is null\"]";

impl Reader<'_> {
    pub(super) fn filter(&mut self, value: &Value, at: &Pointer) -> Option<Filter> {
        match value {
            Value::Array(items) => self.short_filter(items, at),
            _ => self.verbose_filter(value, at),
        }
    }

    pub(super) fn short_filter(&mut self, items: &[Value], at: &Pointer) -> Option<Filter> {
        let [column, operator, value @ ..] = items else {
            self.fault_with_help(
                at,
                "a short filter needs a column, an operator and a value",
                SHORT_FILTER,
            );
            return None;
        };
        let column = self.column(column, &at.index(0));
        let operator = self.operator(operator, &at.index(1));
        let (column, operator) = (column?, operator?);
        match value {
            [] if operator.value.takes_value() => {
                let message = format!(
                    "a short filter with `{}` needs three items, this one has two",
                    operator.value.text()
                );
                self.fault_with_help(at, message, SHORT_FILTER);
                None
            }
            [] => Some(Filter {
                column,
                operator,
                value: None,
            }),
            [value] => self.finish_filter(column, operator, Some((value, at.index(2)))),
            _ => {
                let message = format!("a short filter has three items, this one has {}", items.len());
                self.fault_with_help(at, message, SHORT_FILTER);
                None
            }
        }
    }

    pub(super) fn verbose_filter(&mut self, value: &Value, at: &Pointer) -> Option<Filter> {
        let map = self.object(value, at, "a filter", &["column", "op", "value"])?;
        let column = self
            .required(map, at, "column")
            .and_then(|column| self.column(column, &at.key("column")));
        let operator = self
            .required(map, at, "op")
            .and_then(|operator| self.operator(operator, &at.key("op")));
        let (column, operator) = (column?, operator?);
        if operator.value.takes_value() {
            self.required(map, at, "value")?;
        }
        self.finish_filter(column, operator, map.get("value").map(|value| (value, at.key("value"))))
    }

    pub(super) fn finish_filter(
        &mut self,
        column: Located<String>,
        operator: Located<Operator>,
        value: Option<(&Value, Pointer)>,
    ) -> Option<Filter> {
        let value = match value {
            Some((value, at)) => Some(self.filter_value(operator.value, value, at)?),
            None => None,
        };
        Some(Filter {
            column,
            operator,
            value,
        })
    }

    pub(super) fn filter_value(&mut self, operator: Operator, value: &Value, at: Pointer) -> Option<Located<Value>> {
        if !operator.takes_value() {
            self.fault(&at, format!("`{}` takes no value", operator.text()));
            return None;
        }
        if operator.takes_list() {
            return self.filter_values(operator, value, at);
        }
        let is_valid = self.primitive(value, &at) && self.pattern(operator, value, &at);
        is_valid.then(|| Located {
            at,
            value: value.clone(),
        })
    }

    pub(super) fn filter_values(&mut self, operator: Operator, value: &Value, at: Pointer) -> Option<Located<Value>> {
        let items = match value {
            Value::Array(items) if (1..=LIST_LENGTH_MAX).contains(&items.len()) => items,
            Value::Array(items) => {
                let message = format!(
                    "`{}` takes 1 to {LIST_LENGTH_MAX} values, not {}",
                    operator.text(),
                    items.len()
                );
                self.fault(&at, message);
                return None;
            }
            _ => {
                self.fault(
                    &at,
                    format!("`{}` takes a list of values, not {}", operator.text(), json_type(value)),
                );
                return None;
            }
        };
        let faults = items
            .iter()
            .enumerate()
            .filter(|(index, item)| !self.primitive(item, &at.index(*index)))
            .count();
        (faults == 0).then(|| Located {
            at,
            value: value.clone(),
        })
    }

    pub(super) fn primitive(&mut self, value: &Value, at: &Pointer) -> bool {
        let is_primitive = matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_));
        if !is_primitive {
            let help = match value {
                Value::Null => "ask for missing values with the operators `is null` and `is not null`",
                _ => "a list of values goes with the operators `in` and `not in`",
            };
            let message = format!(
                "the value of a filter is a string, a number or a boolean, not {}",
                json_type(value)
            );
            self.fault_with_help(at, message, help);
        }
        is_primitive
    }

    /// Patterns are checked here, before anything runs.
    pub(super) fn pattern(&mut self, operator: Operator, value: &Value, at: &Pointer) -> bool {
        let (Operator::Regex, Value::String(pattern)) = (operator, value) else {
            return true;
        };
        match crate::filter::compile(pattern) {
            Ok(_) => true,
            Err(reason) => {
                let message = format!("`{}` is not a pattern: {reason}", excerpt_text(pattern));
                self.findings.push(Finding::new(Fault::Pattern, at, message));
                false
            }
        }
    }

    pub(super) fn column(&mut self, value: &Value, at: &Pointer) -> Option<Located<String>> {
        match value {
            Value::String(name) => {
                let column = Located {
                    at: at.clone(),
                    value: name.clone(),
                };
                self.columns.push(column.clone());
                Some(column)
            }
            _ => {
                self.fault(at, format!("a column is named by a string, not {}", json_type(value)));
                None
            }
        }
    }

    pub(super) fn operator(&mut self, value: &Value, at: &Pointer) -> Option<Located<Operator>> {
        let Value::String(text) = value else {
            self.fault(at, format!("an operator is a string, not {}", json_type(value)));
            return None;
        };
        if let Some(operator) = Operator::parse(text) {
            return Some(Located {
                at: at.clone(),
                value: operator,
            });
        }
        let known: Vec<&str> = Operator::all().map(Operator::text).collect();
        self.unknown_word("operator", text, at, &known);
        None
    }

    pub(super) fn comparison(&mut self, value: &Value, at: &Pointer) -> Option<Comparison> {
        let text = value.as_str().unwrap_or_default();
        let comparison = Comparison::parse(text);
        if comparison.is_none() {
            let known = Comparison::ALL
                .map(Comparison::text)
                .map(|text| format!("`{text}`"))
                .join(" ");
            self.fault(
                at,
                format!("the operator of a target is one of {known}, not {}", excerpt(value)),
            );
        }
        comparison
    }

    pub(super) fn target(&mut self, value: &Value, at: &Pointer) -> Option<Target> {
        match value {
            Value::Array(items) => self.short_target(items, at),
            _ => self.verbose_target(value, at),
        }
    }

    pub(super) fn short_target(&mut self, items: &[Value], at: &Pointer) -> Option<Target> {
        let kind = items.first().and_then(Value::as_str);
        match (kind, items) {
            (Some("count"), [_, comparison, value]) => {
                let comparison = self.comparison(comparison, &at.index(1));
                let number = self.count(value, &at.index(2));
                let (comparison, number) = (comparison?, number?);
                Some(Target {
                    at: at.clone(),
                    sum: None,
                    comparison,
                    value: number,
                    written: value.clone(),
                })
            }
            (Some("sum"), [_, column, comparison, value]) => {
                let column = self.column(column, &at.index(1));
                let comparison = self.comparison(comparison, &at.index(2));
                let number = self.number(value, &at.index(3));
                let (comparison, number) = (comparison?, number?);
                Some(Target {
                    at: at.clone(),
                    sum: Some(column?),
                    comparison,
                    value: number,
                    written: value.clone(),
                })
            }
            _ => {
                let form = "[\"count\", operator, number] or [\"sum\", column, operator, number]";
                self.fault(at, format!("a short target has the form {form}"));
                None
            }
        }
    }

    pub(super) fn verbose_target(&mut self, value: &Value, at: &Pointer) -> Option<Target> {
        let map = self.object(value, at, "a target", &["type", "column", "op", "value"])?;
        let is_sum = self
            .required(map, at, "type")
            .and_then(|kind| self.target_kind(kind, &at.key("type")));
        let comparison = self
            .required(map, at, "op")
            .and_then(|op| self.comparison(op, &at.key("op")));
        let written = self.required(map, at, "value");
        let number = written.and_then(|value| match is_sum {
            Some(true) | None => self.number(value, &at.key("value")),
            Some(false) => self.count(value, &at.key("value")),
        });
        let sum = match is_sum? {
            true => Some(
                self.required(map, at, "column")
                    .and_then(|column| self.column(column, &at.key("column")))?,
            ),
            false if map.contains_key("column") => {
                self.fault(&at.key("column"), "a `count` target takes no `column`");
                return None;
            }
            false => None,
        };
        Some(Target {
            at: at.clone(),
            sum,
            comparison: comparison?,
            value: number?,
            written: written?.clone(),
        })
    }

    /// Whether the target is a sum.
    pub(super) fn target_kind(&mut self, value: &Value, at: &Pointer) -> Option<bool> {
        match value.as_str() {
            Some("count") => Some(false),
            Some("sum") => Some(true),
            _ => {
                self.fault(
                    at,
                    format!("the type of a target is `count` or `sum`, not {}", excerpt(value)),
                );
                None
            }
        }
    }

    pub(super) fn count(&mut self, value: &Value, at: &Pointer) -> Option<Number> {
        let count = value.as_u64().map(|count| Number::Int(i128::from(count)));
        if count.is_none() {
            let message = format!("a count is an integer that is not negative, not {}", excerpt(value));
            self.fault(at, message);
        }
        count
    }

    pub(super) fn number(&mut self, value: &Value, at: &Pointer) -> Option<Number> {
        let number = value.as_number().and_then(Number::from_json);
        if number.is_none() {
            self.fault(at, format!("expected a number, not {}", excerpt(value)));
        }
        number
    }
}
