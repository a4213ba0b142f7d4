#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::{DataType, Field, Schema, TimeUnit};
use expect_test::{Expect, expect};
use hw_catalog::{Dataset, Finding, Groups, Part, Table, TableKind, TableVersion};
use serde_json::{Value, json};

use super::manifest::{Manifest, Wanted, Way};
use super::params::RepartitionParams;
use super::parts_for;

fn told(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |told, finding| {
        let (pointer, help) = (finding.pointer.as_deref(), finding.help.as_deref());
        let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
        format!(
            "{told}{} {}: {}{help}\n",
            finding.code,
            pointer.unwrap_or("-"),
            finding.message
        )
    })
}

fn check(params: Value, expected: &Expect) {
    let read = RepartitionParams::parse(&params).and_then(|params| params.chosen(&table()));
    expected.assert_eq(&match read {
        Ok(chosen) => format!("{} by {} and {}\n", chosen.to, chosen.group, chosen.time),
        Err(findings) => told(&findings),
    });
}

fn table() -> Table {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let fields = vec![
        Field::new("user", DataType::Utf8, false),
        Field::new("ts", time, false),
        Field::new("price", DataType::Float64, true),
        Field::new("day", DataType::Date32, true),
    ];
    Table {
        name: "events".parse().unwrap(),
        kind: TableKind::Dataset,
        version: TableVersion(3),
        schema: Schema::new(fields),
        group_column: Some("user".to_owned()),
        time_column: Some("ts".to_owned()),
        groups: Groups::Split,
        sorted_by: Vec::new(),
        rows: None,
        bytes: 0,
        columns: Vec::new(),
        unsupported: Vec::new(),
        dataset: Some(Dataset {
            location: "file:///data/".to_owned(),
            pattern: "*.parquet".to_owned(),
            recursive: false,
            parts: 2,
            inspected: 2,
            containment_proven: false,
        }),
        registered_at: 0,
        origin: None,
        comment: None,
        repartition: None,
        view: None,
    }
}

#[test]
fn the_table_tells_what_the_request_leaves_out() {
    check(
        json!({"table": "events"}),
        &expect![[r#"
        events_by_user by user and ts
    "#]],
    );
    check(
        json!({"table": "events", "to": "x.y", "group": "day", "parts": 3}),
        &expect![[r#"
            x.y by day and ts
        "#]],
    );
}

#[test]
fn every_fault_is_told_at_once() {
    check(
        json!({"tabel": 1, "to": 5, "parts": 0, "row_group_rows": 10, "group": ""}),
        &expect![[r#"
            HW-T022 /tabel: unknown parameter `tabel` (did you mean `table`?)
            HW-T023 : `table` is missing (give the name of the table whose rows are brought together)
            HW-T024 /to: `to` must be text, not a number
            HW-T024 /group: `group` must not be empty
            HW-T024 /parts: `parts` must be a whole number from 1 to 10000, not `0`
            HW-T024 /row_group_rows: `row_group_rows` must be a whole number from 1000 to 100000000, not `10`
        "#]],
    );
    check(
        json!({"table": "events", "to": "events"}),
        &expect![[r#"
        HW-T024 /to: `events` cannot be repartitioned into itself (name another table; once it is made, the old one can be dropped)
    "#]],
    );
    check(
        json!({"table": "events", "group": "price", "time": "tss"}),
        &expect![[r#"
            HW-T031 /group: group column `price` of table `events` is of type Float64 (the group column must be an integer, a text, a binary, a truth value, a decimal, a date or a time)
            HW-T033 /time: time column `tss` does not exist in table `events` (did you mean `ts`?)
        "#]],
    );
    check(
        json!({"table": "events", "group": "ts"}),
        &expect![[r#"
        HW-T024 /time: the group column and the time column must be two columns
    "#]],
    );
    check(
        json!([1]),
        &expect![[r#"
        HW-T024 : the parameters of `repartition` must be a JSON object
    "#]],
    );
}

#[test]
fn a_table_without_columns_and_parts_is_refused() {
    let mut bare = table();
    (bare.group_column, bare.time_column, bare.dataset) = (None, None, None);
    bare.kind = TableKind::Bucket;
    let params = RepartitionParams::parse(&json!({"table": "events"})).unwrap();
    expect![[r#"
        HW-T051 /table: table `events` is a bucket table, which has no parts (name a dataset, a managed table or a view)
        HW-T023 /group: table `events` has no group column (name one with `group`, or register the table with it)
        HW-T023 /time: table `events` has no time column (name one with `time`, or register the table with it)
    "#]]
    .assert_eq(&told(&params.chosen(&bare).unwrap_err()));
}

fn part(path: &str, modified_at: i64) -> Part {
    Part {
        path: path.to_owned(),
        bytes: 10,
        rows: None,
        etag: None,
        modified_at,
    }
}

#[test]
fn a_later_run_takes_in_what_is_new_or_begins_anew() {
    let source = table();
    let taken = [part("a", 1), part("b", 1)];
    let wanted = |parts: &'static [(&str, i64)], buckets: Option<u32>| {
        let parts: Vec<Part> = parts.iter().map(|(path, at)| part(path, *at)).collect();
        (parts, buckets)
    };
    let way = |source: &Table, (parts, buckets): (Vec<Part>, Option<u32>)| {
        let before = Wanted {
            source: &table(),
            parts: &taken,
            group: "user",
            time: "ts",
            buckets: None,
        };
        let manifest = Manifest::of(&before, 8, Vec::new());
        manifest.way_to(&Wanted {
            source,
            parts: &parts,
            group: "user",
            time: "ts",
            buckets,
        })
    };
    assert_eq!(way(&source, wanted(&[("a", 1), ("b", 1)], None)), Way::Nothing);
    assert_eq!(way(&source, wanted(&[("a", 1), ("b", 1)], Some(8))), Way::Nothing);
    assert_eq!(way(&source, wanted(&[("a", 1), ("b", 1)], Some(9))), Way::Anew);
    let added = wanted(&[("a", 1), ("b", 1), ("c", 2)], None);
    assert_eq!(way(&source, added), Way::Add(vec![part("c", 2)]));
    for gone in [&[("a", 1_i64)][..], &[("a", 1), ("b", 2)], &[("a", 1), ("c", 1)]] {
        assert_eq!(way(&source, wanted(gone, None)), Way::Anew, "{gone:?}");
    }
    let mut elsewhere = table();
    elsewhere.dataset.as_mut().unwrap().location = "file:///other/".to_owned();
    assert_eq!(way(&elsewhere, wanted(&[("a", 1), ("b", 1)], None)), Way::Anew);
    let mut wider = table();
    wider.schema = Schema::new(vec![Field::new("user", DataType::Utf8, false)]);
    assert_eq!(way(&wider, wanted(&[("a", 1), ("b", 1)], None)), Way::Anew);
}

#[test]
fn large_tables_get_more_parts() {
    const MIB: u64 = 1 << 20;
    for (bytes, parts) in [
        (0, 1),
        (1, 1),
        (4 * MIB, 1),
        (4 * MIB + 1, 2),
        (40 * MIB, 10),
        (1024 * MIB, 16),
        (2048 * MIB, 32),
        (u64::MAX, 10_000),
    ] {
        assert_eq!(parts_for(bytes), parts, "{bytes}");
    }
}
