//! Files that appear in a local folder together.

use std::fs::File;
use std::path::{Path as FilePath, PathBuf};

use super::write::{Privacy, make_folder, temporary_name};
use crate::FileError;

/// Name of the file, in a staging folder, that its writer holds a lock on as long as it lives.
pub(super) const LOCK: &str = "lock";

/// A hidden folder beside files to come: they are written there, and then all renamed. Dropped unpublished, it is removed; what
/// a killed process leaves is not listed, and the next write to that folder removes it.
///
/// Renaming is quick but not one step: a process that is killed between two renames leaves some of the files.
#[derive(Debug)]
pub struct StagedFolder {
    folder: PathBuf,
    staging: PathBuf,
    _lock: File,
}

impl StagedFolder {
    /// Makes the folder, if it is missing, and the hidden one in it. Blocks.
    ///
    /// # Errors
    /// [`FileError::NotWritten`].
    pub fn begin(folder: &FilePath) -> Result<Self, FileError> {
        let made = || {
            make_folder(folder, Privacy::AsUsual)?;
            let staging = folder.join(temporary_name());
            std::fs::create_dir(&staging)?;
            let lock = File::create(staging.join(LOCK))?;
            lock.try_lock().map_err(std::io::Error::other)?;
            Ok(Self {
                folder: folder.to_owned(),
                staging,
                _lock: lock,
            })
        };
        made().map_err(|error| not_written(folder, &error))
    }

    /// Where files are to be written first.
    pub fn path(&self) -> &FilePath {
        &self.staging
    }

    /// Moves the files to their place, replacing files of these names, and makes that durable. Blocks.
    ///
    /// # Errors
    /// [`FileError::NotWritten`]; then some may have been moved.
    pub fn publish(self, names: &[String]) -> Result<(), FileError> {
        let moved = || {
            for name in names {
                std::fs::rename(self.staging.join(name), self.folder.join(name))?;
            }
            File::open(&self.folder)?.sync_all()
        };
        moved().map_err(|error| not_written(&self.folder, &error))
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.staging) {
            tracing::debug!(%error, folder = %self.staging.display(), "a staging folder was not removed");
        }
    }
}

fn not_written(folder: &FilePath, error: &std::io::Error) -> FileError {
    FileError::NotWritten {
        place: folder.display().to_string(),
        detail: error.to_string(),
    }
}
