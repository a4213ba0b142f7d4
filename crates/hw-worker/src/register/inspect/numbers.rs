//! Range of a column of numbers, dates or times whose footer does not tell it.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use hw_catalog::Scalar;
use hw_files::{greatest, least};

/// What was seen of a column so far.
#[derive(Debug, Default)]
pub(super) struct NumberScan {
    /// Least and greatest finite value.
    pub(super) range: Option<(Scalar, Scalar)>,
    /// Whether there are infinities.
    pub(super) infinite: bool,
    pub(super) nulls: u64,
}

impl NumberScan {
    pub(super) fn take(&mut self, array: &ArrayRef) {
        self.nulls += array.null_count() as u64;
        let range = match array.data_type() {
            DataType::Float16 => self.floats::<Float16Type>(array, |value| value.to_f64()),
            DataType::Float32 => self.floats::<Float32Type>(array, f64::from),
            DataType::Float64 => self.floats::<Float64Type>(array, |value| value),
            _ => integers(array),
        };
        self.range = match (self.range, range) {
            (Some((min, max)), Some((lower, upper))) => Some((least(min, lower), greatest(max, upper))),
            (one, other) => one.or(other),
        };
    }

    fn floats<T: ArrowPrimitiveType>(
        &mut self,
        array: &ArrayRef,
        widen: impl Fn(T::Native) -> f64,
    ) -> Option<(Scalar, Scalar)> {
        let mut range: Option<(f64, f64)> = None;
        for value in array.as_primitive::<T>().iter().flatten().map(widen) {
            self.infinite |= value.is_infinite();
            if value.is_finite() {
                let (min, max) = range.unwrap_or((value, value));
                range = Some((min.min(value), max.max(value)));
            }
        }
        range.map(|(min, max)| (Scalar::Float(min + 0.0), Scalar::Float(max + 0.0)))
    }
}

fn integers(array: &ArrayRef) -> Option<(Scalar, Scalar)> {
    match array.data_type() {
        DataType::Int8 => range::<Int8Type>(array, |value| Scalar::Int(value.into())),
        DataType::Int16 => range::<Int16Type>(array, |value| Scalar::Int(value.into())),
        DataType::Int32 => range::<Int32Type>(array, |value| Scalar::Int(value.into())),
        DataType::Int64 => range::<Int64Type>(array, Scalar::Int),
        DataType::UInt8 => range::<UInt8Type>(array, |value| Scalar::Int(value.into())),
        DataType::UInt16 => range::<UInt16Type>(array, |value| Scalar::Int(value.into())),
        DataType::UInt32 => range::<UInt32Type>(array, |value| Scalar::Int(value.into())),
        DataType::UInt64 => range::<UInt64Type>(array, |value| {
            i64::try_from(value).map_or(Scalar::UInt(value), Scalar::Int)
        }),
        DataType::Date32 => range::<Date32Type>(array, |value| Scalar::Int(value.into())),
        DataType::Date64 => range::<Date64Type>(array, Scalar::Int),
        DataType::Timestamp(TimeUnit::Second, _) => range::<TimestampSecondType>(array, Scalar::Int),
        DataType::Timestamp(TimeUnit::Millisecond, _) => range::<TimestampMillisecondType>(array, Scalar::Int),
        DataType::Timestamp(TimeUnit::Microsecond, _) => range::<TimestampMicrosecondType>(array, Scalar::Int),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => range::<TimestampNanosecondType>(array, Scalar::Int),
        _ => None,
    }
}

fn range<T: ArrowPrimitiveType>(array: &ArrayRef, scalar: fn(T::Native) -> Scalar) -> Option<(Scalar, Scalar)>
where
    T::Native: Ord,
{
    let values = || array.as_primitive::<T>().iter().flatten();
    Some((scalar(values().min()?), scalar(values().max()?)))
}
