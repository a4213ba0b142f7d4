//! What a query does, for people who ask: which columns it reads and why, its predicates, how its groups are matched.

use arrow_schema::DataType;
use serde_json::Value;

use crate::query::{Aggregation, Condition, Query};

/// A column that a query reads.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnOutline {
    /// Its name.
    pub name: String,
    /// Its type at validation.
    pub data_type: DataType,
    /// What it is read for: `group`, `time`, `filter`, `target`, `aggregation`, `breakdown`, in this order.
    pub uses: Vec<&'static str>,
}

/// A predicate of a query; one that occurs several times is looked at once.
#[derive(Debug, Clone, PartialEq)]
pub struct PredicateOutline {
    /// Number of its column in [`Query::columns`].
    pub column: usize,
    /// The column's name.
    pub name: String,
    /// The operator as the language writes it.
    pub op: String,
    /// The value, unless the operator takes none.
    pub value: Option<Value>,
    /// Pointers into the expanded document, one for each place.
    pub places: Vec<String>,
}

/// How the groups of a query are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Row by row as they come in order of time, with a few words of state per group.
    Streaming,
    /// The rows that serve a step are kept, and brought together by group and time at the end.
    Gathering {
        /// What in the query asks for it.
        reason: &'static str,
    },
    /// All rows are kept, and each group is looked at by itself.
    Plain {
        /// What in the query asks for it.
        reason: &'static str,
    },
}

impl Strategy {
    /// `streaming`, `gathering` or `plain`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Gathering { .. } => "gathering",
            Self::Plain { .. } => "plain",
        }
    }
}

impl Query {
    /// The columns to read, in the order of [`Query::columns`], each with all its uses.
    pub fn column_outlines(&self) -> Vec<ColumnOutline> {
        let outline = |(index, column): (usize, &crate::query::Column)| ColumnOutline {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            uses: self.uses_of(index),
        };
        self.columns.iter().enumerate().map(outline).collect()
    }

    fn uses_of(&self, column: usize) -> Vec<&'static str> {
        let is_target = |condition: &Condition| match condition {
            Condition::Rows { target, .. } => target.sum == Some(column),
            Condition::Sequence(_) => false,
        };
        let reads = |aggregation: &Aggregation| aggregation.column == column || aggregation.other == Some(column);
        let funnel = self.funnel.iter();
        let lists = funnel
            .clone()
            .flat_map(|funnel| [&funnel.step_aggregations, &funnel.end_aggregations]);
        let mut breakdowns = funnel.filter_map(|funnel| funnel.breakdown.as_ref());
        let uses = [
            ("group", column == 0),
            ("time", column == self.time_column),
            ("filter", self.filters.iter().any(|filter| filter.column == column)),
            ("target", self.conditions.iter().any(is_target)),
            (
                "aggregation",
                std::iter::once(&self.aggregations).chain(lists).flatten().any(reads),
            ),
            ("breakdown", breakdowns.any(|breakdown| breakdown.column == column)),
        ];
        let uses = uses.into_iter().filter(|(_, is_used)| *is_used);
        uses.map(|(name, _)| name).collect()
    }

    /// The distinct predicates of conditions and steps, in the order of the document: conditions before the funnel.
    pub fn predicate_outlines(&self) -> Vec<PredicateOutline> {
        let mut found = Found {
            query: self,
            predicates: Vec::new(),
        };
        found.list(&self.expanded, "/query/conditions");
        found.list(&self.expanded, "/funnel/sequence");
        found.predicates
    }
}

/// Predicates found so far.
struct Found<'a> {
    query: &'a Query,
    predicates: Vec<PredicateOutline>,
}

impl Found<'_> {
    /// The conditions or steps at a place.
    fn list(&mut self, document: &Value, pointer: &str) {
        let items = document.pointer(pointer).and_then(Value::as_array);
        for number in 0..items.map_or(0, Vec::len) {
            self.rows(document, &format!("{pointer}/{number}"));
        }
    }

    /// A condition or step: `filter`, `filters`, or a `sequence` of further steps.
    fn rows(&mut self, document: &Value, pointer: &str) {
        self.filter(document, &format!("{pointer}/filter"));
        let filters = format!("{pointer}/filters");
        let count = document.pointer(&filters).and_then(Value::as_array).map_or(0, Vec::len);
        for number in 0..count {
            self.filter(document, &format!("{filters}/{number}"));
        }
        self.list(document, &format!("{pointer}/sequence"));
    }

    fn filter(&mut self, document: &Value, pointer: &str) {
        let member = |name| document.pointer(pointer).and_then(|filter| filter.get(name));
        let (Some(name), Some(op)) = (
            member("column").and_then(Value::as_str),
            member("op").and_then(Value::as_str),
        ) else {
            return;
        };
        let value = member("value");
        let is_same =
            |known: &&mut PredicateOutline| known.name == name && known.op == op && known.value.as_ref() == value;
        if let Some(known) = self.predicates.iter_mut().find(is_same) {
            known.places.push(pointer.to_owned());
            return;
        }
        let column = self.query.columns.iter().position(|column| column.name == name);
        self.predicates.push(PredicateOutline {
            column: column.unwrap_or_default(),
            name: name.to_owned(),
            op: op.to_owned(),
            value: value.cloned(),
            places: vec![pointer.to_owned()],
        });
    }
}
