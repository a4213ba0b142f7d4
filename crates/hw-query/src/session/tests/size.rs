//! Statements that are too large, too deep, or only look so.
use std::time::Duration;

use super::*;

/// The answer as CSV, or the error's code and message; within a minute even on a slow machine in a debug build.
async fn run(sql: &str) -> Result<String, String> {
    let world = world().await;
    let answer = tokio::time::timeout(Duration::from_secs(60), world.csv(sql)).await;
    answer
        .expect("an answer in time")
        .map_err(|error| format!("{} {error}", error.code()))
}

fn repeated(start: &str, item: impl Fn(usize) -> String, separator: &str, count: usize, end: &str) -> String {
    let items: Vec<String> = (0..count).map(item).collect();
    format!("{start}{}{end}", items.join(separator))
}

#[tokio::test]
async fn ten_thousand_alternatives_are_answered() {
    let start = "SELECT count(*) AS n FROM events WHERE ";
    let sql = repeated(start, |n| format!("ts = {n}"), " OR ", 10_000, "");
    assert_eq!(run(&sql).await.unwrap(), "n\n4\n");
    let sql = repeated(start, |n| format!("(ts = {n} AND event <> 'x{n}')"), " OR ", 1_500, "");
    assert_eq!(run(&sql).await.unwrap(), "n\n3\n");
    let sql = repeated(start, |n| format!("ts <> {}", n * 3), " AND ", 1_500, "");
    assert_eq!(run(&sql).await.unwrap(), "n\n3\n");
}

#[tokio::test]
async fn long_chains_of_other_operators_are_answered_or_refused() {
    let sql = repeated("SELECT ", |_| "1".to_owned(), " + ", 400, " AS n");
    assert_eq!(run(&sql).await.unwrap(), "n\n400\n");
    let sql = repeated(
        "SELECT ",
        |_| "ts".to_owned(),
        " + ",
        300,
        " AS n FROM events ORDER BY 1 LIMIT 1",
    );
    assert_eq!(run(&sql).await.unwrap(), "n\n3000\n");
    let sql = repeated("SELECT ", |_| "1".to_owned(), "+", 200_000, "");
    assert!(run(&sql).await.unwrap_err().starts_with("HW-Q002 "));
}

#[tokio::test]
async fn a_megabyte_of_values_is_answered() {
    let sql = repeated(
        "SELECT count(*) AS n FROM events WHERE event IN ('view',",
        |n| format!("'{n:0>100}'"),
        ",",
        10_000,
        ")",
    );
    assert!(sql.len() > 1_000_000);
    assert_eq!(run(&sql).await.unwrap(), "n\n2\n");
    let text = "x".repeat(1_000_000);
    assert_eq!(
        run(&format!("SELECT length('{text}') AS n")).await.unwrap(),
        "n\n1000000\n"
    );
}

#[tokio::test]
async fn a_statement_beyond_the_limit_is_refused() {
    let error = run(&format!("SELECT '{}'", "x".repeat(crate::SQL_BYTES_MAX)))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        "HW-Q002 the statement has 4194313 bytes, at most 4194304 are allowed"
    );
}

#[tokio::test]
async fn deep_nesting_is_refused_without_harm() {
    for depth in [50, 1_000, 20_000] {
        for (open, close) in [
            ("(", ")"),
            ("abs(", ")"),
            ("- ", ""),
            ("NOT ", ""),
            ("(SELECT ", ")"),
            ("CASE WHEN true THEN ", " END"),
            ("[", "]"),
        ] {
            let sql = format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth));
            if let Err(error) = run(&sql).await {
                assert!(!error.starts_with("HW-Q099"), "{open} x {depth}: {error}");
            }
        }
    }
    assert_eq!(
        run(&format!("SELECT {}1{} AS n", "(".repeat(50), ")".repeat(50)))
            .await
            .unwrap(),
        "n\n1\n"
    );
}

#[tokio::test]
async fn many_relations_are_answered_or_refused() {
    let sql = repeated(
        "SELECT count(*) AS n FROM ",
        |n| format!("(SELECT 1) AS t{n}"),
        ", ",
        60,
        "",
    );
    assert_eq!(run(&sql).await.unwrap(), "n\n1\n");
    let sql = repeated("", |n| format!("SELECT {n} AS n"), " UNION ALL ", 300, "");
    assert_eq!(run(&sql).await.unwrap().lines().count(), 301);
    let sql = repeated("SELECT 1 FROM ", |n| format!("(SELECT 1) AS t{n}"), ", ", 20_000, "");
    assert!(run(&sql).await.unwrap_err().starts_with("HW-Q002 "));
    let sql = repeated("", |n| format!("SELECT {n}"), " UNION ALL ", 60_000, "");
    assert!(run(&sql).await.unwrap_err().starts_with("HW-Q002 "));
}

#[tokio::test]
async fn hostile_texts_are_values() {
    let world = world().await;
    let session = world.session();
    for text in [
        "'; DROP TABLE events; --",
        "\\",
        "\u{0}",
        "\u{202e}",
        "a\nb",
        "$1",
        "{}",
        "%s",
        "\u{feff}x",
        "`",
        "\"",
        "''",
    ] {
        let answer = csv(
            &session,
            "SELECT $1 = $2 AS same, length($1) AS n",
            &[json!(text), json!(text)],
        )
        .await
        .unwrap();
        assert_eq!(answer, format!("same,n\ntrue,{}\n", text.chars().count()), "{text:?}");
        let literal = format!("'{}'", text.replace('\'', "''"));
        let answer = csv(&session, &format!("SELECT {literal} = $1 AS same"), &[json!(text)])
            .await
            .unwrap();
        assert_eq!(answer, "same\ntrue\n", "{text:?}");
    }
}

#[tokio::test]
async fn clauses_that_multiply_are_refused() {
    let clause = |n: usize| format!("t{n} AS (SELECT a.x FROM t{} a, t{} b)", n - 1, n - 1);
    let clauses: Vec<String> = (1..40).map(clause).collect();
    let sql = format!("WITH t0 AS (SELECT 1 AS x), {} SELECT * FROM t39", clauses.join(", "));
    let error = run(&sql).await.unwrap_err();
    assert!(error.starts_with("HW-Q002 the statement grows to "), "{error}");
    let world = world().await;
    world.view("v0", "SELECT 1 AS x");
    for n in 1..14 {
        world.view(
            &format!("v{n}"),
            &format!("SELECT a.x FROM v{} a, v{} b, v{} c", n - 1, n - 1, n - 1),
        );
    }
    let error = world.csv("SELECT * FROM v13").await.unwrap_err();
    assert_eq!(error.code(), "HW-Q002", "{error}");
}

#[tokio::test]
async fn operators_in_disguise_are_counted() {
    let chains = [
        ("1 BETWEEN 0 AND 2", " BETWEEN 0 AND 2"),
        ("1", " + CASE WHEN true THEN 1 END"),
        ("1", " + (1)"),
        ("1", "::INT"),
        ("[1]", "[1]"),
        ("1", " IS NULL"),
        ("1 IN (1)", " IN (true)"),
        ("1, 2", " UNION ALL SELECT 1, 2"),
        ("1 AND true", " UNION SELECT 1 AND true"),
    ];
    for (first, next) in chains {
        let sql = format!("SELECT {first}{}", next.repeat(20_000));
        let error = run(&sql).await.unwrap_err();
        assert!(error.starts_with("HW-Q002 "), "{next}: {error}");
    }
    let cases = repeated(
        "SELECT CASE ",
        |n| format!("WHEN {n} = 1 THEN {n}"),
        " ",
        2_000,
        " END AS n",
    );
    assert_eq!(run(&cases).await.unwrap(), "n\n1\n");
}
