//! A small catalog and small files for the tests of this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt;
use futures::TryStreamExt;
use hw_catalog::{Dataset, Groups, Part, Table, TableKind, TableName, TableVersion};
use hw_files::{Access, FileStores, Location, StoreLimits, discover};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::{
    CatalogFault, Engine, EngineConfig, LineEnd, QueryError, RowFormat, Session, SessionInput, StoredTable, Tables,
};

/// A folder with files, a catalog in memory, an engine.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) tables: Arc<MemoryTables>,
    pub(crate) engine: Engine,
    pub(crate) stores: Arc<FileStores>,
}

#[derive(Default)]
pub(crate) struct MemoryTables {
    stored: Mutex<BTreeMap<TableName, StoredTable>>,
    broken: Mutex<bool>,
}

impl MemoryTables {
    pub(crate) fn put(&self, stored: StoredTable) {
        self.stored.lock().unwrap().insert(stored.table.name.clone(), stored);
    }

    pub(crate) fn stored(&self, name: &str) -> StoredTable {
        self.stored.lock().unwrap()[&name.parse().unwrap()].clone()
    }

    /// Lets every look-up fail.
    pub(crate) fn shut(&self) {
        *self.broken.lock().unwrap() = true;
    }

    fn check(&self) -> Result<(), CatalogFault> {
        match *self.broken.lock().unwrap() {
            true => Err(CatalogFault::new("the store is locked")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Tables for MemoryTables {
    async fn table(&self, name: &TableName) -> Result<Option<StoredTable>, CatalogFault> {
        self.check()?;
        Ok(self.stored.lock().unwrap().get(name).cloned())
    }

    async fn names(&self) -> Result<Vec<TableName>, CatalogFault> {
        self.check()?;
        Ok(self.stored.lock().unwrap().keys().cloned().collect())
    }
}

pub(crate) fn config(folder: &Path) -> EngineConfig {
    EngineConfig {
        hot_limit: 0,
        memory_limit: 256 << 20,
        spill_limit: 256 << 20,
        spill_dir: folder.join("spill"),
        threads: 2,
        batch_size: 8192,
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut EngineConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let stores = Arc::new(FileStores::new([], StoreLimits::default()));
        Self {
            tables: Arc::default(),
            engine: Engine::new(&config, Arc::clone(&stores)).unwrap(),
            stores,
            folder,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file with text, folders included.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Writes a Parquet file with row groups of `group` rows.
    pub(crate) fn parquet(&self, name: &str, batch: &RecordBatch, group: usize) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(group))
            .build();
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(batch).unwrap();
        writer.close().unwrap();
        path
    }

    pub(crate) fn session(&self) -> Session {
        self.session_with(Access::Unrestricted)
    }

    pub(crate) fn session_with(&self, access: Access) -> Session {
        self.engine.session(SessionInput {
            tables: Arc::clone(&self.tables) as Arc<dyn Tables>,
            access,
            folder: Some(self.folder.path().to_owned()),
        })
    }

    /// Registers the Parquet files of a folder as a dataset with the schema of `batch`.
    pub(crate) async fn register(&self, name: &str, folder: &str, batch: &RecordBatch) -> StoredTable {
        let location = Location::of_path(&self.path(folder), None).unwrap().into_folder();
        let open = self.stores.open(&location).unwrap();
        let found = discover(&open, "*.parquet", false, 1000).await.unwrap();
        let parts: Vec<Part> = found.iter().map(|file| file.to_part(None)).collect();
        let stored = stored(name, location.url().to_string(), parts, batch);
        self.tables.put(stored.clone());
        stored
    }

    pub(crate) fn view(&self, name: &str, sql: &str) {
        let empty = RecordBatch::new_empty(Arc::new(arrow_schema::Schema::empty()));
        let mut stored = stored(name, String::new(), Vec::new(), &empty);
        let mut table = (*stored.table).clone();
        table.kind = TableKind::View;
        table.dataset = None;
        stored.table = Arc::new(table);
        stored.query = Some(sql.into());
        self.tables.put(stored);
    }

    /// The answer as CSV with `\n`, or the error.
    pub(crate) async fn csv(&self, sql: &str) -> Result<String, QueryError> {
        csv(&self.session(), sql, &[]).await
    }
}

fn stored(name: &str, location: String, parts: Vec<Part>, batch: &RecordBatch) -> StoredTable {
    let table = Table {
        name: name.parse().unwrap(),
        kind: TableKind::Dataset,
        version: TableVersion(7),
        schema: batch.schema().as_ref().clone(),
        group_column: None,
        time_column: None,
        groups: Groups::Split,
        sorted_by: Vec::new(),
        rows: Some(4),
        bytes: parts.iter().map(|part| part.bytes).sum(),
        columns: Vec::new(),
        unsupported: Vec::new(),
        dataset: Some(Dataset {
            location,
            pattern: "*.parquet".to_owned(),
            recursive: false,
            parts: parts.len() as u64,
            inspected: 0,
            containment_proven: false,
        }),
        registered_at: 0,
        origin: None,
        comment: None,
        repartition: None,
        view: None,
    };
    StoredTable {
        table: Arc::new(table),
        parts: parts.into(),
        query: None,
    }
}

pub(crate) async fn csv(session: &Session, sql: &str, params: &[Value]) -> Result<String, QueryError> {
    text(session, sql, params, RowFormat::Csv(LineEnd::Lf)).await
}

pub(crate) async fn text(
    session: &Session,
    sql: &str,
    params: &[Value],
    format: RowFormat,
) -> Result<String, QueryError> {
    let rows = session.run(sql, params).await?;
    let chunks: Vec<_> = rows.encode(format, None)?.boxed().try_collect().await?;
    Ok(String::from_utf8(chunks.concat()).unwrap())
}

/// An error as a few lines: code, place, message, help of each finding.
pub(crate) fn told(error: &QueryError) -> String {
    let findings = error.findings();
    findings.iter().fold(String::new(), |mut told, finding| {
        let place = match (finding.line, finding.column, finding.offset) {
            (Some(line), Some(column), Some(offset)) => format!(" at {line}:{column} (byte {offset})"),
            _ => finding
                .pointer
                .as_ref()
                .map(|pointer| format!(" at {pointer}"))
                .unwrap_or_default(),
        };
        told += &format!("{}{place}: {}\n", finding.code, finding.message);
        if let Some(help) = &finding.help {
            told += &format!("    {help}\n");
        }
        told
    })
}
