//! What the footer of a Parquet file tells: schema, rows, statistics.

mod load;
mod statistics;

use std::sync::Arc;

use arrow_schema::SchemaRef;
use hw_catalog::Bound;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::ParquetMetaData;

use crate::part::guarded;
use crate::{FileError, FoundFile, OpenLocation};

pub(crate) use load::{
    BYTES_MIN as FOOTER_BYTES_MIN, FIRST_REQUEST as FOOTER_FIRST_REQUEST, MAGIC as FOOTER_MAGIC, TAIL as FOOTER_TAIL,
    Tail, metadata_length,
};

/// The footer of one Parquet file.
#[derive(Debug, Clone)]
pub struct Footer {
    /// Arrow schema: as the writer embedded it, else as the Parquet types give it.
    pub schema: SchemaRef,
    /// Number of rows.
    pub rows: u64,
    /// Number of row groups; a file without rows may have none.
    pub row_groups: usize,
    /// What is known of each top-level column, in the schema's order.
    pub columns: Vec<ColumnFooter>,
    /// The order that the writer declares for the rows of every row group; empty where it declares none.
    pub sorting: Vec<DeclaredSorting>,
    /// The whole footer, for readers.
    pub metadata: Arc<ParquetMetaData>,
}

/// What a footer tells of one top-level column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnFooter {
    /// Name, exactly as stored.
    pub name: String,
    /// Least value, where every row group tells it: integers, floats, dates, timestamps. `None` too if all are null.
    pub min: Option<Bound>,
    /// Greatest value, likewise.
    pub max: Option<Bound>,
    /// Number of null cells, where every row group tells it. NaN is not counted, and lists are never told.
    pub null_count: Option<u64>,
    /// Whether `min` and `max` are those of all values: `false` where a row group has no statistics to rely on.
    pub bounds_known: bool,
    /// Whether all data of the column is stored through dictionaries.
    pub dictionary: bool,
    /// Compressed size in bytes.
    pub bytes: u64,
    /// Uncompressed size in bytes of its largest part in one row group: what reading it takes at least.
    pub largest_chunk: u64,
}

/// A column that the writer says the rows are sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredSorting {
    /// Name of the column.
    pub column: String,
    /// Whether the greatest value comes first.
    pub descending: bool,
    /// Whether nulls come first.
    pub nulls_first: bool,
}

impl Footer {
    /// What the footer tells of the column named exactly so.
    pub fn column(&self, name: &str) -> Option<&ColumnFooter> {
        self.columns.iter().find(|column| column.name == name)
    }

    fn of(metadata: Arc<ParquetMetaData>) -> Result<Self, parquet::errors::ParquetError> {
        let reader = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new())?;
        let schema = reader.schema().clone();
        let rows = metadata.file_metadata().num_rows();
        Ok(Self {
            rows: u64::try_from(rows).map_err(|error| parquet::errors::ParquetError::External(error.into()))?,
            row_groups: metadata.num_row_groups(),
            columns: statistics::columns(&metadata, &schema),
            sorting: declared_sorting(&metadata),
            schema,
            metadata,
        })
    }
}

/// Reads the footer of a file: one request where the footer has at most 64 KiB, else two.
///
/// # Errors
/// [`FileError::Vanished`], [`FileError::Changed`] if the file has another size than when it was found,
/// [`FileError::Truncated`], [`FileError::NotParquet`], [`FileError::Unreadable`] for a footer that makes no sense, and
/// the store's own. All name the file.
pub async fn footer(open: &OpenLocation, file: &FoundFile) -> Result<Footer, FileError> {
    let metadata = load::metadata(open, file).await?;
    guarded(|| Footer::of(Arc::new(metadata))).map_err(|error| FileError::Unreadable {
        file: open.shown(file),
        reason: error.to_string(),
    })
}

/// The order that all row groups declare alike; nested columns end it.
fn declared_sorting(metadata: &ParquetMetaData) -> Vec<DeclaredSorting> {
    let mut groups = metadata.row_groups().iter().map(|group| group.sorting_columns());
    let Some(Some(first)) = groups.next() else {
        return Vec::new();
    };
    if groups.any(|other| other != Some(first)) {
        return Vec::new();
    }
    let schema = metadata.file_metadata().schema_descr();
    first
        .iter()
        .map_while(|sorting| {
            let index = usize::try_from(sorting.column_idx)
                .ok()
                .filter(|index| *index < schema.num_columns())?;
            let column = schema.column(index);
            (column.path().parts().len() == 1).then(|| DeclaredSorting {
                column: column.name().to_owned(),
                descending: sorting.descending,
                nulls_first: sorting.nulls_first,
            })
        })
        .collect()
}
