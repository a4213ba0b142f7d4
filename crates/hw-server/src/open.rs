//! What the binary does before there is an app: settings, data folder, and putting a backup in its place.

use std::path::{Path, PathBuf};

use hw_api::Problem;
use hw_store::StoreError;

use crate::config::{ConfigSources, LoadedConfig, load_config};
use crate::data_folder::DataFolder;
use crate::problem::{ApiError, Fault};

/// A store that was put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredStore {
    /// The store.
    pub store: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where the store that was there before is kept; `None` if there was none.
    pub previous: Option<PathBuf>,
}

/// Reads all layers of the configuration.
///
/// # Errors
/// Status 422 with every fault of every layer.
#[expect(clippy::result_large_err, reason = "a problem ends the command: it is made once")]
pub fn load_settings(sources: &ConfigSources) -> Result<LoadedConfig, Problem> {
    load_config(sources).map_err(|error| Fault::from(error).into_problem())
}

/// Opens a data folder; makes it where there is none.
///
/// # Errors
/// When it cannot be made or written to.
#[expect(clippy::result_large_err, reason = "a problem ends the command: it is made once")]
pub fn open_folder(path: &Path) -> Result<DataFolder, Problem> {
    DataFolder::open(path).map_err(|error| Fault::from(error).into_problem())
}

/// Whether the store that the settings name is a file, which a backup can replace.
///
/// # Errors
/// [`StoreError::Unsupported`] as a problem where it is a server's.
#[expect(clippy::result_large_err, reason = "a problem ends the command: it is made once")]
pub fn check_restorable(config: &LoadedConfig) -> Result<(), Problem> {
    match &config.config.store.url {
        None => Ok(()),
        Some(_) => Err(Fault::from(StoreError::Unsupported {
            backend: "postgres",
            what: "to be replaced by a file; restore it with `pg_restore` or `psql`",
        })
        .into_problem()),
    }
}

/// Puts a backup in the place of the folder's store and keeps the one that was there beside it.
///
/// # Errors
/// Status 409 while a server runs on the folder; what is wrong with the backup. The store is then as before.
pub async fn restore_store(folder: &DataFolder, backup: &Path) -> Result<RestoredStore, Problem> {
    restore(folder, backup).await.map_err(Fault::into_problem)
}

async fn restore(folder: &DataFolder, backup: &Path) -> Result<RestoredStore, Fault> {
    let _lock = folder.lock_for_up()?;
    let store = folder.store();
    check_readable(backup)?;
    let previous = keep_previous(&store).await?;
    let restored = hw_store::restore(backup, &store, true).await;
    if let Err(error) = restored {
        // Nothing has come into its place: the copy of what is still there is not needed.
        if let Some(previous) = previous {
            let _ = std::fs::remove_file(log_of(&previous));
            let _ = std::fs::remove_file(previous);
        }
        return Err(of_backup(backup, error));
    }
    let bytes = std::fs::metadata(&store).map_or(0, |facts| facts.len());
    Ok(RestoredStore { store, bytes, previous })
}

/// A file that cannot be read is the user's, whatever the store would say of it.
fn check_readable(backup: &Path) -> Result<(), ApiError> {
    let opened = std::fs::File::open(backup).and_then(|file| file.metadata());
    let reason = match opened {
        Ok(facts) if facts.is_file() => return Ok(()),
        Ok(_) => "it is no file".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(not_a_backup(backup, reason))
}

/// Faults of the backup are bad input; those of the store that it was to replace are not.
fn of_backup(backup: &Path, error: StoreError) -> Fault {
    let name = format!("`{}`", backup.display());
    match error {
        StoreError::Corrupt(message) | StoreError::Misuse(message) if message.starts_with(&name) => {
            let reason = message.trim_start_matches(&name).trim_start_matches(':').trim();
            not_a_backup(backup, reason.to_owned()).into()
        }
        other => other.into(),
    }
}

fn not_a_backup(backup: &Path, reason: String) -> ApiError {
    ApiError::NotABackup {
        path: backup.display().to_string(),
        reason,
    }
}

/// Copies the store that is there to a name of its own.
async fn keep_previous(store: &Path) -> Result<Option<PathBuf>, Fault> {
    if !store.exists() {
        return Ok(None);
    }
    let free = (1..)
        .map(|number| store.with_extension(format!("db.before-restore-{number}")))
        .find(|path| !path.exists());
    let previous = free.unwrap_or_else(|| store.with_extension("db.before-restore"));
    match hw_store::restore(store, &previous, false).await {
        // What cannot be opened is kept as it is, with its log: somebody may still make sense of it.
        Err(StoreError::Corrupt(_) | StoreError::Newer { .. }) => keep_as_it_is(store, &previous)?,
        copied => copied?,
    }
    Ok(Some(previous))
}

fn keep_as_it_is(store: &Path, previous: &Path) -> Result<(), StoreError> {
    let log = log_of(store);
    let copied = std::fs::copy(store, previous).and_then(|_| match log.exists() {
        true => std::fs::copy(&log, log_of(previous)).map(drop),
        false => Ok(()),
    });
    copied.map_err(|error| StoreError::Unreachable(format!("`{}` cannot be kept: {error}", store.display())))
}

/// The write-ahead log of a store.
fn log_of(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
