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

#[test]
fn a_wildcard_as_the_last_part_of_the_path_chooses_the_files() {
    let sandbox = example();
    data::write_events(
        &sandbox.path().join("data/other.parquet"),
        &[(9, 1, "view", None, None)],
    );
    sandbox.write("data/readme.txt", "not a part");
    let columns = ["--group", "user", "--time", "ts"];
    sandbox.ok([&["table", "register", "events", "data/part-*.parquet"][..], &columns].concat());
    let table = sandbox.json(["table", "show", "events", "--format", "json"]);
    assert_eq!((&table["parts"], &table["rows"]), (&2.into(), &12.into()), "{table}");
    // A folder that is called so is meant itself.
    data::write_example(&sandbox.path().join("da[t]a"));
    sandbox.ok([&["table", "register", "odd", "da[t]a"][..], &columns].concat());
    assert_eq!(sandbox.ok(["sql", "select count(*) as n from odd"]), "n\n12\n");
    let stderr = sandbox.fails(3, ["table", "register", "none", "data/nothing-*.parquet"]);
    assert!(stderr.contains("nothing-*.parquet"), "{stderr}");
    let stderr = sandbox.fails(3, ["table", "register", "none", "da*/part-0.parquet"]);
    assert!(stderr.contains("da*"), "{stderr}");
}

#[test]
fn a_column_that_no_part_has_is_told_once_as_bad_input() {
    let sandbox = Sandbox::new();
    for part in 0..4 {
        data::write_events(
            &sandbox.path().join(format!("data/part-{part}.parquet")),
            &[(part, 1, "view", None, None)],
        );
    }
    let register = |group: &str| {
        sandbox.run([
            "table",
            "register",
            "t",
            "data",
            "--group",
            group,
            "--time",
            "ts",
            "--validation",
            "all",
            "--format",
            "json",
        ])
    };
    for (group, code) in [("usr", "HW-T030"), ("price", "HW-T031")] {
        let ran = register(group);
        assert_eq!(ran.code, 3, "{ran:?}");
        let problem = ran.problem();
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!((errors.len(), &errors[0]["code"]), (1, &code.into()), "{problem}");
        let message = errors[0]["message"].as_str().unwrap();
        assert!(
            message.contains("part-0.parquet") && message.ends_with("; the same in 3 more parts"),
            "{message}"
        );
    }
    // One part that lacks the column is a fault of that part.
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![("ts", Arc::new(Int64Array::from(vec![1])))];
    data::write_columns(&sandbox.path().join("data/part-4.parquet"), columns);
    let ran = register("user");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("part-4.parquet"), "{ran:?}");
}

#[test]
fn parts_may_differ_in_the_width_of_their_numbers() {
    let sandbox = Sandbox::new();
    let write = |part: usize, user: arrow::array::ArrayRef, ts: arrow::array::ArrayRef| {
        let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
            ("user", user),
            ("ts", ts),
            ("event", Arc::new(StringArray::from(vec!["view", "buy"]))),
        ];
        data::write_columns(&sandbox.path().join(format!("data/part-{part}.parquet")), columns);
    };
    write(
        0,
        Arc::new(Int32Array::from(vec![1, 1])),
        Arc::new(Int64Array::from(vec![5, 9])),
    );
    write(
        1,
        Arc::new(Int64Array::from(vec![2, 2])),
        Arc::new(Int32Array::from(vec![7, 8])),
    );
    let query = r#"{"funnel":{"sequence":[{"filter":["event","==","view"]},{"filter":["event","==","buy"]}]}}"#;
    for files in ["data/*.parquet", "data/part-[10].parquet"] {
        let run = [
            "funnel", "run", files, "--group", "user", "--time", "ts", "--string", query, "--format", "json",
        ];
        let result = sandbox.json(run);
        assert_eq!(result["funnel"]["sequence"][1]["matchingGroups"], 2, "{result}");
    }
    sandbox.ok([&REGISTER[..], &["--validation", "all"]].concat());
    let run = ["funnel", "run", "events", "--string", query, "--format", "json"];
    let result = sandbox.json([&run[..], &["--export-groups", "buyers"]].concat());
    assert_eq!(result["funnel"]["sequence"][1]["matchingGroups"], 2, "{result}");
    assert_eq!(sandbox.ok(["sql", "select * from buyers"]), "user\n1\n2\n");
    assert_eq!(sandbox.ok(["sql", "select sum(ts) as s from events"]), "s\n29\n");
    assert_eq!(
        sandbox.ok(["sql", "select sum(ts) as s from 'data/*.parquet'"]),
        "s\n29\n"
    );
    let wide = arrow::array::UInt64Array::from(vec![3, 3]);
    write(2, Arc::new(wide), Arc::new(Int32Array::from(vec![1, 2])));
    let stderr = sandbox.fails(1, [&REGISTER[..], &["--validation", "all"]].concat());
    assert!(stderr.contains("no integer type holds"), "{stderr}");
}

#[test]
fn a_row_without_a_group_is_told_with_its_part() {
    let sandbox = Sandbox::new();
    let write = |part: usize, users: Vec<Option<i64>>| {
        let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
            ("ts", Arc::new(Int64Array::from_iter_values(0..users.len() as i64))),
            ("user", Arc::new(Int64Array::from(users))),
        ];
        data::write_columns(&sandbox.path().join(format!("data/part-{part}.parquet")), columns);
    };
    write(0, vec![Some(1), Some(2)]);
    write(1, vec![Some(3), None]);
    let run = [
        "funnel",
        "run",
        "data/*.parquet",
        "--group",
        "user",
        "--time",
        "ts",
        "--empty",
    ];
    let stderr = sandbox.fails(1, run);
    assert!(
        stderr.contains("HW-F010") && stderr.contains("in part `part-1.parquet`"),
        "{stderr}"
    );
}

#[test]
fn one_column_is_not_both_group_and_time() {
    let sandbox = example();
    sandbox.ok(REGISTER);
    let same = ["--group", "ts", "--time", "ts"];
    for start in [
        &["table", "register", "t", "data"][..],
        &["funnel", "run", "events", "--empty"],
        &["funnel", "run", "data/*.parquet", "--empty"],
    ] {
        let stderr = sandbox.fails(3, [start, &same].concat());
        assert!(stderr.contains("must be two columns"), "{start:?}: {stderr}");
    }
    let stderr = sandbox.fails(3, ["funnel", "run", "data/*.parquet", "--empty"]);
    assert!(stderr.contains("`--group` and `--time`"), "{stderr}");
}
