//! The page on the funnel language: its queries are what it says they are.

use serde_json::Value;

use super::{fences, page, write_tables};
use crate::harness::Sandbox;

const PAGE: &str = "docs/reference/funnel-query.md";

#[test]
fn queries_of_the_reference_hold() {
    let sandbox = Sandbox::new();
    write_tables(sandbox.path());
    for (table, time) in [("events", "ts"), ("visits", "at")] {
        sandbox.ok(["table", "register", table, table, "--group", "user", "--time", time]);
    }
    let mut above: Option<String> = None;
    let mut counts = [0; 3];
    for fence in fences(&page(PAGE)) {
        let place = format!("{PAGE}, line {}", fence.line);
        let (kind, query) = match fence.info.split_once(' ') {
            _ if fence.info == "json" => ("events", fence.text),
            Some(("json", kind)) => (kind, fence.text),
            _ => continue,
        };
        match kind {
            "events" | "visits" => {
                counts[0] += 1;
                let told = validate(&sandbox, kind, &query, 0, &place);
                assert_eq!(told["success"], true, "{place}: {told}");
                above = (kind == "events").then_some(query);
            }
            "answer" => {
                counts[1] += 1;
                let asked = above.take().unwrap_or_else(|| panic!("{place}: an answer to nothing"));
                let got = sandbox.json(["funnel", "run", "events", "--format", "json", "--string", &asked]);
                let wanted: Value = serde_json::from_str(&query).unwrap_or_else(|error| panic!("{place}: {error}"));
                check_answer(&wanted, &got, &place);
            }
            code => {
                counts[2] += 1;
                let told = validate(&sandbox, "events", &query, 3, &place);
                let errors = told["errors"].as_array().unwrap();
                let refused = !errors.is_empty() && errors.iter().all(|error| error["code"] == code);
                assert!(refused, "{place}: {told}");
            }
        }
    }
    assert!(
        counts.iter().all(|count| *count >= 5),
        "queries, answers, faults: {counts:?}"
    );
}

fn validate(sandbox: &Sandbox, table: &str, query: &str, code: i32, place: &str) -> Value {
    let ran = sandbox.run(["funnel", "validate", table, "--format", "json", "--string", query]);
    assert_eq!(ran.code, code, "{place}: {} {}", ran.stdout, ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{place}: {error}: {}", ran.stdout))
}

/// Every member that the page shows is in the answer, down to the entries of `query`, `funnel` and `compare`.
fn check_answer(wanted: &Value, got: &Value, place: &str) {
    for (member, wanted) in wanted.as_object().unwrap() {
        match wanted {
            Value::Object(inner) if member != "query" => {
                for (name, wanted) in inner {
                    assert_eq!(wanted, &got[member][name], "{place}: `{member}.{name}`");
                }
            }
            wanted => assert_eq!(wanted, &got[member], "{place}: `{member}`"),
        }
    }
}
