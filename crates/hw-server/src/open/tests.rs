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
        assert_eq!(found, ("HW-A030", ExitCode::BadInput), "{problem}");
        assert!(problem.detail.contains(name), "{problem}");
    }
    assert_eq!(std::fs::read_to_string(folder.store()).unwrap(), "what was there");
    let files = std::fs::read_dir(folder.store().parent().unwrap()).unwrap();
    let kept = files.filter(|file| {
        file.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("before-restore")
    });
    assert_eq!(kept.count(), 0);
    std::fs::remove_file(folder.store()).unwrap();
    let problem = restore_store(&folder, &place.path().join("text")).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.status), ("HW-A030", 422), "{problem}");
    assert!(!folder.store().exists());
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_is_kept_and_replaced() {
    let place = tempfile::tempdir().unwrap();
    let folder = open_folder(&place.path().join("data")).unwrap();
    let clock: std::sync::Arc<dyn hw_job::Clock> = std::sync::Arc::new(hw_store::SystemClock);
    let options = || hw_store::SqliteOptions::new(clock.clone(), "boot");
    let good = hw_store::SqliteStore::open(&folder.store(), options()).await.unwrap();
    let backup = place.path().join("backup.db");
    hw_store::Store::backup(&good, &backup).await.unwrap();
    good.close().await;
    let whole = std::fs::read(folder.store()).unwrap();
    for damaged in [&b"x"[..], &whole[..5000], &[0; 4096]] {
        std::fs::write(folder.store(), damaged).unwrap();
        let restored = restore_store(&folder, &backup).await.unwrap();
        assert_eq!(std::fs::read(restored.previous.unwrap()).unwrap(), damaged);
        let store = hw_store::SqliteStore::open(&folder.store(), options()).await.unwrap();
        store.close().await;
    }
}
