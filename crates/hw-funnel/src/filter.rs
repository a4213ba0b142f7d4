//! Filters: one column, one operator, one typed constant; decided per row.
//!
//! Constants are values, never text of an expression: no quote, backslash or line break in them means anything.
//!
//! A null cell matches `!=`, `not contains`, `not in` and `is null`, and nothing else. NaN counts as null.

use std::cmp::Ordering;
use std::collections::HashSet;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::column::{Cell, ColumnKind};
use crate::comparison::{Comparison, Operator};
use crate::scalar::{Number, Real, Scalar};

/// Largest compiled pattern, in bytes; bounds the memory and the time that a pattern can cost.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A filter of the query, bound to a column of [`Query::columns`](crate::Query::columns).
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) column: usize,
    pub(crate) test: Test,
}

/// What a cell is tested for.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Compare(Comparison, Constant),
    OneOf(Set),
    NoneOf(Set),
    Contains(Box<str>),
    NotContains(Box<str>),
    StartsWith(Box<str>),
    Pattern(Regex),
    HasItem(Constant),
    LacksItem(Constant),
    IsNull,
    IsNotNull,
}

/// A typed constant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Box<str>),
    /// Nanoseconds since the epoch, with the nanoseconds of one stored step of the column: exact for any unit.
    Instant {
        nanos: i128,
        unit: i128,
    },
}

/// The values of an `in` list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Set {
    texts: HashSet<Box<str>>,
    others: HashSet<Scalar>,
}

/// Why an operator and its value do not fit a column.
#[derive(Debug)]
pub(crate) enum Mismatch {
    Operator,
    /// The faulty values: their places in an `in` list, and what is wrong with them.
    Values(Vec<(Option<usize>, String)>),
}

impl Test {
    /// Binds operator and value to a column of this kind.
    pub(crate) fn bind(kind: &ColumnKind, operator: Operator, value: Option<&Value>) -> Result<Self, Mismatch> {
        if !applies(kind, operator) {
            return Err(Mismatch::Operator);
        }
        let value = value.unwrap_or(&Value::Null);
        let at_value = |reason| Mismatch::Values(vec![(None, reason)]);
        let text = || text_constant(value).map_err(at_value);
        let item = || match kind {
            ColumnKind::List(item) => Constant::bind(item, value).map(Some).map_err(at_value),
            _ => Ok(None),
        };
        Ok(match operator {
            Operator::Compare(comparison) => Self::Compare(comparison, Constant::bind(kind, value).map_err(at_value)?),
            Operator::Contains => match item()? {
                Some(item) => Self::HasItem(item),
                None => Self::Contains(text()?),
            },
            Operator::NotContains => match item()? {
                Some(item) => Self::LacksItem(item),
                None => Self::NotContains(text()?),
            },
            Operator::In => Self::OneOf(Set::bind(kind, value)?),
            Operator::NotIn => Self::NoneOf(Set::bind(kind, value)?),
            Operator::StartsWith => Self::StartsWith(text()?),
            Operator::Regex => Self::Pattern(compile(&text()?).map_err(at_value)?),
            Operator::IsNull => Self::IsNull,
            Operator::IsNotNull => Self::IsNotNull,
        })
    }

    /// Whether the cell passes.
    pub(crate) fn matches(&self, cell: Cell<'_>) -> bool {
        match self {
            Self::Compare(comparison, constant) => comparison.holds(constant.order_of(cell)),
            Self::OneOf(set) => set.contains(cell),
            Self::NoneOf(set) => !set.contains(cell),
            Self::Contains(part) => matches!(cell, Cell::Text(text) if text.contains(part.as_ref())),
            Self::NotContains(part) => !matches!(cell, Cell::Text(text) if text.contains(part.as_ref())),
            Self::StartsWith(start) => matches!(cell, Cell::Text(text) if text.starts_with(start.as_ref())),
            Self::Pattern(pattern) => matches!(cell, Cell::Text(text) if pattern.is_match(text)),
            Self::HasItem(item) => item.is_in(cell),
            Self::LacksItem(item) => !item.is_in(cell),
            Self::IsNull => matches!(cell, Cell::Null),
            Self::IsNotNull => !matches!(cell, Cell::Null),
        }
    }
}

/// Whether the operator exists for columns of this kind.
pub(crate) fn applies(kind: &ColumnKind, operator: Operator) -> bool {
    match operator {
        Operator::IsNull | Operator::IsNotNull => true,
        Operator::Contains | Operator::NotContains => matches!(kind, ColumnKind::Text | ColumnKind::List(_)),
        Operator::StartsWith | Operator::Regex => *kind == ColumnKind::Text,
        Operator::In | Operator::NotIn => !matches!(kind, ColumnKind::List(_)),
        Operator::Compare(Comparison::Equal | Comparison::NotEqual) => !matches!(kind, ColumnKind::List(_)),
        Operator::Compare(_) => !matches!(kind, ColumnKind::List(_) | ColumnKind::Bool),
    }
}

impl Constant {
    /// The error says what is expected instead.
    fn bind(kind: &ColumnKind, value: &Value) -> Result<Self, String> {
        let number = value.as_number().and_then(Number::from_json);
        let integer = number.and_then(Number::integral);
        match kind {
            ColumnKind::Bool => value
                .as_bool()
                .map(Self::Bool)
                .ok_or("true or false is expected".to_owned()),
            ColumnKind::Int => integer.map(Self::Int).ok_or("an integer is expected".to_owned()),
            ColumnKind::Float => number
                .map(|number| Self::Float(number.as_f64()))
                .ok_or("a number is expected".to_owned()),
            ColumnKind::Text => text_constant(value).map(Self::Text),
            ColumnKind::Calendar(calendar) => {
                let nanos = calendar.nanos(value)?;
                Ok(Self::Instant {
                    nanos,
                    unit: calendar.unit,
                })
            }
            ColumnKind::List(_) => Err("lists cannot be compared".to_owned()),
        }
    }

    /// The order of the cell relative to the constant; `None` for null.
    fn order_of(&self, cell: Cell<'_>) -> Option<Ordering> {
        match (cell, self) {
            (Cell::Bool(value), Self::Bool(constant)) => Some(value.cmp(constant)),
            (Cell::Int(value), Self::Int(constant)) => Some(value.cmp(constant)),
            (Cell::Int(value), Self::Instant { nanos, unit }) => Some((value * unit).cmp(nanos)),
            (Cell::Float(value), Self::Float(constant)) => value.get().partial_cmp(constant),
            (Cell::Text(value), Self::Text(constant)) => Some(value.cmp(constant.as_ref())),
            _ => None,
        }
    }

    fn is_in(&self, cell: Cell<'_>) -> bool {
        match cell {
            Cell::List(items) => items.iter().any(|item| self.order_of(item) == Some(Ordering::Equal)),
            _ => false,
        }
    }

    /// The only stored value equal to the constant, if there is one.
    fn into_scalar(self) -> Option<Scalar> {
        match self {
            Self::Bool(value) => Some(Scalar::Bool(value)),
            Self::Int(value) => Some(Scalar::Int(value)),
            Self::Float(value) => Real::new(value).map(Scalar::Float),
            Self::Text(text) => Some(Scalar::Text(text)),
            Self::Instant { nanos, unit } => (nanos % unit == 0).then_some(Scalar::Int(nanos / unit)),
        }
    }
}

impl Set {
    fn bind(kind: &ColumnKind, value: &Value) -> Result<Self, Mismatch> {
        let mut set = Self::default();
        let mut faults = Vec::new();
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            match Constant::bind(kind, item) {
                Ok(constant) => set.insert(constant),
                Err(reason) => faults.push((Some(index), reason)),
            }
        }
        if faults.is_empty() {
            Ok(set)
        } else {
            Err(Mismatch::Values(faults))
        }
    }

    /// A constant that no stored value equals, such as a time finer than the column's unit, is left out.
    fn insert(&mut self, constant: Constant) {
        match constant.into_scalar() {
            Some(Scalar::Text(text)) => {
                self.texts.insert(text);
            }
            Some(other) => {
                self.others.insert(other);
            }
            None => {}
        }
    }

    fn contains(&self, cell: Cell<'_>) -> bool {
        match cell {
            Cell::Text(text) => self.texts.contains(text),
            other => other.to_scalar().is_some_and(|value| self.others.contains(&value)),
        }
    }
}

fn text_constant(value: &Value) -> Result<Box<str>, String> {
    value.as_str().map(Box::from).ok_or("a string is expected".to_owned())
}

/// Compiles a pattern; it matches anywhere in a text and in linear time.
///
/// # Errors
/// One line saying what is wrong.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build();
    compiled.map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => format!("it compiles to more than {limit} bytes"),
        error => {
            let text = error.to_string();
            let last = text.lines().rev().find_map(|line| line.trim().strip_prefix("error: "));
            last.unwrap_or("it cannot be parsed").to_owned()
        }
    })
}
