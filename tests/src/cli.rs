//! The command line itself: exit codes, help, configuration, completions, pages of errors.

use crate::data;
use crate::harness::Sandbox;

#[test]
fn bad_usage_ends_with_2_and_proposes() {
    let sandbox = Sandbox::new();
    let stderr = sandbox.fails(2, ["tabel", "list"]);
    assert!(stderr.contains("table"), "{stderr}");
    sandbox.fails(2, ["table", "register", "x"]);
    sandbox.fails(2, ["sql", "select 1", "--format", "xml"]);
}

#[test]
fn help_is_a_manual() {
    let sandbox = Sandbox::new();
    for args in [
        vec!["--help"],
        vec!["help", "exit-codes"],
        vec!["table", "register", "--help"],
        vec!["funnel", "run", "--help"],
    ] {
        let help = sandbox.ok(&args);
        assert!(help.len() > 200, "{args:?}: {help}");
    }
    assert!(
        sandbox.ok(["funnel", "run", "--help"]).contains("headwater funnel run"),
        "an example ends each help"
    );
    assert!(sandbox.ok(["--version"]).starts_with("headwater "));
}

#[test]
fn completions_exist_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        assert!(sandbox.ok(["completions", shell]).contains("headwater"), "{shell}");
    }
}

#[test]
fn every_error_code_has_a_page_in_the_program() {
    let sandbox = Sandbox::new();
    let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors");
    let mut codes = 0;
    for page in std::fs::read_dir(pages).unwrap() {
        let name = page.unwrap().file_name().into_string().unwrap();
        if let Some(code) = name.strip_suffix(".md").filter(|name| name.starts_with("HW-")) {
            codes += 1;
            assert!(sandbox.ok(["explain", code]).contains(code), "{code}");
        }
    }
    assert!(codes > 50, "{codes} pages");
    sandbox.fails(4, ["explain", "HW-X999"]);
}

#[test]
fn faults_of_the_configuration_are_told_all_at_once() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "headwater.toml",
        "[memory]\nlimt = \"1GiB\"\n[jobs]\nkeep_results = 7\n",
    );
    let ran = sandbox.run(["config", "check", "--format", "json"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("limit") && told.contains("keep_results"), "{told}");
    sandbox.write("headwater.toml", "[memory]\nlimit = \"1GiB\"\n");
    let shown = sandbox.ok(["config", "show", "--format", "json"]);
    assert!(shown.contains("headwater.toml"), "{shown}");
    sandbox.ok(["config", "check"]);
}

#[test]
fn the_doctor_looks_at_everything() {
    let sandbox = Sandbox::new();
    let document = sandbox.json(["doctor", "--format", "json"]);
    assert!(document["checks"].as_array().unwrap().len() >= 4, "{document}");
}

#[test]
fn a_backup_made_while_running_can_be_restored() {
    let sandbox = Sandbox::new();
    crate::data::write_example(&sandbox.path().join("data"));
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let up = sandbox.up();
    sandbox.ok(["config", "backup", "copy.db"]);
    sandbox.ok(["table", "drop", "events", "--force", "--yes"]);
    assert_eq!(sandbox.ok(["table", "list", "-q"]), "");
    assert_eq!(up.stop(), 0);
    sandbox.ok(["config", "restore", "copy.db", "--yes"]);
    assert_eq!(sandbox.ok(["table", "list", "-q"]), "events\n");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "");
    let stderr = sandbox.fails(6, ["table", "list", "--data-dir", "file/inside"]);
    assert!(stderr.contains("file"), "{stderr}");
}

#[test]
fn settings_that_can_have_no_effect_are_refused() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    let list = ["table", "list", "--set", "memory.limit=1GiB"];
    for more in [&["--server", &up.http][..], &[]] {
        let stderr = sandbox.fails(3, [&list[..], more].concat());
        assert!(
            stderr.contains("HW-C066") && stderr.contains("memory.limit"),
            "{stderr}"
        );
    }
    let other = Sandbox::new();
    other.ok(list);
    drop(up);
}

#[test]
fn the_address_of_a_server_may_end_in_the_prefix_of_its_routes() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    for end in ["", "/", "/api/v1", "/api/v1/"] {
        let server = format!("{}{end}", up.http);
        sandbox.ok(["table", "list", "--server", &server]);
    }
    drop(up);
}

/// A worker process that has joined, and its id.
fn joined(sandbox: &Sandbox) -> (std::process::Child, String) {
    let mut command = sandbox.command(["worker"]);
    let mut worker = command.stderr(std::process::Stdio::null()).spawn().unwrap();
    for _ in 0..200 {
        if let Some(id) = id_of(sandbox, worker.id()) {
            return (worker, id);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    panic!("the worker never joined");
}

/// The id of the worker of a process, if it is listed.
fn id_of(sandbox: &Sandbox, pid: u32) -> Option<String> {
    let items = sandbox.json(["worker", "list", "--format", "json"])["items"].clone();
    let of_process = items.as_array().unwrap().iter().find(|item| item["pid"] == pid)?;
    Some(of_process["id"].as_str().unwrap().to_owned())
}

#[test]
fn workers_of_ended_processes_are_listed_only_if_asked_for() {
    let sandbox = Sandbox::new();
    let (mut worker, _) = joined(&sandbox);
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(id_of(&sandbox, worker.id()), None);
}

#[test]
fn a_worker_process_that_is_drained_ends() {
    let sandbox = Sandbox::new();
    let (mut worker, id) = joined(&sandbox);
    let drained = sandbox.json(["worker", "drain", &id[..30], "--format", "json"]);
    assert_eq!((&drained["id"], &drained["draining"]), (&id.into(), &true.into()));
    assert!(worker.wait().unwrap().success());
    assert_eq!(id_of(&sandbox, worker.id()), None);
    let refused = sandbox.fails(4, ["worker", "drain", "nobody"]);
    assert!(refused.contains("HW-A031"), "{refused}");
}

#[test]
fn the_worker_of_a_server_takes_tasks_again_when_that_is_said() {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let up = sandbox.up();
    let id = id_of(&sandbox, up.pid()).unwrap();
    sandbox.ok(["worker", "drain", &id]);
    let body = serde_json::json!({"table": "events", "query": {}});
    let waited = up.post("/api/v1/funnels/run?wait=1s", &body).is(202).json();
    let job = waited["id"].as_str().unwrap();
    sandbox.ok(["worker", "drain", &id, "--undo"]);
    sandbox.ok(["job", "wait", job]);
}
