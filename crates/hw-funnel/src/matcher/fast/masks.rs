//! The uses that each row serves.

use arrow_array::{Array, ArrayRef};

use super::super::MatchError;
use super::input::{Code, Codes, Input, cells, with_codes};
use super::plan::FilterColumn;
use crate::column::{Cell, Cells};
use crate::comparison::Comparison;
use crate::filter::{Constant, Test};
use crate::query::Query;

/// What one column leaves of each row's uses.
pub(super) enum ColumnMasks {
    /// By code; the last entry is that of null.
    Coded { codes: Codes, table: Vec<u64> },
    /// By row.
    Rows(Vec<u64>),
}

impl ColumnMasks {
    /// `uses`: all bits.
    ///
    /// # Errors
    /// [`MatchError::Unreadable`].
    pub(super) fn new(query: &Query, uses: u64, plan: &FilterColumn, input: &Input) -> Result<Self, MatchError> {
        match input {
            Input::Coded(coded) => {
                let mut table = masks(query, uses, plan, &coded.entries)?;
                table.push(mask_of(query, uses, plan, Cell::Null));
                Ok(Self::Coded {
                    codes: coded.codes.clone(),
                    table,
                })
            }
            Input::Flat(array) => Ok(Self::Rows(masks(query, uses, plan, array)?)),
        }
    }

    /// Whether no row of the batch can serve any use.
    pub(super) fn is_hopeless(&self) -> bool {
        match self {
            Self::Coded { table, .. } => table.iter().all(|mask| *mask == 0),
            Self::Rows(masks) => masks.iter().all(|mask| *mask == 0),
        }
    }
}

fn masks(query: &Query, uses: u64, plan: &FilterColumn, array: &ArrayRef) -> Result<Vec<u64>, MatchError> {
    let Some(column) = query.columns.get(plan.column) else {
        return Ok(vec![0; array.len()]);
    };
    let cells = cells(array, column)?;
    let mut masks = vec![uses; array.len()];
    for (filter, bits) in &plan.filters {
        let Some(filter) = query.filters.get(*filter) else {
            continue;
        };
        match (&cells, &filter.test) {
            (Cells::Int(array), Test::Compare(comparison, Constant::Int(constant))) if array.nulls().is_none() => {
                compare_all(array.values(), *comparison, *constant, *bits, &mut masks);
            }
            _ => {
                for (row, mask) in masks.iter_mut().enumerate() {
                    if !filter.test.matches(cells.cell(row)) {
                        *mask &= !bits;
                    }
                }
            }
        }
    }
    Ok(masks)
}

/// The comparison of integers, all of them valid, in a loop without branches.
fn compare_all(values: &[i64], comparison: Comparison, constant: i128, bits: u64, masks: &mut [u64]) {
    let Ok(constant) = i64::try_from(constant) else {
        let order = if constant < 0 {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Less
        };
        if !comparison.holds(Some(order)) {
            masks.iter_mut().for_each(|mask| *mask &= !bits);
        }
        return;
    };
    let mut each = |test: fn(i64, i64) -> bool| {
        for (mask, value) in masks.iter_mut().zip(values) {
            *mask &= if test(*value, constant) { u64::MAX } else { !bits };
        }
    };
    match comparison {
        Comparison::Equal => each(|value, constant| value == constant),
        Comparison::NotEqual => each(|value, constant| value != constant),
        Comparison::Greater => each(|value, constant| value > constant),
        Comparison::GreaterOrEqual => each(|value, constant| value >= constant),
        Comparison::Less => each(|value, constant| value < constant),
        Comparison::LessOrEqual => each(|value, constant| value <= constant),
    }
}

fn mask_of(query: &Query, uses: u64, plan: &FilterColumn, cell: Cell<'_>) -> u64 {
    let failing = plan.filters.iter().filter(|(filter, _)| {
        let filter = query.filters.get(*filter);
        !filter.is_some_and(|filter| filter.test.matches(cell))
    });
    failing.fold(uses, |mask, (_, bits)| mask & !bits)
}

/// Rows that serve some use, in their order, with their masks.
#[derive(Default)]
pub(super) struct Selected {
    pub(super) rows: Vec<u32>,
    pub(super) masks: Vec<u64>,
}

impl Selected {
    /// Replaces the content by rows `from..to` that are in the timeframe and serve any use.
    pub(super) fn select(&mut self, columns: &[ColumnMasks], frame: Option<&[bool]>, range: (usize, usize)) {
        match (columns, frame) {
            ([], _) => self.fill(range, |_| 0),
            ([ColumnMasks::Coded { codes, table }], None) => {
                with_codes!(codes, codes => self.fill(range, |row| entry(table, codes, row)));
            }
            ([ColumnMasks::Rows(masks)], None) => self.fill(range, |row| by_row(masks, row)),
            (columns, frame) => self.fill(range, |row| {
                let inside = frame.is_none_or(|frame| frame.get(row).copied().unwrap_or(false));
                let mask = columns.iter().fold(u64::MAX, |mask, column| mask & column.mask(row));
                if inside { mask } else { 0 }
            }),
        }
    }

    /// Without a branch on the mask: each row is written, and stays if it serves a use.
    #[expect(
        clippy::indexing_slicing,
        reason = "the vectors have a place for every row of the range"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rows of a batch are numbered with 32 bits"
    )]
    fn fill(&mut self, (from, to): (usize, usize), mask: impl Fn(usize) -> u64) {
        let count = to - from;
        self.rows.resize(count, 0);
        self.masks.resize(count, 0);
        let (rows, masks) = (&mut self.rows[..count], &mut self.masks[..count]);
        let mut kept = 0;
        for row in from..to {
            let mask = mask(row);
            rows[kept] = row as u32;
            masks[kept] = mask;
            kept += usize::from(mask != 0);
        }
        self.rows.truncate(kept);
        self.masks.truncate(kept);
    }
}

impl ColumnMasks {
    fn mask(&self, row: usize) -> u64 {
        match self {
            Self::Coded { codes, table } => with_codes!(codes, codes => entry(table, codes, row)),
            Self::Rows(masks) => by_row(masks, row),
        }
    }
}

fn entry<C: Code>(table: &[u64], codes: &[C], row: usize) -> u64 {
    codes
        .get(row)
        .and_then(|code| table.get(code.index()))
        .copied()
        .unwrap_or(0)
}

fn by_row(masks: &[u64], row: usize) -> u64 {
    masks.get(row).copied().unwrap_or(0)
}
