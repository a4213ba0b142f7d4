//! Text and bytes of any length, plain or gathered from a dictionary.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::ByteArrayType;
use arrow_array::{ArrayRef, GenericByteArray, OffsetSizeTrait};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};

use super::buffers::Block;
use super::cause::{Cause, Decoded, damaged, present};
use super::chunk::{Coding, DictionaryPage, Opener, Pages};
use super::runs;
use super::validity::Validity;

/// Bytes of the length in front of each value.
const LENGTH_BYTES: usize = 4;

/// Decodes all pages into one array. Fails with [`Cause::LongText`] where the offsets of `T` do not suffice.
pub(super) fn flat<T: ByteArrayType>(pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ArrayRef> {
    let dictionary = match &pages.dictionary {
        Some(page) => Some(entries(page, opener)?),
        None => None,
    };
    let rows = opener.shape.rows;
    let plain = pages.data.iter().filter(|page| page.coding == Coding::Plain);
    let size = plain.map(|page| page.unfolded).sum();
    let mut text = Text::<T::Offset>::new(opener, rows, size);
    let mut validity = Validity::default();
    for page in &pages.data {
        let buffers = opener.buffers;
        let (levels, values) = opener.data(page)?;
        let count = validity.push_page(levels, page.values, rows)?;
        match (page.coding, &dictionary) {
            (Coding::Plain, _) => text.push_plain(values, validity.last(page.values))?,
            (Coding::Keys, Some(dictionary)) => {
                let mut keys = buffers.block(count * size_of::<u32>());
                let keys = keys.numbers_mut().get_mut(..count).unwrap_or_default();
                runs::keys(values, dictionary.entries.len(), keys)?;
                text.push_keys(dictionary, keys, validity.last(page.values))?;
            }
            _ => return Err(Cause::NotHere),
        }
    }
    text.finish::<T>(validity)
}

/// The values of a dictionary page.
pub(super) fn dictionary<T: ByteArrayType>(page: &DictionaryPage, opener: &mut Opener<'_>) -> Decoded<ArrayRef> {
    let buffers = opener.buffers.clone();
    let values = page.values;
    let bytes = opener.dictionary(page)?;
    check_count(bytes, values)?;
    let mut text = Text::<T::Offset>::with(&buffers, values, bytes.len(), i32::MAX as usize);
    text.push_plain(bytes, std::iter::repeat_n(true, values))?;
    text.finish::<T>(Validity::default())
}

/// Each value has a length at least, so memory for offsets is claimed only where values can be.
fn check_count(bytes: &[u8], values: usize) -> Decoded<()> {
    match values <= bytes.len() / LENGTH_BYTES {
        true => Ok(()),
        false => damaged("a dictionary has fewer values than its header says"),
    }
}

/// A dictionary to gather from.
struct Entries {
    bytes: Block,
    entries: Vec<Range<usize>>,
}

fn entries(page: &DictionaryPage, opener: &mut Opener<'_>) -> Decoded<Entries> {
    let buffers = opener.buffers.clone();
    let values = page.values;
    let page = opener.dictionary(page)?;
    check_count(page, values)?;
    let mut bytes = buffers.block(page.len());
    if let Some(place) = bytes.bytes_mut().get_mut(..page.len()) {
        place.copy_from_slice(page);
    }
    let mut at = 0;
    let mut entries = Vec::with_capacity(values);
    for _ in 0..values {
        let (start, end) = value_at(page, at)?;
        entries.push(start..end);
        at = end;
    }
    Ok(Entries { bytes, entries })
}

/// Start and end of the value whose length stands at `at`.
#[inline(always)]
fn value_at(page: &[u8], at: usize) -> Decoded<(usize, usize)> {
    let length = page.get(at..).and_then(<[u8]>::first_chunk);
    let Some(length) = length.map(|length| u32::from_le_bytes(*length) as usize) else {
        return damaged("a page of text has fewer values than its header says");
    };
    let start = at + LENGTH_BYTES;
    match length <= page.len() - start {
        true => Ok((start, start + length)),
        false => damaged("a text reaches beyond its page"),
    }
}

/// Offsets and bytes that grow.
struct Text<O> {
    offsets: Block,
    bytes: Block,
    rows: usize,
    filled: usize,
    length: usize,
    /// Beyond it offsets must be long.
    bytes_max: usize,
    offset: PhantomData<O>,
}

impl<O: OffsetSizeTrait> Text<O> {
    fn new(opener: &Opener<'_>, rows: usize, bytes: usize) -> Self {
        Self::with(opener.buffers, rows, bytes, opener.shape.short_text_bytes_max)
    }

    fn with(buffers: &super::Buffers, rows: usize, bytes: usize, short_bytes_max: usize) -> Self {
        let mut offsets = buffers.block((rows + 1) * size_of::<O>());
        if let Some(first) = offsets.numbers_mut::<O>().first_mut() {
            *first = O::default();
        }
        Self {
            offsets,
            bytes: buffers.block(bytes),
            rows,
            filled: 0,
            length: 0,
            bytes_max: match O::IS_LARGE {
                true => usize::MAX,
                false => short_bytes_max,
            },
            offset: PhantomData,
        }
    }

    fn push_plain(&mut self, page: &[u8], present: impl Iterator<Item = bool>) -> Decoded<()> {
        self.bytes.reserve(self.length + page.len());
        let mut rows = self.rows_left();
        let mut at = 0;
        for valid in present {
            if valid {
                let (start, end) = value_at(page, at)?;
                rows.append(page.get(start..end).unwrap_or_default());
                at = end;
            }
            rows.end_row()?;
        }
        (self.filled, self.length) = rows.reached();
        Ok(())
    }

    fn push_keys(&mut self, from: &Entries, keys: &[u32], present: impl Iterator<Item = bool>) -> Decoded<()> {
        let range = |key: u32| from.entries.get(key as usize).cloned().unwrap_or_default();
        let size: usize = keys.iter().map(|key| range(*key).len()).sum();
        if self.length + size > self.bytes_max {
            return Err(Cause::LongText);
        }
        self.bytes.reserve(self.length + size);
        let mut rows = self.rows_left();
        let mut keys = keys.iter();
        for valid in present {
            if valid && let Some(key) = keys.next() {
                rows.append(from.bytes.bytes().get(range(*key)).unwrap_or_default());
            }
            rows.end_row()?;
        }
        (self.filled, self.length) = rows.reached();
        Ok(())
    }

    fn rows_left(&mut self) -> Rows<'_, O> {
        Rows {
            offsets: self.offsets.numbers_mut::<O>(),
            bytes: self.bytes.bytes_mut(),
            filled: self.filled,
            length: self.length,
            bytes_max: self.bytes_max,
        }
    }

    fn finish<T: ByteArrayType<Offset = O>>(self, validity: Validity) -> Decoded<ArrayRef> {
        let offsets = self.offsets.freeze(0..(self.rows + 1) * size_of::<O>());
        let offsets = OffsetBuffer::new(ScalarBuffer::<O>::new(offsets, 0, self.rows + 1));
        let bytes = self.bytes.freeze(0..self.length);
        match GenericByteArray::<T>::try_new(offsets, bytes, validity.finish()) {
            Ok(array) => Ok(Arc::new(array)),
            Err(error) => damaged(error.to_string()),
        }
    }
}

/// The memory of [`Text`] while one page is appended. There is room for its bytes.
struct Rows<'a, O> {
    offsets: &'a mut [O],
    bytes: &'a mut [u8],
    filled: usize,
    length: usize,
    bytes_max: usize,
}

impl<O: OffsetSizeTrait> Rows<'_, O> {
    #[inline(always)]
    fn append(&mut self, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(self.length..self.length + value.len()) {
            place.copy_from_slice(value);
        }
        self.length += value.len();
    }

    #[inline(always)]
    fn end_row(&mut self) -> Decoded<()> {
        self.filled += 1;
        if self.length > self.bytes_max {
            return Err(Cause::LongText);
        }
        let end = O::from_usize(self.length).ok_or(Cause::LongText)?;
        *present(self.offsets.get_mut(self.filled), "its pages hold too many values")? = end;
        Ok(())
    }

    fn reached(self) -> (usize, usize) {
        (self.filled, self.length)
    }
}
