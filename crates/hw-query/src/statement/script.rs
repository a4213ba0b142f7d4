//! Splitting a script at its semicolons.

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::{is_blank, tokenize};
use crate::error::QueryError;

/// One statement of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its text, without the semicolon and without blanks around it.
    pub text: String,
    /// Line of the script on which the text starts, from 1. Add `line - 1` to the lines of its findings.
    pub line: u64,
    /// Byte of the script at which the text starts, from 0.
    pub offset: u64,
}

/// Splits a script at the semicolons outside quotes and comments; empty statements are left out.
///
/// # Errors
/// [`QueryError::Statement`] for a script that is too long, or whose quotes or comments are not closed.
pub fn split_statements(script: &str) -> Result<Vec<Statement>, QueryError> {
    let tokens = tokenize(script)?;
    let mut cursor = Cursor::new(script);
    let mut statements = Vec::new();
    for run in tokens.split(|token| token.token == Token::SemiColon) {
        let Some(first) = run.iter().find(|token| !is_blank(&token.token)) else {
            continue;
        };
        let start = cursor.offset_of(first);
        let end = run
            .last()
            .map_or(start, |last| cursor.offset_at(last.span.end.line, last.span.end.column));
        let text = script.get(start..end).unwrap_or_default().trim_end();
        statements.push(Statement {
            text: text.to_owned(),
            line: first.span.start.line,
            offset: start as u64,
        });
    }
    Ok(statements)
}

/// Turns lines and columns, which must not decrease, into byte offsets; one pass over the text in all.
struct Cursor<'a> {
    rest: std::str::Chars<'a>,
    line: u64,
    column: u64,
    offset: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars(),
            line: 1,
            column: 1,
            offset: 0,
        }
    }

    fn offset_of(&mut self, token: &TokenWithSpan) -> usize {
        self.offset_at(token.span.start.line, token.span.start.column)
    }

    fn offset_at(&mut self, line: u64, column: u64) -> usize {
        while (self.line, self.column) < (line, column) {
            match self.rest.next() {
                Some('\n') => {
                    self.line += 1;
                    self.column = 1;
                    self.offset += 1;
                }
                Some(other) => {
                    self.column += 1;
                    self.offset += other.len_utf8();
                }
                None => break,
            }
        }
        self.offset
    }
}
