//! The plain matcher: keeps every row, sorts them by group and time, and looks at one group after the other.
//!
//! Rows are kept as a group number, a time, one bit per distinct filter (decided when the row arrives) and, for columns
//! that are aggregated, summed or broken down, the number of their value. It takes O(rows log rows).

mod events;
mod groups;

use std::collections::BTreeMap;

use super::{MatchError, ReadBatch};
use crate::document::BreakdownBy;
use crate::partial::{Partial, StepPartial, group_array};
use crate::query::{Breakdown, Funnel, Query};
use crate::scalar::Scalar;
use crate::sequence::{chain, steps_passed};
use events::Events;
use groups::{GroupRows, add_selection};

/// See the module.
pub(super) struct PlainMatcher {
    query: Query,
    events: Events,
    /// Steps that a group has to pass for its id to be collected.
    export: Option<usize>,
}

impl PlainMatcher {
    pub(super) fn new(query: &Query) -> Self {
        Self {
            query: query.clone(),
            events: Events::new(query),
            export: None,
        }
    }

    /// Collects the ids of groups that satisfy the relation and pass so many steps.
    pub(super) fn export_groups(&mut self, depth: usize) {
        self.export = Some(depth);
    }

    /// Takes the rows of a batch.
    pub(super) fn push(&mut self, batch: &ReadBatch) -> Result<(), MatchError> {
        self.events.push(&self.query, batch)
    }

    /// Bytes held, and needed to finish.
    pub(super) fn memory_size(&self) -> usize {
        self.events.memory_size()
    }

    pub(super) fn finish(self) -> Result<Partial, MatchError> {
        let order = self.events.rows_by_group();
        let mut counting = Counting {
            query: &self.query,
            partial: Partial::empty(&self.query),
            breakdown: BTreeMap::new(),
            export: self.export,
            exported: Vec::new(),
        };
        let events = self.events.freeze();
        for rows in order.chunk_by(|left, right| events.group(*left) == events.group(*right)) {
            counting.add_group(&GroupRows {
                query: &self.query,
                events: &events,
                rows,
            });
        }
        counting.finish()
    }
}

/// Counters while groups pass by. Until the end, steps hold the groups whose *deepest* step they are.
struct Counting<'q> {
    query: &'q Query,
    partial: Partial,
    breakdown: BTreeMap<Option<Scalar>, Vec<StepPartial>>,
    export: Option<usize>,
    exported: Vec<Scalar>,
}

impl Counting<'_> {
    fn add_group(&mut self, group: &GroupRows<'_>) {
        let is_matching = group.satisfies_relation();
        self.partial.scanned_groups += 1;
        self.partial.scanned_rows += group.row_count();
        if is_matching {
            add_selection(&mut self.partial.query, group, &self.query.aggregations);
        }
        let passed = match &self.query.funnel {
            Some(funnel) if is_matching => self.add_funnel(funnel, group),
            _ => 0,
        };
        self.compare(group, is_matching, passed);
        if let Some(id) = group
            .id()
            .filter(|_| is_matching && self.export.is_some_and(|depth| passed >= depth))
        {
            self.exported.push(id.clone());
        }
    }

    /// Returns how many steps the group passes.
    fn add_funnel(&mut self, funnel: &Funnel, group: &GroupRows<'_>) -> usize {
        let passed = steps_passed(funnel.sequence.pattern(), &group.blocks(&funnel.sequence));
        let is_complete = passed == funnel.sequence.steps.len();
        if let Some(partial) = &mut self.partial.funnel {
            add_steps(&mut partial.steps, funnel, group, passed);
            if is_complete {
                group.add_to_tallies(&mut partial.end, &funnel.end_aggregations);
            }
        }
        match &funnel.breakdown {
            Some(breakdown) if breakdown.by == BreakdownBy::First => {
                self.break_down_first(funnel, breakdown, group, passed)
            }
            Some(breakdown) => self.break_down_pairs(funnel, breakdown, group),
            None => {}
        }
        passed
    }

    fn break_down_first(&mut self, funnel: &Funnel, breakdown: &Breakdown, group: &GroupRows<'_>, passed: usize) {
        if passed > 0 {
            let value = group.value_at_first_step(&funnel.sequence, breakdown.column).cloned();
            add_steps(self.steps_of(value), funnel, group, passed);
        }
    }

    fn break_down_pairs(&mut self, funnel: &Funnel, breakdown: &Breakdown, group: &GroupRows<'_>) {
        for (value, rows) in group.rows_by_value(breakdown.column) {
            let pair = GroupRows { rows: &rows, ..*group };
            let passed = steps_passed(funnel.sequence.pattern(), &pair.blocks(&funnel.sequence));
            if passed > 0 {
                add_steps(self.steps_of(value.cloned()), funnel, &pair, passed);
            }
        }
    }

    fn steps_of(&mut self, value: Option<Scalar>) -> &mut Vec<StepPartial> {
        self.breakdown
            .entry(value)
            .or_insert_with(|| StepPartial::empty_steps(self.query))
    }

    fn compare(&mut self, group: &GroupRows<'_>, is_matching: bool, passed: usize) {
        let Some((matched, rest)) = &mut self.partial.compare else {
            return;
        };
        let is_matched = match &self.query.funnel {
            Some(funnel) if self.query.relation.is_none() => passed == funnel.sequence.steps.len(),
            _ => is_matching,
        };
        add_selection(
            if is_matched { matched } else { rest },
            group,
            self.query.compare_aggregations(),
        );
    }

    fn finish(mut self) -> Result<Partial, MatchError> {
        if let Some(funnel) = &mut self.partial.funnel {
            count_through(&mut funnel.steps);
            self.breakdown.values_mut().for_each(|steps| count_through(steps));
            if funnel.breakdown.is_some() {
                funnel.breakdown = Some(self.breakdown);
            }
        }
        if let (Some(_), Some(column)) = (self.export, self.query.columns.first()) {
            self.exported.sort();
            let data_type = crate::column::value_type(&column.data_type);
            let groups = group_array(&self.exported, data_type).map_err(|reason| MatchError::Unreadable {
                column: column.name.clone(),
                reason,
            })?;
            self.partial.set_groups(groups);
        }
        Ok(self.partial)
    }
}

/// Counts a group at its deepest step, and its times at each step.
fn add_steps(steps: &mut [StepPartial], funnel: &Funnel, group: &GroupRows<'_>, passed: usize) {
    if let Some(deepest) = passed.checked_sub(1).and_then(|deepest| steps.get_mut(deepest)) {
        add_selection(&mut deepest.selection, group, &funnel.step_aggregations);
    }
    if funnel.step_times && passed > 0 {
        let blocks = group.blocks(&funnel.sequence);
        let chain = chain(funnel.sequence.pattern(), &blocks);
        for pair in chain.windows(2) {
            let [(_, earlier), (step, later)] = pair else { continue };
            let times = (blocks.times.get(*earlier), blocks.times.get(*later));
            let durations = steps.get_mut(*step).and_then(|step| step.since_previous.as_mut());
            if let ((Some(earlier), Some(later)), Some(durations)) = (times, durations) {
                durations.add(later.minus(*earlier));
            }
        }
    }
}

/// From groups per deepest step to groups per step passed.
fn count_through(steps: &mut [StepPartial]) {
    for step in (1..steps.len()).rev() {
        if let Some((earlier, [later, ..])) = steps.split_at_mut_checked(step)
            && let Some(earlier) = earlier.last_mut()
        {
            earlier.selection.merge(&later.selection);
        }
    }
}
