//! The catalog behind the traits that the planner asks.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, SchemaProvider, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::TableType;
use hw_catalog::{TableKind, TableName};

use super::{CATALOG, Key, StatementCatalog, locked};
use crate::error::QueryError;

impl CatalogProviderList for StatementCatalog {
    fn register_catalog(&self, _: String, _: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        None
    }

    fn catalog_names(&self) -> Vec<String> {
        vec![CATALOG.to_owned()]
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        let own = self.own.upgrade()?;
        (name == CATALOG).then(|| Arc::new(Catalog(own)) as Arc<dyn CatalogProvider>)
    }
}

#[derive(Debug)]
struct Catalog(Arc<StatementCatalog>);

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        self.0.schema_names()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        Some(Arc::new(Schema {
            catalog: Arc::clone(&self.0),
            name: name.to_owned(),
        }))
    }
}

#[derive(Debug)]
struct Schema {
    catalog: Arc<StatementCatalog>,
    name: String,
}

impl Schema {
    fn key(&self, table: &str) -> Key {
        (self.name.clone(), table.to_owned())
    }
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        let names = locked(&self.catalog.names);
        let mut here: Vec<String> = names
            .iter()
            .filter(|name| name.schema() == self.name)
            .map(|name| name.name().to_owned())
            .collect();
        here.sort();
        here
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let key = self.key(name);
        let found = locked(&self.catalog.found).get(&key).cloned();
        if found.is_some() {
            return Ok(found);
        }
        match self.catalog.stored(&key, 0).await {
            Ok(table) => Ok(table),
            // Only listings ask for what the statement does not name; a broken view must not break them.
            Err(QueryError::Statement(_)) => Ok(None),
            Err(other) => Err(other.into()),
        }
    }

    /// Told from the catalog alone: a listing plans no view.
    async fn table_type(&self, name: &str) -> Result<Option<TableType>, DataFusionError> {
        let Ok(name) = TableName::new(&self.name, name) else {
            return Ok(None);
        };
        let stored = self
            .catalog
            .input
            .tables
            .table(&name)
            .await
            .map_err(QueryError::Catalog)?;
        Ok(stored.map(|stored| match stored.table.kind {
            TableKind::View => TableType::View,
            TableKind::Bucket | TableKind::Dataset | TableKind::Lake | TableKind::Mirror | TableKind::Managed => {
                TableType::Base
            }
        }))
    }

    fn table_exist(&self, name: &str) -> bool {
        locked(&self.catalog.found).contains_key(&self.key(name))
            || locked(&self.catalog.names)
                .iter()
                .any(|known| known.schema() == self.name && known.name() == name)
    }
}
