//! Values as keys that sort as the values do, so that all types are compared in one way.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, TimeUnit};

const SIGN: u64 = 1 << 63;

/// The keys of a column's values in one batch; `None` for null and NaN.
#[derive(Debug)]
pub(in crate::register) enum Keys<'a> {
    Numbers(Vec<Option<u64>>),
    Text(&'a StringArray),
}

impl<'a> Keys<'a> {
    /// The keys of a plain column. Of a type that can be neither group nor time there are none.
    pub(super) fn of(array: &'a ArrayRef) -> Self {
        match array.as_string_opt::<i32>() {
            Some(text) => Self::Text(text),
            None => Self::Numbers(numbers(array).unwrap_or_default()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Numbers(keys) => keys.len(),
            Self::Text(text) => text.len(),
        }
    }

    /// Compares two rows; `None` if one has no value.
    pub(super) fn compare(&self, row: usize, other: usize) -> Option<Ordering> {
        match self {
            Self::Numbers(keys) => Some(key(keys, row)?.cmp(&key(keys, other)?)),
            Self::Text(text) => Some(value(text, row)?.cmp(value(text, other)?)),
        }
    }

    /// Compares a row of an earlier batch with one of this batch.
    pub(super) fn compare_last(&self, last: &LastKey, row: usize) -> Option<Ordering> {
        match (self, last) {
            (Self::Numbers(keys), LastKey::Number(last)) => Some(last.cmp(&key(keys, row)?)),
            (Self::Text(text), LastKey::Text(last)) => Some(last.as_str().cmp(value(text, row)?)),
            (Self::Numbers(_) | Self::Text(_), LastKey::Number(_) | LastKey::Text(_)) => None,
        }
    }

    pub(super) fn last(&self) -> Option<LastKey> {
        let row = self.len().checked_sub(1)?;
        match self {
            Self::Numbers(keys) => key(keys, row).map(LastKey::Number),
            Self::Text(text) => value(text, row).map(|text| LastKey::Text(text.to_owned())),
        }
    }
}

/// The key of a batch's last row, kept for the next batch.
#[derive(Debug)]
pub(super) enum LastKey {
    Number(u64),
    Text(String),
}

fn key(keys: &[Option<u64>], row: usize) -> Option<u64> {
    keys.get(row).copied().flatten()
}

fn value(text: &StringArray, row: usize) -> Option<&str> {
    text.is_valid(row).then(|| text.value(row))
}

fn numbers(array: &ArrayRef) -> Option<Vec<Option<u64>>> {
    Some(match array.data_type() {
        DataType::Int8 => signed::<Int8Type>(array, i64::from),
        DataType::Int16 => signed::<Int16Type>(array, i64::from),
        DataType::Int32 => signed::<Int32Type>(array, i64::from),
        DataType::Int64 => signed::<Int64Type>(array, |value| value),
        DataType::UInt8 => keyed::<UInt8Type>(array, |value| Some(value.into())),
        DataType::UInt16 => keyed::<UInt16Type>(array, |value| Some(value.into())),
        DataType::UInt32 => keyed::<UInt32Type>(array, |value| Some(value.into())),
        DataType::UInt64 => keyed::<UInt64Type>(array, Some),
        DataType::Date32 => signed::<Date32Type>(array, i64::from),
        DataType::Date64 => signed::<Date64Type>(array, |value| value),
        DataType::Timestamp(TimeUnit::Second, _) => signed::<TimestampSecondType>(array, |value| value),
        DataType::Timestamp(TimeUnit::Millisecond, _) => signed::<TimestampMillisecondType>(array, |value| value),
        DataType::Timestamp(TimeUnit::Microsecond, _) => signed::<TimestampMicrosecondType>(array, |value| value),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => signed::<TimestampNanosecondType>(array, |value| value),
        DataType::Float16 => keyed::<Float16Type>(array, |value| of_float(value.to_f64())),
        DataType::Float32 => keyed::<Float32Type>(array, |value| of_float(value.into())),
        DataType::Float64 => keyed::<Float64Type>(array, of_float),
        _ => return None,
    })
}

fn signed<T: ArrowPrimitiveType>(array: &ArrayRef, widen: impl Fn(T::Native) -> i64) -> Vec<Option<u64>> {
    keyed::<T>(array, |value| Some(widen(value).cast_unsigned() ^ SIGN))
}

fn keyed<T: ArrowPrimitiveType>(array: &ArrayRef, key: impl Fn(T::Native) -> Option<u64>) -> Vec<Option<u64>> {
    array.as_primitive::<T>().iter().map(|value| key(value?)).collect()
}

/// The signed number of a key.
pub(in crate::register) fn of_key_signed(key: u64) -> i64 {
    (key ^ SIGN).cast_signed()
}

/// Negative floats sort backwards by their bits, positive ones forwards; both zeros are one.
fn of_float(value: f64) -> Option<u64> {
    if value.is_nan() {
        return None;
    }
    let bits = (value + 0.0).to_bits();
    Some(if bits & SIGN == 0 { bits | SIGN } else { !bits })
}
