//! Funnel queries: which groups (users, sessions, devices) did what, in which order, and what can be counted over them.
//!
//! The crate holds the whole language of funnel queries and a matcher, and nothing else: no file, no network, no clock,
//! no query engine. Bytes become batches elsewhere.
//!
//! ```text
//!  JSON ──validate──▶ Query ──Matcher::new──▶ Matcher ◀──push── RecordBatch, RecordBatch, ...
//!                       │                        │
//!                       │                     finish ──▶ Partial ──merge──▶ Partial ──result──▶ JSON
//!                       └── expanded document, stored and sent to workers ── Query::from_expanded
//! ```
//!
//! - [`validate`] reports every fault of a document at once, each with its place, and makes a [`Query`].
//! - [`Matcher`] takes the rows of some groups, in any order and cut into any batches, and gives a [`Partial`].
//! - [`Partial`]s merge exactly, in any order; [`result`] makes the result document of the last one.
//!
//! ```text
//! let query = validate(&document, Some(&dataset)).query;        // or findings to show
//! let mut matcher = Matcher::new(&query, &schema)?;             // one per task
//! matcher.push(&batch)?;
//! merged.merge(matcher.finish()?)?;                             // `merged` starts as Partial::empty(&query)
//! let document = result(&query, &merged);
//! ```
//!
//! The one condition: all rows of a group go to the same matcher. Whoever cuts a table into tasks sees to that.
//!
//! What the crate deliberately does not do: build expressions as text (constants are values, so nothing has to be
//! escaped), rely on the order of rows, or round anything but the last digit of a float.

mod column;
mod comparison;
mod document;
mod durations;
mod filter;
mod finding;
mod matcher;
mod memory;
mod outline;
mod partial;
mod query;
mod relation;
mod result;
mod scalar;
mod sequence;
mod sum;
mod tally;
mod time;
mod top;
mod validate;

pub use finding::{Finding, FindingKind};
pub use matcher::{
    Codes, GroupExport, GroupRange, JudgedPart, MatchError, Matcher, PartMatcher, Progress, Rows, Stage, Stored,
};
pub use memory::Memory;
pub use outline::{ColumnOutline, PredicateOutline, Strategy};
pub use partial::{Partial, PartialError};
pub use query::{Dataset, Query, RebuildError};
pub use result::result;
pub use scalar::Number;
pub use time::{TimeBounds, TimeValue};
pub use validate::{DEFAULT_TOP, Validation, validate, validate_text, validate_with_top};

/// Every code of this crate with the title of its page in `docs/errors`.
pub const ERROR_CODES: &[(&str, &str)] = &[
    ("HW-F001", "the query document does not have the right structure"),
    ("HW-F002", "a value, operator or target does not fit a column's type"),
    ("HW-F003", "the dataset has no such column"),
    ("HW-F004", "the relation between conditions is wrong"),
    ("HW-F005", "the dataset is described incompletely"),
    ("HW-F006", "validation failed unexpectedly"),
    ("HW-F007", "the query is not JSON"),
    ("HW-F008", "a pattern is wrong"),
    ("HW-F010", "a row has no group"),
    ("HW-F011", "a row has no time"),
    ("HW-F012", "a column is missing in the data"),
    ("HW-F013", "a column has another type in the data"),
    ("HW-F014", "a task has too many rows"),
    ("HW-F015", "a column cannot be read"),
    ("HW-F016", "a stored partial result cannot be read"),
    ("HW-F017", "partial results do not belong together"),
    ("HW-F018", "there is no such step to export"),
    ("HW-F019", "a stored query no longer fits the dataset"),
    ("HW-F020", "warning: a condition has no effect"),
    ("HW-F021", "warning: the timeframe selects no rows"),
    ("HW-F022", "warning: no group can satisfy a target"),
];

#[cfg(test)]
mod tests;
