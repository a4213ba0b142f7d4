use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use expect_test::expect;
use hw_api::Problem;
use serde_json::json;

use crate::tests::{Piece, Reply, Scene};

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.clone()));
    let names = rows.clone().map(|row| (row % 3 != 0).then(|| format!("name {row}")));
    let names: ArrayRef = Arc::new(StringArray::from_iter(names));
    let shares: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.map(|row| row as f64 / 4.0)));
    RecordBatch::try_from_iter_with_nullable([("id", ids, false), ("name", names, true), ("share", shares, true)])
        .unwrap()
}

fn arrow(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn rows(count: i64) -> Reply {
    // Small pieces: a message may be cut anywhere.
    let bytes = arrow(&[batch(0..count / 2), batch(count / 2..count)]);
    let pieces = bytes.chunks(61).map(|chunk| Piece::Data(chunk.to_vec().into()));
    Reply::pieces(pieces.collect()).after(Duration::from_millis(12))
}

fn answer(reply: Reply) -> Scene {
    Scene::new().route("POST /sql", [reply])
}

#[test]
fn rows_on_a_terminal() {
    expect![[r#"
        > POST /sql (application/vnd.apache.arrow.stream) {"sql":"SELECT * FROM t","params":[]}
        ┌───────┬────────┬─────────┐
        │ ␛[1m   id␛[0m │ ␛[1mname  ␛[0m │ ␛[1m  share␛[0m │
        │ ␛[2mint64␛[0m │ ␛[2mtext  ␛[0m │ ␛[2mfloat64␛[0m │
        ├───────┼────────┼─────────┤
        │     0 │ ␛[2mNULL  ␛[0m │     0.0 │
        │     1 │ name 1 │    0.25 │
        │     2 │ name 2 │     0.5 │
        │     3 │ ␛[2mNULL  ␛[0m │    0.75 │
        └───────┴────────┴─────────┘
        ␛[2m4 rows × 3 columns · 12 ms␛[0m
        exit 0
    "#]]
    .assert_eq(&answer(rows(4)).terminal().transcript(&["sql", "SELECT * FROM t"]));
}

#[test]
fn many_rows_show_their_ends() {
    let played = answer(rows(1204)).terminal().play(&["sql", "SELECT * FROM t"]);
    expect![[r#"
        ┌───────┬───────────┬─────────┐
        │ [1m   id[0m │ [1mname     [0m │ [1m  share[0m │
        │ [2mint64[0m │ [2mtext     [0m │ [2mfloat64[0m │
        ├───────┼───────────┼─────────┤
        │     0 │ [2mNULL     [0m │     0.0 │
        │     1 │ name 1    │    0.25 │
        │     2 │ name 2    │     0.5 │
        │     3 │ [2mNULL     [0m │    0.75 │
        │     4 │ name 4    │     1.0 │
        │     5 │ name 5    │    1.25 │
        │     6 │ [2mNULL     [0m │     1.5 │
        │     7 │ name 7    │    1.75 │
        │     8 │ name 8    │     2.0 │
        │     9 │ [2mNULL     [0m │    2.25 │
        │    10 │ name 10   │     2.5 │
        │    11 │ name 11   │    2.75 │
        │    12 │ [2mNULL     [0m │     3.0 │
        │    13 │ name 13   │    3.25 │
        │    14 │ name 14   │     3.5 │
        │    15 │ [2mNULL     [0m │    3.75 │
        │    16 │ name 16   │     4.0 │
        │    17 │ name 17   │    4.25 │
        │    18 │ [2mNULL     [0m │     4.5 │
        │    19 │ name 19   │    4.75 │
        │ [2m    …[0m │ [2m…        [0m │ [2m      …[0m │
        │  1184 │ name 1184 │   296.0 │
        │  1185 │ [2mNULL     [0m │  296.25 │
        │  1186 │ name 1186 │   296.5 │
        │  1187 │ name 1187 │  296.75 │
        │  1188 │ [2mNULL     [0m │   297.0 │
        │  1189 │ name 1189 │  297.25 │
        │  1190 │ name 1190 │   297.5 │
        │  1191 │ [2mNULL     [0m │  297.75 │
        │  1192 │ name 1192 │   298.0 │
        │  1193 │ name 1193 │  298.25 │
        │  1194 │ [2mNULL     [0m │   298.5 │
        │  1195 │ name 1195 │  298.75 │
        │  1196 │ name 1196 │   299.0 │
        │  1197 │ [2mNULL     [0m │  299.25 │
        │  1198 │ name 1198 │   299.5 │
        │  1199 │ name 1199 │  299.75 │
        │  1200 │ [2mNULL     [0m │   300.0 │
        │  1201 │ name 1201 │  300.25 │
        │  1202 │ name 1202 │   300.5 │
        │  1203 │ [2mNULL     [0m │  300.75 │
        └───────┴───────────┴─────────┘
        [2m1,204 rows × 3 columns (40 rows shown) · 12 ms; --all shows all[0m
    "#]]
    .assert_eq(&played.output);
    let all = answer(rows(1204))
        .terminal()
        .play(&["sql", "--all", "SELECT * FROM t"])
        .output;
    assert_eq!(all.lines().count(), 1204 + 6);
}

#[test]
fn a_table_without_a_terminal_is_not_shortened() {
    expect![[r#"
        > POST /sql (application/vnd.apache.arrow.stream) {"sql":"SELECT 1","params":[]}
        +-------+--------+---------+
        |    id | name   |   share |
        | int64 | text   | float64 |
        +-------+--------+---------+
        |     0 | NULL   |     0.0 |
        |     1 | name 1 |    0.25 |
        +-------+--------+---------+
        exit 0
    "#]]
    .assert_eq(
        &answer(rows(2))
            .variable("LANG", "C")
            .transcript(&["sql", "SELECT 1", "--format", "table", "-q"]),
    );
}

#[test]
fn markdown() {
    expect![[r#"
        > POST /sql (application/vnd.apache.arrow.stream) {"sql":"SELECT * FROM t","params":[]}
        | id | name | share |
        | ---: | --- | ---: |
        | 0 |  | 0.0 |
        | 1 | name 1 | 0.25 |
        | 2 | name 2 | 0.5 |
        | 3 |  | 0.75 |
        exit 0
    "#]]
    .assert_eq(&answer(rows(4)).transcript(&["sql", "SELECT * FROM t", "--format", "markdown"]));
}

#[test]
fn piped_rows_are_the_servers_csv_with_plain_line_ends() {
    let csv = "id,name\r\n1,\"a\nb\"\r\n2,\r\n";
    let played = answer(Reply::text(csv)).play(&["sql", "SELECT 1"]);
    assert_eq!(
        (played.output.as_str(), played.code as i32),
        ("id,name\n1,\"a\nb\"\n2,\n", 0)
    );
    assert_eq!(
        played.requests[0],
        r#"POST /sql (text/csv; charset=utf-8) {"sql":"SELECT 1","params":[]}"#
    );
}

#[test]
fn json_and_jsonl_go_through_untouched() {
    let text = "[{\"a\":1.0,\"b\":12345678901234567890}\n ,{}]";
    assert_eq!(
        answer(Reply::text(text))
            .play(&["sql", "SELECT 1", "--format", "json"])
            .output,
        format!("{text}\n")
    );
    let lines = "{\"a\": 1}\n{\"error\":{\"code\":\"X-1\"}}\n";
    let played = answer(Reply::text(lines)).play(&["sql", "SELECT 1", "--format", "jsonl"]);
    assert_eq!((played.output.as_str(), played.code as i32), (lines, 0));
}

#[test]
fn an_error_after_rows_fails_the_command() {
    let broken = || {
        Reply::pieces(vec![
            Piece::Data("a\r\n1\r\n".into()),
            Piece::Broken("the part vanished"),
        ])
    };
    expect![[r#"
        > POST /sql (text/csv; charset=utf-8) {"sql":"SELECT 1","params":[]}
        a
        1
        ! error[HW-C053]: the answer broke off: the part vanished
        ! help: what was printed before is incomplete: run the command again
        exit 1
    "#]]
    .assert_eq(&answer(broken()).transcript(&["sql", "SELECT 1"]).replace('\r', ""));
    let problem = Problem::new(500, "HW-Q010", "the query failed", "part 3 is truncated");
    let line = json!({ "error": problem }).to_string();
    let (head, tail) = line.split_at(20);
    let pieces = vec![
        Piece::Data(format!("{{\"a\":1}}\n{head}").into()),
        Piece::Data(format!("{tail}\n").into()),
    ];
    expect![[r#"
        > POST /sql (application/jsonl) {"sql":"SELECT 1","params":[]}
        {"a":1}
        {"error":{"type":"urn:headwater:error:HW-Q010","title":"the query failed","status":500,"detail":"part 3 is truncated","code":"HW-Q010","aliases":[],"errors":[]}}
        ! {"type":"urn:headwater:error:HW-Q010","title":"the query failed","status":500,"detail":"part 3 is truncated","code":"HW-Q010","aliases":[],"errors":[]}
        exit 1
    "#]].assert_eq(&answer(Reply::pieces(pieces)).transcript(&["sql", "SELECT 1", "--format", "jsonl"]));
    let mut cut = arrow(&[batch(0..100)]);
    cut.truncate(cut.len() - 8);
    let played = answer(Reply::pieces(vec![Piece::Data(cut.into())])).play(&["sql", "SELECT 1", "--format", "table"]);
    assert_eq!((played.output.as_str(), played.code as i32), ("", 1));
}

#[test]
fn rows_come_out_before_the_last_one_is_there() {
    // The answer never ends: what came before Ctrl-C is there, and the exit code tells of the rest.
    let pieces = vec![
        Piece::Data("a\r\n1\r\n".into()),
        Piece::Wait(Duration::from_millis(50)),
        Piece::Interrupt,
        Piece::Never,
    ];
    let played = answer(Reply::pieces(pieces)).play(&["sql", "SELECT 1"]);
    assert_eq!((played.output.as_str(), played.code as i32), ("a\n1\n", 130));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let many = Reply::pieces(vec![Piece::Data("a\r\n1\r\n".into()); 100]);
    let played = answer(many).output_room(20).play(&["sql", "SELECT 1"]);
    assert_eq!((played.code as i32, played.errors.as_str()), (0, ""));
}

#[test]
fn faults_of_a_statement_show_the_statement() {
    let mut problem = Problem::new(422, "HW-Q002", "the statement has a fault", "no column `evnt`");
    problem.errors = serde_json::from_value(json!([{"code": "HW-Q002", "message": "no column `evnt`", "line": 2, "column": 8, "help": "did you mean `event`?"}])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("report.sql"),
        "-- a report\nSELECT 1;\n\nSELECT 1,\n       evnt\nFROM t;\n",
    )
    .unwrap();
    let scene = Scene::new()
        .folder(folder.path())
        .route("POST /sql", [Reply::text("1\r\n1\r\n"), Reply::problem(&problem)]);
    let played = scene.play(&["sql", "-f", "report.sql"]);
    expect![[r#"
        error[HW-Q002]: no column `evnt`
          --> report.sql:5:8
           |
         5 |        evnt
           |        ^^^^ no column `evnt`
           = help: did you mean `event`?
    "#]]
    .assert_eq(&played.errors);
    assert_eq!(played.code as i32, 3);
}

#[test]
fn statements_from_everywhere() {
    let requests = |scene: Scene, words: &[&str]| {
        let played = scene.play(&[&["sql", "--format", "csv"], words].concat());
        assert_eq!(played.code as i32, 0, "{}", played.errors);
        let sent = played
            .requests
            .iter()
            .filter_map(|request| request.strip_prefix("POST /sql (text/csv; charset=utf-8) "));
        sent.collect::<Vec<_>>().join("\n")
    };
    let scene = || answer(Reply::text(""));
    expect![[r#"
        {"sql":"SELECT ';'","params":[]}
        {"sql":"/* ; */ SELECT 2 -- ;","params":[]}"#]]
    .assert_eq(&requests(scene(), &["SELECT ';'; /* ; */ SELECT 2 -- ;"]));
    expect![[r#"
        {"sql":"SELECT 1","params":[]}
        {"sql":"SELECT\n 2","params":[]}"#]]
    .assert_eq(&requests(scene().input("SELECT 1;\nSELECT\n 2"), &[]));
    expect![[r#"
        {"sql":"SELECT 1","params":[]}
        {"sql":"SELECT 2","params":[]}
        {"sql":"SELECT 3","params":[]}"#]]
    .assert_eq(&requests(
        scene().input("SELECT 3"),
        &["-c", "SELECT 1", "-c", "SELECT 2", "-f", "-"],
    ));
    expect![[r#"{"sql":"SELECT $1, $2, $3, $4, $5","params":[null,7,-0.5,"7","2024-05-01"]}"#]].assert_eq(&requests(
        scene(),
        &[
            "SELECT $1, $2, $3, $4, $5",
            "-p",
            "null",
            "-p",
            "7",
            "-p",
            "-0.5",
            "-p",
            "\"7\"",
            "-p",
            "2024-05-01",
        ],
    ));
}

#[test]
fn a_plan_instead_of_rows() {
    let plan = json!({"text": "Projection\n  Scan t", "plan": {"node": "Projection"}});
    let scene = || Scene::new().route("POST /sql/explain", [Reply::json(&plan)]);
    expect![[r#"
        > POST /sql/explain {"sql":"SELECT 1","params":[],"analyze":false}
        Projection
          Scan t
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["sql", "--explain", "SELECT 1"]));
    expect![[r#"
        > POST /sql/explain {"sql":"SELECT 1","params":[],"analyze":true}
        {
          "text": "Projection\n  Scan t",
          "plan": {
            "node": "Projection"
          }
        }
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["sql", "--analyze", "SELECT 1", "--format", "json"]));
}

#[test]
fn explain_as_a_statement_is_a_tree_for_people() {
    let plan = json!({"text": "Projection\n  Scan t", "plan": {"node": "Projection"}});
    let scene = Scene::new().route("POST /sql/explain", [Reply::json(&plan)]);
    expect![[r#"
        > POST /sql/explain {"sql":"                SELECT 1","params":[],"analyze":true}
        Projection
          Scan t
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["sql", "EXPLAIN ANALYZE SELECT 1", "--format", "table"]));
    let rows = Scene::new().route("POST /sql", [Reply::text("plan_type,plan\n")]);
    expect![[r#"
        > POST /sql (text/csv; charset=utf-8) {"sql":"EXPLAIN SELECT 1","params":[]}
        plan_type,plan
        exit 0
    "#]]
    .assert_eq(&rows.transcript(&["sql", "EXPLAIN SELECT 1"]));
}

#[test]
fn rows_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.jsonl");
    let scene = answer(Reply::text("{\"a\":1}\n")).folder(folder.path());
    let played = scene.play(&["sql", "SELECT 1", "-o", "out.jsonl"]);
    assert_eq!((played.output.as_str(), played.code as i32), ("", 0));
    assert!(played.requests[0].contains("application/jsonl"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"a\":1}\n");
    let broken = answer(Reply::pieces(vec![Piece::Data("{}\n".into()), Piece::Broken("gone")])).folder(folder.path());
    assert_eq!(broken.play(&["sql", "SELECT 1", "-o", "out.jsonl"]).code as i32, 1);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"a\":1}\n");
}

#[test]
fn binary_forms_are_not_for_terminals() {
    for format in ["arrow", "parquet"] {
        let played = Scene::new().terminal().play(&["sql", "SELECT 1", "--format", format]);
        assert_eq!((played.code as i32, played.requests.len()), (2, 0), "{format}");
    }
    let bytes = String::from_utf8_lossy(&arrow(&[batch(0..2)])).into_owned();
    assert_eq!(
        answer(Reply::text(bytes.clone()))
            .play(&["sql", "SELECT 1", "--format", "arrow"])
            .output,
        bytes
    );
}
