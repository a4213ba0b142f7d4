//! Rules of the project that no other tool checks. Each is a function from the tree to findings, in a file of its own.
//!
//! A rule is added by writing it, putting it into [`RULES`], and showing in `tidy/tests.rs` that it fails on a bad input.

use std::fmt;
use std::path::Path;

use crate::tree::Tree;

mod dead_files;
mod edges;
mod error_codes;
mod exports;
mod lengths;
mod links;
mod names;
mod purity;
#[cfg(test)]
mod tests;
mod unfinished;

/// A place where the tree breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong, and what to do where that is not plain.
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("dependency table", edges::check),
    ("no async in pure crates", purity::check),
    ("names", names::check),
    ("re-exports by name", exports::check),
    ("function length", lengths::check),
    ("nothing unfinished", unfinished::check),
    ("error codes have pages", error_codes::check),
    ("no dead files", dead_files::check),
    ("links lead somewhere", links::check),
];

/// Prints every finding of every rule.
///
/// # Errors
/// When there is a finding, or a file cannot be read.
pub(crate) fn run(root: &Path) -> Result<(), String> {
    let tree = Tree::read(root)?;
    let mut count = 0;
    for (name, rule) in RULES {
        let mut findings = rule(&tree);
        findings.sort();
        count += findings.len();
        findings.iter().for_each(|finding| println!("{finding} [{name}]"));
    }
    if count > 0 {
        return Err(format!("{count} findings"));
    }
    println!(
        "tidy: {} rules hold in {} source files",
        RULES.len(),
        tree.files("rs").count()
    );
    Ok(())
}

/// Shortens the ratchet list to what the tree has now, then checks as [`run`] does. It never adds to the list.
///
/// # Errors
/// As [`run`], or when the list cannot be written.
pub(crate) fn bless(root: &Path) -> Result<(), String> {
    let list = lengths::shortened_list(&Tree::read(root)?);
    std::fs::write(root.join(lengths::LIST), list)
        .map_err(|error| format!("`{}` cannot be written: {error}", lengths::LIST))?;
    run(root)
}
