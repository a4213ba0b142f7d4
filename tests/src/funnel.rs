//! `headwater funnel`: the worked examples of the language, validation, export, cache.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use serde_json::{Value, json};

use crate::data;
use crate::harness::Sandbox;

fn registered(split: bool) -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("data");
    match split {
        true => data::write_straddling_example(&folder),
        false => data::write_example(&folder),
    }
    let groups = if split { "split" } else { "contained" };
    sandbox.ok([
        "table", "register", "events", "data", "--group", "user", "--time", "ts", "--groups", groups,
    ]);
    sandbox
}

fn filter(column: &str, op: &str, value: impl Into<Value>) -> Value {
    json!({"filter": [column, op, value.into()]})
}

fn steps(events: &[&str]) -> Value {
    events.iter().map(|event| filter("event", "==", *event)).collect()
}

/// A query, its groups and rows, and groups and rows of each funnel step.
type Example = (Value, (u64, u64), Vec<(u64, u64)>);

/// The worked examples.
fn examples() -> Vec<Example> {
    let one = |condition: Value| json!({"query": {"conditions": [condition]}});
    let with = |mut condition: Value, members: Value| {
        condition
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        one(condition)
    };
    let event = |name: &str| filter("event", "==", name);
    vec![
        (json!({}), (5, 12), vec![]),
        (
            with(event("buy"), json!({"target": ["sum", "price", ">=", 7]})),
            (2, 5),
            vec![],
        ),
        (
            with(event("buy"), json!({"target": ["count", "==", 0]})),
            (1, 1),
            vec![],
        ),
        (
            with(event("cart"), json!({"target": ["count", "<", 2]})),
            (2, 7),
            vec![],
        ),
        (
            with(event("cart"), json!({"target": ["count", "<", 2], "includeZero": true})),
            (5, 12),
            vec![],
        ),
        (one(filter("device", "!=", "mobile")), (4, 9), vec![]),
        (
            with(event("view"), json!({"target": ["sum", "price", "==", 0]})),
            (5, 12),
            vec![],
        ),
        (one(json!({"sequence": steps(&["view", "buy"])})), (2, 7), vec![]),
        (
            json!({"funnel": {"sequence": steps(&["view", "buy", "cart", "buy"])}}),
            (5, 12),
            vec![(5, 12), (2, 7), (1, 4), (1, 4)],
        ),
        (json!({"timeframe": {"from": 15, "to": 25}}), (3, 4), vec![]),
        (
            json!({"query": {"conditions": [{"sequence": steps(&["buy", "cart"])}]}, "funnel": {"sequence": steps(&["view", "cart"])}}),
            (1, 4),
            vec![(1, 4), (1, 4)],
        ),
    ]
}

#[track_caller]
fn check(sandbox: &Sandbox, query: &Value, (groups, rows): (u64, u64), steps: &[(u64, u64)]) {
    let result = sandbox.json([
        "funnel",
        "run",
        "events",
        "--string",
        &query.to_string(),
        "--format",
        "json",
    ]);
    let counts = |part: &Value| {
        (
            part["matchingGroups"].as_u64().unwrap(),
            part["matchingGroupRows"].as_u64().unwrap(),
        )
    };
    assert_eq!(counts(&result["query"]), (groups, rows), "{query}\n{result}");
    let found: Vec<_> = result["funnel"]["sequence"]
        .as_array()
        .into_iter()
        .flatten()
        .map(counts)
        .collect();
    assert_eq!(found, steps, "{query}\n{result}");
}

#[test]
fn the_worked_examples_hold_however_the_rows_are_cut() {
    for split in [false, true] {
        let sandbox = registered(split);
        let _up = sandbox.up();
        for (query, groups, steps) in examples() {
            check(&sandbox, &query, groups, &steps);
        }
    }
}

/// What is told of the worked example over four parts of row groups of a few rows, but for sizes and times.
#[test]
fn a_funnel_is_explained_alike_by_command_and_over_http() {
    for split in [false, true] {
        let sandbox = registered(split);
        let up = sandbox.up();
        let query = json!({"timeframe": {"from": 1}, "funnel": {"sequence": steps(&["view", "buy", "cart", "buy"])}});
        let text = query.to_string();
        let explain = ["funnel", "explain", "events", "--string", &text];
        let plain = sandbox.json(explain.iter().copied().chain(["--format", "json"]));
        assert_eq!(plain["way"], "pages");
        assert_eq!(plain["strategy"]["name"], "streaming");
        assert_eq!(plain["groups"], if split { "split" } else { "contained" });
        assert!(plain.get("analysis").is_none());
        let uses: Vec<&Value> = plain["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| &column["uses"])
            .collect();
        assert_eq!(uses, [&json!(["group"]), &json!(["time"]), &json!(["filter"])]);
        let places: Vec<usize> = plain["predicates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|predicate| predicate["places"].as_array().unwrap().len())
            .collect();
        assert_eq!(places, [1, 2, 1]);
        let body = json!({"table": "events", "query": query, "analyze": true});
        let analyzed: Value = up.post("/api/v1/funnels/explain", &body).is(200).json();
        assert_eq!(analyzed["columns"][0]["stored"], plain["columns"][0]["stored"]);
        let stages: Vec<(&str, u64, Option<u64>)> = analyzed["analysis"]["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| {
                (
                    stage["stage"].as_str().unwrap(),
                    stage["rows"].as_u64().unwrap(),
                    stage["groups"].as_u64(),
                )
            })
            .collect();
        assert_eq!(
            stages,
            [
                ("stored", 12, None),
                ("read", 12, None),
                ("decoded", 12, None),
                ("timeframe", 12, Some(5)),
                ("selected", 12, None),
                ("matched", 12, Some(5)),
                ("passed", 4, Some(1)),
            ]
        );
        let table = sandbox.ok(explain.iter().copied().chain(["--analyze", "--format", "table"]));
        for line in ["event == \"view\"", "step 2, step 4", "time in", "decode"] {
            assert!(table.contains(line), "{line}: {table}");
        }
        let files = sandbox.json([
            "funnel", "explain", "data", "--group", "user", "--time", "ts", "--string", &text, "--format", "json",
        ]);
        assert_eq!(files["columns"], plain["columns"]);
        let missing = up.post("/api/v1/funnels/explain", &json!({"table": "evnts", "query": {}}));
        assert_eq!(missing.is(404).json()["code"], "HW-A015");
        let faulty = json!({"table": "events", "query": {"funnel": {"sequence": [{"filter": ["evnt", "==", "x"]}]}}});
        assert_eq!(
            up.post("/api/v1/funnels/explain", &faulty).is(422).json()["code"],
            "HW-F003"
        );
    }
}

#[test]
fn a_result_is_drawn_alike_at_once_and_later() {
    let sandbox = registered(false);
    let _up = sandbox.up();
    let query = json!({"compare": true, "funnel": {
        "sequence": steps(&["view", "buy"]), "stepTimes": true, "breakdown": {"column": "device"},
    }});
    let query = query.to_string();
    let run = |format: &str| sandbox.ok(["funnel", "run", "events", "--string", &query, "--format", format]);
    let (svg, page) = (run("svg"), run("html"));
    let jobs = sandbox.ok(["job", "list", "--kind", "funnel", "--limit", "1", "-q"]);
    let job = jobs.trim();
    assert_eq!(sandbox.ok(["job", "show", job, "--format", "svg"]), svg);
    assert_eq!(sandbox.ok(["job", "show", job, "--format", "html"]), page);
    for text in [
        "Funnel over events",
        "40.0%",
        "Time since the step before",
        "by device",
        "Compared with the rest",
    ] {
        assert!(svg.contains(text) && page.contains(text), "{text}: {svg}");
    }
    let register = sandbox.ok(["job", "list", "--kind", "register", "-q"]);
    let refused = sandbox.run(["job", "show", register.trim(), "--format", "svg"]);
    assert!(
        refused.code == 3 && refused.stderr.contains("only funnels have a picture"),
        "{refused:?}"
    );
    let refused = sandbox.run(["table", "list", "--format", "svg"]);
    assert!(refused.code == 2 && refused.stdout.is_empty(), "{refused:?}");
    let refused = sandbox.run(["funnel", "run", "events", "--empty", "--detach", "--format", "html"]);
    assert!(
        refused.code == 2 && refused.stderr.contains("job show ID --format html"),
        "{refused:?}"
    );
}

#[test]
fn a_funnel_is_a_table_in_sql() {
    for split in [false, true] {
        let sandbox = registered(split);
        let query = json!({"funnel": {"sequence": steps(&["view", "buy", "cart"])}}).to_string();
        let rows = format!("SELECT step, label, groups, rows, total_rate FROM funnel(events, '{query}')");
        assert_eq!(
            sandbox.ok(["sql", &rows, "--format", "csv"]).replace('\r', ""),
            "step,label,groups,rows,total_rate\n1,event == view,5,12,1.0\n2,event == buy,2,7,0.4\n3,event == cart,1,4,0.2\n"
        );
        let spent = "SELECT user, sum(price) AS spent FROM events JOIN funnel_groups(events, $1, 2) USING (user) GROUP BY user ORDER BY user";
        let answer = sandbox.ok(["sql", spent, "--param", &query, "--format", "csv"]);
        assert_eq!(answer.replace('\r', ""), "user,spent\n1,30.5\n4,3.0\n");
        let wrong = query.replace("event", "evnt");
        let refused = sandbox.run([
            "sql",
            &format!("SELECT * FROM funnel(events, '{wrong}')"),
            "--format",
            "json",
        ]);
        let errors = refused.problem()["errors"].as_array().unwrap().clone();
        let told: Vec<_> = errors
            .iter()
            .map(|error| (&error["code"], &error["pointer"], &error["line"]))
            .collect();
        let at = |step: usize| json!(format!("/funnel/sequence/{step}/filter/0"));
        let wanted = [at(0), at(1), at(2)];
        let wanted: Vec<_> = wanted.iter().map(|at| (json!("HW-F003"), at, json!(1))).collect();
        assert!(
            told.iter()
                .copied()
                .eq(wanted.iter().map(|(code, at, line)| (code, *at, line))),
            "{errors:?}"
        );
    }
}

#[test]
fn a_funnel_runs_over_files_without_registration() {
    let sandbox = registered(false);
    for path in ["data/*.parquet", "data/"] {
        let result = sandbox.json([
            "funnel", "run", path, "--group", "user", "--time", "ts", "--empty", "--format", "json",
        ]);
        assert_eq!(result["query"]["matchingGroups"], 5, "{result}");
    }
}

/// What is known of a table's own groups says nothing of those of another column.
#[test]
fn another_group_column_than_the_tables_own_may_straddle_its_parts() {
    let sandbox = registered(false);
    sandbox.ok(["table", "register", "bare", "data"]);
    let query =
        json!({"funnel": {"sequence": [filter("event", "==", "view"), filter("event", "==", "buy")]}}).to_string();
    let run = |table: &str, group: &[&str]| {
        let run = ["funnel", "run", table, "--string", &query, "--format", "json"];
        sandbox.json([&run[..], group].concat())
    };
    for table in ["events", "bare"] {
        let result = run(table, &["--group", "event", "--time", "ts"]);
        assert_eq!(
            result["query"],
            json!({"matchingGroups": 3, "matchingGroupRows": 12}),
            "{table}"
        );
        assert_eq!(result["stats"]["groups"], "redistributed", "{table}");
    }
    let result = run("bare", &["--group", "user", "--time", "ts"]);
    assert_eq!(
        result["funnel"]["sequence"][1],
        json!({"matchingGroups": 2, "matchingGroupRows": 7})
    );
    for own in [&[][..], &["--group", "user"]] {
        assert_eq!(run("events", own)["stats"]["groups"], "contained", "{own:?}");
    }
}

#[test]
fn a_column_with_a_reserved_name_is_set_aside() {
    let sandbox = Sandbox::new();
    let numbers = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let columns = vec![("user", numbers()), ("ts", numbers()), ("__cond_0", numbers())];
    data::write_columns(&sandbox.path().join("data/a.parquet"), columns);
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let query = json!({"query": {"conditions": [filter("__cond_0", "==", 1)]}}).to_string();
    let ran = sandbox.run(["funnel", "run", "events", "--string", &query, "--format", "json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.problem()["errors"][0]["code"], "HW-F003");
}

#[test]
fn the_result_tells_the_warnings_of_the_query() {
    let sandbox = registered(false);
    let conditions = [filter("event", "==", "view"), filter("event", "==", "buy")];
    let query = json!({"query": {"conditions": conditions, "relation": "$0"}}).to_string();
    for source in [&["events"][..], &["data/", "--group", "user", "--time", "ts"]] {
        let run = ["funnel", "run", "--string", &query, "--format", "json"];
        let result = sandbox.json([&run[..], source].concat());
        assert_eq!(result["warnings"][0]["code"], "HW-F020", "{source:?} {result}");
    }
}

#[test]
fn a_step_that_cannot_be_exported_is_refused_before_anything_runs() {
    let sandbox = registered(false);
    let query = json!({"funnel": {"sequence": steps(&["view", "buy"])}}).to_string();
    let run = [
        "funnel",
        "run",
        "events",
        "--string",
        &query,
        "--export-groups",
        "out.csv",
    ];
    let ran = sandbox.run([&run[..], &["--step", "3", "--format", "json"]].concat());
    assert_eq!(ran.code, 3, "{ran:?}");
    let problem = ran.problem();
    let fault = &problem["errors"][0];
    assert_eq!(
        (&fault["code"], &fault["pointer"]),
        (&json!("HW-F018"), &json!("/export/step")),
        "{problem}"
    );
}

#[test]
fn every_fault_of_a_query_is_told_at_its_place() {
    let sandbox = registered(false);
    let query = json!({"query": {"conditions": [filter("evnt", "==", "view"), filter("price", ">", "cheap")], "relation": "$0 and $7"}, "colour": 1});
    let ran = sandbox.run([
        "funnel",
        "run",
        "events",
        "--string",
        &query.to_string(),
        "--format",
        "json",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
    let problem = ran.problem();
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(pointers.len(), 4, "{problem}");
    let ran = sandbox.run([
        "funnel",
        "validate",
        "events",
        "--string",
        &query.to_string(),
        "--format",
        "json",
    ]);
    assert_eq!(ran.code, 3);
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&document["success"], document["errors"].as_array().unwrap().len()),
        (&json!(false), 4)
    );
    let document = sandbox.json(["funnel", "validate", "events", "--string", "{}", "--format", "json"]);
    assert_eq!(document["success"], true);
}

#[test]
fn a_finished_identical_query_answers_again() {
    let sandbox = registered(false);
    let run =
        |more: &[&str]| sandbox.json([&["funnel", "run", "events", "--empty", "--format", "json"], more].concat());
    let first = run(&[])["requestId"].clone();
    assert_eq!(run(&[])["requestId"], first);
    assert_ne!(run(&["--no-cache"])["requestId"], first);
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    assert_ne!(run(&[])["requestId"], first, "another version is another question");
}

/// A value that is second in every part is first over all, unless the parts pass on their first only. An answer of the one kind
/// never answers for the other.
#[test]
fn lists_are_approximate_only_where_that_was_asked_for_and_say_so() {
    let sandbox = Sandbox::new();
    let row = |user: i64, event: &'static str| (user, 0, event, None, None);
    for (user, often) in [(1, "a"), (2, "b")] {
        let events = [often, often, often, "x", "x"].map(|event| row(user, event));
        data::write_events(&sandbox.path().join(format!("data/part-{user}.parquet")), &events);
    }
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let query =
        json!({"query": {"aggregations": [{"column": "event", "type": "countPerValue", "top": 1}]}}).to_string();
    let check = |source: &[&str], factor: &str, members: Value| {
        let setting = format!("funnel.top_grace_factor={factor}");
        let run = [
            "--set", &setting, "funnel", "run", "--string", &query, "--format", "json",
        ];
        let answer = sandbox.json([&run[..], source].concat());
        let mut expected = json!({"column": "event", "type": "countPerValue", "top": 1});
        expected
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        assert_eq!(answer["query"]["aggregations"][0], expected, "{source:?} {factor}");
    };
    check(&["events"], "0", json!({"value": {"x": 4}}));
    check(&["events"], "1", json!({"value": {"a": 3}, "approx": true}));
    check(&["events"], "1.5", json!({"value": {"x": 4}}));
    // Whether users straddle these files is not known: one task reads them all.
    check(
        &["data/", "--group", "user", "--time", "ts"],
        "1",
        json!({"value": {"x": 4}}),
    );
}

#[test]
fn ids_of_matching_groups_are_exported_sorted() {
    for split in [false, true] {
        let sandbox = registered(split);
        let query = json!({"funnel": {"sequence": steps(&["view", "buy"])}}).to_string();
        let target = sandbox.path().join("out.csv");
        sandbox.ok([
            "funnel",
            "run",
            "events",
            "--string",
            &query,
            "--export-groups",
            "out.csv",
        ]);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "user\n1\n4\n");
        sandbox.ok([
            "funnel",
            "run",
            "events",
            "--string",
            &query,
            "--step",
            "1",
            "--export-groups",
            "matched",
        ]);
        assert_eq!(sandbox.ok(["sql", "select * from matched"]), "user\n1\n2\n3\n4\n5\n");
    }
}

#[test]
fn hostile_values_and_names_stay_values_and_names() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path().join("da'ta \"x\" %2e#?");
    data::write_example(&folder);
    let name = "my \"table\"; drop";
    let register = [
        "table",
        "register",
        &format!("\"{}\"", name.replace('"', "\"\"")),
        folder.to_str().unwrap(),
        "--group",
        "user",
        "--time",
        "ts",
    ];
    sandbox.ok(register);
    for value in ["' | (ts >= 0) #", "\\", "a\nb", "$0", "{}", "\u{0}"] {
        let query = json!({"query": {"conditions": [filter("event", "==", value)]}}).to_string();
        let table = format!("\"{}\"", name.replace('"', "\"\""));
        let result = sandbox.json(["funnel", "run", &table, "--string", &query, "--format", "json"]);
        assert_eq!(result["query"]["matchingGroups"], 0, "{value:?}");
    }
}

#[test]
fn a_query_of_a_megabyte_and_ten_thousand_nested_conditions_get_an_answer() {
    let sandbox = registered(false);
    let values: Vec<String> = (0..9_000).map(|value| format!("{value:0>100}")).collect();
    let large = json!({"query": {"conditions": [filter("event", "in", values)]}}).to_string();
    let file = sandbox.write("large.json", large);
    let result = sandbox.json([
        "funnel",
        "run",
        "events",
        "--file",
        file.to_str().unwrap(),
        "--format",
        "json",
    ]);
    assert_eq!(result["query"]["matchingGroups"], 0);
    let conditions: Vec<Value> = (0..10_000).map(|index| filter("ts", "==", index)).collect();
    let relation = (0..10_000).map(|index| format!("(${index} or ")).collect::<String>() + "$0" + &")".repeat(10_000);
    let nested = json!({"query": {"conditions": conditions, "relation": relation}}).to_string();
    let file = sandbox.write("nested.json", nested);
    let ran = sandbox.run([
        "funnel",
        "run",
        "events",
        "--file",
        file.to_str().unwrap(),
        "--format",
        "json",
    ]);
    assert!(
        [0, 3].contains(&ran.code),
        "{} {}",
        ran.code,
        ran.stderr.chars().take(500).collect::<String>()
    );
}

#[test]
fn the_demo_shows_real_flights_and_runs_twice() {
    let sandbox = Sandbox::new();
    for _ in 0..2 {
        let shown = sandbox.run(["demo", "--format", "table"]);
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        for count in ["3,978", "1,959", "255"] {
            assert!(
                shown.stdout.contains(count) || shown.stdout.contains(&count.replace(',', "")),
                "{}",
                shown.stdout
            );
        }
    }
    for (format, beginning) in [("svg", "<svg"), ("html", "<!DOCTYPE html>")] {
        let drawn = sandbox.ok(["demo", "--format", format]);
        assert!(drawn.starts_with(beginning) && drawn.contains("3,978"), "{drawn}");
    }
}

#[test]
fn a_table_that_is_there_is_replaced_only_if_told() {
    let sandbox = registered(false);
    let run = |target: &str, more: &[&str]| {
        let run = [
            "funnel",
            "run",
            "events",
            "--empty",
            "--format",
            "json",
            "--export-groups",
            target,
        ];
        sandbox.run([&run[..], more].concat())
    };
    assert_eq!(run("groups", &[]).code, 0);
    let ran = run("events", &[]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let problem = ran.problem();
    assert_eq!(problem["code"], "HW-T055");
    assert!(problem["help"].as_str().unwrap().contains("--replace"), "{problem}");
    assert_eq!(run("groups", &[]).code, 5);
    let version = || sandbox.json(["table", "show", "groups", "--format", "json"])["version"].clone();
    assert_eq!(version(), 1);
    assert_eq!(run("groups", &["--replace"]).code, 0);
    assert_eq!(version(), 2);
    assert_eq!(
        run("groups.csv", &["--replace"]).code,
        3,
        "a file is written anew anyway"
    );
    let itself = run("events", &["--replace"]);
    assert_eq!(
        (itself.code, &itself.problem()["errors"][0]["pointer"]),
        (3, &"/export/table".into()),
        "{itself:?}"
    );
    let jobs = sandbox.json(["job", "list", "--kind", "funnel", "--format", "json"]);
    assert_eq!(
        jobs["items"].as_array().unwrap().len(),
        2,
        "what is refused makes no job"
    );
}
