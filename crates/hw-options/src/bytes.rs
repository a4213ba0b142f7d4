//! Classes of bytes, and cuts out of a text that never fail.

/// Space, tab, vertical tab, form feed: what may stand before an option and has to stand behind its key.
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0B | 0x0C)
}

/// Each of the two ends a line by itself.
pub(crate) const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// A byte of a key.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The bytes from `from` until before `to`; none where the text has no such bytes.
pub(crate) fn part(text: &[u8], from: usize, to: usize) -> &[u8] {
    text.get(from..to).unwrap_or_default()
}

/// The first place at or behind `from` that holds no blank.
pub(crate) fn skip_blanks(text: &[u8], from: usize) -> usize {
    let blanks = part(text, from, text.len()).iter().take_while(|byte| is_blank(**byte));
    from + blanks.count()
}

/// The place behind the last byte before `to` that is no blank.
pub(crate) fn back_over_blanks(text: &[u8], to: usize) -> usize {
    let blanks = part(text, 0, to).iter().rev().take_while(|byte| is_blank(**byte));
    to - blanks.count()
}

/// Whether a line begins at `place`: at the begin of the text, or behind a line end.
pub(crate) fn begins_line(text: &[u8], place: usize) -> bool {
    match place.checked_sub(1) {
        None => true,
        Some(before) => text.get(before).is_some_and(|byte| is_line_end(*byte)),
    }
}

/// Without blanks at its end.
pub(crate) fn trim_blanks_end(text: &[u8]) -> &[u8] {
    part(text, 0, back_over_blanks(text, text.len()))
}

/// Without blanks and line ends on both sides, as the C locale has it.
pub(crate) fn trim_space(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| is_blank(*byte) || is_line_end(*byte);
    let Some(first) = text.iter().position(|byte| !is_space(byte)) else {
        return &[];
    };
    let last = text.iter().rposition(|byte| !is_space(byte)).unwrap_or(first);
    part(text, first, last + 1)
}

/// Until before the first NUL.
pub(crate) fn until_nul(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == 0);
    part(text, 0, end.unwrap_or(text.len()))
}

/// A key or a name in a message: as text, unprintable bytes as escapes, long ones cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 80;
    let mut text: String = String::from_utf8_lossy(part(bytes, 0, bytes.len().min(SHOWN_MAX)))
        .chars()
        .map(|c| if c.is_control() { '\u{FFFD}' } else { c })
        .collect();
    if bytes.len() > SHOWN_MAX {
        text.push('…');
    }
    text
}
