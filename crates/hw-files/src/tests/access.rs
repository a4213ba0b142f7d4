use std::os::unix::fs::symlink;

use crate::{Access, Location, discover};

use super::samples::{opened_folder, stores};

fn location(text: &str) -> Location {
    Location::parse(text, None).unwrap()
}

#[track_caller]
fn check(entries: &[&str], text: &str, permitted: bool) {
    let access = Access::allowed(entries.iter().copied(), None).unwrap();
    assert_eq!(access.permits(&location(text)).is_ok(), permitted, "{text}");
}

#[test]
fn whole_parts_of_a_prefix_are_compared() {
    check(&["s3://b/a"], "s3://b/a", true);
    check(&["s3://b/a"], "s3://b/a/x", true);
    check(&["s3://b/a/"], "s3://b/a", true);
    check(&["s3://b/a"], "s3://b/ab", false);
    check(&["s3://b/a"], "s3://b/a/../c", false);
    check(&["s3://b"], "s3://b/anything", true);
    check(&["s3://b"], "s3://bb/x", false);
    check(&["s3://b"], "gs://b/x", false);
    check(&["https://h/x"], "http://h/x", false);
    check(&["https://h/x"], "https://h:8443/x", false);
    check(&["/nowhere/a"], "/nowhere/a/b", true);
    check(&["/nowhere/a"], "/nowhere/ab", false);
    check(&["/nowhere/a"], "/nowhere/a/../b", false);
    check(&["/"], "/etc/passwd", true);
    check(&["/"], "s3://b/x", false);
    check(&[], "/etc/passwd", false);
    check(&[], "http://169.254.169.254/latest/meta-data", false);
}

#[test]
fn a_refusal_names_the_setting() {
    let error = Access::allowed([], None)
        .unwrap()
        .permits(&location("/etc"))
        .unwrap_err();
    assert_eq!(error.code(), "HW-T004");
    assert_eq!(
        error.to_string(),
        "`/etc` is outside the folders that clients may reach"
    );
    assert!(error.help().contains("`files.allow`"));
    assert!(Access::Unrestricted.permits(&location("/etc")).is_ok());
}

#[test]
fn links_are_resolved_first() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    let outside = folder.path().join("outside");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    symlink(&outside, inside.join("out")).unwrap();
    symlink(&inside, folder.path().join("in")).unwrap();
    let access = Access::allowed([inside.to_str().unwrap()], None).unwrap();
    let permitted = |path: &str| {
        access
            .permits(&Location::of_path(&folder.path().join(path), None).unwrap())
            .is_ok()
    };
    assert!(permitted("inside/x"));
    assert!(permitted("in/x"), "a link that leads in");
    assert!(!permitted("inside/out/x"), "a link that leads out");
    assert!(!permitted("outside/x"));
    let by_link = Access::allowed([folder.path().join("in").to_str().unwrap()], None).unwrap();
    assert!(
        by_link.permits(&Location::of_path(&inside, None).unwrap()).is_ok(),
        "a link may be listed"
    );
}

#[tokio::test]
async fn a_link_below_an_allowed_folder_does_not_lead_out() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    std::fs::create_dir_all(&inside).unwrap();
    std::fs::write(folder.path().join("secret.parquet"), "secret").unwrap();
    std::fs::write(inside.join("own.parquet"), "own").unwrap();
    symlink(folder.path().join("secret.parquet"), inside.join("link.parquet")).unwrap();
    let access = Access::allowed([inside.to_str().unwrap()], None).unwrap();
    let place = Location::of_path(&inside, None).unwrap();
    let open = stores().open_permitted(&place, &access).unwrap();
    let names = |files: Vec<crate::FoundFile>| files.into_iter().map(|file| file.path).collect::<Vec<_>>();
    for recursive in [false, true] {
        let error = discover(&open, "*.parquet", recursive, 10).await.unwrap_err();
        assert!(error.to_string().contains("link.parquet"), "{error}");
    }
    let linked = object_store::path::Path::parse(format!("{}/link.parquet", open.prefix)).unwrap();
    let error = object_store::ObjectStoreExt::get(&*open.store, &linked)
        .await
        .unwrap_err();
    assert!(matches!(error, object_store::Error::PermissionDenied { .. }), "{error}");
    let unrestricted = discover(&opened_folder(&inside), "*.parquet", false, 10).await.unwrap();
    assert_eq!(names(unrestricted), ["link.parquet", "own.parquet"]);
}
