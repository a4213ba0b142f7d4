//! Where the bytes of a file come from.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use object_store::{GetResultPayload, ObjectStoreExt};
use tokio::runtime::Handle;

use crate::cache::{First, download};
use crate::{FileError, FoundFile, OpenLocation, ReadTally, Scheme};

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

    /// Tells that these ranges will be read soon, so that a remote file can be asked for them at once. Never fails: what
    /// could not be fetched is fetched when it is read.
    fn prepare(&self, ranges: &[Range<u64>]) {
        let _ = ranges;
    }
}

/// Opens a file as it was found. Local files are read by offset; other stores on `runtime`, which must not be the one whose
/// thread calls [`ReadRange::read`], and counted in `tally`.
///
/// # Errors
/// [`FileError::Vanished`], [`FileError::Changed`] if a local file is another than when it was found, and the store's own.
pub async fn source(
    open: &OpenLocation,
    file: &FoundFile,
    runtime: Handle,
    tally: &Arc<ReadTally>,
) -> Result<Arc<dyn ReadRange>, FileError> {
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
        tally: Arc::clone(tally),
        ahead: Mutex::default(),
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

/// Bytes of one request of a read: what it takes of memory besides the place that is filled.
const READ_BYTES_MAX: usize = 8 << 20;

/// A file in an object store.
struct StoredFile {
    open: OpenLocation,
    file: FoundFile,
    shown: String,
    runtime: Handle,
    tally: Arc<ReadTally>,
    /// What was downloaded ahead: reading it is no use of the cache.
    ahead: Mutex<Vec<Range<u64>>>,
}

impl StoredFile {
    /// As many bytes as there is room for, if the object is still the one that was found.
    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, object_store::Error> {
        let Some(cache) = &self.open.cache else {
            return download(&self.open, &self.file, range, &self.tally).await;
        };
        let is_within = |ahead: &Range<u64>| ahead.start <= range.start && range.end <= ahead.end;
        let first = match self.lock().iter().any(is_within) {
            true => First::No,
            false => First::Yes,
        };
        let read = cache.read(&self.open, &self.file, &[range], first, &self.tally).await?;
        Ok(read.into_iter().next().unwrap_or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Range<u64>>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadRange for StoredFile {
    fn shown(&self) -> &str {
        &self.shown
    }

    fn size(&self) -> u64 {
        self.file.bytes
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), FileError> {
        let mut at = offset;
        for some in into.chunks_mut(READ_BYTES_MAX) {
            self.fill(at, some)?;
            at += some.len() as u64;
        }
        Ok(())
    }

    fn prepare(&self, ranges: &[Range<u64>]) {
        if let Some(cache) = &self.open.cache {
            let prepared = cache.prepare(&self.open, &self.file, ranges, &self.tally);
            let downloaded = self.runtime.block_on(prepared);
            self.lock().extend(downloaded);
        }
    }
}

impl StoredFile {
    fn fill(&self, offset: u64, into: &mut [u8]) -> Result<(), FileError> {
        let range = offset..offset + into.len() as u64;
        match self.runtime.block_on(self.fetch(range)) {
            Ok(bytes) if bytes.len() == into.len() => {
                into.copy_from_slice(&bytes);
                Ok(())
            }
            Ok(_) => Err(FileError::Unreachable {
                place: self.shown.clone(),
                detail: "the answer is shorter than the range asked for".to_owned(),
            }),
            Err(object_store::Error::Precondition { .. }) => Err(FileError::Changed {
                file: self.shown.clone(),
                expected: self.file.bytes,
                found: self.file.bytes,
            }),
            Err(error) => Err(FileError::of_store(&self.shown, &error)),
        }
    }
}
