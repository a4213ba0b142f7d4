//! The committed OpenAPI document is the one that the server serves, and true answers are as it says.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::data;
use crate::harness::Sandbox;

#[test]
fn the_committed_openapi_document_is_the_one_served() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    let served: Value = up.get("/api/v1/openapi.json").is(200).json();
    let served = serde_json::to_string_pretty(&served).unwrap() + "\n";
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/openapi.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&committed, &served).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&committed).unwrap(),
        served,
        "run `cargo xtask openapi`"
    );
}

/// Every way in which a value is not what a schema says. Members that the schema does not name are faults too: the document is
/// to tell of all that is answered.
fn faults(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let named = document.pointer(name.trim_start_matches('#')).unwrap();
        return faults(document, named, value, place);
    }
    if let Some(choices) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array) {
        let tried: Vec<Vec<String>> = choices
            .iter()
            .map(|choice| faults(document, choice, value, place))
            .collect();
        return match tried.iter().any(Vec::is_empty) {
            true => Vec::new(),
            false => tried.into_iter().min_by_key(Vec::len).unwrap(),
        };
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all
            .iter()
            .flat_map(|part| faults(document, part, value, place))
            .collect();
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return Vec::new(),
    };
    if !types.iter().any(|name| is_of(name, value)) {
        return vec![format!("{place}: {value} is no {types:?}")];
    }
    if let Some(choices) = schema["enum"].as_array().filter(|choices| !choices.contains(value)) {
        return vec![format!("{place}: {value} is none of {choices:?}")];
    }
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| faults(document, &schema["items"], item, &format!("{place}/{index}")))
            .collect(),
        Value::Object(members) => faults_of_members(document, schema, members, place),
        _ => Vec::new(),
    }
}

fn faults_of_members(document: &Value, schema: &Value, members: &Map<String, Value>, place: &str) -> Vec<String> {
    let required = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let missing = required.filter(|name| !members.contains_key(*name));
    let mut found: Vec<String> = missing.map(|name| format!("{place}/{name} is missing")).collect();
    for (name, value) in members {
        let place = format!("{place}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => found.extend(faults(document, schema, value, &place)),
            (None, None) if schema["properties"].is_object() => found.push(format!("{place} is not in the document")),
            (None, None) => {}
        }
    }
    found
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type `{other}`"),
    }
}

#[test]
fn faults_are_found() {
    let document = json!({"components": {"schemas": {"Step": {"type": "object", "required": ["n"], "properties": {
        "n": {"type": "integer"}, "of": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/Step"}}}}}}});
    let schema = json!({"$ref": "#/components/schemas/Step"});
    let check = |value: Value, expected: &[&str]| assert_eq!(faults(&document, &schema, &value, ""), expected);
    check(json!({"n": 1, "of": [{"n": 2}]}), &[]);
    check(json!({"n": 1, "of": null}), &[]);
    check(
        json!({"of": [{"n": "x"}], "more": 1}),
        &[
            "/n is missing",
            "/of/0/n: \"x\" is no [\"integer\"]",
            "/more is not in the document",
        ],
    );
}

/// Checks an answer against the form that the document gives the answers of a route.
#[track_caller]
fn check(document: &Value, (method, path): (&str, &str), value: &Value) {
    let content = &document["paths"][path][method]["responses"]["200"]["content"]["application/json"];
    let schema = &content["schema"];
    assert!(schema.is_object(), "{method} {path} has no schema: {content}");
    let found = faults(document, schema, value, "");
    assert!(found.is_empty(), "{method} {path}: {found:#?}\n{value:#}");
}

#[test]
fn true_answers_are_as_the_document_says() {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    let up = sandbox.up();
    let document: Value = up.get("/api/v1/openapi.json").is(200).json();
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let step = |event: &str| json!({"filter": ["event", "==", event]});
    let full = json!({
        "query": {"conditions": [{"filter": ["price", ">", 0], "name": "paid"}, step("view")], "relation": "$paid or $1",
            "aggregations": [{"column": "event"}, {"column": "price", "type": "quantile", "q": 0.5, "name": "median"}]},
        "funnel": {"sequence": [step("view"), step("buy")], "stepTimes": true,
            "breakdown": {"column": "device", "top": 1}, "stepAggregations": [{"column": "price", "type": "sum"}],
            "endAggregations": [{"column": "device", "type": "countPerValue"}]},
        "compare": true,
    });
    let text = full.to_string();
    let run = ["funnel", "run", "events", "--string", &text, "--format", "json"];
    for more in [
        &[][..],
        &["--export-groups", "buyers"],
        &["--export-groups", "b.csv", "--step", "1"],
    ] {
        sandbox.ok([&run[..], more].concat());
    }
    let odd = json!({"query": {"conditions": [step("view"), step("buy")], "relation": "$0"}}).to_string();
    sandbox.ok(["funnel", "run", "events", "--string", &odd, "--format", "json"]);
    sandbox.ok(["table", "repartition", "events", "--to", "cut", "--parts", "2"]);
    sandbox.ok(["table", "export", "events", "all.parquet"]);
    sandbox.ok(["sql", "CREATE VIEW v AS SELECT 1 AS one"]);
    sandbox.ok(["table", "drop", "events", "--force", "--yes"]);
    let jobs: Value = up.get("/api/v1/jobs").is(200).json();
    let mut kinds = BTreeSet::new();
    for job in jobs["items"].as_array().unwrap() {
        kinds.insert(job["kind"].as_str().unwrap().to_owned());
        let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
        let result = up.get(&format!("{path}/result")).is(200).json();
        check(&document, ("get", "/api/v1/jobs/{job}/result"), &result);
        let record = up.get(&format!("{path}/export")).is(200).json();
        check(&document, ("get", "/api/v1/jobs/{job}/export"), &record);
        check(&document, ("get", "/api/v1/jobs/{job}"), &up.get(&path).is(200).json());
    }
    let expected = ["drop", "export", "funnel", "register", "repartition", "view"].map(str::to_owned);
    assert_eq!(kinds, BTreeSet::from(expected));
    let wrong = json!({"query": {"conditions": [{"filter": ["usr", "==", 1]}], "relation": "$7"}});
    for (table, query) in [("cut", &full), ("cut", &wrong)] {
        let answer = up.post("/api/v1/funnels/validate", &json!({"table": table, "query": query}));
        check(&document, ("post", "/api/v1/funnels/validate"), &answer.is(200).json());
    }
    let statement = "SELECT *, [1, NULL] AS l, TIMESTAMP '2020-01-01' AS t FROM cut";
    let rows = up.post("/api/v1/sql", &json!({"sql": statement}));
    check(&document, ("post", "/api/v1/sql"), &rows.is(200).json());
    drop(up);
}
