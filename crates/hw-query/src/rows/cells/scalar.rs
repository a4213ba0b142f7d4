//! Numbers, truth values, texts, binaries.

use std::fmt::Display;

use arrow::datatypes::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, BooleanArray, FixedSizeBinaryArray, GenericBinaryArray, GenericStringArray, OffsetSizeTrait, PrimitiveArray,
};
use arrow_array::{BinaryViewArray, StringViewArray};
use arrow_schema::DataType;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Cells, Form, Values, boxed, put};
use crate::error::QueryError;
use crate::rows::json::write_string;

/// The cells of an array of plain values; `None` for other types.
pub(super) fn cells(array: &dyn Array) -> Option<Box<dyn Cells + '_>> {
    Some(match array.data_type() {
        DataType::Null => Box::new(Nulls),
        DataType::Boolean => boxed(array, Booleans(array.as_boolean_opt()?)),
        DataType::Int8 => integers::<Int8Type>(array)?,
        DataType::Int16 => integers::<Int16Type>(array)?,
        DataType::Int32 => integers::<Int32Type>(array)?,
        DataType::Int64 => integers::<Int64Type>(array)?,
        DataType::UInt8 => integers::<UInt8Type>(array)?,
        DataType::UInt16 => integers::<UInt16Type>(array)?,
        DataType::UInt32 => integers::<UInt32Type>(array)?,
        DataType::UInt64 => integers::<UInt64Type>(array)?,
        DataType::Float16 => floats(array, Half(array.as_primitive_opt::<Float16Type>()?)),
        DataType::Float32 => floats(array, Single(array.as_primitive_opt::<Float32Type>()?)),
        DataType::Float64 => floats(array, Double(array.as_primitive_opt::<Float64Type>()?)),
        DataType::Decimal32(_, scale) => decimals::<Decimal32Type>(array, *scale)?,
        DataType::Decimal64(_, scale) => decimals::<Decimal64Type>(array, *scale)?,
        DataType::Decimal128(_, scale) => decimals::<Decimal128Type>(array, *scale)?,
        DataType::Decimal256(_, scale) => decimals::<Decimal256Type>(array, *scale)?,
        DataType::Utf8 => texts(array, array.as_string_opt::<i32>()?),
        DataType::LargeUtf8 => texts(array, array.as_string_opt::<i64>()?),
        DataType::Utf8View => texts(array, array.as_string_view_opt()?),
        DataType::Binary => boxed(array, Base64(array.as_binary_opt::<i32>()?)),
        DataType::LargeBinary => boxed(array, Base64(array.as_binary_opt::<i64>()?)),
        DataType::BinaryView => boxed(array, Base64(array.as_binary_view_opt()?)),
        DataType::FixedSizeBinary(_) => boxed(array, Base64(array.as_fixed_size_binary_opt()?)),
        _ => return None,
    })
}

/// A column without values.
struct Nulls;

impl Cells for Nulls {
    fn is_null(&self, _: usize) -> bool {
        true
    }

    fn json(&self, _: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        out.extend_from_slice(b"null");
        Ok(())
    }

    fn text(&self, _: usize, _: &mut Vec<u8>) -> Result<(), QueryError> {
        Ok(())
    }
}

struct Booleans<'a>(&'a BooleanArray);

impl Values for Booleans<'_> {
    const JSON: Form = Form::Bare;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        out.extend_from_slice(if self.0.value(row) { b"true" } else { b"false" });
        Ok(())
    }
}

struct Integers<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T: ArrowPrimitiveType<Native: Display>> Values for Integers<'_, T> {
    const JSON: Form = Form::Bare;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        put!(out, "{}", self.0.value(row));
        Ok(())
    }
}

fn integers<T: ArrowPrimitiveType<Native: Display>>(array: &dyn Array) -> Option<Box<dyn Cells + '_>> {
    Some(boxed(array, Integers(array.as_primitive_opt::<T>()?)))
}

/// Floating point numbers of one width. Shortest digits that give the number back differ by width.
trait Floats {
    fn value(&self, row: usize) -> f64;
    fn digits(&self, row: usize, out: &mut Vec<u8>);
}

struct Half<'a>(&'a PrimitiveArray<Float16Type>);
struct Single<'a>(&'a PrimitiveArray<Float32Type>);
struct Double<'a>(&'a PrimitiveArray<Float64Type>);

impl Floats for Half<'_> {
    fn value(&self, row: usize) -> f64 {
        self.0.value(row).to_f64()
    }

    fn digits(&self, row: usize, out: &mut Vec<u8>) {
        put!(out, "{:?}", self.0.value(row).to_f32());
    }
}

impl Floats for Single<'_> {
    fn value(&self, row: usize) -> f64 {
        f64::from(self.0.value(row))
    }

    fn digits(&self, row: usize, out: &mut Vec<u8>) {
        put!(out, "{:?}", self.0.value(row));
    }
}

impl Floats for Double<'_> {
    fn value(&self, row: usize) -> f64 {
        self.0.value(row)
    }

    fn digits(&self, row: usize, out: &mut Vec<u8>) {
        put!(out, "{:?}", self.0.value(row));
    }
}

struct FloatCells<'a, F> {
    array: &'a dyn Array,
    floats: F,
}

fn floats<'a, F: Floats + 'a>(array: &'a dyn Array, floats: F) -> Box<dyn Cells + 'a> {
    Box::new(FloatCells { array, floats })
}

/// JSON has no words for what is not finite.
fn word(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

impl<F: Floats> Cells for FloatCells<'_, F> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        match word(self.floats.value(row)) {
            _ if self.array.is_null(row) => out.extend_from_slice(b"null"),
            Some(word) => put!(out, "\"{word}\""),
            None => self.floats.digits(row, out),
        }
        Ok(())
    }

    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        match word(self.floats.value(row)) {
            Some(word) => out.extend_from_slice(word.as_bytes()),
            None => self.floats.digits(row, out),
        }
        Ok(())
    }
}

struct Decimals<'a, T: ArrowPrimitiveType> {
    values: &'a PrimitiveArray<T>,
    scale: i8,
}

fn decimals<T: ArrowPrimitiveType<Native: Display>>(array: &dyn Array, scale: i8) -> Option<Box<dyn Cells + '_>> {
    let values = array.as_primitive_opt::<T>()?;
    Some(boxed(array, Decimals { values, scale }))
}

impl<T: ArrowPrimitiveType<Native: Display>> Values for Decimals<'_, T> {
    const JSON: Form = Form::Bare;

    /// Places the point by hand: arrow's own formatting cuts digits beyond the declared precision.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let unscaled = self.values.value(row).to_string();
        let (sign, digits) = match unscaled.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", unscaled.as_str()),
        };
        let places = usize::from(self.scale.unsigned_abs());
        if self.scale <= 0 {
            let zeros = if digits == "0" { 0 } else { places };
            put!(out, "{sign}{digits}{:0<zeros$}", "");
        } else if let Some((whole, fraction)) = digits
            .len()
            .checked_sub(places)
            .and_then(|at| digits.split_at_checked(at))
        {
            let whole = if whole.is_empty() { "0" } else { whole };
            put!(out, "{sign}{whole}.{fraction}");
        } else {
            put!(out, "{sign}0.{digits:0>places$}");
        }
        Ok(())
    }
}

/// Texts in any layout.
trait Texts {
    fn value_at(&self, row: usize) -> &str;
}

impl<O: OffsetSizeTrait> Texts for &GenericStringArray<O> {
    fn value_at(&self, row: usize) -> &str {
        self.value(row)
    }
}

impl Texts for &StringViewArray {
    fn value_at(&self, row: usize) -> &str {
        self.value(row)
    }
}

struct TextCells<'a, T> {
    array: &'a dyn Array,
    texts: T,
}

fn texts<'a, T: Texts + 'a>(array: &'a dyn Array, texts: T) -> Box<dyn Cells + 'a> {
    Box::new(TextCells { array, texts })
}

impl<T: Texts> Cells for TextCells<'_, T> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        match self.array.is_null(row) {
            true => out.extend_from_slice(b"null"),
            false => write_string(self.texts.value_at(row), out),
        }
        Ok(())
    }

    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        out.extend_from_slice(self.texts.value_at(row).as_bytes());
        Ok(())
    }
}

/// Bytes in any layout.
trait Bytes {
    fn value_at(&self, row: usize) -> &[u8];
}

impl<O: OffsetSizeTrait> Bytes for &GenericBinaryArray<O> {
    fn value_at(&self, row: usize) -> &[u8] {
        self.value(row)
    }
}

impl Bytes for &BinaryViewArray {
    fn value_at(&self, row: usize) -> &[u8] {
        self.value(row)
    }
}

impl Bytes for &FixedSizeBinaryArray {
    fn value_at(&self, row: usize) -> &[u8] {
        self.value(row)
    }
}

struct Base64<B>(B);

impl<B: Bytes> Values for Base64<B> {
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        out.extend_from_slice(STANDARD.encode(self.0.value_at(row)).as_bytes());
        Ok(())
    }
}
