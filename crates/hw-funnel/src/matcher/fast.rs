//! The fast matcher: groups as dense numbers, predicates once per dictionary entry, a few words of state per group.
//!
//! ```text
//!  batch ─▶ masks   which uses each row serves           (per dictionary entry where a column has one)
//!        ─▶ groups  slot of each row                     (likewise)
//!        ─▶ states  patterns while rows stream by        rows of a group in order of time
//!           gather  rows kept, brought together later    any order, any query
//!  end   ─▶ verdict conditions, relation, steps passed   per slot
//!        ─▶ tallies aggregations over chosen groups      a second look at the rows, read again or kept
//! ```
//!
//! What it finds is exactly what [`plain`](super::plain) finds; the differential tests hold one against the other.

mod counters;
mod gather;
mod groups;
mod input;
mod masks;
mod pairs;
mod plan;
mod states;
mod tallies;
mod values;
mod verdict;

use std::collections::VecDeque;

use self::counters::CounterStates;
use self::gather::Gathered;
use self::groups::{Groups, RowSlots};
pub use self::input::Codes;
use self::input::{Clock, Input, Times};
use self::masks::{BLOCK_ROWS, ColumnMasks, PassMasks, Selected};
use self::pairs::Pairs;
use self::plan::{Pass, Plan};
use self::states::PatternStates;
use self::tallies::RowNumbers;
use self::values::Values;
use super::MatchError;
use super::part::{Progress, Rows, Stage};
use crate::document::BreakdownBy;
use crate::memory::Memory;
use crate::outline::Strategy;
use crate::query::{Column, Query};
use crate::scalar::Scalar;
pub(super) use verdict::Judged;

/// How the rows of a group come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In order of time, presumably; noticed if not.
    Ordered,
    /// In any order.
    Any,
}

/// See the module.
pub(super) struct FastMatcher {
    query: Query,
    columns: std::sync::Arc<[Column]>,
    plan: std::sync::Arc<Plan>,
    clock: Clock,
    groups: Groups,
    memory: Memory,
    /// Rows within the timeframe per slot.
    rows: Vec<u32>,
    row_total: u64,
    /// Bits seen per slot, of those that only have to be seen.
    seen: Vec<u64>,
    counters: Vec<CounterStates>,
    matching: Matching,
    breakdown: Option<BrokenDown>,
    /// Rows for aggregations.
    kept: Kept,
    kept_bytes: usize,
    scratch: Scratch,
    /// Whether the next two are counted.
    is_measured: bool,
    /// Rows that serve some use.
    selected: u64,
    /// Batches in which none can.
    hopeless: u64,
}

/// How the groups of a query are matched while rows come in order.
pub(super) fn strategy(query: &Query) -> Strategy {
    match Plan::of(query) {
        None => Strategy::Plain {
            reason: plan::reason_for_plain(query),
        },
        Some(plan) => match plan.reason_to_gather() {
            Some(reason) => Strategy::Gathering { reason },
            None => Strategy::Streaming,
        },
    }
}

/// Where sequences are matched.
enum Matching {
    /// A state per pattern and slot, made with the first rows; and one per pair for a breakdown.
    Streaming {
        states: Vec<PatternStates>,
        pairs: Option<PatternStates>,
    },
    Gathering(Gathered),
}

/// Values of a breakdown.
struct BrokenDown {
    column: usize,
    values: Values,
    /// Rows per pair, if it is a breakdown by pair.
    pairs: Option<Pairs>,
}

/// What is kept of the rows for aggregations over chosen groups.
enum Kept {
    /// There are no aggregations.
    Nothing,
    /// All that is needed of each batch.
    All(Vec<KeptRows>),
    /// What was read anyway of each batch, as long as there is not too much of it; the caller gives all of them again.
    Known(VecDeque<Option<KeptRows>>),
}

/// Columns of a batch and the slots of its rows; rows outside of the timeframe have none.
struct KeptRows {
    slots: RowSlots,
    columns: Vec<(usize, Input)>,
}

/// Bytes of what is kept although it could be read again.
const KNOWN_BYTES_MAX: usize = 32 * 1024 * 1024;

#[derive(Default)]
struct Scratch {
    selected: Selected,
    slots: Vec<u32>,
    times: Vec<i64>,
    values: Vec<u32>,
}

impl FastMatcher {
    /// `None` if the query is one of the few that only the plain matcher takes. `keeps_rows`: whether rows are kept for
    /// aggregations; else the caller gives them [again](Judged::push_again).
    pub(super) fn new(query: &Query, arrival: Arrival, keeps_rows: bool, memory: &Memory) -> Option<Self> {
        let plan = Plan::of(query)?;
        let breakdown = plan.breakdown.map(|(column, by)| BrokenDown {
            column,
            values: Values::default(),
            pairs: (by == BreakdownBy::Pair).then(|| Pairs::new(memory)),
        });
        let matching = if arrival == Arrival::Any || plan.needs_gathering() {
            Matching::Gathering(Gathered::new(plan.uses, breakdown.is_some()))
        } else {
            Matching::Streaming {
                states: Vec::new(),
                pairs: None,
            }
        };
        let is_float = |column: Option<usize>| column.is_some_and(|column| query.is_float(column));
        let counters = plan.counters.iter();
        Some(Self {
            counters: counters
                .map(|counter| CounterStates::new(counter, is_float(counter.target.sum)))
                .collect(),
            kept: match (plan.tally_columns.is_empty(), keeps_rows) {
                (true, _) => Kept::Nothing,
                (false, true) => Kept::All(Vec::new()),
                (false, false) => Kept::Known(VecDeque::new()),
            },
            kept_bytes: 0,
            matching,
            breakdown,
            plan: std::sync::Arc::new(plan),
            clock: Clock::default(),
            groups: Groups::new(memory),
            memory: memory.clone(),
            rows: Vec::new(),
            row_total: 0,
            seen: Vec::new(),
            scratch: Scratch::default(),
            is_measured: false,
            selected: 0,
            hopeless: 0,
            columns: query.columns.clone().into(),
            query: query.clone(),
        })
    }

    /// Takes the rows of a batch.
    pub(super) fn push<R: Rows>(&mut self, rows: &mut R) -> Result<Progress, R::Error> {
        let count = rows.len();
        self.row_total += count as u64;
        if self.row_total >= u64::from(u32::MAX) {
            return Err(MatchError::TooManyRows { limit: u32::MAX }.into());
        }
        let columns = std::sync::Arc::clone(&self.columns);
        let mut batch = Batch::new(&columns, rows);
        let frame = self.frame(&mut batch)?;
        if frame.as_ref().is_some_and(|frame| !frame.contains(&true)) {
            if let Kept::Known(known) = &mut self.kept {
                known.push_back(None);
            }
            return Ok(Progress::Taken);
        }
        let frame = frame.as_deref();
        batch.rows.enters(Stage::Groups);
        let group = columns.first().ok_or_else(|| no_column(0))?;
        let slots = RowSlots::new(&mut self.groups, &batch.input(0)?, group)?;
        self.reserve();
        let values = self.breakdown_values(&mut batch)?;
        let known = batch.rows.rows_of_groups();
        if !self.count(&slots, frame, values.as_ref(), known.as_deref()) {
            return Err(MatchError::NullGroup {
                column: group.name.clone(),
            }
            .into());
        }
        let plan = std::sync::Arc::clone(&self.plan);
        let mut progress = Progress::Taken;
        let mut is_hopeless = plan.passes.iter().any(|pass| !pass.columns.is_empty());
        let mut selected = vec![false; if self.is_measured { count } else { 0 }];
        for pass in &plan.passes {
            batch.rows.enters(Stage::Masks);
            if let Some(masks) = self.masks(&mut batch, pass)? {
                is_hopeless = false;
                self.mark_selected(&masks, frame, &mut selected);
                batch.rows.enters(Stage::Matching);
                progress = self.run_pass(&mut batch, pass, &masks, &slots, frame, values.as_ref())?;
            }
            if progress == Progress::OutOfOrder {
                return Ok(progress);
            }
        }
        self.hopeless += u64::from(is_hopeless);
        self.selected += selected.iter().filter(|is_selected| **is_selected).count() as u64;
        batch.rows.enters(Stage::Matching);
        self.keep(&mut batch, slots, frame)?;
        Ok(progress)
    }

    /// Counts the rows within the timeframe per slot, or per pair; whether all of them have a slot. `known` are the rows of
    /// each group of the batch.
    fn count(
        &mut self,
        slots: &RowSlots,
        frame: Option<&[bool]>,
        values: Option<&values::RowValues>,
        known: Option<&[u32]>,
    ) -> bool {
        let pairs = self.breakdown.as_mut().and_then(|breakdown| breakdown.pairs.as_mut());
        let (Some(pairs), Some(values)) = (pairs, values) else {
            return slots.count(frame, known, &mut self.rows);
        };
        if let Some(counts) = pairs.table() {
            // Rows per slot are added up from those at the end.
            return slots.count_pairs(frame, values, counts);
        }
        slots.for_each(frame, |row, slot| pairs.add(slot, values.get(row)));
        slots.count(frame, known, &mut self.rows)
    }

    /// Which rows are within the timeframe; `None` if all are.
    fn frame<R: Rows>(&mut self, batch: &mut Batch<'_, R>) -> Result<Option<Vec<bool>>, R::Error> {
        let bounds = self.query.time_bounds();
        let is_bounded = bounds.from.is_some() || bounds.to.is_some();
        let is_known = batch.rows.is_complete(self.query.time_column);
        if !is_bounded && is_known {
            return Ok(None);
        }
        let times = batch.times(self.query.time_column)?;
        self.clock = times.clock;
        if !is_bounded {
            return Ok(None);
        }
        let clock = times.clock;
        let inside: Vec<bool> = times
            .keys
            .iter()
            .map(|key| bounds.contains(clock.number(*key)))
            .collect();
        Ok(inside.contains(&false).then_some(inside))
    }

    /// `None` if no row can serve any use of the pass; then not all of its columns need be read.
    fn masks<R: Rows>(&self, batch: &mut Batch<'_, R>, pass: &Pass) -> Result<Option<PassMasks>, R::Error> {
        let mut masks = Vec::with_capacity(pass.columns.len());
        for column in pass
            .columns
            .iter()
            .filter_map(|place| self.plan.filter_columns.get(*place))
        {
            let input = batch.input(column.column)?;
            let of_column = ColumnMasks::new(&self.query, pass.uses, column, &input)?;
            if of_column.is_hopeless() {
                return Ok(None);
            }
            masks.push(of_column);
        }
        Ok(Some(PassMasks::new(pass.uses, masks)))
    }

    fn reserve(&mut self) {
        let slots = self.groups.len();
        if self.rows.len() < slots {
            self.rows.resize(slots, 0);
        }
        if self.plan.seen != 0 && self.seen.len() < slots {
            self.seen.resize(slots, 0);
        }
        self.counters.iter_mut().for_each(|counter| counter.reserve(slots));
        if let Matching::Streaming { states, .. } = &mut self.matching {
            states.iter_mut().for_each(|states| states.reserve(slots));
        }
    }

    /// Numbers the values of a breakdown.
    fn breakdown_values<R: Rows>(&mut self, batch: &mut Batch<'_, R>) -> Result<Option<values::RowValues>, R::Error> {
        let Some(breakdown) = &mut self.breakdown else {
            return Ok(None);
        };
        let column = self
            .query
            .columns
            .get(breakdown.column)
            .ok_or_else(|| no_column(breakdown.column))?;
        let values = breakdown.values.rows(&batch.input(breakdown.column)?, column)?;
        if let Some(pairs) = &mut breakdown.pairs {
            pairs.reserve(self.groups.len(), breakdown.values.len(), &mut self.rows);
        }
        Ok(Some(values))
    }

    fn run_pass<R: Rows>(
        &mut self,
        batch: &mut Batch<'_, R>,
        pass: &Pass,
        masks: &PassMasks,
        slots: &RowSlots,
        frame: Option<&[bool]>,
        values: Option<&values::RowValues>,
    ) -> Result<Progress, R::Error> {
        if pass.uses == pass.seen
            && frame.is_none()
            && let Some((codes, table)) = masks.many_bytes()
            && slots.see(codes, table, pass.uses, &mut self.seen)
        {
            return Ok(Progress::Taken);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut numbers: Vec<Option<RowNumbers>> = Vec::new();
        let count = batch.rows.len();
        for from in (0..count).step_by(BLOCK_ROWS) {
            let range = (from, (from + BLOCK_ROWS).min(count));
            scratch.selected.select(masks, frame, range);
            let (rows, masks) = (scratch.selected.rows(), scratch.selected.masks());
            if rows.is_empty() {
                continue;
            }
            slots.gather(rows, &mut scratch.slots);
            if numbers.is_empty() {
                numbers = self.sum_columns(batch, pass)?;
            }
            for (place, numbers) in pass.counters.iter().zip(&numbers) {
                if let Some(counter) = self.counters.get_mut(*place) {
                    counter.push(rows, &scratch.slots, masks, numbers.as_ref());
                }
            }
            if pass.seen != 0 {
                self.see(&scratch.slots, masks);
            }
            if !pass.has_patterns {
                continue;
            }
            let times = batch.times(self.query.time_column)?;
            gather(&times.keys, rows, &mut scratch.times);
            if let Some(values) = values {
                values.gather(rows, &mut scratch.values);
            }
            let clock = times.clock;
            if self.match_block(&scratch, clock) == Progress::OutOfOrder {
                return Ok(Progress::OutOfOrder);
            }
        }
        self.scratch = scratch;
        Ok(Progress::Taken)
    }

    /// Marks the rows that serve some use, among as many as there are marks.
    fn mark_selected(&mut self, masks: &PassMasks, frame: Option<&[bool]>, marks: &mut [bool]) {
        for from in (0..marks.len()).step_by(BLOCK_ROWS) {
            let range = (from, (from + BLOCK_ROWS).min(marks.len()));
            self.scratch.selected.select(masks, frame, range);
            for row in self.scratch.selected.rows() {
                if let Some(mark) = marks.get_mut(*row as usize) {
                    *mark = true;
                }
            }
        }
    }

    fn see(&mut self, slots: &[u32], masks: &[u64]) {
        for (slot, mask) in slots.iter().zip(masks) {
            if let Some(seen) = self.seen.get_mut(*slot as usize) {
                *seen |= mask;
            }
        }
    }

    fn match_block(&mut self, block: &Scratch, clock: Clock) -> Progress {
        self.clock = clock;
        let masks = block.selected.masks();
        match &mut self.matching {
            Matching::Gathering(gathered) => gathered.push(&block.slots, &block.times, masks, &block.values),
            Matching::Streaming { states, pairs } => {
                if states.is_empty() {
                    *states = self
                        .plan
                        .patterns
                        .iter()
                        .map(|plan| PatternStates::new(plan, clock, &self.memory))
                        .collect();
                    states.iter_mut().for_each(|states| states.reserve(self.groups.len()));
                }
                let pushed = states
                    .iter_mut()
                    .try_for_each(|states| states.push(&block.slots, &block.times, masks));
                if pushed.is_err() {
                    return Progress::OutOfOrder;
                }
                let (Some(breakdown), Some(funnel)) = (&self.breakdown, self.plan.funnel) else {
                    return Progress::Taken;
                };
                let (Some(plan), Some(places)) = (
                    self.plan.patterns.get(funnel),
                    Pairs::places_for(breakdown.values.len()),
                ) else {
                    // Too many values for a place each: they are looked up, which gathering does.
                    return Progress::OutOfOrder;
                };
                let pairs = pairs.get_or_insert_with(|| PatternStates::new(plan, clock, &self.memory));
                pairs.widen(places);
                pairs.reserve(self.groups.len());
                if pairs
                    .push_pairs(&block.slots, &block.values, &block.times, masks)
                    .is_err()
                {
                    return Progress::OutOfOrder;
                }
            }
        }
        Progress::Taken
    }

    /// The columns that the counters of a pass sum.
    fn sum_columns<R: Rows>(&self, batch: &mut Batch<'_, R>, pass: &Pass) -> Result<Vec<Option<RowNumbers>>, R::Error> {
        let mut numbers = Vec::with_capacity(pass.counters.len());
        for counter in pass.counters.iter().filter_map(|place| self.counters.get(*place)) {
            numbers.push(match counter.sum_column() {
                Some(column) => Some(RowNumbers::read(&self.query, column, &batch.input(column)?)?),
                None => None,
            });
        }
        Ok(numbers)
    }

    fn keep<R: Rows>(
        &mut self,
        batch: &mut Batch<'_, R>,
        slots: RowSlots,
        frame: Option<&[bool]>,
    ) -> Result<(), R::Error> {
        let mut columns = Vec::with_capacity(self.plan.tally_columns.len());
        for column in &self.plan.tally_columns {
            match (&self.kept, batch.known(*column)) {
                (Kept::Nothing, _) => return Ok(()),
                (_, Some(input)) => columns.push((*column, input)),
                (Kept::All(_), None) => columns.push((*column, batch.input(*column)?)),
                (Kept::Known(_), None) => {}
            }
        }
        let slots = match frame {
            Some(_) => RowSlots::Rows(slots.to_rows(frame)),
            None => slots,
        };
        let bytes: usize = columns.iter().map(|(_, input)| input.memory_size()).sum();
        let bytes = bytes + slots.memory_size();
        match &mut self.kept {
            Kept::Nothing => {}
            Kept::All(kept) => {
                self.kept_bytes += bytes;
                kept.push(KeptRows { slots, columns });
            }
            Kept::Known(known) => {
                let fits = self.kept_bytes + bytes <= KNOWN_BYTES_MAX;
                self.kept_bytes += if fits { bytes } else { 0 };
                known.push_back(fits.then_some(KeptRows { slots, columns }));
            }
        }
        Ok(())
    }

    /// The groups seen so far, each once, in the order of first sight.
    pub(super) fn group_ids(&self) -> impl Iterator<Item = Scalar> {
        (0..self.groups.len()).filter_map(|slot| self.groups.id(slot))
    }

    /// Counts from now on which rows serve some use.
    pub(super) fn measure(&mut self) {
        self.is_measured = true;
    }

    pub(super) fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// Rows within the timeframe that serve some use.
    pub(super) fn selected_rows(&self) -> u64 {
        self.selected
    }

    /// Batches in which no row can.
    pub(super) fn hopeless_batches(&self) -> u64 {
        self.hopeless
    }

    /// Bytes held, and those that finishing will take besides.
    pub(super) fn memory_size(&self) -> usize {
        let matching = match &self.matching {
            Matching::Streaming { states, pairs } => states.iter().chain(pairs).map(PatternStates::memory_size).sum(),
            Matching::Gathering(gathered) => gathered.memory_size(),
        };
        let breakdown = self.breakdown.as_ref().map_or(0, |breakdown| {
            breakdown.values.memory_size() + breakdown.pairs.as_ref().map_or(0, Pairs::memory_size)
        });
        let counters: usize = self.counters.iter().map(CounterStates::memory_size).sum();
        // Verdicts take a few bytes per slot.
        let slots = self.rows.capacity() * (size_of::<u32>() + 8) + self.seen.capacity() * size_of::<u64>();
        self.groups.memory_size() + slots + counters + matching + breakdown + self.kept_bytes
    }
}

fn no_column(index: usize) -> MatchError {
    MatchError::MissingColumn {
        column: format!("number {index} of the query"),
    }
}

/// The items of some rows.
fn gather<T: Copy + Default>(items: &[T], rows: &[u32], into: &mut Vec<T>) {
    into.clear();
    into.extend(
        rows.iter()
            .map(|row| items.get(*row as usize).copied().unwrap_or_default()),
    );
}

/// The columns of a batch, each read once.
struct Batch<'a, R> {
    rows: &'a mut R,
    columns: Vec<Option<Input>>,
    bound: &'a [Column],
    times: Option<Times>,
}

impl<'a, R: Rows> Batch<'a, R> {
    fn new(bound: &'a [Column], rows: &'a mut R) -> Self {
        Self {
            rows,
            columns: vec![None; bound.len()],
            bound,
            times: None,
        }
    }

    fn input(&mut self, index: usize) -> Result<Input, R::Error> {
        let missing = || R::Error::from(no_column(index));
        let bound = self.bound.get(index).ok_or_else(missing)?;
        let place = self.columns.get_mut(index).ok_or_else(missing)?;
        if place.is_none() {
            *place = Some(Input::stored(self.rows.stored(index)?, bound)?);
        }
        place.clone().ok_or_else(missing)
    }

    /// The column, if it was read already.
    fn known(&self, index: usize) -> Option<Input> {
        self.columns.get(index).cloned().flatten()
    }

    fn times(&mut self, index: usize) -> Result<&Times, R::Error> {
        if self.times.is_none() {
            let bound = self.bound.get(index).ok_or_else(|| no_column(index))?;
            self.times = Some(Times::read(&self.input(index)?, bound)?);
        }
        self.times.as_ref().ok_or_else(|| no_column(index).into())
    }
}
