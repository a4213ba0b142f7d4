//! The local file system as an object store.
//!
//! The `object_store` crate's own one refuses names with control characters, hides names that end in `#1`, fails a
//! whole listing on a name that is no UTF-8, and never flushes what it wrote. This one knows every name, writes by
//! temporary file, flush and rename, and can be kept inside a set of folders, links resolved.

mod names;
mod read;
mod staging;
mod walk;
mod write;

use std::fmt;
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

pub(crate) use names::object_path;
pub use staging::StagedFolder;
use write::Privacy;
pub(crate) use write::{remove_temporaries, remove_temporaries_beside};

/// Deletions that run at the same time.
const DELETIONS_MAX: usize = 10;

/// All files of this host, or those of some folders.
///
/// Paths are those of the file system, from its root; see [`object_path`] for names that a path cannot hold as they
/// are.
#[derive(Debug, Clone, Default)]
pub(crate) struct LocalStore {
    allowed: Option<Arc<[PathBuf]>>,
    privacy: Privacy,
}

impl LocalStore {
    /// A store that reaches only what lies in the folders given, links resolved.
    pub(crate) fn within(allowed: Arc<[PathBuf]>) -> Self {
        Self {
            allowed: Some(allowed),
            privacy: Privacy::AsUsual,
        }
    }

    /// A store whose new files and folders are for the user of this process alone.
    pub(crate) fn private() -> Self {
        Self {
            allowed: None,
            privacy: Privacy::Own,
        }
    }

    /// The file that a path means, if it may be reached.
    fn reach(&self, path: &Path) -> Result<PathBuf> {
        let file = names::file_path(path);
        self.check(&file, path.as_ref())?;
        Ok(file)
    }

    fn check(&self, file: &FilePath, shown: &str) -> Result<()> {
        match &self.allowed {
            Some(allowed) if !lies_within(file, allowed) => Err(object_store::Error::PermissionDenied {
                path: shown.to_owned(),
                source: format!("`{}` is a link to outside the folders of `files.allow`", file.display()).into(),
            }),
            _ => Ok(()),
        }
    }
}

/// Whether a path, links resolved, lies in one of the folders. Of a path that does not exist yet, the part that does
/// is resolved.
pub(crate) fn lies_within(file: &FilePath, folders: &[PathBuf]) -> bool {
    let resolved = resolved(file);
    folders
        .iter()
        .any(|folder| resolved.starts_with(self::resolved(folder)))
}

fn resolved(path: &FilePath) -> PathBuf {
    for ancestor in path.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            return match path.strip_prefix(ancestor) {
                Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
                _ => real,
            };
        }
    }
    path.to_owned()
}

impl fmt::Display for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalStore(file:///)")
    }
}

/// Runs file work off the reactor.
async fn blocking<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await?
}

/// The store's error for one of the operating system.
fn failed(error: io::Error, path: &FilePath) -> object_store::Error {
    let path = path.to_string_lossy().into_owned();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => object_store::Error::NotFound {
            path,
            source: error.into(),
        },
        io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists {
            path,
            source: error.into(),
        },
        io::ErrorKind::PermissionDenied => object_store::Error::PermissionDenied {
            path,
            source: error.into(),
        },
        _ => object_store::Error::Generic {
            store: "local file system",
            source: error.into(),
        },
    }
}

#[async_trait]
impl ObjectStore for LocalStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let file = self.reach(location)?;
        let privacy = self.privacy;
        blocking(move || write::put(&file, &payload, options.mode, privacy)).await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let file = self.reach(location)?;
        let privacy = self.privacy;
        let upload = blocking(move || write::Upload::begin(&file, privacy)).await?;
        Ok(Box::new(upload))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let file = self.reach(location)?;
        let location = location.clone();
        blocking(move || read::get(&file, location, &options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        let file = self.reach(location)?;
        let ranges = ranges.to_vec();
        blocking(move || read::ranges(&file, &ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .map(move |location| {
                let store = store.clone();
                blocking(move || {
                    let location = location?;
                    let file = store.reach(&location)?;
                    std::fs::remove_file(&file).map_err(|error| failed(error, &file))?;
                    Ok(location)
                })
            })
            .buffered(DELETIONS_MAX)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        walk::all_below(self.clone(), prefix.cloned().unwrap_or_default())
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let store = self.clone();
        let prefix = prefix.cloned().unwrap_or_default();
        blocking(move || walk::one_level(&store, &prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (from, to) = (self.reach(from)?, self.reach(to)?);
        let privacy = self.privacy;
        blocking(move || write::copy(&from, &to, matches!(options.mode, CopyMode::Create), privacy)).await
    }
}
