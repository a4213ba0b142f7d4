//! Small tables of JSON values, turned into Arrow batches of any type and cut.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, LargeListArray, RecordBatch, StringArray, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, Schema};
use serde_json::{Value, json};

use crate::{
    Codes, Dataset, GroupExport, MatchError, Matcher, PartMatcher, Partial, Progress, Query, Rows, Stored, result,
    validate,
};

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
        let batches: Vec<RecordBatch> = batches.iter().map(|rows| self.slice(rows, stored)).collect();
        let schema = self.batch(&[], stored).schema();
        let plain = matched(Matcher::plain(query, &schema).unwrap(), &batches, export);
        let fast = matched(Matcher::new(query, &schema).unwrap(), &batches, export);
        assert_eq!(fast, plain, "the fast matcher, query {}", query.expanded());
        if let Some(matcher) = PartMatcher::new(query, export).unwrap() {
            let part = matched_twice(matcher, query, &batches);
            assert_eq!(part, plain, "the matcher of parts, query {}", query.expanded());
        }
        plain
    }

    /// Rows as a slice of a longer batch, since offsets into arrays are easily forgotten.
    fn slice(&self, rows: &[usize], stored: &[DataType]) -> RecordBatch {
        let around = rows.first().into_iter().chain(rows).chain(rows.last());
        let batch = self.batch(&around.copied().collect::<Vec<_>>(), stored);
        batch.slice(1.min(rows.len()), rows.len())
    }

    /// Orders rows by the time column, whatever its type; rows of equal time stay as they are.
    pub(crate) fn sort_by_time(&self, rows: &mut [usize]) {
        let time = |row: usize| match &self.rows[row][1] {
            Value::Number(time) => time.as_f64().unwrap(),
            other => panic!("a time is a number, not {other}"),
        };
        rows.sort_by(|left, right| time(*left).total_cmp(&time(*right)));
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

fn matched(mut matcher: Matcher, batches: &[RecordBatch], export: Option<GroupExport>) -> Partial {
    if let Some(export) = export {
        matcher = matcher.with_export(export).unwrap();
    }
    for batch in batches {
        matcher.push(batch).unwrap();
    }
    matcher.finish().unwrap()
}

/// Gives the rows as often as the matcher of parts wants them.
fn matched_twice(mut matcher: PartMatcher, query: &Query, batches: &[RecordBatch]) -> Partial {
    let columns = query.columns();
    let push = |matcher: &mut PartMatcher, batch: &RecordBatch| {
        matcher.push(&mut Columns {
            columns: &columns,
            batch,
        })
    };
    if batches
        .iter()
        .any(|batch| push(&mut matcher, batch).unwrap() == Progress::OutOfOrder)
    {
        matcher.restart();
        for batch in batches {
            assert_eq!(push(&mut matcher, batch).unwrap(), Progress::Taken);
        }
    }
    let mut judged = matcher.judge().unwrap();
    if judged.needs_rows() {
        for batch in batches {
            judged
                .push_again(&mut Columns {
                    columns: &columns,
                    batch,
                })
                .unwrap();
        }
    }
    judged.finish()
}

struct Columns<'a> {
    columns: &'a [&'a str],
    batch: &'a RecordBatch,
}

impl Rows for Columns<'_> {
    type Error = MatchError;

    fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef, MatchError> {
        Ok(self.batch.column_by_name(self.columns[index]).unwrap().clone())
    }

    /// Dictionaries come as bare codes, of a width that suffices and otherwise depends on the column.
    fn stored(&mut self, index: usize) -> Result<Stored, MatchError> {
        let array = self.column(index)?;
        let Some(dictionary) = array.as_any_dictionary_opt() else {
            return Ok(Stored::Array(array));
        };
        let null = dictionary.values().len();
        let keys = if null > 0 {
            dictionary.normalized_keys()
        } else {
            Vec::new()
        };
        let code = |row: usize| {
            if dictionary.keys().is_valid(row) {
                keys[row]
            } else {
                null
            }
        };
        let codes = (0..dictionary.len()).map(code);
        Ok(Stored::Coded {
            codes: match (index % 3).max(usize::from(null > 255)) {
                0 => Codes::U8(codes.map(|code| code as u8).collect()),
                1 => Codes::U16(codes.map(|code| code as u16).collect()),
                _ => Codes::U32(codes.map(|code| code as u32).collect()),
            },
            entries: dictionary.values().clone(),
        })
    }

    /// Told for every other number of rows.
    fn rows_of_groups(&self) -> Option<Arc<[u32]>> {
        let groups = self.batch.column_by_name(self.columns[0])?;
        let dictionary = groups.as_any_dictionary_opt()?;
        if dictionary.keys().null_count() > 0 || groups.len() % 2 == 0 || dictionary.values().is_empty() {
            return None;
        }
        let mut rows = vec![0; dictionary.values().len()];
        dictionary.normalized_keys().into_iter().for_each(|key| rows[key] += 1);
        Some(rows.into())
    }

    /// Claimed for every other column that has values in all rows.
    fn is_complete(&self, index: usize) -> bool {
        let array = self.batch.column_by_name(self.columns[index]).unwrap();
        index % 2 == 1 && array.logical_null_count() == 0 && !array.data_type().is_floating()
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
