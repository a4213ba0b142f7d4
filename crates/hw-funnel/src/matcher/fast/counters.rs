//! Conditions that count or sum rows, per slot.

use super::plan::Counter;
use super::tallies::RowNumbers;
use crate::scalar::Number;
use crate::sum::Sum;

/// Marks a slot without a sum.
const NO_SUM: u32 = u32::MAX;

/// The rows of one condition in each slot.
pub(super) struct CounterStates {
    plan: Counter,
    counts: Vec<u32>,
    sums: Option<Sums>,
}

/// Sums of the few slots that have rows.
struct Sums {
    is_float: bool,
    of_slot: Vec<u32>,
    sums: Vec<Sum>,
}

impl CounterStates {
    /// `is_float`: whether the column to sum, if there is one, has floats.
    pub(super) fn new(plan: &Counter, is_float: bool) -> Self {
        Self {
            plan: plan.clone(),
            counts: Vec::new(),
            sums: plan.target.sum.is_some().then(|| Sums {
                is_float,
                of_slot: Vec::new(),
                sums: Vec::new(),
            }),
        }
    }

    /// The column to sum.
    pub(super) fn sum_column(&self) -> Option<usize> {
        self.plan.target.sum
    }

    pub(super) fn reserve(&mut self, slots: usize) {
        if self.counts.len() < slots {
            self.counts.resize(slots, 0);
        }
        if let Some(sums) = &mut self.sums
            && sums.of_slot.len() < slots
        {
            sums.of_slot.resize(slots, NO_SUM);
        }
    }

    pub(super) fn memory_size(&self) -> usize {
        let sums = self.sums.as_ref().map_or(0, |sums| {
            sums.of_slot.capacity() * size_of::<u32>() + sums.sums.len() * (size_of::<Sum>() + 64)
        });
        self.counts.capacity() * size_of::<u32>() + sums
    }

    /// Takes rows with their slots and masks; `numbers` is the column to sum.
    pub(super) fn push(&mut self, rows: &[u32], slots: &[u32], masks: &[u64], numbers: Option<&RowNumbers>) {
        let bit = self.plan.bit;
        let matching = rows.iter().zip(slots).zip(masks).filter(|(_, mask)| **mask & bit != 0);
        for ((row, slot), _) in matching {
            if let Some(count) = self.counts.get_mut(*slot as usize) {
                *count += 1;
            }
            if let (Some(sums), Some(number)) = (&mut self.sums, numbers.and_then(|numbers| numbers.get(*row as usize)))
            {
                sums.add(*slot, number);
            }
        }
    }

    /// Whether the slot satisfies the condition.
    pub(super) fn holds(&self, slot: usize) -> bool {
        let count = self.counts.get(slot).copied().unwrap_or(0);
        if count == 0 {
            return self.plan.include_zero;
        }
        let value = match &self.sums {
            None => Number::Int(count.into()),
            Some(sums) => sums.total(slot),
        };
        let target = &self.plan.target;
        target.comparison.holds(value.compare(target.constant))
    }
}

impl Sums {
    fn add(&mut self, slot: u32, number: Number) {
        let Some(place) = self.of_slot.get_mut(slot as usize) else {
            return;
        };
        if *place == NO_SUM {
            *place = u32::try_from(self.sums.len()).unwrap_or(NO_SUM);
            self.sums.push(Sum::empty(self.is_float));
        }
        if let Some(sum) = self.sums.get_mut(*place as usize) {
            sum.add(number);
        }
    }

    /// All-null sums are 0.
    fn total(&self, slot: usize) -> Number {
        let place = self.of_slot.get(slot).copied().unwrap_or(NO_SUM);
        match self.sums.get(place as usize) {
            Some(sum) => sum.total(),
            None => Sum::empty(self.is_float).total(),
        }
    }
}
