//! Most frequent values and number of distinct values of a text column, with bounded memory.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

/// Values whose numbers are kept at a time.
const VALUES_MAX: usize = 20_000;
/// Longer values are counted as distinct, but cannot be among the most frequent.
const VALUE_BYTES_MAX: usize = 512;
/// Hashes kept to estimate the number of distinct values; up to so many it is exact.
const HASHES_MAX: usize = 65_536;

/// What was seen of a text column so far.
#[derive(Debug, Default)]
pub(super) struct TextScan {
    counts: Counts,
    distinct: Distinct,
    pub(super) nulls: u64,
}

impl TextScan {
    pub(super) fn take(&mut self, array: &ArrayRef) {
        self.nulls += array.null_count() as u64;
        for value in array.as_string_opt::<i32>().into_iter().flatten().flatten() {
            if !self.counts.count_known(value) {
                self.distinct.take(value);
                self.counts.begin(value);
            }
        }
    }

    /// Number of distinct values: exact up to 65,536, else to about 1 %.
    pub(super) fn distinct(&self) -> u64 {
        self.distinct.estimate()
    }

    /// The `limit` most frequent values with their numbers, most frequent first, then by value.
    pub(super) fn into_top(self, limit: usize) -> Vec<(String, u64)> {
        let mut top: Vec<(String, u64)> = self.counts.values.into_iter().collect();
        top.sort_unstable_by(|(value, count), (other, other_count)| other_count.cmp(count).then(value.cmp(other)));
        top.truncate(limit);
        top
    }
}

/// Numbers of values. When there are too many, the count of the median is taken from all and what reaches zero is
/// dropped (Misra and Gries), so that a frequent value is too small by at most one in 10,000 rows.
#[derive(Debug, Default)]
struct Counts {
    values: HashMap<String, u64>,
}

impl Counts {
    fn count_known(&mut self, value: &str) -> bool {
        match self.values.get_mut(value) {
            Some(count) => {
                *count += 1;
                true
            }
            None => false,
        }
    }

    fn begin(&mut self, value: &str) {
        if value.len() > VALUE_BYTES_MAX {
            return;
        }
        if self.values.len() >= VALUES_MAX {
            self.thin_out();
        }
        self.values.insert(value.to_owned(), 1);
    }

    fn thin_out(&mut self) {
        let mut counts: Vec<u64> = self.values.values().copied().collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let cut = *median;
        self.values.retain(|_, count| {
            *count = count.saturating_sub(cut);
            *count > 0
        });
    }
}

/// Number of distinct values by their hashes. Of more than can be kept, only those stay that end in some zero bits,
/// and stand for the others.
#[derive(Debug, Default)]
struct Distinct {
    hashes: HashSet<u64>,
    zero_bits: u32,
}

impl Distinct {
    fn take(&mut self, value: &str) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.keeps(hash) {
            return;
        }
        self.hashes.insert(hash);
        while self.hashes.len() > HASHES_MAX {
            self.zero_bits += 1;
            let zero_bits = self.zero_bits;
            self.hashes.retain(|hash| hash.trailing_zeros() >= zero_bits);
        }
    }

    fn keeps(&self, hash: u64) -> bool {
        hash.trailing_zeros() >= self.zero_bits
    }

    fn estimate(&self) -> u64 {
        (self.hashes.len() as u64) << self.zero_bits
    }
}
