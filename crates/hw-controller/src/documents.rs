//! Results and outcomes that are too large for the store.

use async_trait::async_trait;
use hw_job::{JobId, StoredDocument};
use serde_json::Value;

/// Why a document could not be kept or loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It was kept for its time and is gone, or was damaged.
    #[error("the document {0} is no longer there or was damaged")]
    Gone(String),
    /// The file layer did not do what it was asked.
    #[error("the file layer did not answer: {0}")]
    Files(String),
}

/// Keeps documents of any size. Small ones travel in the store itself.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Keeps a document of a job. A file is announced before it is written; whoever refers to it confirms.
    ///
    /// # Errors
    /// [`DocumentError::Files`]; then nothing is kept.
    async fn keep(&self, job: JobId, document: Value) -> Result<StoredDocument, DocumentError>;

    /// The document itself.
    ///
    /// # Errors
    /// [`DocumentError`] if it cannot be had.
    async fn load(&self, stored: &StoredDocument) -> Result<Value, DocumentError>;
}

/// Documents that never leave the store, for tests and simulation.
#[derive(Debug, Clone, Copy, Default)]
pub struct InlineDocuments;

#[async_trait]
impl Documents for InlineDocuments {
    async fn keep(&self, _job: JobId, document: Value) -> Result<StoredDocument, DocumentError> {
        Ok(StoredDocument::Inline(document))
    }

    async fn load(&self, stored: &StoredDocument) -> Result<Value, DocumentError> {
        match stored {
            StoredDocument::Inline(document) => Ok(document.clone()),
            StoredDocument::File { path, .. } => Err(DocumentError::Gone(path.clone())),
        }
    }
}
