//! Where the bytes of a file come from.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{GetOptions, GetRange, GetResultPayload, ObjectStoreExt};
use tokio::runtime::Handle;

use crate::{FileError, FoundFile, OpenLocation, Scheme};

/// Bytes of one file by range. Calls block, so they belong on threads for work.
pub trait ReadRange: Send + Sync {
    /// Name of the file, for messages.
    fn shown(&self) -> &str;

    /// Size in bytes.
    fn size(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`FileError`] if the file ends earlier, has changed, or the store does not answer.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), FileError>;
}

/// Opens a file as it was found. Local files are read by offset; other stores on `runtime`, which must not be the one whose
/// thread calls [`ReadRange::read`].
///
/// # Errors
/// [`FileError::Vanished`], [`FileError::Changed`] if a local file is another than when it was found, and the store's own.
pub async fn source(open: &OpenLocation, file: &FoundFile, runtime: Handle) -> Result<Arc<dyn ReadRange>, FileError> {
    let shown = open.shown(file);
    if open.location.scheme() == Scheme::Local {
        let answer = open.store.get(&file.object).await;
        let answer = answer.map_err(|error| FileError::of_store(&shown, &error))?;
        let another = matches!((&answer.meta.e_tag, &file.etag), (Some(now), Some(then)) if now != then);
        if another || answer.meta.size != file.bytes {
            return Err(FileError::Changed {
                file: shown,
                expected: file.bytes,
                found: answer.meta.size,
            });
        }
        if let GetResultPayload::File(local, _) = answer.payload {
            let size = file.bytes;
            return Ok(Arc::new(LocalFile {
                file: local,
                shown,
                size,
            }));
        }
    }
    Ok(Arc::new(StoredFile {
        open: open.clone(),
        file: file.clone(),
        shown,
        runtime,
    }))
}

/// A file that this process has open.
#[derive(Debug)]
pub struct LocalFile {
    file: File,
    shown: String,
    size: u64,
}

impl LocalFile {
    /// Takes an open file; `shown` names it in messages.
    ///
    /// # Errors
    /// [`FileError::Unreachable`] if its size cannot be told.
    pub fn new(file: File, shown: impl Into<String>) -> Result<Self, FileError> {
        let shown = shown.into();
        let size = file.metadata().map_err(|error| unreachable(&shown, &error))?.len();
        Ok(Self { file, shown, size })
    }
}

impl ReadRange for LocalFile {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), FileError> {
        let read = self.file.read_exact_at(into, offset);
        read.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => FileError::Changed {
                file: self.shown.clone(),
                expected: self.size,
                found: self.file.metadata().map_or(0, |metadata| metadata.len()),
            },
            _ => unreachable(&self.shown, &error),
        })
    }
}

fn unreachable(shown: &str, error: &std::io::Error) -> FileError {
    FileError::Unreachable {
        place: shown.to_owned(),
        detail: error.to_string(),
    }
}

/// A file in an object store.
struct StoredFile {
    open: OpenLocation,
    file: FoundFile,
    shown: String,
    runtime: Handle,
}

impl StoredFile {
    /// One request, answered only if the object is still the one that was found.
    async fn fetch(&self, offset: u64, into: &mut [u8]) -> Result<(), object_store::Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(offset..offset + into.len() as u64)),
            if_match: self.file.etag.clone(),
            ..GetOptions::default()
        };
        let answer = self.open.store.get_opts(&self.file.object, options).await?;
        let mut parts = answer.into_stream();
        let mut rest = into;
        while let Some(part) = parts.try_next().await? {
            rest = append(rest, &part);
        }
        match rest.is_empty() {
            true => Ok(()),
            false => Err(object_store::Error::Generic {
                store: "answer",
                source: "it is shorter than the range asked for".into(),
            }),
        }
    }
}

/// Copies as much as there is room for; returns the room left.
fn append<'a>(to: &'a mut [u8], part: &Bytes) -> &'a mut [u8] {
    let (now, later) = to.split_at_mut(part.len().min(to.len()));
    now.copy_from_slice(part.get(..now.len()).unwrap_or_default());
    later
}

impl ReadRange for StoredFile {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn size(&self) -> u64 {
        self.file.bytes
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), FileError> {
        match self.runtime.block_on(self.fetch(offset, into)) {
            Ok(()) => Ok(()),
            Err(object_store::Error::Precondition { .. }) => Err(FileError::Changed {
                file: self.shown.clone(),
                expected: self.file.bytes,
                found: self.file.bytes,
            }),
            Err(error) => Err(FileError::of_store(&self.shown, &error)),
        }
    }
}
