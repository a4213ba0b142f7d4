//! Consistent copies of a store that is in use, and stores made from them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use super::SqliteStore;
use super::fault::fault;
use super::migrations::check_version;
use super::open::{make_private, naming};
use super::writer::Patience;
use crate::StoreError;

/// How long a restore waits for others to leave the store that it replaces.
const LEAVE_WAIT: Duration = Duration::from_secs(1);

/// Copies the store as it is at one instant. Writers go on meanwhile: the copy reads from a snapshot.
pub(super) async fn backup(store: &SqliteStore, target: &Path) -> Result<(), StoreError> {
    refuse_existing(target)?;
    let part = beside(target, "part");
    let done = copy_into(store, &part).await.and_then(|()| publish(&part, target));
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done.map_err(|error| naming(target, error))
}

async fn copy_into(store: &SqliteStore, part: &Path) -> Result<(), StoreError> {
    remove_if_there(part)?;
    // `VACUUM INTO` takes an empty file for none, and keeps its mode.
    make_private(part);
    // A connection of its own: `VACUUM INTO` counts as a write for the readers' connections, which may not.
    let mut connection = SqliteConnectOptions::new()
        .filename(store.path())
        .busy_timeout(Duration::from_secs(5))
        .connect()
        .await
        .map_err(|error| fault(&error))?;
    let copied = sqlx::query("VACUUM INTO ?1")
        .bind(path_text(part)?)
        .execute(&mut connection)
        .await;
    let _ = connection.close().await;
    copied.map_err(|error| fault(&error))?;
    Ok(())
}

/// Makes the store in `path` from a backup.
///
/// The backup is checked first: a file that is no store, is damaged, or was written by a newer program is refused, and
/// nothing changes. A store that is there already is replaced only if `replace` says so and no process uses it.
///
/// # Errors
/// [`StoreError::Misuse`] if there is a store already and `replace` is false, [`StoreError::Busy`] if it is in use,
/// otherwise what is wrong with the backup or the folder.
pub async fn restore(backup: &Path, path: &Path, replace: bool) -> Result<(), StoreError> {
    if !replace {
        refuse_existing(path)?;
    }
    let part = beside(path, "restoring");
    let done = restore_by_way_of(backup, &part, path).await;
    if done.is_err() {
        let _ = fs::remove_file(&part);
    }
    done
}

async fn restore_by_way_of(backup: &Path, part: &Path, path: &Path) -> Result<(), StoreError> {
    if suffixed(backup, "-wal").exists() {
        let fault = format!("`{}` is a store in use, not a backup", backup.display());
        return Err(StoreError::Misuse(fault));
    }
    remove_if_there(part)?;
    fs::copy(backup, part).map_err(|error| io_fault(backup, &error))?;
    make_private(part);
    check_copy(part).await.map_err(|error| naming(backup, error))?;
    if path.exists() {
        check_unused(path).await.map_err(|error| naming(path, error))?;
        for log in ["-wal", "-shm"] {
            remove_if_there(&suffixed(path, log))?;
        }
    }
    publish(part, path)
}

/// Whether the copy is a whole store that this program can open.
async fn check_copy(part: &Path) -> Result<(), StoreError> {
    let mut connection = SqliteConnectOptions::new()
        .filename(part)
        .connect()
        .await
        .map_err(|error| fault(&error))?;
    let checked = check_whole(&mut connection).await;
    let _ = connection.close().await;
    checked
}

async fn check_whole(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if check_version(connection).await? == 0 {
        return Err(StoreError::Corrupt("this is an empty file, not a backup".to_owned()));
    }
    let row = sqlx::query("PRAGMA integrity_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| fault(&error))?;
    let verdict: String = row.try_get(0).map_err(|error| fault(&error))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt(verdict))
}

/// Leaves the write-ahead log, which only the last user of a store can do. A store that is damaged has no users.
async fn check_unused(path: &Path) -> Result<(), StoreError> {
    let patience = Patience::of(LEAVE_WAIT);
    loop {
        match leave_log(path).await {
            Err(StoreError::Busy(_)) if patience.wait().await => {}
            Err(StoreError::Busy(_)) => return Err(StoreError::Busy("a process still uses it".to_owned())),
            Err(StoreError::Corrupt(_)) | Ok(()) => return Ok(()),
            Err(other) => return Err(other),
        }
    }
}

async fn leave_log(path: &Path) -> Result<(), StoreError> {
    let mut connection = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_millis(100))
        .connect()
        .await
        .map_err(|error| fault(&error))?;
    let left = sqlx::query("PRAGMA journal_mode = DELETE")
        .fetch_one(&mut connection)
        .await;
    let _ = connection.close().await;
    left.map_err(|error| fault(&error))?;
    Ok(())
}

/// Moves the finished file to its name and makes both durable.
fn publish(part: &Path, target: &Path) -> Result<(), StoreError> {
    let done = || -> io::Result<()> {
        fs::File::open(part)?.sync_all()?;
        fs::rename(part, target)?;
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    done().map_err(|error| io_fault(target, &error))
}

fn refuse_existing(path: &Path) -> Result<(), StoreError> {
    match path.try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(StoreError::Misuse(format!("`{}` exists already", path.display()))),
        Err(error) => Err(io_fault(path, &error)),
    }
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault(path, &error)),
        _ => Ok(()),
    }
}

fn io_fault(path: &Path, error: &io::Error) -> StoreError {
    let text = format!("`{}`: {error}", path.display());
    if error.kind() == io::ErrorKind::StorageFull {
        StoreError::Full(text)
    } else {
        StoreError::Unreachable(text)
    }
}

/// A name in the same folder, so that a rename publishes it.
fn beside(path: &Path, word: &str) -> PathBuf {
    suffixed(path, &format!(".{word}"))
}

pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn path_text(path: &Path) -> Result<String, StoreError> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| StoreError::Misuse(format!("`{}` is not UTF-8", path.display())))
}
