//! Matching while rows stream by: a few words of state per group.
//!
//! Rows of a group have to come in order of time. Each state remembers the group's last time, so that a row out of order
//! is noticed for free; the caller then starts again with [gathering](super::gather).
//!
//! Without `maxDuration` a group takes each step at the earliest row it can ([`Greedy`](PatternStates::Greedy)). With it,
//! the latest start of a chain up to each step is kept. Rows of equal time must not follow each other: the uses seen at
//! the last time are only applied when a later time arrives. Where times are plain integers that is done [without
//! branches](ticks).

mod ticks;

use std::hint::select_unpredictable;

use super::input::Clock;
use super::plan::PatternPlan;
use crate::memory::{Lent, Memory};
use crate::time::TimeValue;

/// A row came before an earlier one of its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OutOfOrder;

/// How far apart the first and the last step may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Window {
    Unlimited,
    /// Integers: the largest difference.
    Ticks(u64),
    /// Floats: compared as the numbers they are.
    Exact(TimeValue, Clock),
}

impl Window {
    pub(super) fn new(limit: Option<TimeValue>, clock: Clock) -> Self {
        match (limit, clock) {
            (None, _) => Self::Unlimited,
            (Some(TimeValue::Int(limit)), Clock::Signed | Clock::Unsigned) => {
                Self::Ticks(u64::try_from(limit.max(0)).unwrap_or(u64::MAX))
            }
            (Some(limit), clock) => Self::Exact(limit, clock),
        }
    }

    /// Whether `end`, which is not before `start`, is near enough to it.
    #[inline]
    fn spans(self, start: i64, end: i64) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Ticks(limit) => end.wrapping_sub(start).cast_unsigned() <= limit,
            Self::Exact(limit, clock) => {
                let span = clock.number(end).minus(clock.number(start));
                span.compare(limit).is_some_and(std::cmp::Ordering::is_le)
            }
        }
    }
}

/// The state of one pattern in each slot.
pub(super) struct PatternStates {
    base: u32,
    steps: u32,
    window: Window,
    /// The difference that [`ticks`] takes, if it can.
    ticks: Option<u64>,
    /// States per slot: 1, or the places of a breakdown by pair.
    places: usize,
    words: Lent<i64>,
    memory: Memory,
}

/// Words of a greedy state: last time, time of the last step taken, steps taken + 1 (0: no row yet).
const GREEDY_WORDS: usize = 3;
/// Words of a windowed state before the starts: last time, flags.
const WINDOWED_WORDS: usize = 2;

impl PatternStates {
    pub(super) fn new(plan: &PatternPlan, clock: Clock, memory: &Memory) -> Self {
        let window = Window::new(plan.max_duration, clock);
        let ticks = match (window, clock) {
            (Window::Ticks(limit), Clock::Signed) => Some(limit),
            _ => None,
        };
        Self {
            base: plan.base,
            steps: u32::try_from(plan.steps()).unwrap_or(1),
            window,
            ticks: ticks.filter(|limit| *limit < ticks::LIMIT_END && (1..=ticks::STEPS_MAX).contains(&plan.steps())),
            places: 1,
            words: Lent::new(memory),
            memory: memory.clone(),
        }
    }

    /// Makes so many places per slot.
    pub(super) fn widen(&mut self, places: usize) {
        if places > self.places {
            let (stride, slots) = (self.stride(), self.words.len() / (self.places * self.stride()));
            let narrow = std::mem::replace(&mut self.words, Lent::new(&self.memory));
            let from = std::mem::replace(&mut self.places, places) * stride;
            self.reserve(slots);
            for (old, new) in narrow
                .chunks_exact(from)
                .zip(self.words.chunks_exact_mut(places * stride))
            {
                new.iter_mut().zip(old).for_each(|(new, old)| *new = *old);
            }
        }
    }

    fn stride(&self) -> usize {
        match self.window {
            Window::Unlimited => GREEDY_WORDS,
            Window::Ticks(_) | Window::Exact(..) => WINDOWED_WORDS + self.steps as usize - 1,
        }
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    pub(super) fn memory_size(&self) -> usize {
        self.words.capacity() * size_of::<i64>()
    }

    /// Makes room for so many slots.
    pub(super) fn reserve(&mut self, slots: usize) {
        let words = slots * self.places * self.stride();
        if words <= self.words.len() {
            return;
        }
        if self.words.is_empty() {
            self.words = Lent::zeroed(&self.memory, words);
        } else {
            self.words.resize(words, 0);
        }
    }

    /// Takes rows in their order; their slots have room.
    ///
    /// # Errors
    /// [`OutOfOrder`]; the states are then of no use.
    pub(super) fn push(&mut self, slots: &[u32], times: &[i64], masks: &[u64]) -> Result<(), OutOfOrder> {
        self.push_at(slots.iter().map(|slot| *slot as usize), times, masks)
    }

    /// Likewise, with the place of each row in its slot.
    pub(super) fn push_pairs(
        &mut self,
        slots: &[u32],
        places: &[u32],
        times: &[i64],
        masks: &[u64],
    ) -> Result<(), OutOfOrder> {
        let per_slot = self.places;
        let pairs = slots.iter().zip(places);
        self.push_at(
            pairs.map(|(slot, place)| *slot as usize * per_slot + *place as usize),
            times,
            masks,
        )
    }

    fn push_at(&mut self, states: impl Iterator<Item = usize>, times: &[i64], masks: &[u64]) -> Result<(), OutOfOrder> {
        if let Some(limit) = self.ticks {
            let rows = (times, masks, self.base);
            return ticks::push(&mut self.words, self.steps as usize, limit, states, rows);
        }
        let wanted = u32::MAX >> (32 - self.steps);
        let mut is_ordered = true;
        let stride = self.stride();
        for ((state, time), mask) in states.zip(times).zip(masks) {
            #[expect(clippy::cast_possible_truncation, reason = "a pattern has at most 32 bits")]
            let (time, mask) = (*time, (mask >> self.base) as u32 & wanted);
            if mask == 0 {
                continue;
            }
            let start = state * stride;
            let Some(state) = self.words.get_mut(start..start + stride) else {
                continue;
            };
            is_ordered &= match self.window {
                Window::Unlimited => greedy(state, time, mask),
                window => windowed(state, time, mask, self.steps, window),
            };
        }
        if is_ordered { Ok(()) } else { Err(OutOfOrder) }
    }

    /// Steps that each place of each slot passes.
    pub(super) fn into_passed(mut self, slots: usize) -> Vec<u8> {
        self.reserve(slots);
        let places = self.places;
        if let Some(limit) = self.ticks {
            return ticks::passed(&mut self.words, self.steps as usize, limit, slots * places);
        }
        let (stride, steps, window) = (self.stride(), self.steps, self.window);
        let passed = self.words.chunks_exact_mut(stride).map(|state| match window {
            Window::Unlimited => greedy_passed(state),
            window => windowed_passed(state, steps, window),
        });
        passed.take(slots * places).collect()
    }
}

/// Steps that the rows of one group pass; they are given in order of time.
pub(super) fn passed_in_order(
    plan: &PatternPlan,
    window: Window,
    rows: impl Iterator<Item = (i64, u64)>,
    state: &mut Vec<i64>,
) -> u8 {
    let steps = u32::try_from(plan.steps()).unwrap_or(1);
    let wanted = u32::MAX >> (32 - steps);
    state.clear();
    state.resize(WINDOWED_WORDS.max(GREEDY_WORDS) + plan.steps(), 0);
    for (time, mask) in rows {
        #[expect(clippy::cast_possible_truncation, reason = "a pattern has at most 32 bits")]
        let mask = (mask >> plan.base) as u32 & wanted;
        if mask != 0 {
            match window {
                Window::Unlimited => greedy(state, time, mask),
                window => windowed(state, time, mask, steps, window),
            };
        }
    }
    match window {
        Window::Unlimited => greedy_passed(state),
        window => windowed_passed(state, steps, window),
    }
}

/// Takes the next step if the row is later than the last one taken.
#[inline(always)]
fn greedy(state: &mut [i64], time: i64, mask: u32) -> bool {
    let [last, taken_at, taken, ..] = state else {
        return true;
    };
    let is_new = *taken == 0;
    let is_ordered = is_new | (time >= *last);
    *last = time;
    let passed = (*taken - 1).max(0);
    // A pattern has at most 32 steps, and no bit behind its last one.
    let is_hit = u64::from(mask) >> (passed & 63) & 1 == 1;
    let is_taken = is_hit & ((passed == 0) | (time > *taken_at));
    *taken_at = select_unpredictable(is_taken, time, *taken_at);
    *taken = passed + 1 + i64::from(is_taken);
    is_ordered
}

fn greedy_passed(state: &[i64]) -> u8 {
    let taken = state.get(2).copied().unwrap_or(0);
    u8::try_from(taken - 1).unwrap_or(0)
}

/// Remembers the row until a later one comes.
#[inline]
fn windowed(state: &mut [i64], time: i64, mask: u32, steps: u32, window: Window) -> bool {
    let [last, flags, starts @ ..] = state else { return true };
    let seen = pending(*flags);
    if seen == 0 {
        (*last, *flags) = (time, pack(0, mask));
        return true;
    }
    if time == *last {
        *flags = pack(reached(*flags), seen | mask);
        return true;
    }
    let is_ordered = time > *last;
    let reached = settle(starts, *last, reached(*flags), seen, steps, window);
    (*last, *flags) = (time, pack(reached, mask));
    is_ordered
}

fn windowed_passed(state: &mut [i64], steps: u32, window: Window) -> u8 {
    let [last, flags, starts @ ..] = state else { return 0 };
    let reached = settle(starts, *last, reached(*flags), pending(*flags), steps, window);
    // A step is only reached after the one before it.
    u8::try_from(32 - reached.leading_zeros()).unwrap_or(0)
}

/// Applies the uses seen at one time, the last step first, so that none of them builds upon another.
#[inline]
fn settle(starts: &mut [i64], time: i64, mut reached: u32, seen: u32, steps: u32, window: Window) -> u32 {
    let mut left = seen;
    while left != 0 {
        let step = 31 - left.leading_zeros();
        left &= !(1 << step);
        let start = match step.checked_sub(1) {
            None => Some(time),
            Some(before) if reached & (1 << before) != 0 => starts
                .get(before as usize)
                .copied()
                .filter(|start| window.spans(*start, time)),
            Some(_) => None,
        };
        if let Some(start) = start {
            reached |= 1 << step;
            if step + 1 < steps
                && let Some(kept) = starts.get_mut(step as usize)
            {
                *kept = start;
            }
        }
    }
    reached
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the low half is meant"
)]
fn pending(flags: i64) -> u32 {
    flags as u32
}

#[expect(clippy::cast_sign_loss, reason = "the high half is meant")]
fn reached(flags: i64) -> u32 {
    (flags >> 32) as u32
}

fn pack(reached: u32, pending: u32) -> i64 {
    ((u64::from(reached) << 32) | u64::from(pending)).cast_signed()
}
