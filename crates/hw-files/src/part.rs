//! Single columns of single row groups of a Parquet file, as Arrow arrays, with as little work as possible.
//!
//! A page loop of our own finds the pages of a column chunk, decompresses them to where their values belong, and hands
//! out the dictionary codes of a column instead of its values wherever the whole chunk has them. What it does not know (nested
//! columns, decimals, rare encodings) goes through the Parquet crate: the same answer, slower.
//!
//! ```text
//! chunk ─▶ pages (all headers first) ─┬─ all dictionary-coded ─▶ keys + dictionary
//!                                     ├─ plain, mixed, delta  ─▶ flat values
//!                                     └─ anything else        ─▶ the Parquet crate
//! ```
//!
//! Nothing here is async: calls block on the file, and belong on threads for work.

mod boolean;
mod buffers;
mod cause;
mod chunk;
mod codec;
mod codes;
mod column;
mod delta;
mod fixed;
mod footer;
mod header;
mod library;
mod runs;
mod source;
#[cfg(test)]
mod tests;
mod text;
mod unpack;
mod validity;
mod values;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Encoding;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use self::buffers::Block;
use self::cause::{Cause, Decoded, damaged, present};
use self::chunk::{Opener, Pages, Shape};
use self::codec::{Codec, Decoders};
use self::column::Leaf;
use crate::FileError;

pub use self::buffers::Buffers;
pub use self::codes::{Codes, ColumnValues};
pub(crate) use self::library::guarded;
pub use self::source::{LocalFile, ReadRange, source};

/// One Parquet file opened for reading columns of row groups. Clones share it.
#[derive(Clone)]
pub struct PartReader {
    inner: Arc<Inner>,
}

struct Inner {
    source: Arc<dyn ReadRange>,
    layout: PartLayout,
    bytes_read: AtomicU64,
}

/// What the footer of a file tells, for as long as the file stays the same. Clones share it.
#[derive(Clone)]
pub struct PartLayout {
    metadata: Arc<ParquetMetaData>,
    schema: SchemaRef,
    leaves: Arc<[Option<Leaf>]>,
}

impl PartLayout {
    /// Bytes of memory that it takes, about.
    pub fn memory_size(&self) -> usize {
        self.metadata.memory_size()
    }
}

/// A column of a row group.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Column {
    /// As many values as the row group has rows.
    ///
    /// A `DictionaryArray` with the narrowest of `UInt8`, `UInt16` and `UInt32` as keys if all pages are dictionary-coded;
    /// else values of the schema's type. Text of every kind is `Utf8` and bytes are `Binary`, with long offsets beyond
    /// 2 GiB. There is a null buffer only if there are nulls. An entry of the dictionary is never null.
    pub array: ArrayRef,
    /// Whether the page loop decoded it, not the general reader.
    pub by_pages: bool,
}

impl PartReader {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// [`FileError::Truncated`], [`FileError::NotParquet`], [`FileError::Unreadable`] for a footer that makes no sense, and
    /// the source's own.
    pub fn open(source: Arc<dyn ReadRange>) -> Result<Self, FileError> {
        let metadata = footer::metadata(source.as_ref())?;
        Self::with_metadata(source, Arc::new(metadata))
    }

    /// A file whose footer was read before.
    ///
    /// # Errors
    /// [`FileError::Unreadable`] for a schema that makes no sense.
    pub fn with_metadata(source: Arc<dyn ReadRange>, metadata: Arc<ParquetMetaData>) -> Result<Self, FileError> {
        let reader = library::guarded(|| ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new()));
        let reader = reader.map_err(|error| footer::unreadable(source.as_ref(), &error.to_string()))?;
        let schema = reader.schema().clone();
        let leaves = column::leaves(&schema, metadata.file_metadata().schema_descr());
        let layout = PartLayout {
            metadata,
            schema,
            leaves: leaves.into(),
        };
        Ok(Self::with_layout(source, layout))
    }

    /// A file that was opened before, and is still the same.
    pub fn with_layout(source: Arc<dyn ReadRange>, layout: PartLayout) -> Self {
        let inner = Inner {
            source,
            layout,
            bytes_read: AtomicU64::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What the footer tells.
    pub fn layout(&self) -> &PartLayout {
        &self.inner.layout
    }

    /// The whole footer.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.inner.layout.metadata
    }

    /// Arrow schema: as the writer embedded it, else as the Parquet types give it.
    pub fn schema(&self) -> &SchemaRef {
        &self.inner.layout.schema
    }

    /// Number of row groups; a file without rows may have none.
    pub fn row_groups(&self) -> usize {
        self.inner.layout.metadata.num_row_groups()
    }

    /// Number of rows of a row group; 0 if there is no such row group.
    pub fn rows(&self, row_group: usize) -> usize {
        let group = self.inner.layout.metadata.row_groups().get(row_group);
        group.map_or(0, |group| usize::try_from(group.num_rows()).unwrap_or(0))
    }

    /// Bytes read from the file so far by this reader and its clones, the footer left out.
    pub fn bytes_read(&self) -> u64 {
        self.inner.bytes_read.load(Ordering::Relaxed)
    }

    /// Tells that these columns of a row group will be read soon, so that a remote file can be asked for them at once.
    /// Columns that are not there, or make no sense, are told when they are read.
    pub fn prepare(&self, row_group: usize, columns: &[usize]) {
        let inner = &self.inner;
        let chunk = |column: &usize| {
            let (_, chunk) = inner.leaf(row_group, *column).ok()?;
            inner.chunk_range(chunk).ok()
        };
        let ranges: Vec<Range<u64>> = columns.iter().filter_map(chunk).collect();
        inner.source.prepare(&ranges);
    }

    /// Reads a column, counted as in the schema, of a row group.
    ///
    /// # Errors
    /// [`FileError::DamagedColumn`] if the bytes make no sense or are not as many values as the row group has rows,
    /// [`FileError::Unreadable`] if there is no such column, and the source's own.
    pub fn read(&self, row_group: usize, column: usize, buffers: &Buffers) -> Result<Column, FileError> {
        self.checked(row_group, column)?;
        self.inner
            .column(row_group, column, buffers)
            .map_err(|cause| self.told(cause, row_group, column))
    }

    /// Reads a column like [`read`](Self::read), as bare codes where its pages have some.
    ///
    /// # Errors
    /// As [`PartReader::read`].
    pub fn read_codes(&self, row_group: usize, column: usize, buffers: &Buffers) -> Result<ColumnValues, FileError> {
        self.checked(row_group, column)?;
        self.inner
            .codes(row_group, column, buffers)
            .map_err(|cause| self.told(cause, row_group, column))
    }

    /// The values of a column's dictionary, if all pages of the row group are dictionary-coded. Reads the dictionary alone.
    ///
    /// `None` too where the footer does not tell how pages are coded, and for columns that the page loop does not know. Not
    /// every value need occur in the rows.
    ///
    /// # Errors
    /// As [`PartReader::read`].
    pub fn dictionary(
        &self,
        row_group: usize,
        column: usize,
        buffers: &Buffers,
    ) -> Result<Option<ArrayRef>, FileError> {
        self.checked(row_group, column)?;
        match self.inner.dictionary(row_group, column, buffers) {
            Ok(values) => Ok(values),
            Err(Cause::NotHere) => Ok(None),
            Err(cause) => Err(self.told(cause, row_group, column)),
        }
    }

    /// Whether the footer tells that all pages of a column of a row group are dictionary-coded. Reads nothing.
    pub fn is_dictionary_coded(&self, row_group: usize, column: usize) -> bool {
        self.inner
            .leaf(row_group, column)
            .is_ok_and(|(_, chunk)| only_keys(chunk))
    }

    fn checked(&self, row_group: usize, column: usize) -> Result<(), FileError> {
        let missing = match (row_group < self.row_groups(), column < self.inner.layout.leaves.len()) {
            (true, true) => return Ok(()),
            (false, _) => format!("it has no row group {row_group}"),
            (true, false) => format!("it has no column {column}"),
        };
        Err(footer::unreadable(self.inner.source.as_ref(), &missing))
    }

    fn told(&self, cause: Cause, row_group: usize, column: usize) -> FileError {
        let reason = match cause {
            Cause::File(error) => return error,
            Cause::Damaged(reason) => reason,
            Cause::NotHere | Cause::LongText => "it cannot be decoded".to_owned(),
        };
        let field = self.inner.layout.schema.fields().get(column);
        FileError::DamagedColumn {
            file: self.inner.source.shown().to_owned(),
            column: field.map(|field| field.name().clone()).unwrap_or_default(),
            row_group,
            reason,
        }
    }
}

impl Inner {
    fn column(self: &Arc<Self>, row_group: usize, column: usize, buffers: &Buffers) -> Decoded<Column> {
        let rows = self.rows(row_group)?;
        match self.by_pages(row_group, column, buffers, values::read) {
            Ok(array) => Ok(Column { array, by_pages: true }),
            Err(Cause::NotHere) => Ok(Column {
                array: library::read(self, row_group, column, rows)?,
                by_pages: false,
            }),
            Err(cause) => Err(cause),
        }
    }

    fn codes(self: &Arc<Self>, row_group: usize, column: usize, buffers: &Buffers) -> Decoded<ColumnValues> {
        match self.by_pages(row_group, column, buffers, codes::read) {
            Err(Cause::NotHere) => {
                library::read(self, row_group, column, self.rows(row_group)?).map(ColumnValues::Flat)
            }
            decoded => decoded,
        }
    }

    /// Opens the pages of a column for `read`.
    fn by_pages<T>(
        &self,
        row_group: usize,
        column: usize,
        buffers: &Buffers,
        read: fn(&Leaf, &Pages, &mut Opener<'_>) -> Decoded<T>,
    ) -> Decoded<T> {
        let rows = self.rows(row_group)?;
        let (leaf, chunk) = self.leaf(row_group, column)?;
        let shape = shape(leaf, chunk, rows)?;
        let range = self.chunk_range(chunk)?;
        let bytes = self.bytes(range.clone(), buffers)?;
        let bytes = bytes.bytes().get(..length(&range)).unwrap_or_default();
        let pages = chunk::pages(bytes, &shape)?;
        with_decoders(buffers, |decoders| {
            read(leaf, &pages, &mut Opener::new(bytes, shape, decoders, buffers))
        })
    }

    fn dictionary(&self, row_group: usize, column: usize, buffers: &Buffers) -> Decoded<Option<ArrayRef>> {
        let rows = self.rows(row_group)?;
        let (leaf, chunk) = self.leaf(row_group, column)?;
        let range = self.chunk_range(chunk)?;
        let end = u64::try_from(chunk.data_page_offset()).unwrap_or(0).min(range.end);
        if !only_keys(chunk) || end <= range.start {
            return Ok(None);
        }
        let shape = shape(leaf, chunk, rows)?;
        let range = range.start..end;
        let bytes = self.bytes(range.clone(), buffers)?;
        let bytes = bytes.bytes().get(..length(&range)).unwrap_or_default();
        let page = chunk::first_dictionary(bytes, &shape)?;
        with_decoders(buffers, |decoders| {
            values::dictionary(leaf, &page, &mut Opener::new(bytes, shape, decoders, buffers)).map(Some)
        })
    }

    fn rows(&self, row_group: usize) -> Decoded<usize> {
        let group = self.layout.metadata.row_groups().get(row_group);
        let rows = group.and_then(|group| usize::try_from(group.num_rows()).ok());
        present(rows, "its row group has an impossible number of rows")
    }

    fn leaf(&self, row_group: usize, column: usize) -> Decoded<(&Leaf, &ColumnChunkMetaData)> {
        let leaf = self
            .layout
            .leaves
            .get(column)
            .and_then(Option::as_ref)
            .ok_or(Cause::NotHere)?;
        let group = self.layout.metadata.row_groups().get(row_group);
        let chunk = group.and_then(|group| group.columns().get(leaf.index));
        Ok((leaf, present(chunk, "its row group lacks it")?))
    }

    /// Uncompressed size of all that belongs to a column of a row group.
    fn chunk_bytes(&self, row_group: usize, column: usize) -> i64 {
        let schema = self.layout.metadata.file_metadata().schema_descr();
        let group = self.layout.metadata.row_groups().get(row_group);
        let chunks = group.into_iter().flat_map(|group| group.columns().iter().enumerate());
        let of_column =
            chunks.filter(|(index, _)| *index < schema.num_columns() && schema.get_column_root_idx(*index) == column);
        of_column.fold(0, |sum, (_, chunk)| sum.saturating_add(chunk.uncompressed_size()))
    }

    /// Where a chunk stands in the file.
    fn chunk_range(&self, chunk: &ColumnChunkMetaData) -> Decoded<Range<u64>> {
        let data = chunk.data_page_offset();
        // Some writers put a zero where there is no dictionary, or no data.
        let offsets = [chunk.dictionary_page_offset().unwrap_or(0), data];
        let start = offsets.into_iter().filter(|offset| *offset > 0).min().unwrap_or(data);
        let start = u64::try_from(start).ok();
        let size = u64::try_from(chunk.compressed_size()).ok();
        let range = start
            .zip(size)
            .and_then(|(start, size)| Some(start..start.checked_add(size)?));
        match range {
            Some(range) if range.end <= self.source.size() => Ok(range),
            _ => damaged("it reaches beyond the file"),
        }
    }

    fn bytes(&self, range: Range<u64>, buffers: &Buffers) -> Decoded<Block> {
        let mut block = buffers.block(length(&range));
        let into = block.bytes_mut().get_mut(..length(&range)).unwrap_or_default();
        self.fetch(range.start, into)?;
        Ok(block)
    }

    fn fetch(&self, offset: u64, into: &mut [u8]) -> Result<(), FileError> {
        self.source.read(offset, into)?;
        self.bytes_read.fetch_add(into.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Ranges lie within a file, which no address space limits below this.
fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

fn shape(leaf: &Leaf, chunk: &ColumnChunkMetaData, rows: usize) -> Decoded<Shape> {
    if chunk.file_path().is_some() {
        return Err(Cause::NotHere);
    }
    if usize::try_from(chunk.num_values()).ok() != Some(rows) {
        let found = chunk.num_values();
        return damaged(format!(
            "the footer gives it {found} values, and the row group {rows} rows"
        ));
    }
    Ok(Shape {
        rows,
        unfolded: usize::try_from(chunk.uncompressed_size()).unwrap_or(0),
        codec: Codec::of(chunk.compression()).ok_or(Cause::NotHere)?,
        nullable: leaf.nullable,
        short_text_bytes_max: i32::MAX as usize,
    })
}

/// Decompressors are kept between calls; those of a call that failed are given up.
fn with_decoders<T>(buffers: &Buffers, work: impl FnOnce(&mut Decoders) -> Decoded<T>) -> Decoded<T> {
    let mut decoders = buffers.decoders();
    let done = work(&mut decoders)?;
    buffers.keep_decoders(decoders);
    Ok(done)
}

/// Whether the footer tells that all data pages are dictionary-coded.
fn only_keys(chunk: &ColumnChunkMetaData) -> bool {
    let keyed = |encoding| matches!(encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
    chunk.dictionary_page_offset().is_some()
        && chunk
            .page_encoding_stats_mask()
            .is_some_and(|mask| mask.encodings().all(keyed))
}
