//! Random tables, written in random ways.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{check, write};

const CASES: u32 = 60;

#[derive(Debug, Clone)]
struct Table {
    columns: Vec<Values>,
    version_two: bool,
    dictionary: bool,
    snappy: bool,
    dictionary_bytes: usize,
    page_rows: usize,
    batch_rows: usize,
}

#[derive(Debug, Clone)]
enum Values {
    Few(Vec<Option<i64>>),
    Any(Vec<Option<i64>>),
    Small(Vec<Option<i32>>),
    Float(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
}

impl Values {
    fn array(&self) -> ArrayRef {
        match self {
            Self::Few(values) | Self::Any(values) => Arc::new(Int64Array::from(values.clone())),
            Self::Small(values) => Arc::new(Int32Array::from(values.clone())),
            Self::Float(values) => Arc::new(Float64Array::from(values.clone())),
            Self::Text(values) => Arc::new(StringArray::from(values.clone())),
        }
    }
}

/// Values with no nulls, some, or nearly nothing else.
fn cells<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
    rows: usize,
) -> impl Strategy<Value = Vec<Option<T>>> {
    prop_oneof![Just(1.0), Just(0.7), Just(0.02)].prop_flat_map(move |share| {
        let cell = match share == 1.0 {
            true => value.clone().prop_map(Some).boxed(),
            false => option::weighted(share, value.clone()).boxed(),
        };
        vec(cell, rows)
    })
}

fn values(rows: usize) -> impl Strategy<Value = Values> {
    prop_oneof![
        cells(-3i64..20, rows).prop_map(Values::Few),
        cells(any::<i64>(), rows).prop_map(Values::Any),
        cells(-300i32..300, rows).prop_map(Values::Small),
        cells(-10.0..10.0f64, rows).prop_map(Values::Float),
        cells("[a-cäß]{0,6}", rows).prop_map(Values::Text),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    let rows = prop_oneof![0usize..20, 0usize..700];
    let form = (any::<(bool, bool, bool)>(), 20usize..3000, 1usize..400, 1usize..400);
    (rows.prop_flat_map(|rows| vec(values(rows), 1..4)), form).prop_map(
        |(columns, ((version_two, dictionary, snappy), dictionary_bytes, page_rows, batch_rows))| Table {
            columns,
            version_two,
            dictionary,
            snappy,
            dictionary_bytes,
            page_rows,
            batch_rows,
        },
    )
}

fn check_table(table: &Table) {
    let properties = WriterProperties::builder()
        .set_writer_version(match table.version_two {
            true => WriterVersion::PARQUET_2_0,
            false => WriterVersion::PARQUET_1_0,
        })
        .set_compression(match table.snappy {
            true => Compression::SNAPPY,
            false => Compression::UNCOMPRESSED,
        })
        .set_dictionary_enabled(table.dictionary)
        .set_dictionary_page_size_limit(table.dictionary_bytes)
        .set_data_page_row_count_limit(table.page_rows)
        .set_write_batch_size(table.batch_rows)
        .build();
    let columns = table.columns.iter().enumerate();
    let columns = columns.map(|(place, values)| (format!("column {place}"), values.array(), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    check(&write(&[batch], properties));
}

fn run(mut runner: TestRunner) {
    let outcome = runner.run(&table(), |table| {
        check_table(&table);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn config() -> Config {
    Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    }
}

#[test]
fn random_tables_of_fixed_seeds_are_read() {
    for seed in 0..3u8 {
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        run(TestRunner::new_with_rng(config(), random));
    }
}

#[test]
fn random_tables_are_read() {
    run(TestRunner::new(config()));
}
