//! Matching over Arrow batches.
//!
//! Two matchers give the same answers: [`fast`], and [`plain`], the slow and obviously right one, which stays as the twin
//! that the fast one is tested against and takes the few queries that the fast one does not.
//!
//! - [`Matcher`] takes rows once, in any order.
//! - [`PartMatcher`] takes the rows of a part that can be read again. It presumes that the rows of a group come in order of
//!   time, which is fastest, and says so if they do not.
//!
//! All rows of a group have to come to the same matcher.

mod fast;
mod part;
mod plain;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema;

use crate::column::{Cell, Cells, ColumnKind};
use crate::memory::Memory;
use crate::partial::Partial;
use crate::query::Query;
use crate::scalar::Number;
pub use fast::Codes;
use fast::{Arrival, FastMatcher};
pub use part::{GroupRange, JudgedPart, PartMatcher, Progress, Rows, Stage, Stored};
use plain::PlainMatcher;

/// What stands in the way of matching.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// A row within the timeframe belongs to no group.
    #[error("the group column `{column}` has a null")]
    NullGroup {
        /// The group column.
        column: String,
    },
    /// A row has no place in time.
    #[error("the time column `{column}` has a null or NaN")]
    NullTime {
        /// The time column.
        column: String,
    },
    /// The batches lack a column of the query.
    #[error("the column `{column}` is missing")]
    MissingColumn {
        /// The column.
        column: String,
    },
    /// A column is of another type than when the query was validated.
    #[error("the column `{column}` has the type `{actual}`, the query was validated for `{expected}`")]
    ColumnType {
        /// The column.
        column: String,
        /// Type at validation.
        expected: String,
        /// Type of the batches.
        actual: String,
    },
    /// One matcher numbers rows with 32 bits.
    #[error("one task has more than {limit} rows within the timeframe")]
    TooManyRows {
        /// The most rows that one matcher takes.
        limit: u32,
    },
    /// A column could not be read, although its type is known.
    #[error("the column `{column}` cannot be read: {reason}")]
    Unreadable {
        /// The column.
        column: String,
        /// What the array kernels say.
        reason: String,
    },
    /// Group ids of a step are asked for that the funnel does not have.
    #[error("there is no step {step} whose groups could be exported, the funnel has {steps}")]
    NoSuchStep {
        /// The step asked for, from 1.
        step: usize,
        /// Number of steps; 0 without a funnel.
        steps: usize,
    },
}

impl MatchError {
    /// Stable code, with a page in `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NullGroup { .. } => "HW-F010",
            Self::NullTime { .. } => "HW-F011",
            Self::MissingColumn { .. } => "HW-F012",
            Self::ColumnType { .. } => "HW-F013",
            Self::TooManyRows { .. } => "HW-F014",
            Self::Unreadable { .. } => "HW-F015",
            Self::NoSuchStep { .. } => "HW-F018",
        }
    }

    /// Whether the data or the request is at fault, so that another attempt cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::NullGroup { .. }
            | Self::NullTime { .. }
            | Self::MissingColumn { .. }
            | Self::ColumnType { .. }
            | Self::TooManyRows { .. }
            | Self::Unreadable { .. }
            | Self::NoSuchStep { .. } => true,
        }
    }

    /// What to do next.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NullGroup { .. } => {
                "every row needs a group; clean the data or register it with another group column"
            }
            Self::NullTime { .. } => "every row needs a time; clean the data or register it with another time column",
            Self::MissingColumn { .. } | Self::ColumnType { .. } => {
                "the parts of the table differ or have changed; register the table again with `--validation all`"
            }
            Self::TooManyRows { .. } => "repartition the table into more parts, or narrow the timeframe",
            Self::Unreadable { .. } => "check the file with another reader; if it is sound, report this as a bug",
            Self::NoSuchStep { .. } => "name a step from 1 to the number of steps, or `last`",
        }
    }
}

/// Which groups to collect the ids of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupExport {
    /// Those that satisfy the relation.
    Matching,
    /// Those that pass this step of the funnel, counted from 1.
    Step(usize),
    /// Those that pass the last step of the funnel; without a funnel those that satisfy the relation.
    Last,
}

/// The columns of the query in a batch, and which rows count.
struct ReadBatch {
    /// In the order of the query's columns.
    cells: Vec<Cells>,
    /// Rows within the timeframe, with their time.
    rows: Vec<(usize, Number)>,
}

/// Counts what a query asks for over all rows of some groups.
pub struct Matcher {
    query: Query,
    rows: RowMatcher,
    export: Option<usize>,
}

enum RowMatcher {
    Fast(Box<FastMatcher>),
    Plain(Box<PlainMatcher>),
}

impl Matcher {
    /// A matcher for batches of this schema: the query's columns by name, in any order, among any others.
    ///
    /// # Errors
    /// [`MatchError::MissingColumn`] and [`MatchError::ColumnType`]. Integers and floats may have any width, strings
    /// any encoding; timestamps need the unit of validation.
    pub fn new(query: &Query, schema: &Schema) -> Result<Self, MatchError> {
        check_schema(query, schema)?;
        let fast = FastMatcher::new(query, Arrival::Any, true, &Memory::default());
        Ok(Self {
            query: query.clone(),
            rows: match fast {
                Some(fast) => RowMatcher::Fast(Box::new(fast)),
                None => RowMatcher::Plain(Box::new(PlainMatcher::new(query))),
            },
            export: None,
        })
    }

    /// The slow twin: the same answers by the plain matcher, for tests of whoever brings rows to a matcher.
    ///
    /// # Errors
    /// Those of [`Matcher::new`].
    pub fn plain(query: &Query, schema: &Schema) -> Result<Self, MatchError> {
        check_schema(query, schema)?;
        Ok(Self {
            query: query.clone(),
            rows: RowMatcher::Plain(Box::new(PlainMatcher::new(query))),
            export: None,
        })
    }

    /// Collects the ids of groups besides counting them; see [`Partial::take_groups`].
    ///
    /// # Errors
    /// [`MatchError::NoSuchStep`].
    pub fn with_export(mut self, export: GroupExport) -> Result<Self, MatchError> {
        let depth = export.depth(&self.query)?;
        self.export = Some(depth);
        if let RowMatcher::Plain(rows) = &mut self.rows {
            rows.export_groups(depth);
        }
        Ok(self)
    }

    /// Takes the rows of a batch.
    ///
    /// # Errors
    /// [`MatchError::NullGroup`] and [`MatchError::NullTime`], if a row within the timeframe has no group or any row
    /// no time; the errors of [`Matcher::new`], if this batch has another schema.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<(), MatchError> {
        if let RowMatcher::Fast(rows) = &mut self.rows {
            let query = &self.query;
            rows.push(&mut BatchRows { query, batch })?;
            return Ok(());
        }
        let cells = self.query.columns.iter().map(|column| read_column(batch, column));
        let cells = cells.collect::<Result<Vec<Cells>, MatchError>>()?;
        let rows = self.rows_in_timeframe(&cells, batch.num_rows())?;
        match &mut self.rows {
            RowMatcher::Plain(matcher) => matcher.push(&ReadBatch { cells, rows }),
            RowMatcher::Fast(_) => Ok(()),
        }
    }

    /// Bytes that the matcher holds, together with what finishing will take on top of that.
    pub fn memory_size(&self) -> usize {
        match &self.rows {
            RowMatcher::Fast(rows) => rows.memory_size(),
            RowMatcher::Plain(rows) => rows.memory_size(),
        }
    }

    /// Ends the input and counts.
    ///
    /// # Errors
    /// [`MatchError::Unreadable`] if group ids to export do not fit the type of the group column.
    pub fn finish(self) -> Result<Partial, MatchError> {
        match self.rows {
            RowMatcher::Fast(rows) => Ok(rows.judge(self.export)?.finish()),
            RowMatcher::Plain(rows) => rows.finish(),
        }
    }

    fn rows_in_timeframe(&self, cells: &[Cells], count: usize) -> Result<Vec<(usize, Number)>, MatchError> {
        let (Some(groups), Some(times)) = (cells.first(), cells.get(self.query.time_column)) else {
            return Ok(Vec::new());
        };
        let name = |column: usize| {
            self.query
                .columns
                .get(column)
                .map(|column| column.name.clone())
                .unwrap_or_default()
        };
        let mut rows = Vec::with_capacity(count);
        for row in 0..count {
            let time = match times.cell(row) {
                Cell::Int(time) => Number::Int(time),
                Cell::Float(time) => Number::Float(time.get()),
                _ => {
                    return Err(MatchError::NullTime {
                        column: name(self.query.time_column),
                    });
                }
            };
            if !self.query.bounds.contains(time) {
                continue;
            }
            if matches!(groups.cell(row), Cell::Null) {
                return Err(MatchError::NullGroup { column: name(0) });
            }
            rows.push((row, time));
        }
        Ok(rows)
    }
}

/// A batch, column by column.
struct BatchRows<'a> {
    query: &'a Query,
    batch: &'a RecordBatch,
}

impl Rows for BatchRows<'_> {
    type Error = MatchError;

    fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef, MatchError> {
        let name = self.query.columns.get(index).map_or("", |column| column.name.as_str());
        let missing = || MatchError::MissingColumn {
            column: name.to_owned(),
        };
        self.batch.column_by_name(name).cloned().ok_or_else(missing)
    }

    fn is_complete(&self, _: usize) -> bool {
        false
    }
}

fn check_schema(query: &Query, schema: &Schema) -> Result<(), MatchError> {
    for column in &query.columns {
        let missing = |_| MatchError::MissingColumn {
            column: column.name.clone(),
        };
        let actual = schema.field_with_name(&column.name).map_err(missing)?.data_type();
        if !ColumnKind::of(actual).is_some_and(|kind| kind.reads_as(&column.kind)) {
            return Err(MatchError::ColumnType {
                column: column.name.clone(),
                expected: column.data_type.to_string(),
                actual: actual.to_string(),
            });
        }
    }
    Ok(())
}

impl GroupExport {
    /// Steps that a group has to pass.
    fn depth(self, query: &Query) -> Result<usize, MatchError> {
        let steps = query.funnel_steps().unwrap_or(0);
        match self {
            Self::Matching => Ok(0),
            Self::Last => Ok(steps),
            Self::Step(step) if (1..=steps).contains(&step) => Ok(step),
            Self::Step(step) => Err(MatchError::NoSuchStep { step, steps }),
        }
    }
}

fn read_column(batch: &RecordBatch, column: &crate::query::Column) -> Result<Cells, MatchError> {
    let name = || column.name.clone();
    let array = batch
        .column_by_name(&column.name)
        .ok_or_else(|| MatchError::MissingColumn { column: name() })?;
    if !ColumnKind::of(array.data_type()).is_some_and(|kind| kind.reads_as(&column.kind)) {
        return Err(MatchError::ColumnType {
            column: name(),
            expected: column.data_type.to_string(),
            actual: array.data_type().to_string(),
        });
    }
    Cells::read(array).map_err(|error| MatchError::Unreadable {
        column: name(),
        reason: error.to_string(),
    })
}
