//! Which values of a column are null, from its definition levels.

use arrow_buffer::{BooleanBufferBuilder, NullBuffer};

use super::cause::Decoded;
use super::runs::{Run, Runs};

/// Bits of a definition level of a column that is not nested.
pub(super) const LEVEL_BITS: usize = 1;

/// Grows page by page. Nothing is stored before the first null.
#[derive(Default)]
pub(super) struct Validity {
    bits: Option<BooleanBufferBuilder>,
    rows: usize,
}

impl Validity {
    /// Appends values that are all there.
    pub(super) fn push_valid(&mut self, count: usize) {
        if let Some(bits) = &mut self.bits {
            bits.append_n(count, true);
        }
        self.rows += count;
    }

    /// Appends the rows of a page, which are all there if it has no levels; returns how many are there.
    pub(super) fn push_page(&mut self, levels: Option<&[u8]>, count: usize, rows_max: usize) -> Decoded<usize> {
        match levels {
            Some(levels) => self.push(levels, count, rows_max),
            None => {
                self.push_valid(count);
                Ok(count)
            }
        }
    }

    /// Appends values by their levels; returns how many of them are there.
    fn push(&mut self, levels: &[u8], count: usize, rows_max: usize) -> Decoded<usize> {
        if all_valid(levels, count) {
            self.push_valid(count);
            return Ok(count);
        }
        let before = self.rows;
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(rows_max);
            bits.append_n(before, true);
            bits
        });
        let mut runs = Runs::new(levels, LEVEL_BITS, count)?;
        while let Some(run) = runs.next()? {
            match run {
                Run::Repeated { value, count } => bits.append_n(count, value != 0),
                Run::Packed { bytes, count } => bits.append_packed_range(0..count, bytes),
            }
        }
        self.rows += count;
        Ok(bits_set(bits.as_slice(), before, count))
    }

    /// Moves the values of the last `to.len()` rows, which stand at the front, to the rows that they belong to. The others
    /// become zero.
    pub(super) fn spread<T: Copy + Default>(&self, to: &mut [T], present: usize) {
        let Some(bits) = self.bits.as_ref().filter(|_| present < to.len()) else {
            return;
        };
        let start = self.rows - to.len();
        let cells = bits.as_slice();
        let mut next = present;
        for row in (0..to.len()).rev() {
            let valid = bit(cells, start + row);
            next -= usize::from(valid && next > 0);
            let value = match valid {
                true => to.get(next).copied().unwrap_or_default(),
                false => T::default(),
            };
            if let Some(cell) = to.get_mut(row) {
                *cell = value;
            }
        }
    }

    /// Whether each of the last `count` rows is there.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = bool> {
        let start = self.rows - count;
        let cells = self.bits.as_ref().map(BooleanBufferBuilder::as_slice);
        (start..self.rows).map(move |row| cells.is_none_or(|cells| bit(cells, row)))
    }

    /// The null buffer, if there are nulls.
    pub(super) fn finish(self) -> Option<NullBuffer> {
        let mut bits = self.bits?;
        Some(NullBuffer::new(bits.finish())).filter(|nulls| nulls.null_count() > 0)
    }
}

/// Whether one run of ones covers all, as writers leave it for pages without nulls.
pub(super) fn all_valid(levels: &[u8], count: usize) -> bool {
    let runs = Runs::new(levels, LEVEL_BITS, count).and_then(|mut runs| runs.next());
    count == 0 || matches!(runs, Ok(Some(Run::Repeated { value: 1, count: run })) if run == count)
}

fn bit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

fn bits_set(bytes: &[u8], start: usize, count: usize) -> usize {
    arrow_buffer::bit_chunk_iterator::UnalignedBitChunk::new(bytes, start, count).count_ones()
}
