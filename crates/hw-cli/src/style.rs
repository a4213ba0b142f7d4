//! Colour, which is never the only signal.

use std::fmt::{self, Display};

/// Whether to colour, for one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) colour: bool,
}

/// A text in a colour, or plain.
pub(crate) struct Painted<T> {
    text: T,
    /// Parameters of the escape sequence; empty: plain.
    code: &'static str,
}

impl Style {
    pub(crate) fn error<T>(self, text: T) -> Painted<T> {
        self.paint(text, "1;31")
    }

    pub(crate) fn warning<T>(self, text: T) -> Painted<T> {
        self.paint(text, "1;33")
    }

    pub(crate) fn good<T>(self, text: T) -> Painted<T> {
        self.paint(text, "32")
    }

    pub(crate) fn advice<T>(self, text: T) -> Painted<T> {
        self.paint(text, "1;36")
    }

    pub(crate) fn strong<T>(self, text: T) -> Painted<T> {
        self.paint(text, "1")
    }

    pub(crate) fn faint<T>(self, text: T) -> Painted<T> {
        self.paint(text, "2")
    }

    pub(crate) fn frame<T>(self, text: T) -> Painted<T> {
        self.paint(text, "34")
    }

    fn paint<T>(self, text: T, code: &'static str) -> Painted<T> {
        let code = if self.colour { code } else { "" };
        Painted { text, code }
    }
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            "" => self.text.fmt(f),
            code => {
                write!(f, "\u{1b}[{code}m")?;
                self.text.fmt(f)?;
                f.write_str("\u{1b}[0m")
            }
        }
    }
}
