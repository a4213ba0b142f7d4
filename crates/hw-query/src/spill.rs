//! The folder for spilled data: one sub-folder per engine, locked while it lives, so that what a killed process left
//! behind is found and removed by the next one.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};

use crate::error::QueryError;

const PREFIX: &str = "query-";
const LOCK: &str = "lock";

/// Tells the engines of one process apart.
static ENGINES: AtomicU64 = AtomicU64::new(0);

/// A folder of this engine's own, `None` where spilling is forbidden.
#[derive(Debug)]
pub(crate) struct SpillFolder {
    own: Option<(PathBuf, File)>,
    limit: u64,
}

impl SpillFolder {
    /// Makes a folder below `parent` and removes those of dead processes. `limit` 0 makes none.
    pub(crate) fn open(parent: &Path, limit: u64) -> Result<Self, QueryError> {
        if limit == 0 {
            return Ok(Self { own: None, limit });
        }
        let opened = make(parent).map_err(|error| QueryError::Storage {
            message: format!("the spill folder `{}` cannot be made: {error}", parent.display()),
        })?;
        sweep(parent, &opened.0);
        Ok(Self {
            own: Some(opened),
            limit,
        })
    }

    pub(crate) fn disk_manager(&self) -> DiskManagerBuilder {
        let mode = match &self.own {
            Some((folder, _)) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::Disabled,
        };
        DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(self.limit)
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        if let Some((folder, _)) = self.own.take()
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            tracing::warn!(folder = %folder.display(), %error, "spill folder not removed");
        }
    }
}

fn make(parent: &Path) -> io::Result<(PathBuf, File)> {
    fs::create_dir_all(parent)?;
    let number = ENGINES.fetch_add(1, Ordering::Relaxed);
    let folder = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join(LOCK))?;
    lock.lock()?;
    Ok((folder, lock))
}

/// Removes the folders that nobody holds. What cannot be removed is left for the next start: it harms nobody.
fn sweep(parent: &Path, own: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let folder = entry.path();
        if is_ours && folder != own && is_abandoned(&folder) {
            drop(fs::remove_dir_all(&folder));
        }
    }
}

/// A folder without a lock file is one that is being made at this moment, or lost its file while being removed.
fn is_abandoned(folder: &Path) -> bool {
    match File::open(folder.join(LOCK)) {
        Ok(lock) => !matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}
