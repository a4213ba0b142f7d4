//! Writing local files: temporary file beside the target, flush, rename, flush of the folder.
//!
//! A file therefore has its whole content or does not exist, also after a power cut.

use std::ffi::OsStr;
use std::fs::{DirBuilder, DirEntry, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::{MultipartUpload, PutMode, PutPayload, PutResult, Result, UploadPart};

use super::read::object_meta;
use super::{blocking, failed};

/// How the names of temporary files begin; an id follows. Listings leave them out; only who sweeps looks for them.
const TEMPORARY: &str = ".hw-tmp-";

/// Temporary files younger than this are never swept.
const ABANDONED_SECONDS_MIN: i64 = 60;

/// Attempts to make a temporary file.
const TRIES: usize = 20;

/// Whether a file's name is that of a write of ours under way, or of one that was interrupted: nothing else is called so,
/// as an id of ours ends it.
pub(crate) fn is_temporary(name: &OsStr) -> bool {
    let id = name.to_str().and_then(|name| name.strip_prefix(TEMPORARY));
    let is_plain =
        |id: &&str| id.len() == uuid::fmt::Simple::LENGTH && !id.bytes().any(|byte| byte.is_ascii_uppercase());
    let id = id.filter(is_plain).and_then(|id| uuid::Uuid::try_parse(id).ok());
    id.is_some_and(|id| id.get_version() == Some(uuid::Version::SortRand))
}

pub(super) fn temporary_name() -> String {
    format!("{TEMPORARY}{}", uuid::Uuid::now_v7().simple())
}

/// For whom new files and folders are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Privacy {
    /// As the process makes any file: the umask says.
    #[default]
    AsUsual,
    /// For its user alone, whatever the umask and the folder above let others do.
    Own,
}

impl Privacy {
    fn file_mode(self) -> u32 {
        match self {
            Self::AsUsual => 0o666,
            Self::Own => 0o600,
        }
    }

    fn folder_mode(self) -> u32 {
        match self {
            Self::AsUsual => 0o777,
            Self::Own => 0o700,
        }
    }
}

pub(super) fn put(target: &FilePath, payload: &PutPayload, mode: PutMode, privacy: Privacy) -> Result<PutResult> {
    let mut staged = Staged::create(target, privacy)?;
    for chunk in payload {
        staged.file.write_all(chunk).map_err(|error| failed(error, target))?;
    }
    staged.publish(target, &mode)
}

pub(super) fn copy(from: &FilePath, to: &FilePath, keep_existing: bool, privacy: Privacy) -> Result<()> {
    let mut source = File::open(from).map_err(|error| failed(error, from))?;
    let mut staged = Staged::create(to, privacy)?;
    std::io::copy(&mut source, &mut staged.file).map_err(|error| failed(error, to))?;
    let mode = if keep_existing {
        PutMode::Create
    } else {
        PutMode::Overwrite
    };
    staged.publish(to, &mode).map(drop)
}

/// Removes temporary files below a folder that no living process holds, and counts them. Links are not followed.
pub(crate) fn remove_temporaries(root: &FilePath) -> u64 {
    let Some(now) = file_system_time(root) else { return 0 };
    let mut removed = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && is_temporary(&entry.file_name()) => {
                    removed += u64::from(remove_folder_if_abandoned(&entry.path(), now));
                }
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && is_temporary(&entry.file_name()) => {
                    removed += u64::from(remove_if_abandoned(&entry.path(), now));
                }
                _ => {}
            }
        }
    }
    removed
}

/// Removes temporary files and staging folders in the folder of a user's file that no living process holds, and counts them.
/// Nothing else in that folder is touched, nor anything below it.
pub(crate) fn remove_temporaries_beside(target: &FilePath) -> u64 {
    let Some(folder) = target.parent() else { return 0 };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_ours = |entry: &DirEntry| is_temporary(&entry.file_name());
    let left: Vec<PathBuf> = entries.filter(is_ours).map(|entry| entry.path()).collect();
    // The usual case: then no probe is written to the user's folder either.
    if left.is_empty() {
        return 0;
    }
    let Some(now) = file_system_time(folder) else { return 0 };
    let remove = |path: &PathBuf| match path.symlink_metadata() {
        Ok(facts) if facts.is_file() => remove_if_abandoned(path, now),
        Ok(facts) if facts.is_dir() => remove_folder_if_abandoned(path, now),
        _ => false,
    };
    left.iter().map(|path| u64::from(remove(path))).sum()
}

/// Now, by the clock that stamps the files there, in seconds since 1970.
fn file_system_time(folder: &FilePath) -> Option<i64> {
    let probe = Staged::try_create(folder, Privacy::Own).ok().flatten()?;
    Some(probe.file.metadata().ok()?.mtime())
}

/// A writer holds a lock on its temporary file as long as it lives; the age covers the instant before it has the lock.
fn remove_if_abandoned(path: &FilePath, now: i64) -> bool {
    let is_free = |file: File| {
        let is_old = file
            .metadata()
            .is_ok_and(|metadata| now - metadata.mtime() > ABANDONED_SECONDS_MIN);
        is_old && file.try_lock().is_ok()
    };
    File::open(path).is_ok_and(is_free) && std::fs::remove_file(path).is_ok()
}

/// The same for a staging folder, whose lock is a file in it.
fn remove_folder_if_abandoned(path: &FilePath, now: i64) -> bool {
    let is_old = path
        .metadata()
        .is_ok_and(|facts| now - facts.mtime() > ABANDONED_SECONDS_MIN);
    let is_free = || match File::open(path.join(super::staging::LOCK)) {
        Ok(lock) => lock.try_lock().is_ok(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    is_old && is_free() && std::fs::remove_dir_all(path).is_ok()
}

/// A folder above that is removed meanwhile, being empty, is no fault: the next try makes it again.
pub(super) fn make_folder(folder: &FilePath, privacy: Privacy) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    match builder.recursive(true).mode(privacy.folder_mode()).create(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A temporary file, locked; removed when it is dropped unpublished.
#[derive(Debug)]
struct Staged {
    file: File,
    path: Option<PathBuf>,
}

impl Staged {
    /// Tries again where a sweep took the file, or an emptied folder, away in the instant between two steps.
    fn create(target: &FilePath, privacy: Privacy) -> Result<Self> {
        let folder = target.parent().unwrap_or(FilePath::new("/"));
        let mut outcome = Self::try_create(folder, privacy);
        for _ in 1..TRIES {
            match outcome {
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    make_folder(folder, privacy).map_err(|error| failed(error, folder))?;
                }
                _ => break,
            }
            outcome = Self::try_create(folder, privacy);
        }
        match outcome.map_err(|error| failed(error, target))? {
            Some(staged) => Ok(staged),
            None => Err(aborted()),
        }
    }

    /// `None` if the file was swept before it was locked.
    fn try_create(folder: &FilePath, privacy: Privacy) -> std::io::Result<Option<Self>> {
        let path = folder.join(temporary_name());
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(privacy.file_mode());
        let file = options.open(&path)?;
        match file.lock() {
            Ok(()) => {}
            // Nothing is swept there either.
            Err(error) if error.kind() == ErrorKind::Unsupported => {}
            Err(error) => return Err(error),
        }
        let is_swept = file.metadata()?.nlink() == 0;
        Ok((!is_swept).then_some(Self { file, path: Some(path) }))
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

impl Staged {
    /// Takes the file's name away at once, also while a part is still being written.
    fn remove(&self) {
        let Some(path) = &self.path else { return };
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::debug!(path = %path.display(), %error, "a temporary file stays for the sweeper");
            }
            _ => {}
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        self.remove();
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
    pub(super) fn begin(target: &FilePath, privacy: Privacy) -> Result<Self> {
        Ok(Self {
            target: target.to_owned(),
            staged: Some(Arc::new(Staged::create(target, privacy)?)),
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
        let staged = self.staged.take().ok_or_else(aborted)?;
        blocking(move || {
            staged.remove();
            Ok(())
        })
        .await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(staged) = &self.staged {
            staged.remove();
        }
    }
}
