//! A registered dataset as a table of the engine.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::Schema;
use chrono::DateTime;
use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::parquet::transform_schema_to_view;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::execution::object_store::ObjectStoreUrl;
use hw_catalog::Part;
use hw_files::{FoundFile, Location, OpenLocation, VersionedStore};
use object_store::ObjectMeta;
use object_store::path::Path;

use crate::counters::Counters;
use crate::engine::Engine;
use crate::error::{QueryError, from_file};
use crate::scan::{FilesTable, PartReaders, Reading, Recorded};
use crate::stores::{Opened, StatementStores};
use crate::tables::StoredTable;

/// The parts of a dataset, with what reads them and holds them against their records.
pub(crate) struct PartFiles {
    pub(crate) open: OpenLocation,
    pub(crate) readers: Arc<PartReaders>,
    /// In the order of the parts.
    pub(crate) files: Vec<PartitionedFile>,
    url: ObjectStoreUrl,
    schema: Arc<Schema>,
}

/// The table over exactly the recorded parts.
///
/// # Errors
/// [`QueryError::Storage`] or [`QueryError::Data`] if the location cannot be opened. Nothing is read yet.
pub(crate) fn table(
    engine: &Engine,
    stores: &StatementStores,
    counters: &Arc<Counters>,
    stored: &StoredTable,
) -> Result<FilesTable, QueryError> {
    let parts = part_files(engine, stores, counters, stored)?;
    Ok(FilesTable::new(
        Arc::new(viewed(&parts.schema)),
        parts.url,
        parts.files,
        Reading::Parquet(parts.readers),
        stored.table.rows,
        engine.threads(),
        Arc::clone(counters),
    ))
}

/// The recorded parts, to be read one by one.
///
/// # Errors
/// Those of [`table`].
pub(crate) fn part_files(
    engine: &Engine,
    stores: &StatementStores,
    counters: &Arc<Counters>,
    stored: &StoredTable,
) -> Result<PartFiles, QueryError> {
    let name = &stored.table.name;
    let Some(dataset) = &stored.table.dataset else {
        return Err(QueryError::internal(format!("dataset `{name}` has no location")));
    };
    let location = Location::parse(&dataset.location, None).map_err(|error| from_file(&error))?;
    let open = engine
        .stores()
        .open(&location.into_folder())
        .map_err(|error| from_file(&error))?;
    let url = stores
        .add(&open.base, Opened::ForTable, Arc::clone(&open.store))
        .map_err(internal)?;
    let files = stored
        .parts
        .iter()
        .map(|part| Ok::<_, QueryError>((found_of(&open, part)?, part)))
        .collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(stored.table.schema.clone());
    let recorded = Recorded {
        table: name.to_string(),
        schema: Arc::clone(&schema),
        parts: files
            .iter()
            .map(|(file, part)| (file.object.clone(), (*part).clone()))
            .collect::<HashMap<Path, Part>>(),
        standing: stores.standing(&open, files.len()),
        place: open.location.shown(),
    };
    let versions = files.iter().map(|(file, _)| file.clone());
    let store = stores.counting(VersionedStore::over(&open, versions, counters.remote()));
    let readers = PartReaders::new(
        store,
        engine.footers(url.as_str()),
        Some(recorded),
        Arc::clone(counters),
    );
    Ok(PartFiles {
        open,
        readers,
        files: files
            .into_iter()
            .map(|(file, _)| PartitionedFile::from(meta_of(file)))
            .collect(),
        url,
        schema,
    })
}

/// Texts are read as views into the decoded pages, without a copy. Key-value metadata says nothing to queries.
fn viewed(schema: &Schema) -> Schema {
    transform_schema_to_view(schema).with_metadata(HashMap::new())
}

fn found_of(open: &OpenLocation, part: &Part) -> Result<FoundFile, QueryError> {
    FoundFile::of_part(open, part).map_err(|error| from_file(&error))
}

/// The engine's record of a file.
pub(crate) fn meta_of(file: FoundFile) -> ObjectMeta {
    ObjectMeta {
        location: file.object,
        last_modified: DateTime::from_timestamp_micros(file.modified_at).unwrap_or_default(),
        size: file.bytes,
        e_tag: file.etag,
        version: None,
    }
}

fn internal(error: DataFusionError) -> QueryError {
    QueryError::internal(error.to_string())
}
