#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use expect_test::{Expect, expect};

use datafusion::common::TableReference;

use super::*;

const LIMITS: Limits = Limits { memory: 1, spill: 1 };

#[track_caller]
fn check_split(script: &str, expected: Expect) {
    let split = match split_statements(script) {
        Ok(statements) => statements.iter().fold(String::new(), |told, statement| {
            assert!(script[statement.offset as usize..].starts_with(&statement.text));
            told + &format!("{}:{} {:?}\n", statement.line, statement.offset, statement.text)
        }),
        Err(error) => crate::testing::told(&error),
    };
    expected.assert_eq(&split);
}

#[test]
fn scripts_are_split_at_semicolons_outside_of_quotes_and_comments() {
    check_split(
        "SELECT 1; SELECT 2;",
        expect![[r#"
        1:0 "SELECT 1"
        1:10 "SELECT 2"
    "#]],
    );
    check_split(
        "SELECT ';' AS \"a;b\" -- c;\n;\n/* ; */ SELECT 2 /* tail */ ;;",
        expect![[r#"
            1:0 "SELECT ';' AS \"a;b\" -- c;"
            3:36 "SELECT 2 /* tail */"
        "#]],
    );
    check_split(
        "  \n\n SELECT 'ä;ü'\n , 2\n;\tSELECT 3",
        expect![[r#"
        3:5 "SELECT 'ä;ü'\n , 2"
        5:27 "SELECT 3"
    "#]],
    );
    check_split("", expect![[""]]);
    check_split(" ;; -- nothing", expect![[""]]);
    check_split(
        "SELECT $$a;b$$; SELECT E'\\';'; SELECT 1",
        expect![[r#"
        1:0 "SELECT $$a;b$$"
        1:16 "SELECT E'\\';'"
        1:31 "SELECT 1"
    "#]],
    );
}

#[test]
fn scripts_with_open_quotes_are_refused() {
    check_split(
        "SELECT 1;\nSELECT 'open;",
        expect![[r#"
        HW-Q001 at 2:8 (byte 17): unterminated string literal
    "#]],
    );
    check_split(
        "SELECT 1 /* open;",
        expect![[r#"
        HW-Q001 at 1:18 (byte 17): unexpected EOF while in a multi-line comment
    "#]],
    );
}

/// What a checked statement names.
fn named(sql: &str) -> Vec<String> {
    let checked = check(sql, &LIMITS).unwrap_or_else(|error| panic!("{sql}: {}", crate::testing::told(&error)));
    let quotes = |quoted: bool| if quoted { "'" } else { "" };
    let relations = checked.relations.iter();
    relations
        .map(|relation| format!("{0}{1}{0}", quotes(relation.quoted), relation.name))
        .collect()
}

#[test]
fn names_are_found_wherever_they_stand() {
    assert_eq!(
        named("SELECT * FROM A, main.b JOIN \"C\" ON true"),
        ["a", "main.b", "'C'"]
    );
    assert_eq!(
        named("SELECT (SELECT 1 FROM a) FROM 'x/*.csv' WHERE b IN (SELECT c FROM d)"),
        ["a", "'x/*.csv'", "d"]
    );
    assert_eq!(named("WITH a AS (SELECT * FROM b) SELECT * FROM a"), ["b", "a"]);
    assert_eq!(
        named("SELECT * FROM generate_series(1, (SELECT max(x) FROM t)) g"),
        ["t"]
    );
    assert_eq!(named("EXPLAIN SELECT * FROM t"), ["t"]);
    assert_eq!(named("DESCRIBE 'x.csv'"), ["'x.csv'"]);
    assert_eq!(named("(SELECT * FROM a) UNION (SELECT * FROM b)"), ["a", "b"]);
}

#[test]
fn placeholders_are_numbered() {
    let checked = check("SELECT $2, $1 FROM t WHERE x = $2 LIMIT $3", &LIMITS).unwrap();
    assert_eq!(checked.placeholders.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    for sql in ["SELECT ?", "SELECT :name", "SELECT $0", "SELECT $name"] {
        assert_eq!(check(sql, &LIMITS).unwrap_err().code(), "HW-Q010", "{sql}");
    }
}

/// The condition of a query after balancing, fully in parentheses.
fn balanced(condition: &str) -> String {
    use datafusion::sql::sqlparser::ast::{Expr, SetExpr, Statement as Ast};
    fn shown(expr: &Expr) -> String {
        match expr {
            Expr::BinaryOp { left, op, right } => format!("({} {op} {})", shown(left), shown(right)),
            other => other.to_string(),
        }
    }
    let checked = check(&format!("SELECT 1 WHERE {condition}"), &LIMITS).unwrap();
    let Parsed::Statement(ast) = checked.parsed else {
        panic!()
    };
    let Ast::Query(query) = *ast else { panic!() };
    let SetExpr::Select(select) = *query.body else { panic!() };
    shown(&select.selection.unwrap())
}

#[test]
fn long_chains_are_balanced_and_keep_their_order() {
    assert_eq!(balanced("a OR b OR c"), "((a OR b) OR c)");
    let names: Vec<String> = (0..18).map(|n| format!("c{n}")).collect();
    let tree = balanced(&names.join(" OR "));
    let depth = tree.chars().scan(0, |depth, c| {
        *depth += i32::from(c == '(') - i32::from(c == ')');
        Some(*depth)
    });
    assert_eq!(depth.max(), Some(5), "{tree}");
    assert_eq!(tree.replace(['(', ')'], ""), names.join(" OR "));
    let mixed = format!("x AND ({}) AND y", names.join(" AND "));
    assert_eq!(balanced(&mixed).replace(['(', ')'], ""), mixed.replace(['(', ')'], ""));
    let groups: Vec<String> = names.iter().map(|name| format!("{name} AND d")).collect();
    assert_eq!(
        balanced(&groups.join(" OR ")).replace(['(', ')'], ""),
        groups.join(" OR ")
    );
}

/// What a statement grows to; views named `heavy` count 100.
fn weighed(sql: &str) -> Result<u64, String> {
    let checked = check(sql, &LIMITS).unwrap();
    let heavy = |name: &TableReference| if name.table() == "heavy" { 100 } else { 1 };
    weight::weight(&checked.parsed, heavy).map_err(|fault| fault.message)
}

#[test]
fn statements_weigh_what_they_grow_to() {
    assert_eq!(weighed("SELECT 1"), Ok(1));
    assert_eq!(weighed("SELECT * FROM a, b"), Ok(3));
    assert_eq!(weighed("EXPLAIN SELECT * FROM a, b"), Ok(3));
    assert_eq!(weighed("SELECT * FROM (SELECT * FROM a) t"), Ok(3));
    assert_eq!(
        weighed("SELECT (SELECT 1)"),
        Ok(3),
        "a query within an expression counts twice"
    );
    assert_eq!(weighed("SELECT * FROM heavy, heavy h"), Ok(201));
    assert_eq!(weighed("WITH c AS (SELECT * FROM a) SELECT * FROM c x, c y"), Ok(5));
    assert_eq!(
        weighed("WITH c AS (SELECT * FROM a), d AS (SELECT * FROM c, c e) SELECT * FROM d"),
        Ok(6)
    );
    assert_eq!(
        weighed("WITH c AS (SELECT 1) SELECT * FROM (WITH c AS (SELECT * FROM heavy) SELECT * FROM c) t, c"),
        Ok(104)
    );
    assert_eq!(
        weighed("WITH RECURSIVE c AS (SELECT 1 UNION ALL SELECT * FROM c) SELECT * FROM c"),
        Ok(3)
    );
    let nested = format!("SELECT {}1{}", "(SELECT ".repeat(14), ")".repeat(14));
    assert!(weighed(&nested).unwrap_err().starts_with("the statement grows to "));
}
