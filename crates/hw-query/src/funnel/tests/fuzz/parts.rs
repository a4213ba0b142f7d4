//! How a part is written: drawn for each column by itself.

use std::fs::File;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::DataType;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// Names of the columns, as the generator has them.
const NAMES: [&str; 9] = ["g", "t", "s", "i", "f", "b", "c", "li", "ls"];

/// How a part is written.
#[derive(Debug, Clone)]
pub(super) struct Form {
    version: WriterVersion,
    row_group_rows: Option<usize>,
    page_rows: usize,
    batch_rows: usize,
    columns: Vec<ColumnForm>,
    page_index: bool,
    empty_row_groups: usize,
    turn: usize,
    statistics_bytes: Option<usize>,
}

impl Form {
    /// One row group with all rows and two without any, and a page index.
    pub(super) fn leave_empty_row_groups(&mut self) {
        (self.row_group_rows, self.empty_row_groups, self.page_index) = (None, 2, true);
    }
}

/// How a column is written.
#[derive(Debug, Clone)]
struct ColumnForm {
    encoding: Option<Encoding>,
    dictionary_bytes: Option<usize>,
    page_bytes: usize,
    compression: Compression,
    statistics: EnabledStatistics,
}

pub(super) fn draw_form(types: &[DataType], random: &mut StdRng) -> Form {
    let versions = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0];
    Form {
        version: *versions.choose(random).unwrap(),
        row_group_rows: [None, Some(1), Some(4), Some(13), Some(29)][random.random_range(0..5)],
        page_rows: [1, 2, 5, 20, 20_000][random.random_range(0..5)],
        batch_rows: [1, 3, 7, 1024][random.random_range(0..4)],
        columns: types.iter().map(|data_type| draw_column(data_type, random)).collect(),
        page_index: random.random(),
        empty_row_groups: if random.random_bool(0.2) {
            random.random_range(1..3)
        } else {
            0
        },
        turn: random.random_range(0..types.len()),
        statistics_bytes: [None, Some(1), Some(64)][random.random_range(0..3)],
    }
}

fn draw_column(data_type: &DataType, random: &mut StdRng) -> ColumnForm {
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
        Compression::GZIP(Default::default()),
        Compression::BROTLI(Default::default()),
    ];
    let statistics = [
        EnabledStatistics::None,
        EnabledStatistics::Chunk,
        EnabledStatistics::Page,
        EnabledStatistics::Page,
    ];
    ColumnForm {
        encoding: encodings(data_type).choose(random).copied(),
        dictionary_bytes: [None, Some(1), Some(8), Some(30), Some(1 << 20), Some(1 << 20)][random.random_range(0..6)],
        page_bytes: [1, 16, 64, 1 << 20][random.random_range(0..4)],
        compression: *compressions.choose(random).unwrap(),
        statistics: *statistics.choose(random).unwrap(),
    }
}

/// Encodings of the values of a type, beside dictionaries; those of lists are left to the writer.
fn encodings(data_type: &DataType) -> Vec<Encoding> {
    match data_type {
        DataType::Boolean => vec![Encoding::PLAIN, Encoding::RLE],
        DataType::Float32 | DataType::Float64 => vec![Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT],
        DataType::List(_) | DataType::LargeList(_) => vec![],
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => vec![
            Encoding::PLAIN,
            Encoding::DELTA_BYTE_ARRAY,
            Encoding::DELTA_LENGTH_BYTE_ARRAY,
        ],
        _ => vec![
            Encoding::PLAIN,
            Encoding::DELTA_BINARY_PACKED,
            Encoding::BYTE_STREAM_SPLIT,
        ],
    }
}

fn properties(form: &Form) -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_writer_version(form.version)
        .set_max_row_group_row_count(form.row_group_rows)
        .set_data_page_row_count_limit(form.page_rows)
        .set_write_batch_size(form.batch_rows)
        .set_offset_index_disabled(!form.page_index)
        .set_statistics_truncate_length(form.statistics_bytes)
        .set_column_index_truncate_length(form.statistics_bytes);
    for (name, column) in NAMES.iter().zip(&form.columns) {
        let path = || match *name {
            list @ ("li" | "ls") => ColumnPath::from(vec![list.to_owned(), "list".to_owned(), "item".to_owned()]),
            plain => ColumnPath::from(plain),
        };
        builder = builder
            .set_column_compression(path(), column.compression)
            .set_column_data_page_size_limit(path(), column.page_bytes)
            .set_column_dictionary_enabled(path(), column.dictionary_bytes.is_some())
            .set_column_statistics_enabled(path(), column.statistics);
        if let Some(bytes) = column.dictionary_bytes {
            builder = builder.set_column_dictionary_page_size_limit(path(), bytes);
        }
        if let Some(encoding) = column.encoding {
            builder = builder.set_column_encoding(path(), encoding);
        }
    }
    builder.build()
}

/// Writes a part; its columns stand in an order of their own.
pub(super) fn write(path: &Path, batch: &RecordBatch, form: &Form) {
    let mut places: Vec<usize> = (0..batch.num_columns()).collect();
    places.rotate_left(form.turn);
    let batch = batch.project(&places).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties(form))).unwrap();
    writer.write(&batch).unwrap();
    if form.empty_row_groups == 0 {
        writer.close().unwrap();
        return;
    }
    let (mut writer, _) = writer.into_serialized_writer().unwrap();
    for _ in 0..form.empty_row_groups {
        let mut row_group = writer.next_row_group().unwrap();
        while let Some(column) = row_group.next_column().unwrap() {
            column.close().unwrap();
        }
        row_group.close().unwrap();
    }
    writer.close().unwrap();
}
