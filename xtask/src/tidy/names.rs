//! A module is named after what it is about. The names below say nothing, and such a module grows without end.

use super::Finding;
use crate::outline::{Body, outline};
use crate::tree::Tree;

const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "types", "misc", "manager", "prelude",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files("rs")
        .flat_map(|(path, text)| path_names(path).into_iter().chain(inline_names(path, text)))
        .collect()
}

fn path_names(path: &str) -> Option<Finding> {
    let parts = path
        .split('/')
        .map(|part| part.trim_end_matches(".rs").trim_start_matches("hw-"));
    let name = parts.into_iter().find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new(path, 0, complaint(name)))
}

fn inline_names(path: &str, text: &str) -> Vec<Finding> {
    let modules = outline(text)
        .modules
        .into_iter()
        .filter(|module| module.body == Body::Inline);
    let nameless = modules.filter(|module| EMPTY_NAMES.contains(&module.name.as_str()));
    nameless
        .map(|module| Finding::new(path, module.line, complaint(&module.name)))
        .collect()
}

fn complaint(name: &str) -> String {
    format!(
        "`{name}` says nothing: name the module after what it is about, or move each function to its main argument's module"
    )
}
