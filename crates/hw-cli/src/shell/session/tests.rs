//! Statements that change options, and those that do not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

#[track_caller]
fn set(sql: &str, name: &str, value: &str) {
    assert_eq!(
        change_of(sql),
        Some(Change::Set(name.to_owned(), value.to_owned())),
        "{sql}"
    );
}

#[test]
fn what_sets_what() {
    set(
        "SET datafusion.execution.batch_size = 100",
        "datafusion.execution.batch_size",
        "100",
    );
    set(
        "set Datafusion.Explain.Format TO 'tree'",
        "datafusion.explain.format",
        "tree",
    );
    set("/* a /* b */ c */ SET -- d\n x='it''s'", "x", "it's");
    set("SET \"datafusion\".\"x\" = true", "datafusion.x", "true");
    set("SET x = -1", "x", "-1");
    set("SET x = tree", "x", "tree");
    set("SET TIME ZONE 'Europe/Vienna'", TIME_ZONE, "Europe/Vienna");
    set("SET TIME ZONE = '+01:00'", TIME_ZONE, "+01:00");
    set("SET SESSION timezone = 'UTC'", TIME_ZONE, "UTC");
}

#[test]
fn what_resets_what() {
    let reset = |sql| match change_of(sql) {
        Some(Change::Reset(name)) => name,
        other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(reset("RESET a.b"), "a.b");
    assert_eq!(reset("reset ALL"), "all");
    let mut options = BTreeMap::from([("a.b".to_owned(), "1".to_owned()), ("c".to_owned(), "2".to_owned())]);
    remember(&mut options, &Change::Reset("a.b".to_owned()));
    assert_eq!(options.keys().collect::<Vec<_>>(), ["c"]);
    remember(&mut options, &Change::Reset("all".to_owned()));
    assert!(options.is_empty());
}

#[test]
fn what_is_neither() {
    for sql in ["SELECT 1", "", "-- SET x = 1", "SHOW x", "'set' x = 1", "settings"] {
        assert_eq!(change_of(sql), None, "{sql}");
    }
    for sql in ["SET", "SET x", "SET x = 1, 2", "SET x =", "RESET", "RESET a b"] {
        assert_eq!(change_of(sql), Some(Change::Unclear), "{sql}");
    }
}
