//! What is read comes from the disk the second time, and is never another version's.

use std::fs;
use std::path::{Path, PathBuf};

use super::store::World;

const MIB: u64 = 1 << 20;

fn pieces(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.join("parts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() != "key" => found.push(entry.path()),
                false => {}
            }
        }
    }
    found
}

#[tokio::test]
async fn what_was_read_before_is_not_downloaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let file = world.put("a", 3 << 20, 1).await;
    world.check(&file, 1, &[10..20, MIB..MIB + 7]).await;
    assert_eq!(world.gets(), 2);
    assert_eq!((world.tally.downloaded(), world.tally.from_cache()), (2 * 65536, 0));
    world.check(&file, 1, &[MIB..MIB + 7, 0..65536, 15..18]).await;
    assert_eq!(world.gets(), 2);
    assert_eq!(world.tally.downloaded(), 2 * 65536);
    // A range that is there in part is completed.
    world.check(&file, 1, &[MIB - 10..MIB + 70_000]).await;
    assert_eq!(world.gets(), 4);
    let used = world.cache.used();
    assert_eq!((used.hits, used.misses, used.evicted), (1, 2, 0));
    assert_eq!((used.bytes, used.downloaded_bytes), (4 * 65536, 4 * 65536));
    // As another process does after a restart.
    let later = World::over(world.store.clone(), folder.path(), 100 * MIB);
    later.check(&file, 1, &[MIB - 10..MIB + 70_000, 0..1]).await;
    assert_eq!((later.gets(), later.cache.used().hits), (4, 1));
}

#[tokio::test]
async fn a_changed_object_is_not_served_from_before() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let before = world.put("a", 5000, 1).await;
    world.check(&before, 1, &[0..5000]).await;
    let after = world.put("a", 5000, 2).await;
    world.check(&after, 2, &[0..5000]).await;
    // Whoever wants a version that is gone and not held is told.
    let gone = World::over(world.store.clone(), &folder.path().join("other"), 100 * MIB);
    let error = gone.read(&before, &[0..10]).await.unwrap_err();
    assert!(matches!(error, object_store::Error::Precondition { .. }), "{error}");
    assert!(pieces(&folder.path().join("other")).is_empty());
}

#[tokio::test]
async fn a_file_without_version_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let mut file = world.put("a", 5000, 1).await;
    file.etag = None;
    world.check(&file, 1, &[0..10]).await;
    world.check(&file, 1, &[0..10]).await;
    assert_eq!(world.gets(), 1, "its time is its version");
    file.modified_at = 0;
    world.check(&file, 1, &[0..10]).await;
    world.check(&file, 1, &[0..10]).await;
    assert_eq!(world.gets(), 3);
    file.modified_at = 1_000_000;
    let error = world.read(&file, &[0..10]).await.unwrap_err();
    assert!(matches!(error, object_store::Error::Precondition { .. }), "{error}");
}

/// A store holds no weak ETag equal to any, so it is not asked to: what it answers is looked at.
#[tokio::test]
async fn weak_etags_are_held_against_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let mut file = world.put("a", 5000, 1).await;
    file.etag = Some(format!("W/{}", file.etag.unwrap()));
    let error = world.read(&file, &[0..10]).await.unwrap_err();
    assert!(error.to_string().contains("another object"), "{error}");
}

#[tokio::test]
async fn the_limit_holds_before_anything_is_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 10 * MIB);
    let mut files = Vec::new();
    for number in 0..20_u8 {
        let file = world.put(&number.to_string(), 1 << 20, number).await;
        world.check(&file, number, &[0..MIB]).await;
        let held: u64 = pieces(folder.path())
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum();
        assert!(held <= 10 * MIB, "{held}");
        assert!(world.cache.used().bytes <= 10 * MIB);
        files.push(file);
        // The first one is used again and again, and so it stays.
        world.check(&files[0], 0, &[0..MIB]).await;
    }
    assert_eq!(world.gets(), 20);
    assert!(world.cache.used().evicted >= 10);
    // The last one, too.
    world.check(&files[19], 19, &[5..10]).await;
    assert_eq!(world.gets(), 20);
    // One that was given up comes again.
    world.check(&files[1], 1, &[5..10]).await;
    assert_eq!(world.gets(), 21);
    // A lower limit holds for what was kept before, too.
    let lower = World::over(world.store.clone(), folder.path(), 3 * MIB);
    lower.cache.trim().await;
    assert!(lower.cache.used().bytes <= 3 * MIB);
    assert_eq!(pieces(folder.path()).len() as u64, lower.cache.used().bytes / MIB);
    // Whoever removes the folder removes what is kept, and nothing else.
    fs::remove_dir_all(folder.path()).unwrap();
    lower.cache.trim().await;
    lower.check(&files[19], 19, &[5..10]).await;
    assert_eq!((world.gets(), lower.cache.used().bytes), (22, MIB));
}

#[tokio::test]
async fn what_never_fits_is_read_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), MIB);
    let small = world.put("small", 5000, 1).await;
    world.check(&small, 1, &[0..5000]).await;
    let large = world.put("large", 3 << 20, 2).await;
    for _ in 0..2 {
        world.check(&large, 2, &[100..2 * MIB]).await;
    }
    assert_eq!(world.gets(), 3);
    // What was there before did not have to go for it.
    world.check(&small, 1, &[0..5000]).await;
    assert_eq!(world.gets(), 3);
}

#[tokio::test]
async fn without_a_limit_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(&folder.path().join("cache"), 0);
    let file = world.put("a", 5000, 1).await;
    for _ in 0..2 {
        world.check(&file, 1, &[100..200, 4000..5000]).await;
    }
    assert_eq!(world.gets(), 4);
    assert!(!folder.path().join("cache").exists());
    assert!(!world.cache.is_on());
}

#[tokio::test]
async fn columns_are_fetched_ahead_in_few_requests() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let file = world.put("a", 3 << 20, 1).await;
    let ranges = [0..50_000, 100_000..150_000, 200_000..300_000];
    let ahead = world.cache.prepare(&world.open, &file, &ranges, &world.tally).await;
    assert_eq!((world.gets(), ahead), (1, std::iter::once(0..327_680).collect()));
    world.check(&file, 1, &ranges).await;
    assert_eq!(world.gets(), 1);
    assert!(
        world
            .cache
            .prepare(&world.open, &file, &ranges, &world.tally)
            .await
            .is_empty()
    );
    assert_eq!(world.gets(), 1);
}
