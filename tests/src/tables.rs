//! `headwater table`: registering, listing, showing, dropping; what the checks refuse.

use std::sync::Arc;

use arrow::array::{Float64Array, Int32Array, Int64Array, StringArray};

use crate::data;
use crate::harness::Sandbox;

fn example() -> Sandbox {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    sandbox
}

const REGISTER: [&str; 8] = ["table", "register", "events", "data", "--group", "user", "--time", "ts"];

#[test]
fn a_folder_becomes_a_table() {
    let sandbox = example();
    sandbox.ok(REGISTER);
    let table = sandbox.json(["table", "show", "events", "--format", "json"]);
    assert_eq!(table["version"], 1);
    assert_eq!(table["rows"], 12);
    assert_eq!(table["parts"], 2);
    assert_eq!(table["groups"], "contained");
    let time = table["columns"]
        .as_array()
        .unwrap()
        .iter()
        .find(|column| column["name"] == "ts")
        .unwrap();
    assert_eq!(
        (&time["type"], &time["min"], &time["max"]),
        (&"INT".into(), &10.into(), &30.into())
    );
    assert_eq!(sandbox.ok(["sql", "select count(*) as n from events"]), "n\n12\n");
    let list = sandbox.json(["table", "list", "--format", "json"]);
    assert_eq!(list["items"][0]["name"], "events");
    assert_eq!(sandbox.ok(["table", "list", "-q"]), "events\n");
}

#[test]
fn registering_again_makes_a_new_version_and_dropping_forgets_it() {
    let sandbox = example();
    sandbox.ok(REGISTER);
    sandbox.ok(REGISTER);
    assert_eq!(
        sandbox.json(["table", "show", "events", "--format", "json"])["version"],
        2
    );
    sandbox.fails(2, ["table", "drop", "events"]);
    sandbox.ok(["table", "drop", "events", "--force", "--yes"]);
    let stderr = sandbox.fails(4, ["table", "show", "events"]);
    assert!(stderr.contains("events"), "{stderr}");
    assert_eq!(sandbox.ok(["table", "list", "-q"]), "");
}

#[test]
fn a_table_in_use_is_dropped_only_by_force() {
    let sandbox = example();
    sandbox.ok(REGISTER);
    sandbox.ok(["funnel", "run", "events", "--empty", "--format", "json"]);
    let stderr = sandbox.fails(5, ["table", "drop", "events", "--yes"]);
    assert!(stderr.contains("--force"), "{stderr}");
    sandbox.ok(["table", "drop", "events", "--yes", "--force"]);
}

#[test]
fn groups_that_straddle_parts_are_refused_or_taken_as_said() {
    let sandbox = Sandbox::new();
    data::write_straddling_example(&sandbox.path().join("data"));
    let stderr = sandbox.fails(1, [&REGISTER[..], &["--validation", "all"]].concat());
    assert!(stderr.contains("--groups split"), "{stderr}");
    assert_eq!(sandbox.ok(["table", "list", "-q"]), "", "nothing is half registered");
    sandbox.ok([&REGISTER[..], &["--groups", "split"]].concat());
    let result = sandbox.json(["funnel", "run", "events", "--empty", "--format", "json"]);
    assert_eq!(
        (
            &result["query"]["matchingGroups"],
            &result["query"]["matchingGroupRows"]
        ),
        (&5.into(), &12.into())
    );
}

#[test]
fn every_fault_of_a_registration_is_told_at_once() {
    let sandbox = Sandbox::new();
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("who", Arc::new(Float64Array::from(vec![1.0, 2.0]))),
        ("when", Arc::new(StringArray::from(vec!["a", "b"]))),
    ];
    data::write_columns(&sandbox.path().join("data/a.parquet"), columns);
    let ran = sandbox.run([
        "table", "register", "t", "data", "--group", "who", "--time", "when", "--format", "json",
    ]);
    let problem = ran.problem();
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
    let stderr = sandbox.run(["table", "register", "t", "nowhere", "--group", "u", "--time", "t"]);
    assert_eq!(stderr.code, 3, "{stderr:?}");
    assert!(stderr.stderr.contains("nowhere"), "{stderr:?}");
}

#[test]
fn parts_with_differing_schemas_are_refused() {
    let sandbox = example();
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("user", Arc::new(Int64Array::from(vec![77]))),
        ("ts", Arc::new(Int64Array::from(vec![1]))),
        ("event", Arc::new(Int32Array::from(vec![1]))),
    ];
    data::write_columns(&sandbox.path().join("data/part-2.parquet"), columns);
    let stderr = sandbox.fails(1, [&REGISTER[..], &["--validation", "all"]].concat());
    assert!(
        stderr.contains("part-2.parquet") && stderr.contains("event"),
        "{stderr}"
    );
}

#[test]
fn a_part_that_vanishes_is_truncated_or_changes_is_named() {
    let sandbox = example();
    sandbox.ok(REGISTER);
    let part = sandbox.path().join("data/part-1.parquet");
    let whole = std::fs::read(&part).unwrap();
    let run = || sandbox.run(["funnel", "run", "events", "--empty", "--no-cache", "--format", "json"]);
    for fault in ["vanished", "truncated", "changed"] {
        match fault {
            "vanished" => std::fs::remove_file(&part).unwrap(),
            "truncated" => std::fs::write(&part, &whole[..whole.len() / 2]).unwrap(),
            _ => {
                let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![("other", Arc::new(Int64Array::from(vec![1])))];
                data::write_columns(&part, columns);
            }
        }
        let ran = run();
        assert_eq!(ran.code, 1, "{fault}: {ran:?}");
        assert!(ran.stderr.contains("part-1.parquet"), "{fault}: {ran:?}");
        std::fs::write(&part, &whole).unwrap();
    }
}
