#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;

use super::{PARTS, write_demo};

#[test]
fn the_demo_is_written_once_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let demo = write_demo(folder.path(), "funnel").unwrap();
    assert_eq!(demo.query["funnel"]["maxDuration"], "12h");
    let part = demo.path.join("part-1.parquet");
    let written = fs::metadata(&part).unwrap().modified().unwrap();
    fs::write(demo.path.join("part-0.parquet"), "damaged").unwrap();
    fs::write(demo.path.join("part-9.parquet"), "of another version").unwrap();
    fs::write(&demo.query_file, "{}").unwrap();
    assert_eq!(write_demo(folder.path(), "funnel").unwrap(), demo);
    assert_eq!(fs::metadata(&part).unwrap().modified().unwrap(), written);
    assert_eq!(fs::read(demo.path.join("part-0.parquet")).unwrap(), PARTS[0].1);
    assert!(!demo.path.join("part-9.parquet").exists());
    assert_eq!(
        fs::read_to_string(&demo.query_file).unwrap(),
        "{}",
        "what the user changed stays"
    );
    assert!(fs::read_to_string(&demo.readme).unwrap().contains("CC0"));
}

#[test]
fn other_demos_are_not_there_yet() {
    let folder = tempfile::tempdir().unwrap();
    let problem = write_demo(folder.path(), "loop").unwrap_err();
    assert_eq!((problem.status, problem.code.as_str()), (404, "HW-C015"));
}
