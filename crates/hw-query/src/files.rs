//! Files that a statement names: found, checked against what the client may read, their format and schema told.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, Schema, SchemaRef};
use datafusion::catalog::Session;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::arrow::ArrowFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::transform_schema_to_view;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::metadata::DFParquetMetadata;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use futures::{StreamExt, TryStreamExt};
use hw_catalog::widened;
use hw_files::{FileError, FoundFile, Location, OpenLocation, VersionedStore, discover};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::counters::Counters;
use crate::dataset::meta_of;
use crate::engine::Engine;
use crate::error::{QueryError, StatementFault, StatementFaultKind, classify, from_file};
use crate::scan::{FilesTable, PartReaders, Reading};
use crate::session::SessionInput;
use crate::stores::{Opened, StatementStores};

/// Files that one name in a statement may stand for.
const FILES_MAX: usize = 100_000;

/// Footers read at the same time to learn a schema.
const FOOTERS_AT_ONCE: usize = 32;

/// Rows of text formats that are looked at to learn their types.
const ROWS_INFERRED: usize = 10_000;

/// Bytes read to tell an array of objects from JSON lines.
const JSON_PEEK_BYTES: u64 = 1024;

/// A file format by the ending of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Csv,
    Tsv,
    /// JSON lines, or one array of objects.
    Json,
    Arrow,
}

impl Format {
    /// The format of a file, by its ending in any case.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "parquet" | "parq" | "pq" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "arrow" | "arrows" | "ipc" | "feather" => Some(Self::Arrow),
            _ => None,
        }
    }
}

const FORMATS: &str = "the ending tells the format: .parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow";

/// What resolving names needs of the statement that is being planned.
pub(crate) struct Named<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) input: &'a SessionInput,
    pub(crate) stores: &'a StatementStores,
    pub(crate) counters: &'a Arc<Counters>,
    pub(crate) session: &'a dyn Session,
}

impl Named<'_> {
    /// The table of the files that `text` names.
    ///
    /// # Errors
    /// A [`StatementFault`] without a place where nothing is there, the client may not read it, or it is no table;
    /// [`QueryError::Storage`] if a store failed.
    pub(crate) async fn table(&self, text: &str) -> Result<FilesTable, QueryError> {
        let (open, found) = self.find(text).await.map_err(|error| of_name(&error))?;
        let (format, found) = one_format(text, found)?;
        let url = self
            .stores
            .add(&open.base, Opened::ForClient, Arc::clone(&open.store))
            .map_err(internal)?;
        let store = match format {
            Format::Parquet => {
                let versions = VersionedStore::over(&open, found.iter().cloned(), self.counters.remote());
                self.stores.counting(versions)
            }
            Format::Csv | Format::Tsv | Format::Json | Format::Arrow => self.engine_store(&url)?,
        };
        let metas: Vec<ObjectMeta> = found.into_iter().map(meta_of).collect();
        let read = match format {
            Format::Parquet => self.parquet(url.as_str(), store, &metas).await,
            Format::Csv => self.text(Arc::new(csv(b',')), &store, &metas).await,
            Format::Tsv => self.text(Arc::new(csv(b'\t')), &store, &metas).await,
            Format::Json => self.text(json(&store, &metas).await?, &store, &metas).await,
            Format::Arrow => self.text(Arc::new(ArrowFormat), &store, &metas).await,
        };
        let (schema, reading) = read.map_err(|error| unreadable(text, error, self.engine))?;
        if schema.fields().is_empty() {
            return Err(no_columns(text).into());
        }
        let files = metas.into_iter().map(PartitionedFile::from).collect();
        Ok(FilesTable::new(
            schema,
            url,
            files,
            reading,
            None,
            self.engine.threads(),
            Arc::clone(self.counters),
        ))
    }

    async fn find(&self, text: &str) -> Result<(OpenLocation, Vec<FoundFile>), FileError> {
        let selection = Location::parse_selection(text, self.input.folder.as_deref())?;
        let open = self
            .engine
            .stores()
            .open_permitted(&selection.location, &self.input.access)?;
        let pattern = selection.pattern.as_deref().unwrap_or("*");
        let found = discover(&open, pattern, selection.recursive, FILES_MAX).await?;
        Ok((open, found))
    }

    fn engine_store(
        &self,
        url: &datafusion::execution::object_store::ObjectStoreUrl,
    ) -> Result<Arc<dyn ObjectStore>, QueryError> {
        use datafusion::execution::object_store::ObjectStoreRegistry;
        self.stores.get_store(url.as_ref()).map_err(internal)
    }

    async fn parquet(
        &self,
        store_name: &str,
        store: Arc<dyn ObjectStore>,
        metas: &[ObjectMeta],
    ) -> Result<(SchemaRef, Reading), DataFusionError> {
        let footers = self.engine.footers(store_name);
        let schemas: Vec<Schema> = futures::stream::iter(metas.to_vec())
            .map(|meta| schema_of(Arc::clone(&store), meta, Arc::clone(&footers)))
            .buffered(FOOTERS_AT_ONCE)
            .try_collect()
            .await?;
        let merged = Schema::try_merge(of_one_width(schemas.into_iter().map(without_metadata).collect()))?;
        let readers = PartReaders::new(store, footers, None, Arc::clone(self.counters));
        Ok((Arc::new(transform_schema_to_view(&merged)), Reading::Parquet(readers)))
    }

    async fn text(
        &self,
        format: Arc<dyn FileFormat>,
        store: &Arc<dyn ObjectStore>,
        metas: &[ObjectMeta],
    ) -> Result<(SchemaRef, Reading), DataFusionError> {
        let schema = format.infer_schema(self.session, store, metas).await?;
        Ok((schema, Reading::Other(format)))
    }
}

async fn schema_of(
    store: Arc<dyn ObjectStore>,
    meta: ObjectMeta,
    footers: Arc<FileMetadataCache>,
) -> Result<Schema, DataFusionError> {
    let footer = DFParquetMetadata::new(&store, &meta).with_file_metadata_cache(Some(footers));
    footer.fetch_schema().await
}

/// Key-value metadata differs from file to file and says nothing to queries.
fn without_metadata(schema: Schema) -> Schema {
    schema.with_metadata(HashMap::new())
}

/// The schemas with the numbers of each column in the narrowest type that holds those of all files.
fn of_one_width(schemas: Vec<Schema>) -> Vec<Schema> {
    // A column with a dictionary stays as it is, so that its values are not written out for nothing.
    let is_plain = |field: &FieldRef| !matches!(field.data_type(), DataType::Dictionary(..));
    let mut widest: HashMap<String, DataType> = HashMap::new();
    for field in schemas
        .iter()
        .flat_map(|schema| schema.fields())
        .filter(|field| is_plain(field))
    {
        let known = widest.get(field.name()).unwrap_or(field.data_type());
        if let Some(both) = widened(known, field.data_type()) {
            widest.insert(field.name().clone(), both);
        }
    }
    let widen = |field: &FieldRef| match widest.get(field.name()) {
        Some(wider) if is_plain(field) && widened(wider, field.data_type()).is_some() => {
            field.as_ref().clone().with_data_type(wider.clone())
        }
        _ => field.as_ref().clone(),
    };
    schemas
        .iter()
        .map(|schema| Schema::new(schema.fields().iter().map(widen).collect::<Vec<_>>()))
        .collect()
}

/// Quoted fields may hold line breaks, so files are not cut at line breaks to be read by several threads.
fn csv(delimiter: u8) -> CsvFormat {
    CsvFormat::default()
        .with_has_header(true)
        .with_delimiter(delimiter)
        .with_newlines_in_values(true)
        .with_schema_infer_max_rec(ROWS_INFERRED)
}

async fn json(store: &Arc<dyn ObjectStore>, metas: &[ObjectMeta]) -> Result<Arc<dyn FileFormat>, QueryError> {
    let mut lines = true;
    if let Some(first) = metas.iter().find(|meta| meta.size > 0) {
        let range = 0..first.size.min(JSON_PEEK_BYTES);
        let start = store.get_range(&first.location, range).await;
        let start = start.map_err(|error| from_file(&FileError::of_store(first.location.as_ref(), &error)))?;
        lines = start.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[');
    }
    Ok(Arc::new(
        JsonFormat::default()
            .with_newline_delimited(lines)
            .with_schema_infer_max_rec(ROWS_INFERRED),
    ))
}

/// Files of a folder whose ending says nothing are left out, unless the name means exactly one file.
fn one_format(text: &str, found: Vec<FoundFile>) -> Result<(Format, Vec<FoundFile>), StatementFault> {
    let fault = |message: String| StatementFault::new(StatementFaultKind::FileFormat, message).help(FORMATS);
    let known: Vec<(Format, FoundFile)> = found
        .into_iter()
        .filter_map(|file| Some((Format::of(file.object.as_ref())?, file)))
        .collect();
    let Some((format, _)) = known.first() else {
        return Err(fault(format!("the format of `{text}` is not known")));
    };
    let format = *format;
    if let Some((_, other)) = known.iter().find(|(other, _)| *other != format) {
        let first = known.first().map(|(_, file)| file.path.as_str()).unwrap_or_default();
        let message = format!(
            "`{text}` holds files of several formats, `{first}` and `{}`",
            other.path
        );
        return Err(StatementFault::new(StatementFaultKind::FileFormat, message)
            .help("name one kind with a wildcard, for instance `*.parquet`"));
    }
    Ok((format, known.into_iter().map(|(_, file)| file).collect()))
}

fn of_name(error: &FileError) -> QueryError {
    let kind = match error {
        FileError::Refused { .. } => return from_file(error),
        FileError::NotPermitted { .. } | FileError::CredentialsInLocation { .. } => StatementFaultKind::FileDenied,
        other => match other.fault() {
            hw_files::Fault::External => return from_file(error),
            hw_files::Fault::Input | hw_files::Fault::Data => StatementFaultKind::FileNotFound,
        },
    };
    let help = match error {
        FileError::NoFiles { .. } => "check the wildcard; `**/` before it searches sub-folders too".to_owned(),
        _ => error.help(),
    };
    StatementFault::new(kind, error.to_string()).help(help).into()
}

fn no_columns(text: &str) -> StatementFault {
    StatementFault::new(StatementFaultKind::FileFormat, format!("`{text}` holds no columns"))
        .help("an empty file is no table; the first line of a CSV file names its columns")
}

/// A file that cannot be read is the data's fault; what a reader says of it does not name the file.
fn unreadable(text: &str, error: DataFusionError, engine: &Engine) -> QueryError {
    match classify(error, "", engine.limits()) {
        QueryError::Data { message } => QueryError::Data {
            message: format!("`{text}` cannot be read: {message}"),
        },
        QueryError::Statement(faults) => {
            let words = faults.into_iter().next().map(|fault| fault.message).unwrap_or_default();
            QueryError::Data {
                message: format!("`{text}` cannot be read: {words}"),
            }
        }
        other => other,
    }
}

fn internal(error: DataFusionError) -> QueryError {
    QueryError::internal(error.to_string())
}
