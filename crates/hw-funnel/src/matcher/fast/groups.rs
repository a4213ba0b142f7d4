//! Group ids to slots: dense numbers, given in the order of first sight.

use arrow_array::{Array, ArrayRef};
use xxhash_rust::xxh3::xxh3_64;

use super::super::MatchError;
use super::input::{Code, Input, cells, with_codes};
use crate::column::{Cell, Cells};
use crate::query::Column;
use crate::scalar::Scalar;

/// Marks a row without a group.
pub(super) const NO_SLOT: u32 = u32::MAX;
/// Table entries per slot, at least.
const SPREAD: usize = 2;

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
    pub(super) fn new() -> Self {
        Self::Ints {
            ids: Ints::default(),
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
            Self::Ints { ids, .. } => ids.ids.capacity() * 8 + ids.table.capacity() * size_of::<(i64, u32)>(),
            Self::Texts(texts) => {
                texts.bytes.capacity() + texts.ends.capacity() * 8 + texts.table.capacity() * size_of::<(u64, u32)>()
            }
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

    /// The slot of each value of an array, [`NO_SLOT`] for null.
    ///
    /// # Errors
    /// [`MatchError::Unreadable`].
    fn slots(&mut self, array: &ArrayRef, column: &Column) -> Result<Vec<u32>, MatchError> {
        let cells = cells(array, column)?;
        if matches!(cells, Cells::Text(_)) && self.len() == 0 {
            *self = Self::Texts(Texts::default());
        }
        if let (Cells::UInt(_), Self::Ints { is_unsigned, .. }) = (&cells, &mut *self) {
            *is_unsigned = true;
        }
        match (self, &cells) {
            (Self::Ints { ids, .. }, Cells::Int(array)) if array.null_count() == 0 => {
                Ok(array.values().iter().map(|id| ids.slot(*id)).collect())
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
                let mut entries = groups.slots(&coded.entries, column)?;
                entries.push(NO_SLOT);
                Ok(Self::Coded {
                    codes: coded.codes.clone(),
                    entries,
                })
            }
            Input::Flat(array) => Ok(Self::Rows(groups.slots(array, column)?)),
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

    /// Adds the rows within the timeframe to the counts of their slots; whether all of them have a slot.
    #[must_use]
    pub(super) fn count(&self, frame: Option<&[bool]>, counts: &mut [u32]) -> bool {
        match self {
            Self::Coded { codes, entries } => {
                let histogram = with_codes!(codes, codes => histogram(codes, entries.len(), frame));
                let mut is_complete = true;
                for (slot, rows) in entries.iter().zip(histogram).filter(|(_, rows)| *rows > 0) {
                    match counts.get_mut(*slot as usize) {
                        Some(count) => *count += rows,
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

/// Rows per code. Two tables take turns, so that equal neighbours do not wait for one another.
fn histogram<C: Code>(codes: &[C], entries: usize, frame: Option<&[bool]>) -> Vec<u32> {
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
#[derive(Default)]
pub(super) struct Ints {
    ids: Vec<i64>,
    /// Id and slot + 1; 0 is free.
    table: Vec<(i64, u32)>,
}

impl Ints {
    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn slot(&mut self, id: i64) -> u32 {
        if self.ids.len() * SPREAD >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut place = mix(id) & mask;
        loop {
            let (known, number) = self.table[place];
            if number == 0 {
                self.ids.push(id);
                // There are never more ids than rows, whose number is limited.
                let number = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
                self.table[place] = (id, number);
                return number - 1;
            }
            if known == id {
                return number - 1;
            }
            place = (place + 1) & mask;
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn grow(&mut self) {
        let size = (self.ids.len() * SPREAD * 4).next_power_of_two().max(1024);
        let mask = size - 1;
        let mut table = vec![(0, 0); size];
        for (id, number) in self.ids.iter().zip(1..) {
            let mut place = mix(*id) & mask;
            while table[place].1 != 0 {
                place = (place + 1) & mask;
            }
            table[place] = (*id, number);
        }
        self.table = table;
    }
}

/// Spreads the bits of an id (the finaliser of MurmurHash3).
#[expect(clippy::cast_possible_truncation, reason = "only low bits are used")]
fn mix(id: i64) -> usize {
    let mut bits = id.cast_unsigned();
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (bits ^ (bits >> 33)) as usize
}

/// Texts one after the other, found by hash.
#[derive(Default)]
pub(super) struct Texts {
    bytes: String,
    ends: Vec<usize>,
    /// Hash and slot + 1; 0 is free.
    table: Vec<(u64, u32)>,
}

impl Texts {
    fn get(&self, slot: usize) -> Option<&str> {
        let start = match slot.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.bytes.get(start..*self.ends.get(slot)?)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn slot(&mut self, text: &str) -> u32 {
        if self.ends.len() * SPREAD >= self.table.len() {
            self.grow();
        }
        let (mask, hash) = (self.table.len() - 1, xxh3_64(text.as_bytes()));
        let mut place = low_bits(hash) & mask;
        loop {
            let (known, number) = self.table[place];
            if number == 0 {
                self.bytes.push_str(text);
                self.ends.push(self.bytes.len());
                let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
                self.table[place] = (hash, number);
                return number - 1;
            }
            if known == hash && self.get(number as usize - 1) == Some(text) {
                return number - 1;
            }
            place = (place + 1) & mask;
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "places are masked with the table's length, a power of two"
    )]
    fn grow(&mut self) {
        let size = (self.ends.len() * SPREAD * 4).next_power_of_two().max(1024);
        let mask = size - 1;
        let mut table = vec![(0, 0); size];
        for entry in self.table.iter().filter(|(_, number)| *number != 0) {
            let mut place = low_bits(entry.0) & mask;
            while table[place].1 != 0 {
                place = (place + 1) & mask;
            }
            table[place] = *entry;
        }
        self.table = table;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only low bits are used")]
fn low_bits(hash: u64) -> usize {
    hash as usize
}
