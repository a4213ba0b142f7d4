//! Columns of a batch in the forms that are matched: codes into a dictionary, or one value per row.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{Array, ArrayRef, DictionaryArray};
use arrow_buffer::{ArrowNativeType, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::super::MatchError;
use super::super::part::Stored;
use crate::column::{Cells, ColumnKind};
use crate::query::Column;
use crate::scalar::{Number, Real};

/// A row's place in a dictionary.
pub(super) trait Code: Copy {
    fn index(self) -> usize;
}

impl Code for u8 {
    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Code for u16 {
    fn index(self) -> usize {
        usize::from(self)
    }
}

impl Code for u32 {
    fn index(self) -> usize {
        self as usize
    }
}

/// Runs an expression with the codes as a slice of whichever width they have.
macro_rules! with_codes {
    ($codes:expr, $slice:ident => $body:expr) => {
        match $codes {
            $crate::matcher::fast::input::Codes::U8($slice) => {
                let $slice: &[u8] = $slice;
                $body
            }
            $crate::matcher::fast::input::Codes::U16($slice) => {
                let $slice: &[u16] = $slice;
                $body
            }
            $crate::matcher::fast::input::Codes::U32($slice) => {
                let $slice: &[u32] = $slice;
                $body
            }
        }
    };
}
pub(super) use with_codes;

/// One code per row: its place in a dictionary.
#[derive(Debug, Clone)]
pub enum Codes {
    /// Codes of one byte.
    U8(ScalarBuffer<u8>),
    /// Codes of two bytes.
    U16(ScalarBuffer<u16>),
    /// Codes of four bytes.
    U32(ScalarBuffer<u32>),
}

impl Codes {
    pub(super) fn memory_size(&self) -> usize {
        with_codes!(self, codes => size_of_val(codes))
    }
}

/// A column of a batch.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Coded(Coded),
    Flat(ArrayRef),
}

/// A column stored as codes. A null row has the code behind the last entry.
#[derive(Debug, Clone)]
pub(super) struct Coded {
    pub(super) codes: Codes,
    pub(super) entries: ArrayRef,
}

impl Input {
    /// # Errors
    /// [`MatchError::ColumnType`] if the array is not of the column's kind.
    pub(super) fn new(array: &ArrayRef, column: &Column) -> Result<Self, MatchError> {
        if !ColumnKind::of(array.data_type()).is_some_and(|kind| kind.reads_as(&column.kind)) {
            return Err(MatchError::ColumnType {
                column: column.name.clone(),
                expected: column.data_type.to_string(),
                actual: array.data_type().to_string(),
            });
        }
        Ok(coded(array).map_or_else(|| Self::Flat(array.clone()), Self::Coded))
    }

    /// # Errors
    /// Those of [`Input::new`].
    pub(super) fn stored(stored: Stored, column: &Column) -> Result<Self, MatchError> {
        match stored {
            Stored::Array(array) => Self::new(&array, column),
            Stored::Coded { codes, entries } => match Self::new(&entries, column)? {
                Self::Flat(entries) => Ok(Self::Coded(Coded { codes, entries })),
                Self::Coded(_) => Err(MatchError::Unreadable {
                    column: column.name.clone(),
                    reason: "its dictionary is one of dictionaries".to_owned(),
                }),
            },
        }
    }

    pub(super) fn memory_size(&self) -> usize {
        match self {
            Self::Coded(coded) => coded.codes.memory_size() + coded.entries.get_array_memory_size(),
            Self::Flat(array) => array.get_array_memory_size(),
        }
    }
}

/// `None` if the array is no dictionary, or one of dictionaries.
fn coded(array: &ArrayRef) -> Option<Coded> {
    let DataType::Dictionary(key, value) = array.data_type() else {
        return None;
    };
    if matches!(value.as_ref(), DataType::Dictionary(..)) {
        return None;
    }
    match key.as_ref() {
        DataType::UInt8 => direct::<UInt8Type>(array, Codes::U8),
        DataType::UInt16 => direct::<UInt16Type>(array, Codes::U16),
        DataType::UInt32 => direct::<UInt32Type>(array, Codes::U32),
        DataType::UInt64 => Some(converted(array.as_dictionary::<UInt64Type>())),
        DataType::Int8 => Some(converted(array.as_dictionary::<Int8Type>())),
        DataType::Int16 => Some(converted(array.as_dictionary::<Int16Type>())),
        DataType::Int32 => Some(converted(array.as_dictionary::<Int32Type>())),
        DataType::Int64 => Some(converted(array.as_dictionary::<Int64Type>())),
        _ => None,
    }
}

/// Keys as they lie; those of null rows are replaced, if there is a code left for null.
fn direct<K: ArrowDictionaryKeyType>(array: &ArrayRef, codes: fn(ScalarBuffer<K::Native>) -> Codes) -> Option<Coded> {
    let dictionary = array.as_dictionary::<K>();
    let (keys, entries) = (dictionary.keys(), dictionary.values());
    let keys = match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => keys.values().clone(),
        Some(nulls) => match K::Native::from_usize(entries.len()) {
            Some(null) => marked(keys.values(), nulls, null),
            None => return Some(converted(dictionary)),
        },
    };
    Some(Coded {
        codes: codes(keys),
        entries: entries.clone(),
    })
}

/// Keys with `null` in place of what null rows have, 64 rows at a time.
fn marked<N: ArrowNativeType>(keys: &[N], nulls: &NullBuffer, null: N) -> ScalarBuffer<N> {
    let mut codes = Vec::with_capacity(keys.len());
    for (keys, valid) in keys.chunks(64).zip(nulls.inner().bit_chunks().iter_padded()) {
        match valid {
            u64::MAX => codes.extend_from_slice(keys),
            0 => codes.resize(codes.len() + keys.len(), null),
            _ => {
                let is_valid = |row: u32| valid >> row & 1 == 1;
                let rows = keys.iter().zip(0_u32..64);
                codes.extend(rows.map(|(key, row)| if is_valid(row) { *key } else { null }));
            }
        }
    }
    codes.into()
}

fn converted<K: ArrowDictionaryKeyType>(dictionary: &DictionaryArray<K>) -> Coded {
    let null = u32::try_from(dictionary.values().len()).unwrap_or(u32::MAX);
    let code = |row| match dictionary.keys().is_valid(row) {
        true => u32::try_from(dictionary.keys().value(row).as_usize()).unwrap_or(null),
        false => null,
    };
    let codes: Vec<u32> = (0..dictionary.len()).map(code).collect();
    Coded {
        codes: Codes::U32(codes.into()),
        entries: dictionary.values().clone(),
    }
}

/// The values of an array by row.
///
/// # Errors
/// [`MatchError::Unreadable`].
pub(super) fn cells(array: &ArrayRef, column: &Column) -> Result<Cells, MatchError> {
    Cells::read(array).map_err(|error| MatchError::Unreadable {
        column: column.name.clone(),
        reason: error.to_string(),
    })
}

/// How times of a column became integers that have the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Clock {
    #[default]
    Signed,
    /// The highest bit is turned over.
    Unsigned,
    /// The bits of doubles, those of negative ones turned over.
    Float,
}

impl Clock {
    pub(super) fn number(self, key: i64) -> Number {
        match self {
            Self::Signed => Number::Int(key.into()),
            Self::Unsigned => Number::Int(key.cast_unsigned().wrapping_sub(1 << 63).into()),
            Self::Float => Number::Float(f64::from_bits(ordered_bits(key).cast_unsigned())),
        }
    }
}

/// The bits of doubles order like integers once those of negative ones are turned over; turning twice restores them.
fn ordered_bits(bits: i64) -> i64 {
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// The time of each row as an integer with the same order.
pub(super) struct Times {
    pub(super) keys: ScalarBuffer<i64>,
    pub(super) clock: Clock,
}

impl Times {
    /// # Errors
    /// [`MatchError::NullTime`] if a row has none.
    pub(super) fn read(input: &Input, column: &Column) -> Result<Self, MatchError> {
        let null = || MatchError::NullTime {
            column: column.name.clone(),
        };
        match input {
            Input::Flat(array) => Self::flat(cells(array, column)?).ok_or_else(null),
            Input::Coded(coded) => Self::coded(coded, column)?.ok_or_else(null),
        }
    }

    /// `None` if a row has no time.
    fn flat(cells: Cells) -> Option<Self> {
        match cells {
            Cells::Int(array) if array.null_count() == 0 => Some(Self {
                keys: array.values().clone(),
                clock: Clock::Signed,
            }),
            Cells::UInt(array) if array.null_count() == 0 => Some(Self {
                keys: array.values().iter().map(|time| unsigned_key(*time)).collect(),
                clock: Clock::Unsigned,
            }),
            Cells::Float(array) if array.null_count() == 0 => {
                let keys: Option<Vec<i64>> = array.values().iter().map(|time| float_key(*time)).collect();
                Some(Self {
                    keys: keys?.into(),
                    clock: Clock::Float,
                })
            }
            _ => None,
        }
    }

    /// Entries that no row has may be null.
    fn coded(coded: &Coded, column: &Column) -> Result<Option<Self>, MatchError> {
        let count = coded.entries.len();
        let (clock, entries): (_, Vec<Option<i64>>) = match cells(&coded.entries, column)? {
            Cells::Int(array) => (Clock::Signed, array.iter().collect()),
            Cells::UInt(array) => (
                Clock::Unsigned,
                array.iter().map(|time| time.map(unsigned_key)).collect(),
            ),
            Cells::Float(array) => (
                Clock::Float,
                array.iter().map(|time| time.and_then(float_key)).collect(),
            ),
            Cells::Bool(_) | Cells::Text(_) | Cells::List { .. } => (Clock::Signed, vec![None; count]),
        };
        let keys: Option<Vec<i64>> = with_codes!(&coded.codes, codes => {
            codes.iter().map(|code| entries.get(code.index()).copied().flatten()).collect()
        });
        Ok(keys.map(|keys| Self {
            keys: keys.into(),
            clock,
        }))
    }
}

fn unsigned_key(time: u64) -> i64 {
    time.wrapping_add(1 << 63).cast_signed()
}

/// `None` for NaN.
fn float_key(time: f64) -> Option<i64> {
    Real::new(time).map(|time| ordered_bits(time.get().to_bits().cast_signed()))
}

/// A column of numbers by row; `None` for null.
pub(super) enum Numbers {
    Int(arrow_array::PrimitiveArray<Int64Type>),
    UInt(arrow_array::PrimitiveArray<UInt64Type>),
    Float(arrow_array::PrimitiveArray<Float64Type>),
}

impl Numbers {
    /// # Errors
    /// [`MatchError::Unreadable`].
    pub(super) fn read(array: &ArrayRef, column: &Column) -> Result<Self, MatchError> {
        match cells(array, column)? {
            Cells::Int(array) => Ok(Self::Int(array)),
            Cells::UInt(array) => Ok(Self::UInt(array)),
            Cells::Float(array) => Ok(Self::Float(array)),
            Cells::Bool(_) | Cells::Text(_) | Cells::List { .. } => Err(MatchError::Unreadable {
                column: column.name.clone(),
                reason: "it has no numbers".to_owned(),
            }),
        }
    }

    pub(super) fn get(&self, row: usize) -> Option<Number> {
        match self {
            Self::Int(array) => array.is_valid(row).then(|| Number::Int(array.value(row).into())),
            Self::UInt(array) => array.is_valid(row).then(|| Number::Int(array.value(row).into())),
            Self::Float(array) => {
                let number = array.is_valid(row).then(|| array.value(row))?;
                Real::new(number).map(|number| Number::Float(number.get()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
