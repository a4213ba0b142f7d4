#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use expect_test::{Expect, expect};
use hw_api::Problem;
use serde_json::json;

use super::grid::{Cell, Grid, Tone};
use super::rows::{Layout, markdown_row, summary, table};
use super::sample::{Sample, column_heads};
use super::text::{fit, pad, printable, printable_lines, width};
use super::{diagnostic, figures, json as json_text};
use crate::failure::Failure;
use crate::source::Source;
use crate::style::Style;

const PLAIN: Layout = Layout {
    width: None,
    style: Style { colour: false },
    unicode: true,
};

fn narrow(width: usize) -> Layout {
    Layout {
        width: Some(width),
        ..PLAIN
    }
}

#[test]
fn numbers_for_people() {
    assert_eq!(
        [0, 12, 123, 1204, 12_345_678].map(figures::count),
        ["0", "12", "123", "1,204", "12,345,678"]
    );
    assert_eq!(
        [0, 999, 1000, 3_641_024, 999_999, 1 << 62].map(figures::bytes),
        ["0 B", "999 B", "1.0 kB", "3.6 MB", "1.0 MB", "4.6 EB"]
    );
    let times = [0.0, 0.0123, 1.5, 65.0, 12_000.0, -1.0, f64::NAN].map(figures::seconds);
    assert_eq!(
        times,
        ["0 ms", "12 ms", "1.50 s", "1 min 05 s", "3 h 20 min", "0 ms", "0 ms"]
    );
    assert_eq!(
        [(1, 3), (0, 5), (5, 0)].map(|(part, whole)| hw_chart::percent(part, whole)),
        ["33.3%", "0.0%", "-"]
    );
    assert_eq!(
        [1.0, 12.25, 0.000_01, -3.5, 100.0].map(figures::number),
        ["1", "12.25", "0", "-3.5", "100"]
    );
    assert_eq!(
        ["2026-11-21T08:42:13.5Z", "2026-11-21T08:42:13+01:00", "?"].map(figures::time),
        ["2026-11-21 08:42:13Z", "2026-11-21T08:42:13+01:00", "?"]
    );
}

#[test]
fn a_terminal_obeys_nothing_of_the_data() {
    assert_eq!(printable("plain ü 漢"), "plain ü 漢");
    assert_eq!(
        printable("a\u{1b}[31mb\n\t\r\u{7f}\u{9b}\u{202e}c"),
        "a\\u{1b}[31mb\\n\\t\\r\\u{7f}\\u{9b}\\u{202e}c"
    );
    assert_eq!(printable_lines("a\r\nb\u{7}"), "a\nb\\u{7}");
}

#[test]
fn texts_fit_by_the_columns_they_take() {
    assert_eq!((width("漢字"), width("e\u{301}")), (4, 1));
    assert_eq!(fit("漢字漢字", 6, "…"), "漢字…");
    assert_eq!(fit("漢字漢字", 5, "…"), "漢字…");
    assert_eq!(fit("abc", 3, "…"), "abc");
    assert_eq!(
        (pad("漢", 4, true), pad("漢", 4, false)),
        ("  漢".to_owned(), "漢  ".to_owned())
    );
}

#[test]
fn json_is_laid_out_and_not_changed() {
    let text = r#"{"a":[],"b":{},"c":[1,{"d":"x: {\"y\", [1]\\"}],"e":1.0e-400}"#;
    expect![[r#"
        {
          "a": [],
          "b": {},
          "c": [
            1,
            {
              "d": "x: {\"y\", [1]\\"
            }
          ],
          "e": 1.0e-400
        }"#]]
    .assert_eq(&json_text::pretty(text));
    assert_eq!(json_text::compact(&json_text::pretty(text)), text);
    assert_eq!(json_text::pretty("{\"open"), "{\n  \"open");
}

fn sample(columns: Vec<(&str, ArrayRef)>, limit: Option<usize>) -> Sample {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    let mut sample = Sample::new(limit);
    sample.set_schema(&batch.schema());
    sample.add(&batch).unwrap();
    sample
}

#[track_caller]
fn check_rows(sample: &Sample, layout: Layout, expect: Expect) {
    expect.assert_eq(&format!(
        "{}{}\n",
        table(sample, layout),
        summary(sample, Some(Duration::from_millis(12)), layout)
    ));
}

fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn nulls_wide_letters_and_hostile_cells() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("x"), None, Some("漢字"), Some("x")].into_iter().collect();
    let times =
        TimestampMillisecondArray::from(vec![Some(1_357_035_300_000), None, Some(0), Some(1)]).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "naïve\nname",
            texts(&[Some("NULL"), None, Some(""), Some("a\u{1b}[2Jb")]),
        ),
        ("dict", Arc::new(dictionary)),
        ("at", Arc::new(times)),
        (
            "n",
            Arc::new(Int32Array::from(vec![Some(-1), None, Some(1_000_000), Some(0)])),
        ),
    ];
    check_rows(
        &sample(columns, None),
        PLAIN,
        expect![[r#"
        ┌─────────────┬──────┬──────────────────────────┬─────────┐
        │ naïve\nname │ dict │ at                       │       n │
        │ text        │ text │ timestamp(ms, UTC)       │   int32 │
        ├─────────────┼──────┼──────────────────────────┼─────────┤
        │ 'NULL'      │ x    │ 2013-01-01T10:15:00Z     │      -1 │
        │ NULL        │ NULL │ NULL                     │    NULL │
        │             │ 漢字 │ 1970-01-01T00:00:00Z     │ 1000000 │
        │ a\u{1b}[2Jb │ x    │ 1970-01-01T00:00:00.001Z │       0 │
        └─────────────┴──────┴──────────────────────────┴─────────┘
        4 rows × 4 columns · 12 ms
    "#]],
    );
}

#[test]
fn wide_tables_shorten_cells_then_leave_out_columns_of_the_middle() {
    let names: Vec<String> = (0..12).map(|column| format!("column {column}")).collect();
    let long = "a long text that goes on and on";
    let columns = names
        .iter()
        .map(|name| (name.as_str(), texts(&[Some(long), None])))
        .collect();
    let sample = sample(columns, None);
    check_rows(
        &sample,
        narrow(60),
        expect![[r#"
        ┌──────────────┬───┬──────────────┬──────────────┐
        │ column 0     │ … │ column 10    │ column 11    │
        │ text         │   │ text         │ text         │
        ├──────────────┼───┼──────────────┼──────────────┤
        │ a long text… │ … │ a long text… │ a long text… │
        │ NULL         │ … │ NULL         │ NULL         │
        └──────────────┴───┴──────────────┴──────────────┘
        2 rows × 12 columns · 12 ms
    "#]],
    );
    check_rows(
        &sample,
        narrow(12),
        expect![[r#"
            ┌───┬──────┐
            │ … │ col… │
            │   │ text │
            ├───┼──────┤
            │ … │ a l… │
            │ … │ NULL │
            └───┴──────┘
            2 rows × 12 columns · 12 ms
        "#]],
    );
}

#[test]
fn the_middle_of_many_rows_is_counted_only() {
    let mut sample = Sample::new(Some(5));
    for begin in [0, 3, 6, 9] {
        let numbers: ArrayRef = Arc::new(Int32Array::from_iter_values(begin..begin + 3));
        let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
        sample.set_schema(&batch.schema());
        sample.add(&batch).unwrap();
    }
    check_rows(
        &sample,
        PLAIN,
        expect![[r#"
        ┌───────┐
        │     n │
        │ int32 │
        ├───────┤
        │     0 │
        │     1 │
        │     2 │
        │     … │
        │    10 │
        │    11 │
        └───────┘
        12 rows × 1 column (5 rows shown) · 12 ms
    "#]],
    );
}

#[test]
fn no_rows_and_no_columns() {
    check_rows(
        &sample(vec![("n", Arc::new(Int32Array::from(Vec::<i32>::new())))], None),
        PLAIN,
        expect![[r#"
            ┌───────┐
            │     n │
            │ int32 │
            ├───────┤
            └───────┘
            0 rows × 1 column · 12 ms
        "#]],
    );
    check_rows(
        &Sample::new(None),
        PLAIN,
        expect![[r#"
        done · 12 ms
    "#]],
    );
}

#[test]
fn types_have_short_names() {
    let types = [
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        DataType::Decimal128(10, 2),
        DataType::List(Arc::new(Field::new("item", DataType::Int64, true))),
        DataType::UInt16,
        DataType::Float64,
        DataType::Date32,
        DataType::Null,
    ];
    let fields: Vec<Field> = types
        .into_iter()
        .map(|data_type| Field::new("c", data_type, true))
        .collect();
    let names: Vec<String> = column_heads(&Schema::new(fields))
        .into_iter()
        .map(|column| column.type_name)
        .collect();
    expect!["text text timestamp(ms, UTC) decimal(10, 2) list(int64) uint16 float64 date null"]
        .assert_eq(&names.join(" "));
}

#[test]
fn markdown_cells_stay_in_their_cells() {
    let row = [Some("a|b\nc\\".to_owned()), None, Some("\u{1b}".to_owned())];
    assert_eq!(markdown_row(&row), "| a\\|b<br>c\\\\ |  | \\u{1b} |\n");
}

#[test]
fn grids_shorten_their_widest_column() {
    let mut grid = Grid::new(&["name", ">n", "what"]);
    grid.row(vec![
        Cell::new("x"),
        Cell::new("1,204"),
        Cell::toned("a long text that goes on", Tone::Bad),
    ]);
    grid.row(vec![Cell::new("y\n"), Cell::maybe(None::<String>), Cell::new("")]);
    expect![[r#"
        name      n  what
        x     1,204  a long text th…
        y\n       -
    "#]]
    .assert_eq(&grid.render(narrow(28)));
    expect![[r#"
        name      n  what
        x     1,204  a long tex~
        y\n       -
    "#]]
    .assert_eq(&grid.render(Layout {
        unicode: false,
        ..narrow(24)
    }));
}

#[track_caller]
fn check_problem(source: Option<&Source>, errors: serde_json::Value, expect: Expect) {
    let mut problem = Problem::new(422, "HW-F001", "the query has faults", "the query has faults");
    problem.errors = serde_json::from_value(errors).unwrap();
    let mut failure = Failure::from(problem);
    failure.source = source.map(|source| Arc::new(source.clone()));
    expect.assert_eq(&diagnostic::render(&failure, Style::default()));
}

#[test]
fn findings_without_a_text() {
    check_problem(
        None,
        json!([
            {"code": "HW-F001", "message": "unknown key `x`", "pointer": "/query/x", "help": "two\nlines"},
            {"code": "HW-F002", "message": "line 3 is\u{1b} odd", "line": 3, "column": 7},
            {"code": "", "message": "nowhere"}
        ]),
        expect![[r#"
            error[HW-F001]: the query has faults
              /query/x: unknown key `x`
               = help: two
                       lines
              line 3, column 7: line 3 is\u{1b} odd [HW-F002]
              - nowhere"#]],
    );
}

#[test]
fn nothing_is_said_twice() {
    let shown = |help: Option<&str>, errors: serde_json::Value| {
        let mut problem = Problem::new(422, "HW-Q006", "no such table", "there is no table `x`");
        problem.help = help.map(str::to_owned);
        problem.errors = serde_json::from_value(errors).unwrap();
        diagnostic::render(&problem.into(), Style::default())
    };
    let finding = json!([{"code": "HW-Q006", "message": "there is no table `x`", "help": "did you mean `y`?"}]);
    let once = "error[HW-Q006]: there is no table `x`\nhelp: did you mean `y`?";
    assert_eq!(shown(Some("did you mean `y`?"), finding.clone()), once);
    assert_eq!(shown(None, finding), once);
    let placed =
        json!([{"code": "HW-Q006", "message": "there is no table `x`", "line": 1, "help": "did you mean `y`?"}]);
    let lines = "error[HW-Q006]: there is no table `x`\n  line 1: there is no table `x`\n   = help: did you mean `y`?";
    assert_eq!(shown(Some("did you mean `y`?"), placed.clone()), lines);
    assert_eq!(shown(Some("look again"), placed), format!("{lines}\nhelp: look again"));
}

#[test]
fn findings_at_their_places() {
    let source = Source::new("q.sql", "SELECT évnt,\n\tfoo_bar(1)\nFROM t");
    check_problem(
        Some(&source),
        json!([
            {"code": "HW-F001", "message": "no column", "line": 1, "column": 8},
            {"code": "HW-F001", "message": "no function", "line": 2, "column": 2},
            {"code": "HW-F001", "message": "by offset", "offset": 26},
            {"code": "HW-F001", "message": "beyond the end", "line": 9, "column": 9}
        ]),
        expect![[r#"
            error[HW-F001]: the query has faults
              --> q.sql:1:8
               |
             1 | SELECT évnt,
               |        ^^^^ no column
              --> q.sql:2:2
               |
             2 |  foo_bar(1)
               |  ^^^^^^^ no function
              --> q.sql:3:1
               |
             3 | FROM t
               | ^^^^ by offset
              --> q.sql:9:9
               |
             9 | 
               | ^ beyond the end"#]],
    );
}

#[test]
fn long_lines_show_the_part_around_the_place() {
    let text = format!("{{\"a\":\"{}\",\"b\":\"{}\"}}", "x".repeat(300), "y".repeat(300));
    let source = Source::new("--string", text);
    check_problem(
        Some(&source),
        json!([{"code": "HW-F001", "message": "m", "pointer": "/b"}]),
        expect![[r#"
            error[HW-F001]: the query has faults
              --> --string:1:309
               |
             1 | …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx","b":"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
               |                                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ m"#]],
    );
}

#[test]
fn very_many_findings_are_counted() {
    let errors: Vec<_> = (0..60)
        .map(|at| json!({"code": "HW-F001", "message": format!("fault {at}")}))
        .collect();
    let mut problem = Problem::new(422, "HW-F001", "x", "60 faults");
    problem.errors = serde_json::from_value(json!(errors)).unwrap();
    let text = diagnostic::render(&problem.into(), Style::default());
    assert!(
        text.ends_with("fault 49\n  and 10 more: `--format json` shows all"),
        "{text}"
    );
}

#[test]
fn our_own_faults_apologise() {
    let mut problem = Problem::new(500, "HW-Q001", "x", "an invariant broke");
    problem.class = Some("internal".to_owned());
    problem.aliases = vec!["LAKE_X".to_owned()];
    expect![[r#"
        error[HW-Q001]: an invariant broke (LAKE_X)
        note: this is a fault of headwater, sorry; please report it with the output of `headwater doctor`"#]]
    .assert_eq(&diagnostic::render(&problem.into(), Style::default()));
}
