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

use arrow_array::ArrayRef;

use self::counters::CounterStates;
use self::gather::Gathered;
use self::groups::{Groups, RowSlots};
use self::input::{Clock, Input, Times};
use self::masks::{ColumnMasks, Selected};
use self::pairs::Pairs;
use self::plan::Plan;
use self::states::PatternStates;
use self::tallies::RowNumbers;
use self::values::Values;
use super::MatchError;
use super::part::{Progress, Rows, Stage};
use crate::document::BreakdownBy;
use crate::outline::Strategy;
use crate::query::{Column, Query};
use crate::scalar::Scalar;
pub(super) use verdict::Judged;

/// Rows that are selected before their states are touched: few enough to stay in the processor's cache.
const BLOCK_ROWS: usize = 8_192;

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
    plan: Plan,
    clock: Clock,
    groups: Groups,
    /// Rows within the timeframe per slot.
    rows: Vec<u32>,
    row_total: u64,
    /// Bits seen per slot, of those that only have to be seen.
    seen: Vec<u64>,
    counters: Vec<CounterStates>,
    matching: Matching,
    breakdown: Option<BrokenDown>,
    /// Rows for aggregations, unless the caller gives them again.
    kept: Option<Vec<KeptRows>>,
    kept_bytes: usize,
    scratch: Scratch,
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

/// Columns of a batch and the slots of its rows.
struct KeptRows {
    slots: Vec<u32>,
    columns: Vec<(usize, ArrayRef)>,
}

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
    pub(super) fn new(query: &Query, arrival: Arrival, keeps_rows: bool) -> Option<Self> {
        let plan = Plan::of(query)?;
        let breakdown = plan.breakdown.map(|(column, by)| BrokenDown {
            column,
            values: Values::default(),
            pairs: (by == BreakdownBy::Pair).then(Pairs::new),
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
            kept: (keeps_rows && !plan.tally_columns.is_empty()).then(Vec::new),
            kept_bytes: 0,
            matching,
            breakdown,
            plan,
            clock: Clock::default(),
            groups: Groups::new(),
            rows: Vec::new(),
            row_total: 0,
            seen: Vec::new(),
            scratch: Scratch::default(),
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
            return Ok(Progress::Taken);
        }
        let frame = frame.as_deref();
        let masks = self.masks(&mut batch)?;
        self.hopeless += u64::from(masks.is_empty() && !self.plan.filter_columns.is_empty());
        batch.rows.enters(Stage::Groups);
        let group = columns.first().ok_or_else(|| no_column(0))?;
        let slots = RowSlots::new(&mut self.groups, &batch.input(0)?, group)?;
        self.reserve();
        if !slots.count(frame, &mut self.rows) {
            return Err(MatchError::NullGroup {
                column: group.name.clone(),
            }
            .into());
        }
        batch.rows.enters(Stage::Matching);
        let values = self.breakdown_values(&mut batch, &slots, frame)?;
        let progress = self.match_rows(&mut batch, &masks, &slots, frame, values.as_ref())?;
        self.keep(&mut batch, &slots, frame)?;
        Ok(progress)
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

    fn masks<R: Rows>(&self, batch: &mut Batch<'_, R>) -> Result<Vec<ColumnMasks>, R::Error> {
        let mut masks = Vec::with_capacity(self.plan.filter_columns.len());
        for column in &self.plan.filter_columns {
            masks.push(ColumnMasks::new(
                &self.query,
                self.plan.uses,
                column,
                &batch.input(column.column)?,
            )?);
            // The other columns need not be read.
            if masks.last().is_some_and(ColumnMasks::is_hopeless) {
                return Ok(vec![]);
            }
        }
        Ok(masks)
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

    /// Numbers the values of a breakdown and counts rows per pair.
    fn breakdown_values<R: Rows>(
        &mut self,
        batch: &mut Batch<'_, R>,
        slots: &RowSlots,
        frame: Option<&[bool]>,
    ) -> Result<Option<values::RowValues>, R::Error> {
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
            pairs.reserve(self.groups.len(), breakdown.values.len());
            slots.for_each(frame, |row, slot| pairs.add(slot, values.get(row)));
        }
        Ok(Some(values))
    }

    fn match_rows<R: Rows>(
        &mut self,
        batch: &mut Batch<'_, R>,
        masks: &[ColumnMasks],
        slots: &RowSlots,
        frame: Option<&[bool]>,
        values: Option<&values::RowValues>,
    ) -> Result<Progress, R::Error> {
        if masks.is_empty() {
            return Ok(Progress::Taken);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut numbers: Vec<Option<RowNumbers>> = Vec::new();
        let count = batch.rows.len();
        for from in (0..count).step_by(BLOCK_ROWS) {
            let range = (from, (from + BLOCK_ROWS).min(count));
            scratch.selected.select(masks, frame, range);
            let Selected { rows, masks } = &scratch.selected;
            if rows.is_empty() {
                continue;
            }
            self.selected += rows.len() as u64;
            slots.gather(rows, &mut scratch.slots);
            if numbers.is_empty() {
                numbers = self.sum_columns(batch)?;
            }
            for (counter, numbers) in self.counters.iter_mut().zip(&numbers) {
                counter.push(rows, &scratch.slots, masks, numbers.as_ref());
            }
            self.see(&scratch.slots, masks);
            if !self.plan.needs_time() {
                continue;
            }
            let times = batch.times(self.query.time_column)?;
            scratch.times.clear();
            scratch.times.extend(
                rows.iter()
                    .map(|row| times.keys.get(*row as usize).copied().unwrap_or(0)),
            );
            scratch.values.clear();
            if let Some(values) = values {
                scratch.values.extend(rows.iter().map(|row| values.get(*row as usize)));
            }
            let clock = times.clock;
            if self.match_block(&scratch, clock) == Progress::OutOfOrder {
                return Ok(Progress::OutOfOrder);
            }
        }
        self.scratch = scratch;
        Ok(Progress::Taken)
    }

    fn see(&mut self, slots: &[u32], masks: &[u64]) {
        if self.plan.seen == 0 {
            return;
        }
        for (slot, mask) in slots.iter().zip(masks) {
            if let Some(seen) = self.seen.get_mut(*slot as usize) {
                *seen |= mask;
            }
        }
    }

    fn match_block(&mut self, block: &Scratch, clock: Clock) -> Progress {
        self.clock = clock;
        let masks = &block.selected.masks;
        match &mut self.matching {
            Matching::Gathering(gathered) => gathered.push(&block.slots, &block.times, masks, &block.values),
            Matching::Streaming { states, pairs } => {
                if states.is_empty() {
                    *states = self
                        .plan
                        .patterns
                        .iter()
                        .map(|plan| PatternStates::new(plan, clock))
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
                let pairs = pairs.get_or_insert_with(|| PatternStates::new(plan, clock));
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

    /// The columns that counters sum.
    fn sum_columns<R: Rows>(&self, batch: &mut Batch<'_, R>) -> Result<Vec<Option<RowNumbers>>, R::Error> {
        let mut numbers = Vec::with_capacity(self.counters.len());
        for counter in &self.counters {
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
        slots: &RowSlots,
        frame: Option<&[bool]>,
    ) -> Result<(), R::Error> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        let mut columns = Vec::with_capacity(self.plan.tally_columns.len());
        for column in &self.plan.tally_columns {
            columns.push((*column, batch.array(*column)?));
        }
        let slots = slots.to_rows(frame);
        let bytes: usize = columns.iter().map(|(_, array)| array.get_array_memory_size()).sum();
        self.kept_bytes += bytes + slots.capacity() * size_of::<u32>();
        kept.push(KeptRows { slots, columns });
        Ok(())
    }

    /// The groups seen so far, each once, in the order of first sight.
    pub(super) fn group_ids(&self) -> impl Iterator<Item = Scalar> {
        (0..self.groups.len()).filter_map(|slot| self.groups.id(slot))
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

/// The columns of a batch, each read once.
struct Batch<'a, R> {
    rows: &'a mut R,
    columns: Vec<Option<(ArrayRef, Input)>>,
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

    fn read(&mut self, index: usize) -> Result<&(ArrayRef, Input), R::Error> {
        let missing = || R::Error::from(no_column(index));
        let bound = self.bound.get(index).ok_or_else(missing)?;
        let place = self.columns.get_mut(index).ok_or_else(missing)?;
        if place.is_none() {
            let array = self.rows.column(index)?;
            let input = Input::new(&array, bound)?;
            *place = Some((array, input));
        }
        place.as_ref().ok_or_else(missing)
    }

    fn array(&mut self, index: usize) -> Result<ArrayRef, R::Error> {
        Ok(self.read(index)?.0.clone())
    }

    fn input(&mut self, index: usize) -> Result<Input, R::Error> {
        Ok(self.read(index)?.1.clone())
    }

    fn times(&mut self, index: usize) -> Result<&Times, R::Error> {
        if self.times.is_none() {
            let bound = self.bound.get(index).ok_or_else(|| no_column(index))?;
            self.times = Some(Times::read(&self.array(index)?, bound)?);
        }
        self.times.as_ref().ok_or_else(|| no_column(index).into())
    }
}
