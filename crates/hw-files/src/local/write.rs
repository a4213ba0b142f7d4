//! Writing local files: temporary file beside the target, flush, rename, flush of the folder.
//!
//! A file therefore has its whole content or does not exist, also after a power cut.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{MultipartUpload, PutMode, PutPayload, PutResult, Result, UploadPart};

use super::read::object_meta;
use super::{blocking, failed};

/// How the names of temporary files begin. Listings leave them out; only the sweeper looks for them.
const TEMPORARY: &str = ".hw-tmp-";

/// Whether a file's name is that of a write under way, or of one that was interrupted.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes())
}

pub(super) fn put(target: &FilePath, payload: &PutPayload, mode: PutMode) -> Result<PutResult> {
    let mut staged = Staged::create(target)?;
    for chunk in payload {
        staged.file.write_all(chunk).map_err(|error| failed(error, target))?;
    }
    staged.publish(target, &mode)
}

pub(super) fn copy(from: &FilePath, to: &FilePath, keep_existing: bool) -> Result<()> {
    let mut source = File::open(from).map_err(|error| failed(error, from))?;
    let mut staged = Staged::create(to)?;
    std::io::copy(&mut source, &mut staged.file).map_err(|error| failed(error, to))?;
    let mode = if keep_existing {
        PutMode::Create
    } else {
        PutMode::Overwrite
    };
    staged.publish(to, &mode).map(drop)
}

/// A temporary file; removed when it is dropped unpublished.
#[derive(Debug)]
struct Staged {
    file: File,
    path: Option<PathBuf>,
}

impl Staged {
    fn create(target: &FilePath) -> Result<Self> {
        let folder = target.parent().unwrap_or(FilePath::new("/"));
        let path = folder.join(format!("{TEMPORARY}{}", uuid::Uuid::now_v7().simple()));
        let create = || OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = match create() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                std::fs::create_dir_all(folder).map_err(|error| failed(error, folder))?;
                create()
            }
            other => other,
        };
        let file = file.map_err(|error| failed(error, target))?;
        Ok(Self { file, path: Some(path) })
    }

    fn publish(mut self, target: &FilePath, mode: &PutMode) -> Result<PutResult> {
        self.file.sync_all().map_err(|error| failed(error, target))?;
        let Some(staged) = self.path.as_ref() else {
            return Err(aborted());
        };
        match mode {
            PutMode::Overwrite => {
                std::fs::rename(staged, target).map_err(|error| failed(error, target))?;
                self.path = None;
            }
            // A hard link refuses an existing target where a rename would replace it.
            PutMode::Create => std::fs::hard_link(staged, target).map_err(|error| failed(error, target))?,
            PutMode::Update(_) => {
                return Err(object_store::Error::NotImplemented {
                    operation: "conditional update".to_owned(),
                    implementer: "the local file system".to_owned(),
                });
            }
        }
        sync_folder(target)?;
        let metadata = self.file.metadata().map_err(|error| failed(error, target))?;
        Ok(PutResult {
            e_tag: object_meta(&metadata, Default::default()).e_tag,
            version: None,
        })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::debug!(path = %path.display(), %error, "a temporary file stays for the sweeper");
        }
    }
}

fn sync_folder(target: &FilePath) -> Result<()> {
    let folder = target.parent().unwrap_or(FilePath::new("/"));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed(error, folder))
}

fn aborted() -> object_store::Error {
    object_store::Error::Generic {
        store: "local file system",
        source: "the upload has ended".into(),
    }
}

/// A file written in parts, each at its own offset.
#[derive(Debug)]
pub(super) struct Upload {
    target: PathBuf,
    staged: Option<Arc<Staged>>,
    offset: u64,
}

impl Upload {
    pub(super) fn begin(target: &FilePath) -> Result<Self> {
        Ok(Self {
            target: target.to_owned(),
            staged: Some(Arc::new(Staged::create(target)?)),
            offset: 0,
        })
    }
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut offset = self.offset;
        self.offset += data.content_length() as u64;
        let staged = self.staged.clone();
        let target = self.target.clone();
        blocking(move || {
            let staged = staged.ok_or_else(aborted)?;
            for chunk in &data {
                staged
                    .file
                    .write_all_at(chunk, offset)
                    .map_err(|error| failed(error, &target))?;
                offset += chunk.len() as u64;
            }
            Ok(())
        })
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        // A part that is still being written holds the file too, and then the upload is not complete.
        let staged = self.staged.take().and_then(Arc::into_inner).ok_or_else(aborted)?;
        let target = self.target.clone();
        blocking(move || staged.publish(&target, &PutMode::Overwrite)).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.staged.take().map(drop).ok_or_else(aborted)
    }
}
