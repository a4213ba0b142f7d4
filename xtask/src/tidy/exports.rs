//! What a module offers is listed by name: a glob re-export makes the surface of a crate invisible.

use super::Finding;
use crate::source::{Kind, Lexeme, lex};
use crate::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.files("rs")
        .flat_map(|(path, text)| check_file(path, text))
        .collect()
}

fn check_file(path: &str, text: &str) -> Vec<Finding> {
    let lexemes: Vec<Lexeme<'_>> = lex(text)
        .into_iter()
        .filter(|lexeme| lexeme.kind == Kind::Code)
        .collect();
    let statements = lexemes.split(|lexeme| lexeme.is_code(";"));
    let globs = statements
        .filter_map(re_export)
        .filter(|statement| statement.iter().any(|lexeme| lexeme.is_code("*")));
    globs
        .filter_map(|statement| statement.first())
        .map(|word| Finding::new(path, word.line, "glob re-export: list the names"))
        .collect()
}

/// The lexemes from `use` on, if the statement ends in `pub use …` or `pub(…) use …`.
fn re_export<'a, 'b>(statement: &'b [Lexeme<'a>]) -> Option<&'b [Lexeme<'a>]> {
    let at = statement.iter().rposition(|lexeme| lexeme.is_code("use"))?;
    let (before, from_use) = statement.split_at_checked(at)?;
    let is_public = match before {
        [.., last] if last.is_code("pub") => true,
        [.., last] if last.is_code(")") => {
            let open = before.iter().rposition(|lexeme| lexeme.is_code("("))?;
            before.get(open.checked_sub(1)?)?.is_code("pub")
        }
        _ => false,
    };
    is_public.then_some(from_use)
}
