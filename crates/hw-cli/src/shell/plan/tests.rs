#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::explained;

#[track_caller]
fn check(sql: &str, query: &str, analyze: bool) {
    assert_eq!(explained(sql), Some((query.to_owned(), analyze)), "{sql:?}");
}

#[test]
fn the_query_stays_where_it_stood() {
    check("EXPLAIN SELECT 1", "        SELECT 1", false);
    check("explain\tanalyze\nselect 1", "               \nselect 1", true);
    check(
        "-- ä\nExplain /* why */ WITH a",
        "    \n                  WITH a",
        false,
    );
    check("EXPLAIN(SELECT 1)", "       (SELECT 1)", false);
}

#[test]
fn other_statements_and_forms_stay_as_they_are() {
    for sql in [
        "SELECT 1",
        "",
        "-- explain",
        "/* explain",
        "EXPLAIN",
        "EXPLAIN ANALYZE",
        "EXPLAIN VERBOSE SELECT 1",
        "EXPLAIN ANALYZE VERBOSE SELECT 1",
        "EXPLAIN FORMAT tree SELECT 1",
        "explained",
    ] {
        assert_eq!(explained(sql), None, "{sql:?}");
    }
}
