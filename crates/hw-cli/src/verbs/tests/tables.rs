use expect_test::expect;
use hw_api::Problem;
use serde_json::{Value, json};

use crate::tests::{Reply, Scene, job, stream};

fn flights() -> Value {
    json!({
        "name": "flights", "kind": "dataset", "version": 1, "group_column": "aircraft", "time_column": "departure",
        "groups": "contained", "containment_proven": true, "rows": 334_264, "bytes": 3_641_024, "parts": 4,
        "location": "/home/ann/.headwater/demo/flights", "pattern": "*.parquet",
        "registered_at": "2026-11-21T08:42:13.123456Z", "origin": "0198c7a2-aaaa",
        "columns": [
            {"name": "aircraft", "type": "STRING", "sql_type": "Utf8View", "null_count": 0},
            {"name": "dep_delay", "type": "INT", "sql_type": "Int32", "min": -43, "max": 1301, "null_count": 5743,
             "top_values": {"0": 0.05, "-2": 0.041}, "unique_ratio": 0.0016}
        ],
        "unsupported": [{"name": "blob", "reason": "binary columns cannot be compared"}]
    })
}

fn two_pages() -> Scene {
    let mut other = flights();
    other["name"] = json!("a\nb, \"c\"");
    Scene::new()
        .route(
            "GET /tables",
            [Reply::json(&json!({"items": [flights()], "next": "p2"}))],
        )
        .route("GET /tables?page=p2", [Reply::json(&json!({"items": [other]}))])
        .route(
            "GET /tables?limit=2",
            [Reply::json(&json!({"items": [flights(), other], "next": "p3"}))],
        )
        .route(
            "GET /tables?limit=1",
            [Reply::json(&json!({"items": [flights()], "next": "p2"}))],
        )
}

#[test]
fn an_empty_list_teaches() {
    let scene = Scene::new()
        .terminal()
        .route("GET /tables?limit=50", [Reply::json(&json!({"items": []}))]);
    expect![[r#"
        > GET /tables?limit=50
        ! no tables yet: `headwater table register NAME PATH --group COLUMN --time COLUMN`, or `headwater demo`
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["table", "list"]));
}

#[test]
fn a_list_on_a_terminal_is_a_table_that_says_how_to_go_on() {
    expect![[r#"
        > GET /tables?limit=2
        ␛[1mname     ␛[0m  ␛[1mkind   ␛[0m  ␛[1m   rows␛[0m  ␛[1mparts␛[0m  ␛[1m  size␛[0m  ␛[1mgroup   ␛[0m  ␛[1mtime     ␛[0m  ␛[1mregistered␛[0m
        flights    dataset  334,264      4  3.6 MB  aircraft  departure  2026-11-21 08:42:13Z
        a\nb, "c"  dataset  334,264      4  3.6 MB  aircraft  departure  2026-11-21 08:42:13Z
        ! 2 shown, there are more: --limit COUNT, or --page p3
        exit 0
    "#]]
    .assert_eq(&two_pages().terminal().transcript(&["table", "list", "-n", "2"]));
}

#[test]
fn a_piped_list_has_all_pages_one_document_a_line() {
    let played = two_pages().play(&["table", "list"]);
    let names: Vec<Value> = played
        .output
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone())
        .collect();
    assert_eq!(names, [json!("flights"), json!("a\nb, \"c\"")]);
    assert_eq!(played.requests, ["GET /tables", "GET /tables?page=p2", "(closed)"]);
}

#[test]
fn a_list_as_csv() {
    expect![[r#"
        > GET /tables
        > GET /tables?page=p2
        name,kind,version,rows,parts,bytes,group_column,time_column,groups,location,registered_at,last_used_at␍
        flights,dataset,1,334264,4,3641024,aircraft,departure,contained,/home/ann/.headwater/demo/flights,2026-11-21T08:42:13.123456Z,␍
        "a
        b, ""c""",dataset,1,334264,4,3641024,aircraft,departure,contained,/home/ann/.headwater/demo/flights,2026-11-21T08:42:13.123456Z,␍
        exit 0
    "#]].assert_eq(
        &two_pages()
            .transcript(&["table", "list", "--format", "csv"])
            .replace('\r', "␍"),
    );
}

#[test]
fn a_list_as_json_is_the_page_as_it_came() {
    let played = two_pages().play(&["table", "list", "--format", "json", "--limit", "1"]);
    assert_eq!(
        serde_json::from_str::<Value>(&played.output).unwrap(),
        json!({"items": [flights()], "next": "p2"})
    );
}

#[test]
fn quiet_prints_names_alone() {
    expect![[r#"
        > GET /tables
        > GET /tables?page=p2
        flights
        a
        b, "c"
        exit 0
    "#]]
    .assert_eq(&two_pages().transcript(&["table", "list", "-q"]));
}

#[test]
fn a_form_that_a_list_does_not_have() {
    expect![[r#"
        ! error[HW-C050]: this verb has no form `markdown`
        ! help: use --format table, json, jsonl or csv
        exit 2
    "#]]
    .assert_eq(&two_pages().transcript(&["table", "list", "--format", "markdown"]));
}

#[test]
fn show_for_people() {
    let scene = Scene::new()
        .terminal()
        .route("GET /tables/flights", [Reply::json(&flights())]);
    expect![[r#"
        > GET /tables/flights
        table       flights
        kind        dataset, version 1
        extent      334,264 rows in 4 parts, 3.6 MB
        location    /home/ann/.headwater/demo/flights
        pattern     *.parquet
        group       aircraft (each group in one part, proven)
        time        departure
        registered  2026-11-21 08:42:13Z by job 0198c7a2-aaaa

        ␛[1mcolumn   ␛[0m  ␛[1mtype  ␛[0m  ␛[1msql type␛[0m  ␛[1mmin␛[0m  ␛[1mmax ␛[0m  ␛[1mnulls␛[0m
        aircraft   STRING  Utf8View  ␛[2m-  ␛[0m  ␛[2m-   ␛[0m      0
        dep_delay  INT     Int32     -43  1301  5,743

        ␛[1mnot for funnels␛[0m  ␛[1mwhy␛[0m
        blob             binary columns cannot be compared
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["table", "show", "flights"]));
}

#[test]
fn show_in_full() {
    let scene = Scene::new()
        .terminal()
        .width(140)
        .route("GET /tables/flights?full=true", [Reply::json(&flights())]);
    expect![[r#"
        > GET /tables/flights?full=true
        table       flights
        kind        dataset, version 1
        extent      334,264 rows in 4 parts, 3.6 MB
        location    /home/ann/.headwater/demo/flights
        pattern     *.parquet
        group       aircraft (each group in one part, proven)
        time        departure
        registered  2026-11-21 08:42:13Z by job 0198c7a2-aaaa

        ␛[1mcolumn   ␛[0m  ␛[1mtype  ␛[0m  ␛[1msql type␛[0m  ␛[1mmin␛[0m  ␛[1mmax ␛[0m  ␛[1mnulls␛[0m  ␛[1mdistinct per row␛[0m  ␛[1mmost frequent␛[0m
        aircraft   STRING  Utf8View  ␛[2m-  ␛[0m  ␛[2m-   ␛[0m      0  ␛[2m               -␛[0m
        dep_delay  INT     Int32     -43  1301  5,743            0.0016  0 5.0%, -2 4.1%

        ␛[1mnot for funnels␛[0m  ␛[1mwhy␛[0m
        blob             binary columns cannot be compared
        exit 0
    "#]].assert_eq(&scene.transcript(&["table", "show", "flights", "--full"]));
}

#[test]
fn a_piped_document_is_json_with_its_digits_and_order() {
    let text = r#"{"name":"x","zeta":1,"alpha":{"max":12345678901234567890123,"tiny":1e-400,"empty":{}},"list":[]}"#;
    let scene = Scene::new().route("GET /tables/x", [Reply::text(text)]);
    expect![[r#"
        > GET /tables/x
        {
          "name": "x",
          "zeta": 1,
          "alpha": {
            "max": 12345678901234567890123,
            "tiny": 1e-400,
            "empty": {}
          },
          "list": []
        }
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["table", "show", "x"]));
}

#[test]
fn names_travel_as_they_are() {
    let scene = Scene::new().route("GET /tables/a%2Fb%20c%3F%22%C3%A9", [Reply::json(&flights())]);
    let played = scene.play(&["table", "show", "a/b c?\"é", "-q"]);
    assert_eq!((played.code as i32, played.output.as_str()), (0, "a/b c?\"é\n"));
}

#[test]
fn a_missing_table() {
    let missing =
        Problem::new(404, "HW-T001", "no such table", "there is no table `flight`").help("did you mean `flights`?");
    let scene = || Scene::new().route("GET /tables/flight", [Reply::problem(&missing)]);
    expect![[r#"
        > GET /tables/flight
        ! error[HW-T001]: there is no table `flight`
        ! help: did you mean `flights`?
        exit 4
    "#]]
    .assert_eq(&scene().transcript(&["table", "show", "flight"]));
    expect![[r#"
        > GET /tables/flight
        ! {"type":"urn:headwater:error:HW-T001","title":"no such table","status":404,"detail":"there is no table `flight`","code":"HW-T001","aliases":[],"help":"did you mean `flights`?","errors":[]}
        exit 4
    "#]].assert_eq(&scene().transcript(&["table", "show", "flight", "--format", "json"]));
}

#[test]
fn parts_are_a_list() {
    let parts = json!({"items": [{"path": "part-0.parquet", "bytes": 935_860, "rows": 86575}, {"path": "x.parquet", "bytes": 12}]});
    let scene = Scene::new()
        .terminal()
        .route("GET /tables/flights/parts?limit=50", [Reply::json(&parts)]);
    expect![[r#"
        > GET /tables/flights/parts?limit=50
        ␛[1mpart          ␛[0m  ␛[1m  rows␛[0m  ␛[1m    size␛[0m
        part-0.parquet  86,575  935.9 kB
        x.parquet       ␛[2m     -␛[0m      12 B
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["table", "show", "flights", "--parts"]));
}

#[test]
fn runs_of_a_table_are_jobs() {
    let scene = Scene::new().terminal().route(
        "GET /jobs?table=my+table&limit=5",
        [Reply::json(&json!({"items": [job("funnel", json!({}))]}))],
    );
    expect![[r#"
        > GET /jobs?table=my+table&limit=5
        ␛[1mjob     ␛[0m  ␛[1mkind  ␛[0m  ␛[1mstate    ␛[0m  ␛[1mtables␛[0m  ␛[1mtasks␛[0m  ␛[1mcreated             ␛[0m  ␛[1m  took␛[0m  ␛[1merror␛[0m
        7a2-aaaa  funnel  ␛[32msucceeded␛[0m  ␛[2m-     ␛[0m      2  2026-11-21 08:42:13Z  1.50 s
        exit 0
    "#]].assert_eq(&scene.transcript(&["table", "runs", "my table", "-n", "5"]));
}

fn registered() -> Reply {
    let mut job = job(
        "register",
        json!({"success": true, "requestId": "1-2", "dataset": {"totalParts": 4}}),
    );
    job["warnings"] =
        json!([{"code": "HW-T040", "message": "column `blob` cannot be used", "pointer": "/columns/blob"}]);
    stream(&job)
}

#[test]
fn register_sends_absolute_paths_and_proposes_the_next_command() {
    let scene = Scene::new()
        .terminal()
        .route("POST /tables?stream=true", [registered()])
        .route("GET /tables/flights", [Reply::json(&flights())]);
    let words = [
        "table",
        "register",
        "flights",
        "./demo/flights",
        "--group",
        "aircraft",
        "--time",
        "departure",
        "--groups",
        "split",
        "--validation",
        "first-last",
        "--skip-uniques",
        "--recursive",
        "--pattern",
        "*.pq",
        "--data-dir",
        "my data",
    ];
    expect![[r#"
        > POST /tables?stream=true {"name":"flights","path":"/home/ann/demo/flights","group":"aircraft","time":"departure","pattern":"*.pq","recursive":true,"groups":"split","validation":"first_last","validate_uniques":false}
        > GET /tables/flights
        registered table `flights`: 334,264 rows in 4 parts, 3.6 MB
        ! ␛[1;33mwarning:␛[0m /columns/blob: column `blob` cannot be used
        ! ␛[1;33mwarning:␛[0m funnels cannot use: blob
        ! try: headwater --data-dir 'my data' funnel run flights --empty
        exit 0
    "#]].assert_eq(&scene.transcript(&words));
}

#[test]
fn register_piped_prints_the_result_document() {
    let scene = Scene::new().route("POST /tables?timeout=90s&stream=true", [registered()]);
    let words = ["table", "register", "x", "s3://shop/events/", "--timeout", "90s"];
    expect![[r#"
        > POST /tables?timeout=90s&stream=true {"name":"x","path":"s3://shop/events/"}
        {
          "success": true,
          "requestId": "1-2",
          "dataset": {
            "totalParts": 4
          }
        }
        ! warning: /columns/blob: column `blob` cannot be used
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&words));
}

#[test]
fn detach_needs_a_server() {
    expect![[r#"
        ! error[HW-C050]: `--detach` needs a server that goes on with the job, and none is running
        ! help: start one with `headwater up`
        exit 2
    "#]]
    .assert_eq(&Scene::new().transcript(&["table", "register", "x", "d", "--detach"]));
}

fn failed_registration() -> Value {
    let mut job = job("register", json!(null));
    job["state"] = json!("failed");
    job["error"] = json!({
        "type": "urn:headwater:error:HW-T011", "title": "the parts do not fit", "status": 422, "code": "HW-T011", "class": "data",
        "detail": "groups straddle parts: 10 distinct ids, 12 in sum", "help": "add `--groups split`",
    });
    job
}

#[test]
fn a_failed_registration_ends_by_its_class() {
    let scene = || Scene::new().route("POST /tables?stream=true", [stream(&failed_registration())]);
    expect![[r#"
        > POST /tables?stream=true {"name":"x","path":"/home/ann/d"}
        ! error[HW-T011]: groups straddle parts: 10 distinct ids, 12 in sum
        ! help: add `--groups split`
        exit 1
    "#]]
    .assert_eq(&scene().transcript(&["table", "register", "x", "d"]));
    let played = scene().play(&["table", "register", "x", "d", "--format", "json"]);
    assert_eq!((played.output.as_str(), played.code as i32), ("", 1));
    let problem: Problem = serde_json::from_str(&played.errors).unwrap();
    assert_eq!(problem.code, "HW-T011");
}

fn droppable() -> Scene {
    let dropped = job("drop", json!({"success": true, "datasetFound": true}));
    Scene::new()
        .route("GET /tables/flights", [Reply::json(&flights())])
        .route("DELETE /tables/flights?stream=true", [stream(&dropped)])
        .route("DELETE /tables/flights?force=true&stream=true", [stream(&dropped)])
}

#[test]
fn drop_asks_and_names_what_is_lost() {
    expect![[r#"
        > GET /tables/flights
        > DELETE /tables/flights?stream=true
        dropped table `flights`
        ! drop table `flights` (dataset, 334,264 rows in 4 parts, 3.6 MB)? Its files stay where they are. [y/N]
        exit 0
    "#]]
    .assert_eq(
        &droppable()
            .terminal()
            .input("y\n")
            .transcript(&["table", "drop", "flights"]),
    );
    expect![[r#"
        > GET /tables/flights
        ! drop table `flights` (dataset, 334,264 rows in 4 parts, 3.6 MB)? Its files stay where they are. [y/N] nothing was changed
        exit 130
    "#]].assert_eq(
        &droppable()
            .terminal()
            .input("\n")
            .transcript(&["table", "drop", "flights"]),
    );
}

#[test]
fn drop_without_a_terminal_wants_a_yes() {
    expect![[r#"
        > GET /tables/flights
        ! error[HW-C054]: table `flights` (dataset, 334,264 rows in 4 parts, 3.6 MB) would be lost, and nobody can be asked here
        ! help: add --yes
        exit 2
    "#]].assert_eq(&droppable().transcript(&["table", "drop", "flights"]));
    expect![[r#"
        > DELETE /tables/flights?force=true&stream=true
        {
          "success": true,
          "datasetFound": true
        }
        exit 0
    "#]]
    .assert_eq(&droppable().transcript(&["table", "drop", "flights", "--yes", "--force"]));
}

#[test]
fn dropping_what_is_not_there_loses_nothing() {
    let missing = Problem::new(404, "HW-T001", "no such table", "there is no table `x`");
    let scene = Scene::new()
        .terminal()
        .route("GET /tables/x", [Reply::problem(&missing)])
        .route(
            "DELETE /tables/x?stream=true",
            [stream(&job("drop", json!({"success": true, "datasetFound": false})))],
        );
    expect![[r#"
        > GET /tables/x
        > DELETE /tables/x?stream=true
        there was no table `x`
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["table", "drop", "x"]));
}

fn repartitioned(mode: &str, written: u64) -> Reply {
    let result = json!({
        "success": true, "table": "flights_by_aircraft", "source": "flights", "mode": mode, "rows": 334_264,
        "bytes": 3_641_024, "parts": 16, "partsWritten": written, "sourcePartsTaken": 1, "sourceRowsTaken": 900,
    });
    stream(&job("repartition", result))
}

#[test]
fn repartition_tells_what_was_made() {
    let check = |mode: &str, written: u64, expected: &expect_test::Expect| {
        let scene = Scene::new().terminal().route(
            "POST /tables/flights/repartition?stream=true",
            [repartitioned(mode, written)],
        );
        expected.assert_eq(&scene.transcript(&["table", "repartition", "flights", "--parts", "16"]));
    };
    check(
        "full",
        16,
        &expect![[r#"
        > POST /tables/flights/repartition?stream=true {"parts":16}
        made table `flights_by_aircraft`: 334,264 rows in 16 parts, 3.6 MB
        ! try: headwater funnel run flights_by_aircraft --empty
        exit 0
    "#]],
    );
    check(
        "incremental",
        3,
        &expect![[r#"
        > POST /tables/flights/repartition?stream=true {"parts":16}
        table `flights_by_aircraft` took in 900 rows of 1 new part: 334,264 rows in 16 parts, 3.6 MB, 3 parts written
        ! try: headwater funnel run flights_by_aircraft --empty
        exit 0
    "#]],
    );
    check(
        "unchanged",
        0,
        &expect![[r#"
        > POST /tables/flights/repartition?stream=true {"parts":16}
        table `flights_by_aircraft` holds all rows already: 334,264 rows in 16 parts, 3.6 MB
        ! try: headwater funnel run flights_by_aircraft --empty
        exit 0
    "#]],
    );
}

#[test]
fn export_sends_an_absolute_place_and_tells_the_files() {
    let result = json!({
        "success": true, "table": "flights", "to": "/home/ann/out/", "format": "csv", "files": ["a", "b"], "rows": 10, "bytes": 2_000,
    });
    let scene = Scene::new().terminal().route(
        "POST /tables/flights/export?stream=true",
        [stream(&job("export", result))],
    );
    let args = [
        "table",
        "export",
        "flights",
        "out",
        "--as",
        "csv",
        "--columns",
        "a,b",
        "--filter",
        "a > 1",
        "--overwrite",
    ];
    expect![[r#"
        > POST /tables/flights/export?stream=true {"to":"/home/ann/out","format":"csv","columns":["a","b"],"filter":"a > 1","overwrite":true}
        wrote 10 rows to `/home/ann/out/`: 2 files, 2.0 kB
        exit 0
    "#]].assert_eq(&scene.transcript(&args));
}
