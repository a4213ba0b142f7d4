//! The file layer's documents as the controller takes them.

use std::sync::Arc;

use async_trait::async_trait;
use hw_controller::{DocumentError, Documents};
use hw_job::{JobId, StoredDocument};
use hw_worker::FileDocuments;
use serde_json::Value;

/// Documents of jobs, large ones as files.
pub(super) struct KeptDocuments(pub(super) Arc<FileDocuments>);

#[async_trait]
impl Documents for KeptDocuments {
    async fn keep(&self, job: JobId, document: Value) -> Result<StoredDocument, DocumentError> {
        let kept = self.0.keep(job, document).await;
        kept.map_err(|failure| DocumentError::Files(failure.message))
    }

    async fn load(&self, stored: &StoredDocument) -> Result<Value, DocumentError> {
        let loaded = self.0.load(stored).await;
        loaded.map_err(|failure| DocumentError::Gone(failure.message))
    }
}
