//! `docs/reference/api.md` has the routes, parameters and body members of the OpenAPI document, and no other routes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::page;

/// Method and path of a route, as the page writes it: `GET /tables/{name}`.
fn written(method: &str, path: &str) -> String {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    format!("{} {path}", method.to_uppercase())
}

fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut found = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            found.push((written(method, path), operation));
        }
    }
    found
}

fn document() -> Value {
    serde_json::from_str(&page("docs/reference/openapi.json")).unwrap()
}

/// What stands in back-ticks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_page_has_every_route() {
    let text = page("docs/reference/api.md");
    let sections = text
        .split("\n## ")
        .filter(|section| section.split('\n').next().unwrap().ends_with("outes"));
    let rows = sections.flat_map(str::lines).filter_map(|line| line.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    let methods = ["GET ", "POST ", "DELETE "];
    let is_route = |code: &&str| methods.iter().any(|method| code.starts_with(method));
    let told: BTreeSet<String> = cells.flat_map(codes).filter(is_route).map(str::to_owned).collect();
    let document = document();
    let served: BTreeSet<String> = operations(&document).into_iter().map(|(route, _)| route).collect();
    assert_eq!(told, served);
}

#[test]
fn the_page_has_every_parameter_of_a_query() {
    let text = page("docs/reference/api.md");
    let told: BTreeSet<&str> = codes(&text)
        .map(|code| code.split(['=', ' ']).next().unwrap_or(code))
        .collect();
    let document = document();
    for (route, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(parameter["in"] != "query" || told.contains(name), "{route}: {name}");
        }
    }
}

#[test]
fn the_page_has_every_member_of_a_body() {
    let text = page("docs/reference/api.md");
    let document = document();
    for (route, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(members) = members(&document, schema) else {
            continue;
        };
        let row = text.lines().find(|line| line.starts_with(&format!("| `{route}` | `")));
        let row = row.unwrap_or_else(|| panic!("no row for the body of {route}"));
        let told: BTreeSet<&str> = codes(row).collect();
        for name in members.keys() {
            assert!(told.contains(name.as_str()), "{route}: {name}");
        }
    }
}

fn members<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Map<String, Value>> {
    let schema = match schema["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#'))?,
        None => schema,
    };
    schema["properties"].as_object()
}
