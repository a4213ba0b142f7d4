//! What is not done is not merged: no marks for later in comments, no macros that panic when the missing part is reached.

use super::Finding;
use crate::source::{Kind, Lexeme, lex};
use crate::tree::Tree;

const MACROS: &[&str] = &["todo", "unimplemented"];
const MARKS: &[&str] = &["TODO", "FIXME", "XXX"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let rust = tree.files("rs").flat_map(|(path, text)| check_rust(path, text));
    let others = ["py", "sql", "toml"]
        .into_iter()
        .flat_map(|extension| tree.files(extension));
    rust.chain(others.flat_map(|(path, text)| marks(path, 1, text)))
        .collect()
}

fn check_rust(path: &str, text: &str) -> Vec<Finding> {
    let lexemes = lex(text);
    let calls = lexemes.windows(2).filter_map(|pair| match pair {
        [name, sign] if MACROS.contains(&name.text) && sign.is_code("!") => Some(name),
        _ => None,
    });
    let macros =
        calls.map(|name| Finding::new(path, name.line, format!("`{}!`: finish it, or leave it out", name.text)));
    let comments = lexemes.iter().filter(|lexeme| lexeme.kind == Kind::Comment);
    macros
        .chain(comments.flat_map(|Lexeme { text, line, .. }| marks(path, *line, text)))
        .collect()
}

/// `first_line` is that of the beginning of `text`.
fn marks(path: &str, first_line: usize, text: &str) -> Vec<Finding> {
    let marked = text
        .lines()
        .enumerate()
        .filter_map(|(at, line)| Some((at, marks_of(line).next()?)));
    marked
        .map(|(at, mark)| {
            Finding::new(
                path,
                first_line + at,
                format!("`{mark}`: finish it, or file it where work is planned"),
            )
        })
        .collect()
}

fn marks_of(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric())
        .filter(|word| MARKS.contains(word))
}
