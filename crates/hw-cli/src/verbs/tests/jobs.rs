use std::time::Duration;

use expect_test::expect;
use hw_api::Problem;
use serde_json::{Value, json};

use crate::tests::{Piece, Reply, Scene, job};

fn in_state(state: &str) -> Value {
    let mut job = job("funnel", json!(null));
    job["state"] = json!(state);
    job
}

#[test]
fn the_list_passes_its_filters_on() {
    let scene = Scene::new().terminal().route(
        "GET /jobs?kind=funnel&state=failed&table=t&tag=nightly&limit=10&page=p",
        [Reply::json(
            &json!({"items": [job("funnel", json!({})), in_state("failed")]}),
        )],
    );
    let words = [
        "job", "list", "--kind", "funnel", "--state", "failed", "--table", "t", "--tag", "nightly", "-n", "10",
        "--page", "p",
    ];
    expect![[r#"
        > GET /jobs?kind=funnel&state=failed&table=t&tag=nightly&limit=10&page=p
        ␛[1mjob     ␛[0m  ␛[1mkind  ␛[0m  ␛[1mstate    ␛[0m  ␛[1mtables␛[0m  ␛[1mtasks␛[0m  ␛[1mcreated             ␛[0m  ␛[1m  took␛[0m  ␛[1merror␛[0m
        7a2-aaaa  funnel  ␛[32msucceeded␛[0m  ␛[2m-     ␛[0m      2  2026-11-21 08:42:13Z  1.50 s
        7a2-aaaa  funnel  ␛[1;31mfailed   ␛[0m  ␛[2m-     ␛[0m      2  2026-11-21 08:42:13Z  1.50 s
        exit 0
    "#]].assert_eq(&scene.transcript(&words));
}

#[test]
fn show_a_funnel_and_another_job() {
    let mut funnel = job(
        "funnel",
        json!({"success": true, "query": {"matchingGroups": 5, "matchingGroupRows": 12}}),
    );
    funnel["params"] = json!({"table": "t", "query": {}});
    funnel["reads"] = json!([{"table": "t", "version": 3}]);
    let scene = Scene::new().terminal().route("GET /jobs/aaaa", [Reply::json(&funnel)]);
    expect![[r#"
        > GET /jobs/aaaa
        job       0198c7a2-aaaa
        kind      funnel
        state     ␛[32msucceeded␛[0m
        created   2026-11-21 08:42:13Z
        took      1.50 s
        tasks     2 succeeded
        attempts  2
        reads     t version 3
        asked     {"table":"t","query":{}}

        5 groups, with 12 rows
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["job", "show", "aaaa"]));
    let scene = Scene::new()
        .terminal()
        .route("GET /jobs/aaaa", [Reply::json(&job("drop", json!({"success": true})))]);
    expect![[r#"
        > GET /jobs/aaaa
        job       0198c7a2-aaaa
        kind      drop
        state     ␛[32msucceeded␛[0m
        created   2026-11-21 08:42:13Z
        took      1.50 s
        tasks     2 succeeded
        attempts  2
        asked     {}

        {
          "success": true
        }
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["job", "show", "aaaa"]));
}

#[test]
fn an_ambiguous_id_is_a_conflict() {
    let problem = Problem::new(409, "HW-J002", "ambiguous", "`0198` begins 2 jobs: `0198a`, `0198b`");
    let scene = Scene::new().route("GET /jobs/0198", [Reply::problem(&problem)]);
    assert_eq!(scene.play(&["job", "show", "0198"]).code as i32, 5);
}

#[test]
fn wait_follows_the_job_to_its_end() {
    let scene = Scene::new()
        .route("GET /jobs/aaaa?wait=0s", [Reply::json(&in_state("queued")).status(202)])
        .route(
            "GET /jobs/aaaa?wait=20s",
            [
                Reply::json(&in_state("running")).status(202),
                Reply::json(&in_state("succeeded")),
            ],
        );
    expect![[r#"
        > GET /jobs/aaaa?wait=0s
        > GET /jobs/aaaa?wait=20s
        > GET /jobs/aaaa?wait=20s
        job 0198c7a2-aaaa succeeded in 1.50 s
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["job", "wait", "aaaa", "--format", "table"]));
}

#[test]
fn wait_ends_as_the_job_did() {
    let exit = |state: &str| {
        let scene = Scene::new().route("GET /jobs/aaaa?wait=0s", [Reply::json(&in_state(state))]);
        scene.play(&["job", "wait", "aaaa"]).code as i32
    };
    assert_eq!(
        ["succeeded", "failed", "cancelled", "timed_out"].map(exit),
        [0, 1, 130, 7]
    );
}

#[test]
fn wait_gives_up_after_its_time() {
    let scene = Scene::new()
        .route("GET /jobs/aaaa?wait=0s", [Reply::json(&in_state("running"))])
        .route(
            "GET /jobs/aaaa?wait=3s",
            [Reply::json(&in_state("running")).after(Duration::from_millis(2500))],
        );
    expect![[r#"
        > GET /jobs/aaaa?wait=0s
        > GET /jobs/aaaa?wait=3s
        ! error[HW-C060]: job aaaa has not ended after 2.50 s
        ! help: the job goes on: `headwater job wait aaaa`, or `headwater job cancel aaaa`
        exit 7
    "#]]
    .assert_eq(&scene.transcript(&["job", "wait", "aaaa", "--timeout", "2.5s"]));
}

#[test]
fn ctrl_c_stops_waiting_and_not_the_job() {
    let scene = Scene::new().route(
        "GET /jobs/aaaa?wait=0s",
        [Reply::pieces(vec![Piece::Interrupt, Piece::Never])],
    );
    expect![[r#"
        > GET /jobs/aaaa?wait=0s
        ! stopped waiting; job aaaa goes on
        exit 130
    "#]]
    .assert_eq(&scene.transcript(&["job", "wait", "aaaa"]));
}

#[test]
fn cancel_tells_why() {
    let scene = || Scene::new().route("POST /jobs/aaaa/cancel", [Reply::json(&in_state("running"))]);
    expect![[r#"
        > POST /jobs/aaaa/cancel {"reason":"cancelled by the user"}
        job 0198c7a2-aaaa is asked to stop; it is running
        exit 0
    "#]]
    .assert_eq(&scene().terminal().transcript(&["job", "cancel", "aaaa"]));
    expect![[r#"
        > POST /jobs/aaaa/cancel {"reason":"wrong table"}
        0198c7a2-aaaa
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["job", "cancel", "aaaa", "--reason", "wrong table", "-q"]));
}

fn events() -> Vec<Value> {
    let event = |seq: u64, kind: &str, data: Value| json!({"seq": seq, "at": "2026-11-21T08:42:13.5Z", "kind": kind, "subject": "job/0198c7a2-aaaa", "data": data});
    vec![
        event(7, "job.submitted", json!({})),
        event(9, "task.ended", json!({"state": "succeeded"})),
        event(12, "job.ended", json!(null)),
    ]
}

#[test]
fn logs_for_people_and_programs() {
    let scene = || Scene::new().route("GET /jobs/aaaa/logs", [Reply::lines(&events())]);
    expect![[r#"
        > GET /jobs/aaaa/logs (application/jsonl)
        ␛[2m     7␛[0m 2026-11-21 08:42:13Z  job.submitted    ␛[1mjob/0198c7a2-aaaa␛[0m  ␛[2m␛[0m
        ␛[2m     9␛[0m 2026-11-21 08:42:13Z  task.ended       ␛[1mjob/0198c7a2-aaaa␛[0m  ␛[2m{"state":"succeeded"}␛[0m
        ␛[2m    12␛[0m 2026-11-21 08:42:13Z  job.ended        ␛[1mjob/0198c7a2-aaaa␛[0m  ␛[2m␛[0m
        exit 0
    "#]]
    .assert_eq(&scene().terminal().transcript(&["job", "logs", "aaaa"]));
    expect![[r#"
        > GET /jobs/aaaa/logs (application/jsonl)
        {"seq":7,"at":"2026-11-21T08:42:13.5Z","kind":"job.submitted","subject":"job/0198c7a2-aaaa","data":{}}
        {"seq":9,"at":"2026-11-21T08:42:13.5Z","kind":"task.ended","subject":"job/0198c7a2-aaaa","data":{"state":"succeeded"}}
        {"seq":12,"at":"2026-11-21T08:42:13.5Z","kind":"job.ended","subject":"job/0198c7a2-aaaa","data":null}
        exit 0
    "#]].assert_eq(&scene().transcript(&["job", "logs", "aaaa"]));
    expect![[r#"
        > GET /jobs/aaaa/logs (application/jsonl)
        seq,at,kind,subject,job,data
        7,2026-11-21T08:42:13.5Z,job.submitted,job/0198c7a2-aaaa,,{}
        9,2026-11-21T08:42:13.5Z,task.ended,job/0198c7a2-aaaa,,"{""state"":""succeeded""}"
        12,2026-11-21T08:42:13.5Z,job.ended,job/0198c7a2-aaaa,,
        exit 0
    "#]]
    .assert_eq(
        &scene()
            .transcript(&["job", "logs", "aaaa", "--format", "csv"])
            .replace('\r', ""),
    );
}

#[test]
fn followed_logs_end_with_the_job() {
    let mut pieces: Vec<Piece> = events()
        .iter()
        .map(|event| Piece::Data(format!("{event}\n").into()))
        .collect();
    pieces.push(Piece::Never);
    let scene = Scene::new()
        .route("GET /jobs/aaaa", [Reply::json(&in_state("running"))])
        .route(
            "GET /events?job=0198c7a2-aaaa&since=0&follow=true",
            [Reply::pieces(pieces)],
        );
    let played = scene.play(&["job", "logs", "aaaa", "--follow", "-q"]);
    assert_eq!((played.output.as_str(), played.code as i32), ("7\n9\n12\n", 0));
}

#[test]
fn export_streams_into_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new().folder(folder.path()).route(
        "GET /jobs/aaaa/export?format=chrome-trace",
        [Reply::pieces(vec![Piece::Data("[1,".into()), Piece::Data("2]".into())])],
    );
    let played = scene.play(&["job", "export", "aaaa", "--format", "chrome-trace", "-o", "run.json"]);
    assert_eq!((played.output.as_str(), played.code as i32), ("", 0));
    assert_eq!(
        std::fs::read_to_string(folder.path().join("run.json")).unwrap(),
        "[1,2]"
    );
}

#[test]
fn an_export_that_breaks_off_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::new().folder(folder.path()).route(
        "GET /jobs/aaaa/export?format=json",
        [Reply::pieces(vec![Piece::Data("[1,".into()), Piece::Broken("gone")])],
    );
    let played = scene.play(&["job", "export", "aaaa", "-o", "run.json"]);
    assert_eq!(played.code as i32, 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn tasks() {
    let task = json!({"id": "0198c7a2-aaaa/1", "kind": "funnel.part", "state": "quarantined", "fence": 3, "attempts": 3, "worker": "w1",
        "started_at": "2026-11-21T08:42:13.5Z", "params": {"part": 1},
        "error": {"type": "x", "title": "x", "status": 500, "detail": "the worker died twice", "code": "HW-J020"},
        "history": [{"id": "0198c7a2-aaaa/1.1", "state": "lost", "worker": "w1", "started_at": "2026-11-21T08:42:13.5Z", "seconds": 0.25}]});
    let scene = || {
        Scene::new()
            .terminal()
            .width(160)
            .route("GET /jobs/aaaa/tasks", [Reply::json(&json!({"items": [task]}))])
            .route("GET /jobs/aaaa/tasks/1", [Reply::json(&task)])
            .route("POST /jobs/aaaa/tasks/1/requeue", [Reply::json(&task)])
            .route("POST /jobs/aaaa/tasks/1/cancel", [Reply::json(&task)])
            .route("GET /jobs/aaaa/tasks/1/explain", [Reply::json(&json!({"id": "0198c7a2-aaaa/1", "state": "waiting", "reasons": ["waits for task 0", "back-off until 08:43"]}))])
    };
    expect![[r#"
        > GET /jobs/aaaa/tasks
        ␛[1mtask      ␛[0m  ␛[1mkind       ␛[0m  ␛[1mstate      ␛[0m  ␛[1mattempts␛[0m  ␛[1mworker␛[0m  ␛[1mstarted             ␛[0m  ␛[1mended␛[0m  ␛[1merror␛[0m
        7a2-aaaa/1  funnel.part  ␛[1;31mquarantined␛[0m         3  w1      2026-11-21 08:42:13Z  ␛[2m-    ␛[0m  HW-J020: the worker died twice
        exit 0
    "#]].assert_eq(&scene().transcript(&["task", "list", "aaaa"]));
    expect![[r#"
        > GET /jobs/aaaa/tasks/1
        task     0198c7a2-aaaa/1
        kind     funnel.part
        state    ␛[1;31mquarantined␛[0m
        error    HW-J020: the worker died twice
        worker   w1
        started  2026-11-21 08:42:13Z
        params   {"part":1}

        ␛[1mattempt          ␛[0m  ␛[1mstate␛[0m  ␛[1mworker␛[0m  ␛[1mstarted             ␛[0m  ␛[1m  took␛[0m  ␛[1merror␛[0m
        0198c7a2-aaaa/1.1  ␛[1;31mlost ␛[0m  w1      2026-11-21 08:42:13Z  250 ms
        exit 0
    "#]].assert_eq(&scene().transcript(&["task", "show", "aaaa/1"]));
    expect![[r#"
        > GET /jobs/aaaa/tasks/1/explain
        task 0198c7a2-aaaa/1 is waiting
        - waits for task 0
        - back-off until 08:43
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["task", "explain", "aaaa/1"]));
    expect![[r#"
        > POST /jobs/aaaa/tasks/1/requeue
        0198c7a2-aaaa/1
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["task", "requeue", "aaaa/1", "-q"]));
    expect![[r#"
        > POST /jobs/aaaa/tasks/1/cancel
        0198c7a2-aaaa/1
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["task", "cancel", "aaaa/1", "-q"]));
    expect![[r#"
        > POST /jobs/aaaa/tasks/1/cancel {"reason":"it hangs"}
        0198c7a2-aaaa/1
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["task", "cancel", "aaaa/1", "--reason", "it hangs", "-q"]));
    assert_eq!(scene().play(&["task", "show", "aaaa"]).code as i32, 2);
}

#[test]
fn events_are_listed_up_to_a_limit() {
    let scene = || Scene::new().route("GET /events?since=5&kind=job.*", [Reply::lines(&events())]);
    expect![[r#"
        > GET /events?since=5&kind=job.* (application/jsonl)
        7
        9
        exit 0
    "#]]
    .assert_eq(&scene().transcript(&["event", "list", "--since", "5", "--kind", "job.*", "-n", "2", "-q"]));
    let none = Scene::new().terminal().route("GET /events", [Reply::lines(&[])]);
    expect![[r#"
        > GET /events (application/jsonl)
        ! no events
        exit 0
    "#]]
    .assert_eq(&none.transcript(&["event", "list"]));
}

#[test]
fn a_broken_stream_of_events_is_taken_up_again() {
    let first = events().first().unwrap().to_string();
    let broken = vec![Piece::Data(format!("{first}\n").into()), Piece::Broken("reset")];
    let scene = Scene::new()
        .route("GET /events?since=5&follow=true", [Reply::pieces(broken)])
        .route(
            "GET /events?since=7&follow=true",
            [Reply::pieces(vec![
                Piece::Data(format!("{}\n", events()[1]).into()),
                Piece::Interrupt,
                Piece::Never,
            ])],
        );
    expect![[r#"
        > GET /events?since=5&follow=true (application/jsonl)
        > GET /events?since=7&follow=true (application/jsonl)
        {"seq":7,"at":"2026-11-21T08:42:13.5Z","kind":"job.submitted","subject":"job/0198c7a2-aaaa","data":{}}
        {"seq":9,"at":"2026-11-21T08:42:13.5Z","kind":"task.ended","subject":"job/0198c7a2-aaaa","data":{"state":"succeeded"}}
        ! HW-C053: the answer broke off: reset; trying again
        exit 130
    "#]].assert_eq(&scene.transcript(&["event", "follow", "--since", "5"]));
}
