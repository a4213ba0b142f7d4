//! Writing one part: rows in, a whole Parquet file out, with bounded memory.
//!
//! ```text
//! rows ─▶ encode (thread for work) ─▶ bytes ─▶ upload (beside it) ─▶ part
//! ```

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ord::cmp::distinct;
use arrow_schema::{DataType, SchemaRef};
use hw_files::{Files, Owner, Published};
use hw_job::Failure;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

use super::manifest::Segment;
use crate::documents::part_of;
use crate::encoder::Encoder;
use crate::tabular;
use crate::upload::Upload;

/// Largest dictionary of a group column, in bytes, so that the ids of a row group stay in one.
const DICTIONARY_BYTES: usize = 8 << 20;

/// Rows of a group, on average, from which on a dictionary of the ids pays.
const ROWS_PER_ID: usize = 2;

/// What all parts of a table share.
#[derive(Clone)]
pub(super) struct Layout {
    pub(super) files: Arc<Files>,
    pub(super) owner: Owner,
    pub(super) schema: SchemaRef,
    pub(super) group: String,
    pub(super) time: String,
    pub(super) row_group_rows: u32,
    /// Memory of one encoder; beyond it a row group ends early.
    pub(super) encoder_bytes: u64,
}

/// A part being written. Dropping it calls it off.
pub(super) struct OpenSegment {
    bucket: u32,
    rows: u64,
    encoder: Encoder,
    upload: Upload<Published>,
    files: Arc<Files>,
}

impl OpenSegment {
    /// Begins the part of a bucket; `first` are its first rows, which are looked at but not written.
    pub(super) fn begin(layout: &Layout, bucket: u32, first: &RecordBatch) -> Result<Self, Failure> {
        let properties = layout.properties(first).map_err(|error| tabular::broken(&error))?;
        Ok(Self {
            bucket,
            rows: 0,
            encoder: Encoder::new(&layout.schema, properties, layout.encoder_bytes)?,
            upload: Upload::begin(|content| {
                let (files, owner) = (Arc::clone(&layout.files), layout.owner.clone());
                let name = format!("part-{bucket:05}.parquet");
                async move { files.publish_stream(&owner, &name, content).await }
            }),
            files: Arc::clone(&layout.files),
        })
    }

    pub(super) fn bucket(&self) -> u32 {
        self.bucket
    }

    pub(super) async fn write(&mut self, rows: RecordBatch) -> Result<(), Failure> {
        self.rows += rows.num_rows() as u64;
        let bytes = self.encoder.write(rows).await?;
        self.upload.send(bytes).await
    }

    /// Ends the part; it is announced, whole, and belongs to nobody yet.
    pub(super) async fn finish(mut self) -> Result<Segment, Failure> {
        let bytes = self.encoder.finish().await?;
        self.upload.send(bytes).await?;
        let file = self.upload.finish().await?;
        let part = part_of(&self.files, &file, self.rows).await?;
        Ok(Segment {
            bucket: self.bucket,
            file,
            part,
        })
    }
}

impl Layout {
    fn properties(&self, first: &RecordBatch) -> Result<WriterProperties, ParquetError> {
        let builder = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(usize::try_from(self.row_group_rows).ok())
            .set_sorting_columns(self.sorting()?);
        let builder = self.time(builder);
        Ok(self.ids(builder, first).build())
    }

    /// Times that rise come to little as differences.
    fn time(&self, builder: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
        match self.schema.field_with_name(&self.time) {
            Ok(field) if is_whole(field.data_type()) => differences(builder, &self.time),
            _ => builder,
        }
    }

    /// A dictionary where ids repeat, differences of numbers where they do not.
    fn ids(&self, builder: WriterPropertiesBuilder, first: &RecordBatch) -> WriterPropertiesBuilder {
        let path = ColumnPath::new(vec![self.group.clone()]);
        if first.num_rows() >= ids_in(first, &self.group).saturating_mul(ROWS_PER_ID) {
            return builder
                .set_column_dictionary_enabled(path.clone(), true)
                .set_column_dictionary_page_size_limit(path, DICTIONARY_BYTES);
        }
        match self.schema.field_with_name(&self.group) {
            Ok(field) if is_whole(field.data_type()) => differences(builder, &self.group),
            _ => builder.set_column_dictionary_enabled(path, false),
        }
    }

    /// How the rows are sorted, for readers of the file alone.
    fn sorting(&self) -> Result<Option<Vec<SortingColumn>>, ParquetError> {
        let stored = ArrowSchemaConverter::new().convert(&self.schema)?;
        let place = |name: &str| {
            let found = stored
                .columns()
                .iter()
                .position(|column| column.path().parts() == [name]);
            found.and_then(|place| i32::try_from(place).ok())
        };
        let sorting = |name: &str| {
            place(name).map(|column_idx| SortingColumn {
                column_idx,
                descending: false,
                nulls_first: false,
            })
        };
        Ok(sorting(&self.group)
            .zip(sorting(&self.time))
            .map(|(group, time)| vec![group, time]))
    }
}

fn differences(builder: WriterPropertiesBuilder, column: &str) -> WriterPropertiesBuilder {
    let path = ColumnPath::new(vec![column.to_owned()]);
    builder
        .set_column_dictionary_enabled(path.clone(), false)
        .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
}

/// Whether values are stored as whole numbers of 32 or 64 bits.
fn is_whole(data_type: &DataType) -> bool {
    data_type.is_integer()
        || matches!(
            data_type,
            DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_)
        )
}

/// Distinct ids of rows that are sorted by them.
fn ids_in(rows: &RecordBatch, group: &str) -> usize {
    let count = rows.num_rows();
    let Some(ids) = rows.column_by_name(group).filter(|_| count > 1) else {
        return count;
    };
    let changes = distinct(&ids.slice(0, count - 1), &ids.slice(1, count - 1));
    // Where ids cannot be compared so, each counts as its own.
    changes.map_or(count, |changes| changes.true_count() + 1)
}
