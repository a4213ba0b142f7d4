#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use arrow_array::types::{ArrowDictionaryKeyType, UInt8Type, UInt16Type};
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, PrimitiveArray};

use super::coded;

/// Codes of a dictionary column of so many entries, row by row.
fn codes_of<K: ArrowDictionaryKeyType>(keys: PrimitiveArray<K>, entries: i64) -> Vec<usize> {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..entries));
    let array: ArrayRef = Arc::new(DictionaryArray::<K>::try_new(keys, values).unwrap());
    let coded = coded(&array).unwrap();
    with_codes!(&coded.codes, codes => codes.iter().map(|code| super::Code::index(*code)).collect())
}

/// Whole words of valid and of null rows, mixed ones, a rest, and a slice that begins in the middle of a word.
#[test]
fn null_rows_have_the_code_behind_the_last_entry() {
    let key = |row: u16| match row {
        0..64 => Some(row % 3),
        64..128 => None,
        _ => (!row.is_multiple_of(5)).then_some(row % 3),
    };
    let keys: PrimitiveArray<UInt16Type> = (0..300).map(key).collect();
    for (from, count) in [(0, 300), (0, 256), (17, 200), (64, 64), (299, 1)] {
        let expected = (from..from + count).map(|row| key(row).map_or(3, usize::from));
        let told = codes_of(keys.slice(from.into(), count.into()), 3);
        assert_eq!(told, expected.collect::<Vec<_>>(), "{count} rows from {from}");
    }
}

#[test]
fn a_full_dictionary_has_wider_codes_where_rows_are_null() {
    let keys: PrimitiveArray<UInt8Type> = [Some(0), None, Some(255)].into_iter().collect();
    assert_eq!(codes_of(keys, 256), [0, 256, 255]);
    let keys: PrimitiveArray<UInt8Type> = [Some(0), None, Some(254)].into_iter().collect();
    assert_eq!(codes_of(keys, 255), [0, 255, 254]);
}
