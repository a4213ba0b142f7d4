//! The ratchet on long functions: none may cross the limit in a change. Those that were longer stand in a list that may only shrink.
//!
//! A long list is sometimes right (a table of flags, one big match), so a person may add a line to the list, and answers for it in
//! review; `cargo xtask tidy --bless` only lowers and removes. Tests are not counted.

use std::collections::BTreeMap;

use super::Finding;
use crate::outline::outline;
use crate::tree::{Tree, is_test_file};

/// The list's path; a line of it is `LINES PATH FUNCTION`, `#` begins a comment.
pub(super) const LIST: &str = "xtask/src/long_functions.txt";
const LINES_MAX: usize = 70;

/// Path of the file and of the function in it.
type Place = (String, String);

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let functions = longest_functions(tree);
    let listed = read_list(tree);
    let too_long = functions
        .iter()
        .filter_map(|(place, length)| judge(place, length, listed.get(place).copied()));
    let stale = listed
        .iter()
        .filter(|(place, lines)| functions.get(*place).is_none_or(|found| found.lines < **lines));
    let stale = stale.map(|((path, function), lines)| {
        Finding::new(
            LIST,
            0,
            format!("`{lines} {path} {function}` is out of date, `cargo xtask tidy --bless` shortens the list"),
        )
    });
    let unreadable = entries(tree).filter(|(_, line)| read_entry(line).is_none());
    let unreadable = unreadable.map(|(number, _)| Finding::new(LIST, number, "a line is `LINES PATH FUNCTION`"));
    too_long.chain(stale).chain(unreadable).collect()
}

/// The list as it may be now: each entry with the smaller of its length then and now, without those within the limit.
pub(super) fn shortened_list(tree: &Tree) -> String {
    let functions = longest_functions(tree);
    let comments = tree
        .text(LIST)
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(str::to_owned);
    let entries = read_list(tree).into_iter().filter_map(|(place, listed)| {
        let lines = functions.get(&place)?.lines.min(listed);
        (lines > LINES_MAX).then(|| format!("{lines} {} {}", place.0, place.1))
    });
    comments.chain(entries).map(|line| line + "\n").collect()
}

struct Length {
    line: usize,
    lines: usize,
}

fn judge((path, function): &Place, found: &Length, listed: Option<usize>) -> Option<Finding> {
    if found.lines <= LINES_MAX.max(listed.unwrap_or(0)) {
        return None;
    }
    let lines = found.lines;
    Some(Finding::new(
        path,
        found.line,
        match listed {
            Some(listed) => format!("`{function}` grew from {listed} to {lines} lines, it may only shrink"),
            None => {
                format!("`{function}` has {lines} lines, more than {LINES_MAX}: cut it where it changes the subject")
            }
        },
    ))
}

/// Every function that is not a test; of several with one path (implementations for two types) the longest.
fn longest_functions(tree: &Tree) -> BTreeMap<Place, Length> {
    let mut longest = BTreeMap::new();
    for (path, text) in tree.files("rs").filter(|(path, _)| !is_test_file(path)) {
        for function in outline(text)
            .functions
            .into_iter()
            .filter(|function| !function.path.split("::").any(|part| part == "tests"))
        {
            let found = Length {
                line: function.first_line,
                lines: function.lines,
            };
            let known: &mut Length = longest
                .entry((path.to_owned(), function.path))
                .or_insert(Length { line: 0, lines: 0 });
            if found.lines > known.lines {
                *known = found;
            }
        }
    }
    longest
}

fn read_list(tree: &Tree) -> BTreeMap<Place, usize> {
    entries(tree).filter_map(|(_, line)| read_entry(line)).collect()
}

/// Lines of the list that are neither empty nor comments, with their numbers.
fn entries(tree: &Tree) -> impl Iterator<Item = (usize, &str)> {
    let lines = tree
        .text(LIST)
        .unwrap_or_default()
        .lines()
        .zip(1..)
        .map(|(line, number)| (number, line));
    lines.filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty())
}

fn read_entry(line: &str) -> Option<(Place, usize)> {
    let (lines, place) = line.split_once(' ')?;
    let (path, function) = place.split_once(' ')?;
    Some(((path.to_owned(), function.to_owned()), lines.parse().ok()?))
}
