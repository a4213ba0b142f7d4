#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use hw_api::ExitCode;

use super::{open_folder, restore_store};

#[tokio::test]
async fn a_file_that_is_no_backup_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let folder = open_folder(&place.path().join("data")).unwrap();
    std::fs::write(folder.store(), "what was there").unwrap();
    std::fs::write(place.path().join("text"), "some text").unwrap();
    for name in ["absent.db", "text", "."] {
        let problem = restore_store(&folder, &place.path().join(name)).await.unwrap_err();
        let found = (problem.code.as_str(), problem.exit_code());
        // The store that is there is no store either, which is told before anything is copied.
        if name == "text" {
            assert!(problem.detail.contains("data/store.db"), "{problem}");
            continue;
        }
        assert_eq!(found, ("HW-A030", ExitCode::BadInput), "{problem}");
        assert!(problem.detail.contains(name), "{problem}");
    }
    std::fs::remove_file(folder.store()).unwrap();
    let problem = restore_store(&folder, &place.path().join("text")).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("HW-A030", 422), "{problem}");
    assert!(!folder.store().exists());
}
