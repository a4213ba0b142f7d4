use expect_test::expect;
use serde_json::json;

use crate::tests::{Piece, Reply, Scene, job, stream};

#[test]
fn headwater_alone_is_friendly() {
    expect![[r#"
        headwater 0.1.0: Ask Parquet files and Delta tables in SQL and in user funnels; one binary, no set-up

          headwater demo                                    real data, a funnel, what to try next
          headwater sql "SELECT * FROM 'data/*.parquet'"    ask files in SQL; no set-up
          headwater sql                                     the SQL shell
          headwater table register NAME PATH                make a folder of files a table
          headwater funnel run TABLE --file QUERY.json      ask a funnel
          headwater up                                      serve: HTTP API, scheduler, workers

        headwater --help lists all commands, headwater help COMMAND is the manual of one.
        exit 0
    "#]]
    .assert_eq(&Scene::new().transcript(&[]));
}

#[test]
fn exit_codes_have_a_page() {
    let page = Scene::new().play(&["help", "exit-codes"]);
    assert_eq!(page.code as i32, 0);
    assert!(page.output.contains("130  cancelled"), "{}", page.output);
    assert!(page.output.trim_end().ends_with("is no failure: 0."), "{}", page.output);
    assert!(
        Scene::new()
            .play(&["exit-codes"])
            .output
            .contains("  8  done, but partly")
    );
}

#[test]
fn up_announces_itself_and_ends_well() {
    expect![[r#"
        > up LocalOptions { data_dir: "/home/ann/.headwater", folder: "/home/ann", config: Nothing, settings: [("memory.limit", "1GiB")], log_level: None } [127.0.0.1:0] false
        ! headwater 0.1.0 is up (pid 7)
        !   api     http://127.0.0.1:7080/api/v1
        !   socket  /home/ann/.headwater/server.sock
        !   data    /home/ann/.headwater (sqlite)
        !   try     headwater sql "SELECT * FROM 'data/*.parquet' LIMIT 10"
        !   Ctrl-C stops it
        ! stopped
        exit 0
    "#]].assert_eq(&Scene::new().transcript(&[
        "up",
        "--listen",
        ":0",
        "--set",
        "memory.limit=1GiB",
        "--no-config",
    ]));
}

#[test]
fn worker_is_the_programs_business() {
    expect![[r#"
        > worker Some(4) ["gpu"]
        ! error[HW-S009]: a worker needs a shared store
        exit 6
    "#]]
    .assert_eq(&Scene::new().transcript(&["worker", "--slots", "4", "--label", "gpu"]));
    let worker = json!({"id": "w1", "host": "box", "pid": 12, "version": "0.1.0", "slots": 4, "running": 1});
    let scene = Scene::new()
        .terminal()
        .route("GET /workers?limit=50", [Reply::json(&json!({"items": [worker]}))]);
    expect![[r#"
        > GET /workers?limit=50
        ␛[1mworker␛[0m  ␛[1mhost␛[0m  ␛[1mpid␛[0m  ␛[1mversion␛[0m  ␛[1mrunning␛[0m  ␛[1mslots␛[0m  ␛[1mlabels␛[0m  ␛[1mstate␛[0m
        w1      box    12  0.1.0          1      4  ␛[2m-     ␛[0m  taking tasks
        exit 0
    "#]].assert_eq(&scene.transcript(&["worker", "list"]));
}

#[test]
fn a_new_token_is_the_data() {
    let token = json!({"token": "hw_secret", "name": "ci", "role": "write", "created_at": "2026-11-21T08:42:13Z"});
    let scene = Scene::new()
        .terminal()
        .route("POST /tokens", [Reply::json(&token).status(201)]);
    expect![[r#"
        > POST /tokens {"name":"ci","role":"write","expires":"30d"}
        hw_secret
        ! token `ci` (write, for ever); it is shown this once, clients take it from HEADWATER_TOKEN:
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["token", "create", "ci", "--role", "write", "--expires", "30d"]));
}

#[test]
fn tokens_are_listed_and_dropped() {
    let tokens = json!({"items": [{"name": "ci", "role": "write", "created_at": "2026-11-21T08:42:13Z"}]});
    let scene = || {
        Scene::new()
            .route("GET /tokens", [Reply::json(&tokens)])
            .route("DELETE /tokens/ci", [Reply::text("").status(204)])
    };
    expect![[r#"
        > GET /tokens
        token  role   created               expires
        ci     write  2026-11-21 08:42:13Z  never
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["token", "list", "--format", "table"]));
    expect![[r#"
        ! error[HW-C054]: token `ci` would be lost, and nobody can be asked here
        ! help: add --yes
        exit 2
    "#]]
    .assert_eq(&scene().transcript(&["token", "drop", "ci"]));
    expect![[r#"
        > DELETE /tokens/ci
        ! dropped token `ci`
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["token", "drop", "ci", "-y"]));
}

#[test]
fn settings_are_those_of_this_place_or_of_the_server() {
    expect![[r#"
        ␛[1msetting     ␛[0m  ␛[1mvalue␛[0m  ␛[1mfrom␛[0m
        memory.limit  "70%"  default
        http.port     7080   /home/ann/headwater.toml
        exit 0
    "#]]
    .assert_eq(&Scene::new().terminal().transcript(&["config", "show", "--origin"]));
    expect![[r#"
        {
          "settings": [
            {
              "key": "memory.limit",
              "value": "70%",
              "origin": "default"
            }
          ]
        }
        exit 0
    "#]]
    .assert_eq(&Scene::new().transcript(&["config", "show", "memory"]));
    expect![[r##"
        # all settings
        [memory]
        limit = "70%"
        exit 0
    "##]]
    .assert_eq(&Scene::new().transcript(&["config", "show", "--default"]));
}

#[test]
fn findings_of_config_check_are_data() {
    expect![[r#"
        the configuration is good: 2 settings
        exit 0
    "#]]
    .assert_eq(&Scene::new().terminal().transcript(&["config", "check"]));
    expect![[r#"
        ␛[1;31merror[HW-C001]:␛[0m ␛[1m1 fault in the configuration␛[0m
          - unknown key `colour`
           ␛[1;36m= help:␛[0m did you mean `color`?
        exit 3
    "#]]
    .assert_eq(
        &Scene::new()
            .terminal()
            .transcript(&["config", "check", "--set", "colour=red"]),
    );
    expect![[r#"
        {
          "ok": false,
          "settings": 0,
          "problem": {
            "type": "urn:headwater:error:HW-C001",
            "title": "the configuration has faults",
            "status": 422,
            "detail": "1 fault in the configuration",
            "code": "HW-C001",
            "aliases": [],
            "errors": [
              {
                "code": "HW-C001",
                "aliases": [],
                "message": "unknown key `colour`",
                "help": "did you mean `color`?"
              }
            ]
          }
        }
        exit 3
    "#]]
    .assert_eq(&Scene::new().transcript(&["config", "check", "--set", "colour=red"]));
}

#[test]
fn backup_and_restore() {
    let scene = Scene::new().terminal().route(
        "POST /config/backup",
        [Reply::json(&json!({"path": "/home/ann/b.db", "bytes": 4096}))],
    );
    expect![[r#"
        > POST /config/backup {"path":"/home/ann/b.db"}
        wrote /home/ann/b.db (4.1 kB)
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["config", "backup", "b.db"]));
    expect![[r#"
        > restore /home/ann/b.db
        restored /home/ann/.headwater/store.db (4.1 kB)
        the store before it is now /home/ann/.headwater/store.db.before
        ! put b.db in the place of what the store in /home/ann/.headwater knows (tables, jobs, history)? [y/N]
        exit 0
    "#]]
    .assert_eq(
        &Scene::new()
            .terminal()
            .input("yes\n")
            .transcript(&["config", "restore", "b.db"]),
    );
    expect![[r#"
        ! error[HW-C054]: what the store in /home/ann/.headwater knows (tables, jobs, history) would be lost, and nobody can be asked here
        ! help: add --yes
        exit 2
    "#]].assert_eq(&Scene::new().transcript(&["config", "restore", "b.db"]));
}

#[test]
fn doctor_fails_when_a_check_does() {
    let checks = |state: &str| json!({"checks": [{"name": "store", "state": "ok", "detail": "sqlite, 12 MB"}, {"name": "disk", "state": state, "detail": "1% free", "remedy": "make room"}]});
    let scene = |state: &str| {
        Scene::new()
            .terminal()
            .route("GET /doctor", [Reply::json(&checks(state))])
    };
    expect![[r#"
        > GET /doctor
        ␛[32m✓ ok    ␛[0m  store  sqlite, 12 MB
        ␛[1;31m✗ failed␛[0m  disk   1% free
                         help: make room
        exit 1
    "#]]
    .assert_eq(&scene("failed").transcript(&["doctor"]));
    assert_eq!(scene("warning").play(&["doctor"]).code as i32, 0);
}

#[test]
fn checks_and_settings_are_rows_for_programs() {
    let checks = json!({"checks": [
        {"name": "store", "state": "ok", "detail": "sqlite, \"12\" MB"},
        {"name": "disk", "state": "warning", "detail": "1% free", "remedy": "make room"}
    ]});
    let doctor = |format: &str| {
        let scene = Scene::new().route("GET /doctor", [Reply::json(&checks)]);
        scene.play(&["doctor", "--format", format]).output
    };
    assert_eq!(
        doctor("csv"),
        "name,state,detail,remedy\r\nstore,ok,\"sqlite, \"\"12\"\" MB\",\r\ndisk,warning,1% free,make room\r\n"
    );
    assert_eq!(doctor("jsonl").lines().count(), 2);
    let show = |format: &str| Scene::new().play(&["config", "show", "--format", format]).output;
    assert_eq!(
        show("csv"),
        "key,value,origin\r\nmemory.limit,70%,default\r\nhttp.port,7080,/home/ann/headwater.toml\r\n"
    );
    let first = r#"{"key":"memory.limit","value":"70%","origin":"default"}"#;
    assert_eq!(show("jsonl").lines().next(), Some(first));
}

#[test]
fn the_doctor_tells_what_it_cannot_reach() {
    let down = |code: &str| {
        let mut problem = hw_api::Problem::new(503, code, "out of reach", "it does not answer");
        problem.help = Some("start it".to_owned());
        let scene = Scene::new().route("GET /doctor", [Reply::problem(&problem)]);
        scene.transcript(&["doctor", "--format", "csv"])
    };
    expect![[r#"
        > GET /doctor
        name,state,detail,remedy
        store,failed,it does not answer,start it
        exit 6
    "#]]
    .assert_eq(&down("HW-S001").replace('\r', ""));
    assert!(down("HW-C051").contains("server,failed,"));
    assert!(down("HW-A023").contains("! error[HW-A023]"));
}

#[test]
fn a_setting_that_is_not_there() {
    expect![[r#"
        ! error[HW-C065]: no setting has `memory.limt` in its name
        ! help: did you mean `memory.limit`? `headwater config show -q` lists all settings
        exit 4
    "#]]
    .assert_eq(&Scene::new().transcript(&["config", "show", "memory.limt"]));
    expect![[r#"
        ! error[HW-C065]: no setting has `nonsense` in its name
        ! help: `headwater config show -q` lists all settings
        exit 4
    "#]]
    .assert_eq(&Scene::new().transcript(&["config", "show", "nonsense"]));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let played = Scene::new().play(&["completions", shell]);
        assert_eq!(played.code as i32, 0);
        assert!(
            played.output.contains("funnel") && played.output.contains("validate"),
            "{shell}"
        );
    }
}

#[test]
fn error_codes_are_explained_offline() {
    let played = Scene::new().play(&["explain", "c054"]);
    assert!(
        played.output.starts_with("# HW-C054: nobody can be asked\n"),
        "{}",
        played.output
    );
    assert!(
        Scene::new()
            .terminal()
            .play(&["explain", "HW-C054", "--nocolor"])
            .output
            .starts_with("HW-C054: nobody can be asked\n")
    );
    let csv = Scene::new().play(&["explain", "--format", "csv"]).output;
    assert!(csv.starts_with("code,title\r\nHW-A001,"), "{csv}");
    let json = Scene::new().play(&["explain", "--format", "json"]).output;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["items"][0]["code"], "HW-A001");
    let list = Scene::new().play(&["explain", "-q"]).output;
    assert!(list.lines().any(|code| code == "HW-C063"), "{list}");
    expect![[r#"
        ! error[HW-C058]: there is no error code `HW-C951`
        ! help: did you mean `HW-C051`? `headwater explain` lists all codes
        exit 4
    "#]]
    .assert_eq(&Scene::new().transcript(&["explain", "HW-C951"]));
}

#[test]
fn every_code_of_this_crate_has_a_page() {
    for number in 50..=65 {
        let code = format!("HW-C0{number}");
        assert_eq!(Scene::new().play(&["explain", &code]).code as i32, 0, "{code}");
    }
}

fn demo() -> Scene {
    let result = json!({"success": true, "query": {"matchingGroups": 4043, "matchingGroupRows": 334_264}, "funnel": {"sequence": [
        {"matchingGroups": 3978, "matchingGroupRows": 334_190}, {"matchingGroups": 3093, "matchingGroupRows": 323_148}]}});
    Scene::new()
        .route(
            "POST /tables?stream=true",
            [stream(&job("register", json!({"success": true})))],
        )
        .route("POST /funnels/run?stream=true", [stream(&job("funnel", result))])
}

#[test]
fn the_demo_shows_a_result_and_what_to_try_next() {
    expect![[r#"
        > POST /tables?stream=true {"name":"flights","path":"/home/ann/.headwater/demo/flights","group":"aircraft","time":"departure","validation":"all"}
        > POST /funnels/run?stream=true {"table":"flights","query":{"funnel":{"sequence":[{"filter":["event","==","late"]},{"filter":["event","==","very_late"]}]}}}
        4,043 groups, with 334,264 rows

        ␛[1mstep                ␛[0m  ␛[1mgroups␛[0m  ␛[1m                              ␛[0m  ␛[1mof previous␛[0m  ␛[1mof first␛[0m  ␛[1m   rows␛[0m
        1 event == late        3,978  ██████████████████████████████       100.0%    100.0%  334,190
        2 event == very_late   3,093  ███████████████████████▍              77.8%     77.8%  323,148
        ! ␛[1mFlights out of New York in 2013␛[0m
        !
        ! Next, try:
        !   headwater table show flights
        !   headwater sql 'SELECT event, count(*) FROM flights GROUP BY event'
        !   headwater funnel run flights --file /home/ann/.headwater/demo/flights/delays.json
        !   headwater sql
        ! Where the data are from: /home/ann/.headwater/demo/README.md
        exit 0
    "#]].assert_eq(&demo().terminal().transcript(&["demo"]));
}

#[test]
fn the_demo_of_another_folder() {
    let played = demo().terminal().play(&["demo", "--data-dir", "/tmp/it's here"]);
    assert!(
        played
            .errors
            .contains(r"headwater --data-dir '/tmp/it'\''s here' table show flights"),
        "{}",
        played.errors
    );
    assert_eq!(demo().play(&["demo", "pipeline"]).code as i32, 4);
}

#[test]
fn a_data_folder_that_cannot_be_opened() {
    let played = Scene::new().play(&["table", "list", "--data-dir", "newer"]);
    assert_eq!(
        (played.code as i32, played.errors.as_str()),
        (5, "error[HW-S004]: the store has version 9\n")
    );
}

#[test]
fn the_router_is_closed_at_the_end() {
    let scene = Scene::new().route("GET /tables", [Reply::json(&json!({"items": []}))]);
    assert_eq!(scene.play(&["table", "list"]).requests.last().unwrap(), "(closed)");
    assert!(Scene::new().play(&["explain"]).requests.is_empty());
}

#[test]
fn bad_usage() {
    expect![[r#"
        ! error: unrecognized subcommand 'tabel'
        !
        !   tip: some similar subcommands exist: 'tables', 'table'
        !
        ! Usage: headwater [OPTIONS] [COMMAND]
        !
        ! For more information, try '--help'.
        exit 2
    "#]]
    .assert_eq(&Scene::new().transcript(&["tabel", "list"]));
    expect![[r#"
        ! error: unexpected argument '--formt' found
        !
        !   tip: a similar argument exists: '--format'
        !
        ! Usage: headwater table list --format <FORMAT>
        !
        ! For more information, try '--help'.
        exit 2
    "#]]
    .assert_eq(&Scene::new().transcript(&["table", "list", "--formt", "csv"]));
    expect![[r#"
        ! {"type":"urn:headwater:error:HW-C050","title":"the command line is not right","status":400,"detail":"unrecognized subcommand 'lst'","code":"HW-C050","aliases":[],"help":"`headwater help` tells the usage","errors":[]}
        exit 2
    "#]].assert_eq(&Scene::new().transcript(&["table", "lst", "--format", "json"]));
    expect![[r#"
        ! error: invalid value '10' for '--timeout <TIME>': which unit? for seconds write `10s`
        !
        ! For more information, try '--help'.
        exit 2
    "#]]
    .assert_eq(&Scene::new().transcript(&["job", "wait", "aaaa", "--timeout", "10"]));
}

#[test]
fn addresses_without_credentials() {
    expect![[r#"
        ! error[HW-C061]: `http://***@box:7080` is no address of a server: credentials do not belong into an address
        ! help: write --server http://HOST:PORT; a token goes into HEADWATER_TOKEN
        exit 2
    "#]]
    .assert_eq(&Scene::new().transcript(&["table", "list", "--server", "http://ann:secret@box:7080"]));
    expect![[r#"
        ! error[HW-C061]: `box:7080` is no address of a server: only http:// and https:// are spoken
        ! help: write --server http://HOST:PORT; a token goes into HEADWATER_TOKEN
        exit 2
    "#]]
    .assert_eq(
        &Scene::new()
            .variable("HEADWATER_SERVER", "box:7080")
            .transcript(&["table", "list"]),
    );
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let coloured = |scene: Scene, words: &[&str]| {
        let missing = hw_api::Problem::new(404, "HW-T001", "x", "no table");
        let scene = scene.route("GET /tables/x", [Reply::problem(&missing)]);
        scene
            .play(&[&["table", "show", "x"], words].concat())
            .errors
            .contains('\u{1b}')
    };
    assert!(coloured(Scene::new().terminal(), &[]));
    assert!(!coloured(Scene::new(), &[]));
    assert!(coloured(Scene::new(), &["--color", "always"]));
    assert!(!coloured(Scene::new().terminal(), &["--color", "never"]));
    assert!(!coloured(Scene::new().terminal(), &["--nocolor"]));
    assert!(!coloured(Scene::new().terminal().variable("NO_COLOR", "1"), &[]));
    assert!(!coloured(Scene::new().terminal().variable("TERM", "dumb"), &[]));
    assert!(coloured(Scene::new().variable("CLICOLOR_FORCE", "1"), &[]));
}

#[test]
fn interrupting_a_simple_verb_ends_it() {
    let scene = Scene::new().route("GET /doctor", [Reply::pieces(vec![Piece::Interrupt, Piece::Never])]);
    let played = scene.play(&["doctor"]);
    assert_eq!((played.code as i32, played.errors.as_str()), (130, ""));
}

#[test]
fn an_answer_that_is_not_understood_and_one_of_another_program() {
    let odd = Scene::new().route("GET /doctor", [Reply::text("[]")]);
    expect![[r#"
        > GET /doctor
        ! error[HW-C062]: the answer is not what this program expects: invalid length 0, expected struct DoctorDocument with 1 element at line 1 column 2
        ! help: compare `headwater --version` with the server's version; the newer one may speak differently
        exit 1
    "#]].assert_eq(&odd.transcript(&["doctor"]));
    let foreign = Scene::new().route("GET /doctor", [Reply::text("<html>").status(502)]);
    expect![[r#"
        > GET /doctor
        ! error[HW-C052]: the server answered with status 502 and no document of headwater
        ! help: check that --server names a headwater server and not something in front of it
        exit 6
    "#]]
    .assert_eq(&foreign.transcript(&["doctor"]));
}

#[test]
fn a_token_is_shown_without_its_text() {
    let token = json!({"name": "ci", "role": "write", "created_at": "2026-11-21T08:42:13.123456Z"});
    let scene = || Scene::new().route("GET /tokens/ci", [Reply::json(&token)]);
    expect![[r#"
        > GET /tokens/ci
        token  role   created               expires
        ci     write  2026-11-21 08:42:13Z  never
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["token", "show", "ci", "--format", "table"]));
    expect![[r#"
        > GET /tokens/ci
        ci
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["token", "show", "ci", "-q"]));
}

#[test]
fn tokens_and_workers_are_listed_by_what_they_are() {
    let none = Reply::json(&json!({"items": []}));
    let scene = Scene::new().route("GET /tokens?role=admin&limit=3", [none]);
    let played = scene.transcript(&["token", "list", "--role", "admin", "-n", "3"]);
    assert!(played.contains("exit 0"), "{played}");
    let none = Reply::json(&json!({"items": []}));
    let scene = Scene::new().route("GET /workers?host=box&label=gpu", [none]);
    let played = scene.transcript(&["worker", "list", "--host", "box", "--label", "gpu"]);
    assert!(played.contains("exit 0"), "{played}");
}
