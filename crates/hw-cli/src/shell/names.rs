//! Names that a person may want to complete: read once in the background, and again after each statement.

use std::sync::{Arc, Mutex, PoisonError};

use hw_api::{TableDocument, TableList};

use crate::client::{Call, Client};
use crate::failure::Failure;

/// Tables whose columns are asked for; a catalog may have very many.
const TABLES_MAX: usize = 64;

/// Tables and columns, shared between the one who reads them and the one who completes.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    inner: Arc<Mutex<Known>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) tables: Vec<String>,
    pub(super) columns: Vec<String>,
}

impl Names {
    pub(super) fn known(&self) -> Known {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, known: Known) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Reads the names. That they cannot be read is no reason to stop: nothing is proposed then.
    pub(super) async fn refresh(&self, client: &Client) {
        if let Ok(known) = load(client).await {
            self.set(known);
        }
    }
}

async fn load(client: &Client) -> Result<Known, Failure> {
    let list: TableList = client.document(Call::get(&["tables"])).await?.parse()?;
    let mut known = Known {
        tables: list.items.into_iter().map(|table| table.name).collect(),
        columns: Vec::new(),
    };
    for name in known.tables.iter().take(TABLES_MAX) {
        let table: TableDocument = client.document(Call::get(&["tables", name])).await?.parse()?;
        known
            .columns
            .extend(table.columns.into_iter().map(|column| column.name));
    }
    known.columns.sort();
    known.columns.dedup();
    Ok(known)
}
