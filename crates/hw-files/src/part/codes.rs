//! Columns as bare codes: what stands in the pages, without the array around it that would look at each code once more.
//!
//! A null is a code of its own, behind the last entry. So whoever looks codes up in a table needs no second test per row.

use std::hint::select_unpredictable;

use arrow_array::{Array, ArrayRef};
use arrow_buffer::ScalarBuffer;

use super::cause::{Decoded, present};
use super::chunk::{DictionaryPage, Opener, Pages};
use super::column::Leaf;
use super::runs::{self, Run, Runs};
use super::unpack::{GROUP, Key};
use super::validity::{LEVEL_BITS, all_valid};
use super::values::{self, BYTE_KEYS_MAX, SHORT_KEYS_MAX};

/// One code per row, in the narrowest width that also has room for null where the column may have nulls.
#[derive(Debug, Clone)]
pub enum Codes {
    /// Codes of one byte.
    U8(ScalarBuffer<u8>),
    /// Codes of two bytes.
    U16(ScalarBuffer<u16>),
    /// Codes of four bytes.
    U32(ScalarBuffer<u32>),
}

/// A column of a row group, as [`PartReader::read_codes`](super::PartReader::read_codes) gives it.
#[derive(Debug, Clone)]
pub enum ColumnValues {
    /// All pages are dictionary-coded.
    Coded {
        /// Place of each row's value in `entries`; for null their number.
        codes: Codes,
        /// None of them is null, and not every one need occur.
        entries: ArrayRef,
    },
    /// Any other column: what [`PartReader::read`](super::PartReader::read) gives.
    Flat(ArrayRef),
}

/// Decodes all pages, to codes if all of them have some.
pub(super) fn read(leaf: &Leaf, pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ColumnValues> {
    match values::coded(leaf, pages) {
        Some(page) => coded(leaf, page, pages, opener),
        None => values::flat(leaf, pages, opener).map(ColumnValues::Flat),
    }
}

fn coded(leaf: &Leaf, page: &DictionaryPage, pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ColumnValues> {
    let entries = values::dictionary(leaf, page, opener)?;
    let count = entries.len();
    let codes = match count + usize::from(leaf.nullable) {
        distinct if distinct <= BYTE_KEYS_MAX => Codes::U8(codes(pages, count, opener)?),
        distinct if distinct <= SHORT_KEYS_MAX => Codes::U16(codes(pages, count, opener)?),
        _ => Codes::U32(codes(pages, count, opener)?),
    };
    Ok(ColumnValues::Coded { codes, entries })
}

fn codes<K: Key>(pages: &Pages, entries: usize, opener: &mut Opener<'_>) -> Decoded<ScalarBuffer<K>> {
    let (rows, buffers) = (opener.shape.rows, opener.buffers);
    let mut block = buffers.block(rows * size_of::<K>());
    let mut rest = block.numbers_mut::<K>();
    for page in &pages.data {
        let (levels, bytes) = opener.data(page)?;
        let (now, later) = present(rest.split_at_mut_checked(page.values), "its pages hold too many values")?;
        match levels.filter(|levels| !all_valid(levels, page.values)) {
            None => runs::keys(bytes, entries, now)?,
            Some(levels) => {
                let count = count_present(levels, page.values)?;
                // Room for one group more, so that a group can be looked at as a whole wherever it starts.
                let mut dense = buffers.block((count + GROUP) * size_of::<K>());
                let dense = dense.numbers_mut::<K>().get_mut(..count + GROUP).unwrap_or_default();
                let (keys, _) = dense.split_at_mut(count);
                runs::keys(bytes, entries, keys)?;
                spread(levels, dense, null(entries), now)?;
            }
        }
        rest = later;
    }
    Ok(ScalarBuffer::new(block.freeze(0..rows * size_of::<K>()), 0, rows))
}

/// The code of null; it has room, since the width was chosen for it.
fn null<K: Key>(entries: usize) -> K {
    u32::try_from(entries).ok().and_then(K::of).unwrap_or_default()
}

fn count_present(levels: &[u8], rows: usize) -> Decoded<usize> {
    let mut runs = Runs::new(levels, LEVEL_BITS, rows)?;
    let mut present = 0;
    while let Some(run) = runs.next()? {
        present += match run {
            Run::Repeated { value, count } => count * usize::from(value != 0),
            Run::Packed { bytes, count } => {
                let (whole, left) = (count / GROUP, count % GROUP);
                let bits = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
                let last = bytes.get(whole).filter(|_| left > 0);
                let last = last.map_or(0, |byte| (byte & !(u8::MAX << left)).count_ones() as usize);
                bits(bytes.get(..whole).unwrap_or_default()) + last
            }
        };
    }
    Ok(present)
}

/// Moves the values of rows that are there to where these stand. `from` has a group more than that.
fn spread<K: Key>(levels: &[u8], mut from: &[K], null: K, mut to: &mut [K]) -> Decoded<()> {
    const SHORT: &str = "a page has fewer values than its levels say";
    let mut runs = Runs::new(levels, LEVEL_BITS, to.len())?;
    while let Some(run) = runs.next()? {
        let (now, later) = present(to.split_at_mut_checked(run.count()), SHORT)?;
        match run {
            Run::Repeated { value: 0, .. } => now.fill(null),
            Run::Repeated { count, .. } => {
                let (values, rest) = present(from.split_at_checked(count), SHORT)?;
                now.copy_from_slice(values);
                from = rest;
            }
            Run::Packed { bytes, .. } => {
                for (to, bits) in now.chunks_mut(GROUP).zip(bytes) {
                    let window = present(from.first_chunk::<GROUP>(), SHORT)?;
                    let taken = spread_group(*bits, window, null, to);
                    from = from.get(taken..).unwrap_or_default();
                }
            }
        }
        to = later;
    }
    Ok(())
}

/// Without a branch per row; returns how many values were taken.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "the place is below the group's size, a power of two"
)]
fn spread_group<K: Key>(bits: u8, from: &[K; GROUP], null: K, to: &mut [K]) -> usize {
    let mut next = 0;
    for (row, to) in to.iter_mut().enumerate() {
        let is_there = bits >> row & 1;
        *to = select_unpredictable(is_there == 1, from[next % GROUP], null);
        next += usize::from(is_there);
    }
    next
}
