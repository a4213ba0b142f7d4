//! Scans of known files: the parts of a registered table, or the files that a statement names.
//!
//! Both are the same provider over a list of files with one schema. Parts are held against what was registered when
//! they are opened (`parquet.rs`): a part that is gone, cut or of another schema ends the query, so that an answer is
//! never short of rows.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::common::stats::Precision;
use datafusion::common::{Statistics, project_schema};
use datafusion::datasource::TableType;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

use crate::counters::Counters;

mod parquet;

pub(crate) use parquet::{PartReaders, Recorded};

/// How the files are read.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    /// Parquet, through our readers.
    Parquet(Arc<PartReaders>),
    /// A text or IPC format of the engine.
    Other(Arc<dyn FileFormat>),
}

/// A table over a fixed list of files.
pub(crate) struct FilesTable {
    schema: SchemaRef,
    store: ObjectStoreUrl,
    files: Vec<PartitionedFile>,
    reading: Reading,
    rows: Option<u64>,
    threads: usize,
    counters: Arc<Counters>,
}

impl FilesTable {
    /// A table of `files` within `store`, whose rows have `schema`, read by `threads`. `rows` is an estimate for the planner.
    pub(crate) fn new(
        schema: SchemaRef,
        store: ObjectStoreUrl,
        files: Vec<PartitionedFile>,
        reading: Reading,
        rows: Option<u64>,
        threads: usize,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            schema,
            store,
            files,
            reading,
            rows,
            threads,
            counters,
        }
    }

    /// One for each thread at most, even if what is read is distributed over more partitions.
    fn groups(&self, partitions: usize) -> Vec<FileGroup> {
        FileGroup::new(self.files.clone()).split_files(partitions.min(self.threads))
    }

    /// Never exact: counts and bounds must come from the files, so that a missing file is noticed.
    fn estimate(&self) -> Statistics {
        let mut statistics = Statistics::new_unknown(&self.schema);
        if let Some(rows) = self.rows.and_then(|rows| usize::try_from(rows).ok()) {
            statistics.num_rows = Precision::Inexact(rows);
        }
        let bytes: u64 = self.files.iter().map(|file| file.object_meta.size).sum();
        statistics.total_byte_size = Precision::Inexact(usize::try_from(bytes).unwrap_or(usize::MAX));
        statistics
    }

    fn configuration(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<FileScanConfig, DataFusionError> {
        let table_schema = TableSchema::from(Arc::clone(&self.schema));
        let source = match &self.reading {
            Reading::Parquet(readers) => Arc::new(
                ParquetSource::new(table_schema)
                    .with_table_parquet_options(session.table_options().parquet.clone())
                    .with_parquet_file_reader_factory(Arc::clone(readers) as Arc<dyn ParquetFileReaderFactory>),
            ),
            Reading::Other(format) => format.file_source(table_schema),
        };
        let builder = FileScanConfigBuilder::new(self.store.clone(), source)
            .with_file_groups(self.groups(session.config().target_partitions()))
            .with_statistics(self.estimate())
            .with_limit(limit)
            .with_projection_indices(projection.cloned())?;
        Ok(builder.build())
    }
}

impl fmt::Debug for FilesTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesTable")
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// Filters are not asked for here: the physical optimiser hands them to Parquet scans, which skip row groups and pages by
/// them, and leaves the filter above the scan.
#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        if self.files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema, projection)?)));
        }
        self.counters.add_files(self.files.len());
        let configuration = self.configuration(session, projection, limit)?;
        match &self.reading {
            Reading::Parquet(_) => Ok(DataSourceExec::from_data_source(configuration)),
            Reading::Other(format) => {
                for file in &self.files {
                    self.counters.note_read(file.object_meta.location.as_ref());
                }
                format.create_physical_plan(session, configuration).await
            }
        }
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.estimate())
    }
}
