//! The order of statistics' values.

use std::cmp::Ordering;

use hw_catalog::Scalar;

/// Compares two values exactly, integers of either sign included. An integer and a float never meet in one column; they
/// are compared as floats.
pub fn compare(left: Scalar, right: Scalar) -> Ordering {
    match (left, right) {
        (Scalar::Float(_), _) | (_, Scalar::Float(_)) => as_float(left).total_cmp(&as_float(right)),
        _ => as_integer(left).cmp(&as_integer(right)),
    }
}

/// The lesser of two values.
pub fn least(left: Scalar, right: Scalar) -> Scalar {
    if compare(left, right).is_le() { left } else { right }
}

/// The greater of two values.
pub fn greatest(left: Scalar, right: Scalar) -> Scalar {
    if compare(left, right).is_ge() { left } else { right }
}

fn as_integer(value: Scalar) -> i128 {
    match value {
        Scalar::Int(value) => value.into(),
        Scalar::UInt(value) => value.into(),
        Scalar::Float(_) => 0,
    }
}

fn as_float(value: Scalar) -> f64 {
    match value {
        Scalar::Int(value) => value as f64,
        Scalar::UInt(value) => value as f64,
        Scalar::Float(value) => value,
    }
}
