//! Columns of a part, whole, in order of group and time.

use std::sync::Arc;

use arrow::compute::{cast, concat, rank, take};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array, ArrayRef, DictionaryArray, PrimitiveArray, UInt32Array};
use arrow_schema::{ArrowError, DataType};
use hw_files::{Buffers, PartReader};

/// The rows of a part in their new order.
pub(super) struct Ordered {
    /// The group of each row: a dictionary whose entries are sorted and occur.
    pub(super) groups: ArrayRef,
    pub(super) rows: Order,
}

impl Ordered {
    /// How many rows each group has.
    pub(super) fn rows_of_groups(&self) -> Arc<[u32]> {
        let Some(groups) = self.groups.as_dictionary_opt::<UInt32Type>() else {
            return Arc::default();
        };
        let runs = groups.keys().values().chunk_by(|one, other| one == other);
        runs.map(|run| u32::try_from(run.len()).unwrap_or(u32::MAX)).collect()
    }
}

/// Where each row comes from.
pub(super) enum Order {
    /// They stand in order already.
    AsStored,
    From(UInt32Array),
}

impl Order {
    pub(super) fn take(&self, array: &ArrayRef) -> Result<ArrayRef, String> {
        match self {
            Self::AsStored => Ok(Arc::clone(array)),
            Self::From(rows) => take(array, rows, None).map_err(told),
        }
    }
}

/// The column of this name, its codes as narrow as they can be.
pub(super) fn read_whole(reader: &PartReader, name: &str, buffers: &Buffers) -> Result<ArrayRef, String> {
    let column = reader.schema().index_of(name).map_err(told)?;
    let read = (0..reader.row_groups()).map(|row_group| {
        let read = reader.read(row_group, column, buffers);
        read.map(|column| widened(column.array))
            .map_err(|error| error.to_string())
    });
    let arrays = read.collect::<Result<Vec<ArrayRef>, String>>()?;
    let Some(first) = arrays.first() else {
        return Err("it has no rows".to_owned());
    };
    let alike = arrays.iter().all(|array| array.data_type() == first.data_type());
    let arrays = if alike { arrays } else { flat(&arrays)? };
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    narrowed(concat(&arrays).map_err(told)?)
}

/// Dictionaries of several row groups together may have more entries than narrow codes can tell apart.
fn widened(array: ArrayRef) -> ArrayRef {
    let DataType::Dictionary(_, values) = array.data_type() else {
        return array;
    };
    let wide = DataType::Dictionary(Box::new(DataType::UInt32), values.clone());
    cast(&array, &wide).unwrap_or(array)
}

fn narrowed(array: ArrayRef) -> Result<ArrayRef, String> {
    let DataType::Dictionary(_, values) = array.data_type() else {
        return Ok(array);
    };
    let entries = array.as_any_dictionary().values().len();
    let keys = match entries {
        0..=256 => DataType::UInt8,
        257..=65_536 => DataType::UInt16,
        _ => return Ok(array),
    };
    cast(&array, &DataType::Dictionary(Box::new(keys), values.clone())).map_err(told)
}

/// The same without dictionaries.
fn flat(arrays: &[ArrayRef]) -> Result<Vec<ArrayRef>, String> {
    let plain = |array: &ArrayRef| match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values).map_err(told),
        _ => Ok(Arc::clone(array)),
    };
    arrays.iter().map(plain).collect()
}

/// The order by group and time; `None` where a row has no group or no time, or their types have no such order.
pub(super) fn ordered(group: &ArrayRef, time: &ArrayRef) -> Result<Option<Ordered>, String> {
    let Some(times) = ticks(time)? else { return Ok(None) };
    let Some(ranks) = ranks(group)? else { return Ok(None) };
    let rows = sorted(&ranks, times.values());
    let groups = groups(group, &ranks, &rows)?;
    let is_stored = rows.iter().zip(0..).all(|(row, place)| *row == place);
    let rows = match is_stored {
        true => Order::AsStored,
        false => Order::From(rows.into()),
    };
    Ok(Some(Ordered { groups, rows }))
}

/// Times as numbers that are in the same order.
fn ticks(time: &ArrayRef) -> Result<Option<PrimitiveArray<Int64Type>>, String> {
    let plain = match time.data_type() {
        DataType::Dictionary(_, values) => cast(time, values).map_err(told)?,
        _ => Arc::clone(time),
    };
    let has_order = plain.data_type().is_integer() || plain.data_type().is_temporal();
    if !has_order {
        return Ok(None);
    }
    // What does not fit becomes null.
    let ticks = cast(&plain, &DataType::Int64).map_err(told)?;
    Ok((ticks.null_count() == 0).then(|| ticks.as_primitive::<Int64Type>().clone()))
}

/// The place of each row's group among the groups, equal for equal ones.
fn ranks(group: &ArrayRef) -> Result<Option<Vec<u32>>, String> {
    if group.null_count() > 0 || u32::try_from(group.len()).is_err() {
        return Ok(None);
    }
    let DataType::Dictionary(_, values) = group.data_type() else {
        return Ok(Some(rank(group, None).map_err(told)?));
    };
    let wide = DataType::Dictionary(Box::new(DataType::UInt32), values.clone());
    let wide = cast(group, &wide).map_err(told)?;
    let wide = wide.as_dictionary::<UInt32Type>();
    let entries = rank(wide.values(), None).map_err(told)?;
    let of_code = |code: &u32| entries.get(*code as usize).copied();
    Ok(wide.keys().values().iter().map(of_code).collect())
}

/// The rows by rank, then time, then as they stood.
fn sorted(ranks: &[u32], times: &[i64]) -> Vec<u32> {
    let is_sorted = |from: &[(u32, i64)]| matches!(from, [one, other] if one <= other);
    let keys: Vec<(u32, i64)> = ranks.iter().copied().zip(times.iter().copied()).collect();
    let mut rows: Vec<u32> = (0..u32::try_from(ranks.len()).unwrap_or(u32::MAX)).collect();
    if keys.windows(2).all(is_sorted) {
        return rows;
    }
    let key = |row: &u32| keys.get(*row as usize).copied().unwrap_or_default();
    rows.sort_by_key(key);
    rows
}

/// The groups of the rows in their new order.
fn groups(group: &ArrayRef, ranks: &[u32], rows: &[u32]) -> Result<ArrayRef, String> {
    let mut entries: Vec<u32> = Vec::new();
    let mut codes: Vec<u32> = Vec::with_capacity(rows.len());
    let mut last = None;
    for row in rows {
        let rank = ranks.get(*row as usize).copied();
        if rank != last {
            last = rank;
            entries.push(*row);
        }
        codes.push(u32::try_from(entries.len()).unwrap_or(u32::MAX).saturating_sub(1));
    }
    let values = take(group, &UInt32Array::from(entries), None).map_err(told)?;
    let values = match values.data_type() {
        DataType::Dictionary(_, plain) => cast(&values, plain).map_err(told)?,
        _ => values,
    };
    let groups = DictionaryArray::<UInt32Type>::try_new(codes.into(), values).map_err(told)?;
    Ok(Arc::new(groups))
}

/// Whether there is neither null nor NaN.
pub(super) fn is_complete(array: &ArrayRef) -> bool {
    let values = match array.as_any_dictionary_opt() {
        Some(dictionary) => dictionary.values(),
        None => array,
    };
    array.null_count() == 0 && values.null_count() == 0 && !values.data_type().is_floating()
}

fn told(error: ArrowError) -> String {
    error.to_string()
}
