//! How the engine sees the catalog.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use hw_catalog::{Part, Table, TableName};

/// The tables that a session sees. The store implements it.
#[async_trait]
pub trait Tables: Send + Sync {
    /// The current version of a table with all its parts, `None` if there is no table of exactly this name.
    ///
    /// # Errors
    /// [`CatalogFault`] if the catalog did not answer.
    async fn table(&self, name: &TableName) -> Result<Option<StoredTable>, CatalogFault>;

    /// The names of all tables, for listings and proposals, in any order.
    ///
    /// # Errors
    /// [`CatalogFault`] if the catalog did not answer.
    async fn names(&self) -> Result<Vec<TableName>, CatalogFault>;
}

/// A table with what is kept beside it.
#[derive(Debug, Clone)]
pub struct StoredTable {
    /// What the catalog knows of it.
    pub table: Arc<Table>,
    /// The parts of a dataset, in stored order; empty for views.
    pub parts: Arc<[Part]>,
    /// The query of a view; `None` for other kinds.
    pub query: Option<Arc<str>>,
}

/// The catalog did not answer.
#[derive(Debug)]
pub struct CatalogFault(Box<dyn Error + Send + Sync>);

impl CatalogFault {
    /// A fault told by the store's own error.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for CatalogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for CatalogFault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
