//! Columns: their kinds, and arrays brought into the few forms the matcher reads.
//!
//! However a column is stored (dictionary, narrow integers, views), it is cast to one form per kind first. Storage can
//! therefore never change an answer.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, UInt64Array};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field};
use hw_catalog::ColumnType;

use crate::scalar::{Real, Scalar};
use crate::time::Calendar;

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnKind {
    Int,
    Float,
    Bool,
    Text,
    Calendar(Calendar),
    List(Box<ColumnKind>),
}

impl ColumnKind {
    /// `None` for types that funnels cannot read.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        match ColumnType::of(data_type)? {
            ColumnType::Int => Some(Self::Int),
            ColumnType::Float => Some(Self::Float),
            ColumnType::Bool => Some(Self::Bool),
            ColumnType::String => Some(Self::Text),
            ColumnType::Timestamp | ColumnType::Date => Calendar::of(value_type(data_type)).map(Self::Calendar),
            ColumnType::List(_) => Self::of(item_type(data_type)?).map(|item| Self::List(Box::new(item))),
        }
    }

    /// Whether a batch may hold this kind where `declared` was validated. Widths do not matter, units do.
    pub(crate) fn reads_as(&self, declared: &Self) -> bool {
        match (self, declared) {
            (Self::Calendar(stored), Self::Calendar(declared)) => stored.stores_like(declared),
            (Self::List(item), Self::List(declared)) => item.reads_as(declared),
            (stored, declared) => stored == declared,
        }
    }

    pub(crate) fn is_numeric(&self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }

    /// The text of a value as key of a map.
    pub(crate) fn key(&self, value: &Scalar) -> String {
        match (self, value) {
            (Self::Calendar(calendar), Scalar::Int(stored)) => calendar.format(*stored),
            _ => value.key(),
        }
    }
}

/// The type behind a dictionary.
pub(crate) fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => value_type(values),
        plain => plain,
    }
}

fn item_type(data_type: &DataType) -> Option<&DataType> {
    match value_type(data_type) {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}

/// One value of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Null,
    Bool(bool),
    /// Integer, or timestamp or date in the stored unit.
    Int(i128),
    /// Never NaN, which is null.
    Float(Real),
    Text(&'a str),
    List(Items<'a>),
}

impl Cell<'_> {
    /// The value as something to keep; `None` for nulls, and for lists, which are never kept.
    pub(crate) fn to_scalar(self) -> Option<Scalar> {
        match self {
            Self::Null | Self::List(_) => None,
            Self::Bool(value) => Some(Scalar::Bool(value)),
            Self::Int(value) => Some(Scalar::Int(value)),
            Self::Float(value) => Some(Scalar::Float(value)),
            Self::Text(text) => Some(Scalar::Text(text.into())),
        }
    }
}

/// The elements of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Items<'a> {
    items: &'a Cells,
    start: usize,
    end: usize,
}

impl<'a> Items<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = Cell<'a>> {
        (self.start..self.end).map(move |index| self.items.cell(index))
    }
}

/// A column of a batch in one of the forms that are read.
#[derive(Debug)]
pub(crate) enum Cells {
    Bool(BooleanArray),
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float64Array),
    Text(LargeStringArray),
    List {
        offsets: OffsetBuffer<i64>,
        nulls: Option<NullBuffer>,
        items: Box<Cells>,
    },
}

impl Cells {
    /// # Errors
    /// Those of the cast kernels; none of the casts can lose values.
    pub(crate) fn read(array: &ArrayRef) -> Result<Self, ArrowError> {
        let array = &unpack(array)?;
        let missing = || ArrowError::CastError(format!("funnels cannot read the type {}", array.data_type()));
        Ok(match ColumnKind::of(array.data_type()).ok_or_else(missing)? {
            ColumnKind::Bool => Self::Bool(array.as_boolean().clone()),
            ColumnKind::Int if matches!(array.data_type(), DataType::UInt64) => {
                Self::UInt(array.as_primitive::<UInt64Type>().clone())
            }
            ColumnKind::Int | ColumnKind::Calendar(_) => {
                Self::Int(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            ColumnKind::Float => Self::Float(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
            ColumnKind::Text => Self::Text(cast(array, &DataType::LargeUtf8)?.as_string::<i64>().clone()),
            ColumnKind::List(_) => {
                let item = item_type(array.data_type()).ok_or_else(missing)?.clone();
                let lists = cast(array, &DataType::LargeList(Field::new("item", item, true).into()))?;
                let lists = lists.as_list::<i64>();
                let items = Box::new(Self::read(lists.values())?);
                Self::List {
                    offsets: lists.offsets().clone(),
                    nulls: lists.nulls().cloned(),
                    items,
                }
            }
        })
    }

    /// The value of a row; null outside the array.
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Bool(array) => present(array, row).map_or(Cell::Null, |row| Cell::Bool(array.value(row))),
            Self::Int(array) => present(array, row).map_or(Cell::Null, |row| Cell::Int(array.value(row).into())),
            Self::UInt(array) => present(array, row).map_or(Cell::Null, |row| Cell::Int(array.value(row).into())),
            Self::Float(array) => present(array, row)
                .and_then(|row| Real::new(array.value(row)))
                .map_or(Cell::Null, Cell::Float),
            Self::Text(array) => present(array, row).map_or(Cell::Null, |row| Cell::Text(array.value(row))),
            Self::List { offsets, nulls, items } => {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                match (is_null, offsets.get(row), offsets.get(row + 1)) {
                    (false, Some(start), Some(end)) => {
                        let (start, end) = (offset(*start), offset(*end));
                        Cell::List(Items { items, start, end })
                    }
                    _ => Cell::Null,
                }
            }
        }
    }
}

/// Offsets of Arrow lists are never negative.
fn offset(offset: i64) -> usize {
    usize::try_from(offset).unwrap_or_default()
}

fn present(array: &dyn Array, row: usize) -> Option<usize> {
    (row < array.len() && array.is_valid(row)).then_some(row)
}

/// Replaces a dictionary by its values.
fn unpack(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => unpack(&cast(array, values)?),
        _ => Ok(array.clone()),
    }
}

fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(array, to, &options)
}
