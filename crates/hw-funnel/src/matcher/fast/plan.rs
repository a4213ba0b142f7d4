//! What a query needs of each row, laid out as bits.
//!
//! Each *use* of a predicate (a step of a sequence, the rows of a condition) gets a bit of its own; the steps of one
//! sequence lie side by side. A row's mask says which uses it serves. A column takes away the uses whose filters on it
//! fail, so the mask of a row is the conjunction over the columns that have filters.

use crate::document::BreakdownBy;
use crate::query::{Aggregation, Condition, Query, Sequence, Target};
use crate::sequence::Pattern;
use crate::time::TimeValue;

/// Bits of a mask, and so the most uses.
const USES_MAX: usize = 64;
/// Most steps of one sequence.
const STEPS_MAX: usize = 32;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// Bits of all uses.
    pub(super) uses: u64,
    pub(super) filter_columns: Vec<FilterColumn>,
    pub(super) passes: Vec<Pass>,
    pub(super) patterns: Vec<PatternPlan>,
    pub(super) conditions: Vec<ConditionPlan>,
    /// The funnel's pattern.
    pub(super) funnel: Option<usize>,
    /// Bits that only have to be seen once in a group.
    pub(super) seen: u64,
    pub(super) counters: Vec<Counter>,
    /// Column of a breakdown and how it assigns groups.
    pub(super) breakdown: Option<(usize, BreakdownBy)>,
    pub(super) step_times: bool,
    /// Columns that aggregations read, ascending.
    pub(super) tally_columns: Vec<usize>,
}

/// A column with filters.
#[derive(Debug, Clone)]
pub(super) struct FilterColumn {
    pub(super) column: usize,
    /// Each distinct filter on it, and the uses that fail with it.
    pub(super) filters: Vec<(usize, u64)>,
}

/// Uses that depend on the same columns, so that rows are selected once for all of them. All patterns share a pass, since
/// one state is for the rows of one order.
#[derive(Debug, Clone)]
pub(super) struct Pass {
    pub(super) uses: u64,
    /// Places among [`Plan::filter_columns`].
    pub(super) columns: Vec<usize>,
    pub(super) has_patterns: bool,
    /// Places among [`Plan::counters`].
    pub(super) counters: Vec<usize>,
    /// Those of the uses that only have to be seen once.
    pub(super) seen: u64,
}

/// A sequence, as bits.
#[derive(Debug, Clone)]
pub(super) struct PatternPlan {
    pub(super) base: u32,
    pub(super) positive: Vec<bool>,
    pub(super) max_duration: Option<TimeValue>,
    filters: Vec<Vec<usize>>,
}

/// What decides a condition.
#[derive(Debug, Clone)]
pub(super) enum ConditionPlan {
    /// The group passes all steps of a pattern.
    Pattern(usize),
    /// A row was seen: the target is at least one row.
    Seen(u64),
    /// A counter reaches the target.
    Counter(usize),
}

/// Rows of a condition, counted or summed.
#[derive(Debug, Clone)]
pub(super) struct Counter {
    pub(super) bit: u64,
    pub(super) target: Target,
    pub(super) include_zero: bool,
}

impl PatternPlan {
    pub(super) fn steps(&self) -> usize {
        self.positive.len()
    }

    pub(super) fn pattern(&self) -> Pattern<'_> {
        Pattern {
            positive: &self.positive,
            max_duration: self.max_duration,
        }
    }

    /// Bits of all steps.
    fn uses(&self) -> u64 {
        let steps = u32::try_from(self.steps()).unwrap_or(0);
        (0..steps).fold(0, |uses, step| uses | 1_u64.checked_shl(self.base + step).unwrap_or(0))
    }

    pub(super) fn is_all_positive(&self) -> bool {
        self.positive.iter().all(|is_positive| *is_positive)
    }
}

impl Plan {
    /// `None` for the rare queries that take more bits than there are, or break down what [`can_break_down`] does not.
    pub(super) fn of(query: &Query) -> Option<Self> {
        let mut layout = Layout::default();
        let funnel = match &query.funnel {
            Some(funnel) => Some(layout.pattern(&funnel.sequence)?),
            None => None,
        };
        let mut conditions = Vec::with_capacity(query.conditions.len());
        for condition in &query.conditions {
            conditions.push(layout.condition(condition)?);
        }
        let breakdown = query.funnel.as_ref().and_then(|funnel| funnel.breakdown.as_ref());
        let breakdown = breakdown.map(|breakdown| (breakdown.column, breakdown.by));
        let step_times = query.funnel.as_ref().is_some_and(|funnel| funnel.step_times);
        if breakdown.is_some_and(|(_, by)| !can_break_down(query, by)) {
            return None;
        }
        let filter_columns = filter_columns(query, &layout.uses);
        Some(Self {
            uses: u64::MAX
                .checked_shr(u32::try_from(USES_MAX - layout.uses.len()).ok()?)
                .unwrap_or(0),
            passes: passes(&layout, &filter_columns),
            filter_columns,
            patterns: layout.patterns,
            conditions,
            funnel,
            seen: layout.seen,
            counters: layout.counters,
            breakdown,
            step_times,
            tally_columns: tally_columns(query),
        })
    }

    /// Whether groups have to be looked at as a whole, row by row in order of time, rather than row by row as they come.
    pub(super) fn needs_gathering(&self) -> bool {
        self.reason_to_gather().is_some()
    }

    /// Why they have to, if they do.
    pub(super) fn reason_to_gather(&self) -> Option<&'static str> {
        if self.step_times {
            return Some("`stepTimes` needs the whole chain of a group");
        }
        if matches!(self.breakdown, Some((_, BreakdownBy::First))) {
            return Some("a breakdown by `first` needs the whole chain of a group");
        }
        let is_positive = self.patterns.iter().all(PatternPlan::is_all_positive);
        (!is_positive).then_some("a step with `rowFound: false` needs all rows of a group")
    }
}

/// Why [`Plan::of`] gives none.
pub(super) fn reason_for_plain(query: &Query) -> &'static str {
    let breakdown = query.funnel.as_ref().and_then(|funnel| funnel.breakdown.as_ref());
    match breakdown.is_some_and(|breakdown| !can_break_down(query, breakdown.by)) {
        true => "the breakdown has `stepAggregations` beside it, or a first step with `rowFound: false`",
        false => "the query has more than 64 steps and conditions, or more than 32 steps in one sequence",
    }
}

/// Not with aggregations at each step; nor by pair, where a first step that excludes rows is passed by pairs of which no
/// row serves any step.
fn can_break_down(query: &Query, by: BreakdownBy) -> bool {
    query.funnel.as_ref().is_some_and(|funnel| {
        let is_first_positive = funnel.sequence.positive.first() == Some(&true);
        funnel.step_aggregations.is_empty() && (is_first_positive || by == BreakdownBy::First)
    })
}

/// Hands out bits.
#[derive(Default)]
struct Layout {
    uses: Vec<Vec<usize>>,
    patterns: Vec<PatternPlan>,
    seen: u64,
    counters: Vec<Counter>,
}

impl Layout {
    fn bit(&mut self, filters: &[usize]) -> Option<u32> {
        let bit = u32::try_from(self.uses.len()).ok()?;
        self.uses.push(filters.to_vec());
        (self.uses.len() <= USES_MAX).then_some(bit)
    }

    /// The same sequence twice is matched once.
    fn pattern(&mut self, sequence: &Sequence) -> Option<usize> {
        let is_same = |plan: &PatternPlan| {
            plan.filters == sequence.steps
                && plan.positive == sequence.positive
                && plan.max_duration == sequence.max_duration
        };
        if let Some(known) = self.patterns.iter().position(is_same) {
            return Some(known);
        }
        if sequence.steps.len() > STEPS_MAX || sequence.steps.is_empty() {
            return None;
        }
        let base = u32::try_from(self.uses.len()).ok()?;
        for filters in &sequence.steps {
            self.bit(filters)?;
        }
        self.patterns.push(PatternPlan {
            base,
            positive: sequence.positive.clone(),
            max_duration: sequence.max_duration,
            filters: sequence.steps.clone(),
        });
        Some(self.patterns.len() - 1)
    }

    fn condition(&mut self, condition: &Condition) -> Option<ConditionPlan> {
        match condition {
            Condition::Sequence(sequence) => Some(ConditionPlan::Pattern(self.pattern(sequence)?)),
            Condition::Rows {
                filters,
                target,
                include_zero,
            } => {
                let bit = 1 << self.bit(filters)?;
                if target.is_any_row() && !include_zero {
                    self.seen |= bit;
                    return Some(ConditionPlan::Seen(bit));
                }
                self.counters.push(Counter {
                    bit,
                    target: target.clone(),
                    include_zero: *include_zero,
                });
                Some(ConditionPlan::Counter(self.counters.len() - 1))
            }
        }
    }
}

fn filter_columns(query: &Query, uses: &[Vec<usize>]) -> Vec<FilterColumn> {
    let mut columns: Vec<FilterColumn> = Vec::new();
    for (number, filter) in query.filters.iter().enumerate() {
        let bits = uses.iter().enumerate().filter(|(_, filters)| filters.contains(&number));
        let bits = bits.fold(0, |bits, (bit, _)| bits | 1 << bit);
        if bits == 0 {
            continue;
        }
        match columns.iter_mut().find(|column| column.column == filter.column) {
            Some(column) => column.filters.push((number, bits)),
            None => columns.push(FilterColumn {
                column: filter.column,
                filters: vec![(number, bits)],
            }),
        }
    }
    columns
}

fn passes(layout: &Layout, filter_columns: &[FilterColumn]) -> Vec<Pass> {
    let mut passes: Vec<Pass> = Vec::new();
    let pattern_uses = layout.patterns.iter().fold(0, |uses, plan| uses | plan.uses());
    if pattern_uses != 0 {
        add_uses(&mut passes, filter_columns, pattern_uses, |pass| {
            pass.has_patterns = true
        });
    }
    for (place, counter) in layout.counters.iter().enumerate() {
        add_uses(&mut passes, filter_columns, counter.bit, |pass| {
            pass.counters.push(place)
        });
    }
    for bit in (0..USES_MAX).map(|bit| 1 << bit).filter(|bit| layout.seen & bit != 0) {
        add_uses(&mut passes, filter_columns, bit, |pass| pass.seen |= bit);
    }
    passes
}

/// Adds uses to the pass over the columns that they depend on.
fn add_uses(passes: &mut Vec<Pass>, filter_columns: &[FilterColumn], uses: u64, what: impl FnOnce(&mut Pass)) {
    let filtered = |column: &FilterColumn| column.filters.iter().any(|(_, bits)| bits & uses != 0);
    let columns = filter_columns.iter().enumerate();
    let columns: Vec<usize> = columns
        .filter(|(_, column)| filtered(column))
        .map(|(place, _)| place)
        .collect();
    if let Some(pass) = passes.iter_mut().find(|pass| pass.columns == columns) {
        pass.uses |= uses;
        what(pass);
        return;
    }
    let mut pass = Pass {
        uses,
        columns,
        has_patterns: false,
        counters: Vec::new(),
        seen: 0,
    };
    what(&mut pass);
    passes.push(pass);
}

fn tally_columns(query: &Query) -> Vec<usize> {
    let funnel = query.funnel.iter();
    let lists = funnel.flat_map(|funnel| [&funnel.step_aggregations, &funnel.end_aggregations]);
    let columns = |aggregation: &Aggregation| std::iter::once(aggregation.column).chain(aggregation.other);
    let all = std::iter::once(&query.aggregations).chain(lists);
    let mut columns: Vec<usize> = all.flatten().flat_map(columns).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}
