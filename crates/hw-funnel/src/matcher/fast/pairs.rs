//! Rows per pair of a group and a value, for breakdowns by pair.
//!
//! As long as there are few values, a pair is a place in a table with a fixed number of places per group; beyond that,
//! pairs are looked up.

use foldhash::HashMap;

use crate::memory::{Lent, Memory};

/// Most values with a place each.
const PLACES_MAX: usize = 64;

/// See the module.
pub(super) struct Pairs {
    /// Places per slot.
    pub(super) places: usize,
    counts: Lent<u32>,
    memory: Memory,
    many: Option<HashMap<(u32, u32), u32>>,
}

impl Pairs {
    pub(super) fn new(memory: &Memory) -> Self {
        Self {
            places: 1,
            counts: Lent::new(memory),
            memory: memory.clone(),
            many: None,
        }
    }

    pub(super) fn memory_size(&self) -> usize {
        let many = self.many.as_ref().map_or(0, |many| many.capacity() * 24);
        self.counts.capacity() * size_of::<u32>() + many
    }

    /// Places for so many values, if there are that few.
    pub(super) fn places_for(values: usize) -> Option<usize> {
        (values <= PLACES_MAX).then(|| values.max(1))
    }

    /// Makes room for so many slots and values. If there are too many values, pairs are looked up from now on, and rows so far
    /// are added to `rows`.
    pub(super) fn reserve(&mut self, slots: usize, values: usize, rows: &mut [u32]) {
        if self.many.is_some() {
            return;
        }
        match Self::places_for(values) {
            Some(places) => {
                if places > self.places {
                    self.counts = widened(&self.counts, self.places, places, &self.memory);
                    self.places = places;
                }
                if self.counts.is_empty() {
                    self.counts = Lent::zeroed(&self.memory, slots * self.places);
                }
                if self.counts.len() < slots * self.places {
                    self.counts.resize(slots * self.places, 0);
                }
            }
            None => {
                self.add_rows(rows);
                let pairs = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
                let pair = |place: usize| {
                    let (slot, value) = (place / self.places, place % self.places);
                    (
                        u32::try_from(slot).unwrap_or(u32::MAX),
                        u32::try_from(value).unwrap_or(u32::MAX),
                    )
                };
                self.many = Some(pairs.map(|(place, count)| (pair(place), *count)).collect());
                self.counts = Lent::new(&self.memory);
            }
        }
    }

    /// The table of counts, with the places per slot, unless pairs are looked up.
    pub(super) fn table(&mut self) -> Option<(&mut [u32], usize)> {
        self.many.is_none().then_some((self.counts.as_mut_slice(), self.places))
    }

    /// Adds the rows of all pairs of the table to their slots.
    pub(super) fn add_rows(&self, rows: &mut [u32]) {
        for (rows, counts) in rows.iter_mut().zip(self.counts.chunks_exact(self.places)) {
            *rows += counts.iter().sum::<u32>();
        }
    }

    #[inline]
    pub(super) fn add(&mut self, slot: u32, value: u32) {
        match &mut self.many {
            None => {
                if let Some(count) = self.counts.get_mut(slot as usize * self.places + value as usize) {
                    *count += 1;
                }
            }
            Some(many) => *many.entry((slot, value)).or_default() += 1,
        }
    }

    /// Rows of a pair.
    pub(super) fn rows(&self, slot: usize, value: u32) -> u64 {
        match &self.many {
            None => self
                .counts
                .get(slot * self.places + value as usize)
                .copied()
                .unwrap_or(0)
                .into(),
            Some(many) => {
                let slot = u32::try_from(slot).unwrap_or(u32::MAX);
                many.get(&(slot, value)).copied().unwrap_or(0).into()
            }
        }
    }
}

/// A table with more places per slot.
fn widened(table: &[u32], from: usize, to: usize, memory: &Memory) -> Lent<u32> {
    let mut wide = Lent::zeroed(memory, table.len() / from.max(1) * to);
    for (old, new) in table.chunks_exact(from.max(1)).zip(wide.chunks_exact_mut(to.max(1))) {
        if let Some(new) = new.get_mut(..from) {
            new.copy_from_slice(old);
        }
    }
    wide
}
