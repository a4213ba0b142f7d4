//! The rows that the plain matcher keeps.

use std::collections::HashMap;

use arrow_buffer::BooleanBufferBuilder;

use super::super::{MatchError, ReadBatch};
use crate::column::Cell;
use crate::query::{Aggregation, Condition, Query};
use crate::scalar::{Number, Real, Scalar};

/// Rows, one entry per row in each vector.
pub(super) struct Events {
    groups: Vec<u32>,
    times: Vec<TimeKey>,
    /// Per filter of the query, whether the row passes.
    passes: Vec<BooleanBufferBuilder>,
    /// Per column of the query, the numbers of its values, if they are needed.
    values: Vec<Option<Vec<u32>>>,
    group_numbers: Numbering,
    value_numbers: Vec<Numbering>,
}

/// A time as an integer with the same order; floats are told apart by the column.
type TimeKey = i128;

fn time_key(time: Number) -> TimeKey {
    match time {
        Number::Int(time) => time,
        Number::Float(time) => TimeKey::from(ordered_bits(
            Real::new(time).map_or(0.0, Real::get).to_bits().cast_signed(),
        )),
    }
}

fn time_of(key: TimeKey, is_float: bool) -> Number {
    match i64::try_from(key) {
        Ok(bits) if is_float => Number::Float(f64::from_bits(ordered_bits(bits).cast_unsigned())),
        _ => Number::Int(key),
    }
}

/// The bits of doubles order like integers once those of negative ones are turned over; turning twice restores them.
fn ordered_bits(bits: i64) -> i64 {
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

impl Events {
    pub(super) fn new(query: &Query) -> Self {
        let needed = needed_values(query);
        Self {
            groups: Vec::new(),
            times: Vec::new(),
            passes: query.filters.iter().map(|_| BooleanBufferBuilder::new(0)).collect(),
            values: needed.iter().map(|is_needed| is_needed.then(Vec::new)).collect(),
            group_numbers: Numbering::default(),
            value_numbers: needed.iter().map(|_| Numbering::default()).collect(),
        }
    }

    pub(super) fn push(&mut self, query: &Query, batch: &ReadBatch) -> Result<(), MatchError> {
        if u32::try_from(self.groups.len() + batch.rows.len()).is_err() {
            return Err(MatchError::TooManyRows { limit: u32::MAX });
        }
        let Some(groups) = batch.cells.first() else {
            return Ok(());
        };
        for (row, time) in &batch.rows {
            self.groups.push(self.group_numbers.number(groups.cell(*row)));
            self.times.push(time_key(*time));
        }
        for (filter, passes) in query.filters.iter().zip(&mut self.passes) {
            let Some(cells) = batch.cells.get(filter.column) else {
                continue;
            };
            batch
                .rows
                .iter()
                .for_each(|(row, _)| passes.append(filter.test.matches(cells.cell(*row))));
        }
        for ((numbers, numbering), cells) in self.values.iter_mut().zip(&mut self.value_numbers).zip(&batch.cells) {
            if let Some(numbers) = numbers {
                numbers.extend(batch.rows.iter().map(|(row, _)| numbering.number(cells.cell(*row))));
            }
        }
        Ok(())
    }

    /// Bytes held, and those that finishing needs for sorting and for looking values up by number.
    pub(super) fn memory_size(&self) -> usize {
        let vectors = self.groups.capacity() * size_of::<u32>() + self.times.capacity() * size_of::<TimeKey>();
        let passes: usize = self.passes.iter().map(BooleanBufferBuilder::capacity).sum::<usize>() / 8;
        let values: usize = self
            .values
            .iter()
            .flatten()
            .map(|numbers| numbers.capacity() * size_of::<u32>())
            .sum();
        let numberings: usize = self.value_numbers.iter().map(Numbering::memory_size).sum();
        let sorting = self.groups.len() * size_of::<u32>();
        vectors + passes + values + numberings + self.group_numbers.memory_size() + sorting
    }

    /// All rows, ordered by group, then by time.
    pub(super) fn rows_by_group(&self) -> Vec<u32> {
        let count = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..count).collect();
        order.sort_unstable_by_key(|row| {
            let row = *row as usize;
            (self.groups.get(row).copied(), self.times.get(row).copied())
        });
        order
    }

    /// Ends the input.
    pub(super) fn freeze(self) -> FrozenEvents {
        FrozenEvents {
            groups: self.groups,
            times: self.times,
            passes: self.passes,
            values: self.values,
            group_ids: self.group_numbers.into_values(),
            column_values: self.value_numbers.into_iter().map(Numbering::into_values).collect(),
        }
    }
}

/// Rows that are complete; looks values up by row.
pub(super) struct FrozenEvents {
    groups: Vec<u32>,
    times: Vec<TimeKey>,
    passes: Vec<BooleanBufferBuilder>,
    values: Vec<Option<Vec<u32>>>,
    group_ids: Vec<Scalar>,
    column_values: Vec<Vec<Scalar>>,
}

impl FrozenEvents {
    pub(super) fn group(&self, row: u32) -> Option<u32> {
        self.groups.get(row as usize).copied()
    }

    pub(super) fn group_id(&self, row: u32) -> Option<&Scalar> {
        self.group(row).and_then(|number| lookup(&self.group_ids, number))
    }

    pub(super) fn time(&self, row: u32, is_float: bool) -> Number {
        self.times
            .get(row as usize)
            .map_or(Number::Int(0), |key| time_of(*key, is_float))
    }

    /// Whether the row passes all of the filters.
    pub(super) fn passes(&self, filters: &[usize], row: u32) -> bool {
        filters.iter().all(|filter| {
            self.passes
                .get(*filter)
                .is_some_and(|passes| passes.get_bit(row as usize))
        })
    }

    /// The value of a column, `None` for null.
    pub(super) fn value(&self, column: usize, row: u32) -> Option<&Scalar> {
        lookup(self.column_values.get(column)?, self.value_number(column, row))
    }

    /// The number of a column's value, 0 for null.
    pub(super) fn value_number(&self, column: usize, row: u32) -> u32 {
        let numbers = self.values.get(column).and_then(Option::as_ref);
        numbers
            .and_then(|numbers| numbers.get(row as usize))
            .copied()
            .unwrap_or(0)
    }
}

fn lookup(values: &[Scalar], number: u32) -> Option<&Scalar> {
    number.checked_sub(1).and_then(|index| values.get(index as usize))
}

/// Columns whose values are needed beyond filters.
fn needed_values(query: &Query) -> Vec<bool> {
    let mut is_needed = vec![false; query.columns.len()];
    let mut need = |column: usize| {
        if let Some(flag) = is_needed.get_mut(column) {
            *flag = true;
        }
    };
    let mut need_all = |list: &[Aggregation]| {
        list.iter()
            .flat_map(|aggregation| std::iter::once(aggregation.column).chain(aggregation.other))
            .for_each(&mut need);
    };
    need_all(&query.aggregations);
    if let Some(funnel) = &query.funnel {
        need_all(&funnel.step_aggregations);
        need_all(&funnel.end_aggregations);
        funnel.breakdown.iter().for_each(|breakdown| need(breakdown.column));
    }
    for condition in &query.conditions {
        match condition {
            Condition::Rows { target, .. } => target.sum.into_iter().for_each(&mut need),
            Condition::Sequence(_) => {}
        }
    }
    is_needed
}

/// Numbers the distinct values of a column from 1 on; 0 is null.
#[derive(Default)]
struct Numbering {
    texts: HashMap<Box<str>, u32>,
    others: HashMap<Scalar, u32>,
    text_bytes: usize,
}

impl Numbering {
    fn number(&mut self, cell: Cell<'_>) -> u32 {
        // There are never more values than rows, whose number is limited.
        let next = u32::try_from(self.texts.len() + self.others.len() + 1).unwrap_or(u32::MAX);
        match cell {
            Cell::Text(text) => match self.texts.get(text) {
                Some(number) => *number,
                None => {
                    self.text_bytes += text.len();
                    self.texts.insert(text.into(), next);
                    next
                }
            },
            // Lists are only ever counted, so that all of them may share a number.
            Cell::List(_) => *self.others.entry(Scalar::Bool(true)).or_insert(next),
            cell => match cell.to_scalar() {
                Some(value) => *self.others.entry(value).or_insert(next),
                None => 0,
            },
        }
    }

    /// Bytes of the values, twice: once now, once in the list by number.
    fn memory_size(&self) -> usize {
        let text = size_of::<(Box<str>, u32)>() * self.texts.capacity() + self.text_bytes;
        let other = size_of::<(Scalar, u32)>() * self.others.capacity();
        text + other + size_of::<Scalar>() * (self.texts.len() + self.others.len())
    }

    /// The values in the order of their numbers.
    fn into_values(self) -> Vec<Scalar> {
        let texts = self
            .texts
            .into_iter()
            .map(|(text, number)| (number, Scalar::Text(text)));
        let others = self.others.into_iter().map(|(value, number)| (number, value));
        let mut values: Vec<(u32, Scalar)> = texts.chain(others).collect();
        values.sort_unstable_by_key(|(number, _)| *number);
        values.into_iter().map(|(_, value)| value).collect()
    }
}
