//! Removing files that no one refers to, and nothing else.

use std::collections::HashSet;
use std::time::Duration;

use crate::local;
use crate::{FileError, Files};

/// Files asked of the ledger at a time.
const BATCH: u32 = 1_000;

/// What a sweep did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files that no one referred to, removed.
    pub files: u64,
    /// Left-over temporary files of interrupted writes, removed.
    pub temporaries: u64,
    /// What could not be removed, and why; it stays for the next sweep.
    pub failures: Vec<(String, FileError)>,
}

/// Removes files that were announced more than `grace` ago and never confirmed, or released since, and temporary files
/// that no living process holds. A file that the ledger does not know is never touched.
///
/// # Errors
/// [`FileError::Ledger`] if the ledger does not answer. A file that cannot be removed is told in [`Swept::failures`].
///
/// Cancel-safe: what was not reached stays for the next sweep.
pub async fn sweep(files: &Files, grace: Duration) -> Result<Swept, FileError> {
    let mut swept = Swept::default();
    let mut failed = HashSet::new();
    loop {
        // Those that stay are given out first again, and must not hide what comes after them.
        let limit = BATCH.saturating_add(u32::try_from(failed.len()).unwrap_or(u32::MAX));
        let batch = files.ledger().unreferenced(grace, limit).await?;
        let open: Vec<String> = batch.into_iter().filter(|path| !failed.contains(path)).collect();
        if open.is_empty() {
            break;
        }
        let gone = remove_all(files, open, &mut failed, &mut swept.failures).await;
        swept.files += gone.len() as u64;
        files.ledger().forget(&gone).await?;
    }
    if let Some(root) = files.location().local_path() {
        swept.temporaries = tokio::task::spawn_blocking(move || local::remove_temporaries(&root))
            .await
            .unwrap_or(0);
    }
    Ok(swept)
}

async fn remove_all(
    files: &Files,
    paths: Vec<String>,
    failed: &mut HashSet<String>,
    failures: &mut Vec<(String, FileError)>,
) -> Vec<String> {
    let mut gone = Vec::new();
    for path in paths {
        match files.delete(&path).await {
            Ok(()) => gone.push(path),
            Err(error) => {
                failed.insert(path.clone());
                failures.push((path, error));
            }
        }
    }
    gone
}
