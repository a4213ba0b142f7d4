//! Large documents on a disk that may be full.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hw_controller::{DocumentError, Documents};
use hw_job::{JobId, StoredDocument};
use hw_store::Store;
use serde_json::Value;

/// The files of the deployment.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    files: Mutex<BTreeMap<String, Value>>,
    full: AtomicBool,
}

impl Disk {
    pub(crate) fn fill(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Paths of all files.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.files().keys().cloned().collect()
    }

    pub(crate) fn read(&self, stored: &StoredDocument) -> Option<Value> {
        match stored {
            StoredDocument::Inline(document) => Some(document.clone()),
            StoredDocument::File { path, .. } => self.files().get(path).cloned(),
        }
    }

    fn write(&self, path: &str, document: Value) -> Result<(), DocumentError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(DocumentError::Files("no space left on device".to_owned()));
        }
        self.files().insert(path.to_owned(), document);
        Ok(())
    }

    fn new_path(&self, job: JobId) -> String {
        format!("jobs/{job}/{}", self.files().len())
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Value>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps documents that call themselves large on the disk, announced in the process's own store.
pub(crate) struct DiskDocuments {
    pub(crate) disk: Arc<Disk>,
    pub(crate) store: Arc<dyn Store>,
}

#[async_trait]
impl Documents for DiskDocuments {
    async fn keep(&self, job: JobId, document: Value) -> Result<StoredDocument, DocumentError> {
        if document.get("large") != Some(&Value::Bool(true)) {
            return Ok(StoredDocument::Inline(document));
        }
        let path = self.disk.new_path(job);
        let announced = self
            .store
            .announce_files(&format!("jobs/{job}"), std::slice::from_ref(&path))
            .await;
        announced.map_err(|error| DocumentError::Files(error.to_string()))?;
        self.disk.write(&path, document)?;
        Ok(StoredDocument::File {
            path,
            media_type: "application/json".to_owned(),
            bytes: 1,
            checksum: "0".to_owned(),
        })
    }

    async fn load(&self, stored: &StoredDocument) -> Result<Value, DocumentError> {
        self.disk
            .read(stored)
            .ok_or_else(|| DocumentError::Gone(format!("{stored:?}")))
    }
}
