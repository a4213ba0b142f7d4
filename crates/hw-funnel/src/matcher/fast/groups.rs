//! Group ids to slots: dense numbers, given in the order of first sight.

use std::borrow::Cow;

use arrow_array::{Array, ArrayRef};
use xxhash_rust::xxh3::xxh3_64;

use super::super::MatchError;
use super::input::{Code, Input, cells, with_codes};
use super::tallies::{Active, IDLE};
use super::values::RowValues;
use crate::column::{Cell, Cells};
use crate::memory::{Lent, Memory};
use crate::query::Column;
use crate::scalar::Scalar;

/// Marks a row without a group.
pub(super) const NO_SLOT: u32 = u32::MAX;
/// Table entries per slot, at least.
const SPREAD: usize = 2;
/// Least size of a table.
const TABLE_MIN: usize = 1024;
const UPPER_HALF: u64 = 0xffff_ffff_0000_0000;

/// All groups seen so far.
pub(super) enum Groups {
    /// Ids by their 64 bits.
    Ints {
        ids: Ints,
        is_unsigned: bool,
    },
    Texts(Texts),
}

impl Groups {
    pub(super) fn new(memory: &Memory) -> Self {
        Self::Ints {
            ids: Ints {
                ids: Vec::new(),
                table: Lent::new(memory),
                memory: memory.clone(),
            },
            is_unsigned: false,
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ints { ids, .. } => ids.ids.len(),
            Self::Texts(texts) => texts.ends.len(),
        }
    }

    pub(super) fn memory_size(&self) -> usize {
        match self {
            Self::Ints { ids, .. } => ids.ids.capacity() * 8 + ids.table.capacity() * 8,
            Self::Texts(texts) => texts.bytes.capacity() + (texts.ends.capacity() + texts.table.capacity()) * 8,
        }
    }

    /// The id of a slot.
    pub(super) fn id(&self, slot: usize) -> Option<Scalar> {
        match self {
            Self::Ints { ids, is_unsigned } => {
                let id = *ids.ids.get(slot)?;
                Some(Scalar::Int(if *is_unsigned {
                    id.cast_unsigned().into()
                } else {
                    id.into()
                }))
            }
            Self::Texts(texts) => texts.get(slot).map(|id| Scalar::Text(id.into())),
        }
    }

    /// The slot of each value of an array, [`NO_SLOT`] for null. `is_distinct`: whether most values occur once.
    ///
    /// # Errors
    /// [`MatchError::Unreadable`].
    fn slots(&mut self, array: &ArrayRef, column: &Column, is_distinct: bool) -> Result<Vec<u32>, MatchError> {
        let cells = cells(array, column)?;
        if matches!(cells, Cells::Text(_)) && self.len() == 0 {
            let memory = match self {
                Self::Ints { ids, .. } => &ids.memory,
                Self::Texts(texts) => &texts.memory,
            };
            *self = Self::Texts(Texts::new(memory));
        }
        if let (Cells::UInt(_), Self::Ints { is_unsigned, .. }) = (&cells, &mut *self) {
            *is_unsigned = true;
        }
        match (self, &cells) {
            (Self::Ints { ids, .. }, Cells::Int(array)) if array.null_count() == 0 => {
                if is_distinct {
                    ids.reserve_first(array.len());
                }
                Ok(array.values().iter().map(|id| ids.slot(*id)).collect())
            }
            (Self::Texts(texts), Cells::Text(array)) if array.null_count() == 0 => {
                if is_distinct {
                    texts.reserve_first(array.len(), array.value_data().len());
                }
                Ok(array.iter().map(|id| texts.slot(id.unwrap_or_default())).collect())
            }
            (groups, cells) => Ok((0..array.len()).map(|row| groups.slot(cells.cell(row))).collect()),
        }
    }

    fn slot(&mut self, cell: Cell<'_>) -> u32 {
        match (self, cell) {
            (Self::Texts(texts), Cell::Text(text)) => texts.slot(text),
            (Self::Ints { ids, is_unsigned }, Cell::Int(id)) => {
                let id = if *is_unsigned {
                    u64::try_from(id).map(u64::cast_signed).unwrap_or_default()
                } else {
                    i64::try_from(id).unwrap_or_default()
                };
                ids.slot(id)
            }
            _ => NO_SLOT,
        }
    }
}

/// The slot of each row of a batch.
pub(super) enum RowSlots {
    /// By code; the last entry is that of null.
    Coded {
        codes: super::input::Codes,
        entries: Vec<u32>,
    },
    Rows(Vec<u32>),
}

impl RowSlots {
    /// # Errors
    /// [`MatchError::Unreadable`].
    pub(super) fn new(groups: &mut Groups, input: &Input, column: &Column) -> Result<Self, MatchError> {
        match input {
            Input::Coded(coded) => {
                let mut entries = groups.slots(&coded.entries, column, true)?;
                entries.push(NO_SLOT);
                Ok(Self::Coded {
                    codes: coded.codes.clone(),
                    entries,
                })
            }
            Input::Flat(array) => Ok(Self::Rows(groups.slots(array, column, false)?)),
        }
    }

    pub(super) fn memory_size(&self) -> usize {
        match self {
            Self::Coded { codes, entries } => codes.memory_size() + entries.capacity() * size_of::<u32>(),
            Self::Rows(slots) => slots.capacity() * size_of::<u32>(),
        }
    }

    /// The slots of some rows, in their order.
    pub(super) fn gather(&self, rows: &[u32], into: &mut Vec<u32>) {
        into.clear();
        match self {
            Self::Coded { codes, entries } => with_codes!(codes, codes => {
                into.extend(rows.iter().map(|row| entry(entries, codes, *row as usize)));
            }),
            Self::Rows(slots) => into.extend(
                rows.iter()
                    .map(|row| slots.get(*row as usize).copied().unwrap_or(NO_SLOT)),
            ),
        }
    }

    /// Counts the rows within the timeframe per slot and value; whether all of them have a slot. There is a place for each
    /// pair.
    #[must_use]
    pub(super) fn count_pairs(&self, frame: Option<&[bool]>, values: &RowValues, counts: (&mut [u32], usize)) -> bool {
        let (counts, places) = counts;
        let mut is_complete = true;
        let mut add = |slot: u32, value: u32| match counts.get_mut(slot as usize * places + value as usize) {
            Some(count) => *count += 1,
            None => is_complete = false,
        };
        match (self, values, frame) {
            (
                Self::Coded { codes, entries },
                RowValues::Coded {
                    codes: value_codes,
                    entries: numbers,
                },
                None,
            ) => with_codes!(codes, codes => with_codes!(value_codes, value_codes => {
                for (code, value) in codes.iter().zip(value_codes) {
                    let slot = entries.get(code.index()).copied().unwrap_or(NO_SLOT);
                    add(slot, numbers.get(value.index()).copied().unwrap_or(u32::MAX));
                }
            })),
            _ => self.for_each(frame, |row, slot| add(slot, values.get(row))),
        }
        is_complete
    }

    /// The rows whose groups are of a class, with that class.
    pub(super) fn activate(&self, classes: &[u8], into: &mut Active) {
        let class = |slot: u32| classes.get(slot as usize).copied().unwrap_or(IDLE);
        into.rows.clear();
        into.classes.clear();
        match self {
            Self::Coded { codes, entries } => {
                let of_code: Vec<u8> = entries.iter().map(|slot| class(*slot)).collect();
                if of_code.iter().any(|class| *class != IDLE) {
                    with_codes!(codes, codes => {
                        into.fill(codes, |code| of_code.get(code.index()).copied().unwrap_or(IDLE));
                    });
                }
            }
            Self::Rows(slots) => into.fill(slots, class),
        }
    }

    /// Adds to each slot the uses that its rows serve, by the code of another column; `false`, and nothing is added, if the
    /// slots are no codes or the uses are too many.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table has an entry for every byte")]
    pub(super) fn see(&self, others: &[u8], table: &[u64; 256], uses: u64, seen: &mut [u64]) -> bool {
        let Self::Coded { codes, entries } = self else {
            return false;
        };
        let bits: Vec<u64> = (0..u64::BITS)
            .map(|bit| 1 << bit)
            .filter(|bit| uses & bit != 0)
            .collect();
        if bits.len() > 8 {
            return false;
        }
        let narrow = |mask: u64| {
            let places = bits.iter().enumerate().filter(|(_, bit)| mask & **bit != 0);
            places.fold(0_u8, |narrow, (place, _)| narrow | 1 << place)
        };
        let table = table.map(narrow);
        let mut of_code = vec![0_u8; entries.len()];
        with_codes!(codes, codes => {
            for (code, other) in codes.iter().zip(others) {
                if let Some(of_code) = of_code.get_mut(code.index()) {
                    *of_code |= table[usize::from(*other)];
                }
            }
        });
        for (slot, of_code) in entries.iter().zip(of_code).filter(|(_, of_code)| *of_code != 0) {
            if let Some(seen) = seen.get_mut(*slot as usize) {
                let wide = bits.iter().enumerate().filter(|(place, _)| of_code >> place & 1 == 1);
                *seen |= wide.fold(0, |wide, (_, bit)| wide | bit);
            }
        }
        true
    }

    /// Calls `each` with every row within the timeframe and its slot.
    pub(super) fn for_each(&self, frame: Option<&[bool]>, mut each: impl FnMut(usize, u32)) {
        let is_inside = |row: usize| frame.is_none_or(|frame| frame.get(row).copied().unwrap_or(false));
        match self {
            Self::Coded { codes, entries } => with_codes!(codes, codes => {
                for (row, code) in codes.iter().enumerate().filter(|(row, _)| is_inside(*row)) {
                    each(row, entries.get(code.index()).copied().unwrap_or(NO_SLOT));
                }
            }),
            Self::Rows(slots) => {
                for (row, slot) in slots.iter().enumerate().filter(|(row, _)| is_inside(*row)) {
                    each(row, *slot);
                }
            }
        }
    }

    /// The slot of every row, [`NO_SLOT`] for those outside of the timeframe.
    pub(super) fn to_rows(&self, frame: Option<&[bool]>) -> Vec<u32> {
        let mut slots = match self {
            Self::Coded { codes, entries } => with_codes!(codes, codes => {
                codes.iter().map(|code| entries.get(code.index()).copied().unwrap_or(NO_SLOT)).collect()
            }),
            Self::Rows(slots) => slots.clone(),
        };
        for (slot, inside) in slots.iter_mut().zip(frame.unwrap_or_default()) {
            if !inside {
                *slot = NO_SLOT;
            }
        }
        slots
    }

    /// Adds the rows within the timeframe to the counts of their slots; whether all of them have a slot. `known` are the rows
    /// of each entry.
    #[must_use]
    pub(super) fn count(&self, frame: Option<&[bool]>, known: Option<&[u32]>, counts: &mut [u32]) -> bool {
        match self {
            Self::Coded { codes, entries } => {
                let known = known.filter(|known| frame.is_none() && known.len() + 1 == entries.len());
                let histogram = match known {
                    Some(known) => Cow::Borrowed(known),
                    None => Cow::Owned(with_codes!(codes, codes => histogram(codes, entries.len(), frame))),
                };
                let mut is_complete = true;
                for (slot, rows) in entries.iter().zip(histogram.iter()).filter(|(_, rows)| **rows > 0) {
                    match counts.get_mut(*slot as usize) {
                        Some(count) => *count += *rows,
                        None => is_complete = false,
                    }
                }
                is_complete
            }
            Self::Rows(slots) => {
                let mut is_complete = true;
                let mut add = |slot: u32| match counts.get_mut(slot as usize) {
                    Some(count) => *count += 1,
                    None => is_complete = false,
                };
                match frame {
                    None => slots.iter().for_each(|slot| add(*slot)),
                    Some(frame) => slots
                        .iter()
                        .zip(frame)
                        .filter(|(_, inside)| **inside)
                        .for_each(|(slot, _)| add(*slot)),
                }
                is_complete
            }
        }
    }
}

fn entry<C: Code>(entries: &[u32], codes: &[C], row: usize) -> u32 {
    codes
        .get(row)
        .and_then(|code| entries.get(code.index()))
        .copied()
        .unwrap_or(NO_SLOT)
}

/// Neighbours that are looked at to see whether rows of a group stand together.
const NEIGHBOURS_SAMPLED: usize = 256;

/// Whether most of the first rows have the code of the row before, as in a part that is sorted by group.
fn comes_in_runs<C: Code>(codes: &[C]) -> bool {
    let sample = codes.get(..NEIGHBOURS_SAMPLED).unwrap_or(codes);
    let is_alike = |pair: &&[C]| matches!(pair, [one, other] if one.index() == other.index());
    sample.windows(2).filter(is_alike).count() * 2 > sample.len()
}

/// Rows per code, each run of equal codes added at once: equal neighbours do not wait for one another.
fn histogram_of_runs<C: Code>(codes: &[C], entries: usize) -> Vec<u32> {
    let mut counts = vec![0_u32; entries];
    let mut add = |code: usize, rows: u32| {
        if let Some(count) = counts.get_mut(code) {
            *count += rows;
        }
    };
    let (mut code, mut run) = (0, 0);
    for next in codes.iter().map(|code| code.index()) {
        if next != code {
            add(code, run);
            (code, run) = (next, 0);
        }
        run += 1;
    }
    add(code, run);
    counts
}

/// Rows per code.
fn histogram<C: Code>(codes: &[C], entries: usize, frame: Option<&[bool]>) -> Vec<u32> {
    if frame.is_none() && comes_in_runs(codes) {
        return histogram_of_runs(codes, entries);
    }
    let mut counts = vec![0_u32; entries];
    let mut add = |code: &C| {
        if let Some(count) = counts.get_mut(code.index()) {
            *count += 1;
        }
    };
    match frame {
        None => codes.iter().for_each(add),
        Some(frame) => {
            let inside = codes.iter().zip(frame).filter(|(_, inside)| **inside);
            inside.for_each(|(code, _)| add(code));
        }
    }
    counts
}

/// Open addressing with linear probing, at most half full.
pub(super) struct Ints {
    ids: Vec<i64>,
    /// Upper half of the id's hash, and slot + 1 below it; 0 is free.
    table: Lent<i64>,
    memory: Memory,
}

impl Ints {
    #[inline]
    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn slot(&mut self, id: i64) -> u32 {
        if self.ids.len() * SPREAD >= self.table.len() {
            self.grow(1);
        }
        let (mask, hash) = (self.table.len() - 1, mix(id));
        let mut place = low_bits(hash) & mask;
        loop {
            let entry = self.table[place].cast_unsigned();
            if entry == 0 {
                self.ids.push(id);
                // There are never more ids than rows, whose number is limited.
                let number = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
                self.table[place] = (hash & UPPER_HALF | u64::from(number)).cast_signed();
                return number - 1;
            }
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
            let slot = entry as u32 - 1;
            if (entry ^ hash) & UPPER_HALF == 0 && self.ids.get(slot as usize) == Some(&id) {
                return slot;
            }
            place = (place + 1) & mask;
        }
    }

    /// Makes room for the first ids.
    fn reserve_first(&mut self, count: usize) {
        if self.ids.is_empty() {
            self.ids.reserve(count);
            self.grow(count);
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn grow(&mut self, further: usize) {
        let wanted = (self.ids.len() + further).max(self.ids.len() * SPREAD) * SPREAD;
        let size = wanted.next_power_of_two().max(TABLE_MIN);
        let mask = size - 1;
        let mut table = Lent::zeroed(&self.memory, size);
        for (id, number) in self.ids.iter().zip(1_u64..) {
            let hash = mix(*id);
            let mut place = low_bits(hash) & mask;
            while table[place] != 0 {
                place = (place + 1) & mask;
            }
            table[place] = (hash & UPPER_HALF | number).cast_signed();
        }
        self.table = table;
    }
}

/// Spreads the bits of an id (the finaliser of MurmurHash3).
fn mix(id: i64) -> u64 {
    let mut bits = id.cast_unsigned();
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    bits ^ (bits >> 33)
}

/// Texts one after the other, found by hash.
pub(super) struct Texts {
    bytes: String,
    ends: Vec<usize>,
    /// Upper half of the text's hash, and slot + 1 below it; 0 is free.
    table: Lent<i64>,
    memory: Memory,
}

impl Texts {
    fn new(memory: &Memory) -> Self {
        Self {
            bytes: String::new(),
            ends: Vec::new(),
            table: Lent::new(memory),
            memory: memory.clone(),
        }
    }

    fn range(&self, slot: usize) -> Option<std::ops::Range<usize>> {
        let start = match slot.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        Some(start..*self.ends.get(slot)?)
    }

    fn get(&self, slot: usize) -> Option<&str> {
        self.bytes.get(self.range(slot)?)
    }

    /// Whether this is the text of the slot; bytes are compared, which need no look at where characters begin.
    fn is(&self, slot: u32, text: &str) -> bool {
        let known = self
            .range(slot as usize)
            .and_then(|range| self.bytes.as_bytes().get(range));
        known == Some(text.as_bytes())
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn slot(&mut self, text: &str) -> u32 {
        if self.ends.len() * SPREAD >= self.table.len() {
            self.grow(1);
        }
        let (mask, hash) = (self.table.len() - 1, xxh3_64(text.as_bytes()));
        let mut place = low_bits(hash) & mask;
        loop {
            let entry = self.table[place].cast_unsigned();
            if entry == 0 {
                self.bytes.push_str(text);
                self.ends.push(self.bytes.len());
                let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
                self.table[place] = (hash & UPPER_HALF | u64::from(number)).cast_signed();
                return number - 1;
            }
            #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
            let slot = entry as u32 - 1;
            if (entry ^ hash) & UPPER_HALF == 0 && self.is(slot, text) {
                return slot;
            }
            place = (place + 1) & mask;
        }
    }

    /// Makes room for the first texts, of so many bytes together.
    fn reserve_first(&mut self, count: usize, bytes: usize) {
        if self.ends.is_empty() {
            self.ends.reserve(count);
            self.bytes.reserve(bytes);
            self.grow(count);
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn grow(&mut self, further: usize) {
        let wanted = (self.ends.len() + further).max(self.ends.len() * SPREAD) * SPREAD;
        let size = wanted.next_power_of_two().max(TABLE_MIN);
        let mask = size - 1;
        let mut table = Lent::zeroed(&self.memory, size);
        for (slot, number) in (0..self.ends.len()).zip(1_u64..) {
            let bytes = self.range(slot).and_then(|range| self.bytes.as_bytes().get(range));
            let hash = xxh3_64(bytes.unwrap_or_default());
            let mut place = low_bits(hash) & mask;
            while table[place] != 0 {
                place = (place + 1) & mask;
            }
            table[place] = (hash & UPPER_HALF | number).cast_signed();
        }
        self.table = table;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only low bits are used")]
fn low_bits(hash: u64) -> usize {
    hash as usize
}
