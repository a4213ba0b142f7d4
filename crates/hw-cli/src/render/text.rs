//! Text that may hold anything, on a terminal that obeys some of it.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// `text` with everything escaped that a terminal would obey or hide: control characters, and those that turn the
/// direction of writing.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| -> Cow<'static, str> {
        match c {
            '\n' => Cow::Borrowed("\\n"),
            '\r' => Cow::Borrowed("\\r"),
            '\t' => Cow::Borrowed("\\t"),
            c if is_hidden(c) => Cow::Owned(format!("\\u{{{:x}}}", u32::from(c))),
            c => Cow::Owned(c.to_string()),
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

/// The same for a text of several lines: line ends stay.
pub(crate) fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text
        .split('\n')
        .map(|line| printable(line.trim_end_matches('\r')))
        .collect();
    lines.join("\n")
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Columns that a text takes on a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` in at most `width_max` columns; `mark` (one column) at its end says that something is missing.
pub(crate) fn fit<'a>(text: &'a str, width_max: usize, mark: &str) -> Cow<'a, str> {
    if width(text) <= width_max {
        return Cow::Borrowed(text);
    }
    let mut left = width_max.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let takes = c.width().unwrap_or(0);
        let fits = takes <= left;
        left = left.saturating_sub(takes);
        fits
    });
    Cow::Owned(kept.chain(mark.chars()).collect())
}

/// `text` filled up with blanks to `width_min` columns.
pub(crate) fn pad(text: &str, width_min: usize, right: bool) -> String {
    let blanks = " ".repeat(width_min.saturating_sub(width(text)));
    match right {
        true => format!("{blanks}{text}"),
        false => format!("{text}{blanks}"),
    }
}
