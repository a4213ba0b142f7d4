//! Pure crates decide; they do not wait. Without `async` they cannot do I/O by accident, and their tests need no runtime.

use super::Finding;
use crate::source::lex;
use crate::tree::Tree;

/// Also those that are still to come.
const PURE: &[&str] = &[
    "hw-job",
    "hw-catalog",
    "hw-funnel",
    "hw-chart",
    "hw-plan",
    "hw-loop",
    "hw-options",
    "hw-bucket",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files("rs")
        .filter(|(path, _)| is_pure(path))
        .flat_map(|(path, text)| check_file(path, text))
        .collect()
}

fn is_pure(path: &str) -> bool {
    PURE.iter().any(|name| path.starts_with(&format!("crates/{name}/")))
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let lexemes = lex(text);
    let words = lexemes
        .iter()
        .filter(|lexeme| lexeme.is_code("async") || lexeme.is_code("await"));
    words
        .map(|word| Finding::new(path, word.line, format!("`{}` in a pure crate", word.text)))
        .collect()
}
