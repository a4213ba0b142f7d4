use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::chunked::ChunkedStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::throttle::{ThrottleConfig, ThrottledStore};
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::{Location, OpenLocation, discover};

use super::samples::{opened, opened_folder, stores};

fn folder_with(files: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    folder
}

async fn found(open: &OpenLocation, pattern: &str, recursive: bool) -> String {
    match discover(open, pattern, recursive, 20_000).await {
        Ok(files) => files.into_iter().map(|file| file.path).collect::<Vec<_>>().join(" "),
        Err(error) => error.to_string().replace(&open.location.shown(), "PLACE"),
    }
}

const FILES: [&str; 9] = [
    "b.parquet",
    "a.parquet",
    "B.parquet",
    "notes.txt",
    "day=1/c.parquet",
    "_day=2/d.parquet",
    "_temporary/e.parquet",
    ".git/f.parquet",
    "deep/_tmp/deeper/g.parquet",
];

async fn check(pattern: &str, recursive: bool, expected: &str) {
    let folder = folder_with(&FILES);
    assert_eq!(
        found(&opened_folder(folder.path()), pattern, recursive).await,
        expected,
        "{pattern}, local"
    );
    let memory = opened("memory:///some/place");
    for file in FILES {
        memory
            .store
            .put(&Path::from(format!("some/place/{file}")), PutPayload::from("x"))
            .await
            .unwrap();
        memory
            .store
            .put(&Path::from(format!("some/placebo/{file}")), PutPayload::from("x"))
            .await
            .unwrap();
    }
    assert_eq!(
        found(&memory, pattern, recursive).await,
        expected,
        "{pattern}, in memory"
    );
}

#[tokio::test]
async fn files_are_found_by_name_and_sorted() {
    check("*.parquet", false, "B.parquet a.parquet b.parquet").await;
    check("{a,B}.*", false, "B.parquet a.parquet").await;
    check(
        "*.parquet",
        true,
        "B.parquet _day=2/d.parquet a.parquet b.parquet day=1/c.parquet",
    )
    .await;
    check("*.txt", true, "notes.txt").await;
}

#[tokio::test]
async fn finding_nothing_says_what_is_there_instead() {
    let folder = folder_with(&["a.csv", "b.csv", "sub/c.parquet"]);
    let open = opened_folder(folder.path());
    let error = discover(&open, "*.parquet", false, 10).await.unwrap_err();
    assert_eq!(error.code(), "HW-T006");
    let text = error.to_string();
    assert!(text.contains("it holds 2 other files, for instance `"), "{text}");
    assert!(text.ends_with("and one sub-folder"), "{text}");
    assert!(error.help().contains("--recursive"));
    assert_eq!(found(&open, "*.parquet", true).await, "sub/c.parquet");
    let text = found(&open, "c.csv", true).await;
    assert!(
        text.starts_with("no file in `PLACE` matches `c.csv`; it holds 3 other files, for instance `"),
        "{text}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        found(&opened_folder(empty.path()), "*.parquet", false).await,
        "no file in `PLACE` matches `*.parquet`; it is empty"
    );
    assert_eq!(
        found(&opened("memory:///nothing/here"), "*.parquet", true).await,
        "no file in `PLACE` matches `*.parquet`; it is empty"
    );
    let absent = opened_folder(&empty.path().join("absent"));
    assert_eq!(found(&absent, "*.parquet", false).await, "`PLACE` does not exist");
}

#[tokio::test]
async fn a_location_may_be_one_file() {
    let folder = folder_with(&["it's (1) 50%.pq"]);
    let path = folder.path().join("it's (1) 50%.pq");
    let open = opened_folder(&path);
    let files = discover(&open, "*.parquet", false, 10).await.unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].path, "it's (1) 50%.pq");
    let holder = open.folder_of(&files[0]);
    assert_eq!(
        Location::parse(holder.as_str(), None).unwrap().local_path().unwrap(),
        folder.path()
    );
    assert_eq!(open.shown(&files[0]), path.to_str().unwrap());
    let again = stores().open(&Location::parse(holder.as_str(), None).unwrap()).unwrap();
    let part = crate::FoundFile::of_part(&again, &files[0].to_part(None)).unwrap();
    assert_eq!(part, files[0], "a registered part leads back to the file");
    let as_folder = opened(&format!("{}/", path.display()));
    assert!(
        discover(&as_folder, "*", false, 10).await.is_err(),
        "a file is no folder"
    );
}

#[tokio::test]
async fn objects_that_stand_for_folders_are_left_out() {
    let open = opened("memory:///t");
    for (path, content) in [
        ("t/x.parquet", ""),
        ("t/x.parquet/a.parquet", "x"),
        ("t/y.parquet", ""),
        ("t", ""),
    ] {
        open.store
            .put(&Path::from(path), PutPayload::from(content))
            .await
            .unwrap();
    }
    let open = opened_with(open.store.clone(), "memory:///t/");
    assert_eq!(found(&open, "*.parquet", false).await, "y.parquet");
    assert_eq!(found(&open, "*.parquet", true).await, "x.parquet/a.parquet y.parquet");
}

fn opened_with(store: Arc<dyn ObjectStore>, text: &str) -> OpenLocation {
    let stores = stores();
    let location = Location::parse(text, None).unwrap();
    stores.put_store(location.base(), store);
    stores.open(&location).unwrap()
}

#[tokio::test]
async fn listings_of_many_pages_and_slow_stores_are_read_to_the_end() {
    let memory = Arc::new(InMemory::new());
    for number in 0..2_500 {
        memory
            .put(&Path::from(format!("d/{number:05}.parquet")), PutPayload::from("x"))
            .await
            .unwrap();
    }
    let slow = ThrottleConfig {
        wait_list_per_call: Duration::from_millis(5),
        wait_list_with_delimiter_per_call: Duration::from_millis(5),
        wait_get_per_call: Duration::from_millis(1),
        ..Default::default()
    };
    let throttled = ThrottledStore::new(ChunkedStore::new(memory, 7), slow);
    let open = opened_with(Arc::new(throttled), "memory:///d");
    for recursive in [false, true] {
        let files = discover(&open, "*.parquet", recursive, 2_500).await.unwrap();
        assert_eq!(files.len(), 2_500);
        assert!(files.is_sorted_by(|a, b| a.path < b.path));
    }
    let error = discover(&open, "*.parquet", false, 2_499).await.unwrap_err();
    assert_eq!(error.code(), "HW-T007");
    assert_eq!(
        error.to_string(),
        "`memory:///d` holds more than 2499 files that match `*.parquet`"
    );
}

#[tokio::test]
async fn ten_thousand_files_are_quick() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        std::fs::File::create(folder.path().join(format!("{number}.parquet"))).unwrap();
    }
    let open = opened_folder(folder.path());
    let found = tokio::time::timeout(Duration::from_secs(5), discover(&open, "*.parquet", false, 10_000)).await;
    assert_eq!(
        found.expect("within seconds even on a busy machine").unwrap().len(),
        10_000
    );
}

#[tokio::test]
async fn a_folder_that_may_not_be_read_is_told() {
    let folder = folder_with(&["locked/x.parquet"]);
    let locked = folder.path().join("locked");
    set_mode(&locked, 0o000);
    let readable_anyway = std::fs::read_dir(&locked).is_ok();
    let error = discover(&opened_folder(&locked), "*.parquet", false, 10).await;
    set_mode(&locked, 0o755);
    match error {
        Err(error) => assert_eq!(error.code(), "HW-T015", "{error}"),
        Ok(_) => assert!(readable_anyway, "only the superuser may read it"),
    }
}

fn set_mode(path: &FilePath, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
