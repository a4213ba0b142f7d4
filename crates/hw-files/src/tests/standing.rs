//! What a store says of the files of a table, asked with few requests; files in the version that was found.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};

use super::samples::opened;
use crate::cache::tests::World;
use crate::{FoundFile, ReadTally, Standing, VersionedStore};

async fn world(folder: &std::path::Path, files: u8) -> (World, Vec<FoundFile>) {
    let world = World::new(folder, 1 << 30);
    let mut found = Vec::new();
    for number in 0..files {
        found.push(world.put(&format!("{number}.parquet"), 1000, number).await);
    }
    (world, found)
}

#[tokio::test]
async fn many_files_are_listed_once_and_few_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for (files, looks) in [(4, 4), (5, 0), (20, 0)] {
        let (world, found) = world(folder.path(), files).await;
        let standing = Standing::new(world.open.clone(), files.into());
        for file in &found {
            let meta = standing.meta(&file.object).await.unwrap();
            assert_eq!((meta.size, meta.e_tag), (1000, file.etag.clone()));
        }
        assert_eq!(world.gets(), looks, "{files} files");
        // What the listing does not hold is asked for: it may be newer than the listing.
        let absent = standing.meta(&Path::from("data/none")).await.unwrap_err();
        assert!(matches!(absent, object_store::Error::NotFound { .. }), "{absent}");
        let late = world.put("late.parquet", 10, 1).await;
        assert_eq!(standing.meta(&late.object).await.unwrap().size, 10);
        assert!(standing.is_of(&world.open) && !standing.is_of(&opened("memory:///other/")));
    }
}

#[tokio::test]
async fn a_folder_with_far_more_than_the_table_is_not_listed_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (world, found) = world(folder.path(), 6).await;
    for number in 0..2_100 {
        let object = Path::from(format!("data/strange/{number}"));
        world.store.put(&object, "x".into()).await.unwrap();
    }
    let standing = Standing::new(world.open.clone(), 6);
    for file in &found {
        standing.meta(&file.object).await.unwrap();
    }
    assert_eq!(world.gets(), 6);
}

#[tokio::test]
async fn files_are_given_in_the_version_that_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let (world, found) = world(folder.path(), 2).await;
    let tally = Arc::new(ReadTally::default());
    let store = VersionedStore::over(&world.open, found.iter().cloned(), &tally);
    let first = &found[1];
    for _ in 0..2 {
        let part = store.get_range(&first.object, 10..20).await.unwrap();
        let ranges = store.get_ranges(&first.object, &[10..20, 900..1000]).await.unwrap();
        assert_eq!((part, ranges[1].len()), (ranges[0].clone(), 100));
    }
    assert_eq!((world.gets(), tally.downloaded()), (1, 1000));
    assert_eq!(store.get_range(&first.object, 990..2000).await.unwrap().len(), 10);
    // What is asked otherwise is asked of the store: the whole file, facts alone, ranges beyond the end, other files.
    assert_eq!(
        store.get(&first.object).await.unwrap().bytes().await.unwrap().len(),
        1000
    );
    assert_eq!(store.head(&first.object).await.unwrap().size, 1000);
    assert!(store.get_range(&first.object, 1000..1001).await.is_err());
    let other = world.put("other", 50, 3).await;
    assert_eq!(store.get_range(&other.object, 0..5).await.unwrap().len(), 5);
    let before = world.gets();
    world.put("0.parquet", 1000, 9).await;
    let changed = store.get_range(&found[0].object, 0..5).await.unwrap_err();
    assert!(matches!(changed, object_store::Error::Precondition { .. }), "{changed}");
    assert_eq!(world.gets(), before + 1);
    let local = crate::tests::samples::opened_folder(folder.path());
    let own = VersionedStore::over(&local, [], &tally);
    assert!(Arc::ptr_eq(&own, &local.store));
}

/// Listings tell fractions of a second where answers to requests for bytes tell none; local files always have theirs.
#[test]
fn times_decide_where_no_etag_does() {
    let at = |micros: i64| ObjectMeta {
        location: Path::from("data/a"),
        last_modified: chrono::DateTime::from_timestamp_micros(micros).unwrap(),
        size: 1,
        e_tag: None,
        version: None,
    };
    let (local, remote) = (opened("file:///data/"), opened("http://shop.example/data/"));
    let cases = [
        (5_250_000, 5_250_000, true, true),
        (5_250_000, 5_750_000, false, false),
        (5_250_000, 5_000_000, false, true),
        (5_250_000, 6_000_000, false, false),
        (0, 5_250_000, false, true),
    ];
    for (then, now, same_here, same_there) in cases {
        assert_eq!(local.is_same_content(None, then, &at(now)), same_here, "{then} {now}");
        assert_eq!(remote.is_same_content(None, then, &at(now)), same_there, "{then} {now}");
    }
    let tagged = ObjectMeta {
        e_tag: Some("\"a1\"".to_owned()),
        ..at(7)
    };
    assert!(remote.is_same_content(Some("a1"), 5_250_000, &tagged));
    assert!(!remote.is_same_content(Some("a2"), 7, &tagged));
}
