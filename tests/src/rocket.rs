//! A client of Funnel Rocket's against `headwater up`.

use serde_json::{Value, json};

use crate::data;
use crate::harness::{Sandbox, Up};

fn served(environment: &[(&str, &str)]) -> (Sandbox, Up) {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    let log = std::fs::File::create(sandbox.path().join("up.log")).unwrap();
    let allow = format!("files.allow={}", sandbox.path().display());
    let mut command = sandbox.command(["up", "--listen", "127.0.0.1:0", "--set", &allow]);
    command.envs(environment.iter().copied());
    let child = command.stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap();
    let up = sandbox.wait_for_up(child);
    let body = json!({
        "name": "my.events", "basepath": sandbox.path().join("data"), "groupIdColumn": "user", "timestampColumn": "ts",
        "validationMode": "FIRST_LAST", "validateUniques": true,
    });
    let answer = up.post("/datasets/register", &body).is(200).json();
    assert_eq!(answer["success"], true, "{answer}");
    assert_eq!(answer["dataset"]["id"]["name"], "my.events");
    assert_eq!(answer["dataset"]["totalParts"], 2);
    (sandbox, up)
}

fn funnel() -> Value {
    json!({"funnel": {
        "sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}],
        "endAggregations": [{"column": "event", "type": "groupsPerValue"}],
    }})
}

#[test]
fn a_client_of_funnel_rocket_works_unchanged() {
    let (sandbox, up) = served(&[]);
    let schema = up.get("/datasets/my.events/schema").is(200).json();
    assert_eq!(
        (&schema["minTimestamp"], &schema["columns"]["price"]),
        (&json!(10), &json!("FLOAT"))
    );
    let parts = up.get("/datasets/my.events/parts").is(200).json();
    assert_eq!(parts["filenames"], json!(["part-0.parquet", "part-1.parquet"]));

    let result = up.post("/datasets/my.events/query", &funnel()).is(200).json();
    assert_eq!(result["query"], json!({"matchingGroups": 5, "matchingGroupRows": 12}));
    assert_eq!(
        result["funnel"]["sequence"][1],
        json!({"matchingGroups": 2, "matchingGroupRows": 7})
    );
    let stats = &result["stats"];
    for (place, value) in [
        ("/dataset/parts", json!(2)),
        ("/invoker/totalTasks", json!(2)),
        ("/invoker/failedTasks", json!(0)),
        ("/worker/warmTasks", json!(2)),
        ("/worker/coldTasks", json!(0)),
        ("/worker/scannedRows", json!(12)),
        ("/worker/scannedGroups", json!(5)),
        ("/worker/cache/source", json!(2)),
    ] {
        assert_eq!(stats.pointer(place), Some(&value), "{place}: {stats}");
    }
    for timing in ["invokeLatency", "loadTime", "totalTime"] {
        for figure in ["min", "mean", "max", "50%"] {
            assert!(
                stats["worker"][timing][figure].is_number(),
                "{timing} {figure}: {stats}"
            );
        }
    }

    let streamed = up
        .post("/datasets/my.events/query?stream=true&cache=false", &funnel())
        .is(200);
    let lines: Vec<Value> = streamed
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, progress) = lines.split_last().unwrap();
    assert_eq!(last["funnel"], result["funnel"]);
    for line in progress {
        let counts = line["tasks"].as_object().unwrap().values();
        assert_eq!(counts.map(|count| count.as_u64().unwrap()).sum::<u64>(), 2, "{line}");
    }
    let empty = up.get("/datasets/my.events/empty-query").is(200).json();
    assert_eq!(empty["query"]["matchingGroupRows"], 12);

    let wrong = json!({"query": {"conditions": [{"filter": ["nope", "==", 1]}, {"filter": ["event", "==", 1]}]}});
    let refused = up.post("/datasets/my.events/query", &wrong).is(422).json();
    assert_eq!(refused["errorKind"], "DATASET_MISMATCH");
    assert_eq!(refused["errors"].as_array().unwrap().len(), 2, "{refused}");
    let checked = up.post("/datasets/my.events/validate", &wrong).is(200).json();
    assert_eq!(checked["success"], false);

    let request = result["requestId"].as_str().unwrap();
    let run = up.get(&format!("/runs/{request}")).is(200).json();
    assert_eq!(run["dataset"]["name"], "my.events");
    assert!(run["dataset"]["registeredAt"].is_string(), "{run}");
    assert_eq!((&run["query"], &run["result"]), (&funnel(), &result));
    assert!(run["expandedQuery"]["funnel"].is_object(), "{run}");
    let runs = up.get("/runs?dataset=my.events&type=query").is(200).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 3);

    let refused = up.post("/datasets/my.events/unregister", &json!({})).is(409).json();
    assert_eq!(
        (&refused["success"], &refused["datasetFound"]),
        (&json!(false), &json!(true))
    );
    assert!(refused["datasetLastUsed"].is_i64(), "{refused}");
    let gone = up
        .post("/datasets/my.events/unregister?force=true", &json!({}))
        .is(200)
        .json();
    assert_eq!(gone["success"], true);
    assert_eq!(up.get("/datasets").is(200).json(), json!([]));

    // Its commands are other names of ours.
    let data = sandbox.path().join("data").display().to_string();
    sandbox.ok(["register", "events", &data, "user", "ts", "--validation", "single"]);
    assert!(sandbox.ok(["list", "-q"]).contains("events"));
    let result = sandbox.json(["run", "events", "-e", "--format", "json"]);
    assert_eq!(result["query"]["matchingGroups"], 5);
    sandbox.ok(["unregister", "events", "--force"]);
    assert_eq!(up.stop(), 0);
}

#[test]
fn settings_of_funnel_rocket_are_taken_and_those_without_effect_told() {
    let environment = [
        ("FROCKET_UNREGISTER_LAST_USED_INTERVAL", "0"),
        ("FROCKET_REDIS_HOST", "redis"),
        ("HEADWATER_COMPAT__FUNNEL_ROCKET_STATUS", "true"),
    ];
    let (sandbox, up) = served(&environment);
    up.get("/datasets/my.events/empty-query").is(200);
    let refused = up.post("/datasets/my.events/query", &json!({"nope": 1})).is(500);
    assert!(
        refused
            .body
            .starts_with("Error: Query validation failed: ValidationError(SCHEMA: "),
        "{}",
        refused.body
    );
    up.post("/datasets/my.events/unregister", &json!({})).is(200);
    let log = std::fs::read_to_string(sandbox.path().join("up.log")).unwrap();
    assert!(log.contains("FROCKET_REDIS_HOST"), "{log}");
    let checked = sandbox
        .command(["config", "check", "--format", "json"])
        .envs(environment)
        .output()
        .unwrap();
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(
        checked["notices"],
        json!([
            "`FROCKET_REDIS_HOST` has no effect: the store is SQLite in the data folder, or Postgres (`store.url`)"
        ])
    );
    let wrong = sandbox
        .command(["config", "check"])
        .env("FROCKET_INVOKER_RUN_TIMEOUT", "soon")
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("FROCKET_INVOKER_RUN_TIMEOUT"));
}

/// The worker tells when it began a task: what comes before and the task itself fit into the whole.
#[test]
fn times_of_a_result_add_up_and_parts_in_memory_are_told() {
    let sandbox = Sandbox::new();
    let rows: Vec<data::Event> = (0..300_000)
        .map(|row| (row / 10, row, if row % 3 == 0 { "view" } else { "buy" }, None, None))
        .collect();
    let folder = sandbox.path().join("data");
    std::fs::create_dir_all(&folder).unwrap();
    data::write_events(&folder.join("part-0.parquet"), &rows);
    let up = sandbox.up();
    sandbox.ok(["register", "events", &folder.display().to_string(), "user", "ts"]);
    let ask = || up.post("/datasets/events/query?cache=false", &funnel()).is(200).json()["stats"].clone();
    let check = |stats: &Value| {
        let at = |place: &str| stats.pointer(place).and_then(Value::as_f64).unwrap();
        let task = at("/worker/totalTime/max");
        let ended = at("/worker/invokeLatency/max") + task;
        assert!(task > 0.01, "too quick to tell anything: {stats}");
        // Ids tell milliseconds.
        assert!(ended <= at("/totalTime") + 0.002, "{stats}");
        let slot = format!("{:.2}", (ended / 0.25).ceil() * 0.25);
        assert_eq!(stats["invoker"]["taskSuccessOverTime"], json!({slot: 1}), "{stats}");
        assert!(
            at("/totalTime") > at("/invoker/pollTime") + at("/invoker/enqueueTime"),
            "{stats}"
        );
        assert_eq!(stats["worker"]["rows"], json!({"total": 300_000, "pruned": 0}));
        assert_eq!(stats["worker"]["files"], json!({"total": 1, "pruned": 0}));
    };
    let first = ask();
    check(&first);
    assert_eq!(
        first["worker"]["cache"],
        json!({"source": 1, "diskCache": 0, "memoryCache": 0})
    );
    let held = || {
        let stats = ask();
        check(&stats);
        (stats["worker"]["cacheHitRatio"] == 1.0).then_some(stats)
    };
    let stats = (0..100).find_map(|_| held()).expect("the part is held after a while");
    assert_eq!(
        stats["worker"]["cache"],
        json!({"source": 0, "diskCache": 0, "memoryCache": 1})
    );
    assert_eq!(stats["worker"]["bytesRead"], 0);
    let is_counted = || up.get("/metrics").is(200).body.contains("load_from=\"memory_cache\"");
    let waited = || std::thread::sleep(std::time::Duration::from_millis(50));
    assert!((0..100).any(|_| is_counted() || {
        waited();
        false
    }));
    assert_eq!(up.stop(), 0);
}

#[test]
fn a_registration_is_told_by_its_parts_and_its_faults_in_the_words_of_the_client() {
    let (sandbox, up) = served(&[]);
    let body = |name: &str| json!({"name": name, "basepath": sandbox.path().join("data"), "groupIdColumn": "user", "timestampColumn": "ts"});
    let answer = up.post("/datasets/register", &body("once")).is(200).json();
    assert_eq!(answer["stats"]["invoker"]["totalTasks"], 2, "{answer}");
    let streamed = up.post("/datasets/register?stream=true", &body("twice")).is(200);
    let lines: Vec<Value> = streamed
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (last, progress) = lines.split_last().unwrap();
    assert_eq!(last["success"], true, "{last}");
    for line in progress {
        let tasks = line["tasks"].as_object().unwrap();
        let count: u64 = tasks.values().map(|count| count.as_u64().unwrap()).sum();
        assert!(count == 0 || count == 2, "{line}");
    }
    let check = |body: Value, message: &str, pointers: &[&str]| {
        let refused = up.post("/datasets/register", &body).is(422).json();
        assert_eq!(refused["errorMessage"], message, "{refused}");
        let told = refused["errors"].as_array().unwrap().iter();
        let told: Vec<&str> = told.map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(told, pointers);
    };
    check(
        json!({"name": "x"}),
        "`groupIdColumn` is missing; `timestampColumn` is missing; `basepath` is missing",
        &["/groupIdColumn", "/timestampColumn", "/basepath"],
    );
    check(
        json!({"name": "x", "basepath": 7, "group_id_column": true, "timestampColumn": "ts"}),
        "`basepath` must be text, not a number; `group_id_column` must be text, not a truth value",
        &["/basepath", "/group_id_column"],
    );
    check(
        json!({"name": "x", "basepath": sandbox.path().join("data"), "groupIdColumn": "user"}),
        "`timestampColumn` is missing",
        &["/timestampColumn"],
    );
    let nothing = json!({"name": "x", "basepath": sandbox.path().join("nothing"), "groupIdColumn": "user", "timestampColumn": "ts"});
    let refused = up.post("/datasets/register", &nothing);
    let refused: Value = serde_json::from_str(&refused.body).unwrap();
    let run = up
        .get(&format!("/runs/{}", refused["requestId"].as_str().unwrap()))
        .is(200)
        .json();
    assert_eq!(
        refused["stats"]["invoker"]["failedTasks"], run["progress"]["tasks"]["ENDED_FAILED"],
        "{refused}"
    );
    // Its command takes a dataset that is not there as done; ours does not.
    assert_eq!(
        sandbox.json(["unregister", "nope", "--format", "json"]),
        json!({"success": true, "datasetFound": false})
    );
    let ours = sandbox.command(["table", "drop", "nope", "--yes"]).output().unwrap();
    assert_eq!(ours.status.code(), Some(4));
    assert_eq!(up.stop(), 0);
}
