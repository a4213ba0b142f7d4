use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path as FilePath, PathBuf};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::local::{LocalStore, object_path};

fn named(name: &[u8]) -> PathBuf {
    FilePath::new("/base").join(OsStr::from_bytes(name))
}

#[test]
fn names_read_as_they_are_where_they_can() {
    let check = |name: &[u8], path: &str| {
        let object = object_path(&named(name)).unwrap();
        assert_eq!(object.as_ref(), format!("base/{path}"));
    };
    check(b"plain.parquet", "plain.parquet");
    check(b"a b#1?", "a b#1?");
    check(b"50%.parquet", "50%.parquet");
    check(b"100%zz", "100%zz");
    check(b"line\nbreak", "line%0Abreak");
    check(b"already%0A", "already%250A");
    check(b"caf\xe9", "caf%E9");
    check("日本".as_bytes(), "日本");
}

/// Every name that a file can have is found in a listing, and its listed path reads it.
#[tokio::test]
async fn every_name_survives_a_round_trip() {
    let mut names: Vec<OsString> = [
        &b"a b"[..],
        b"%",
        b"%%0A",
        b"%25",
        b"%250A",
        b"#1",
        b"x#12",
        b"?",
        b"'\"`$(id)",
        b"\\",
        b"\n",
        b"\r\n",
        b"\x7f",
        b"\xff",
        b"~",
        b"*[{",
    ]
    .iter()
    .map(|name| OsString::from_vec(name.to_vec()))
    .collect();
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..200 {
        let length = random.random_range(1..12);
        let alphabet = b"%012AF\n\xc3\xa9 .a#";
        let name: Vec<u8> = (0..length)
            .map(|_| alphabet[random.random_range(0..alphabet.len())])
            .collect();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for name in &names {
        std::fs::write(folder.path().join(name), name.as_bytes()).unwrap();
    }
    let store = LocalStore::default();
    let prefix = object_path(&folder.path().canonicalize().unwrap()).unwrap();
    let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
    names.sort();
    names.dedup();
    assert_eq!(listed.len(), names.len());
    let mut contents = Vec::new();
    for meta in listed {
        contents.push(store.get(&meta.location).await.unwrap().bytes().await.unwrap().to_vec());
    }
    contents.sort();
    assert_eq!(
        contents,
        names.iter().map(|name| name.as_bytes().to_vec()).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_write_is_whole_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::default();
    let path = object_path(&folder.path().join("deep/er/x")).unwrap();
    store.put(&path, PutPayload::from("one")).await.unwrap();
    let create = PutOptions::from(PutMode::Create);
    let refused = store
        .put_opts(&path, PutPayload::from("two"), create)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, object_store::Error::AlreadyExists { .. }),
        "{refused}"
    );
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "one");
    store.put(&path, PutPayload::from("three")).await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "three");

    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part(PutPayload::from("par")).await.unwrap();
    upload.put_part(PutPayload::from("ts")).await.unwrap();
    assert_eq!(
        store.get(&path).await.unwrap().bytes().await.unwrap(),
        "three",
        "not before it is complete"
    );
    upload.complete().await.unwrap();
    assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "parts");

    let mut dropped = store.put_multipart(&path).await.unwrap();
    dropped.put_part(PutPayload::from("no")).await.unwrap();
    drop(dropped);
    assert_eq!(
        std::fs::read_dir(folder.path().join("deep/er")).unwrap().count(),
        1,
        "nothing is left over"
    );
}

#[tokio::test]
async fn what_is_no_file_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::default();
    let of = |name: &str| object_path(&folder.path().join(name)).unwrap();
    std::fs::write(folder.path().join("x"), "12345").unwrap();
    for missing in [of("absent"), of("x/below"), of("")] {
        let error = store.get(&missing).await.unwrap_err();
        assert!(
            matches!(error, object_store::Error::NotFound { .. }),
            "{missing}: {error}"
        );
    }
    assert!(
        store.get_ranges(&of("x"), &[0..2, 3..9]).await.is_err(),
        "a range beyond the end"
    );
    assert_eq!(store.get_range(&of("x"), 1..3).await.unwrap(), "23");
}

#[tokio::test]
async fn links_in_a_circle_end() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("a")).unwrap();
    std::fs::write(folder.path().join("a/x"), "x").unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    let store = LocalStore::default();
    let prefix = object_path(folder.path()).unwrap();
    let listed: Vec<_> = store.list(Some(&prefix)).try_collect().await.unwrap();
    assert!((1..=2).contains(&listed.len()), "{listed:?}");
}

#[tokio::test]
async fn what_is_ones_own_is_for_its_user_alone() {
    let mode = |path: &std::path::Path| {
        let facts = std::fs::metadata(path).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&facts.permissions()) & 0o777
    };
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::private();
    let of = |name: &str| object_path(&folder.path().join(name)).unwrap();
    store.put(&of("a/b/put"), PutPayload::from("x")).await.unwrap();
    store.copy(&of("a/b/put"), &of("a/c/copied")).await.unwrap();
    let mut upload = store.put_multipart(&of("a/d/sent")).await.unwrap();
    upload.put_part(PutPayload::from("x")).await.unwrap();
    upload.complete().await.unwrap();
    for (made, expected) in [
        ("a", 0o700),
        ("a/b", 0o700),
        ("a/b/put", 0o600),
        ("a/c/copied", 0o600),
        ("a/d", 0o700),
        ("a/d/sent", 0o600),
    ] {
        assert_eq!(mode(&folder.path().join(made)), expected, "{made}");
    }
    std::fs::write(folder.path().join("usual"), "").unwrap();
    LocalStore::default()
        .put(&of("plain"), PutPayload::from("x"))
        .await
        .unwrap();
    assert_eq!(mode(&folder.path().join("plain")), mode(&folder.path().join("usual")));
}
