//! Torn and damaged pieces, dead owners, disks that fail, answers that break off.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::store::World;

const MIB: u64 = 1 << 20;

/// The only object's folder.
fn shelf(root: &Path) -> PathBuf {
    let only = |folder: PathBuf| {
        let mut entries = fs::read_dir(folder).unwrap();
        let first = entries.next().unwrap().unwrap().path();
        assert!(entries.next().is_none());
        first
    };
    only(only(root.join("parts")))
}

fn piece(root: &Path) -> PathBuf {
    let entries = fs::read_dir(shelf(root)).unwrap().map(|entry| entry.unwrap().path());
    let mut pieces = entries.filter(|path| !path.ends_with("key"));
    pieces.next().unwrap()
}

#[tokio::test]
async fn a_damaged_piece_is_never_served() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let file = world.put("a", 5000, 1).await;
    world.check(&file, 1, &[0..5000]).await;
    let damages: [fn(&Path); 4] = [
        |path| File::options().write(true).open(path).unwrap().set_len(2500).unwrap(),
        |path| fs::write(path, vec![0; 5000]).unwrap(),
        |path| fs::write(path, b"").unwrap(),
        |path| fs::remove_file(path).unwrap(),
    ];
    for (damage, gets) in damages.iter().zip(2..) {
        damage(&piece(folder.path()));
        // A process that has not yet verified it, as after a power cut.
        let later = World::over(world.store.clone(), folder.path(), 100 * MIB);
        later.check(&file, 1, &[100..200]).await;
        assert_eq!(later.gets(), gets);
    }
}

#[tokio::test]
async fn what_a_dead_process_was_at_is_downloaded_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let file = world.put("a", 5000, 1).await;
    world.check(&file, 1, &[0..5000]).await;
    let piece = piece(folder.path());
    let left = piece.with_file_name("0-5000.part");
    fs::rename(&piece, &left).unwrap();
    File::options().write(true).open(&left).unwrap().set_len(10).unwrap();
    world.check(&file, 1, &[0..5000]).await;
    assert_eq!(world.gets(), 2);
    assert!(!left.exists());
    // Room is counted right even if what it was at lies elsewhere.
    fs::write(folder.path().join("use"), "99").unwrap();
    let other = world.put("b", 5000, 2).await;
    world.check(&other, 2, &[0..5000]).await;
    assert_eq!(world.cache.used().bytes, 10_000);
}

#[tokio::test]
async fn strange_files_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 100 * MIB);
    let file = world.put("a", 5000, 1).await;
    world.check(&file, 1, &[0..5000]).await;
    let shelf = shelf(folder.path());
    for name in [
        "x",
        "5-1-00",
        "1-.part",
        "-",
        "9-99999999999999999999-1",
        "0-10-ffffffffffffffff",
    ] {
        fs::write(shelf.join(name), b"strange").unwrap();
    }
    fs::create_dir(shelf.join("10-20-ffffffffffffffff")).unwrap();
    let later = World::over(world.store.clone(), folder.path(), 100 * MIB);
    later.check(&file, 1, &[0..5000]).await;
    later.check(&file, 1, &[3..15]).await;
    // Another version that has the same hash is not served.
    fs::write(shelf.join("key"), b"of another").unwrap();
    later.check(&file, 1, &[0..5000]).await;
    later.check(&file, 1, &[0..5000]).await;
    assert_eq!(later.gets(), 3);
}

#[tokio::test]
async fn a_disk_that_fails_costs_only_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    let world = World::new(&folder.path().join("file/cache"), 100 * MIB);
    let file = world.put("a", 3 << 20, 1).await;
    assert!(
        world
            .cache
            .prepare(&world.open, &file, &[0..10], &world.tally)
            .await
            .is_empty()
    );
    for _ in 0..2 {
        world.check(&file, 1, &[0..10, MIB..2 * MIB]).await;
    }
    assert_eq!((world.gets(), world.cache.used().hits), (4, 0));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again_a_few_times() {
    let folder = tempfile::tempdir().unwrap();
    for (limit, name) in [(100 * MIB, "kept"), (0, "not kept")] {
        let world = World::new(&folder.path().join(name), limit);
        let file = world.put("a", 5000, 1).await;
        world.store.broken.store(2, Ordering::SeqCst);
        world.check(&file, 1, &[0..5000]).await;
        assert_eq!(world.gets(), 3, "{name}");
        let other = world.put("b", 5000, 1).await;
        world.store.broken.store(3, Ordering::SeqCst);
        let error = world.read(&other, &[0..5000]).await.unwrap_err();
        assert!(error.to_string().contains("the connection broke"), "{error}");
        assert_eq!(world.gets(), 6, "{name}");
        // Nothing of it is left, and the next one succeeds.
        world.check(&other, 1, &[0..5000]).await;
        let gone = object_store::path::Path::from("data/none");
        let missing = crate::FoundFile { object: gone, ..other };
        assert!(world.read(&missing, &[0..10]).await.is_err());
        assert_eq!(world.gets(), 8, "what is refused is not asked for again");
    }
}
