//! `headwater sql`: formats, files named in the query, the three ways to a router, faults.

use expect_test::{Expect, expect};

use crate::data;
use crate::harness::Sandbox;

fn example() -> Sandbox {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    sandbox
}

#[track_caller]
fn check(args: &[&str], expected: Expect) {
    let sandbox = example();
    expected.assert_eq(&sandbox.ok([&["sql"], args].concat()));
}

const QUERY: &str = "SELECT \"user\", event, price FROM 'data/*.parquet' ORDER BY \"user\", ts, event LIMIT 4";

#[test]
fn rows_are_csv_when_piped() {
    check(
        &[QUERY],
        expect![[r#"
        user,event,price
        1,view,
        1,cart,10.0
        1,buy,20.5
        2,buy,5.0
    "#]],
    );
}

#[test]
fn rows_come_in_every_format() {
    check(
        &[QUERY, "--format", "jsonl"],
        expect![[r#"
        {"user":1,"event":"view","price":null}
        {"user":1,"event":"cart","price":10.0}
        {"user":1,"event":"buy","price":20.5}
        {"user":2,"event":"buy","price":5.0}
    "#]],
    );
    let sandbox = example();
    let rows = sandbox.json(["sql", QUERY, "--format", "json"]);
    assert_eq!(rows.as_array().unwrap().len(), 4);
    let table = sandbox.ok(["sql", QUERY, "--format", "table"]);
    assert!(table.contains("4 rows"), "{table}");
    let markdown = sandbox.ok(["sql", QUERY, "--format", "markdown"]);
    assert!(markdown.starts_with("| user | event | price |"), "{markdown}");
}

#[test]
fn the_three_ways_to_a_router_answer_alike() {
    let sandbox = example();
    let in_process = sandbox.ok(["sql", QUERY, "--format", "jsonl"]);
    let up = sandbox.up_with(["--set", &format!("files.allow=[\"{}\"]", sandbox.path().display())]);
    let over_socket = sandbox.ok(["sql", QUERY, "--format", "jsonl"]);
    assert_eq!(in_process, over_socket);
    let absolute = QUERY.replace("data/", &format!("{}/data/", sandbox.path().display()));
    let over_http = sandbox.ok(["sql", &absolute, "--format", "jsonl", "--server", &up.http]);
    assert_eq!(in_process, over_http);
    assert_eq!(up.stop(), 0);
}

#[test]
fn a_statement_comes_from_an_argument_a_file_or_standard_input() {
    let sandbox = example();
    let file = sandbox.write("q.sql", "select 1 as a;\nselect 2 as a;\n");
    assert_eq!(sandbox.ok(["sql", "select 1 as a"]), "a\n1\n");
    assert_eq!(sandbox.ok(["sql", "-f", file.to_str().unwrap()]), "a\n1\na\n2\n");
    assert_eq!(sandbox.run_with_input(["sql"], "select 3 as a;").stdout, "a\n3\n");
}

#[test]
fn faults_are_told_with_their_place_and_exit_code() {
    let sandbox = example();
    let stderr = sandbox.fails(3, ["sql", "SELECT evnt FROM 'data/part-0.parquet'"]);
    assert!(stderr.contains("HW-Q007") && stderr.contains("event"), "{stderr}");
    let stderr = sandbox.fails(3, ["sql", "SELEC 1"]);
    assert!(stderr.contains("HW-Q001"), "{stderr}");
    let stderr = sandbox.fails(3, ["sql", "DROP TABLE x"]);
    assert!(stderr.contains("HW-Q004"), "{stderr}");
    let ran = sandbox.run(["sql", "SELECT 1 FROM nowhere", "--format", "json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{}", ran.stderr);
    assert_eq!(ran.problem()["code"], "HW-Q006");
    sandbox.fails(2, ["sql", "--no-such-flag"]);
}

#[test]
fn a_value_is_never_interpreted() {
    let sandbox = example();
    let hostile = "x' OR 1=1 --\\\n\u{1F980}";
    let rows = sandbox.json([
        "sql",
        "SELECT $1 AS v, count(*) AS n FROM 'data/*.parquet' WHERE event = $1",
        "--param",
        hostile,
        "--format",
        "json",
    ]);
    assert_eq!(rows[0]["n"], 0, "{rows}");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let sandbox = Sandbox::new();
    let script = format!(
        "'{}' sql 'select * from generate_series(1, 100000000)' --format csv | head -n 3; echo ${{PIPESTATUS[0]}}",
        crate::harness::program().display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(sandbox.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        text.lines().last(),
        Some("0"),
        "{text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(text.lines().count(), 4, "{text}");
}

#[test]
fn a_large_result_is_streamed_in_bounded_memory() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    let query = "select value, repeat('x', 200) as padding from generate_series(1, 20000000)";
    // A reader that takes its time over the first rows of four gigabytes.
    let mut reader = std::process::Command::new("bash")
        .args([
            "-c",
            &format!(
                "'{}' sql \"{query}\" --format csv | (sleep 3; head -n 5 >/dev/null)",
                crate::harness::program().display()
            ),
        ])
        .current_dir(sandbox.path())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(2));
    let resident = resident_bytes(up.pid());
    reader.wait().unwrap();
    assert!(resident < 700 << 20, "the server holds {} MiB", resident >> 20);
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn rows_become_a_parquet_file_that_can_be_asked() {
    let sandbox = example();
    sandbox.ok(["sql", QUERY, "-o", "first.parquet"]);
    let output = sandbox.command(["sql", QUERY, "--format", "parquet"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    sandbox.write("piped.parquet", output.stdout);
    for file in ["first.parquet", "piped.parquet"] {
        let rows = sandbox.ok(["sql", &format!("SELECT * FROM '{file}'")]);
        assert_eq!(
            rows, "user,event,price\n1,view,\n1,cart,10.0\n1,buy,20.5\n2,buy,5.0\n",
            "{file}"
        );
    }
    let two = ["sql", "SELECT 1 AS a; SELECT 2 AS b", "-o", "two.parquet"];
    let stderr = sandbox.fails(2, two);
    assert!(stderr.contains("one statement"), "{stderr}");
    assert!(!sandbox.path().join("two.parquet").exists());
}

/// Rows are under way when a value is met that cannot be computed with; every format tells which fault it was, whoever answers.
#[test]
fn a_fault_after_the_first_rows_is_told_with_its_cause() {
    let query = "select 1 / (value - 900000) as x from generate_series(1, 1000000)";
    let check = |sandbox: &Sandbox| {
        for format in ["csv", "json", "jsonl", "arrow", "table", "markdown"] {
            let ran = sandbox.run(["sql", query, "--format", format]);
            let told = ran.stderr.to_lowercase();
            assert!(
                ran.code == 1 && told.contains("hw-q016"),
                "{format}: {} {told}",
                ran.code
            );
            assert!(!told.contains("hw-c053"), "{format}: {told}");
        }
    };
    let sandbox = Sandbox::new();
    check(&sandbox);
    let up = sandbox.up();
    check(&sandbox);
    let unknown = up.get("/api/v1/requests/0123456789abcdef/fault").is(404).json();
    assert_eq!(unknown["code"], "HW-A032");
}
