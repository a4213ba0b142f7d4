//! Places in scripts, as people and editors count them.

use crate::bytes::{is_line_end, part};

/// A place in one script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Counted from 1: one more than the line feeds before it, so that a text with lone carriage returns is one line, as in
    /// the reference.
    pub line: usize,
    /// Byte in the line, counted from 1. A line begins behind a line feed or a carriage return.
    pub column: usize,
    /// Byte in the script, counted from 0.
    pub offset: usize,
}

/// Finds places in one text. Looking them up in ascending order costs one pass over the text.
#[derive(Debug, Clone)]
pub struct Places<'t> {
    text: &'t [u8],
    seen: usize,
    line: usize,
    line_begin: usize,
}

impl<'t> Places<'t> {
    /// Of `text`.
    pub fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            seen: 0,
            line: 1,
            line_begin: 0,
        }
    }

    /// The place of the byte at `offset`; one behind the end is at the end.
    pub fn at(&mut self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        if offset < self.seen {
            *self = Self::new(self.text);
        }
        let passed = part(self.text, self.seen, offset);
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        if let Some(end) = passed.iter().rposition(|byte| is_line_end(*byte)) {
            self.line_begin = self.seen + end + 1;
        }
        self.seen = offset;
        Place {
            line: self.line,
            column: offset - self.line_begin + 1,
            offset,
        }
    }
}
