//! Rows of JSON values, as the generator of queries draws them, and the arrays that they become.

use std::sync::Arc;

use arrow::compute::{CastOptions, cast_with_options};
use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

/// Texts that a sloppy reader or matcher would take for something else.
const TEXTS: [&str; 6] = [
    "",
    "back\\",
    "it's",
    "\u{0}",
    "日本 😀",
    "abababababababababababababababababababababab",
];

/// Rows; the first column is the group, the second the time.
pub(super) struct Table {
    columns: Vec<(String, DataType)>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Table {
    pub(super) fn new(columns: &[(&str, DataType)], rows: Vec<Vec<Value>>) -> Self {
        let columns = columns.iter();
        Self {
            columns: columns
                .map(|(name, data_type)| ((*name).to_owned(), data_type.clone()))
                .collect(),
            rows,
        }
    }

    pub(super) fn declared_types(&self) -> Vec<DataType> {
        self.columns.iter().map(|(_, data_type)| data_type.clone()).collect()
    }

    /// The groups, each once.
    pub(super) fn group_names(&self) -> Vec<Value> {
        let mut names: Vec<Value> = Vec::new();
        for row in &self.rows {
            if !names.contains(&row[0]) {
                names.push(row[0].clone());
            }
        }
        names
    }

    /// Makes values fit narrow types, and now and then strange: extremes, zeros with a sign, many groups, runs of nulls.
    pub(super) fn stretch(&mut self, types: &[DataType], random: &mut StdRng) {
        let is_strange = random.random_bool(0.4);
        let more_groups = random.random_bool(0.4);
        for row in &mut self.rows {
            if more_groups && !types[0].is_numeric() {
                row[0] = json!(format!("{}{}", row[0].as_str().unwrap(), random.random_range(0..12)));
            } else if more_groups {
                row[0] = json!(row[0].as_i64().unwrap() + random.random_range(0..12));
            }
            for (cell, data_type) in row.iter_mut().zip(types) {
                if data_type.is_unsigned_integer()
                    && let Some(number) = cell.as_i64()
                {
                    *cell = json!(number.rem_euclid(100));
                }
            }
            if is_strange {
                strange(row, types, random);
            }
        }
        for (place, _) in types.iter().enumerate().skip(2) {
            if random.random_bool(0.1) && !self.rows.is_empty() {
                let start = random.random_range(0..self.rows.len());
                self.rows[start..].iter_mut().for_each(|row| row[place] = Value::Null);
            }
        }
    }
}

fn strange(row: &mut [Value], types: &[DataType], random: &mut StdRng) {
    for (cell, data_type) in row.iter_mut().zip(types).skip(2) {
        if !random.random_bool(0.15) {
            continue;
        }
        match data_type {
            DataType::Int64 => *cell = json!([i64::MIN, i64::MAX, 1 << 40][random.random_range(0..3)]),
            DataType::Int32 => *cell = json!([i32::MIN, i32::MAX, 1 << 20][random.random_range(0..3)]),
            DataType::UInt64 => *cell = json!([u64::MAX, 1 << 63][random.random_range(0..2)]),
            DataType::Float64 => *cell = json!([-0.0, 1e300, 0.1][random.random_range(0..3)]),
            DataType::Float32 => *cell = json!(-0.0),
            text if is_text(text) => *cell = json!(TEXTS.choose(random).unwrap()),
            _ => {}
        }
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}

/// A dictionary of these values.
pub(super) fn dictionary(values: DataType) -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(values))
}

/// Types in which the columns are stored.
pub(super) fn physical(table: &Table, random: &mut StdRng) -> Vec<DataType> {
    let integers = [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
    ];
    let units = [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ];
    let mut types = table.declared_types();
    for data_type in &mut types {
        let others = match &*data_type {
            DataType::Utf8 => vec![
                DataType::Utf8,
                DataType::LargeUtf8,
                DataType::Utf8View,
                dictionary(DataType::Utf8),
            ],
            DataType::Int32 | DataType::Int64 | DataType::UInt8 => integers.to_vec(),
            DataType::Float64 => vec![DataType::Float64, DataType::Float32],
            DataType::Timestamp(..) => {
                let unit = *units.choose(random).unwrap();
                let zone = [None, Some("UTC".into()), Some("+02:00".into())][random.random_range(0..3)].clone();
                vec![DataType::Timestamp(unit, zone), DataType::Date32]
            }
            DataType::List(item) => vec![DataType::List(item.clone()), DataType::LargeList(item.clone())],
            other => vec![other.clone()],
        };
        *data_type = others.choose(random).unwrap().clone();
    }
    types
}

/// Rows as a batch.
pub(super) fn batch(table: &Table, types: &[DataType], rows: &[Vec<Value>]) -> RecordBatch {
    let fields = table.columns.iter().zip(types);
    let fields: Vec<Field> = fields
        .map(|((name, _), data_type)| Field::new(name, data_type.clone(), true))
        .collect();
    let arrays = types.iter().enumerate().map(|(place, data_type)| {
        let cells: Vec<&Value> = rows.iter().map(|row| &row[place]).collect();
        array(data_type, &cells)
    });
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect()).unwrap()
}

fn array(data_type: &DataType, cells: &[&Value]) -> ArrayRef {
    let plain: ArrayRef = match data_type {
        DataType::Boolean => Arc::new(cells.iter().map(|cell| cell.as_bool()).collect::<BooleanArray>()),
        DataType::Float32 | DataType::Float64 => {
            Arc::new(cells.iter().map(|cell| float(cell)).collect::<Float64Array>())
        }
        DataType::UInt64 => Arc::new(
            cells
                .iter()
                .map(|cell| cell.as_u64())
                .collect::<arrow_array::UInt64Array>(),
        ),
        DataType::Date32 => {
            let days = |cell: &&Value| cell.as_i64().map(|day| i32::try_from(day).unwrap());
            Arc::new(cells.iter().map(days).collect::<Int32Array>())
        }
        DataType::List(item) | DataType::LargeList(item) if is_text(item.data_type()) => {
            let mut lists = ListBuilder::new(StringBuilder::new());
            for cell in cells {
                lists.append_option(cell.as_array().map(|items| items.iter().map(Value::as_str)));
            }
            Arc::new(lists.finish())
        }
        DataType::List(_) | DataType::LargeList(_) => {
            let mut lists = ListBuilder::new(Int64Builder::new());
            for cell in cells {
                lists.append_option(cell.as_array().map(|items| items.iter().map(Value::as_i64)));
            }
            Arc::new(lists.finish())
        }
        text if is_text(text) => Arc::new(cells.iter().map(|cell| cell.as_str()).collect::<StringArray>()),
        _ => Arc::new(cells.iter().map(|cell| cell.as_i64()).collect::<Int64Array>()),
    };
    let options = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    cast_with_options(&plain, data_type, &options).unwrap()
}

/// `"NaN"` stands for NaN.
fn float(cell: &Value) -> Option<f64> {
    match *cell == json!("NaN") {
        true => Some(f64::NAN),
        false => cell.as_f64(),
    }
}
