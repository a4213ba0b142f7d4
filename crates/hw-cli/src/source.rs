//! The text that findings are places in: an SQL statement, a query document.

use crate::pointer;

/// A text with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// `checkout.json`, `--string`, `standard input`.
    pub(crate) name: String,
    /// The text that was sent.
    pub(crate) text: String,
    /// Lines of the file before the text.
    pub(crate) lines_before: usize,
}

/// A place in a source: within one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// Line in the file, counted from 1.
    pub(crate) line: usize,
    /// Character in the line, counted from 1.
    pub(crate) column: usize,
    /// The whole line, without its end.
    pub(crate) text: &'a str,
    /// Characters to underline, at least 1.
    pub(crate) length: usize,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
            lines_before: 0,
        }
    }

    /// The place at a line and a character of the text, both counted from 1. A word there is underlined as a whole.
    pub(crate) fn at(&self, line: usize, column: usize) -> Option<Place<'_>> {
        let text = self.text.lines().nth(line.checked_sub(1)?).unwrap_or_default();
        let rest: String = text.chars().skip(column.checked_sub(1)?).collect();
        let word = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').count();
        Some(Place {
            line: line + self.lines_before,
            column,
            text,
            length: word.max(1),
        })
    }

    /// The place at a byte of the text.
    pub(crate) fn at_offset(&self, offset: usize) -> Option<Place<'_>> {
        let before = self.text.get(..offset)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.at(line, column)
    }

    /// The place of the member or element that a JSON pointer leads to, or of the nearest one around it that exists.
    pub(crate) fn at_pointer(&self, json_pointer: &str) -> Option<Place<'_>> {
        let span = pointer::find(&self.text, json_pointer)?;
        let place = self.at_offset(span.start)?;
        let marked = self.text.get(span.start..span.end)?;
        let first_line = marked.lines().next().unwrap_or_default();
        Some(Place {
            length: first_line.trim_end().chars().count().max(1),
            ..place
        })
    }
}
