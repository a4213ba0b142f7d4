//! `headwater table export`: rows go to files, whole or not at all.

use std::path::PathBuf;

use serde_json::json;

use crate::data;
use crate::harness::{Sandbox, left_over};

fn registered() -> Sandbox {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 20_000, 4);
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    sandbox
}

const ROWS: &str = "\"user\", ts, event, device, price";

#[test]
fn a_file_of_each_form_holds_the_rows() {
    let sandbox = registered();
    let expected = sandbox.ok(["sql", &format!("select {ROWS} from events order by {ROWS}")]);
    for ending in ["parquet", "csv", "jsonl"] {
        let file = format!("out/rows.{ending}");
        let result = sandbox.json(["table", "export", "events", &file, "--format", "json"]);
        assert_eq!(result["rows"], 20_000);
        let written = std::fs::metadata(sandbox.path().join(&file)).unwrap().len();
        assert_eq!(result["bytes"], written);
        let read = sandbox.ok(["sql", &format!("select {ROWS} from '{file}' order by {ROWS}")]);
        assert_eq!(read, expected, "{ending}");
    }
    assert_eq!(left_over(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn a_file_too_large_for_one_piece_is_written_whole() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 400_000, 1);
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let result = sandbox.json(["table", "export", "events", "rows.csv", "--format", "json"]);
    assert!(result["bytes"].as_u64().unwrap() > 9 << 20, "{result}");
    let sums = "count(*) as n, sum(ts) as ts, sum(length(event)) as letters, count(price) as prices";
    let of = |from: &str| sandbox.ok(["sql", &format!("select {sums} from {from}")]);
    assert_eq!(of("'rows.csv'"), of("events"));
}

#[test]
fn a_killed_export_to_a_folder_shows_nothing() {
    let sandbox = registered();
    let folder = sandbox.path().join("out");
    let shown = || {
        let entries = std::fs::read_dir(&folder).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.partition::<Vec<String>, _>(|name| name.starts_with('.'))
    };
    let args = [
        "table",
        "export",
        "events",
        "out",
        "--as",
        "csv",
        "--rows-per-file",
        "20",
    ];
    let mut child = sandbox.command(args).spawn().unwrap();
    let staged = || {
        shown()
            .0
            .iter()
            .any(|name| std::fs::read_dir(folder.join(name)).unwrap().count() > 20)
    };
    while !staged() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it was done before it could be killed"
        );
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (hidden, visible) = shown();
    assert_eq!((hidden.len(), visible), (1, Vec::new()));
    // What is left is no obstacle, and is not taken for rows.
    let result = sandbox.json([&args[..6], &["--format", "json"]].concat());
    assert_eq!(result["files"].as_array().unwrap().len(), 1);
    assert_eq!(
        sandbox.ok(["sql", "select count(*) as n from 'out/*.csv'"]),
        "n\n20000\n"
    );
}

#[test]
fn columns_and_rows_can_be_chosen() {
    let sandbox = registered();
    let args = [
        "--columns",
        "event,user",
        "--filter",
        "event = 'buy' -- and no others",
        "-q",
    ];
    sandbox.ok([&["table", "export", "events", "some.csv"], &args[..]].concat());
    let expected = sandbox.ok([
        "sql",
        "select event, \"user\" from events where event = 'buy' order by 1, 2",
    ]);
    let mut lines: Vec<String> = std::fs::read_to_string(sandbox.path().join("some.csv"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines[1..].sort_by_key(|line| line.split_once(',').unwrap().1.parse::<i64>().unwrap());
    assert_eq!(lines.join("\n") + "\n", expected);
    // The filter reads nothing but the table.
    sandbox.ok(["table", "register", "other", "data"]);
    let ran = sandbox.run([
        "table",
        "export",
        "events",
        "x.csv",
        "--filter",
        "\"user\" in (select \"user\" from other)",
    ]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(!sandbox.path().join("x.csv").exists());
}

#[test]
fn a_folder_gets_as_many_files_as_the_rows_need() {
    let sandbox = registered();
    let run = |more: &[&str]| sandbox.run([&["table", "export", "events", "copy", "--format", "json"], more].concat());
    let first = run(&["--rows-per-file", "6000"]);
    assert_eq!(first.code, 0, "{first:?}");
    let count = |folder: &str| std::fs::read_dir(sandbox.path().join(folder)).unwrap().count();
    assert_eq!(count("copy"), 4);
    assert_eq!(
        sandbox.ok([
            "sql",
            "select count(*) as n, count(distinct \"user\") as u from 'copy/*.parquet'"
        ]),
        "n,u\n20000,2000\n"
    );
    let refused = run(&[]);
    assert_eq!(
        (refused.code, &refused.problem()["code"]),
        (3, &json!("HW-T054")),
        "{refused:?}"
    );
    assert_eq!(count("copy"), 4);
    // What another program left stays.
    std::fs::write(sandbox.path().join("copy/mine.txt"), "x").unwrap();
    let again = run(&["--overwrite"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(count("copy"), 2);
    assert_eq!(
        sandbox.ok(["sql", "select count(*) as n from 'copy/*.parquet'"]),
        "n\n20000\n"
    );
}

#[test]
fn what_is_there_is_replaced_only_when_told() {
    let sandbox = registered();
    let file = sandbox.write("rows.csv", "mine\n");
    let ran = sandbox.run(["table", "export", "events", "rows.csv", "--format", "json"]);
    assert_eq!((ran.code, &ran.problem()["code"]), (3, &json!("HW-T054")), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine\n");
    sandbox.ok(["table", "export", "events", "rows.csv", "--overwrite"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 20_001);
}

#[test]
fn every_fault_is_told_at_once_and_nothing_is_written() {
    let sandbox = registered();
    let ran = sandbox.run([
        "table",
        "export",
        "events",
        "rows.csv",
        "--columns",
        "prize,who",
        "--format",
        "json",
    ]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let problem = ran.problem();
    let places: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/columns/0", "/columns/1"]);
    for filter in ["nothing = 1", "event =", "1 / (ts - ts) = 1"] {
        for file in ["rows.csv", "rows.jsonl", "rows.parquet"] {
            let ran = sandbox.run(["table", "export", "events", file, "--filter", filter]);
            assert!([1, 3].contains(&ran.code), "{filter}: {ran:?}");
            assert!(!sandbox.path().join(file).exists(), "{filter}: half of {file} is there");
        }
    }
    assert_eq!(left_over(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn clients_over_the_network_write_only_where_they_may() {
    let sandbox = registered();
    let up = sandbox.up();
    let to = sandbox.path().join("secret.csv");
    let answer = up.post(
        "/api/v1/tables/events/export?wait=20s",
        &json!({"to": to.to_str().unwrap()}),
    );
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(!to.exists());
}
