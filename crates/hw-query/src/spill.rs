//! The folder for spilled data: one sub-folder per engine and beside it a file that is locked while the engine lives, so
//! that what a killed process left behind is found and removed by the next one.
//!
//! ```text
//! spill/query-4711-0.lock   made and locked first, removed last
//! spill/query-4711-0/       the data
//! ```
//!
//! All of it is for the user of the process alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};

use crate::error::QueryError;

const PREFIX: &str = "query-";
const LOCK: &str = ".lock";

/// Attempts to make a folder, in case others sweep at the same instant.
const TRIES: usize = 20;

/// Tells the engines of one process apart.
static ENGINES: AtomicU64 = AtomicU64::new(0);

/// A folder and what shows that it is in use.
#[derive(Debug)]
struct Own {
    folder: PathBuf,
    _lock: File,
}

/// A folder of this engine's own, `None` where spilling is forbidden.
#[derive(Debug)]
pub(crate) struct SpillFolder {
    own: Mutex<Option<Own>>,
    limit: u64,
}

impl SpillFolder {
    /// Makes a folder below `parent` and removes those of dead processes. `limit` 0 makes none.
    pub(crate) fn open(parent: &Path, limit: u64) -> Result<Self, QueryError> {
        if limit == 0 {
            return Ok(Self {
                own: Mutex::default(),
                limit,
            });
        }
        let opened = make(parent).map_err(|error| QueryError::Storage {
            message: format!("the spill folder `{}` cannot be made: {error}", parent.display()),
        })?;
        sweep(parent);
        Ok(Self {
            own: Mutex::new(Some(opened)),
            limit,
        })
    }

    pub(crate) fn disk_manager(&self) -> DiskManagerBuilder {
        let mode = match self.own().as_ref() {
            Some(own) => DiskManagerMode::Directories(vec![own.folder.clone()]),
            None => DiskManagerMode::Disabled,
        };
        DiskManagerBuilder::default()
            .with_mode(mode)
            .with_max_temp_directory_size(self.limit)
    }

    /// Removes the folder. What still spills fails.
    pub(crate) fn close(&self) {
        if let Some(own) = self.own().take()
            && let Err(error) = remove(&own.folder)
        {
            tracing::warn!(folder = %own.folder.display(), %error, "spill folder not removed");
        }
    }

    fn own(&self) -> MutexGuard<'_, Option<Own>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SpillFolder {
    fn drop(&mut self) {
        self.close();
    }
}

fn make(parent: &Path) -> io::Result<Own> {
    DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    for _ in 0..TRIES {
        let number = ENGINES.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let lock = options.open(lock_of(&folder))?;
        // A process of the same number holds it in another container; one that sweeps took it away again.
        let is_own = lock.try_lock().is_ok() && lock.metadata()?.nlink() > 0;
        if is_own {
            let made = forget_missing(fs::remove_dir_all(&folder))
                .and_then(|()| DirBuilder::new().mode(0o700).create(&folder));
            if let Err(error) = made {
                // A disk that has no room for a folder may have had some for the lock's file.
                let _ = fs::remove_file(lock_of(&folder));
                return Err(error);
            }
            return Ok(Own { folder, _lock: lock });
        }
    }
    Err(io::Error::other("other processes keep taking its lock away"))
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.with_added_extension(LOCK.trim_start_matches('.'))
}

/// The data first: what is left when the process is killed here still has its lock's file, by which it is found.
fn remove(folder: &Path) -> io::Result<()> {
    forget_missing(fs::remove_dir_all(folder))?;
    forget_missing(fs::remove_file(lock_of(folder)))
}

fn forget_missing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes the folders whose locks nobody holds. What cannot be removed is left for the next start: it harms nobody.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(folder) = name.strip_suffix(LOCK).filter(|name| name.starts_with(PREFIX)) {
            sweep_one(&parent.join(folder));
        }
    }
}

fn sweep_one(folder: &Path) {
    let Ok(lock) = File::open(lock_of(folder)) else { return };
    // Held until all is removed, so that nobody takes it up meanwhile.
    if lock.try_lock().is_ok()
        && let Err(error) = remove(folder)
    {
        tracing::debug!(folder = %folder.display(), %error, "a spill folder of a dead process stays");
    }
}
