//! The form of the answer: keys with their dictionary, or flat values.

use std::sync::Arc;

use arrow_array::types::ArrowDictionaryKeyType;
use arrow_array::types::{BinaryType, LargeBinaryType, LargeUtf8Type, UInt8Type, UInt16Type, UInt32Type, Utf8Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, DictionaryArray, PrimitiveArray, downcast_primitive};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::DataType;

use super::cause::{Cause, Decoded, damaged};
use super::chunk::{Coding, DictionaryPage, Opener, Pages};
use super::column::{Leaf, Stored};
use super::unpack::Key;
use super::{boolean, fixed, text};

/// Dictionaries of up to so many values have keys of a byte, of two bytes.
pub(super) const BYTE_KEYS_MAX: usize = 1 << 8;
pub(super) const SHORT_KEYS_MAX: usize = 1 << 16;

/// Decodes all pages.
pub(super) fn read(leaf: &Leaf, pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ArrayRef> {
    match coded(leaf, pages) {
        Some(page) => {
            let values = dictionary(leaf, page, opener)?;
            keyed_array(values, pages, opener)
        }
        None => flat(leaf, pages, opener),
    }
}

/// The dictionary, if all pages have keys for it.
pub(super) fn coded<'a>(leaf: &Leaf, pages: &'a Pages) -> Option<&'a DictionaryPage> {
    let keyed = pages.data.iter().all(|page| page.coding == Coding::Keys);
    let page = pages.dictionary.as_ref()?;
    (keyed && !pages.data.is_empty() && leaf.stored != Stored::Boolean).then_some(page)
}

/// The values of a dictionary page.
pub(super) fn dictionary(leaf: &Leaf, page: &DictionaryPage, opener: &mut Opener<'_>) -> Decoded<ArrayRef> {
    match leaf.stored {
        Stored::Boolean => Err(Cause::NotHere),
        Stored::Fixed4 => {
            let values = fixed::dictionary::<u32>(page, opener)?;
            numbers(&leaf.values, values, page.values, None)
        }
        Stored::Fixed8 => {
            let values = fixed::dictionary::<u64>(page, opener)?;
            numbers(&leaf.values, values, page.values, None)
        }
        Stored::Text => text::dictionary::<Utf8Type>(page, opener),
        Stored::Bytes => text::dictionary::<BinaryType>(page, opener),
    }
}

fn keyed_array(values: ArrayRef, pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ArrayRef> {
    match values.len() {
        count if count <= BYTE_KEYS_MAX => with_keys::<UInt8Type>(values, pages, opener),
        count if count <= SHORT_KEYS_MAX => with_keys::<UInt16Type>(values, pages, opener),
        _ => with_keys::<UInt32Type>(values, pages, opener),
    }
}

fn with_keys<K>(values: ArrayRef, pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ArrayRef>
where
    K: ArrowDictionaryKeyType,
    K::Native: Key,
{
    let rows = opener.shape.rows;
    let (keys, nulls) = fixed::keys::<K::Native>(pages, values.len(), opener)?;
    let keys = PrimitiveArray::<K>::new(ScalarBuffer::new(keys, 0, rows), nulls);
    match DictionaryArray::try_new(keys, values) {
        Ok(array) => Ok(Arc::new(array)),
        Err(error) => damaged(error.to_string()),
    }
}

/// Decodes all pages to one value per row.
pub(super) fn flat(leaf: &Leaf, pages: &Pages, opener: &mut Opener<'_>) -> Decoded<ArrayRef> {
    let rows = opener.shape.rows;
    match leaf.stored {
        Stored::Boolean => {
            fixed::check_codings(pages, &[Coding::Plain, Coding::Runs])?;
            boolean::flat(pages, opener)
        }
        Stored::Fixed4 => {
            fixed::check_codings(pages, number_codings(&leaf.values))?;
            let (values, nulls) = fixed::flat::<u32>(pages, opener)?;
            numbers(&leaf.values, values, rows, nulls)
        }
        Stored::Fixed8 => {
            fixed::check_codings(pages, number_codings(&leaf.values))?;
            let (values, nulls) = fixed::flat::<u64>(pages, opener)?;
            numbers(&leaf.values, values, rows, nulls)
        }
        Stored::Text => {
            fixed::check_codings(pages, &[Coding::Plain, Coding::Keys])?;
            match text::flat::<Utf8Type>(pages, opener) {
                Err(Cause::LongText) => text::flat::<LargeUtf8Type>(pages, opener),
                other => other,
            }
        }
        Stored::Bytes => {
            fixed::check_codings(pages, &[Coding::Plain, Coding::Keys])?;
            match text::flat::<BinaryType>(pages, opener) {
                Err(Cause::LongText) => text::flat::<LargeBinaryType>(pages, opener),
                other => other,
            }
        }
    }
}

/// Differences are of integers.
fn number_codings(values: &DataType) -> &'static [Coding] {
    match values {
        DataType::Float32 | DataType::Float64 => &[Coding::Plain, Coding::Keys],
        _ => &[Coding::Plain, Coding::Keys, Coding::Delta],
    }
}

/// An array of this type over these bytes.
fn numbers(values: &DataType, bytes: Buffer, rows: usize, nulls: Option<NullBuffer>) -> Decoded<ArrayRef> {
    macro_rules! array {
        ($kind:ty) => {
            Ok(array_of::<$kind>(values, bytes, rows, nulls))
        };
    }
    downcast_primitive! {
        values => (array),
        _ => Err(Cause::NotHere),
    }
}

fn array_of<T: ArrowPrimitiveType>(
    values: &DataType,
    bytes: Buffer,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let numbers = PrimitiveArray::<T>::new(ScalarBuffer::new(bytes, 0, rows), nulls);
    Arc::new(numbers.with_data_type(values.clone()))
}
