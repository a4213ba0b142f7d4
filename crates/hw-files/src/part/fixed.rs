//! Numbers of four and eight bytes, plain or gathered from a dictionary.

use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer};

use super::buffers::Block;
use super::cause::{Cause, Decoded, damaged, present};
use super::chunk::{Coding, DataPage, DictionaryPage, Opener, Pages, Version, split_levels};
use super::delta;
use super::runs;
use super::validity::{Validity, all_valid};

/// Room in front of the values: the levels of the first page may stand there. A multiple of every alignment.
const HEADROOM: usize = 64;

/// A number as it stands in pages.
pub(super) trait Fixed: ArrowNativeType + delta::Delta {}

impl Fixed for u32 {}
impl Fixed for u64 {}

/// The values of a chunk with what tells the nulls.
pub(super) type Values = (Buffer, Option<NullBuffer>);

/// Decodes all pages into one piece of memory.
pub(super) fn flat<T: Fixed>(pages: &Pages, opener: &mut Opener<'_>) -> Decoded<Values> {
    let dictionary = match &pages.dictionary {
        Some(page) => Some(dictionary_block::<T>(page, opener)?),
        None => None,
    };
    let rows = opener.shape.rows;
    let size = present(rows.checked_mul(size_of::<T>()), "it has too many values")?;
    let mut flat = Flat::<T> {
        block: opener.buffers.block(HEADROOM + size),
        keys: None,
        dictionary: dictionary
            .as_ref()
            .map(|(block, values)| block.numbers().get(..*values).unwrap_or_default()),
        validity: Validity::default(),
        filled: 0,
        rows,
    };
    for page in &pages.data {
        flat.push(page, opener)?;
    }
    let Flat { block, validity, .. } = flat;
    Ok((block.freeze(HEADROOM..HEADROOM + size), validity.finish()))
}

/// The values of a dictionary page.
pub(super) fn dictionary<T: Fixed>(page: &DictionaryPage, opener: &mut Opener<'_>) -> Decoded<Buffer> {
    let (block, values) = dictionary_block::<T>(page, opener)?;
    Ok(block.freeze(0..values * size_of::<T>()))
}

fn dictionary_block<T: Fixed>(page: &DictionaryPage, opener: &mut Opener<'_>) -> Decoded<(Block, usize)> {
    let buffers = opener.buffers.clone();
    let bytes = opener.dictionary(page)?;
    let plain = plain::<T>(bytes, page.values)?;
    let mut block = buffers.block(plain.len());
    copy(plain, block.bytes_mut());
    Ok((block, page.values))
}

/// The bytes of so many values, or an error if there are fewer.
fn plain<T>(bytes: &[u8], values: usize) -> Decoded<&[u8]> {
    let size = values.checked_mul(size_of::<T>());
    present(
        size.and_then(|size| bytes.get(..size)),
        "a page has fewer values than its header says",
    )
}

fn copy(from: &[u8], to: &mut [u8]) {
    if let Some(to) = to.get_mut(..from.len()) {
        to.copy_from_slice(from);
    }
}

struct Flat<'a, T> {
    /// Values from `HEADROOM` on.
    block: Block,
    /// Keys of one page.
    keys: Option<Block>,
    dictionary: Option<&'a [T]>,
    validity: Validity,
    /// Rows decoded.
    filled: usize,
    rows: usize,
}

impl<T: Fixed> Flat<'_, T> {
    fn push(&mut self, page: &DataPage, opener: &mut Opener<'_>) -> Decoded<()> {
        if page.coding != Coding::Plain || !self.push_in_place(page, opener)? {
            self.push_general(page, opener)?;
        }
        self.filled += page.values;
        Ok(())
    }

    /// Decompresses a page so that its values fall into their place: levels may stand before them, over what is already
    /// there, which is put back afterwards. Works for pages without nulls, whose size gives away the length of the levels.
    fn push_in_place(&mut self, page: &DataPage, opener: &mut Opener<'_>) -> Decoded<bool> {
        let bytes = page.values * size_of::<T>();
        let Some(prefix) = page.values_unfolded().checked_sub(bytes) else {
            return Ok(false);
        };
        let leveled = opener.shape.nullable && page.version == Version::One;
        let outer = page.outer_levels(opener.bytes).filter(|_| opener.shape.nullable);
        if prefix > HEADROOM || leveled != (prefix > 0) || outer.is_some_and(|levels| !all_valid(levels, page.values)) {
            return Ok(false);
        }
        let start = HEADROOM + self.filled * size_of::<T>();
        let place = self.block.bytes_mut().get_mut(start - prefix..start + bytes);
        let place = present(place, "its pages hold too many values")?;
        let mut before = [0; HEADROOM];
        let before = before.get_mut(..prefix).unwrap_or_default();
        before.copy_from_slice(place.get(..prefix).unwrap_or_default());
        let body = opener.bytes.get(page.values_range()).unwrap_or_default();
        match page.is_stored(opener.shape.codec) {
            true => copy(body, place),
            false => opener.decoders.decompress(opener.shape.codec, body, place)?,
        }
        let (front, _) = place.split_at_mut(prefix);
        let fits = !leveled
            || split_levels(front).is_ok_and(|(levels, rest)| rest.is_empty() && all_valid(levels, page.values));
        front.copy_from_slice(before);
        if fits {
            self.validity.push_valid(page.values);
        }
        Ok(fits)
    }

    fn push_general(&mut self, page: &DataPage, opener: &mut Opener<'_>) -> Decoded<()> {
        let buffers = opener.buffers;
        let (levels, values) = opener.data(page)?;
        let present_count = self.validity.push_page(levels, page.values, self.rows)?;
        let start = HEADROOM / size_of::<T>() + self.filled;
        let place = self.block.numbers_mut::<T>().get_mut(start..start + page.values);
        let place = present(place, "its pages hold too many values")?;
        let (to, _) = place.split_at_mut(present_count.min(page.values));
        match page.coding {
            Coding::Plain => copy_numbers(plain::<T>(values, present_count)?, to),
            Coding::Delta => delta::decode(values, to)?,
            Coding::Runs => return Err(Cause::NotHere),
            Coding::Keys => {
                let dictionary = present(self.dictionary, "a page has keys, and there is no dictionary")?;
                let block = self.keys.take().filter(|block| block.bytes().len() >= 4 * to.len());
                let block = self.keys.insert(block.unwrap_or_else(|| buffers.block(4 * to.len())));
                let keys = block.numbers_mut::<u32>().get_mut(..to.len()).unwrap_or_default();
                runs::keys(values, dictionary.len(), keys)?;
                gather(dictionary, keys, to);
            }
        }
        self.validity.spread(place, present_count);
        Ok(())
    }
}

fn copy_numbers<T: Fixed>(from: &[u8], to: &mut [T]) {
    let numbers = from.chunks_exact(size_of::<T>()).map(T::of_bytes);
    to.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
}

fn gather<T: Fixed>(dictionary: &[T], keys: &[u32], to: &mut [T]) {
    for (to, key) in to.iter_mut().zip(keys) {
        *to = dictionary.get(*key as usize).copied().unwrap_or_default();
    }
}

/// The keys of a chunk whose pages are all dictionary-coded.
pub(super) fn keys<K: super::unpack::Key>(pages: &Pages, values: usize, opener: &mut Opener<'_>) -> Decoded<Values> {
    let rows = opener.shape.rows;
    let mut block = opener.buffers.block(rows * size_of::<K>());
    let mut validity = Validity::default();
    let mut rest = block.numbers_mut::<K>();
    for page in &pages.data {
        let (levels, bytes) = opener.data(page)?;
        let present_count = validity.push_page(levels, page.values, rows)?;
        let (now, later) = present(rest.split_at_mut_checked(page.values), "its pages hold too many values")?;
        let (to, _) = now.split_at_mut(present_count.min(page.values));
        runs::keys(bytes, values, to)?;
        validity.spread(now, present_count);
        rest = later;
    }
    Ok((block.freeze(0..rows * size_of::<K>()), validity.finish()))
}

/// The pages must be of a coding that numbers of this kind may have.
pub(super) fn check_codings(pages: &Pages, allowed: &[Coding]) -> Decoded<()> {
    let known = pages.data.iter().all(|page| allowed.contains(&page.coding));
    let keyed = pages.data.iter().any(|page| page.coding == Coding::Keys);
    match (known, keyed && pages.dictionary.is_none()) {
        (false, _) => Err(Cause::NotHere),
        (_, true) => damaged("its pages have keys, and there is no dictionary"),
        _ => Ok(()),
    }
}
