//! Which files of the deployment's root something refers to.
//!
//! ```text
//! announce ──▶ write ──▶ confirm (with the commit that refers to it) ──▶ release
//!     │                                                                     │ after the grace
//!     └── never confirmed within the grace ──▶ condemn ◀────────────────────┘
//!                                                 └──▶ delete ──▶ forget
//! ```
//!
//! Each step of a sweep is recorded before the next, and may be repeated: a sweeper that is killed at any instant leaves
//! files that the next one deletes, and never a reference to a file that is gone.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::FileError;

/// The record of files. A store implements it; [`MemoryLedger`] is for tests.
///
/// A file is announced before its first byte is written, so that a crash at any instant leaves nothing unknown.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Announces files that are about to be written for `owner`, a folder of the layout such as `jobs/ID`.
    ///
    /// # Errors
    /// [`FileError::Swept`] if one of them was given out by [`Ledger::unreferenced`], and [`FileError::Ledger`]; then no
    /// record was made and the files must not be written.
    async fn announce(&self, owner: &str, paths: &[String]) -> Result<(), FileError>;

    /// Confirms files that something refers to from now on.
    ///
    /// # Errors
    /// [`FileError::Swept`] if one of them was given out by [`Ledger::unreferenced`] meanwhile, or is not known, and
    /// [`FileError::Ledger`]; then none is confirmed, and whoever wrote them writes them anew.
    async fn confirm(&self, paths: &[String]) -> Result<(), FileError>;

    /// At most `limit` files announced more than `grace` ago and never confirmed, or released since; oldest first.
    ///
    /// A file given out here is condemned, on record before this returns: it cannot be confirmed any more, so that it may
    /// be removed at leisure. It is given out again until it is forgotten.
    ///
    /// # Errors
    /// [`FileError::Ledger`] if the record cannot be read or changed; then none is condemned.
    async fn unreferenced(&self, grace: Duration, limit: u32) -> Result<Vec<String>, FileError>;

    /// Forgets files that are gone. Unknown ones are passed over.
    ///
    /// # Errors
    /// [`FileError::Ledger`] if the record was not changed.
    async fn forget(&self, paths: &[String]) -> Result<(), FileError>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Announced(Duration),
    Confirmed,
    Condemned,
}

/// A ledger in memory, with a clock that is set by hand.
#[derive(Debug, Default)]
pub struct MemoryLedger {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    files: BTreeMap<String, Standing>,
}

impl MemoryLedger {
    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.locked(|inner| inner.now += by);
    }

    /// Marks confirmed files as referred to by nothing any more.
    pub fn release(&self, paths: &[String]) {
        self.locked(|inner| {
            for path in paths {
                inner.files.insert(path.clone(), Standing::Condemned);
            }
        });
    }

    /// All files known, sorted.
    pub fn known(&self) -> Vec<String> {
        self.locked(|inner| inner.files.keys().cloned().collect())
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn announce(&self, _owner: &str, paths: &[String]) -> Result<(), FileError> {
        self.locked(|inner| {
            let is_condemned = |path: &&String| inner.files.get(path.as_str()) == Some(&Standing::Condemned);
            if let Some(path) = paths.iter().find(is_condemned) {
                return Err(FileError::Swept { file: path.clone() });
            }
            for path in paths {
                let announced = Standing::Announced(inner.now);
                let standing = inner.files.entry(path.clone()).or_insert(announced);
                if *standing != Standing::Confirmed {
                    *standing = announced;
                }
            }
            Ok(())
        })
    }

    async fn confirm(&self, paths: &[String]) -> Result<(), FileError> {
        self.locked(|inner| {
            let lost = paths
                .iter()
                .find(|path| matches!(inner.files.get(path.as_str()), None | Some(Standing::Condemned)));
            if let Some(path) = lost {
                return Err(FileError::Swept { file: path.clone() });
            }
            for path in paths {
                inner.files.insert(path.clone(), Standing::Confirmed);
            }
            Ok(())
        })
    }

    async fn unreferenced(&self, grace: Duration, limit: u32) -> Result<Vec<String>, FileError> {
        self.locked(|inner| {
            let now = inner.now;
            let is_due = |standing: Standing| match standing {
                Standing::Announced(at) => now.saturating_sub(at) > grace,
                Standing::Condemned => true,
                Standing::Confirmed => false,
            };
            let mut due = Vec::new();
            for (path, standing) in &mut inner.files {
                if due.len() < limit as usize && is_due(*standing) {
                    *standing = Standing::Condemned;
                    due.push(path.clone());
                }
            }
            Ok(due)
        })
    }

    async fn forget(&self, paths: &[String]) -> Result<(), FileError> {
        self.locked(|inner| {
            for path in paths {
                inner.files.remove(path);
            }
            Ok(())
        })
    }
}
