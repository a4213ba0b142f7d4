#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use expect_test::{Expect, expect};
use hw_api::Problem;
use serde_json::json;

use super::complete::proposals;
use super::dot::{COMMANDS, parse};
use super::highlight::{FUNCTIONS, KEYWORDS, Kind, pieces};
use super::interactive::private_file;
use super::names::Known;
use super::statements::{Statements, is_complete};
use crate::tests::{Piece, Reply, Scene};

fn cut(text: &str) -> Vec<(usize, String)> {
    let mut statements = Statements::default();
    let mut all = Vec::new();
    for line in text.split_inclusive('\n') {
        statements.push(line);
        while let Some(statement) = statements.next() {
            all.push((statement.lines_before, statement.text));
        }
    }
    all.extend(
        statements
            .take_rest()
            .map(|statement| (statement.lines_before, statement.text)),
    );
    all
}

#[track_caller]
fn check_cut(text: &str, expected: &[(usize, &str)]) {
    let expected: Vec<(usize, String)> = expected
        .iter()
        .map(|(line, text)| (*line, (*text).to_owned()))
        .collect();
    assert_eq!(cut(text), expected, "{text:?}");
}

#[test]
fn statements_are_cut_at_semicolons() {
    check_cut("SELECT 1; SELECT 2", &[(0, "SELECT 1"), (0, "SELECT 2")]);
    check_cut(
        "\n\nSELECT\n1\n;\n\n  SELECT 2;;;\n",
        &[(2, "SELECT\n1"), (6, "SELECT 2")],
    );
    check_cut("\u{feff}SELECT 1", &[(0, "SELECT 1")]);
    check_cut("", &[]);
    check_cut("-- nothing\n/* here */;", &[]);
}

#[test]
fn quotes_and_comments_hide_semicolons() {
    check_cut(
        "SELECT ';', \"a;b\", 'it''s;', `x;`; 2",
        &[(0, "SELECT ';', \"a;b\", 'it''s;', `x;`"), (0, "2")],
    );
    check_cut("SELECT 1 -- ; '\n; 2", &[(0, "SELECT 1 -- ; '"), (1, "2")]);
    check_cut(
        "/* ; /* ; */ ; */ SELECT 1; 2",
        &[(0, "/* ; /* ; */ ; */ SELECT 1"), (0, "2")],
    );
    check_cut(
        "SELECT $$ ; $$, $a$ ; $$ ; $a$, $1; 2",
        &[(0, "SELECT $$ ; $$, $a$ ; $$ ; $a$, $1"), (0, "2")],
    );
    check_cut("SELECT 'open ; \n", &[(0, "SELECT 'open ;")]);
    check_cut(
        "SELECT 1 - -1; 4 / 2; é'ü;'",
        &[(0, "SELECT 1 - -1"), (0, "4 / 2"), (0, "é'ü;'")],
    );
}

#[test]
fn enter_ends_what_is_complete() {
    let inputs = [
        "",
        ".tables",
        "SELECT 1;",
        "SELECT 1; -- done",
        "SELECT 1",
        "SELECT ';",
        "SELECT 1; SELECT",
        "/* open",
    ];
    assert_eq!(
        inputs.map(is_complete),
        [true, true, true, true, false, false, false, false]
    );
}

#[test]
fn a_long_statement_is_looked_at_once() {
    let mut statements = Statements::default();
    for _ in 0..200_000 {
        statements.push("'some text', \n");
        assert!(statements.next().is_none());
    }
    statements.push(";");
    assert_eq!(statements.next().unwrap().text.len(), 200_000 * 14 - 2);
}

fn scene() -> Scene {
    let tables = json!({"items": [
        {"name": "flights", "kind": "dataset", "version": 1, "groups": "contained", "rows": 334_264, "bytes": 1, "registered_at": "x", "group_column": "aircraft", "time_column": "departure"},
        {"name": "odd name", "kind": "view", "version": 1, "groups": "split", "bytes": 1, "registered_at": "x"}]});
    let flights = json!({"name": "flights", "kind": "dataset", "version": 1, "groups": "contained", "bytes": 1, "registered_at": "x",
        "columns": [{"name": "aircraft", "sql_type": "Utf8View"}, {"name": "dep_delay", "sql_type": "Int32"}]});
    let plan = json!({"text": "Scan flights", "plan": {}});
    Scene::new()
        .route("GET /tables", [Reply::json(&tables)])
        .route("GET /tables/flights", [Reply::json(&flights)])
        .route("POST /sql/explain", [Reply::json(&plan)])
}

/// The transcript of a session that is piped into the shell.
#[track_caller]
fn check(scene: Scene, input: &str, expect: Expect) {
    expect.assert_eq(&scene.input(input).transcript(&["sql"]).replace('\r', ""));
}

fn faulty() -> Reply {
    let mut problem = Problem::new(422, "HW-Q002", "the statement has a fault", "no column `x`");
    problem.errors =
        serde_json::from_value(json!([{"code": "HW-Q002", "message": "no column `x`", "line": 1, "column": 8}]))
            .unwrap();
    Reply::problem(&problem)
}

#[test]
fn dot_commands_about_tables() {
    check(
        scene(),
        ".tables\n.tables odd\n.schema flights;\n.explain SELECT 1;\n.explain analyze SELECT 1\n",
        expect![[r#"
            > GET /tables
            > GET /tables
            > GET /tables/flights
            > POST /sql/explain {"sql":"SELECT 1","params":[],"analyze":false}
            > POST /sql/explain {"sql":"SELECT 1","params":[],"analyze":true}
            table        rows  group     time
            flights   334,264  aircraft  departure
            odd name        -  -         -
            table     rows  group  time
            odd name     -  -      -
            flights
              aircraft   Utf8View
              dep_delay  Int32
            Scan flights
            Scan flights
            exit 0
        "#]],
    );
}

#[test]
fn modes_and_statements_over_lines() {
    let scene = scene().route(
        "POST /sql",
        [
            Reply::text("n\r\n1\r\n"),
            Reply::text("[{\"n\":1}]"),
            Reply::text("{\"n\":1}\n"),
        ],
    );
    check(
        scene,
        "SELECT\n  1;\n.mode json\nSELECT 1; \n.mode jsonl\nSELECT 1",
        expect![[r#"
            > POST /sql (text/csv; charset=utf-8) {"sql":"SELECT\n  1","params":[]}
            > POST /sql {"sql":"SELECT 1","params":[]}
            > POST /sql (application/jsonl) {"sql":"SELECT 1","params":[]}
            n
            1
            [{"n":1}]
            {"n":1}
            exit 0
        "#]],
    );
}

#[test]
fn the_first_failure_ends_a_piped_session() {
    let scene = || scene().route("POST /sql", [faulty(), Reply::text("n\r\n2\r\n")]);
    check(
        scene(),
        "\nSELECT x;\nSELECT 2;\n",
        expect![[r#"
        > POST /sql (text/csv; charset=utf-8) {"sql":"SELECT x","params":[]}
        ! error[HW-Q002]: no column `x`
        !   --> standard input:2:8
        !    |
        !  2 | SELECT x
        !    |        ^ no column `x`
        exit 3
    "#]],
    );
    check(
        scene(),
        ".bail off\nSELECT x;\nSELECT 2;\n",
        expect![[r#"
        > POST /sql (text/csv; charset=utf-8) {"sql":"SELECT x","params":[]}
        > POST /sql (text/csv; charset=utf-8) {"sql":"SELECT 2","params":[]}
        n
        2
        ! error[HW-Q002]: no column `x`
        !   --> standard input:2:8
        !    |
        !  2 | SELECT x
        !    |        ^ no column `x`
        exit 3
    "#]],
    );
}

#[test]
fn unknown_dot_commands_are_bad_usage() {
    check(
        Scene::new(),
        ".tabels\n",
        expect![[r#"
        ! error[HW-C059]: there is no dot command `.tabels`
        ! help: did you mean `.tables`? `.help` lists all
        exit 2
    "#]],
    );
    check(
        Scene::new(),
        ".mode xml\n",
        expect![[r#"
        ! error[HW-C059]: `.mode` takes other arguments
        ! help: write `.mode table|csv|json|jsonl|markdown`
        exit 2
    "#]],
    );
    check(
        Scene::new(),
        ".nonsense\n",
        expect![[r#"
        ! error[HW-C059]: there is no dot command `.nonsense`
        ! help: `.help` lists all
        exit 2
    "#]],
    );
}

#[test]
fn leaving_early() {
    check(
        Scene::new(),
        ".quit\nSELECT 1;\n",
        expect![[r#"
        exit 0
    "#]],
    );
}

#[test]
fn help_lists_what_matches() {
    check(
        Scene::new(),
        ".help time\n",
        expect![[r#"
        .timer  on|off  tell the time beside each answer
        exit 0
    "#]],
    );
    let all = Scene::new().input(".help").play(&["sql"]).output;
    assert_eq!(all.lines().count(), COMMANDS.len());
}

#[test]
fn every_dot_command_of_the_help_is_known() {
    for (name, ..) in COMMANDS {
        let reason = match parse(name) {
            Ok(_) => continue,
            Err(crate::failure::Ending::Failure(failure)) => failure.problem.detail,
            Err(crate::failure::Ending::Quiet(_)) => String::new(),
        };
        assert!(reason.contains("takes other arguments"), "{name}: {reason}");
    }
}

#[test]
fn output_goes_to_a_file_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new().folder(folder.path()).route(
        "POST /sql",
        [
            Reply::text("n\r\n1\r\n"),
            Reply::text("n\r\n2\r\n"),
            Reply::text("n\r\n3\r\n"),
        ],
    );
    let played = scene
        .input(".output a.csv\nSELECT 1;\nSELECT 2;\n.output\nSELECT 3;\n")
        .play(&["sql"]);
    assert_eq!((played.output.as_str(), played.code as i32), ("n\n3\n", 0));
    assert_eq!(
        std::fs::read_to_string(folder.path().join("a.csv")).unwrap(),
        "n\n1\nn\n2\n"
    );
}

#[test]
fn read_runs_a_file_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.sql"), "SELECT 1;\nSELECT x").unwrap();
    std::fs::write(folder.path().join("circle.sql"), ".read circle.sql\n").unwrap();
    let scene = || {
        Scene::new().folder(folder.path()).route(
            "POST /sql",
            [Reply::text("n\r\n1\r\n"), faulty(), Reply::text("n\r\n3\r\n")],
        )
    };
    let played = scene()
        .input(".bail off\n.read a.sql\nSELECT 3;\n.read none.sql\n")
        .play(&["sql"]);
    expect![[r#"
        error[HW-Q002]: no column `x`
          --> a.sql:2:8
           |
         2 | SELECT x
           |        ^ no column `x`
        error[HW-C055]: cannot read `none.sql`: No such file or directory (os error 2)
        help: check the path; `-` reads standard input
    "#]]
    .assert_eq(&played.errors);
    assert_eq!((played.output.as_str(), played.code as i32), ("n\n1\nn\n3\n", 3));
    let circle = scene().input(".read circle.sql\n").play(&["sql"]);
    expect![[r#"
        error[HW-C059]: `circle.sql` is read by a file that it reads
        help: take the circle out
    "#]]
    .assert_eq(&circle.errors);
}

#[test]
fn tables_have_a_time_unless_it_is_off() {
    let empty = || Reply::pieces(Vec::new());
    let scene = Scene::new().route("POST /sql", [empty(), empty()]);
    check(
        scene,
        ".mode table\nCREATE VIEW v AS SELECT 1;\n.timer off\nCREATE VIEW w AS SELECT 1;\n",
        expect![[r#"
            > POST /sql (application/vnd.apache.arrow.stream) {"sql":"CREATE VIEW v AS SELECT 1","params":[]}
            > POST /sql (application/vnd.apache.arrow.stream) {"sql":"CREATE VIEW w AS SELECT 1","params":[]}
            done · 0 ms
            done
            exit 0
        "#]],
    );
}

/// A person's session: Ctrl-C ends the query and not the session.
#[test]
fn ctrl_c_cancels_the_query_only() {
    let scene = Scene::new().route(
        "POST /sql",
        [
            Reply::pieces(vec![Piece::Interrupt, Piece::Never]),
            Reply::text("n\r\n2\r\n"),
        ],
    );
    let router = scene.router();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (transcript, code) = runtime.block_on(scene.session(&["SELECT 1;", "SELECT 2;"]));
    expect![[r#"
        n
        2
        cancelled
        0 ms
    "#]]
    .assert_eq(&transcript.replace('\r', ""));
    assert_eq!((code, router.requests().len()), (0, 2));
}

#[test]
fn names_are_completed_where_they_fit() {
    let known = Known {
        tables: vec!["flights".to_owned(), "Odd name".to_owned(), "select".to_owned()],
        columns: vec!["aircraft".to_owned(), "Altitude".to_owned()],
    };
    let complete = |before: &str| proposals(before, &known).join(" ");
    assert_eq!(complete("SELECT * FROM "), "flights \"Odd name\" \"select\"");
    assert_eq!(complete("select * from fl"), "flights");
    assert_eq!(
        complete("select a"),
        "aircraft \"Altitude\" abs approx_distinct array_agg avg all alter analyze and any as asc"
    );
    assert_eq!(
        complete("SELECT A"),
        "aircraft \"Altitude\" abs approx_distinct array_agg avg ALL ALTER ANALYZE AND ANY AS ASC"
    );
    assert_eq!(complete(".ti"), ".timer");
    assert_eq!(complete(".schema "), "flights \"Odd name\" \"select\"");
    assert_eq!(complete("SELECT 1 "), "");
}

#[test]
fn words_are_sorted_as_they_are_searched() {
    assert!(KEYWORDS.is_sorted() && FUNCTIONS.is_sorted());
}

#[test]
fn pieces_are_the_line() {
    let line = "SELECT 'it', \"x\", 1.5e3 FROM t -- done";
    let cut = pieces(line);
    assert_eq!(cut.iter().map(|(_, text)| *text).collect::<String>(), line);
    let of = |kind: Kind| {
        cut.iter()
            .filter(|(other, _)| *other == kind)
            .map(|(_, text)| *text)
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(
        (of(Kind::Keyword), of(Kind::Text), of(Kind::Number), of(Kind::Comment)),
        ("SELECT|FROM".into(), "'it'".into(), "1.5e3".into(), "-- done".into())
    );
    assert_eq!(pieces(".mode csv")[0], (Kind::Command, ".mode"));
    for odd in ["'", "\"", "/*", "é'", "", "-", "$$", "漢字 select", "  .x"] {
        assert_eq!(pieces(odd).iter().map(|(_, text)| *text).collect::<String>(), odd);
    }
}

#[cfg(unix)]
#[test]
fn the_history_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    std::fs::write(&path, "SELECT 1\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    private_file(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "SELECT 1\n");
    assert!(private_file(&folder.path().join("none/history")).is_none());
}

/// The bodies of the requests.
fn bodies(requests: &[String]) -> Vec<&str> {
    let requests = requests.iter().filter_map(|request| request.split_once('{'));
    requests
        .map(|(_, body)| body.trim_end_matches(" [headwater-folder: /home/ann]"))
        .collect()
}

#[test]
fn what_was_set_goes_along_with_later_statements() {
    let script = "SET a.b = 'x'; SELECT 1; SET c.d = 2; SELECT 2; RESET a.b; SELECT 3;";
    let played = Scene::new()
        .route("POST /sql", [Reply::text("")])
        .input(script)
        .play(&["sql"]);
    assert_eq!(
        bodies(&played.requests),
        [
            r#""sql":"SET a.b = 'x'","params":[]}"#,
            r#""sql":"SELECT 1","params":[],"settings":{"a.b":"x"}}"#,
            r#""sql":"SET c.d = 2","params":[],"settings":{"a.b":"x"}}"#,
            r#""sql":"SELECT 2","params":[],"settings":{"a.b":"x","c.d":"2"}}"#,
            r#""sql":"RESET a.b","params":[],"settings":{"a.b":"x","c.d":"2"}}"#,
            r#""sql":"SELECT 3","params":[],"settings":{"c.d":"2"}}"#,
        ]
    );
}

#[test]
fn what_was_refused_is_not_remembered() {
    let refused = Reply::problem(&Problem::new(422, "HW-Q011", "no such option", "`x` is no option"));
    let script = ".bail off\nSET x = 1;\nSELECT 1;\n.explain SELECT 2\n";
    let scene = Scene::new()
        .route("POST /sql", [refused, Reply::text("")])
        .route("POST /sql/explain", [Reply::json(&json!({"text": "plan", "plan": {}}))])
        .input(script);
    let played = scene.play(&["sql"]);
    assert_eq!(
        bodies(&played.requests)[1..],
        [
            r#""sql":"SELECT 1","params":[]}"#,
            r#""sql":"SELECT 2","params":[],"analyze":false}"#
        ]
    );
}
