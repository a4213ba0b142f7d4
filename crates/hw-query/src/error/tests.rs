#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::collections::BTreeSet;
use std::path::Path;

use expect_test::expect;

use super::*;

fn one_of_each() -> Vec<QueryError> {
    use StatementFaultKind::*;
    let kinds = [
        Syntax,
        Size,
        Count,
        Refused,
        Unsupported,
        UnknownTable,
        Column,
        UnknownFunction,
        Meaning,
        Parameter,
        Setting,
        FileNotFound,
        FileDenied,
        FileFormat,
    ];
    let mut errors: Vec<QueryError> = kinds
        .iter()
        .map(|kind| StatementFault::new(*kind, "x").into())
        .collect();
    errors.extend([
        QueryError::Part(PartFault {
            table: "t".to_owned(),
            part: "a.parquet".to_owned(),
            wrong: PartWrong::Vanished,
        }),
        QueryError::Data {
            message: "x".to_owned(),
        },
        QueryError::Memory {
            limit: 1,
            detail: "x".to_owned(),
        },
        QueryError::Spill {
            limit: 1,
            detail: "x".to_owned(),
        },
        QueryError::Cancelled,
        QueryError::Storage {
            message: "x".to_owned(),
        },
        QueryError::Catalog(crate::CatalogFault::new("x")),
        QueryError::DuplicateColumns(vec![crate::DuplicateColumn {
            name: "a".to_owned(),
            positions: vec![0, 1],
            aliases: vec!["a_2".to_owned()],
        }]),
        QueryError::NotFunnelable("t".to_owned()),
        QueryError::internal("x"),
    ]);
    errors
}

#[test]
fn every_code_is_listed_and_used() {
    let used: BTreeSet<&str> = one_of_each().iter().map(QueryError::code).collect();
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ERROR_CODES);
}

#[test]
fn every_code_has_a_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for code in ERROR_CODES {
        let page = std::fs::read_to_string(pages.join(format!("{code}.md")));
        let page = page.unwrap_or_else(|error| panic!("{code}: {error}"));
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        assert!(
            (5..=30).contains(&page.lines().count()),
            "{code} has {} lines",
            page.lines().count()
        );
    }
}

#[test]
fn every_error_has_a_finding_of_its_code_and_a_plain_message() {
    for error in one_of_each() {
        let findings = error.findings();
        assert_eq!(findings[0].code, error.code());
        let first = error.to_string().chars().next().unwrap();
        assert!(!first.is_uppercase(), "{error}");
        assert!(!error.to_string().ends_with('.'), "{error}");
    }
}

#[test]
fn places_are_counted_in_lines_characters_and_bytes() {
    let sql = "SELECT 'ä',\n  ü FROM t";
    let of = |line, column| Place::of(sql, line, column).map(|place| place.offset);
    assert_eq!(of(1, 1), Some(0));
    assert_eq!(of(1, 9), Some(8));
    assert_eq!(of(1, 10), Some(10));
    assert_eq!(of(2, 3), Some(15));
    assert_eq!(of(2, 4), Some(17));
    assert_eq!(of(9, 9), Some(24), "beyond the end");
    assert_eq!(of(0, 0), None);
    assert_eq!(
        Place::end_of(sql),
        Place {
            line: 2,
            column: 11,
            offset: 24
        }
    );
    assert_eq!(
        Place::end_of(""),
        Place {
            line: 1,
            column: 1,
            offset: 0
        }
    );
}

#[test]
fn a_caret_points_below_the_place() {
    let shown = |sql: &str, line, column| {
        let finding = Finding {
            line: Some(line),
            column: Some(column),
            ..Finding::new("HW-Q001", "x")
        };
        caret(sql, &finding).unwrap_or_default()
    };
    expect![[r#"
        line 2: FORM t
                ^"#]]
    .assert_eq(&shown("SELECT *\nFORM t", 2, 1));
    expect![[r#"
        line 1: SELECT 'ä' x y
                             ^"#]]
    .assert_eq(&shown("SELECT 'ä' x y", 1, 14));
    let long = format!("SELECT {}, wrong FROM t", "1, ".repeat(100));
    let told = shown(&long, 1, 310);
    let (text, pointer) = told.split_once('\n').unwrap();
    assert!(text.chars().count() < 120);
    assert_eq!(&text[pointer.find('^').unwrap()..][..5], "wrong");
    assert_eq!(shown("SELECT 1", 5, 1), "");
    assert_eq!(caret("SELECT 1", &Finding::new("HW-Q003", "x")), None);
}

#[test]
fn several_faults_are_counted_in_the_message() {
    let fault = |message: &str| StatementFault::new(StatementFaultKind::Syntax, message);
    let error = QueryError::Statement(vec![fault("first"), fault("second"), fault("third")]);
    assert_eq!(error.to_string(), "first (and 2 more)");
    assert_eq!(error.findings().len(), 3);
}
