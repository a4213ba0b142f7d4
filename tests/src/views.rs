//! Views: made and dropped in SQL, read by queries, funnels, exports and repartitionings, and never more open than their reader.

use std::process::Command;

use serde_json::{Value, json};

use crate::data;
use crate::harness::{Answer, Sandbox, Up};

const FUNNEL: &str =
    r#"{"funnel": {"sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}]}}"#;

fn example() -> Sandbox {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    data::write_straddling_example(&sandbox.path().join("daily"));
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    sandbox
}

/// A view over the files in which users straddle the parts, as good for funnels as the table.
fn with_views() -> Sandbox {
    let sandbox = example();
    make(&sandbox, "v", "SELECT * FROM 'daily/*.parquet'");
    make(&sandbox, "of_table", "SELECT * FROM events");
    make(
        &sandbox,
        "nested",
        "WITH all_of AS (SELECT * FROM v) SELECT * FROM all_of",
    );
    sandbox
}

#[track_caller]
fn make(sandbox: &Sandbox, name: &str, query: &str) {
    let sql = format!("CREATE VIEW {name} WITH (group = 'user', time = 'ts') AS {query}");
    let ran = sandbox.run(["sql", &sql]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert_eq!(ran.stderr.trim(), format!("created view `{name}`, version 1"));
}

/// Matching groups of each step.
fn steps(result: &Value) -> Vec<i64> {
    let steps = result["funnel"]["sequence"].as_array().unwrap().iter();
    steps.map(|step| step["matchingGroups"].as_i64().unwrap()).collect()
}

#[test]
fn a_view_is_made_listed_shown_replaced_and_dropped() {
    let sandbox = with_views();
    let table = sandbox.json(["table", "show", "nested", "--format", "json"]);
    assert_eq!(table["kind"], "view");
    assert_eq!(table["query"], "WITH all_of AS (SELECT * FROM v) SELECT * FROM all_of");
    assert_eq!((&table["reads"], &table["groups"]), (&json!(["v"]), &json!("split")));
    let names: Vec<&str> = table["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["user", "ts", "event", "device", "price"]);
    let shown = sandbox.ok(["table", "show", "v", "--format", "table"]);
    let file = format!(
        "SELECT * FROM '{}/daily/*.parquet'",
        sandbox.path().canonicalize().unwrap().display()
    );
    assert!(shown.contains(&file), "{shown}");
    let listed = sandbox.json(["table", "list", "--format", "json"]);
    let kinds: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["view", "view", "view", "dataset"]);
    let types = sandbox.ok([
        "sql",
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'main' ORDER BY 1",
    ]);
    assert_eq!(
        types,
        "table_name,table_type\nevents,BASE TABLE\nnested,VIEW\nof_table,VIEW\nv,VIEW\n"
    );
    let schema = sandbox.ok(["sql", "-c", ".schema of_table", "-c", ".tables"]);
    assert!(schema.contains("price") && schema.contains("nested"), "{schema}");

    // One line for each, and the rows of queries alone on standard output.
    let script = "CREATE OR REPLACE VIEW of_table (who) AS SELECT \"user\" FROM events;\n\
        CREATE VIEW IF NOT EXISTS of_table AS SELECT 1 AS one;\n\
        SELECT count(*) AS n, max(who) AS last FROM of_table;\n\
        DROP VIEW of_table;\nDROP VIEW IF EXISTS of_table;\n";
    let file = sandbox.write("script.sql", script);
    let ran = sandbox.run(["sql", "-f", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "n,last\n12,5\n"), "{}", ran.stderr);
    let told: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(
        told,
        [
            "replaced view `of_table`, version 2",
            "view `of_table` is there already, version 2",
            "dropped view `of_table`",
            "there is no view `of_table`"
        ]
    );
    assert_eq!(sandbox.ok(["sql", "-q", "CREATE VIEW quiet AS SELECT 1 AS one"]), "");
    // A name goes on counting its versions, as that of any table.
    let again = sandbox.run(["sql", "CREATE VIEW of_table AS SELECT 1 AS one"]);
    assert_eq!(again.stderr.trim(), "created view `of_table`, version 3");

    let jobs = sandbox.json(["job", "list", "--kind", "view", "--format", "json"]);
    assert_eq!(jobs["items"].as_array().unwrap().len(), 6, "{jobs}");
    let events = sandbox.ok(["event", "list", "--format", "jsonl"]);
    let of_table: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| {
            event["subject"]
                .as_str()
                .is_some_and(|subject| subject.contains("of_table"))
        })
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        of_table,
        ["table.created", "table.changed", "table.dropped", "table.created"],
        "{events}"
    );
}

#[test]
fn funnels_give_the_same_over_views_as_over_tables() {
    let sandbox = with_views();
    let run = |table: &str| sandbox.json(["funnel", "run", table, "--string", FUNNEL, "--format", "json"]);
    let expected = run("events");
    assert_eq!(steps(&expected), [5, 2]);
    for view in ["v", "of_table", "nested"] {
        let found = run(view);
        assert_eq!(
            (&found["query"], &found["funnel"]),
            (&expected["query"], &expected["funnel"]),
            "{view}"
        );
        let in_sql = format!("SELECT groups FROM funnel({view}, '{FUNNEL}')");
        assert_eq!(sandbox.ok(["sql", &in_sql]), "groups\n5\n2\n", "{view}");
        let explained = sandbox.json([
            "funnel",
            "explain",
            view,
            "--string",
            FUNNEL,
            "--analyze",
            "--format",
            "json",
        ]);
        assert_eq!(explained["tasks"], 1, "{explained}");
    }
    // By other columns than its own, and what it reads changes: nothing is answered from memory.
    let by_event = ["funnel", "run", "v", "--empty", "--group", "event", "--format", "json"];
    assert_eq!(sandbox.json(by_event)["query"]["matchingGroups"], 3);
    let exported = sandbox.run(["funnel", "run", "v", "--string", FUNNEL, "--export-groups", "buyers"]);
    assert_eq!(exported.code, 0, "{}", exported.stderr);
    assert_eq!(sandbox.ok(["sql", "SELECT count(*) AS n FROM buyers"]), "n\n2\n");
    std::fs::remove_file(sandbox.path().join("daily/part-2.parquet")).unwrap();
    assert_eq!(steps(&run("v")), [4, 1]);
}

#[test]
fn a_timeframe_reaches_the_files_behind_a_view() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("many"), 20_000, 4);
    make(&sandbox, "v", "SELECT * FROM 'many/*.parquet'");
    let bounds = sandbox.ok(["sql", "SELECT min(ts), max(ts) FROM v"]);
    let bounds: Vec<i64> = bounds
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .map(|n| n.parse().unwrap())
        .collect();
    let after = json!({"timeframe": {"from": bounds[1] + 1}}).to_string();
    let found = sandbox.json(["funnel", "run", "v", "--string", &after, "--format", "json"]);
    assert_eq!(found["query"]["matchingGroups"], 0, "{found}");
    let worker = &found["stats"]["worker"];
    assert_eq!(worker["rowGroups"]["pruned"], worker["rowGroups"]["total"], "{worker}");
    assert!(worker["rowGroups"]["total"].as_u64().unwrap() > 0, "{worker}");
}

#[test]
fn the_rows_of_a_view_are_exported_and_repartitioned() {
    let sandbox = with_views();
    sandbox.ok([
        "table",
        "export",
        "nested",
        "out.csv",
        "--columns",
        "user,event",
        "--filter",
        "ts > 15",
    ]);
    let lines = std::fs::read_to_string(sandbox.path().join("out.csv")).unwrap();
    assert_eq!(lines.lines().count(), 6, "{lines}");
    let made = sandbox.json([
        "table",
        "repartition",
        "v",
        "--to",
        "cut",
        "--parts",
        "2",
        "--format",
        "json",
    ]);
    assert_eq!(
        (&made["mode"], &made["rows"], &made["sourceRowsTaken"]),
        (&json!("full"), &json!(12), &json!(12))
    );
    let found = sandbox.json(["funnel", "run", "cut", "--string", FUNNEL, "--format", "json"]);
    assert_eq!(steps(&found), [5, 2]);
    // What is behind a view may have changed: it is read again.
    std::fs::remove_file(sandbox.path().join("daily/part-2.parquet")).unwrap();
    let made = sandbox.json(["table", "repartition", "v", "--to", "cut", "--format", "json"]);
    assert_eq!((&made["mode"], &made["rows"]), (&json!("full"), &json!(8)));
    let plan = sandbox.ok(["sql", "EXPLAIN SELECT ts FROM nested WHERE ts > 5"]);
    assert!(plan.contains("projection=[ts]"), "{plan}");
}

#[test]
fn faults_have_places_codes_and_exit_codes() {
    let sandbox = with_views();
    let check = |code: i32, sql: &str, expected: &[&str]| {
        let ran = sandbox.run(["sql", sql, "--format", "json"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{sql}: {}", ran.stderr);
        let problem = ran.problem();
        let mut found: Vec<String> = vec![problem["code"].as_str().unwrap().to_owned()];
        found.extend(problem["errors"].as_array().unwrap().iter().map(|finding| {
            format!(
                "{}:{} {}",
                finding["line"],
                finding["column"],
                finding["message"].as_str().unwrap()
            )
        }));
        let expected: Vec<&str> = expected.to_vec();
        assert_eq!(found, expected, "{sql}");
    };
    check(
        3,
        "CREATE VIEW x AS\nSELECT * FROM evnts, vv",
        &[
            "HW-Q006",
            "2:15 there is no table `evnts`",
            "2:22 there is no table `vv`",
        ],
    );
    check(5, "CREATE VIEW v AS SELECT 1 AS one", &["HW-T056"]);
    check(5, "CREATE VIEW events AS SELECT 1 AS one", &["HW-T056"]);
    check(5, "CREATE OR REPLACE VIEW events AS SELECT 1 AS one", &["HW-T056"]);
    check(5, "CREATE VIEW IF NOT EXISTS events AS SELECT 1 AS one", &["HW-T056"]);
    check(
        3,
        "CREATE OR REPLACE VIEW v AS SELECT * FROM nested",
        &["HW-Q009", "1:24 view `v` would read itself"],
    );
    check(4, "DROP VIEW w", &["HW-A015"]);
    check(5, "DROP VIEW events", &["HW-T058"]);
    check(5, "DROP VIEW v", &["HW-T057"]);
    check(
        3,
        "DROP TABLE v",
        &["HW-Q004", "1:1 DROP TABLE is not carried out here"],
    );
    let told = sandbox.fails(3, ["sql", "CREATE VIEW x AS SELECT $1 AS a", "--param", "7"]);
    assert!(told.contains("HW-A002") || told.contains("HW-Q010"), "{told}");
    assert_eq!(
        sandbox.ok([
            "sql",
            "SELECT count(*) AS n FROM information_schema.views WHERE table_name = 'x'"
        ]),
        "n\n0\n"
    );
}

#[test]
fn what_views_read_is_dropped_by_force_only_and_its_absence_is_told() {
    let sandbox = with_views();
    let told = sandbox.fails(5, ["table", "drop", "events", "--yes"]);
    assert!(told.contains("HW-T057") && told.contains("`of_table`"), "{told}");
    sandbox.ok(["table", "drop", "events", "--yes", "--force"]);
    let told = sandbox.fails(3, ["sql", "SELECT * FROM of_table"]);
    assert!(
        told.contains("view `of_table` no longer works: there is no table `events`"),
        "{told}"
    );
    let told = sandbox.fails(3, ["funnel", "run", "of_table", "--empty"]);
    assert!(
        told.contains("view `of_table` no longer works: there is no table `events`"),
        "{told}"
    );
    sandbox.ok(["table", "list"]);
    sandbox.ok(["sql", "SHOW TABLES"]);
    // Made anew, it works again; views go one by one.
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    assert_eq!(sandbox.ok(["sql", "SELECT count(*) AS n FROM of_table"]), "n\n12\n");
    sandbox.ok(["table", "drop", "nested", "--yes"]);
    sandbox.ok(["table", "drop", "v", "--yes"]);
}

/// A server that lets clients over the network read `open/`, and a token of each role.
fn guarded() -> (Sandbox, Up, [String; 2]) {
    let sandbox = example();
    data::write_example(&sandbox.path().join("open"));
    make(&sandbox, "hidden", "SELECT * FROM 'daily/*.parquet'");
    make(&sandbox, "above", "SELECT * FROM hidden");
    make(&sandbox, "shown", "SELECT * FROM 'open/*.parquet'");
    let tokens = ["read", "write"].map(|role| {
        let made = sandbox.json(["token", "create", "--role", role, "--format", "json"]);
        format!("Bearer {}", made["token"].as_str().unwrap())
    });
    let open = format!("files.allow=[\"{}\"]", sandbox.path().join("open").display());
    let up = sandbox.up_with(["--set", "auth.loopback_token=true", "--set", &open]);
    (sandbox, up, tokens)
}

fn ask(up: &Up, token: &str, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("authorization", token)];
    up.request("POST", path, Some(body.to_string()), &headers)
}

#[test]
fn a_view_opens_no_file_to_those_who_may_not_read_it() {
    let (sandbox, up, [read, write]) = guarded();
    let select = |view: &str| json!({"sql": format!("SELECT count(*) AS n FROM {view}")});
    assert_eq!(
        ask(&up, &read, "/api/v1/sql", &select("shown")).is(200).json(),
        json!([{"n": 12}])
    );
    for view in ["hidden", "above"] {
        for token in [&read, &write] {
            let problem = ask(&up, token, "/api/v1/sql", &select(view)).is(422).json();
            assert_eq!(problem["code"], "HW-Q013", "{problem}");
            let funnel = json!({"table": view, "query": {}});
            let job = ask(&up, token, "/api/v1/funnels/run?wait=10s", &funnel).json();
            assert_eq!(job["error"]["code"], "HW-Q013", "{job}");
            let problem = ask(&up, token, "/api/v1/funnels/explain", &funnel).is(422).json();
            assert_eq!(problem["code"], "HW-Q013", "{problem}");
            let sql = json!({"sql": format!("SELECT * FROM funnel({view}, '{{}}')")});
            ask(&up, token, "/api/v1/sql", &sql).is(422);
        }
        let target = sandbox.path().join("open/out.csv");
        let export = ask(
            &up,
            &write,
            &format!("/api/v1/tables/{view}/export?wait=10s"),
            &json!({"to": target}),
        );
        assert_eq!(export.json()["error"]["code"], "HW-Q013", "{}", export.body);
        let cut = json!({"to": "cut"});
        let cut = ask(
            &up,
            &write,
            &format!("/api/v1/tables/{view}/repartition?wait=10s"),
            &cut,
        );
        assert_eq!(cut.json()["error"]["code"], "HW-Q013", "{}", cut.body);
        // The owner of the data folder reads them as before.
        assert_eq!(
            sandbox.ok(["sql", &format!("SELECT count(*) AS n FROM {view}")]),
            "n\n12\n"
        );
        let found = sandbox.json(["funnel", "run", view, "--empty", "--format", "json"]);
        assert_eq!(found["query"]["matchingGroups"], 5);
    }
}

#[test]
fn roles_and_rights_decide_who_makes_views() {
    let (sandbox, up, [read, write]) = guarded();
    let of = |folder: &str| format!("SELECT * FROM '{}/{folder}/*.parquet'", sandbox.path().display());
    let sql = |text: String| json!({"sql": text});
    let make = |name: &str, folder: &str| sql(format!("CREATE VIEW {name} AS {}", of(folder)));
    ask(&up, &read, "/api/v1/sql", &make("a", "open")).is(403);
    ask(&up, &read, "/api/v1/sql", &sql("DROP VIEW shown".to_owned())).is(403);
    let made = ask(&up, &write, "/api/v1/sql", &make("a", "open")).is(200);
    let row = &made.json()[0];
    assert_eq!(
        (&row["outcome"], &row["table"], &row["version"]),
        (&json!("created"), &json!("a"), &json!(1))
    );
    let header: Value = serde_json::from_str(made.headers["headwater-done"].to_str().unwrap()).unwrap();
    assert_eq!(&header, row);
    let problem = ask(&up, &write, "/api/v1/sql", &make("b", "daily")).is(422).json();
    assert_eq!(problem["code"], "HW-Q013", "{problem}");
    // Nor by the general door, whose job ends with the same fault.
    let params = json!({"table": "b", "query": of("daily")});
    let job = json!({"kind": "view", "params": params});
    let job = ask(&up, &write, "/api/v1/jobs?wait=10s", &job).json();
    assert_eq!(job["error"]["code"], "HW-Q013", "{job}");
    let params = json!({"table": "b", "query": "SELECT * FROM a JOIN nothing ON true", "group": "x", "colums": []});
    let job = json!({"kind": "view", "params": params});
    ask(&up, &write, "/api/v1/jobs", &job).is(422);
    let params = json!({"table": "b", "query": "SELECT ts, \"user\" FROM a", "columns": ["at", "who"], "group": "who"});
    let job = json!({"kind": "view", "params": params});
    let job = ask(&up, &write, "/api/v1/jobs?wait=10s", &job).is(200).json();
    assert_eq!(job["result"]["columns"], json!(["at", "who"]), "{job}");
    let dropped = ask(
        &up,
        &write,
        "/api/v1/jobs",
        &json!({"kind": "drop", "params": {"table": "a"}}),
    )
    .is(409)
    .json();
    assert_eq!(dropped["code"], "HW-T057", "{dropped}");
    let dropped = ask(&up, &write, "/api/v1/sql", &sql("DROP VIEW b".to_owned()))
        .is(200)
        .json();
    assert_eq!(
        (&dropped[0]["outcome"], &dropped[0]["version"]),
        (&json!("dropped"), &Value::Null)
    );
}

#[test]
fn a_name_is_made_once_however_many_make_it_at_the_same_time() {
    let sandbox = example();
    let _up = sandbox.up();
    let children: Vec<std::process::Child> = (0..6)
        .map(|n| {
            let sql = format!("CREATE VIEW once AS SELECT {n} AS n FROM events");
            let mut command: Command = sandbox.command(["sql", &sql]);
            command.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let codes: Vec<i32> = children
        .into_iter()
        .map(|child| crate::harness::finish(child).code)
        .collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| [0, 3, 5].contains(code)), "{codes:?}");
    assert_eq!(
        sandbox.json(["table", "show", "once", "--format", "json"])["version"],
        1
    );
}
