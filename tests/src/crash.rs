//! kill -9 at random instants: nothing lost, nothing twice, nothing left behind.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::data;
use crate::harness::Sandbox;

/// Rounds of each story; `HEADWATER_CRASH_ROUNDS` asks for more.
fn rounds() -> u64 {
    std::env::var("HEADWATER_CRASH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(15)
}

/// After whatever happened: the next command works, every job is settled, no file is left that nobody refers to.
#[track_caller]
fn check_clean(sandbox: &Sandbox, seed: u64) {
    let jobs = sandbox.json(["job", "list", "--format", "json"]);
    for job in jobs["items"].as_array().unwrap() {
        let state = job["state"].as_str().unwrap();
        assert!(
            ["succeeded", "failed", "cancelled"].contains(&state),
            "seed {seed}: {job}"
        );
        if state == "failed" {
            assert_eq!(job["error"]["class"], "platform", "seed {seed}: {job}");
        }
    }
    let tables = sandbox.json(["table", "list", "--format", "json"]);
    for table in tables["items"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        assert_eq!(
            sandbox.ok(["sql", &format!("select count(*) as n from \"{name}\"")]),
            "n\n20000\n",
            "seed {seed}"
        );
    }
    let database = sandbox.data_dir().join("store.db");
    assert!(database.exists());
}

#[test]
fn a_killed_command_leaves_nothing_half_done() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 20_000, 20);
    let query = json!({"query": {"conditions": [{"filter": ["event", "==", "view"]}]}}).to_string();
    for seed in 0..rounds() {
        let mut random = StdRng::seed_from_u64(seed);
        let register = [
            "table",
            "register",
            "events",
            "data",
            "--group",
            "user",
            "--time",
            "ts",
            "--validation",
            "all",
        ];
        let funnel = ["funnel", "run", "events", "--string", &query, "--no-cache"];
        let args: &[&str] = if random.random_bool(0.5) { &register } else { &funnel };
        let mut child = sandbox
            .command(args)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        let _ = child.kill();
        child.wait().unwrap();
        check_clean(&sandbox, seed);
    }
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let result = sandbox.json(["funnel", "run", "events", "--empty", "--format", "json"]);
    assert_eq!(result["query"]["matchingGroupRows"], 20_000);
}

#[test]
fn a_killed_server_leaves_nothing_half_done() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 20_000, 20);
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    for seed in 0..rounds() {
        let mut random = StdRng::seed_from_u64(1_000 + seed);
        let up = sandbox.up();
        for number in 0..random.random_range(1..6) {
            let query = json!({"timeframe": {"from": number}});
            up.post(
                "/api/v1/funnels/run",
                &json!({"table": "events", "query": query, "cache": false}),
            )
            .is(202);
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..200)));
        up.kill();
        check_clean(&sandbox, seed);
    }
}

#[test]
fn a_killed_client_of_a_server_cancels_its_query() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 1_000_000, 4);
    sandbox.ok([
        "table",
        "register",
        "events",
        "data",
        "--group",
        "user",
        "--time",
        "ts",
        "--skip-uniques",
    ]);
    let _up = sandbox.up();
    let step = json!({"filter": ["event", "!=", "nothing"]});
    let query = json!({"funnel": {"sequence": vec![step; 32], "maxDuration": 80}}).to_string();
    let args = ["funnel", "run", "events", "--string", &query, "--no-cache"];
    let mut child = sandbox
        .command(args)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    child.kill().unwrap();
    child.wait().unwrap();
    let settled = |jobs: &Value| {
        jobs["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|job| !["queued", "running", "finishing"].contains(&job["state"].as_str().unwrap()))
    };
    for _ in 0..100 {
        if settled(&sandbox.json(["job", "list", "--format", "json"])) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!(
        "the job of a client that is gone still runs: {}",
        sandbox.json(["job", "list", "--format", "json"])
    );
}

#[test]
fn a_store_of_a_newer_version_is_refused_untouched() {
    let sandbox = Sandbox::new();
    sandbox.ok(["table", "list"]);
    let database = sandbox.data_dir().join("store.db");
    let python = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.execute('PRAGMA user_version = 9999')\nt = [r[0] for r in c.execute(\"select name from sqlite_master where name like '%migration%'\")]\nfor n in t:\n    cols = [r[1] for r in c.execute(f'PRAGMA table_info({n})')]\n    row = list(c.execute(f'select * from {n} order by 1 desc limit 1').fetchone())\n    row[cols.index('version') if 'version' in cols else 0] = 9999\n    c.execute(f\"insert into {n} values ({','.join('?' * len(row))})\", row)\nc.commit()\n";
    let done = std::process::Command::new("python3")
        .args(["-c", python, database.to_str().unwrap()])
        .status()
        .unwrap();
    assert!(done.success());
    let ran = sandbox.run(["table", "list", "--format", "json"]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert_eq!(ran.problem()["code"], "HW-S002");
}
