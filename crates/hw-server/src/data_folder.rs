//! The data folder: everything local of one deployment, and what says that a server runs on it.
//!
//! ```text
//! .headwater/
//!   store.db      the store            files/        the deployment's own files
//!   up.lock       held by `up`         server.json   what `up` says of itself
//!   server.sock   its Unix socket      token         the loopback token, where one is demanded
//!   spill/        data of queries      demo/         demo data
//! ```

mod socket;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hw_api::ServerDocument;

pub(crate) use socket::{bind_socket, socket_path};

/// Held by the server of the folder; its content is the holder's process id.
const LOCK: &str = "up.lock";

/// A data folder that exists and can be written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFolder {
    path: PathBuf,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// It cannot be made or written to.
    #[error("the data folder `{path}` cannot be used: {reason}")]
    Unusable {
        /// The folder or the file in it.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// Another server runs on it.
    #[error("another `headwater up` runs on the data folder `{path}`{}", holder(*.pid))]
    InUse {
        /// The folder.
        path: String,
        /// Its process, if it is known.
        pid: Option<u32>,
    },
    /// No Unix socket can be bound.
    #[error("the socket `{path}` cannot be bound: {reason}")]
    Socket {
        /// The socket.
        path: String,
        /// What the system said.
        reason: String,
    },
}

fn holder(pid: Option<u32>) -> String {
    pid.map(|pid| format!(", process {pid}")).unwrap_or_default()
}

impl DataFolderError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "HW-C010",
            Self::InUse { .. } => "HW-C011",
            Self::Socket { .. } => "HW-C014",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unusable { .. } => "check the folder's permissions, or name another with `--data-dir`",
            Self::InUse { .. } => "use the server that runs, stop it first, or name another folder with `--data-dir`",
            Self::Socket { .. } => "check the permissions of the folder that holds the socket",
        }
    }

    fn unusable(path: &Path, error: &io::Error) -> Self {
        Self::Unusable {
            path: path.display().to_string(),
            reason: error.to_string(),
        }
    }
}

impl DataFolder {
    /// Makes the folder, for its user alone, unless it is there.
    ///
    /// # Errors
    /// [`DataFolderError::Unusable`] if it cannot be made, is no folder, or cannot be written to.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        let failed = |error: io::Error| DataFolderError::unusable(path, &error);
        private_folder(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        // The lock's file is made here already: it shows whether the folder can be written to.
        let folder = Self { path };
        folder.lock_file().map_err(failed)?;
        folder.close_to_others();
        Ok(folder)
    }

    /// What the program put into the folder is for its user alone, also where the folder is not, as where it was there
    /// before the program. Earlier versions, or a copy, may have left it open to others. What cannot be changed stays as it
    /// is: `headwater doctor` tells of a folder that others may look into.
    fn close_to_others(&self) {
        for (path, mode) in [
            (self.files(), 0o700),
            (self.spill(), 0o700),
            (self.cache(), 0o700),
            (self.demo(), 0o700),
            (self.store(), 0o600),
        ] {
            let facts = fs::symlink_metadata(&path).ok();
            // A link leads to what somebody else made.
            let open = facts.filter(|facts| !facts.is_symlink() && facts.permissions().mode() & 0o077 != 0);
            if open.is_some() {
                drop(fs::set_permissions(&path, Permissions::from_mode(mode)));
            }
        }
    }

    /// The folder, absolute, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The SQLite store.
    pub fn store(&self) -> PathBuf {
        self.path.join("store.db")
    }

    /// The deployment's own files, unless they are kept elsewhere.
    pub fn files(&self) -> PathBuf {
        self.path.join("files")
    }

    /// What is kept of remote files, unless it is kept elsewhere.
    pub fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// Data that queries spill.
    pub fn spill(&self) -> PathBuf {
        self.path.join("spill")
    }

    /// Demo data.
    pub fn demo(&self) -> PathBuf {
        self.path.join("demo")
    }

    /// The loopback token.
    pub fn token(&self) -> PathBuf {
        self.path.join("token")
    }

    /// What `up` says of itself.
    pub fn server_document(&self) -> PathBuf {
        self.path.join("server.json")
    }

    /// Whether others than its user may look into it.
    pub(crate) fn is_open_to_others(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|facts| facts.permissions().mode() & 0o077 != 0)
    }

    /// Takes the folder for a server. The lock ends with the process at the latest.
    ///
    /// # Errors
    /// [`DataFolderError::InUse`] if another process, or another handle of this one, has it.
    pub fn lock_for_up(&self) -> Result<UpLock, DataFolderError> {
        let failed = |error: io::Error| DataFolderError::unusable(&self.path.join(LOCK), &error);
        let mut file = self.lock_file().map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                drop(file.read_to_string(&mut text));
                return Err(DataFolderError::InUse {
                    path: self.path.display().to_string(),
                    pid: text.trim().parse().ok(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // The number is for people; a holder that cannot write it holds the lock all the same.
        let written = file.set_len(0).and_then(|()| file.rewind());
        drop(written.and_then(|()| writeln!(file, "{}", std::process::id())));
        Ok(UpLock {
            _file: file,
            folder: self.clone(),
        })
    }

    fn lock_file(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(self.path.join(LOCK))
    }

    /// The token of the data folder; makes one of the random bytes where there is none.
    ///
    /// # Errors
    /// [`DataFolderError::Unusable`] if it cannot be read or written.
    pub(crate) fn ensure_token(&self, random: [u8; 32]) -> Result<String, DataFolderError> {
        let path = self.token();
        let failed = |error: io::Error| DataFolderError::unusable(&path, &error);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let token = crate::auth::token_text(random);
        write_whole(&path, format!("{token}\n").as_bytes()).map_err(failed)?;
        Ok(token)
    }
}

/// The right to be the one server of a data folder.
#[derive(Debug)]
pub struct UpLock {
    _file: File,
    folder: DataFolder,
}

impl UpLock {
    /// Writes what the server says of itself; removed when the answer is dropped.
    ///
    /// # Errors
    /// [`DataFolderError::Unusable`] if it cannot be written.
    pub(crate) fn announce(&self, document: &ServerDocument) -> Result<Announcement, DataFolderError> {
        let path = self.folder.server_document();
        let failed = |error: io::Error| DataFolderError::unusable(&path, &error);
        let text = serde_json::to_string_pretty(document).map_err(|error| failed(error.into()))?;
        write_whole(&path, format!("{text}\n").as_bytes()).map_err(failed)?;
        Ok(Announcement { path })
    }
}

/// A file that is there as long as the server answers.
#[derive(Debug)]
pub(crate) struct Announcement {
    path: PathBuf,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Left behind by a kill, it names a process that is gone; clients look whether the socket answers.
        drop(fs::remove_file(&self.path));
    }
}

/// Makes a folder that only its user may enter; one that is there stays as it is.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(facts) if facts.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::other("it is a file, not a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            match DirBuilder::new().mode(0o700).create(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                made => made,
            }
        }
        Err(error) => Err(error),
    }
}

/// Writes a file that only its user may read: whole or not at all, and over the one that was there.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    remove_leftovers(path, &name);
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Removes what processes that were killed in the middle of a write left. What cannot be removed harms nobody.
fn remove_leftovers(path: &Path, name: &str) {
    let prefix = format!(".{name}.");
    let folder = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    for entry in folder.into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let writer: Option<u32> = file.strip_prefix(&prefix).and_then(|pid| pid.parse().ok());
        if writer.is_some_and(|pid| hw_controller::process_start(pid).is_none()) {
            drop(fs::remove_file(entry.path()));
        }
    }
}
