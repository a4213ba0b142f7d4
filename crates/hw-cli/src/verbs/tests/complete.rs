//! What a shell is told when somebody presses Tab.

use clap::CommandFactory as _;
use serde_json::json;

use crate::args::CommandLine;
use crate::tests::{Reply, Scene};
use crate::verbs::complete::{Names, wanted};

#[track_caller]
fn check(line: &str, expected: Option<Names>) {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    assert_eq!(wanted(&CommandLine::command(), &words), expected, "{line:?}");
}

/// A working folder whose data folder has a store.
fn used_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".headwater")).unwrap();
    std::fs::write(folder.path().join(".headwater/store.db"), "").unwrap();
    folder
}

#[test]
fn what_a_word_may_be() {
    check("table show ", Some(Names::Tables));
    check("tables drop fl", Some(Names::Tables));
    check("table register ", None);
    check("--data-dir x table show --full ", Some(Names::Tables));
    check("table show flights ", None);
    check("funnel run ", Some(Names::Tables));
    check("job list --table ", Some(Names::Tables));
    check("job list --table=fl", None);
    check("job show ", Some(Names::Jobs));
    check("event follow --job ", Some(Names::Jobs));
    check("task list ", Some(Names::Jobs));
    check("token drop ", Some(Names::Tokens));
    check("token create ", None);
    check("explain HW-", Some(Names::Codes));
    check("demo ", Some(Names::Demos));
    check("job list --state ", Some(Names::JobStates));
    check("jobs ls --kind f", Some(Names::JobKinds));
    check("event list --kind ", None);
    check("config show mem", Some(Names::Settings("")));
    check("table list --set ", Some(Names::Settings("=")));
    check("table show --", None);
    check("ta", None);
    check("", None);
}

#[test]
fn names_of_the_server_are_told_one_a_line() {
    let table = |name: &str| json!({"name": name, "kind": "dataset", "version": 1, "groups": "split", "bytes": 1, "registered_at": "x"});
    let list = json!({"items": [table("flights"), table("events"), table("flows")]});
    let folder = used_folder();
    let scene = Scene::new()
        .folder(folder.path())
        .route("GET /tables?limit=200", [Reply::json(&list)]);
    let played = scene.play(&["complete-words", "--", "table", "show", "fl"]);
    assert_eq!(
        (played.output.as_str(), played.errors.as_str()),
        ("flights\nflows\n", "")
    );
}

#[test]
fn without_a_data_folder_nothing_is_opened() {
    let played = Scene::new().play(&["complete-words", "--", "table", "show", ""]);
    assert_eq!((played.output.as_str(), played.requests.len()), ("", 0));
}

#[test]
fn a_server_that_fails_is_not_worth_a_word() {
    let folder = used_folder();
    let problem = Reply::problem(&hw_api::Problem::new(500, "HW-A001", "broken", "broken"));
    let scene = Scene::new()
        .folder(folder.path())
        .route("GET /jobs?limit=200", [problem]);
    let played = scene.play(&["complete-words", "--", "job", "show", ""]);
    assert_eq!(
        (played.output.as_str(), played.errors.as_str(), played.code as i32),
        ("", "", 0)
    );
}

#[test]
fn the_data_folder_of_the_line_counts() {
    let folder = used_folder();
    let data_dir = folder.path().join(".headwater");
    let list = json!({"items": []});
    let scene = Scene::new().route("GET /tokens?limit=200", [Reply::json(&list)]);
    let words = [
        "complete-words",
        "--",
        "--data-dir",
        data_dir.to_str().unwrap(),
        "token",
        "drop",
        "",
    ];
    assert_eq!(scene.play(&words).requests, ["GET /tokens?limit=200", "(closed)"]);
}

#[test]
fn codes_are_known_without_a_server() {
    let played = Scene::new().play(&["complete-words", "--", "explain", "HW-C01"]);
    assert!(played.output.starts_with("HW-C010\n"), "{}", played.output);
}

#[test]
fn words_of_closed_lists_and_keys_of_settings() {
    let words = |line: &[&str]| {
        let line = [&["complete-words", "--"], line].concat();
        let played = Scene::new().play(&line);
        assert!(played.requests.is_empty());
        played.output
    };
    assert_eq!(words(&["job", "list", "--state", "f"]), "finishing\nfailed\n");
    assert_eq!(words(&["demo", ""]), "funnel\n");
    assert_eq!(words(&["config", "show", "mem"]), "memory.limit\n");
    assert_eq!(words(&["--set", "http"]), "http.port=\n");
}

#[test]
fn the_closed_lists_are_those_of_the_help() {
    let help = Scene::new().play(&["job", "list", "--help"]).output;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for (option, begin) in [("--state", "Only in this state: "), ("--kind", "Only of this kind: ")] {
        let list = Scene::new()
            .play(&["complete-words", "--", "job", "list", option, ""])
            .output;
        let list = list.trim_end().replace('\n', ", ");
        assert!(help.contains(&format!("{begin}{list}")), "{help}");
    }
}

#[test]
fn the_scripts_ask() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Scene::new().play(&["completions", shell]).output;
        assert!(script.contains("headwater complete-words -- "), "{shell}");
    }
}
