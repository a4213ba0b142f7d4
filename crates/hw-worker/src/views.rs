//! The store as the engine and the file layer see it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_catalog::TableName;
use hw_files::{FileError, Ledger};
use hw_query::{CatalogFault, StoredTable, Tables};
use hw_store::{Store, StoreError};

/// The catalog of a store, for the engine.
pub struct StoreTables(pub Arc<dyn Store>);

#[async_trait]
impl Tables for StoreTables {
    async fn table(&self, name: &TableName) -> Result<Option<StoredTable>, CatalogFault> {
        let Some(table) = self.0.load_table(name).await.map_err(CatalogFault::new)? else {
            return Ok(None);
        };
        let parts = self
            .0
            .load_parts(name, table.version)
            .await
            .map_err(CatalogFault::new)?;
        Ok(Some(StoredTable {
            query: table.view.as_ref().map(|view| view.query.as_str().into()),
            table: Arc::new(table),
            parts: parts.into(),
        }))
    }

    async fn names(&self) -> Result<Vec<TableName>, CatalogFault> {
        let tables = self.0.list_tables().await.map_err(CatalogFault::new)?;
        Ok(tables.into_iter().map(|table| table.name).collect())
    }
}

/// The file ledger of a store, for the file layer.
pub struct StoreLedger(pub Arc<dyn Store>);

#[async_trait]
impl Ledger for StoreLedger {
    async fn announce(&self, owner: &str, paths: &[String]) -> Result<(), FileError> {
        self.0.announce_files(owner, paths).await.map_err(refused)
    }

    async fn confirm(&self, paths: &[String]) -> Result<(), FileError> {
        self.0.confirm_files(paths).await.map_err(refused)
    }

    async fn unreferenced(&self, grace: Duration, limit: u32) -> Result<Vec<String>, FileError> {
        // The store counts whole seconds: a part of one is rounded up, so that no grace is cut short.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        self.0.condemn_files(seconds, limit).await.map_err(refused)
    }

    async fn forget(&self, paths: &[String]) -> Result<(), FileError> {
        self.0.forget_files(paths).await.map_err(refused)
    }
}

fn refused(error: StoreError) -> FileError {
    match error {
        StoreError::FileSwept(file) => FileError::Swept { file },
        other => FileError::Ledger {
            detail: other.to_string(),
        },
    }
}
