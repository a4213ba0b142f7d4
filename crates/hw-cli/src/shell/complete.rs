//! What the word before the cursor may become.

use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::dot::COMMANDS;
use super::highlight::{FUNCTIONS, KEYWORDS};
use super::names::{Known, Names};

/// Proposals shown at most.
const PROPOSALS_MAX: usize = 100;

/// Completes keywords, functions, tables, columns and dot commands.
pub(super) struct SqlCompleter {
    pub(super) names: Names,
}

impl Completer for SqlCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let before = line.get(..pos).unwrap_or(line);
        let start = word_start(before);
        let suggestion = |value: String| Suggestion {
            value,
            span: Span::new(start, before.len()),
            append_whitespace: true,
            ..Suggestion::default()
        };
        let proposals: Vec<Suggestion> = proposals(before, &self.names.known())
            .into_iter()
            .map(suggestion)
            .collect();
        CompletionResult::fresh(proposals)
    }
}

/// Where the word that ends `before` begins.
fn word_start(before: &str) -> usize {
    if before.starts_with('.') && !before.contains(char::is_whitespace) {
        return 0;
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    before.trim_end_matches(is_part).len()
}

/// What the last word of `before` may become: names first, then functions and keywords in the case that was begun.
pub(super) fn proposals(before: &str, known: &Known) -> Vec<String> {
    let word = before.get(word_start(before)..).unwrap_or_default();
    if word.starts_with('.') {
        let commands = COMMANDS.iter().map(|(name, ..)| (*name).to_owned());
        return commands.filter(|name| name.starts_with(word)).collect();
    }
    let wants_table = wants_table(before);
    if word.is_empty() && !wants_table {
        return Vec::new();
    }
    let begins = |name: &&String| name.to_lowercase().starts_with(&word.to_lowercase());
    let tables = known.tables.iter().filter(begins).map(|name| as_name(name));
    if wants_table {
        return tables.take(PROPOSALS_MAX).collect();
    }
    let columns = known.columns.iter().filter(begins).map(|name| as_name(name));
    let is_lower = word.chars().all(|c| !c.is_uppercase());
    let keyword = |keyword: &&str| {
        if is_lower {
            keyword.to_lowercase()
        } else {
            (*keyword).to_owned()
        }
    };
    let words = FUNCTIONS.iter().chain(KEYWORDS);
    let words = words.filter(|keyword| keyword.to_lowercase().starts_with(&word.to_lowercase()));
    columns
        .chain(tables)
        .chain(words.map(keyword))
        .take(PROPOSALS_MAX)
        .collect()
}

/// Whether a table's name comes next: behind FROM, JOIN, and the dot commands that take one.
fn wants_table(before: &str) -> bool {
    let mut words = before
        .get(..word_start(before))
        .unwrap_or_default()
        .split_whitespace()
        .rev();
    let last = words.next().unwrap_or_default().to_uppercase();
    matches!(
        last.as_str(),
        "FROM" | "JOIN" | "INTO" | "TABLE" | "DESCRIBE" | ".SCHEMA"
    )
}

/// A name as SQL takes it: in quotes unless it is a lower-case word.
fn as_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_keyword = KEYWORDS.binary_search(&name.to_uppercase().as_str()).is_ok();
    match starts_well && name.chars().all(is_plain) && !is_keyword {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}
