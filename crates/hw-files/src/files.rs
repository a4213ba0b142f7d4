//! The deployment's own files: one root, laid out by owner, written once, swept when no one refers to them.
//!
//! ```text
//! tables/<schema>.<table>/   runs/<run>/   jobs/<job>/   cache/
//! ```

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use hw_catalog::TableName;
use object_store::path::Path;
use object_store::{GetResult, ObjectStoreExt};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checksum::{Checksum, Hasher};
use crate::upload::{self, Content, Existing, not_written};
use crate::{FileError, FoundFile, Ledger, Location, OpenLocation};

/// Longest name of a file or folder as it was given, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// Longer names are cut here and end in a checksum instead.
const ENCODED_BYTES_MAX: usize = 120;

/// What a file belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Segments of a table.
    Table(TableName),
    /// State and temporary files of a loop run, by its id.
    Run(String),
    /// Results and intermediate files of a job, by its id.
    Job(String),
    /// What can be made again.
    Cache,
}

/// A file that was written and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Path below the root, with `/` between folders; never used again for another file.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Checksum of the content, verified when it is read.
    pub checksum: Checksum,
}

/// Gives an id that was never given before; injected, so that a seed replays a run.
pub type NewId = Arc<dyn Fn() -> Uuid + Send + Sync>;

/// The deployment's file root.
#[derive(Clone)]
pub struct Files {
    root: OpenLocation,
    ledger: Arc<dyn Ledger>,
    new_id: NewId,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("root", &self.root.location)
            .finish_non_exhaustive()
    }
}

impl Files {
    /// The files below `root`, recorded in `ledger`.
    pub fn new(root: OpenLocation, ledger: Arc<dyn Ledger>, new_id: NewId) -> Self {
        Self { root, ledger, new_id }
    }

    /// The root, for readers of formats that check themselves.
    pub fn root(&self) -> &OpenLocation {
        &self.root
    }

    /// The ledger that knows these files.
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.ledger
    }

    /// Writes a file. `name` is kept readable in its path, and made unique by an id.
    ///
    /// The file is announced first and exists only when it is whole. It must be confirmed in the ledger together with
    /// whatever refers to it, else it is swept.
    ///
    /// # Errors
    /// [`FileError::InvalidName`], [`FileError::Ledger`], [`FileError::NotWritten`] (also on a full disk),
    /// [`FileError::Refused`]; then nothing is published.
    pub async fn publish(&self, owner: &Owner, name: &str, content: impl Into<Bytes>) -> Result<Published, FileError> {
        self.publish_stream(owner, name, upload::content_of(content)).await
    }

    /// Writes a file from a stream, with bounded memory. Otherwise as [`Files::publish`].
    ///
    /// # Errors
    /// As [`Files::publish`], and the content's own error.
    pub async fn publish_stream(
        &self,
        owner: &Owner,
        name: &str,
        content: Content<'_>,
    ) -> Result<Published, FileError> {
        let folder = owner.folder()?;
        let path = format!("{folder}/{}", unique_name(name, (self.new_id)())?);
        let object = self.object(&path)?;
        self.ledger.announce(&folder, std::slice::from_ref(&path)).await?;
        let written = upload::write(
            &*self.root.store,
            &object,
            &self.shown(&path),
            Existing::Refuse,
            content,
        )
        .await?;
        Ok(Published {
            path,
            bytes: written.bytes,
            checksum: written.checksum,
        })
    }

    /// Reads a file and verifies its size and checksum.
    ///
    /// # Errors
    /// [`FileError::Vanished`], [`FileError::Changed`], [`FileError::Damaged`], and the store's own.
    pub async fn read(&self, file: &Published) -> Result<Bytes, FileError> {
        let result = self.start_read(file).await?;
        let content = result
            .bytes()
            .await
            .map_err(|error| FileError::of_store(self.shown(&file.path), &error))?;
        self.verify(file, Checksum::of(&content))?;
        Ok(content)
    }

    /// Reads a file piece by piece; damage is told by an error at the end.
    ///
    /// # Errors
    /// As [`Files::read`], for what is seen before the first byte.
    pub async fn read_stream(
        &self,
        file: &Published,
    ) -> Result<BoxStream<'static, Result<Bytes, FileError>>, FileError> {
        let content = self.start_read(file).await?.into_stream();
        let state = (content, Hasher::new(), Some((self.clone(), file.clone())));
        Ok(
            futures::stream::try_unfold(state, |(mut content, mut hasher, mut check)| async move {
                let Some((files, file)) = check.take() else {
                    return Ok(None);
                };
                let next = content.try_next().await;
                match next.map_err(|error| FileError::of_store(files.shown(&file.path), &error))? {
                    Some(chunk) => {
                        hasher.update(&chunk);
                        Ok(Some((chunk, (content, hasher, Some((files, file))))))
                    }
                    None => files.verify(&file, hasher.finish()).map(|()| None),
                }
            })
            .boxed(),
        )
    }

    /// The file as a reader of Parquet takes it, with [`Files::root`].
    ///
    /// # Errors
    /// [`FileError::InvalidName`] if the path is not one of ours.
    pub fn found(&self, file: &Published) -> Result<FoundFile, FileError> {
        let object = self.object(&file.path)?;
        Ok(FoundFile {
            path: file.path.clone(),
            object,
            bytes: file.bytes,
            etag: None,
            modified_at: 0,
        })
    }

    /// Removes a file at once and forgets it; one that is gone already is no error.
    ///
    /// # Errors
    /// [`FileError::NotWritten`] or [`FileError::Refused`] if it could not be removed, [`FileError::Ledger`].
    pub async fn remove(&self, path: &str) -> Result<(), FileError> {
        self.delete(path).await?;
        self.ledger.forget(&[path.to_owned()]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), FileError> {
        let object = self.object(path)?;
        match self.root.store.delete(&object).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(not_written(&self.shown(path), &error)),
        }
        self.drop_empty_folders(path).await;
        Ok(())
    }

    /// Removes the folders of a local file that are empty now, up to the root.
    async fn drop_empty_folders(&self, path: &str) {
        let Some(root) = self.root.location.local_path() else {
            return;
        };
        let file = root.join(path);
        let removed = tokio::task::spawn_blocking(move || {
            let below_root = file.ancestors().skip(1).take_while(|folder| *folder != root);
            below_root.map(std::fs::remove_dir).take_while(Result::is_ok).count()
        });
        if let Err(error) = removed.await {
            tracing::debug!(%error, "empty folders were not removed");
        }
    }

    async fn start_read(&self, file: &Published) -> Result<GetResult, FileError> {
        let object = self.object(&file.path)?;
        let shown = self.shown(&file.path);
        let result = self
            .root
            .store
            .get(&object)
            .await
            .map_err(|error| FileError::of_store(&shown, &error))?;
        match result.meta.size == file.bytes {
            true => Ok(result),
            false => Err(FileError::Changed {
                file: shown,
                expected: file.bytes,
                found: result.meta.size,
            }),
        }
    }

    fn verify(&self, file: &Published, found: Checksum) -> Result<(), FileError> {
        match found == file.checksum {
            true => Ok(()),
            false => Err(FileError::Damaged {
                file: self.shown(&file.path),
                expected: file.checksum.to_string(),
                found: found.to_string(),
            }),
        }
    }

    /// The object of a path below the root. Paths come back from the store, so they are checked again.
    fn object(&self, path: &str) -> Result<Path, FileError> {
        let invalid = |reason: &str| FileError::InvalidName {
            name: path.to_owned(),
            reason: reason.to_owned(),
        };
        if path.starts_with('/') || path.is_empty() {
            return Err(invalid("it is no path below the root"));
        }
        let joined = match self.root.prefix.as_ref() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        Path::parse(joined).map_err(|error| invalid(&error.to_string()))
    }

    fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.root.location.shown().trim_end_matches('/'))
    }

    /// Where the root is.
    pub(crate) fn location(&self) -> &Location {
        &self.root.location
    }
}

impl Owner {
    /// The owner's folder below the root.
    ///
    /// # Errors
    /// [`FileError::InvalidName`] for an id that is empty, too long or holds control characters.
    pub fn folder(&self) -> Result<String, FileError> {
        Ok(match self {
            // A dot within a part is encoded, so that the one between them is the only one.
            Self::Table(name) => format!("tables/{}.{}", encoded(name.schema()), encoded(name.name())),
            Self::Run(id) => format!("runs/{}", encoded(checked(id)?)),
            Self::Job(id) => format!("jobs/{}", encoded(checked(id)?)),
            Self::Cache => "cache".to_owned(),
        })
    }
}

fn checked(name: &str) -> Result<&str, FileError> {
    let reason = match name {
        "" => "it is empty",
        name if name.len() > NAME_BYTES_MAX => "it is too long",
        name if name.chars().any(char::is_control) => "it holds control characters",
        name => return Ok(name),
    };
    Err(FileError::InvalidName {
        name: name.escape_debug().to_string(),
        reason: reason.to_owned(),
    })
}

/// `result.arrow` as `result-0198...c1.arrow`.
fn unique_name(name: &str, id: Uuid) -> Result<String, FileError> {
    let (stem, extension) = match checked(name)?.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= 16 => (stem, Some(extension)),
        _ => (name, None),
    };
    let mut unique = format!("{}-{}", encoded(stem), id.simple());
    if let Some(extension) = extension {
        unique.push('.');
        unique.push_str(&encoded(extension));
    }
    Ok(unique)
}

/// A name of ASCII letters, digits, `_` and `-`; all else as `~` and two digits. Different names stay different.
fn encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => encoded.push(char::from(byte)),
            // Writing to a string does not fail.
            other => drop(write!(encoded, "~{other:02X}")),
        }
    }
    if encoded.len() > ENCODED_BYTES_MAX {
        let kept: String = encoded.chars().take(ENCODED_BYTES_MAX).collect();
        return format!("{kept}~~{}", Checksum::of(name.as_bytes()));
    }
    encoded
}
