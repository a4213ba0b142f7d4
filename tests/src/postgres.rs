//! The whole program over a store on Postgres.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::data;
use crate::harness::{Sandbox, Up};
use crate::postgres_server as server;

const REGISTER: [&str; 8] = ["table", "register", "events", "data", "--group", "user", "--time", "ts"];

/// A folder whose settings name a new store, and the store's address.
fn sandbox() -> Option<(Sandbox, String)> {
    let url = server::new_store()?;
    let sandbox = Sandbox::new();
    sandbox.write("headwater.toml", format!("[store]\nurl = \"{url}\"\n"));
    data::write_many(&sandbox.path().join("data"), 20_000, 20);
    Some((sandbox, url))
}

#[test]
fn a_funnel_runs_over_a_store_on_postgres() {
    let Some((sandbox, url)) = sandbox() else { return };
    sandbox.ok(REGISTER);
    let result = sandbox.json(["funnel", "run", "events", "--empty", "--format", "json"]);
    assert_eq!(result["query"]["matchingGroupRows"], 20_000);
    assert!(
        !sandbox.data_dir().join("store.db").exists(),
        "nothing is kept beside it"
    );

    let up = sandbox.up();
    up.post(
        "/api/v1/funnels/run?wait=30s",
        &json!({"table": "events", "query": {}, "cache": false}),
    )
    .is(200);
    // Another folder, as on another host, sees the same tables and jobs, and works for them.
    let other = Sandbox::new();
    other.write("headwater.toml", format!("[store]\nurl = \"{url}\"\n"));
    assert_eq!(other.ok(["table", "list", "-q"]), "events\n");
    let jobs = other.json(["job", "list", "--format", "json"]);
    assert_eq!(jobs["items"].as_array().unwrap().len(), 3, "{jobs}");
    let doctor = sandbox.run(["doctor"]);
    assert!(
        doctor
            .stdout
            .contains("the postgres store at `postgres://postgres@127.0.0.1:"),
        "{doctor:?}"
    );
    assert!(
        sandbox.ok(["config", "show"]).contains("***"),
        "the address may hold a password"
    );
    assert_eq!(up.stop(), 0);
    let backup = sandbox.run(["config", "backup", "copy.db", "--format", "json"]);
    assert_eq!(backup.problem()["code"], "HW-S006", "{backup:?}");
    let restore = sandbox.run(["config", "restore", "copy.db", "--yes", "--format", "json"]);
    assert_eq!(restore.problem()["code"], "HW-S006", "{restore:?}");
}

#[test]
fn killed_servers_and_commands_leave_nothing_half_done_on_postgres() {
    let Some((sandbox, _)) = sandbox() else { return };
    sandbox.ok(REGISTER);
    for round in 0..6_u64 {
        if round % 2 == 0 {
            let up = sandbox.up();
            for number in 0..=round {
                let query = json!({"timeframe": {"from": number}});
                let body = json!({"table": "events", "query": query, "cache": false});
                up.post("/api/v1/funnels/run", &body).is(202);
            }
            std::thread::sleep(Duration::from_millis(40 * round));
            up.kill();
        } else {
            let mut command = sandbox.command(["funnel", "run", "events", "--empty", "--no-cache"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(100 * round));
            let _ = child.kill();
            child.wait().unwrap();
        }
        check_settled(&sandbox);
    }
    let result = sandbox.json(["funnel", "run", "events", "--empty", "--format", "json", "--no-cache"]);
    assert_eq!(result["query"]["matchingGroupRows"], 20_000);
}

/// The next command settles what the dead left.
#[track_caller]
fn check_settled(sandbox: &Sandbox) {
    let jobs = sandbox.json(["job", "list", "--limit", "200", "--format", "json"]);
    for job in jobs["items"].as_array().unwrap() {
        let state = job["state"].as_str().unwrap();
        assert!(["succeeded", "failed", "cancelled"].contains(&state), "{job}");
        if state == "failed" {
            assert_eq!(job["error"]["class"], "platform", "{job}");
        }
    }
}

/// The server of the store dies while a server of ours is in use, and comes back.
#[test]
fn a_server_goes_on_when_its_store_comes_back() {
    let Some(mut postgres) = server::OwnServer::start() else {
        return;
    };
    let sandbox = Sandbox::new();
    sandbox.write("headwater.toml", format!("[store]\nurl = \"{}\"\n", postgres.url()));
    data::write_many(&sandbox.path().join("data"), 20_000, 20);
    sandbox.ok(REGISTER);
    let up = sandbox.up();
    postgres.kill();
    std::thread::sleep(Duration::from_millis(500));
    postgres.start_again();
    let answer = ask(&up);
    assert_eq!(answer["state"], "succeeded", "{answer}");
    assert_eq!(answer["result"]["query"]["matchingGroupRows"], 20_000, "{answer}");
    assert_eq!(up.stop(), 0);
}

/// Asks until the server answers: it may say meanwhile that its store is away.
fn ask(up: &Up) -> Value {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let body = json!({"table": "events", "query": {}, "cache": false});
        let answer = up.post("/api/v1/funnels/run?wait=30s", &body);
        if answer.status == 200 {
            return answer.json();
        }
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(Instant::now() < until, "{}", answer.body);
        std::thread::sleep(Duration::from_millis(100));
    }
}
