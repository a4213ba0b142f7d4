#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use hw_api::ServerDocument;

use super::{DataFolder, DataFolderError, bind_socket, socket_path};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn folder() -> (tempfile::TempDir, DataFolder) {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(&parent.path().join("a/.headwater")).unwrap();
    (parent, folder)
}

fn document() -> ServerDocument {
    ServerDocument {
        pid: 1,
        version: "0".to_owned(),
        http: None,
        metrics: None,
        socket: None,
        data_dir: "/x".to_owned(),
        store: "memory".to_owned(),
        started_at: "2020-01-01T00:00:00Z".to_owned(),
    }
}

#[test]
fn a_new_folder_is_for_its_user_alone() {
    let (_parent, folder) = folder();
    assert_eq!(mode(folder.path()), 0o700);
    assert!(!folder.is_open_to_others());
    DataFolder::open(folder.path()).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(folder.is_open_to_others());
}

#[test]
fn a_file_is_no_data_folder() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("x");
    fs::write(&path, "").unwrap();
    let error = DataFolder::open(&path).unwrap_err();
    assert_eq!(error.code(), "HW-C010");
    assert!(error.to_string().ends_with("it is a file, not a folder"), "{error}");
}

#[test]
fn one_server_at_a_time() {
    let (_parent, folder) = folder();
    let lock = folder.lock_for_up().unwrap();
    let error = folder.lock_for_up().unwrap_err();
    assert!(
        matches!(&error, DataFolderError::InUse { pid, .. } if *pid == Some(std::process::id())),
        "{error:?}"
    );
    drop(lock);
    folder.lock_for_up().unwrap();
}

#[test]
fn the_announcement_goes_with_the_server() {
    let (_parent, folder) = folder();
    let lock = folder.lock_for_up().unwrap();
    let announcement = lock.announce(&document()).unwrap();
    let text = fs::read_to_string(folder.server_document()).unwrap();
    assert_eq!(serde_json::from_str::<ServerDocument>(&text).unwrap(), document());
    drop(announcement);
    assert!(!folder.server_document().exists());
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["up.lock"]);
}

#[test]
fn the_token_is_made_once_and_secret() {
    let (_parent, folder) = folder();
    let token = folder.ensure_token([7; 32]).unwrap();
    assert_eq!(folder.ensure_token([8; 32]).unwrap(), token);
    assert_eq!(mode(&folder.token()), 0o600);
}

#[test]
fn the_socket_is_secret_and_replaces_a_dead_one() {
    let (_parent, folder) = folder();
    let path = socket_path(&folder, None);
    assert_eq!(path, folder.path().join("server.sock"));
    drop(bind_socket(&folder, &path).unwrap());
    let _listener = bind_socket(&folder, &path).unwrap();
    assert_eq!(mode(&path), 0o600);
    UnixStream::connect(&path).unwrap();
    assert!(!folder.path().join(".s").exists());
}

#[test]
fn a_path_too_long_for_a_socket_moves_it_to_the_runtime_folder() {
    let parent = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(&parent.path().join("x".repeat(120))).unwrap();
    let runtime = parent.path().join("run");
    let path = socket_path(&folder, Some(&runtime));
    assert!(path.starts_with(runtime.join("headwater")), "{}", path.display());
    let _listener = bind_socket(&folder, &path).unwrap();
    UnixStream::connect(&path).unwrap();
    let elsewhere = socket_path(&folder, None);
    assert!(elsewhere.starts_with("/tmp"), "{}", elsewhere.display());
    let other = DataFolder::open(&parent.path().join("y".repeat(120))).unwrap();
    assert_ne!(socket_path(&other, None), elsewhere);
}

#[test]
fn writes_that_were_killed_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    // No process has this number: it is beyond what Linux gives.
    fs::write(folder.path().join(".x.4294967295"), "half").unwrap();
    let under_way = folder
        .path()
        .join(format!(".x.{}", std::os::unix::process::parent_id()));
    fs::write(&under_way, "half").unwrap();
    super::write_whole(&path, b"whole").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"whole");
    assert!(!folder.path().join(".x.4294967295").exists());
    assert!(under_way.exists(), "its writer lives");
}

#[test]
fn a_write_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::create_dir(&path).unwrap();
    assert!(super::write_whole(&path, b"whole").is_err());
    let left: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["x"]);
}

#[test]
fn what_was_left_open_to_others_is_closed_and_the_folder_stays_as_its_user_made_it() {
    let (_parent, folder) = folder();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let elsewhere = folder.path().parent().unwrap().join("elsewhere");
    for made in [folder.files(), elsewhere.clone()] {
        fs::create_dir(&made).unwrap();
        fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(folder.store(), "").unwrap();
    fs::set_permissions(folder.store(), fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.spill()).unwrap();
    DataFolder::open(folder.path()).unwrap();
    assert_eq!(mode(folder.path()), 0o755);
    assert_eq!((mode(&folder.files()), mode(&folder.store())), (0o700, 0o600));
    assert_eq!(mode(&elsewhere), 0o755, "a link leads to what is not the program's");
}
