//! Lists, structs, maps, and columns that point to their values: dictionaries, run ends, unions.

use std::ops::Range;

use arrow::datatypes::{Int16Type, Int32Type, Int64Type, RunEndIndexType};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, FixedSizeListArray, GenericListArray, GenericListViewArray, MapArray, OffsetSizeTrait, RunArray,
    StructArray, UnionArray,
};
use arrow_schema::{DataType, UnionMode};

use super::{Cells, cells as cells_of};
use crate::error::QueryError;
use crate::rows::json::{member_starts, write_object, write_string};

/// The cells of an array that holds other arrays.
pub(super) fn cells(array: &dyn Array) -> Result<Box<dyn Cells + '_>, QueryError> {
    let cells = match array.data_type() {
        DataType::List(_) => array.as_list_opt::<i32>().map(lists),
        DataType::LargeList(_) => array.as_list_opt::<i64>().map(lists),
        DataType::ListView(_) => array.as_list_view_opt::<i32>().map(list_views),
        DataType::LargeListView(_) => array.as_list_view_opt::<i64>().map(list_views),
        DataType::FixedSizeList(_, _) => array.as_fixed_size_list_opt().map(fixed_lists),
        DataType::Struct(_) => array.as_struct_opt().map(structs),
        DataType::Map(_, _) => array.as_map_opt().map(maps),
        DataType::Dictionary(_, _) => Some(dictionary(array)),
        DataType::RunEndEncoded(ends, _) => match ends.data_type() {
            DataType::Int16 => array.as_run_opt::<Int16Type>().map(runs),
            DataType::Int32 => array.as_run_opt::<Int32Type>().map(runs),
            _ => array.as_run_opt::<Int64Type>().map(runs),
        },
        DataType::Union(_, _) => array.as_union_opt().map(unions),
        _ => None,
    };
    cells.unwrap_or_else(|| {
        let message = format!("a column of type {} cannot be written", array.data_type());
        Err(QueryError::internal(message))
    })
}

type Boxed<'a> = Result<Box<dyn Cells + 'a>, QueryError>;

/// Lists of any layout: where the items of a row are.
struct Lists<'a, R> {
    array: &'a dyn Array,
    items: Box<dyn Cells + 'a>,
    range: R,
}

impl<R: Fn(usize) -> Range<usize>> Cells for Lists<'_, R> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        self.text(row, out)
    }

    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        out.push(b'[');
        for (index, item) in (self.range)(row).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            self.items.json(item, out)?;
        }
        out.push(b']');
        Ok(())
    }
}

fn lists<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Boxed<'_> {
    let offsets = array.value_offsets();
    let at = |index: usize| offsets.get(index).map_or(0, |offset| offset.as_usize());
    Ok(Box::new(Lists {
        array,
        items: cells_of(array.values())?,
        range: move |row| at(row)..at(row + 1),
    }))
}

fn list_views<O: OffsetSizeTrait>(array: &GenericListViewArray<O>) -> Boxed<'_> {
    let start = |row: usize| array.value_offsets().get(row).map_or(0, |offset| offset.as_usize());
    let length = |row: usize| array.value_sizes().get(row).map_or(0, |size| size.as_usize());
    Ok(Box::new(Lists {
        array,
        items: cells_of(array.values())?,
        range: move |row| start(row)..start(row) + length(row),
    }))
}

fn fixed_lists(array: &FixedSizeListArray) -> Boxed<'_> {
    let length = usize::try_from(array.value_length()).unwrap_or_default();
    Ok(Box::new(Lists {
        array,
        items: cells_of(array.values())?,
        range: move |row| row * length..(row + 1) * length,
    }))
}

struct Structs<'a> {
    array: &'a StructArray,
    before: Vec<Vec<u8>>,
    members: Vec<Box<dyn Cells + 'a>>,
}

fn structs(array: &StructArray) -> Boxed<'_> {
    Ok(Box::new(Structs {
        array,
        before: member_starts(array.column_names().into_iter()),
        members: array.columns().iter().map(cells_of).collect::<Result<_, _>>()?,
    }))
}

impl Cells for Structs<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        self.text(row, out)
    }

    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        write_object(&self.before, &self.members, row, out)
    }
}

/// Maps become objects; keys that are no texts are written as their text.
struct Maps<'a> {
    array: &'a MapArray,
    keys: Box<dyn Cells + 'a>,
    values: Box<dyn Cells + 'a>,
}

fn maps(array: &MapArray) -> Boxed<'_> {
    Ok(Box::new(Maps {
        array,
        keys: cells_of(array.keys())?,
        values: cells_of(array.values())?,
    }))
}

impl Cells for Maps<'_> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        self.text(row, out)
    }

    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let offsets = self.array.value_offsets();
        let at = |index: usize| {
            offsets
                .get(index)
                .and_then(|offset| usize::try_from(*offset).ok())
                .unwrap_or_default()
        };
        let mut key = Vec::new();
        out.push(b'{');
        for (index, entry) in (at(row)..at(row + 1)).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            key.clear();
            self.keys.text(entry, &mut key)?;
            write_string(&String::from_utf8_lossy(&key), out);
            out.push(b':');
            self.values.json(entry, out)?;
        }
        out.push(b'}');
        Ok(())
    }
}

/// A column whose rows point into other columns; `None` where a row points nowhere.
struct Pointing<'a, P> {
    targets: Vec<Box<dyn Cells + 'a>>,
    point: P,
}

impl<P: Fn(usize) -> Option<(usize, usize)>> Pointing<'_, P> {
    fn target(&self, row: usize) -> Option<(&dyn Cells, usize)> {
        let (target, row) = (self.point)(row)?;
        let cells = self.targets.get(target)?.as_ref();
        (!cells.is_null(row)).then_some((cells, row))
    }
}

impl<P: Fn(usize) -> Option<(usize, usize)>> Cells for Pointing<'_, P> {
    fn is_null(&self, row: usize) -> bool {
        self.target(row).is_none()
    }

    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        match self.target(row) {
            Some((cells, row)) => cells.json(row, out),
            None => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }

    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        match self.target(row) {
            Some((cells, row)) => cells.text(row, out),
            None => Ok(()),
        }
    }
}

fn dictionary(array: &dyn Array) -> Boxed<'_> {
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return Err(QueryError::internal("a dictionary of an unknown kind"));
    };
    let keys = dictionary.normalized_keys_if_any();
    Ok(Box::new(Pointing {
        targets: vec![cells_of(dictionary.values())?],
        point: move |row| {
            let key = *keys.get(row)?;
            (!array.is_null(row)).then_some((0, key))
        },
    }))
}

/// The keys as positions. Arrow refuses to compute them for a dictionary without values, where every row is null.
trait NormalizedKeys {
    fn normalized_keys_if_any(&self) -> Vec<usize>;
}

impl NormalizedKeys for dyn arrow_array::array::AnyDictionaryArray + '_ {
    fn normalized_keys_if_any(&self) -> Vec<usize> {
        match self.values().is_empty() {
            true => Vec::new(),
            false => self.normalized_keys(),
        }
    }
}

fn runs<T: RunEndIndexType>(array: &RunArray<T>) -> Boxed<'_> {
    Ok(Box::new(Pointing {
        targets: vec![cells_of(array.values())?],
        point: move |row| (row < array.len()).then(|| (0, array.get_physical_index(row))),
    }))
}

fn unions(array: &UnionArray) -> Boxed<'_> {
    let DataType::Union(fields, mode) = array.data_type() else {
        return Err(QueryError::internal("a union of an unknown kind"));
    };
    let ids: Vec<i8> = fields.iter().map(|(id, _)| id).collect();
    let targets = ids
        .iter()
        .map(|id| cells_of(array.child(*id)))
        .collect::<Result<Vec<_>, _>>()?;
    let dense = *mode == UnionMode::Dense;
    Ok(Box::new(Pointing {
        targets,
        point: move |row| {
            let id = array.type_id(row);
            let target = ids.iter().position(|other| *other == id)?;
            Some((target, if dense { array.value_offset(row) } else { row }))
        },
    }))
}
