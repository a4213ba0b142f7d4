//! Matching the rows of a part that can be read more than once.

use std::sync::Arc;

use arrow_array::ArrayRef;

use super::fast::{Arrival, Codes, FastMatcher, Judged};
use super::{GroupExport, MatchError};
use crate::memory::Memory;
use crate::outline::Strategy;
use crate::partial::Partial;
use crate::query::Query;
use crate::scalar::Scalar;

/// A column of a batch as its source has it.
#[derive(Debug, Clone)]
pub enum Stored {
    /// Of any type that reads as the column's.
    Array(ArrayRef),
    /// Bare codes: what a dictionary array has, without the array around it, which looks at each code once more.
    Coded {
        /// The place of each row's value in `entries`; for null their number.
        codes: Codes,
        /// Values, which are no dictionary.
        entries: ArrayRef,
    },
}

/// The rows of a batch, column by column as they are asked for.
pub trait Rows {
    /// What can go wrong while reading.
    type Error: From<MatchError>;

    /// Number of rows.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The column with this number in [`Query::columns`](crate::Query::columns): plain, or as a dictionary, which is
    /// faster.
    ///
    /// # Errors
    /// Whatever reading gives.
    fn column(&mut self, index: usize) -> Result<ArrayRef, Self::Error>;

    /// The column as it is stored. By default it is an array.
    ///
    /// # Errors
    /// Whatever reading gives.
    fn stored(&mut self, index: usize) -> Result<Stored, Self::Error> {
        self.column(index).map(Stored::Array)
    }

    /// Whether the column surely has neither null nor NaN, so that it need not be read to find out.
    fn is_complete(&self, index: usize) -> bool;

    /// How many rows each entry of the group column's dictionary has, if that need not be counted.
    fn rows_of_groups(&self) -> Option<Arc<[u32]>> {
        None
    }

    /// The matcher begins with a stage of its work on this batch. Told a few times per batch, never per row, for those who
    /// measure.
    fn enters(&mut self, _: Stage) {}
}

/// What a matcher does with a batch, by turns. It begins with [`Stage::Masks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The timeframe and the predicates.
    Masks,
    /// The group of each row.
    Groups,
    /// Conditions and sequences.
    Matching,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was taken.
    Taken,
    /// A group's rows are out of order of time, or a breakdown has many values: call [`PartMatcher::restart`] and give all
    /// batches again.
    OutOfOrder,
}

/// Counts what a query asks for over all rows of some groups, which are given once or twice.
///
/// ```text
/// loop { for batch in part { if push(batch)? == OutOfOrder { restart(); continue 'loop } } break }
/// let mut judged = matcher.judge()?;
/// if judged.needs_rows() { for batch in part { judged.push_again(batch)? } }
/// judged.finish()
/// ```
pub struct PartMatcher {
    query: Query,
    export: Option<usize>,
    rows: FastMatcher,
    memory: Memory,
}

impl PartMatcher {
    /// `None` if the query is one of the few that only [`Matcher`](super::Matcher) takes.
    ///
    /// # Errors
    /// [`MatchError::NoSuchStep`] if `export` names one.
    pub fn new(query: &Query, export: Option<GroupExport>) -> Result<Option<Self>, MatchError> {
        Self::with_memory(query, export, &Memory::default())
    }

    /// Likewise, with memory that matchers before this one have used.
    ///
    /// # Errors
    /// Those of [`PartMatcher::new`].
    pub fn with_memory(
        query: &Query,
        export: Option<GroupExport>,
        memory: &Memory,
    ) -> Result<Option<Self>, MatchError> {
        let export = export.map(|export| export.depth(query)).transpose()?;
        let rows = FastMatcher::new(query, Arrival::Ordered, false, memory);
        Ok(rows.map(|rows| Self {
            query: query.clone(),
            export,
            rows,
            memory: memory.clone(),
        }))
    }

    /// Least and greatest group seen so far, also of rows outside of the timeframe; `None` without any.
    pub fn group_range(&self) -> Option<GroupRange> {
        let ids = || self.rows.group_ids();
        Some(GroupRange {
            least: ids().min()?,
            greatest: ids().max()?,
        })
    }

    /// How the groups of a query are matched, as long as rows come in order of time.
    pub fn strategy(query: &Query) -> Strategy {
        super::fast::strategy(query)
    }

    /// Counts from now on what [`selected_rows`](Self::selected_rows) tells.
    pub fn measure(&mut self) {
        self.rows.measure();
    }

    /// Rows within the timeframe that serve some step or condition. Rows of batches of which no row can are not counted.
    pub fn selected_rows(&self) -> u64 {
        self.rows.selected_rows()
    }

    /// Batches in which no row can serve any step or condition, so that only their groups were looked at.
    pub fn hopeless_batches(&self) -> u64 {
        self.rows.hopeless_batches()
    }

    /// Forgets all rows and takes them in any order from now on, in more memory.
    pub fn restart(&mut self) {
        let is_measured = self.rows.is_measured();
        if let Some(rows) = FastMatcher::new(&self.query, Arrival::Any, false, &self.memory) {
            self.rows = rows;
            if is_measured {
                self.rows.measure();
            }
        }
    }

    /// Takes the rows of a batch. After an error the matcher is of no use.
    ///
    /// # Errors
    /// [`MatchError::NullGroup`], [`MatchError::NullTime`], [`MatchError::ColumnType`], and those of `rows`.
    pub fn push<R: Rows>(&mut self, rows: &mut R) -> Result<Progress, R::Error> {
        self.rows.push(rows)
    }

    /// Bytes held, together with what judging will take on top of that.
    pub fn memory_size(&self) -> usize {
        self.rows.memory_size()
    }

    /// Decides all groups.
    ///
    /// # Errors
    /// [`MatchError::Unreadable`] if group ids to export do not fit the type of the group column.
    pub fn judge(self) -> Result<JudgedPart, MatchError> {
        Ok(JudgedPart {
            judged: self.rows.judge(self.export)?,
        })
    }
}

/// The groups that a matcher has seen lie between these two, ends included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupRange {
    least: Scalar,
    greatest: Scalar,
}

impl GroupRange {
    /// Whether no group can have been seen by two of the matchers.
    pub fn are_apart(mut ranges: Vec<Self>) -> bool {
        ranges.sort_unstable();
        ranges.is_sorted_by(|lower, higher| lower.greatest < higher.least)
    }
}

/// A part whose groups are decided.
pub struct JudgedPart {
    judged: Judged,
}

impl JudgedPart {
    /// Whether aggregations have to see the rows again.
    pub fn needs_rows(&self) -> bool {
        self.judged.needs_rows()
    }

    /// Takes the rows of a batch, the same as before.
    ///
    /// # Errors
    /// Those of [`PartMatcher::push`].
    pub fn push_again<R: Rows>(&mut self, rows: &mut R) -> Result<(), R::Error> {
        self.judged.push_again(rows)
    }

    /// Bytes held.
    pub fn memory_size(&self) -> usize {
        self.judged.memory_size()
    }

    /// Ends counting.
    pub fn finish(self) -> Partial {
        self.judged.finish()
    }
}
