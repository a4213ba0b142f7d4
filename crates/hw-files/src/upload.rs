//! Writing one object: whole or not at all.

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, Fuse, FuturesUnordered};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UploadPart};

use crate::checksum::{Checksum, Hasher};
use crate::{FileError, OpenLocation, local};

/// Size of one part of a large upload. Stores take at most 10,000 parts, so a file may have 80 GB.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// Parts under way at the same time; with their buffers they bound the memory of one upload.
const PARTS_MAX: usize = 4;

/// Content that comes piece by piece; its first error ends the write, and nothing is published.
pub type Content<'a> = BoxStream<'a, Result<Bytes, FileError>>;

/// Size and checksum of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Size in bytes.
    pub bytes: u64,
    /// Checksum of the content.
    pub checksum: Checksum,
}

/// Writes a user's file at the location, replacing one that is there. Readers see the old file or the whole new one.
///
/// What earlier writes of ours left in that local folder because their processes were killed is removed with it: temporary
/// files that are older than a minute and that no living process holds.
///
/// # Errors
/// [`FileError::NotWritten`] or [`FileError::Refused`] from the store, or the content's own error; the old file, if
/// any, is untouched then.
///
/// Cancel-safe: a dropped future publishes nothing.
pub async fn write_atomically(open: &OpenLocation, content: Content<'_>) -> Result<Written, FileError> {
    let shown = open.location.shown();
    let written = write(&*open.store, &open.prefix, &shown, Existing::Replace, content).await;
    // A disk may be full of just these files. A folder that is refused is none of ours to look into.
    if !matches!(written, Err(FileError::Refused { .. })) {
        remove_left_over(open).await;
    }
    written
}

/// Uploads a user's file without showing it: it appears, or replaces the one that is there, when it is
/// [published](Aside::publish). Several files can so appear together, as nearly as a store allows.
///
/// For stores of objects. What a killed process leaves are parts of an upload that was not completed; nobody sees them, and
/// stores drop them by their own rules (S3: a lifecycle rule for incomplete multipart uploads).
///
/// # Errors
/// As [`write_atomically`].
pub async fn write_aside(open: &OpenLocation, content: Content<'_>) -> Result<Aside, FileError> {
    let mut parts = Parts::new(content);
    let first = parts.next().await?;
    upload(&*open.store, &open.prefix, &open.location.shown(), parts, first).await
}

/// An object that is whole in its store and that nobody sees yet. Dropped, it is called off.
#[derive(Debug)]
pub struct Aside {
    upload: AbortOnDrop,
    shown: String,
    written: Written,
}

impl Aside {
    /// Lets the object appear.
    ///
    /// # Errors
    /// As [`write_atomically`]; the old file, if any, is untouched then.
    pub async fn publish(mut self) -> Result<Written, FileError> {
        match self.upload.complete().await {
            Ok(()) => Ok(self.written),
            Err(error) => {
                self.upload.abort().await;
                Err(not_written(&self.shown, &error))
            }
        }
    }

    /// Size and checksum of the object.
    pub fn written(&self) -> Written {
        self.written
    }
}

async fn remove_left_over(open: &OpenLocation) {
    let Some(target) = open.location.local_path() else {
        return;
    };
    match tokio::task::spawn_blocking(move || local::remove_temporaries_beside(&target)).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(
            removed,
            place = open.location.shown(),
            "left-over temporary files were removed"
        ),
        Err(error) => tracing::debug!(%error, "left-over temporary files were not looked for"),
    }
}

/// The content of a text or buffer that is at hand.
pub fn content_of(bytes: impl Into<Bytes>) -> Content<'static> {
    let bytes = bytes.into();
    futures::stream::once(async move { Ok(bytes) }).boxed()
}

/// What becomes of an object that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Replace,
    Refuse,
}

pub(crate) async fn write(
    store: &dyn ObjectStore,
    path: &Path,
    shown: &str,
    existing: Existing,
    content: Content<'_>,
) -> Result<Written, FileError> {
    let mut parts = Parts::new(content);
    let first = parts.next().await?.unwrap_or_default();
    if first.len() < PART_BYTES {
        put(store, path, existing, first)
            .await
            .map_err(|error| not_written(shown, &error))?;
        return Ok(parts.written());
    }
    upload(store, path, shown, parts, Some(first)).await?.publish().await
}

async fn upload(
    store: &dyn ObjectStore,
    path: &Path,
    shown: &str,
    mut parts: Parts<'_>,
    first: Option<Bytes>,
) -> Result<Aside, FileError> {
    let upload = store
        .put_multipart(path)
        .await
        .map_err(|error| not_written(shown, &error))?;
    let mut upload = AbortOnDrop::new(upload);
    match write_parts(&mut upload, &mut parts, first).await {
        Ok(()) => Ok(Aside {
            upload,
            shown: shown.to_owned(),
            written: parts.written(),
        }),
        Err(fault) => {
            upload.abort().await;
            Err(match fault {
                PartFault::Content(error) => error,
                PartFault::Store(error) => not_written(shown, &error),
            })
        }
    }
}

enum PartFault {
    Content(FileError),
    Store(object_store::Error),
}

async fn write_parts(upload: &mut AbortOnDrop, parts: &mut Parts<'_>, first: Option<Bytes>) -> Result<(), PartFault> {
    let mut under_way = FuturesUnordered::new();
    let mut next = first;
    while let Some(part) = next {
        under_way.push(upload.put_part(part));
        if under_way.len() >= PARTS_MAX {
            under_way.try_next().await.map_err(PartFault::Store)?;
        }
        next = parts.next().await.map_err(PartFault::Content)?;
    }
    while under_way.try_next().await.map_err(PartFault::Store)?.is_some() {}
    Ok(())
}

/// Puts an object in one request. A store that knows no condition replaces; names of files that must not be replaced
/// are never used twice anyway.
async fn put(store: &dyn ObjectStore, path: &Path, existing: Existing, content: Bytes) -> object_store::Result<()> {
    let payload = PutPayload::from_bytes(content);
    if existing == Existing::Refuse {
        match store
            .put_opts(path, payload.clone(), PutOptions::from(PutMode::Create))
            .await
        {
            Err(object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. }) => {}
            other => return other.map(drop),
        }
    }
    store.put(path, payload).await.map(drop)
}

pub(crate) fn not_written(shown: &str, error: &object_store::Error) -> FileError {
    match FileError::of_store(shown, error) {
        FileError::Unreachable { place, detail } => FileError::NotWritten { place, detail },
        FileError::Vanished { file } => FileError::NotWritten {
            place: file,
            detail: "its folder has vanished".to_owned(),
        },
        other => other,
    }
}

/// Content cut into parts of equal size, the last one shorter; keeps count of what went through.
struct Parts<'a> {
    /// May be asked again after its end.
    content: Fuse<Content<'a>>,
    pending: BytesMut,
    hasher: Hasher,
    bytes: u64,
}

impl<'a> Parts<'a> {
    fn new(content: Content<'a>) -> Self {
        Self {
            content: content.fuse(),
            pending: BytesMut::new(),
            hasher: Hasher::new(),
            bytes: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, FileError> {
        while self.pending.len() < PART_BYTES {
            let Some(chunk) = self.content.try_next().await? else {
                break;
            };
            self.hasher.update(&chunk);
            self.bytes += chunk.len() as u64;
            self.pending.extend_from_slice(&chunk);
        }
        if self.pending.is_empty() {
            return Ok(None);
        }
        let length = self.pending.len().min(PART_BYTES);
        Ok(Some(self.pending.split_to(length).freeze()))
    }

    fn written(&self) -> Written {
        Written {
            bytes: self.bytes,
            checksum: self.hasher.finish(),
        }
    }
}

/// An upload that is called off when it is dropped before its end: else a cancelled task would leave its parts.
#[derive(Debug)]
struct AbortOnDrop {
    upload: Option<Box<dyn MultipartUpload>>,
}

impl AbortOnDrop {
    fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self { upload: Some(upload) }
    }

    fn put_part(&mut self, part: Bytes) -> UploadPart {
        match &mut self.upload {
            Some(upload) => upload.put_part(PutPayload::from_bytes(part)),
            None => Box::pin(async { Err(ended()) }),
        }
    }

    async fn complete(&mut self) -> object_store::Result<()> {
        let upload = self.upload.as_mut().ok_or_else(ended)?;
        upload.complete().await?;
        self.upload = None;
        Ok(())
    }

    async fn abort(&mut self) {
        if let Some(mut upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            tracing::debug!(%error, "an upload could not be called off");
        }
    }
}

fn ended() -> object_store::Error {
    object_store::Error::Generic {
        store: "upload",
        source: "the upload has ended".into(),
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    tracing::debug!(%error, "an upload could not be called off");
                }
            });
        }
    }
}
