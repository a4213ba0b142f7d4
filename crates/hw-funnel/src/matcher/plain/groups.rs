//! One group at a time: conditions, blocks of equal time, aggregations.

use std::collections::BTreeMap;

use super::events::FrozenEvents;
use crate::partial::Selection;
use crate::query::{Aggregation, Condition, Query, Sequence, Target};
use crate::scalar::{Number, Scalar};
use crate::sequence::{Blocks, Pattern, chain, steps_passed};
use crate::sum::Sum;
use crate::tally::{GroupValues, Tally};

/// The rows of a group, or of a group and a value, ordered by time.
#[derive(Clone, Copy)]
pub(super) struct GroupRows<'a> {
    pub(super) query: &'a Query,
    pub(super) events: &'a FrozenEvents,
    pub(super) rows: &'a [u32],
}

impl Sequence {
    pub(super) fn pattern(&self) -> Pattern<'_> {
        Pattern {
            positive: &self.positive,
            max_duration: self.max_duration,
        }
    }
}

impl<'a> GroupRows<'a> {
    pub(super) fn id(&self) -> Option<&'a Scalar> {
        self.rows.first().and_then(|row| self.events.group_id(*row))
    }

    pub(super) fn row_count(&self) -> u64 {
        self.rows.len() as u64
    }

    pub(super) fn satisfies_relation(&self) -> bool {
        let Some(relation) = &self.query.relation else {
            return true;
        };
        let outcomes: Vec<bool> = self
            .query
            .conditions
            .iter()
            .map(|condition| self.satisfies(condition))
            .collect();
        relation.holds(&outcomes)
    }

    fn satisfies(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Rows {
                filters,
                target,
                include_zero,
            } => {
                let mut matching = self
                    .rows
                    .iter()
                    .filter(|row| self.events.passes(filters, **row))
                    .peekable();
                if matching.peek().is_none() {
                    return *include_zero;
                }
                self.reaches(target, matching)
            }
            Condition::Sequence(sequence) => {
                steps_passed(sequence.pattern(), &self.blocks(sequence)) == sequence.steps.len()
            }
        }
    }

    fn reaches(&self, target: &Target, matching: impl Iterator<Item = &'a u32>) -> bool {
        let value = match target.sum {
            None => Number::Int(matching.fold(0, |count, _| count + 1)),
            Some(column) => {
                let mut sum = Sum::empty(self.query.is_float(column));
                let numbers = matching.filter_map(|row| self.events.value(column, *row)?.number());
                numbers.for_each(|number| sum.add(number));
                sum.total()
            }
        };
        target.comparison.holds(value.compare(target.constant))
    }

    /// The rows cut into blocks of equal time, with the steps that match in each.
    pub(super) fn blocks(&self, sequence: &Sequence) -> Blocks {
        let is_float = self.query.is_float(self.query.time_column);
        let time = |row: &u32| self.events.time(*row, is_float);
        let chunks: Vec<&[u32]> = self.rows.chunk_by(|left, right| time(left) == time(right)).collect();
        let is_hit = |filters: &[usize], rows: &[u32]| rows.iter().any(|row| self.events.passes(filters, *row));
        Blocks {
            times: chunks.iter().filter_map(|rows| rows.first()).map(time).collect(),
            hits: sequence
                .steps
                .iter()
                .map(|filters| chunks.iter().map(|rows| is_hit(filters, rows)).collect())
                .collect(),
        }
    }

    /// The column's value in the row that serves the first positive step of the group's chain. Of several such rows
    /// at the same time the smallest value counts, and null only if there is no other.
    pub(super) fn value_at_first_step(&self, sequence: &Sequence, column: usize) -> Option<&'a Scalar> {
        let blocks = self.blocks(sequence);
        let (step, block) = *chain(sequence.pattern(), &blocks).first()?;
        let (filters, time) = (sequence.steps.get(step)?, *blocks.times.get(block)?);
        let is_float = self.query.is_float(self.query.time_column);
        let rows = self.rows.iter().filter(|row| self.events.time(**row, is_float) == time);
        let rows = rows.filter(|row| self.events.passes(filters, **row));
        rows.filter_map(|row| self.events.value(column, *row)).min()
    }

    /// The rows of each value of a column, null among them, still ordered by time.
    pub(super) fn rows_by_value(&self, column: usize) -> Vec<(Option<&'a Scalar>, Vec<u32>)> {
        let mut by_value: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for row in self.rows {
            by_value
                .entry(self.events.value_number(column, *row))
                .or_default()
                .push(*row);
        }
        let events = self.events;
        let value = |rows: &[u32]| rows.first().and_then(|row| events.value(column, *row));
        by_value.into_values().map(|rows| (value(&rows), rows)).collect()
    }

    pub(super) fn add_to_tallies(&self, tallies: &mut [Tally], aggregations: &[Aggregation]) {
        for (tally, aggregation) in tallies.iter_mut().zip(aggregations) {
            let column = |column: usize| self.rows.iter().map(move |row| self.events.value(column, *row));
            let values = column(aggregation.column);
            let others = column(aggregation.other.unwrap_or(aggregation.column));
            tally.add_group(aggregation, self.query, GroupValues { values, others });
        }
    }
}

/// Counts the group and its rows, and adds them to the aggregations.
pub(super) fn add_selection(selection: &mut Selection, group: &GroupRows<'_>, aggregations: &[Aggregation]) {
    selection.groups += 1;
    selection.rows += group.row_count();
    group.add_to_tallies(&mut selection.tallies, aggregations);
}
