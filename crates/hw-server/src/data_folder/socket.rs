//! The Unix socket of a data folder.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::{DataFolder, DataFolderError, private_folder};

/// Longest path of a socket on Linux, its closing zero left out; macOS has four less.
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Where the folder's socket is: in it, or, where that path is too long for a socket, in a folder of the user's among the
/// temporary ones (`runtime`, the session's runtime folder, if there is one).
pub(crate) fn socket_path(folder: &DataFolder, runtime: Option<&Path>) -> PathBuf {
    let usual = folder.path().join("server.sock");
    if fits(&usual) {
        return usual;
    }
    let digest = crate::auth::sha256_hex(folder.path().as_os_str().as_bytes());
    let name = format!("{}.sock", digest.get(..16).unwrap_or(&digest));
    let of_session = runtime.map(|runtime| runtime.join("headwater").join(&name));
    of_session.filter(|path| fits(path)).unwrap_or_else(|| {
        let user = crate::host::user_id().unwrap_or_default();
        PathBuf::from(format!("/tmp/headwater-{user}")).join(&name)
    })
}

fn fits(path: &Path) -> bool {
    path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX
}

/// Binds the socket for its user alone. Whoever calls holds the folder's lock, so a socket that is there already belongs to
/// a process that is gone.
///
/// It is made within a folder that nobody else may enter and moved when its rights are set, so that there is no moment at
/// which others could connect.
///
/// # Errors
/// [`DataFolderError::Socket`] if the system refuses, or somebody else owns the runtime folder that it must lie in.
pub(crate) fn bind_socket(folder: &DataFolder, path: &Path) -> Result<UnixListener, DataFolderError> {
    bind(folder, path).map_err(|error| DataFolderError::Socket {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn bind(folder: &DataFolder, path: &Path) -> io::Result<UnixListener> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    private_folder(parent)?;
    if parent != folder.path() && crate::host::owner(parent) != crate::host::user_id() {
        return Err(io::Error::other("its folder belongs to another user"));
    }
    let cradle = parent.join(".s");
    drop(fs::remove_dir_all(&cradle));
    private_folder(&cradle)?;
    let newborn = cradle.join("k");
    let listener = UnixListener::bind(&newborn)?;
    fs::set_permissions(&newborn, fs::Permissions::from_mode(0o600))?;
    fs::rename(&newborn, path)?;
    drop(fs::remove_dir(&cradle));
    listener.set_nonblocking(true)?;
    Ok(listener)
}
