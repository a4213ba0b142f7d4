//! Results and outcomes that are too large for the store go to the file layer.

use std::sync::Arc;

use hw_catalog::Part;
use hw_files::{FileError, Files, Owner, Published};
use hw_job::{ErrorClass, Failure, JobId, StoredDocument};
use object_store::ObjectStoreExt as _;
use serde_json::Value;

/// Media type of a document that is kept in a file.
const JSON: &str = "application/json";

/// Keeps documents of jobs: small ones travel in the store, large ones become files of the deployment.
pub struct FileDocuments {
    files: Arc<Files>,
}

impl FileDocuments {
    /// Documents among these files.
    pub fn new(files: Arc<Files>) -> Self {
        Self { files }
    }

    /// The files.
    pub fn files(&self) -> &Arc<Files> {
        &self.files
    }

    /// Keeps a document of a job. A file is announced before it is written; whoever refers to it confirms.
    ///
    /// # Errors
    /// A failure of class `external` if it could not be written; then nothing is kept.
    pub async fn keep(&self, job: JobId, document: Value) -> Result<StoredDocument, Failure> {
        let text = document.to_string();
        if text.len() <= StoredDocument::INLINE_BYTES_MAX {
            return Ok(StoredDocument::Inline(document));
        }
        let published = self
            .files
            .publish(&Owner::Job(job.to_string()), "document.json", text)
            .await
            .map_err(unwritten)?;
        Ok(stored(published, JSON))
    }

    /// The document itself.
    ///
    /// # Errors
    /// A failure of class `platform` if it is gone or was damaged.
    pub async fn load(&self, stored: &StoredDocument) -> Result<Value, Failure> {
        match stored {
            StoredDocument::Inline(document) => Ok(document.clone()),
            StoredDocument::File {
                path, bytes, checksum, ..
            } => {
                let checksum = checksum
                    .parse()
                    .map_err(|_| unreadable(path, &"its checksum is none"))?;
                let published = Published {
                    path: path.clone(),
                    bytes: *bytes,
                    checksum,
                };
                let content = self
                    .files
                    .read(&published)
                    .await
                    .map_err(|error| unreadable(path, &error))?;
                serde_json::from_slice(&content).map_err(|error| unreadable(path, &error))
            }
        }
    }
}

/// How the store refers to a file.
pub(crate) fn stored(published: Published, media_type: &str) -> StoredDocument {
    StoredDocument::File {
        path: published.path,
        media_type: media_type.to_owned(),
        bytes: published.bytes,
        checksum: published.checksum.to_string(),
    }
}

/// A Parquet file of ours as the part of a table whose location is the file root.
///
/// # Errors
/// A failure if the file is not there.
pub(crate) async fn part_of(files: &Files, file: &Published, rows: u64) -> Result<Part, Failure> {
    let found = files.found(file).map_err(|error| crate::file_failure(&error))?;
    let stored = files.root().store.head(&found.object).await.map_err(|error| {
        let shown = files.root().shown(&found);
        crate::file_failure(&FileError::of_store(shown, &error))
    })?;
    Ok(Part {
        etag: stored.e_tag,
        modified_at: stored.last_modified.timestamp_micros(),
        ..found.to_part(Some(rows))
    })
}

fn unwritten(error: FileError) -> Failure {
    Failure::new(
        ErrorClass::External,
        "HW-J016",
        format!("a document could not be written: {error}"),
    )
    .help("make room in the file layer and run it again")
}

fn unreadable(path: &str, reason: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        ErrorClass::Platform,
        "HW-J015",
        format!("the document `{path}` cannot be read: {reason}"),
    )
    .help("it was removed or damaged; run the job again")
}
