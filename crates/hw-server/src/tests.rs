//! The router as its clients see it: in process, with a store in memory and made-up kinds of jobs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod bodies;
pub(crate) mod certificates;
mod client;
mod events;
mod health;
mod jobs;
mod kinds;
mod lists;
mod rocket;
mod setting;
mod shell;
mod sql;
mod tables;
mod tasks;
mod tokens;

/// Compares a generated file with the one in the tree; `UPDATE_EXPECT=1` writes it instead.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch of the test tool is an environment variable"
)]
pub(crate) fn compare_with_file(path: &str, text: &str) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let folder = std::path::Path::new(path).parent().unwrap();
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "`{path}` is out of date: run the test with UPDATE_EXPECT=1 and review the diff"
    );
}

#[test]
fn the_committed_openapi_document_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
    compare_with_file(path, crate::openapi_text());
}

#[test]
fn every_reference_of_the_openapi_document_leads_somewhere() {
    let text = crate::openapi_text();
    let document: serde_json::Value = serde_json::from_str(text).unwrap();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name = text[at..]
            .trim_start_matches("#/components/schemas/")
            .split('"')
            .next()
            .unwrap();
        assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
    }
    let mut ids: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "operations have names of their own");
}
