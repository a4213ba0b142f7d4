//! Numbers of several widths that are one type to whoever asks: `INT` is an integer of any width, `FLOAT` a float of any.

use arrow_schema::DataType;

/// The narrowest type that holds every value of both types exactly, of integers or of floats; `None` where there is none,
/// as for `Int64` and `UInt64`, or where one of them is no number. Dictionaries count as their values.
///
/// It does not matter in which order several types are widened.
pub fn widened(left: &DataType, right: &DataType) -> Option<DataType> {
    let (left, right) = (values_of(left), values_of(right));
    if let (Some(left), Some(right)) = (float_bits(left), float_bits(right)) {
        return Some(float(left.max(right)));
    }
    let (left, right) = (Integer::of(left)?, Integer::of(right)?);
    let bits = left.bits.max(right.bits);
    if left.signed == right.signed {
        return Integer { bits, ..left }.data_type();
    }
    let unsigned = if left.signed { right.bits } else { left.bits };
    let signed = Integer {
        signed: true,
        bits: bits.max(2 * unsigned),
    };
    signed.data_type()
}

fn values_of(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

fn float_bits(data_type: &DataType) -> Option<u32> {
    match data_type {
        DataType::Float16 => Some(16),
        DataType::Float32 => Some(32),
        DataType::Float64 => Some(64),
        _ => None,
    }
}

fn float(bits: u32) -> DataType {
    match bits {
        16 => DataType::Float16,
        32 => DataType::Float32,
        _ => DataType::Float64,
    }
}

#[derive(Debug, Clone, Copy)]
struct Integer {
    signed: bool,
    bits: u32,
}

impl Integer {
    fn of(data_type: &DataType) -> Option<Self> {
        let (signed, bits) = match data_type {
            DataType::Int8 => (true, 8),
            DataType::Int16 => (true, 16),
            DataType::Int32 => (true, 32),
            DataType::Int64 => (true, 64),
            DataType::UInt8 => (false, 8),
            DataType::UInt16 => (false, 16),
            DataType::UInt32 => (false, 32),
            DataType::UInt64 => (false, 64),
            _ => return None,
        };
        Some(Self { signed, bits })
    }

    fn data_type(self) -> Option<DataType> {
        match (self.signed, self.bits) {
            (true, 8) => Some(DataType::Int8),
            (true, 16) => Some(DataType::Int16),
            (true, 32) => Some(DataType::Int32),
            (true, 64) => Some(DataType::Int64),
            (false, 8) => Some(DataType::UInt8),
            (false, 16) => Some(DataType::UInt16),
            (false, 32) => Some(DataType::UInt32),
            (false, 64) => Some(DataType::UInt64),
            _ => None,
        }
    }
}
