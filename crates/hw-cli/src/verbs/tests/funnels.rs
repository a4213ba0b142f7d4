use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::tests::{Piece, Reply, Scene, job, stream};

const QUERY: &str = r#"{"funnel":{"sequence":[{"filter":["event","==","view"]},{"filters":[{"column":"event","op":"==","value":"buy"},{"column":"price","op":">","value":10}]},{"filter":["event","==","refund"],"rowFound":false}]}}"#;

fn result() -> Value {
    json!({
        "success": true, "requestId": "1795250533-0000aaaa", "query": {"matchingGroups": 4043, "matchingGroupRows": 334_264},
        "funnel": {"sequence": [
            {"matchingGroups": 3978, "matchingGroupRows": 334_190},
            {"matchingGroups": 1989, "matchingGroupRows": 263_067},
            {"matchingGroups": 1, "matchingGroupRows": 57}
        ]},
        "stats": {"totalTime": 0.125, "dataset": {"totalSize": 3_641_024, "parts": 4}, "worker": {"scannedRows": 334_264}}
    })
}

fn runnable(result: Value) -> Scene {
    Scene::new().route("POST /funnels/run?stream=true", [stream(&job("funnel", result))])
}

#[track_caller]
fn check_chart(query: &str, result: Value, expect: Expect) {
    let played = runnable(result).terminal().play(&["funnel", "run", "t", "-s", query]);
    expect.assert_eq(&played.output);
}

#[test]
fn a_funnel_on_a_terminal_is_bars() {
    let scene = runnable(result()).terminal();
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"flights","query":{"funnel":{"sequence":[{"filter":["event","==","view"]},{"filters":[{"column":"event","op":"==","value":"buy"},{"column":"price","op":">","value":10}]},{"filter":["event","==","refund"],"rowFound":false}]}}}
        4,043 groups, with 334,264 rows

        ␛[1mstep                         ␛[0m  ␛[1mgroups␛[0m  ␛[1m                             ␛[0m  ␛[1mof previous␛[0m  ␛[1mof first␛[0m  ␛[1m   rows␛[0m
        1 event == view                 3,978  █████████████████████████████       100.0%    100.0%  334,190
        2 event == buy and price > 10   1,989  ██████████████▌                      50.0%     50.0%  263,067
        3 no event == refund                1  ▏                                     0.1%      0.0%       57
        ! ␛[2m4 parts · 334,264 rows read · 3.6 MB · 125 ms · job 0198c7a2-aaaa␛[0m
        exit 0
    "#]].assert_eq(&scene.transcript(&["funnel", "run", "flights", "-s", QUERY]));
}

#[test]
fn bars_without_unicode() {
    let played = runnable(result())
        .terminal()
        .variable("LC_ALL", "C")
        .play(&["funnel", "run", "flights", "-s", QUERY]);
    expect![[r#"
        4,043 groups, with 334,264 rows

        [1mstep                         [0m  [1mgroups[0m  [1m                             [0m  [1mof previous[0m  [1mof first[0m  [1m   rows[0m
        1 event == view                 3,978  #############################       100.0%    100.0%  334,190
        2 event == buy and price > 10   1,989  ##############                       50.0%     50.0%  263,067
        3 no event == refund                1  #                                     0.1%      0.0%       57
    "#]].assert_eq(&played.output);
}

#[test]
fn a_funnel_as_csv_has_a_row_per_step() {
    let scene = runnable(result());
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"flights","query":{"funnel":{"sequence":[{"filter":["event","==","view"]},{"filters":[{"column":"event","op":"==","value":"buy"},{"column":"price","op":">","value":10}]},{"filter":["event","==","refund"],"rowFound":false}]}}}
        step,matching_groups,matching_group_rows,step_rate,total_rate
        1,3978,334190,1,1
        2,1989,263067,0.5,0.5
        3,1,57,0.000503,0.000251
        exit 0
    "#]].assert_eq(
        &scene
            .transcript(&["funnel", "run", "flights", "-s", QUERY, "--format", "csv"])
            .replace('\r', ""),
    );
}

#[test]
fn a_query_without_funnel_as_csv() {
    let scene = runnable(json!({"success": true, "query": {"matchingGroups": 5, "matchingGroupRows": 12}}));
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"t","query":{}}
        matching_groups,matching_group_rows
        5,12
        exit 0
    "#]]
    .assert_eq(
        &scene
            .transcript(&["funnel", "run", "t", "--empty", "--format", "csv"])
            .replace('\r', ""),
    );
}

#[test]
fn a_piped_funnel_is_the_result_document() {
    let scene = runnable(
        json!({"success": true, "query": {"matchingGroups": 5, "matchingGroupRows": 12}, "stats": {"x": 0.1}}),
    );
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"t","query":{}}
        {
          "success": true,
          "query": {
            "matchingGroups": 5,
            "matchingGroupRows": 12
          },
          "stats": {
            "x": 0.1
          }
        }
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["funnel", "run", "t", "-e"]));
}

#[test]
fn quiet_prints_the_job() {
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"t","query":{}}
        0198c7a2-aaaa
        exit 0
    "#]]
    .assert_eq(&runnable(result()).transcript(&["funnel", "run", "t", "-e", "-q"]));
}

#[test]
fn the_query_travels_as_it_was_written() {
    let text = "{\"timeframe\": {\"from\": 1700000000000000001}, \"query\": {\"b\": 1, \"a\": 2, \"b\": 3}}";
    let played = runnable(result()).play(&["funnel", "run", "t", "--string", text]);
    assert_eq!(
        played.requests[0],
        format!("POST /funnels/run?stream=true {{\"table\":\"t\",\"query\":{text}}}")
    );
}

#[test]
fn a_query_from_standard_input() {
    let played = runnable(result())
        .input("\u{feff}{}\n")
        .play(&["funnel", "run", "t", "-f", "-"]);
    assert_eq!(
        played.requests[0],
        r#"POST /funnels/run?stream=true {"table":"t","query":{}}"#
    );
}

#[test]
fn files_go_by_absolute_paths_and_tables_by_name() {
    let request = |words: &[&str]| {
        runnable(result())
            .play(&[&["funnel", "run"], words, &["-e"]].concat())
            .requests[0]
            .clone()
    };
    let columns = ["--group", "user", "--time", "ts"];
    expect![[
        r#"POST /funnels/run?stream=true {"table":"/home/ann/data/*.parquet","query":{},"group":"user","time":"ts"}"#
    ]]
    .assert_eq(&request(&[&["data/*.parquet"], &columns[..]].concat()));
    expect![[r#"POST /funnels/run?stream=true {"table":"s3://shop/events/","query":{},"group":"user","time":"ts"}"#]]
        .assert_eq(&request(&[&["s3://shop/events/"], &columns[..]].concat()));
    expect![[r#"POST /funnels/run?stream=true {"table":"events","query":{},"group":"user","time":"ts"}"#]]
        .assert_eq(&request(&[&["events"], &columns[..]].concat()));
    expect![[r#"POST /funnels/run?stream=true {"table":"a/b","query":{}}"#]].assert_eq(&request(&["a/b"]));
}

#[test]
fn exports_and_options() {
    let request = |words: &[&str]| {
        let scene = Scene::new().route(
            "POST /funnels/run?timeout=10m&stream=true",
            [stream(&job("funnel", result()))],
        );
        scene
            .play(&[&["funnel", "run", "t", "-e", "--timeout", "10m"], words].concat())
            .requests[0]
            .clone()
    };
    expect![[r#"POST /funnels/run?timeout=10m&stream=true {"table":"t","query":{},"export":{"table":"buyers","step":2},"cache":false}"#]].assert_eq(&request(&["--export-groups", "buyers", "--step", "2", "--no-cache"]));
    expect![[r#"POST /funnels/run?timeout=10m&stream=true {"table":"t","query":{},"export":{"file":"/home/ann/out/buyers.parquet","step":"last"}}"#]].assert_eq(&request(&["--export-groups", "out/buyers.parquet", "--step", "last"]));
}

#[test]
fn exactly_one_query() {
    for words in [
        &["funnel", "run", "t"][..],
        &["funnel", "run", "t", "-e", "-s", "{}"],
        &["funnel", "run", "t", "-e", "--step", "1"],
    ] {
        let played = Scene::new().play(words);
        assert_eq!((played.code as i32, played.requests.len()), (2, 0), "{words:?}");
    }
}

#[test]
fn a_query_that_is_no_json() {
    expect![[r#"
        ! error[HW-C056]: --string is not JSON: expected value
        !   --> --string:2:9
        !    |
        !  2 |   {"a": }}
        !    |         ^ expected value
        exit 3
    "#]]
    .assert_eq(&Scene::new().transcript(&["funnel", "run", "t", "-s", "{\"query\": \n  {\"a\": }}"]));
}

#[test]
fn a_file_that_is_not_there() {
    expect![[r#"
        ! error[HW-C055]: cannot read `checkot.json`: No such file or directory (os error 2)
        ! help: check the path; `-` reads standard input
        exit 3
    "#]]
    .assert_eq(&Scene::new().transcript(&["funnel", "run", "t", "-f", "checkot.json"]));
}

#[test]
fn findings_of_a_failed_funnel_stand_under_the_query() {
    let mut failed = job("funnel", json!(null));
    failed["state"] = json!("failed");
    failed["error"] = json!({
        "type": "urn:headwater:error:HW-F001", "title": "the query has faults", "status": 422, "code": "HW-F001", "class": "input",
        "detail": "the query has 2 faults",
        "errors": [
            {"code": "HW-F001", "kind": "SCHEMA", "message": "unknown key `colour`", "pointer": "/query/colour", "help": "did you mean `column`?"},
            {"code": "HW-F007", "kind": "DATASET_MISMATCH", "message": "no column `evnt` in table `t`", "pointer": "/funnel/sequence/0/filter/0"}
        ]
    });
    let folder = tempfile::tempdir().unwrap();
    let query = "{\n  \"query\": {\"colour\": 1},\n  \"funnel\": {\"sequence\": [\n    {\"filter\": [\"evnt\", \"==\", \"view\"]}\n  ]}\n}\n";
    std::fs::write(folder.path().join("checkout.json"), query).unwrap();
    let scene = Scene::new()
        .folder(folder.path())
        .route("POST /funnels/run?stream=true", [stream(&failed)]);
    let played = scene.play(&["funnel", "run", "t", "-f", "checkout.json"]);
    expect![[r#"
        error[HW-F001]: the query has 2 faults
          --> checkout.json:2:13
           |
         2 |   "query": {"colour": 1},
           |             ^^^^^^^^^^^ unknown key `colour`
           = help: did you mean `column`?
          --> checkout.json:4:17
           |
         4 |     {"filter": ["evnt", "==", "view"]}
           |                 ^^^^^^ no column `evnt` in table `t` [HW-F007]
    "#]]
    .assert_eq(&played.errors);
    assert_eq!(played.code as i32, 3);
}

#[test]
fn an_answer_from_before_says_so() {
    let mut cached = job("funnel", result());
    cached["cached_from"] = json!("0198c700-bbbb");
    let scene = Scene::new()
        .terminal()
        .route("POST /funnels/run?stream=true", [stream(&cached)]);
    expect![[r#"
        [2m4 parts · 334,264 rows read · 3.6 MB · 125 ms · as answered before by job 0198c700-bbbb (--no-cache runs it again)[0m
    "#]].assert_eq(&scene.play(&["funnel", "run", "t", "-e"]).errors);
}

#[test]
fn a_large_result_is_fetched() {
    let mut large = job("funnel", json!(null));
    large.as_object_mut().unwrap().remove("result");
    let scene = Scene::new()
        .route("POST /funnels/run?stream=true", [stream(&large)])
        .route(
            "GET /jobs/0198c7a2-aaaa/result",
            [Reply::json(&json!({"success": true}))],
        );
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"t","query":{}}
        > GET /jobs/0198c7a2-aaaa/result
        {
          "success": true
        }
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["funnel", "run", "t", "-e"]));
}

#[test]
fn ctrl_c_cancels_the_job_and_waits_for_its_end() {
    let mut cancelled = job("funnel", json!(null));
    cancelled["state"] = json!("cancelled");
    let progress = r#"{"progress":{"stage":"reading","tasks":{"running":2}}}"#;
    let body = vec![
        Piece::Data(format!("{progress}\n").into()),
        Piece::Interrupt,
        Piece::Wait(std::time::Duration::from_millis(50)),
        Piece::Data(format!("{}\n", json!({"job": cancelled})).into()),
        Piece::Never,
    ];
    let scene = Scene::new()
        .route(
            "POST /funnels/run?stream=true",
            [Reply::pieces(body).header("location", "/api/v1/jobs/0198c7a2-aaaa")],
        )
        .route("POST /jobs/0198c7a2-aaaa/cancel", [Reply::json(&cancelled)]);
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"t","query":{}}
        > POST /jobs/0198c7a2-aaaa/cancel {"reason":"interrupted by the user"}
        ! cancelling job 0198c7a2-aaaa; Ctrl-C again leaves at once
        ! job 0198c7a2-aaaa was cancelled
        exit 130
    "#]]
    .assert_eq(&scene.transcript(&["funnel", "run", "t", "-e"]));
}

#[test]
fn ctrl_c_before_the_answer_drops_the_request() {
    let body = vec![Piece::Interrupt, Piece::Never];
    let scene = Scene::new().route("POST /funnels/run?stream=true", [Reply::pieces(body)]);
    expect![[r#"
        > POST /funnels/run?stream=true {"table":"t","query":{}}
        ! cancelled
        exit 130
    "#]]
    .assert_eq(&scene.transcript(&["funnel", "run", "t", "-e"]));
}

#[test]
fn outcomes_are_exit_codes() {
    let exit = |state: &str, partial: bool| {
        let mut ended = job("funnel", json!({"success": true}));
        ended["state"] = json!(state);
        ended["partial"] = json!(partial);
        let scene = Scene::new().route("POST /funnels/run?stream=true", [stream(&ended)]);
        scene.play(&["funnel", "run", "t", "-e"]).code as i32
    };
    assert_eq!(exit("succeeded", false), 0);
    assert_eq!(exit("succeeded", true), 8);
    assert_eq!(exit("failed", false), 1);
    assert_eq!(exit("cancelled", false), 130);
    assert_eq!(exit("timed_out", false), 7);
}

#[test]
fn a_stream_that_ends_early_or_tells_a_fault() {
    let early = Scene::new().route(
        "POST /funnels/run?stream=true",
        [Reply::lines(&[json!({"progress": {"tasks": {}}})])],
    );
    expect![[r#"
        error[HW-C053]: the answer broke off: the job's stream ended before the job
        help: what was printed before is incomplete: run the command again
    "#]]
    .assert_eq(&early.play(&["funnel", "run", "t", "-e"]).errors);
    let fault = json!({"error": {"type": "x", "title": "x", "status": 503, "detail": "the store went away", "code": "HW-S001"}});
    let told = Scene::new()
        .route("POST /funnels/run?stream=true", [Reply::lines(&[fault])])
        .play(&["funnel", "run", "t", "-e"]);
    assert_eq!(
        (told.errors.as_str(), told.code as i32),
        ("error[HW-S001]: the store went away\n", 6)
    );
}

#[test]
fn aggregations_are_small_tables() {
    let result = json!({"success": true, "query": {"matchingGroups": 2, "matchingGroupRows": 7, "aggregations": [
        {"column": "price", "type": "count", "value": 7, "name": "priced"},
        {"column": "device", "type": "sumPerValue", "value": {"tablet": 0.0, "mobile": 33.5, "a\u{1b}b": 33.5}, "top": 10},
        {"column": "price", "type": "max", "value": null}
    ]}});
    check_chart(
        "{\"query\":{\"conditions\":[{\"filter\":[\"event\",\"==\",\"buy\"]}]}}",
        result,
        expect![[r#"
            2 groups match the conditions, with 7 rows

            [1maggregation            [0m  [1mvalue[0m
            priced (count of price)      7
            max of price                 -

            [1msumPerValue of device[0m
              a\u{1b}b  33.5
              mobile    33.5
              tablet       0
        "#]],
    );
}

#[test]
fn step_times_breakdown_and_comparison() {
    let step = |groups: u64| json!({"matchingGroups": groups, "matchingGroupRows": groups * 2});
    let result = json!({"success": true, "query": {"matchingGroups": 10, "matchingGroupRows": 20},
        "funnel": {"sequence": [
            {"matchingGroups": 10, "matchingGroupRows": 20, "aggregations": [{"column": "price", "type": "count", "value": 6}]},
            {"matchingGroups": 4, "matchingGroupRows": 8, "sincePrevious": {"count": 4, "mean": 12.25, "p50": 10, "p90": 30, "p99": 31, "min": 1, "max": 31}}],
            "endAggregations": [{"column": "event", "type": "groupsPerValue", "value": {"buy": 1}}],
            "breakdown": [{"value": "mobile", "sequence": [step(6), step(3)]}, {"value": null, "sequence": [step(3), step(1)]},
                          {"other": true, "values": 12, "sequence": [step(1), step(0)]}]},
        "compare": {"matched": step(4), "rest": step(6)}});
    let query = r#"{"funnel":{"sequence":[{"filter":["event","is null"]},{"filter":["event","in",["a","b"]]}],"breakdown":{"column":"device"}}}"#;
    check_chart(
        query,
        result,
        expect![[r#"
        10 groups, with 20 rows

        [1mstep                [0m  [1mgroups[0m  [1m                              [0m  [1mof previous[0m  [1mof first[0m  [1mrows[0m
        1 event is null           10  ██████████████████████████████       100.0%    100.0%    20
        2 event in ["a","b"]       4  ████████████                          40.0%     40.0%     8

        [1mtime since the step before[0m  [1mgroups[0m  [1mmedian[0m  [1mp90[0m  [1m mean[0m  [1mmin[0m  [1mmax[0m
        2 event in ["a","b"]             4      10   30  12.25    1   31

        [1m1 event is null[0m
        [1maggregation   [0m  [1mvalue[0m
        count of price      6

        [1mafter the last step[0m
        [1mgroupsPerValue of event[0m
          buy  1

        [1mby device[0m
        [1mvalue      [0m  [1mstep 1[0m  [1mstep 2[0m  [1mof first[0m
        mobile            6       3     50.0%
        (null)            3       1     33.3%
        (12 others)       1       0      0.0%

        [1m       [0m  [1mgroups[0m  [1mrows[0m
        matched       4     8
        rest          6    12
    "#]],
    );
}

fn validation(document: Value) -> Scene {
    Scene::new().route("POST /funnels/validate", [Reply::json(&document)])
}

fn faulty() -> Value {
    json!({"success": false, "errorKind": "SCHEMA", "errorMessage": "unknown key `x`",
           "errors": [{"code": "HW-F001", "kind": "SCHEMA", "message": "unknown key `x`", "pointer": "/x"}], "warnings": []})
}

#[test]
fn findings_of_validate_are_data() {
    let words = ["funnel", "validate", "t", "-s", "{\"x\": 1}"];
    expect![[r#"
        > POST /funnels/validate {"table":"t","query":{"x":1}}
        ␛[1;31merror[HW-F001]:␛[0m ␛[1munknown key `x`␛[0m
          ␛[34m-->␛[0m --string:1:2
           ␛[34m|␛[0m
         ␛[34m1␛[0m ␛[34m|␛[0m {"x": 1}
           ␛[34m|␛[0m  ␛[1;31m^^^^^^␛[0m ␛[1;31munknown key `x`␛[0m
        exit 3
    "#]]
    .assert_eq(&validation(faulty()).terminal().transcript(&words));
    expect![[r#"
        > POST /funnels/validate {"table":"t","query":{"x":1}}
        {
          "success": false,
          "errorKind": "SCHEMA",
          "errorMessage": "unknown key `x`",
          "errors": [
            {
              "code": "HW-F001",
              "kind": "SCHEMA",
              "message": "unknown key `x`",
              "pointer": "/x"
            }
          ],
          "warnings": []
        }
        exit 3
    "#]]
    .assert_eq(&validation(faulty()).transcript(&words));
    let quiet = validation(faulty()).play(&["funnel", "validate", "t", "-e", "-q"]);
    assert_eq!((quiet.output.as_str(), quiet.code as i32), ("", 3));
}

#[test]
fn a_good_query_is_shown_as_it_will_be_understood() {
    let document = json!({"success": true, "errors": [], "usedColumns": ["user", "ts", "event"],
        "warnings": [{"code": "HW-F020", "message": "condition `$1` has no effect", "pointer": "/query/conditions/1"}],
        "expandedQuery": {"query": {"conditions": []}}});
    let scene = validation(document).terminal();
    expect![[r#"
        > POST /funnels/validate {"query":{}}
        the query is good
        columns read: user, ts, event
        as it will be understood:
        {
          "query": {
            "conditions": []
          }
        }
        ! ␛[1;33mwarning:␛[0m /query/conditions/1: condition `$1` has no effect
        exit 0
    "#]]
    .assert_eq(&scene.transcript(&["funnel", "validate", "--schema-only", "-s", "{}"]));
}

#[test]
fn a_text_that_is_no_json_is_validated_as_a_text() {
    let played = validation(faulty()).play(&["funnel", "validate", "t", "-s", "{oops"]);
    assert_eq!(
        played.requests[0],
        r#"POST /funnels/validate {"table":"t","query":"{oops"}"#
    );
}

fn explanation() -> Value {
    json!({
        "tasks": 4, "way": "pages", "reason": "registered parts, each matched by itself",
        "strategy": {"name": "streaming", "reason": "all steps are positive"}, "groups": "contained",
        "columns": [
            {"name": "user", "type": "Int64", "uses": ["group"],
             "stored": {"row_groups": 6, "dictionary_row_groups": 6, "bytes": 120_000, "unfolded_bytes": 240_000},
             "read": {"row_groups": 6, "dictionary_row_groups": 6, "entries": 4_043, "flat_rows": 0, "bytes": 120_000, "unfolded_bytes": 240_000}},
            {"name": "event", "type": "Utf8", "uses": ["filter", "aggregation"],
             "stored": {"row_groups": 6, "dictionary_row_groups": 4, "bytes": 90_000, "unfolded_bytes": 91_000},
             "read": {"row_groups": 6, "dictionary_row_groups": 4, "entries": 12, "flat_rows": 1_000, "bytes": 90_000, "unfolded_bytes": 91_000}}
        ],
        "predicates": [
            {"column": "event", "op": "==", "value": "buy", "per": "mixed",
             "places": ["/query/conditions/0/sequence/1/filter", "/funnel/sequence/1/filters/0"]},
            {"column": "user", "op": "is null", "per": "dictionary", "places": ["/query/conditions/1/filter"]}
        ],
        "parts": {"total": 4, "pruned": 1}, "row_groups": {"total": 8, "pruned": 2},
        "memory": {"limit": 256_000_000, "decoding": 500_000},
        "analysis": {
            "elapsed_ms": 12.5, "matchers": 4, "restarted": 1, "rejoined": 0, "second_passes": 0, "row_groups_without_match": 1,
            "stages": [
                {"stage": "stored", "rows": 400_000, "bytes": 300_000},
                {"stage": "timeframe", "rows": 334_264, "groups": 4_043, "bytes": 80_000},
                {"stage": "passed", "rows": 57, "groups": 1}
            ],
            "times": [{"activity": "decode", "ms": 7.5}, {"activity": "second_pass", "ms": 0.0}, {"activity": "matching", "ms": 2.5}]
        },
        "plan": {"text": "FunnelExec\n└─ DataSourceExec\n", "plan": {}}
    })
}

fn explained(document: Value) -> Scene {
    Scene::new().route("POST /funnels/explain", [Reply::json(&document)])
}

#[test]
fn how_a_funnel_is_carried_out() {
    let words = ["funnel", "explain", "flights", "-s", "{}", "--analyze"];
    expect![[r#"
        > POST /funnels/explain {"table":"flights","query":{},"analyze":true}
        way         straight from the pages of parts: registered parts, each matched by itself
        strategy    streaming: all steps are positive
        groups      contained
        tasks       4
        parts       4, 1 ruled out by the timeframe
        row groups  8, 2 ruled out by the timeframe, 1 without a row that serves
        memory      500.0 kB to decode a row group, 256.0 MB at most for all
        run         12.50 ms, 4 matchers, 1 of them again since rows were out of order

        ␛[1mcolumn␛[0m  ␛[1mtype ␛[0m  ␛[1mread for           ␛[0m  ␛[1m  stored␛[0m  ␛[1mas dictionary␛[0m  ␛[1m    read␛[0m  ␛[1m decoded␛[0m  ␛[1mentries␛[0m  ␛[1mplain rows␛[0m
        user    Int64  group                120.0 kB         6 of 6  120.0 kB  240.0 kB    4,043           0
        event   Utf8   filter, aggregation   90.0 kB         4 of 6   90.0 kB   91.0 kB       12       1,000

        ␛[1mpredicate     ␛[0m  ␛[1mlooked at                                          ␛[0m  ␛[1min␛[0m
        event == "buy"  per entry, and per row where there is no dictionary  condition 1 step 2, step 2
        user is null    per entry of the dictionary                          condition 2

        ␛[1mstage    ␛[0m  ␛[1m   rows␛[0m  ␛[1mgroups␛[0m  ␛[1m   bytes␛[0m
        stored     400,000  ␛[2m     -␛[0m  300.0 kB
        timeframe  334,264   4,043   80.0 kB
        passed          57       1  ␛[2m       -␛[0m

        ␛[1mtime in    ␛[0m  ␛[1mof all threads␛[0m  ␛[1m                    ␛[0m  ␛[1mshare␛[0m
        decode              7.50 ms  ███████████████       75.0%
        second pass         0.00 ms                         0.0%
        matching            2.50 ms  █████                 25.0%
        exit 0
    "#]].assert_eq(&explained(explanation()).terminal().transcript(&words));
}

#[test]
fn a_plan_is_shown_where_it_is_taken() {
    let mut document = explanation();
    document["way"] = json!("plan");
    document["reason"] = json!("only the plain matcher takes this query");
    for member in ["analysis", "parts", "row_groups"] {
        document.as_object_mut().unwrap().remove(member);
    }
    document["memory"] = json!({"limit": 1000});
    document["columns"] = json!([{"name": "user", "type": "Int64", "uses": ["group"]}]);
    document["predicates"] = json!([]);
    let words = ["funnel", "explain", "flights", "-e"];
    expect![[r#"
        > POST /funnels/explain {"table":"flights","query":{},"analyze":false}
        way       over a plan of the engine: only the plain matcher takes this query
        strategy  streaming: all steps are positive
        groups    contained
        tasks     4
        memory    1.0 kB at most

        ␛[1mcolumn␛[0m  ␛[1mtype ␛[0m  ␛[1mread for␛[0m
        user    Int64  group

        FunnelExec
        └─ DataSourceExec
        exit 0
    "#]]
    .assert_eq(&explained(document.clone()).terminal().transcript(&words));
    expect![[r#"
        plan
    "#]]
    .assert_eq(
        &explained(document.clone())
            .play(&["-q", "funnel", "explain", "flights", "-e"])
            .output,
    );
    let json = explained(document).play(&["--format", "json", "funnel", "explain", "flights", "-e"]);
    assert!(json.output.contains("\"way\": \"plan\""), "{}", json.output);
}
