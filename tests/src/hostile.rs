//! Hostile texts as values, names and paths; foreign hosts and pages; statements of a megabyte.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::data;
use crate::harness::{Sandbox, Up};

/// Texts that mean something to SQL, JSON, shells, paths, patterns, CSV or terminals.
const MEANT: [&str; 30] = [
    "'",
    "''",
    "\"",
    "' OR '1'='1",
    "x'; DROP TABLE events; --",
    "\\",
    "\\'",
    "$1",
    "$0",
    "?",
    ":x",
    "%",
    "_",
    "*",
    "../../etc/passwd",
    "file:///etc/passwd",
    "`id`",
    "$(id)",
    "| (ts >= 0) #",
    "${event.data}",
    "{}",
    "[]",
    "null",
    "NaN",
    "1e999",
    "=cmd|' /C calc'!A0",
    "\u{1b}[2J",
    "\u{202e}abc",
    "\r\n",
    "\u{0}",
];

/// Those, and texts of any characters, some mixed of both. Without doubles.
fn texts(count: usize) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let any = "\\PC{0,12}|[\\x00-\\x1f'\"\\\\$%_;-]{1,8}";
    let mut texts: Vec<String> = MEANT.iter().map(|&text| text.to_owned()).collect();
    while texts.len() < count {
        let text = any.new_tree(&mut runner).unwrap().current();
        let mixed = format!("{}{text}", MEANT[texts.len() % MEANT.len()]);
        texts.push(if texts.len().is_multiple_of(2) { text } else { mixed });
    }
    texts.sort();
    texts.dedup();
    texts
}

/// Each text in one row of its own, its number as its group.
fn write_texts(sandbox: &Sandbox, texts: &[String]) {
    let numbers = || Arc::new(Int64Array::from_iter_values(0..texts.len() as i64)) as ArrayRef;
    let values = Arc::new(StringArray::from_iter_values(texts)) as ArrayRef;
    let columns = vec![("user", numbers()), ("ts", numbers()), ("value", values)];
    data::write_columns(&sandbox.path().join("data/part.parquet"), columns);
}

#[track_caller]
fn sql(up: &Up, statement: &str, params: Value) -> Value {
    up.post("/api/v1/sql", &json!({"sql": statement, "params": params}))
        .is(200)
        .json()
}

#[test]
fn a_value_means_itself_in_filters_parameters_and_every_form_of_rows() {
    let sandbox = Sandbox::new();
    let texts = texts(if std::env::var_os("HEADWATER_LONG").is_some() {
        1_000
    } else {
        60
    });
    write_texts(&sandbox, &texts);
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let up = sandbox.up();
    for (number, text) in texts.iter().enumerate() {
        let rows = sql(
            &up,
            "select \"user\" as n, value from events where value = $1",
            json!([text]),
        );
        assert_eq!(rows, json!([{"n": number, "value": text}]));
        let query = json!({"query": {"conditions": [{"filter": ["value", "==", text]}]}});
        let job = up
            .post(
                "/api/v1/funnels/run?wait=20s",
                &json!({"table": "events", "query": query}),
            )
            .is(200)
            .json();
        assert_eq!(job["result"]["query"]["matchingGroups"], 1, "{text:?}: {job}");
        // As a literal, with its quotes doubled.
        if !text.contains('\0') {
            let literal = text.replace('\'', "''");
            let rows = sql(
                &up,
                &format!("select \"user\" as n from events where value = '{literal}'"),
                json!([]),
            );
            assert_eq!(rows, json!([{"n": number}]), "{text:?}");
        }
    }
    for format in ["json", "jsonl"] {
        let told = sandbox.ok(["sql", "select value from events order by \"user\"", "--format", format]);
        let rows: Vec<Value> = match format {
            "json" => serde_json::from_str(&told).unwrap(),
            _ => told.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        };
        let told: Vec<&str> = rows.iter().map(|row| row["value"].as_str().unwrap()).collect();
        assert_eq!(told, texts, "{format}");
    }
    assert_eq!(up.stop(), 0);
}

#[test]
fn a_name_means_itself_as_table_column_and_folder() {
    let usable = |text: &&str| !text.chars().any(char::is_control);
    for (number, text) in MEANT.into_iter().filter(usable).enumerate() {
        let sandbox = Sandbox::new();
        let folder = format!("of {}", text.replace('/', "\u{2215}"));
        let column: ArrayRef = Arc::new(Int64Array::from(vec![7, 8]));
        let keys = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
        let columns = vec![("user", keys()), ("ts", keys()), (text, column)];
        data::write_columns(&sandbox.path().join(&folder).join("part.parquet"), columns);
        let quoted = format!("\"{}\"", text.replace('"', "\"\""));
        let path = sandbox.path().join(&folder);
        let path = path.to_str().unwrap();
        let ran = sandbox.run(["table", "register", &quoted, path, "--group", "user", "--time", "ts"]);
        assert_eq!(ran.code, 0, "{number} {text:?}: {ran:?}");
        let listed = sandbox.json(["table", "list", "--format", "json"]);
        let name = listed["items"][0]["name"].as_str().unwrap();
        assert!(name == text || name == quoted, "{name}");
        let rows = sandbox.json([
            "sql",
            &format!("select sum({quoted}) as n from {quoted}"),
            "--format",
            "json",
        ]);
        assert_eq!(rows, json!([{"n": 15}]), "{text:?}");
        let query = json!({"query": {"conditions": [{"filter": [text, "==", 8]}]}}).to_string();
        let result = sandbox.json(["funnel", "run", &quoted, "--string", &query, "--format", "json"]);
        assert_eq!(result["query"]["matchingGroups"], 1, "{text:?}");
        // A file is named in a literal of its own.
        let file = format!("{path}/part.parquet").replace('\'', "''");
        if !text.contains(['*', '?', '[', '{', '\\']) {
            assert_eq!(
                sandbox.ok(["sql", &format!("select count(*) as n from '{file}'")]),
                "n\n2\n",
                "{text:?}"
            );
        }
        sandbox.ok(["table", "drop", &quoted, "--force", "--yes"]);
        assert_eq!(sandbox.ok(["table", "list", "-q"]), "");
        assert!(path_exists(path), "{text:?}: dropping a table removed its files");
    }
}

fn path_exists(folder: &str) -> bool {
    std::path::Path::new(folder).join("part.parquet").exists()
}

/// The status of a request with these header lines, as they stand.
fn status(up: &Up, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(up.http.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "GET /api/v1/tables HTTP/1.1\r\n{headers}connection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_ascii_lowercase().contains("access-control"), "{head}");
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn only_loopback_names_and_own_pages_are_answered() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    let port = up.http.rsplit(':').next().unwrap();
    for host in ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"] {
        assert_eq!(status(&up, &format!("host: {host}:{port}\r\n")), 200, "{host}");
    }
    let foreign = [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example#127.0.0.1",
        "127.0.0.1@evil.example",
        "evil.example:80@127.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "xn--localhost-",
        "",
        "localhost\u{2024}evil",
    ];
    for host in foreign {
        let status = status(&up, &format!("host: {host}\r\n"));
        assert!([400, 403].contains(&status), "{host:?}: {status}");
    }
    assert!([400, 403].contains(&status(&up, "")), "no host");
    assert!(
        [400, 403].contains(&status(
            &up,
            &format!("host: 127.0.0.1:{port}\r\nhost: evil.example\r\n")
        )),
        "two hosts"
    );
    let own = format!("host: 127.0.0.1:{port}\r\n");
    for origin in [
        "http://evil.example",
        "null",
        "https://127.0.0.1.evil.example",
        "http://127.0.0.1:1",
        "file://",
        "chrome-extension://x",
    ] {
        assert_eq!(status(&up, &format!("{own}origin: {origin}\r\n")), 403, "{origin}");
    }
    assert_eq!(status(&up, &format!("{own}origin: http://127.0.0.1:{port}\r\n")), 200);
    assert_eq!(up.stop(), 0);
}

#[test]
fn statements_of_a_megabyte_and_conditions_ten_thousand_deep_get_an_answer() {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let up = sandbox.up();
    let list = (0..150_000)
        .map(|number| number.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let deep = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let long = vec!["ts = 1"; 10_000].join(" or ");
    let nested = "not ".repeat(10_000);
    for statement in [
        format!("select count(*) as n from events where ts in ({list})"),
        format!("select {deep} as n"),
        format!("select count(*) as n from events where {long}"),
        format!("select count(*) as n from events where {nested} ts = 1"),
        format!("select '{}' as n", "x".repeat(1 << 20)),
    ] {
        let answer = up.post("/api/v1/sql", &json!({"sql": statement}));
        assert!(
            [200, 422].contains(&answer.status),
            "{}: {}",
            &statement[..60],
            answer.status
        );
        assert!(
            answer.status == 200 || answer.json()["code"].as_str().unwrap().starts_with("HW-Q"),
            "{}",
            &statement[..60]
        );
    }
    let filters = json!({"filter": ["event", "==", "view"]});
    let relation = "not ".repeat(10_000) + "$0";
    for query in [
        json!({"query": {"conditions": [filters], "relation": relation}}),
        json!({"query": {"conditions": [filters], "relation": format!("{}$0{}", "(".repeat(10_000), ")".repeat(10_000))}}),
        json!({"query": {"conditions": vec![filters; 10_000]}}),
        json!({"query": {"conditions": [{"filter": ["event", "==", "x".repeat(1 << 20)]}]}}),
    ] {
        let answer = up.post(
            "/api/v1/funnels/run?wait=60s",
            &json!({"table": "events", "query": query}),
        );
        assert!([200, 422].contains(&answer.status), "{}", answer.status);
    }
    up.get("/health/ready").is(200);
    assert_eq!(up.stop(), 0);
}
