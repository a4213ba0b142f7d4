//! The end of matching: which groups satisfy the relation, how far they get, and what is counted over their rows.

use std::collections::{BTreeMap, VecDeque};

use super::gather::{Event, RunMatcher, Runs};
use super::input::{Clock, Input};
use super::plan::ConditionPlan;
use super::tallies::{IDLE, Tallying};
use super::{Batch, BrokenDown, FastMatcher, Kept, KeptRows, Matching, RowSlots, Rows};
use crate::column::value_type;
use crate::document::BreakdownBy;
use crate::matcher::MatchError;
use crate::partial::{Partial, Selection, StepPartial, group_array};
use crate::query::{Aggregation, Query};
use crate::scalar::Scalar;

/// All groups decided; aggregations may still have to see the rows.
pub(in crate::matcher) struct Judged {
    matcher: FastMatcher,
    partial: Partial,
    tallying: Option<Tallying>,
    /// What is known of the batches that are still to be given again.
    known: VecDeque<Option<KeptRows>>,
}

/// Sequences per slot: from states, or from runs of rows.
struct Sequences {
    /// Steps passed per pattern and slot.
    passed: Vec<Vec<u8>>,
    runs: Option<Runs>,
    /// Steps passed per pair, and places per slot.
    pairs: Option<(Vec<u8>, usize)>,
}

impl FastMatcher {
    /// Decides all groups. `export`: steps that a group has to pass for its id to be collected.
    ///
    /// # Errors
    /// [`MatchError::Unreadable`].
    pub(in crate::matcher) fn judge(mut self, export: Option<usize>) -> Result<Judged, MatchError> {
        let sequences = self.sequences();
        if let Some(pairs) = self.breakdown.as_ref().and_then(|breakdown| breakdown.pairs.as_ref()) {
            // None if rows were counted per slot.
            pairs.add_rows(&mut self.rows);
        }
        let is_matching = self.matching_groups(&sequences.passed);
        let passed = self.steps_passed(&sequences, &is_matching);
        let mut partial = Partial::empty(&self.query);
        self.count_groups(&mut partial, &is_matching, &passed);
        self.count_times(&mut partial, &sequences, &passed);
        self.break_down(&mut partial, &sequences, &is_matching);
        if let Some(depth) = export {
            partial.set_groups(self.exported(depth, &is_matching, &passed)?);
        }
        let tallying = self.tallying(&is_matching, &passed);
        let (kept, known) = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => (Vec::new(), VecDeque::new()),
            Kept::All(kept) => (kept, VecDeque::new()),
            Kept::Known(known) => (Vec::new(), known),
        };
        let mut judged = Judged {
            matcher: self,
            partial,
            tallying,
            known,
        };
        judged.add_kept(kept)?;
        Ok(judged)
    }

    fn sequences(&mut self) -> Sequences {
        let slots = self.groups.len();
        let streaming = Matching::Streaming {
            states: Vec::new(),
            pairs: None,
        };
        match std::mem::replace(&mut self.matching, streaming) {
            Matching::Streaming { states, pairs } => {
                let mut passed: Vec<Vec<u8>> = states.into_iter().map(|states| states.into_passed(slots)).collect();
                // Without any row that serves a step there are no states.
                passed.resize(self.plan.patterns.len(), vec![0; slots]);
                Sequences {
                    passed,
                    runs: None,
                    pairs: pairs.map(|pairs| {
                        let places = pairs.places();
                        (pairs.into_passed(slots), places)
                    }),
                }
            }
            Matching::Gathering(gathered) => {
                let runs = gathered.by_slot(slots);
                let of_pattern = |plan| {
                    let mut matcher = RunMatcher::new(plan, self.clock);
                    (0..slots).map(|slot| matcher.passed(runs.events(slot))).collect()
                };
                Sequences {
                    passed: self.plan.patterns.iter().map(of_pattern).collect(),
                    runs: Some(runs),
                    pairs: None,
                }
            }
        }
    }

    /// Per slot, whether it has rows and satisfies the relation.
    fn matching_groups(&self, passed: &[Vec<u8>]) -> Vec<bool> {
        let mut is_matching: Vec<bool> = match &self.query.relation {
            None => vec![true; self.rows.len()],
            Some(relation) => {
                let conditions: Vec<Vec<bool>> = self
                    .plan
                    .conditions
                    .iter()
                    .map(|condition| self.outcomes(condition, passed))
                    .collect();
                relation.outcomes(&conditions, self.rows.len())
            }
        };
        for (is_matching, rows) in is_matching.iter_mut().zip(&self.rows) {
            *is_matching &= *rows > 0;
        }
        is_matching
    }

    fn outcomes(&self, condition: &ConditionPlan, passed: &[Vec<u8>]) -> Vec<bool> {
        let slots = 0..self.rows.len();
        match condition {
            ConditionPlan::Pattern(pattern) => {
                let steps = self
                    .plan
                    .patterns
                    .get(*pattern)
                    .map_or(0, super::plan::PatternPlan::steps);
                let passed = passed.get(*pattern).map(Vec::as_slice).unwrap_or_default();
                passed.iter().map(|passed| usize::from(*passed) == steps).collect()
            }
            ConditionPlan::Seen(bit) => {
                let seen = |slot: usize| self.seen.get(slot).is_some_and(|seen| seen & bit != 0);
                slots.map(seen).collect()
            }
            ConditionPlan::Counter(counter) => {
                let holds = |slot| self.counters.get(*counter).is_some_and(|counter| counter.holds(slot));
                slots.map(holds).collect()
            }
        }
    }

    /// Steps of the funnel that each slot passes; 0 for groups that fail the relation.
    fn steps_passed(&self, sequences: &Sequences, is_matching: &[bool]) -> Vec<u8> {
        let Some(passed) = self.plan.funnel.and_then(|funnel| sequences.passed.get(funnel)) else {
            return vec![0; is_matching.len()];
        };
        let steps = passed.iter().zip(is_matching);
        steps
            .map(|(passed, is_matching)| if *is_matching { *passed } else { 0 })
            .collect()
    }

    fn count_groups(&self, partial: &mut Partial, is_matching: &[bool], passed: &[u8]) {
        let is_compared = self.compared(is_matching, passed);
        for (slot, rows) in self.rows.iter().enumerate().filter(|(_, rows)| **rows > 0) {
            let rows = u64::from(*rows);
            partial.scanned_groups += 1;
            partial.scanned_rows += rows;
            if is_matching.get(slot).copied().unwrap_or(false) {
                partial.query.add_group(rows);
            }
            if let Some((matched, rest)) = &mut partial.compare {
                let side = if is_compared.get(slot).copied().unwrap_or(false) {
                    matched
                } else {
                    rest
                };
                side.add_group(rows);
            }
            if let Some(funnel) = &mut partial.funnel {
                add_deepest(&mut funnel.steps, passed.get(slot).copied().unwrap_or(0), rows);
            }
        }
        if let Some(funnel) = &mut partial.funnel {
            count_through(&mut funnel.steps);
        }
    }

    /// Per slot, whether `compare` counts it as matched.
    fn compared(&self, is_matching: &[bool], passed: &[u8]) -> Vec<bool> {
        match &self.query.funnel {
            Some(funnel) if self.query.relation.is_none() => {
                let steps = funnel.sequence.steps.len();
                passed.iter().map(|passed| usize::from(*passed) == steps).collect()
            }
            _ => is_matching.to_vec(),
        }
    }

    /// Times between steps.
    fn count_times(&self, partial: &mut Partial, sequences: &Sequences, passed: &[u8]) {
        let (Some(runs), Some(funnel)) = (&sequences.runs, &mut partial.funnel) else {
            return;
        };
        let Some(plan) = self.plan.funnel.and_then(|funnel| self.plan.patterns.get(funnel)) else {
            return;
        };
        if !self.plan.step_times {
            return;
        }
        let matcher = RunMatcher::new(plan, self.clock);
        for (slot, _) in passed.iter().enumerate().filter(|(_, passed)| **passed > 0) {
            add_times(&mut funnel.steps, &matcher, runs.events(slot), self.clock);
        }
    }

    fn break_down(&self, partial: &mut Partial, sequences: &Sequences, is_matching: &[bool]) {
        let (Some(breakdown), Some(funnel)) = (&self.breakdown, &mut partial.funnel) else {
            return;
        };
        let Some(plan) = self.plan.funnel.and_then(|funnel| self.plan.patterns.get(funnel)) else {
            return;
        };
        let mut counts = BreakdownCounts {
            query: &self.query,
            breakdown,
            steps: Vec::new(),
            of_null: None,
        };
        let matching = is_matching.iter().enumerate().filter(|(_, is_matching)| **is_matching);
        let mut matcher = RunMatcher::new(plan, self.clock);
        for (slot, _) in matching {
            match (&sequences.runs, &sequences.pairs, self.plan.breakdown) {
                (Some(runs), _, Some((_, BreakdownBy::First))) => {
                    let rows = self.rows.get(slot).copied().unwrap_or(0);
                    counts.add_first(&mut matcher, &runs.events(slot).collect::<Vec<_>>(), rows.into(), self);
                }
                (Some(runs), ..) => counts.add_pairs(&mut matcher, slot, &runs.events(slot).collect::<Vec<_>>(), self),
                (None, Some((passed, places)), _) => {
                    let of_slot = passed.get(slot * places..(slot + 1) * places).unwrap_or_default();
                    for (value, passed) in (0_u32..).zip(of_slot) {
                        counts.add_pair(slot, value, *passed);
                    }
                }
                (None, None, _) => {}
            }
        }
        funnel.breakdown = Some(counts.by_value());
    }

    fn exported(&self, depth: usize, is_matching: &[bool], passed: &[u8]) -> Result<arrow_array::ArrayRef, MatchError> {
        let chosen = is_matching.iter().zip(passed).enumerate();
        let chosen = chosen.filter(|(_, (is_matching, passed))| **is_matching && usize::from(**passed) >= depth);
        let mut ids: Vec<Scalar> = chosen.filter_map(|(slot, _)| self.groups.id(slot)).collect();
        ids.sort_unstable();
        let column = self.query.columns.first().ok_or_else(|| super::no_column(0))?;
        group_array(&ids, value_type(&column.data_type)).map_err(|reason| MatchError::Unreadable {
            column: column.name.clone(),
            reason,
        })
    }

    /// What counts rows of chosen groups, if anything does.
    fn tallying(&self, is_matching: &[bool], passed: &[u8]) -> Option<Tallying> {
        let lists = lists(&self.query);
        if lists.iter().all(|(list, _)| list.is_empty()) {
            return None;
        }
        let count = class_count(&self.query);
        let is_wanted = |class: usize| {
            lists
                .iter()
                .any(|(list, classes)| !list.is_empty() && classes.contains(&class))
        };
        let wanted: Vec<bool> = (0..count).map(is_wanted).collect();
        let class = |(is_matching, passed): (&bool, &u8)| {
            let class = if *is_matching { 1 + passed } else { 0 };
            if wanted.get(usize::from(class)).copied().unwrap_or(false) {
                class
            } else {
                IDLE
            }
        };
        let classes: Vec<u8> = is_matching.iter().zip(passed).map(class).collect();
        let lists: Vec<&[Aggregation]> = lists.iter().map(|(list, _)| *list).collect();
        Some(Tallying::new(&self.query, &lists, classes, count))
    }
}

/// Classes of groups: those that fail the relation, then those that pass 0, 1, ... steps.
fn class_count(query: &Query) -> usize {
    query.funnel_steps().unwrap_or(0) + 2
}

/// Every list of aggregations with the classes that it is over: the query's, the steps', the end's, matched and rest.
fn lists(query: &Query) -> Vec<(&[Aggregation], Vec<usize>)> {
    let count = class_count(query);
    let mut lists: Vec<(&[Aggregation], Vec<usize>)> = vec![(&query.aggregations, (1..count).collect())];
    if let Some(funnel) = &query.funnel {
        for step in 0..funnel.sequence.steps.len() {
            lists.push((&funnel.step_aggregations, (step + 2..count).collect()));
        }
        lists.push((&funnel.end_aggregations, vec![count - 1]));
    }
    if query.compare {
        let matched_from = match &query.funnel {
            Some(_) if query.relation.is_none() => count - 1,
            _ => 1,
        };
        lists.push((query.compare_aggregations(), (matched_from..count).collect()));
        lists.push((query.compare_aggregations(), (0..matched_from).collect()));
    }
    lists
}

impl FastMatcher {
    /// The slots of a batch that was pushed before.
    fn slots_again<R: Rows>(&mut self, batch: &mut Batch<'_, R>) -> Result<KeptRows, R::Error> {
        let frame = self.frame(batch)?;
        let group = self.query.columns.first().ok_or_else(|| super::no_column(0))?;
        let slots = RowSlots::new(&mut self.groups, &batch.input(0)?, group)?;
        let slots = match &frame {
            Some(_) => RowSlots::Rows(slots.to_rows(frame.as_deref())),
            None => slots,
        };
        Ok(KeptRows {
            slots,
            columns: Vec::new(),
        })
    }
}

impl Judged {
    /// Whether rows have to be [given again](Self::push_again) for aggregations.
    pub(in crate::matcher) fn needs_rows(&self) -> bool {
        self.tallying.is_some() && !self.matcher.plan.tally_columns.is_empty()
    }

    pub(in crate::matcher) fn memory_size(&self) -> usize {
        self.matcher.memory_size() + self.tallying.as_ref().map_or(0, Tallying::memory_size)
    }

    /// Takes the rows of a batch for aggregations.
    pub(in crate::matcher) fn push_again<R: Rows>(&mut self, rows: &mut R) -> Result<(), R::Error> {
        let Some(tallying) = &mut self.tallying else {
            return Ok(());
        };
        let columns = std::sync::Arc::clone(&self.matcher.columns);
        let mut batch = Batch::new(&columns, rows);
        let known = match self.known.pop_front().flatten() {
            Some(known) => known,
            None => self.matcher.slots_again(&mut batch)?,
        };
        if !tallying.select(&known.slots) {
            return Ok(());
        }
        let mut inputs = known.columns;
        for column in &self.matcher.plan.tally_columns {
            if !inputs.iter().any(|(known, _)| known == column) {
                inputs.push((*column, batch.input(*column)?));
            }
        }
        Ok(tallying.add(&self.matcher.query, |column| input_of(&inputs, column))?)
    }

    fn add_kept(&mut self, kept: Vec<KeptRows>) -> Result<(), MatchError> {
        if kept.is_empty() {
            return Ok(());
        }
        let Some(mut tallying) = self.tallying.take() else {
            return Ok(());
        };
        for rows in kept {
            if !tallying.select(&rows.slots) {
                continue;
            }
            tallying.add(&self.matcher.query, |column| input_of(&rows.columns, column))?;
        }
        self.add_tallies(&tallying);
        Ok(())
    }

    fn add_tallies(&mut self, tallying: &Tallying) {
        let query = &self.matcher.query;
        let tallies = |(list, classes): &(&[Aggregation], Vec<usize>)| -> Vec<crate::tally::Tally> {
            let tally = |aggregation| tallying.tally(query, aggregation, classes.iter().copied());
            list.iter().map(tally).collect()
        };
        let mut counted = lists(query).iter().map(tallies).collect::<Vec<_>>().into_iter();
        self.partial.query.tallies = counted.next().unwrap_or_default();
        if let Some(funnel) = &mut self.partial.funnel {
            for step in &mut funnel.steps {
                step.selection.tallies = counted.next().unwrap_or_default();
            }
            funnel.end = counted.next().unwrap_or_default();
        }
        if let Some((matched, rest)) = &mut self.partial.compare {
            matched.tallies = counted.next().unwrap_or_default();
            rest.tallies = counted.next().unwrap_or_default();
        }
    }

    pub(in crate::matcher) fn finish(mut self) -> Partial {
        if let Some(tallying) = self.tallying.take() {
            self.add_tallies(&tallying);
        }
        self.partial
    }
}

fn input_of(inputs: &[(usize, Input)], column: usize) -> Result<Input, MatchError> {
    let found = inputs.iter().find(|(known, _)| *known == column);
    found
        .map(|(_, input)| input.clone())
        .ok_or_else(|| super::no_column(column))
}

/// Counts of a breakdown, per value.
struct BreakdownCounts<'a> {
    query: &'a Query,
    breakdown: &'a BrokenDown,
    /// By number of the value.
    steps: Vec<Option<Vec<StepPartial>>>,
    /// Those of null, whatever its number.
    of_null: Option<Vec<StepPartial>>,
}

impl BreakdownCounts<'_> {
    fn steps_of(&mut self, value: u32) -> &mut Vec<StepPartial> {
        let steps = match self.breakdown.values.value(value) {
            None => &mut self.of_null,
            Some(_) => {
                let place = value as usize;
                if self.steps.len() <= place {
                    self.steps.resize(place + 1, None);
                }
                match self.steps.get_mut(place) {
                    Some(steps) => steps,
                    None => &mut self.of_null,
                }
            }
        };
        steps.get_or_insert_with(|| StepPartial::empty_steps(self.query))
    }

    fn by_value(self) -> BTreeMap<Option<Scalar>, Vec<StepPartial>> {
        let values = &self.breakdown.values;
        let counted = (0_u32..)
            .zip(self.steps)
            .filter_map(|(value, steps)| Some((values.value(value).cloned(), steps?)));
        let mut steps: BTreeMap<_, _> = counted.chain(self.of_null.map(|steps| (None, steps))).collect();
        steps.values_mut().for_each(|steps| count_through(steps));
        steps
    }

    /// The smallest value among the rows that serve the first step of the group's chain; null only if there is no other.
    fn add_first(&mut self, matcher: &mut RunMatcher<'_>, events: &[Event], rows: u64, of: &FastMatcher) {
        let passed = matcher.passed(events.iter().copied());
        if passed == 0 {
            return;
        }
        let first = matcher.chain(events.iter().copied()).first().copied();
        let serving = events.iter().filter(|event| {
            first.is_some_and(|(step, time)| event.time == time && event.mask & matcher.bit(step) != 0)
        });
        let values = &self.breakdown.values;
        let smallest = serving
            .map(|event| event.value)
            .filter(|value| values.value(*value).is_some());
        let value = smallest.min_by_key(|value| values.value(*value)).unwrap_or(u32::MAX);
        let steps = self.steps_of(value);
        add_deepest(steps, passed, rows);
        if of.plan.step_times {
            add_times(steps, matcher, events.iter().copied(), of.clock);
        }
    }

    fn add_pairs(&mut self, matcher: &mut RunMatcher<'_>, slot: usize, events: &[Event], of: &FastMatcher) {
        let mut values: Vec<u32> = events.iter().map(|event| event.value).collect();
        values.sort_unstable();
        values.dedup();
        for value in values {
            let pair = events.iter().filter(move |event| event.value == value).copied();
            let passed = matcher.passed(pair.clone());
            self.add_pair(slot, value, passed);
            if passed > 0 && of.plan.step_times {
                add_times(self.steps_of(value), matcher, pair, of.clock);
            }
        }
    }

    fn add_pair(&mut self, slot: usize, value: u32, passed: u8) {
        if passed == 0 {
            return;
        }
        let rows = self.breakdown.pairs.as_ref().map_or(0, |pairs| pairs.rows(slot, value));
        match self.steps.get_mut(value as usize) {
            Some(Some(steps)) => add_deepest(steps, passed, rows),
            _ => add_deepest(self.steps_of(value), passed, rows),
        }
    }
}

fn add_times(
    steps: &mut [StepPartial],
    matcher: &RunMatcher<'_>,
    events: impl Iterator<Item = Event> + Clone,
    clock: Clock,
) {
    for pair in matcher.chain(events).windows(2) {
        let [(_, earlier), (step, later)] = pair else { continue };
        if let Some(durations) = steps.get_mut(*step).and_then(|step| step.since_previous.as_mut()) {
            durations.add(clock.number(*later).minus(clock.number(*earlier)));
        }
    }
}

/// Counts a group at its deepest step.
fn add_deepest(steps: &mut [StepPartial], passed: u8, rows: u64) {
    let deepest = usize::from(passed).checked_sub(1);
    if let Some(step) = deepest.and_then(|deepest| steps.get_mut(deepest)) {
        step.selection.add_group(rows);
    }
}

/// From groups per deepest step to groups per step passed.
fn count_through(steps: &mut [StepPartial]) {
    let (mut groups, mut rows) = (0, 0);
    for step in steps.iter_mut().rev() {
        groups += step.selection.groups;
        rows += step.selection.rows;
        step.selection = Selection {
            groups,
            rows,
            tallies: std::mem::take(&mut step.selection.tallies),
        };
    }
}
