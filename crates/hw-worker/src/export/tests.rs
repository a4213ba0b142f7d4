#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::{DataType, Field, Schema};
use expect_test::{Expect, expect};
use hw_catalog::{Groups, Table, TableKind, TableVersion};
use serde_json::{Value, json};

use super::params::ExportParams;

fn table() -> Table {
    let names = ["user", "the \"time\"", "price"];
    Table {
        name: "shop.events".parse().unwrap(),
        kind: TableKind::Dataset,
        version: TableVersion(1),
        schema: Schema::new(names.map(|name| Field::new(name, DataType::Int64, true)).to_vec()),
        group_column: None,
        time_column: None,
        groups: Groups::Contained,
        sorted_by: Vec::new(),
        rows: None,
        bytes: 0,
        columns: Vec::new(),
        unsupported: Vec::new(),
        dataset: None,
        registered_at: 0,
        origin: None,
        comment: None,
        repartition: None,
        view: None,
    }
}

fn check(params: Value, expected: &Expect) {
    let told = match ExportParams::parse(&params).and_then(|params| Ok((params.sql(&table())?, params))) {
        Ok((sql, params)) => format!(
            "{sql}\n{:?} to {}, {}\n",
            params.format,
            params.to,
            if params.is_file { "one file" } else { "a folder" }
        ),
        Err(findings) => findings.iter().fold(String::new(), |told, finding| {
            let help = finding
                .help
                .as_ref()
                .map(|help| format!(" ({help})"))
                .unwrap_or_default();
            let pointer = finding.pointer.as_deref().unwrap_or("-");
            format!("{told}{} {pointer}: {}{help}\n", finding.code, finding.message)
        }),
    };
    expected.assert_eq(&told);
}

#[test]
fn the_place_tells_the_format() {
    check(
        json!({"table": "shop.events", "to": "a.CSV"}),
        &expect![[r#"
        SELECT * FROM "shop"."events"
        Csv to a.CSV, one file
    "#]],
    );
    check(
        json!({"table": "shop.events", "to": "s3://b/a", "rows_per_file": 10}),
        &expect![[r#"
            SELECT * FROM "shop"."events"
            Parquet to s3://b/a, a folder
        "#]],
    );
    check(
        json!({"table": "shop.events", "to": "a", "format": "JSONL", "columns": ["price", "the \"time\""], "filter": "price > 1 -- much"}),
        &expect![[r#"
            SELECT "price", "the ""time""" FROM "shop"."events" WHERE (
            price > 1 -- much
            )
            Jsonl to a, a folder
        "#]],
    );
}

#[test]
fn every_fault_is_told_at_once() {
    check(
        json!({"table": "a\u{1}", "format": "xml", "columns": [], "filter": 1, "overwrite": "yes", "rows_per_file": 0, "col": 1}),
        &expect![[r#"
            HW-T022 /col: unknown parameter `col` (known are `table`, `to`, `format`, `columns`, `filter`, `rows_per_file`, `overwrite`)
            HW-T024 /table: a table name must not hold control characters, found '\u{1}'
            HW-T023 : `to` is missing (give the file, folder or URL that the rows go to)
            HW-T024 /format: `xml` is not a value of `format` (one of `parquet`, `csv`, `jsonl`)
            HW-T024 /columns: `columns` must name a column (leave it out for all columns)
            HW-T024 /filter: `filter` must be text, not a number
            HW-T024 /rows_per_file: `rows_per_file` must be a whole number from 1 to 4294967295, not `0`
            HW-T024 /overwrite: `overwrite` must be `true` or `false`, not text
        "#]],
    );
    check(
        json!({"table": "shop.events", "to": "a.csv", "format": "parquet", "rows_per_file": 5}),
        &expect![[r#"
            HW-T024 /format: `format` is `parquet`, but the file ends in `.csv` (leave `format` out, or name a folder)
            HW-T024 /rows_per_file: `rows_per_file` is for folders, and `to` is one file (name a folder, or leave it out)
        "#]],
    );
    check(
        json!({"table": "shop.events", "to": "a.csv", "columns": ["prize", "user", "user", "x"]}),
        &expect![[r#"
            HW-T053 /columns/0: column `prize` does not exist in table `shop.events` (did you mean `price`?)
            HW-T024 /columns/2: column `user` is named twice
            HW-T053 /columns/3: column `x` does not exist in table `shop.events` (the columns are `user`, `the "time"`, `price`)
        "#]],
    );
}
