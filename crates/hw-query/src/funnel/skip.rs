//! What footers tell about row groups: whether the timeframe rules them out, whether a column is complete.

use arrow_schema::DataType;
use hw_files::PartReader;
use hw_funnel::{Query, TimeValue};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

/// Whether no row of the row group can be in the timeframe, and none lacks a time.
pub(super) fn is_outside(reader: &PartReader, row_group: usize, query: &Query) -> bool {
    let bounds = query.time_bounds();
    let Some((least, greatest)) = time_column(reader, query).and_then(|column| range(reader, row_group, column)) else {
        return false;
    };
    let is_before = |value: i128, bound: TimeValue| {
        TimeValue::Int(value)
            .compare(bound)
            .is_some_and(std::cmp::Ordering::is_lt)
    };
    bounds.from.is_some_and(|from| is_before(greatest, from)) || bounds.to.is_some_and(|to| !is_before(least, to))
}

/// Least time of the file, if all row groups tell theirs.
pub(super) fn earliest(reader: &PartReader, query: &Query) -> Option<i128> {
    let column = time_column(reader, query)?;
    let least = (0..reader.row_groups()).map(|row_group| range(reader, row_group, column).map(|(least, _)| least));
    least.collect::<Option<Vec<i128>>>()?.into_iter().min()
}

/// Whether the column surely has no nulls in the row group; never told of floats, which may be NaN.
pub(super) fn is_complete(reader: &PartReader, row_group: usize, column: usize) -> bool {
    let field = reader.schema().fields().get(column);
    let Some(field) = field.filter(|field| !field.data_type().is_floating()) else {
        return false;
    };
    let told = chunk(reader, row_group, column).and_then(ColumnChunkMetaData::statistics);
    !field.is_nullable() || told.and_then(Statistics::null_count_opt) == Some(0)
}

/// Bytes of a column of a row group, as stored and decompressed; with all that belongs to it if it is nested.
pub(super) fn chunk_bytes(reader: &PartReader, row_group: usize, column: usize) -> (u64, u64) {
    let field = reader.schema().fields().get(column);
    let group = reader.metadata().row_groups().get(row_group);
    let (Some(field), Some(group)) = (field, group) else {
        return (0, 0);
    };
    let chunks = group.columns().iter();
    let own = chunks.filter(|chunk| chunk.column_path().parts().first() == Some(field.name()));
    own.fold((0, 0), |(stored, unfolded), chunk| {
        let size = |bytes: i64| u64::try_from(bytes).unwrap_or(0);
        (
            stored + size(chunk.compressed_size()),
            unfolded + size(chunk.uncompressed_size()),
        )
    })
}

/// Uncompressed bytes of these columns in the largest row group.
pub(super) fn largest_row_group(reader: &PartReader, columns: &[usize]) -> u64 {
    let bytes = |row_group: usize| -> u64 {
        let chunks = columns.iter().filter_map(|column| chunk(reader, row_group, *column));
        chunks
            .map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or(0))
            .sum()
    };
    (0..reader.row_groups()).map(bytes).max().unwrap_or(0)
}

fn time_column(reader: &PartReader, query: &Query) -> Option<usize> {
    reader.schema().index_of(query.time_column()).ok()
}

/// The chunk of a column without parts of its own.
pub(super) fn chunk(reader: &PartReader, row_group: usize, column: usize) -> Option<&ColumnChunkMetaData> {
    let metadata = reader.metadata();
    let name = reader.schema().fields().get(column)?.name();
    let chunks = metadata.row_groups().get(row_group)?.columns();
    // Where no column is nested, the chunks stand in the order of the schema.
    let chunk = match chunks.len() == reader.schema().fields().len() {
        true => chunks.get(column)?,
        false => chunks
            .iter()
            .find(|chunk| chunk.column_path().parts() == [name.as_str()])?,
    };
    (chunk.column_path().parts() == [name.as_str()]).then_some(chunk)
}

/// Least and greatest value of an integer column without nulls, in the unit of the Arrow type.
fn range(reader: &PartReader, row_group: usize, column: usize) -> Option<(i128, i128)> {
    let field = reader.schema().fields().get(column)?;
    let statistics = chunk(reader, row_group, column)?.statistics()?;
    if statistics.null_count_opt() != Some(0) {
        return None;
    }
    let is_plain = matches!(
        field.data_type(),
        DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) | DataType::Date32
    );
    match statistics {
        Statistics::Int64(values) if is_plain => Some(((*values.min_opt()?).into(), (*values.max_opt()?).into())),
        Statistics::Int32(values) if is_plain => Some(((*values.min_opt()?).into(), (*values.max_opt()?).into())),
        _ => None,
    }
}
