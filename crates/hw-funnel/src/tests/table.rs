//! Small tables of JSON values, turned into Arrow batches of any type and cut.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, LargeListArray, RecordBatch, StringArray, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema};
use serde_json::{Value, json};

use crate::{Dataset, GroupExport, Matcher, Partial, Query, result, validate};

/// Rows of JSON values; the first column is the group, the second the time.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(super) columns: Vec<(String, DataType)>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Table {
    pub(crate) fn new(columns: &[(&str, DataType)], rows: Vec<Vec<Value>>) -> Self {
        let columns = columns
            .iter()
            .map(|(name, data_type)| ((*name).to_owned(), data_type.clone()))
            .collect();
        Self { columns, rows }
    }

    pub(crate) fn dataset(&self) -> Dataset {
        Dataset {
            group_column: self.columns[0].0.clone(),
            time_column: self.columns[1].0.clone(),
            columns: self.columns.clone(),
            unsupported: Vec::new(),
            time_range: None,
        }
    }

    /// The rows of these numbers as one batch, with columns stored as `stored` types.
    pub(crate) fn batch(&self, rows: &[usize], stored: &[DataType]) -> RecordBatch {
        let fields: Vec<Field> = self
            .columns
            .iter()
            .zip(stored)
            .map(|((name, _), data_type)| Field::new(name, data_type.clone(), true))
            .collect();
        let arrays = stored.iter().enumerate().map(|(column, data_type)| {
            let cells: Vec<&Value> = rows.iter().map(|row| &self.rows[*row][column]).collect();
            array_of(data_type, &cells)
        });
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect()).unwrap()
    }

    pub(crate) fn declared_types(&self) -> Vec<DataType> {
        self.columns.iter().map(|(_, data_type)| data_type.clone()).collect()
    }

    pub(crate) fn query(&self, query: &Value) -> Query {
        let validation = validate(query, Some(&self.dataset()));
        assert!(validation.success, "{query} is not valid: {:#?}", validation.findings);
        validation.query.unwrap()
    }

    /// The result over all rows in one batch.
    pub(crate) fn run(&self, query: &Value) -> Value {
        let rows: Vec<usize> = (0..self.rows.len()).collect();
        self.run_cut(query, &[vec![rows]], &self.declared_types())
    }

    /// The result over parts of batches of row numbers.
    pub(crate) fn run_cut(&self, query: &Value, parts: &[Vec<Vec<usize>>], stored: &[DataType]) -> Value {
        let query = self.query(query);
        let mut merged = Partial::empty(&query);
        for part in parts {
            merged.merge(self.match_part(&query, part, stored, None)).unwrap();
        }
        result(&query, &merged)
    }

    pub(crate) fn match_part(
        &self,
        query: &Query,
        batches: &[Vec<usize>],
        stored: &[DataType],
        export: Option<GroupExport>,
    ) -> Partial {
        let schema = self.batch(&[], stored).schema();
        let mut matcher = Matcher::new(query, &schema).unwrap();
        if let Some(export) = export {
            matcher = matcher.with_export(export).unwrap();
        }
        for rows in batches {
            // A slice of a longer batch, since offsets into arrays are easily forgotten.
            let around: Vec<usize> = rows
                .first()
                .into_iter()
                .chain(rows)
                .chain(rows.last())
                .copied()
                .collect();
            let batch = self.batch(&around, stored);
            matcher.push(&batch.slice(1.min(rows.len()), rows.len())).unwrap();
        }
        matcher.finish().unwrap()
    }

    /// Row numbers of each group, in the order of the groups' first rows.
    pub(crate) fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<(Value, Vec<usize>)> = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            match groups.iter_mut().find(|(group, _)| *group == row[0]) {
                Some((_, rows)) => rows.push(number),
                None => groups.push((row[0].clone(), vec![number])),
            }
        }
        groups.into_iter().map(|(_, rows)| rows).collect()
    }
}

/// An array of any type that funnels read, from JSON values.
pub(super) fn array_of(data_type: &DataType, cells: &[&Value]) -> ArrayRef {
    let plain: ArrayRef = match data_type {
        DataType::Dictionary(_, values) => array_of(values, cells),
        DataType::Boolean => Arc::new(cells.iter().map(|cell| cell.as_bool()).collect::<BooleanArray>()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Arc::new(cells.iter().map(|cell| cell.as_str()).collect::<StringArray>())
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            Arc::new(cells.iter().map(|cell| float_of(cell)).collect::<Float64Array>())
        }
        DataType::UInt64 => Arc::new(cells.iter().map(|cell| cell.as_u64()).collect::<UInt64Array>()),
        DataType::List(item) | DataType::LargeList(item) => list_of(item.data_type(), cells),
        DataType::Date32 | DataType::Timestamp(_, _) | DataType::Date64 => {
            let integers: ArrayRef = Arc::new(cells.iter().map(|cell| cell.as_i64()).collect::<Int64Array>());
            if *data_type == DataType::Date32 {
                cast_to(&integers, &DataType::Int32)
            } else {
                integers
            }
        }
        _ => Arc::new(cells.iter().map(|cell| cell.as_i64()).collect::<Int64Array>()),
    };
    cast_to(&plain, data_type)
}

/// `"NaN"` stands for NaN.
fn float_of(cell: &Value) -> Option<f64> {
    if *cell == json!("NaN") {
        Some(f64::NAN)
    } else {
        cell.as_f64()
    }
}

fn list_of(item: &DataType, cells: &[&Value]) -> ArrayRef {
    let lengths = cells.iter().map(|cell| cell.as_array().map_or(0, Vec::len));
    let offsets = OffsetBuffer::<i64>::from_lengths(lengths);
    let nulls: NullBuffer = cells.iter().map(|cell| cell.is_array()).collect();
    let items: Vec<&Value> = cells.iter().filter_map(|cell| cell.as_array()).flatten().collect();
    let field = Arc::new(Field::new("item", item.clone(), true));
    Arc::new(LargeListArray::new(field, offsets, array_of(item, &items), Some(nulls)))
}

fn cast_to(array: &ArrayRef, data_type: &DataType) -> ArrayRef {
    cast_with_options(
        array,
        data_type,
        &CastOptions {
            safe: false,
            ..CastOptions::default()
        },
    )
    .unwrap()
}

/// A dictionary of these values.
pub(super) fn dictionary(values: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(values))
}
