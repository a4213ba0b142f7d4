//! Rows that serve some use, kept and brought together by group.
//!
//! The way for whatever cannot be decided while rows stream by: rows out of order, groups over several parts, steps that
//! exclude rows, times between steps, breakdowns. A row takes its slot, time and mask; a counting sort brings the rows of
//! a slot together in the order of their arrival, and only groups whose rows are out of order are sorted.

use super::input::Clock;
use super::plan::PatternPlan;
use super::states::{Window, passed_in_order};
use crate::sequence::{Blocks, chain, steps_passed};

/// Rows in the order of their arrival.
pub(super) struct Gathered {
    slots: Vec<u32>,
    times: Vec<i64>,
    masks: Masks,
    /// Numbers of the breakdown's values, if there is one.
    values: Option<Vec<u32>>,
}

/// Masks in as few bits as they need.
enum Masks {
    Narrow(Vec<u8>),
    Wide(Vec<u64>),
}

impl Masks {
    fn get(&self, row: usize) -> u64 {
        match self {
            Self::Narrow(masks) => masks.get(row).copied().unwrap_or(0).into(),
            Self::Wide(masks) => masks.get(row).copied().unwrap_or(0),
        }
    }

    /// The masks of rows in another order: `places` says where each row goes.
    fn scatter(self, places: &[u32]) -> Self {
        fn moved<T: Copy + Default>(masks: &[T], places: &[u32]) -> Vec<T> {
            let mut moved = vec![T::default(); masks.len()];
            for (mask, place) in masks.iter().zip(places) {
                if let Some(target) = moved.get_mut(*place as usize) {
                    *target = *mask;
                }
            }
            moved
        }
        match self {
            Self::Narrow(masks) => Self::Narrow(moved(&masks, places)),
            Self::Wide(masks) => Self::Wide(moved(&masks, places)),
        }
    }

    fn memory_size(&self) -> usize {
        match self {
            Self::Narrow(masks) => masks.capacity(),
            Self::Wide(masks) => masks.capacity() * size_of::<u64>(),
        }
    }
}

impl Gathered {
    /// `uses`: all bits that masks can have.
    pub(super) fn new(uses: u64, has_values: bool) -> Self {
        let masks = if uses <= u64::from(u8::MAX) {
            Masks::Narrow(Vec::new())
        } else {
            Masks::Wide(Vec::new())
        };
        Self {
            slots: Vec::new(),
            times: Vec::new(),
            masks,
            values: has_values.then(Vec::new),
        }
    }

    /// Bytes held, and those that sorting will take besides.
    pub(super) fn memory_size(&self) -> usize {
        let values = self
            .values
            .as_ref()
            .map_or(0, |values| values.capacity() * size_of::<u32>());
        let held = self.slots.capacity() * size_of::<u32>() + self.times.capacity() * size_of::<i64>();
        2 * (held + values + self.masks.memory_size())
    }

    pub(super) fn push(&mut self, slots: &[u32], times: &[i64], masks: &[u64], values: &[u32]) {
        self.slots.extend_from_slice(slots);
        self.times.extend_from_slice(times);
        match &mut self.masks {
            #[expect(clippy::cast_possible_truncation, reason = "no use has a higher bit")]
            Masks::Narrow(narrow) => narrow.extend(masks.iter().map(|mask| *mask as u8)),
            Masks::Wide(wide) => wide.extend_from_slice(masks),
        }
        if let Some(all) = &mut self.values {
            all.extend_from_slice(values);
        }
    }

    /// Brings the rows of each slot together, in order of time.
    pub(super) fn by_slot(self, slots: usize) -> Runs {
        let mut starts = vec![0_u32; slots + 1];
        for slot in &self.slots {
            if let Some(count) = starts.get_mut(*slot as usize + 1) {
                *count += 1;
            }
        }
        let mut total = 0;
        for start in &mut starts {
            total += *start;
            *start = total;
        }
        let mut next = starts.clone();
        let mut places = self.slots;
        for slot in &mut places {
            if let Some(next) = next.get_mut(*slot as usize) {
                *slot = *next;
                *next += 1;
            }
        }
        drop(next);
        let mut runs = Runs {
            starts,
            times: moved(&self.times, &places),
            masks: self.masks.scatter(&places),
            values: self.values.map(|values| moved(&values, &places)),
        };
        runs.sort();
        runs
    }
}

fn moved<T: Copy + Default>(items: &[T], places: &[u32]) -> Vec<T> {
    let mut moved = vec![T::default(); items.len()];
    for (item, place) in items.iter().zip(places) {
        if let Some(target) = moved.get_mut(*place as usize) {
            *target = *item;
        }
    }
    moved
}

/// Rows by slot, in order of time within a slot.
pub(super) struct Runs {
    starts: Vec<u32>,
    times: Vec<i64>,
    masks: Masks,
    values: Option<Vec<u32>>,
}

/// One row of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) time: i64,
    pub(super) mask: u64,
    pub(super) value: u32,
}

impl Runs {
    fn range(&self, slot: usize) -> std::ops::Range<usize> {
        let bound = |slot: usize| self.starts.get(slot).map_or(0, |start| *start as usize);
        bound(slot)..bound(slot + 1)
    }

    fn event(&self, row: usize) -> Event {
        Event {
            time: self.times.get(row).copied().unwrap_or(0),
            mask: self.masks.get(row),
            value: self
                .values
                .as_ref()
                .and_then(|values| values.get(row))
                .copied()
                .unwrap_or(0),
        }
    }

    /// The rows of a slot.
    pub(super) fn events(&self, slot: usize) -> impl Iterator<Item = Event> + Clone {
        self.range(slot).map(|row| self.event(row))
    }

    fn sort(&mut self) {
        let slots = self.starts.len().saturating_sub(1);
        for slot in 0..slots {
            let range = self.range(slot);
            if self.times.get(range.clone()).is_some_and(<[i64]>::is_sorted) {
                continue;
            }
            let mut events: Vec<Event> = range.clone().map(|row| self.event(row)).collect();
            events.sort_by_key(|event| event.time);
            for (row, event) in range.zip(events) {
                self.put(row, event);
            }
        }
    }

    fn put(&mut self, row: usize, event: Event) {
        if let Some(time) = self.times.get_mut(row) {
            *time = event.time;
        }
        match &mut self.masks {
            #[expect(clippy::cast_possible_truncation, reason = "it came from there")]
            Masks::Narrow(masks) => masks.get_mut(row).into_iter().for_each(|mask| *mask = event.mask as u8),
            Masks::Wide(masks) => masks.get_mut(row).into_iter().for_each(|mask| *mask = event.mask),
        }
        if let Some(value) = self.values.as_mut().and_then(|values| values.get_mut(row)) {
            *value = event.value;
        }
    }
}

/// A pattern over runs.
pub(super) struct RunMatcher<'a> {
    plan: &'a PatternPlan,
    window: Window,
    clock: Clock,
    state: Vec<i64>,
}

impl<'a> RunMatcher<'a> {
    pub(super) fn new(plan: &'a PatternPlan, clock: Clock) -> Self {
        Self {
            plan,
            window: Window::new(plan.max_duration, clock),
            clock,
            state: Vec::new(),
        }
    }

    /// Steps that a group with these rows passes.
    pub(super) fn passed(&mut self, events: impl Iterator<Item = Event> + Clone) -> u8 {
        if self.plan.is_all_positive() {
            let rows = events.map(|event| (event.time, event.mask));
            return passed_in_order(self.plan, self.window, rows, &mut self.state);
        }
        let passed = steps_passed(self.plan.pattern(), &self.blocks(events));
        u8::try_from(passed).unwrap_or(u8::MAX)
    }

    /// The chain of the group: each positive step up to the deepest one, and its time.
    pub(super) fn chain(&self, events: impl Iterator<Item = Event> + Clone) -> Vec<(usize, i64)> {
        let times: Vec<i64> = distinct_times(events.clone());
        let chain = chain(self.plan.pattern(), &self.blocks(events));
        let time = |(step, block): (usize, usize)| Some((step, *times.get(block)?));
        chain.into_iter().filter_map(time).collect()
    }

    /// The bit of a step.
    pub(super) fn bit(&self, step: usize) -> u64 {
        u32::try_from(step).map_or(0, |step| 1_u64.checked_shl(self.plan.base + step).unwrap_or(0))
    }

    fn blocks(&self, events: impl Iterator<Item = Event> + Clone) -> Blocks {
        let times = distinct_times(events.clone());
        let mut hits = vec![vec![false; times.len()]; self.plan.steps()];
        let mut block = 0;
        for event in events {
            while times.get(block).is_some_and(|time| *time != event.time) {
                block += 1;
            }
            for (step, hits) in hits.iter_mut().enumerate() {
                if event.mask & self.bit(step) != 0
                    && let Some(hit) = hits.get_mut(block)
                {
                    *hit = true;
                }
            }
        }
        Blocks {
            times: times.into_iter().map(|time| self.clock.number(time)).collect(),
            hits,
        }
    }
}

fn distinct_times(events: impl Iterator<Item = Event>) -> Vec<i64> {
    let mut times: Vec<i64> = events.map(|event| event.time).collect();
    times.dedup();
    times
}
