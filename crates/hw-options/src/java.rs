//! What the Java handler makes of values: JVM options are split at blanks, jars at `:`.

use std::borrow::Cow;

use crate::bytes::{back_over_blanks, is_blank, part, skip_blanks, until_nul};
use crate::v2::blank_escape;

/// The pieces of a JVM option of the first parser: separated by blanks, nothing is special.
pub(crate) fn pieces_v1(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| is_blank(*byte)).filter(|piece| !piece.is_empty())
}

/// What a backslash and this byte are inside of a JVM option of the second parser.
const fn piece_escape(byte: u8) -> Option<u8> {
    match byte {
        b'\\' => Some(b'\\'),
        other => blank_escape(other),
    }
}

fn is_pair(text: &[u8], at: usize) -> bool {
    text.get(at) == Some(&b'\\') && text.get(at + 1).is_some_and(|byte| piece_escape(*byte).is_some())
}

/// A piece of a JVM option begins with an escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadPiece {
    /// Where in the value.
    pub(crate) at: usize,
    /// The same, as line of the value and byte in that line, from 1.
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl BadPiece {
    fn new(value: &[u8], at: usize) -> Self {
        let before = part(value, 0, at);
        let line_begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        Self {
            at,
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: at - line_begin + 1,
        }
    }
}

/// Tells the pieces of a JVM option of the second parser; none of them if one is bad.
pub(crate) fn pieces_v2<'v>(value: Cow<'v, [u8]>, out: &mut impl FnMut(Cow<'v, [u8]>)) -> Result<(), BadPiece> {
    match value {
        Cow::Borrowed(value) => each_piece(until_nul(value), &mut |piece, escapes| {
            out(match escapes {
                true => Cow::Owned(without_escapes(piece)),
                false => Cow::Borrowed(piece),
            });
        }),
        Cow::Owned(value) => each_piece(until_nul(&value), &mut |piece, _| {
            out(Cow::Owned(without_escapes(piece)))
        }),
    }
}

/// Tells each piece and whether it has escapes, once all of them are known to be good.
fn each_piece<'v>(value: &'v [u8], out: &mut dyn FnMut(&'v [u8], bool)) -> Result<(), BadPiece> {
    if !value.contains(&b'\\') {
        pieces_v1(value).for_each(|piece| out(piece, false));
        return Ok(());
    }
    let mut at = skip_blanks(value, 0);
    let begin = at;
    while at < value.len() {
        if is_pair(value, at) {
            return Err(BadPiece::new(value, at));
        }
        at = skip_blanks(value, piece_end(value, at).0);
    }
    at = begin;
    while at < value.len() {
        let (end, escapes) = piece_end(value, at);
        out(part(value, at, end), escapes);
        at = skip_blanks(value, end);
    }
    Ok(())
}

/// Where the piece that begins at `at` ends, and whether it has escapes.
fn piece_end(value: &[u8], mut at: usize) -> (usize, bool) {
    let mut escapes = false;
    loop {
        let plain = part(value, at, value.len())
            .iter()
            .take_while(|byte| !is_blank(**byte) && **byte != b'\\');
        at += plain.count();
        if value.get(at) != Some(&b'\\') {
            return (at, escapes);
        }
        let pair = is_pair(value, at);
        escapes |= pair;
        at += if pair { 2 } else { 1 };
    }
}

fn without_escapes(piece: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(piece.len());
    let mut rest = piece;
    loop {
        match rest {
            [] => return out,
            [b'\\', byte, more @ ..] if piece_escape(*byte).is_some() => {
                out.extend(piece_escape(*byte));
                rest = more;
            }
            [byte, more @ ..] => {
                out.push(*byte);
                rest = more;
            }
        }
    }
}

/// The value of a jar of the second parser, its end cleaned: blanks go, an escaped one stays as one.
pub(crate) fn clean_jar<'v>(value: Cow<'v, [u8]>) -> Cow<'v, [u8]> {
    let end = back_over_blanks(&value, value.len());
    let Some(last) = end.checked_sub(1) else {
        return Cow::Borrowed(&[]);
    };
    // What the backslashes are counted before: the letter of an escape, or an escaped blank.
    let candidate = match (value.get(last), value.get(end)) {
        (Some(b't' | b'f' | b'v'), _) => last,
        (Some(b'\\'), Some(b' ')) => end,
        _ => return cut(value, end),
    };
    let before = part(&value, 0, candidate);
    let count = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    let Some(letter) = value.get(candidate).copied().filter(|_| count > 0) else {
        return cut(value, end);
    };
    let mut clean = part(before, 0, before.len() - count + count / 2).to_vec();
    clean.push(match count % 2 {
        1 => blank_escape(letter).unwrap_or(letter),
        _ => letter,
    });
    Cow::Owned(clean)
}

fn cut(value: Cow<'_, [u8]>, end: usize) -> Cow<'_, [u8]> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(part(value, 0, end)),
        Cow::Owned(mut value) => {
            value.truncate(end);
            Cow::Owned(value)
        }
    }
}

/// The paths of a jar option: what stands between colons, empty ones too, save for an empty last one.
pub(crate) fn jar_paths(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let has_several = value.contains(&b':');
    let paths = value.strip_suffix(b":").unwrap_or(value);
    let (one, several) = match value {
        [] => (None, None),
        _ if has_several => (None, Some(paths.split(|byte| *byte == b':'))),
        _ => (Some(paths), None),
    };
    one.into_iter().chain(several.into_iter().flatten())
}

/// Tells the paths of a jar option of the second parser.
pub(crate) fn split_jars<'v>(value: Cow<'v, [u8]>, out: &mut impl FnMut(Cow<'v, [u8]>)) {
    match value {
        Cow::Borrowed(value) => jar_paths(value).for_each(|path| out(Cow::Borrowed(path))),
        Cow::Owned(value) => jar_paths(&value).for_each(|path| out(Cow::Owned(path.to_vec()))),
    }
}
