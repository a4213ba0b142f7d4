use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::{FileError, Location};

#[track_caller]
fn check(text: &str, url: &str) {
    let location = Location::parse(text, Some(Path::new("/home/ann"))).unwrap();
    assert_eq!(location.to_string(), url);
    let again = Location::parse(url, None).unwrap();
    assert_eq!(again, location, "printed and read again");
    assert_eq!(again.local_path(), location.local_path());
}

#[track_caller]
fn check_fault(text: &str, code: &str, message: &str) {
    let error = Location::parse(text, None).unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    assert!(!error.help().is_empty());
}

#[test]
fn local_paths_are_taken_literally() {
    check("/data/x.parquet", "file:///data/x.parquet");
    check("x.parquet", "file:///home/ann/x.parquet");
    check("./a/../b/", "file:///home/ann/b/");
    check("..", "file:///home/");
    check("../../../..", "file:///");
    check("~/x", "file:///home/ann/~/x");
    check("/a b/50%.parquet", "file:///a%20b/50%25.parquet");
    check("/a%20b", "file:///a%2520b");
    check("/what?#1", "file:///what%3F%231");
    check("/zeile\nzwei\t", "file:///zeile%0Azwei%09");
    check("/日本/ß", "file:///%E6%97%A5%E6%9C%AC/%C3%9F");
    check("/it's \"quoted\"\\", "file:///it's%20%22quoted%22%5C");
    check("a:b/c", "file:///home/ann/a:b/c");
    check(" lead and trail ", "file:///home/ann/%20lead%20and%20trail%20");
}

#[test]
fn names_that_are_no_text_survive() {
    let path = Path::new(OsStr::from_bytes(b"/data/\xff\xfe.parquet"));
    let location = Location::of_path(path, None).unwrap();
    assert_eq!(
        Location::parse(&location.to_string(), None)
            .unwrap()
            .local_path()
            .unwrap(),
        path
    );
}

#[test]
fn urls_have_one_spelling() {
    check("file:///data/x", "file:///data/x");
    check("file:/data/x", "file:///data/x");
    check("file://localhost/data/x", "file:///data/x");
    check("s3://bucket", "s3://bucket");
    check("s3://bucket/a b/c%d", "s3://bucket/a%20b/c%25d");
    check("s3://bucket/a%20b", "s3://bucket/a%20b");
    check("s3://bucket/a/", "s3://bucket/a/");
    check("s3://bucket/a%3Fb%23", "s3://bucket/a%3Fb%23");
    check("gs://bucket/日", "gs://bucket/%E6%97%A5");
    check("az://container/x", "az://container/x");
    check(
        "abfss://box@account.dfs.core.windows.net/x",
        "abfss://box@account.dfs.core.windows.net/x",
    );
    check("HTTPS://Example.COM:443/x", "https://example.com/x");
    check("memory:///data/", "memory:///data/");
}

#[test]
fn what_is_no_location_is_told() {
    check_fault("", "HW-T003", "`` is not a valid location: it is empty");
    check_fault(
        "x",
        "HW-T003",
        "`x` is not a valid location: it is relative and no folder is known",
    );
    check_fault(
        "ftp://host/x",
        "HW-T001",
        "`ftp://` is not a supported kind of location",
    );
    check_fault(
        "hdfs://host/x",
        "HW-T001",
        "`hdfs://` is not a supported kind of location",
    );
    check_fault(
        "file://data/x",
        "HW-T003",
        "`file://data/x` is not a valid location: files of the host `data` cannot be reached; write `file:///` with \
         three slashes",
    );
    check_fault(
        "s3:///x",
        "HW-T003",
        "`s3:///x` is not a valid location: it names no bucket, container or host",
    );
    check_fault(
        "s3://b/a?b",
        "HW-T003",
        "`s3://b/a?***` is not a valid location: a `?` or `#` stands in it",
    );
    assert_eq!(Location::parse("s3://b/a//b", None).unwrap_err().code(), "HW-T003");
    assert_eq!(Location::parse("s3://b/a%0Ab", None).unwrap_err().code(), "HW-T003");
}

#[test]
fn credentials_are_refused_and_never_shown() {
    for text in [
        "s3://AKIA:s3cret@bucket/x",
        "s3://s3cret@bucket/x",
        "https://ann:s3cret@server/x",
        "https://server/x?sig=s3cret",
        "abfss://box:s3cret@account.dfs.core.windows.net/x",
        "https://ann:s3c ret@ho st/x",
        "https://ann:s3c/ret@host/x",
    ] {
        let error = Location::parse(text, None).unwrap_err();
        assert!(!error.to_string().contains("s3c"), "{error}");
        let expected = if text.contains("ret@ho") { "HW-T003" } else { "HW-T002" };
        assert_eq!(error.code(), expected, "{error}");
    }
    let error = Location::parse("https://server/x?sig=s3cret", None).unwrap_err();
    assert!(error.help().contains("connection"));
}

#[test]
fn a_wildcard_may_stand_at_the_end() {
    let parse = |text: &str| Location::parse_selection(text, Some(Path::new("/w")));
    let check = |text: &str, url: &str, pattern: Option<&str>, recursive: bool| {
        let selection = parse(text).unwrap();
        assert_eq!(selection.location.to_string(), url, "{text}");
        assert_eq!(
            (selection.pattern.as_deref(), selection.recursive),
            (pattern, recursive),
            "{text}"
        );
    };
    check("data/*.parquet", "file:///w/data/", Some("*.parquet"), false);
    check("*.parquet", "file:///w/", Some("*.parquet"), false);
    check("data/**/*.parquet", "file:///w/data/", Some("*.parquet"), true);
    check("**/x[12]", "file:///w/", Some("x[12]"), true);
    check("s3://b/p/{a,b}.parquet", "s3://b/p/", Some("{a,b}.parquet"), false);
    check("data/x.parquet", "file:///w/data/x.parquet", None, false);
    assert!(matches!(parse("data/*/x.parquet"), Ok(selection) if selection.pattern.is_none()));
    assert!(matches!(
        parse("data/*/*.parquet"),
        Err(FileError::InvalidPattern { .. })
    ));
}

#[test]
fn the_base_is_the_store() {
    let base = |text: &str| Location::parse(text, None).unwrap().base().to_string();
    assert_eq!(base("/a/b"), "file:///");
    assert_eq!(base("s3://bucket/a"), "s3://bucket/");
    assert_eq!(base("https://host:8080/a/b"), "https://host:8080/");
    assert_eq!(
        base("abfss://box@account.dfs.core.windows.net/x"),
        "abfss://box@account.dfs.core.windows.net/"
    );
}

#[test]
fn selections_can_be_kept_without_their_folder() {
    #[track_caller]
    fn check(folder: &str, text: &str, expected: Result<&str, &str>) {
        let absolute = Location::absolute_selection(text, Some(Path::new(folder)));
        let absolute = absolute.as_deref().map_err(|error| error.code());
        assert_eq!(absolute, expected, "{text} in {folder}");
    }
    check("/home/me", "a.parquet", Ok("/home/me/a.parquet"));
    check("/home/me", "./data/../a.parquet", Ok("/home/me/a.parquet"));
    check("/home/me", "data/", Ok("/home/me/data/"));
    check("/home/me", "data/*.parquet", Ok("/home/me/data/*.parquet"));
    check("/home/me", "data/**/[ab]?.csv", Ok("/home/me/data/**/[ab]?.csv"));
    check("/home/me", "**/a*.csv", Ok("/home/me/**/a*.csv"));
    check("/", "a.csv", Ok("/a.csv"));
    check("/home/me", "/other/a.csv", Ok("/other/a.csv"));
    check("/home/me", "s3://bucket/a*.parquet", Ok("s3://bucket/a*.parquet"));
    check("/home/[me]", "a.csv", Ok("/home/[me]/a.csv"));
    check("/home/*", "a*.csv", Err("HW-T008"));
}
