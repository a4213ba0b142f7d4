//! Readers of Parquet files that notice when a part is not the one that was registered.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_schema::{DataType, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{CachedParquetFileReaderFactory, ParquetFileReaderFactory};
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::arrow::parquet_to_arrow_schema;
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use hw_catalog::{Part, widened};
use hw_files::{FileError, Standing};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::counters::Counters;
use crate::error::{PartFault, PartWrong};

/// What was registered of a table, for comparison.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) table: String,
    pub(crate) schema: SchemaRef,
    pub(crate) parts: HashMap<Path, Part>,
    /// What the store says of their files.
    pub(crate) standing: Arc<Standing>,
    /// The folder of the parts, for messages.
    pub(crate) place: String,
}

/// Makes the readers of one scan.
pub(crate) struct PartReaders {
    store: Arc<dyn ObjectStore>,
    cached: CachedParquetFileReaderFactory,
    /// `None` for files that are not registered.
    recorded: Option<Recorded>,
    /// Files that were opened before: one may be opened once for each range of it.
    opened: Mutex<HashSet<Path>>,
    counters: Arc<Counters>,
}

impl fmt::Debug for PartReaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartReaders")
            .field("recorded", &self.recorded.is_some())
            .finish_non_exhaustive()
    }
}

impl PartReaders {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        footers: Arc<FileMetadataCache>,
        recorded: Option<Recorded>,
        counters: Arc<Counters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            cached: CachedParquetFileReaderFactory::new(Arc::clone(&store), footers),
            store,
            recorded,
            opened: Mutex::default(),
            counters,
        })
    }

    fn is_first(&self, location: &Path) -> bool {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.insert(location.clone())
    }

    /// What to hold a file against.
    fn check(&self, location: &Path) -> Option<Check> {
        let recorded = self.recorded.as_ref()?;
        Some(Check {
            table: recorded.table.clone(),
            schema: Arc::clone(&recorded.schema),
            part: recorded.parts.get(location)?.clone(),
            store: Arc::clone(&self.store),
            standing: Arc::clone(&recorded.standing),
            place: recorded.place.clone(),
        })
    }
}

/// The factory hands out readers that outlive the borrow, so they share it.
impl ParquetFileReaderFactory for PartReaders {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>, DataFusionError> {
        let location = file.object_meta.location.clone();
        let inner = self
            .cached
            .create_reader(partition_index, file, metadata_size_hint, metrics)?;
        let is_first = self.is_first(&location);
        Ok(Box::new(PartReader {
            inner,
            check: self.check(&location),
            is_first,
            location,
            counters: Arc::clone(&self.counters),
        }))
    }
}

struct PartReader {
    inner: Box<dyn AsyncFileReader + Send>,
    location: Path,
    check: Option<Check>,
    /// Whether the file was not opened before in this statement, so that it is still to be counted.
    is_first: bool,
    counters: Arc<Counters>,
}

impl AsyncFileReader for PartReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.counters.note_read(self.location.as_ref());
        async move {
            let read = self.inner.get_bytes(range).await;
            told(self.check.as_ref(), &self.location, read).await
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        self.counters.note_read(self.location.as_ref());
        async move {
            let read = self.inner.get_byte_ranges(ranges).await;
            told(self.check.as_ref(), &self.location, read).await
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        async move {
            let check = self.check.as_ref().filter(|_| self.is_first);
            if let Some(check) = check {
                check.recorded(&self.location).await?;
            }
            let footer = AssertUnwindSafe(self.inner.get_metadata(options)).catch_unwind().await;
            let footer = footer.unwrap_or_else(|_| Err(senseless()));
            let footer = match (footer, check) {
                (Err(error), Some(check)) => return Err(check.unreadable(error)),
                (footer, _) => footer?,
            };
            if let Some(check) = check {
                check.schema(&footer)?;
            }
            let footer = without_empty_row_groups(footer);
            if std::mem::take(&mut self.is_first) {
                self.counters.add_row_groups(footer.num_row_groups());
            }
            Ok(footer)
        }
        .boxed()
    }
}

/// Bytes that could not be read: of a part that is no longer as registered, that is told.
async fn told<T>(check: Option<&Check>, location: &Path, read: Result<T, ParquetError>) -> Result<T, ParquetError> {
    match (read, check) {
        (Err(error), Some(check)) => {
            check.file(location).await?;
            Err(check.told(error))
        }
        (read, _) => read,
    }
}

/// One part to be held against its record.
struct Check {
    table: String,
    schema: SchemaRef,
    part: Part,
    store: Arc<dyn ObjectStore>,
    standing: Arc<Standing>,
    place: String,
}

impl Check {
    /// Whether the file is as recorded, by what was asked for the whole statement where that says so.
    async fn recorded(&self, location: &Path) -> Result<(), ParquetError> {
        self.verdict(self.standing.meta(location).await)
    }

    /// The same, asked anew.
    async fn file(&self, location: &Path) -> Result<(), ParquetError> {
        self.verdict(self.store.head(location).await)
    }

    fn verdict(&self, found: object_store::Result<ObjectMeta>) -> Result<(), ParquetError> {
        match found {
            Ok(found) => self.same_file(&found),
            Err(object_store::Error::NotFound { .. }) => Err(self.fault(PartWrong::Vanished)),
            Err(error) => Err(self.store_failed(&error)),
        }
    }

    fn store_failed(&self, error: &object_store::Error) -> ParquetError {
        let place = format!("{}/{}", self.place.trim_end_matches('/'), self.part.path);
        ParquetError::External(Box::new(FileError::of_store(place, error)))
    }

    /// A store that fails, told by its own words; whatever else went wrong stays as it is.
    fn told(&self, error: ParquetError) -> ParquetError {
        match error {
            ParquetError::External(cause) => match cause.downcast::<object_store::Error>() {
                Ok(cause) => self.store_failed(&cause),
                Err(cause) => ParquetError::External(cause),
            },
            other => other,
        }
    }

    fn same_file(&self, found: &ObjectMeta) -> Result<(), ParquetError> {
        if found.size != self.part.bytes {
            return Err(self.fault(PartWrong::Size {
                registered: self.part.bytes,
                found: found.size,
            }));
        }
        let (etag, modified_at) = (self.part.etag.as_deref(), self.part.modified_at);
        match self.standing.is_same_content(etag, modified_at, found) {
            true => Ok(()),
            false => Err(self.fault(PartWrong::Rewritten)),
        }
    }

    /// Storage that fails is not the part's fault.
    fn unreadable(&self, error: ParquetError) -> ParquetError {
        match self.told(error) {
            ParquetError::External(cause) if cause.is::<FileError>() => ParquetError::External(cause),
            error => self.fault(PartWrong::Unreadable(error.to_string())),
        }
    }

    fn schema(&self, footer: &ParquetMetaData) -> Result<(), ParquetError> {
        let file = footer.file_metadata();
        let read = || parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata());
        let found = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(senseless()));
        let found = found.map_err(|error| self.unreadable(error))?;
        match first_difference(&self.schema, &found) {
            None => Ok(()),
            Some(wrong) => Err(self.fault(wrong)),
        }
    }

    fn fault(&self, wrong: PartWrong) -> ParquetError {
        ParquetError::External(Box::new(PartFault {
            table: self.table.clone(),
            part: self.part.path.clone(),
            wrong,
        }))
    }
}

/// Row groups without rows may have page indexes without pages, which the engine does not expect.
fn without_empty_row_groups(footer: Arc<ParquetMetaData>) -> Arc<ParquetMetaData> {
    let has_rows: Vec<bool> = footer.row_groups().iter().map(|group| group.num_rows() > 0).collect();
    if !has_rows.contains(&false) {
        return footer;
    }
    let mut builder = footer.as_ref().clone().into_builder();
    let row_groups = filled(builder.take_row_groups(), &has_rows);
    let column_index = builder.take_column_index().map(|index| filled(index, &has_rows));
    let offset_index = builder.take_offset_index().map(|index| filled(index, &has_rows));
    let builder = builder.set_row_groups(row_groups);
    Arc::new(
        builder
            .set_column_index(column_index)
            .set_offset_index(offset_index)
            .build(),
    )
}

fn filled<T>(row_groups: Vec<T>, has_rows: &[bool]) -> Vec<T> {
    let all = row_groups.into_iter().zip(has_rows);
    all.filter(|(_, has_rows)| **has_rows)
        .map(|(row_group, _)| row_group)
        .collect()
}

/// Footers are read by code that is not written for damaged bytes everywhere: a panic of it counts as damage.
fn senseless() -> ParquetError {
    ParquetError::General("its footer makes no sense".to_owned())
}

/// The first registered column that the file has not, or has with another type. Further columns are no fault: they
/// are not part of the table.
fn first_difference(registered: &Schema, found: &Schema) -> Option<PartWrong> {
    registered.fields().iter().find_map(|field| {
        let column = field.name().clone();
        let registered = field.data_type().to_string();
        match found.column_with_name(field.name()) {
            None => Some(PartWrong::ColumnMissing { column, registered }),
            Some((_, there)) if plain(there.data_type()) == plain(field.data_type()) => None,
            Some((_, there)) if is_narrower(there.data_type(), field.data_type()) => None,
            Some((_, there)) => Some(PartWrong::ColumnType {
                column,
                registered,
                found: there.data_type().to_string(),
            }),
        }
    })
}

/// A number that the registered type holds too: parts may differ in the widths of their numbers.
fn is_narrower(found: &DataType, registered: &DataType) -> bool {
    widened(found, registered).is_some_and(|both| both == *plain(registered))
}

/// The type of the values: how they are encoded is a matter of storage, and writers choose it by file.
fn plain(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain(values),
        DataType::LargeUtf8 | DataType::Utf8View => &DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => &DataType::Binary,
        other => other,
    }
}
