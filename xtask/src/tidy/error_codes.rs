//! Every error code of the program has a page, and every page an error: `headwater explain CODE` must never come up empty.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use crate::source::{Kind, lex};
use crate::tree::{Tree, is_test_file};

const PAGES: &str = "docs/errors/";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let in_code = codes_in_code(tree);
    let pages: BTreeSet<&str> = tree.files("md").filter_map(|(path, _)| page_code(path)).collect();
    let without_page = in_code.iter().filter(|(code, _)| !pages.contains(code.as_str()));
    let without_page = without_page
        .map(|(code, (path, line))| Finding::new(path, *line, format!("`{code}` has no page {PAGES}{code}.md")));
    let page_faults = tree
        .files("md")
        .filter(|(path, _)| path.starts_with(PAGES))
        .filter_map(|(path, text)| page_fault(path, text, &in_code));
    without_page.chain(page_faults).collect()
}

type Places = BTreeMap<String, (String, usize)>;

/// Codes in string literals of the crates, with the first place of each. Tests may make up codes.
fn codes_in_code(tree: &Tree) -> Places {
    let mut places = Places::new();
    let sources = tree
        .files("rs")
        .filter(|(path, _)| path.starts_with("crates/") && path.contains("/src/") && !is_test_file(path));
    for (path, text) in sources {
        for literal in lex(text).into_iter().filter(|lexeme| lexeme.kind == Kind::Literal) {
            for code in codes(literal.text) {
                places
                    .entry(code.to_owned())
                    .or_insert_with(|| (path.to_owned(), literal.line));
            }
        }
    }
    places
}

fn page_code(path: &str) -> Option<&str> {
    path.strip_prefix(PAGES)?
        .strip_suffix(".md")
        .filter(|name| is_code(name))
}

fn page_fault(path: &str, text: &str, in_code: &Places) -> Option<Finding> {
    let Some(code) = page_code(path) else {
        let is_index = path == "docs/errors/README.md";
        return (!is_index).then(|| Finding::new(path, 0, "is not named after an error code"));
    };
    if !in_code.contains_key(code) {
        return Some(Finding::new(
            path,
            0,
            format!("no crate has an error `{code}`: remove the page"),
        ));
    }
    let title = text
        .lines()
        .next()
        .unwrap_or_default()
        .strip_prefix(&format!("# {code}: "))
        .unwrap_or_default();
    title
        .trim()
        .is_empty()
        .then(|| Finding::new(path, 1, format!("the first line must be `# {code}: title`")))
}

/// The error codes within a text: `HW-`, a capital, three digits, and then no further letter or digit.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("HW-").filter_map(|(at, _)| {
        let code = text.get(at..at + CODE_LENGTH).filter(|code| is_code(code))?;
        let ends = !text
            .get(at + CODE_LENGTH..)?
            .starts_with(|c: char| c.is_ascii_alphanumeric());
        ends.then_some(code)
    })
}

const CODE_LENGTH: usize = "HW-F003".len();

fn is_code(text: &str) -> bool {
    let area_and_number = text.strip_prefix("HW-").map(str::as_bytes);
    matches!(area_and_number, Some([area, number @ ..])
        if area.is_ascii_uppercase() && number.len() == 3 && number.iter().all(u8::is_ascii_digit))
}
