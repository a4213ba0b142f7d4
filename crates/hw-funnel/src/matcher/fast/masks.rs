//! The uses that each row serves.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::ScalarBuffer;

use super::super::MatchError;
use super::input::{Code, Codes, Input, cells, with_codes};
use super::plan::FilterColumn;
use crate::column::{Cell, Cells};
use crate::comparison::Comparison;
use crate::filter::{Constant, Test};
use crate::query::Query;

/// Rows that are selected before their states are touched: few enough to stay in the processor's nearest cache.
pub(super) const BLOCK_ROWS: usize = 1_024;
/// Values of a byte.
const BYTE_VALUES: usize = 256;
/// Most distinct masks that are numbered.
const KINDS_MAX: usize = 16;
/// Rows that are looked at to tell how many serve a use.
const SAMPLED_ROWS: usize = 512;
/// Rows looked at together where few of them serve a use.
const RARE_CHUNK: usize = 16;
/// Most rows of a sample that serve a use where these are few.
const RARE_HITS: usize = SAMPLED_ROWS / RARE_CHUNK / 2;

/// What one column leaves of each row's uses. The last entry of tables is that of null.
pub(super) enum ColumnMasks {
    /// Codes of one byte.
    Bytes {
        codes: ScalarBuffer<u8>,
        table: Box<[u64; BYTE_VALUES]>,
    },
    /// Wider codes, with few distinct masks: the number of the mask by code. Number 0 is no use at all.
    Kinds {
        codes: Codes,
        kinds: Vec<u8>,
        table: Box<[u64; BYTE_VALUES]>,
    },
    /// Wider codes.
    Coded { codes: Codes, table: Vec<u64> },
    /// By row.
    Rows(Vec<u64>),
}

/// Runs an expression with what there is of each row, as a slice, and with the mask of that. Neither needs a test.
macro_rules! with_masks {
    ($masks:expr, |$values:ident, $mask:ident| $body:expr) => {
        match $masks {
            ColumnMasks::Bytes { codes, table } => {
                let ($values, $mask): (&[u8], _) = (codes, |code: u8| table[usize::from(code)]);
                $body
            }
            ColumnMasks::Kinds { codes, kinds, table } => with_codes!(codes, $values => {
                let $mask = |code| table[usize::from(kinds.get(Code::index(code)).copied().unwrap_or(0))];
                $body
            }),
            ColumnMasks::Coded { codes, table } => with_codes!(codes, $values => {
                let $mask = |code| table.get(Code::index(code)).copied().unwrap_or(0);
                $body
            }),
            ColumnMasks::Rows(masks) => {
                let ($values, $mask): (&[u64], _) = (masks, |mask: u64| mask);
                $body
            }
        }
    };
}

#[expect(clippy::indexing_slicing, reason = "tables have an entry for every byte")]
impl ColumnMasks {
    /// `uses`: the bits to look for.
    ///
    /// # Errors
    /// [`MatchError::Unreadable`].
    pub(super) fn new(query: &Query, uses: u64, plan: &FilterColumn, input: &Input) -> Result<Self, MatchError> {
        match input {
            Input::Coded(coded) => {
                let mut table = masks(query, uses, plan, &coded.entries)?;
                table.push(mask_of(query, uses, plan, Cell::Null));
                Ok(Self::coded(&coded.codes, table))
            }
            Input::Flat(array) => Ok(Self::Rows(masks(query, uses, plan, array)?)),
        }
    }

    fn coded(codes: &Codes, table: Vec<u64>) -> Self {
        let mut first = Box::new([0; BYTE_VALUES]);
        if let Codes::U8(codes) = codes {
            first.iter_mut().zip(&table).for_each(|(place, mask)| *place = *mask);
            return Self::Bytes {
                codes: codes.clone(),
                table: first,
            };
        }
        let codes = codes.clone();
        match kinds(&table, &mut first) {
            Some(kinds) => Self::Kinds {
                codes,
                kinds,
                table: first,
            },
            None => Self::Coded { codes, table },
        }
    }

    /// Whether no row of the batch can serve any use.
    pub(super) fn is_hopeless(&self) -> bool {
        match self {
            Self::Bytes { table, .. } | Self::Kinds { table, .. } => table.iter().all(|mask| *mask == 0),
            Self::Coded { table: masks, .. } | Self::Rows(masks) => masks.iter().all(|mask| *mask == 0),
        }
    }

    /// The codes that serve a use, if they are bytes and one or two; a single one comes twice.
    fn few_bytes(&self) -> Option<[u8; 2]> {
        let Self::Bytes { table, .. } = self else {
            return None;
        };
        let mut hits = (0..=u8::MAX).zip(table.iter()).filter(|(_, mask)| **mask != 0);
        let one = hits.next()?.0;
        let other = hits.next().map_or(one, |(other, _)| other);
        hits.next().is_none().then_some([one, other])
    }

    /// Of [`SAMPLED_ROWS`] rows, how many serve a use. All of so many rows count if there are fewer.
    pub(super) fn sampled_hits(&self) -> usize {
        with_masks!(self, |values, mask| {
            let step = values.len() / SAMPLED_ROWS + 1;
            let sample = values.iter().step_by(step);
            sample.filter(|value| mask(**value) != 0).count()
        })
    }
}

/// Numbers masks by their first occurrence, from 1 on; `None` if there are too many.
fn kinds(masks: &[u64], table: &mut [u64; BYTE_VALUES]) -> Option<Vec<u8>> {
    let mut known = 1;
    // Number 0 stands for no use from the start.
    let mut kinds = Vec::with_capacity(masks.len());
    for mask in masks {
        let place = table
            .get(..known.min(KINDS_MAX))?
            .iter()
            .position(|known| known == mask);
        let place = match place {
            Some(place) => place,
            None if known == KINDS_MAX => return None,
            None => {
                *table.get_mut(known)? = *mask;
                known += 1;
                known - 1
            }
        };
        kinds.push(u8::try_from(place).ok()?);
    }
    Some(kinds)
}

/// Whether rows that serve a use are so few that it pays to look for them several at a time.
fn is_rare(hits: usize) -> bool {
    hits <= RARE_HITS
}

fn masks(query: &Query, uses: u64, plan: &FilterColumn, array: &ArrayRef) -> Result<Vec<u64>, MatchError> {
    let Some(column) = query.columns.get(plan.column) else {
        return Ok(vec![0; array.len()]);
    };
    let cells = cells(array, column)?;
    let mut masks = vec![uses; array.len()];
    for (filter, bits) in plan.filters.iter().filter(|(_, bits)| bits & uses != 0) {
        let Some(filter) = query.filters.get(*filter) else {
            continue;
        };
        match (&cells, &filter.test) {
            (Cells::Int(array), Test::Compare(comparison, Constant::Int(constant))) if array.nulls().is_none() => {
                compare_all(array.values(), *comparison, *constant, *bits, &mut masks);
            }
            _ => {
                for (row, mask) in masks.iter_mut().enumerate() {
                    if !filter.test.matches(cells.cell(row)) {
                        *mask &= !bits;
                    }
                }
            }
        }
    }
    Ok(masks)
}

/// The comparison of integers, all of them valid, in a loop without branches.
fn compare_all(values: &[i64], comparison: Comparison, constant: i128, bits: u64, masks: &mut [u64]) {
    let Ok(constant) = i64::try_from(constant) else {
        let order = if constant < 0 {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Less
        };
        if !comparison.holds(Some(order)) {
            masks.iter_mut().for_each(|mask| *mask &= !bits);
        }
        return;
    };
    let mut each = |test: fn(i64, i64) -> bool| {
        for (mask, value) in masks.iter_mut().zip(values) {
            *mask &= if test(*value, constant) { u64::MAX } else { !bits };
        }
    };
    match comparison {
        Comparison::Equal => each(|value, constant| value == constant),
        Comparison::NotEqual => each(|value, constant| value != constant),
        Comparison::Greater => each(|value, constant| value > constant),
        Comparison::GreaterOrEqual => each(|value, constant| value >= constant),
        Comparison::Less => each(|value, constant| value < constant),
        Comparison::LessOrEqual => each(|value, constant| value <= constant),
    }
}

fn mask_of(query: &Query, uses: u64, plan: &FilterColumn, cell: Cell<'_>) -> u64 {
    let failing = plan.filters.iter().filter(|(filter, _)| {
        let filter = query.filters.get(*filter);
        !filter.is_some_and(|filter| filter.test.matches(cell))
    });
    failing.fold(uses, |mask, (_, bits)| mask & !bits)
}

/// The masks of all columns that a pass over the rows looks at.
pub(super) struct PassMasks {
    /// The column that leaves the fewest rows comes first.
    columns: Vec<ColumnMasks>,
    /// The codes of the first column that serve a use, if these are one or two.
    bytes: Option<[u8; 2]>,
    /// Uses of rows where there is no column.
    uses: u64,
    is_rare: bool,
    /// Rows of a sample that the first column leaves.
    hits: usize,
}

impl PassMasks {
    pub(super) fn new(uses: u64, columns: Vec<ColumnMasks>) -> Self {
        let mut columns: Vec<(usize, ColumnMasks)> =
            columns.into_iter().map(|masks| (masks.sampled_hits(), masks)).collect();
        columns.sort_by_key(|(hits, _)| *hits);
        let hits = columns.first().map_or(SAMPLED_ROWS, |(hits, _)| *hits);
        let bytes = columns.first().and_then(|(_, masks)| masks.few_bytes());
        Self {
            bytes,
            columns: columns.into_iter().map(|(_, masks)| masks).collect(),
            uses,
            is_rare: is_rare(hits),
            hits,
        }
    }

    /// The codes and masks of the only column, if it has codes of a byte and leaves many rows.
    pub(super) fn many_bytes(&self) -> Option<(&[u8], &[u64; BYTE_VALUES])> {
        match self.columns.as_slice() {
            [ColumnMasks::Bytes { codes, table }] if self.hits > SAMPLED_ROWS / 8 => Some((codes, table)),
            _ => None,
        }
    }
}

/// Rows that serve some use, in their order, with their masks.
pub(super) struct Selected {
    rows: Box<[u32; BLOCK_ROWS]>,
    masks: Box<[u64; BLOCK_ROWS]>,
    count: usize,
}

impl Default for Selected {
    fn default() -> Self {
        Self {
            rows: Box::new([0; BLOCK_ROWS]),
            masks: Box::new([0; BLOCK_ROWS]),
            count: 0,
        }
    }
}

impl Selected {
    pub(super) fn rows(&self) -> &[u32] {
        self.rows.get(..self.count).unwrap_or_default()
    }

    pub(super) fn masks(&self) -> &[u64] {
        self.masks.get(..self.count).unwrap_or_default()
    }

    /// Replaces the content by rows `from..to`, at most a block, that are in the timeframe and serve any use.
    #[expect(clippy::indexing_slicing, reason = "tables have an entry for every byte")]
    pub(super) fn select(&mut self, masks: &PassMasks, frame: Option<&[bool]>, (from, to): (usize, usize)) {
        self.count = 0;
        match masks.columns.split_first() {
            None => self.extend(&[(); BLOCK_ROWS], (0, to - from), from, |()| masks.uses),
            Some((first, others)) => {
                match (first, masks.bytes) {
                    (ColumnMasks::Bytes { codes, table }, Some([one, other])) if masks.is_rare => {
                        let is_hit = |code: u8| (code == one) | (code == other);
                        self.extend_rare(codes, (from, to), is_hit, |code| table[usize::from(code)]);
                    }
                    _ => with_masks!(first, |values, mask| match masks.is_rare {
                        true => self.extend_rare(values, (from, to), |value| mask(value) != 0, mask),
                        false => self.extend(values, (from, to), from, mask),
                    }),
                }
                for column in others {
                    with_masks!(column, |values, mask| self
                        .retain(|row| values.get(row).map_or(0, |value| mask(*value))));
                }
            }
        }
        if let Some(frame) = frame {
            self.retain(|row| match frame.get(row) {
                Some(true) => u64::MAX,
                _ => 0,
            });
        }
    }

    /// Without a branch on the mask: each row is written, and stays if it serves a use. `first` is the number of the first.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "places are taken modulo the size, and a block has no more rows than that"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "rows of a batch are numbered with 32 bits"
    )]
    fn extend<T: Copy>(&mut self, values: &[T], (from, to): (usize, usize), first: usize, mask: impl Fn(T) -> u64) {
        let mut count = self.count;
        for (value, row) in values.get(from..to).unwrap_or_default().iter().zip(first as u32..) {
            let mask = mask(*value);
            self.rows[count % BLOCK_ROWS] = row;
            self.masks[count % BLOCK_ROWS] = mask;
            count += usize::from(mask != 0);
        }
        self.count = count;
    }

    /// Likewise where few rows serve a use, which `is_hit` tells: several rows are looked at together.
    #[inline(always)]
    fn extend_rare<T: Copy>(
        &mut self,
        values: &[T],
        (from, to): (usize, usize),
        is_hit: impl Fn(T) -> bool,
        mask: impl Fn(T) -> u64,
    ) {
        let (chunks, rest) = values.get(from..to).unwrap_or_default().as_chunks::<RARE_CHUNK>();
        let mut first = from;
        for chunk in chunks {
            if chunk.iter().fold(false, |any, value| any | is_hit(*value)) {
                self.extend(chunk, (0, RARE_CHUNK), first, &mask);
            }
            first += RARE_CHUNK;
        }
        self.extend(rest, (0, rest.len()), first, mask);
    }

    /// Keeps the rows that still serve a use.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "there are no more rows than the block has places"
    )]
    fn retain(&mut self, mask: impl Fn(usize) -> u64) {
        let mut kept = 0;
        for place in 0..self.count.min(BLOCK_ROWS) {
            let row = self.rows[place];
            let mask = self.masks[place] & mask(row as usize);
            self.rows[kept] = row;
            self.masks[kept] = mask;
            kept += usize::from(mask != 0);
        }
        self.count = kept;
    }
}
