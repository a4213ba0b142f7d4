//! The second parser: one pass, all keys, exact words, escapes, every fault with its place.
//!
//! ```text
//! line    := option+ rest? | rest
//! option  := blanks? `%` key blanks value `;`
//! ```
//!
//! Only a `%` that begins a line (blanks aside) or follows a closed option is looked at; the first one behind anything else makes
//! the remainder of its line code. So lines need not be cut: from each `%` one looks back to the line's begin or to the end
//! of the option before, and whatever is passed over that way was blank.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::bytes::{is_blank, is_line_end, is_word, part, skip_blanks};
use crate::fault::{Fault, FaultKind, FaultList, Stage};
use crate::keys::{Key, may_be_known};
use crate::place::Places;
use crate::scan::{Percents, find_any};
use crate::warning::{WARNINGS_MAX, Warning, WarningKind};

/// Options that room is made for at the first: few scripts have more.
const EXPECTED: usize = 8;

/// An option found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptOption<'t> {
    /// The word behind the `%`; with its percent sign where the first parser found it.
    pub key: Cow<'t, [u8]>,
    /// What the text says, escapes replaced; never empty.
    pub value: Cow<'t, [u8]>,
    /// Where its `%` is, in bytes from 0.
    pub start: usize,
    /// Just behind its `;`.
    pub end: usize,
    /// Where the value begins in the text.
    pub(crate) value_start: usize,
    /// What the key means to the handler or the database.
    pub(crate) known: Option<Key>,
}

/// The options of one text, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options<'t> {
    /// All of them.
    pub list: Vec<ScriptOption<'t>>,
    /// Places of `%` that begin an option of a known key behind code: no options, but perhaps meant as such.
    pub(crate) behind_code: Vec<(usize, Key)>,
}

impl<'t> Options<'t> {
    /// Key by key in the order of their bytes; within a key, in the order of the text.
    pub fn by_key(&self) -> BTreeMap<&[u8], Vec<&ScriptOption<'t>>> {
        let mut map: BTreeMap<&[u8], Vec<_>> = BTreeMap::new();
        for option in &self.list {
            map.entry(&option.key).or_default().push(option);
        }
        map
    }

    /// Options of known keys that have no effect because code stands before them. `text` is the text they were found in.
    pub fn warnings(&self, text: &[u8]) -> Vec<Warning> {
        let mut places = Places::new(text);
        let warning = |(at, key): &(usize, Key)| Warning {
            kind: WarningKind::BehindCode {
                keyword: key.keyword().into(),
            },
            origin: None,
            place: places.at(*at),
        };
        self.behind_code.iter().map(warning).collect()
    }
}

/// Finds all options of a text.
///
/// # Errors
/// Every malformed line, in order; the first is the one that the reference stops at.
pub fn parse(text: &[u8]) -> Result<Options<'_>, FaultList> {
    let parsed = Parsed::new(text);
    if parsed.malformed.is_empty() {
        return Ok(parsed.options);
    }
    let mut places = Places::new(text);
    let mut faults = FaultList::default();
    for malformed in parsed.malformed {
        let place = places.at(malformed.at);
        faults.push(Fault::at(
            FaultKind::Syntax(malformed.owned(text)),
            Stage::Parser2,
            place,
        ));
    }
    Err(faults)
}

/// What a pass over a text found.
#[derive(Debug, Default)]
pub(crate) struct Parsed<'t> {
    pub(crate) options: Options<'t>,
    /// One for each malformed line.
    pub(crate) malformed: Vec<Malformed>,
}

/// A line that begins an option and is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) key: std::ops::Range<usize>,
    pub(crate) missing: Missing,
    pub(crate) unexpected: Token,
    /// Where the unexpected token is.
    pub(crate) at: usize,
}

impl Malformed {
    pub(crate) fn owned(&self, text: &[u8]) -> Syntax {
        Syntax {
            key: part(text, self.key.start, self.key.end).to_vec(),
            missing: self.missing,
            unexpected: self.unexpected,
        }
    }
}

/// What is wrong with a malformed option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syntax {
    /// Its key, empty if it has none.
    pub key: Vec<u8>,
    /// What should have stood there.
    pub missing: Missing,
    /// What stands there instead.
    pub unexpected: Token,
}

/// The part of an option that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// A word directly behind the `%`.
    Key,
    /// White space between key and value.
    Separator,
    /// The first byte of a value.
    Value,
    /// The `;`.
    Terminator,
}

/// Classes of what stands in a line, by the names that the reference prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// `%`
    Percent,
    /// `;`
    Semicolon,
    /// A run of blanks.
    Blanks,
    /// A run of letters, digits and `_`.
    Word,
    /// Any other byte.
    Other,
    /// A backslash and what it makes special.
    Escape,
    /// The end of the line.
    LineEnd,
}

impl Token {
    /// The name that the reference prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Semicolon => ";",
            Self::Blanks => "whitespace",
            Self::Word => "alpha_numeric",
            Self::Other => "not_semicolon",
            Self::Escape => "escape_seq",
            Self::LineEnd => "<eof>",
        }
    }

    /// The class of what stands at `at`.
    pub(crate) fn at(text: &[u8], at: usize) -> Self {
        match text.get(at) {
            None => Self::LineEnd,
            Some(byte) if is_line_end(*byte) => Self::LineEnd,
            Some(b'%') => Self::Percent,
            Some(b';') => Self::Semicolon,
            Some(byte) if is_blank(*byte) => Self::Blanks,
            Some(byte) if is_word(*byte) => Self::Word,
            Some(b'\\') => match text.get(at + 1) {
                Some(b';' | b'n' | b'r' | b'\\' | b' ' | b't' | b'f' | b'v') => Self::Escape,
                _ => Self::Other,
            },
            Some(_) => Self::Other,
        }
    }
}

impl<'t> Parsed<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        let mut parsed = Self::default();
        let mut percents = Percents::new(text);
        let (mut closed, mut look_again) = (0, 0);
        while let Some((at, opens)) = next_candidate(&mut percents, text, closed) {
            if !opens {
                if at >= look_again {
                    look_again = parsed.look_behind_code(text, at);
                }
                continue;
            }
            match option_at(text, at) {
                Ok(option) => {
                    closed = option.end;
                    percents.seek(closed);
                    if parsed.options.list.is_empty() {
                        parsed.options.list.reserve(EXPECTED);
                    }
                    parsed.options.list.push(option);
                }
                Err(malformed) => {
                    percents.seek(find_any(text, malformed.at, [b'\n', b'\r', b'\n', b'\r']));
                    parsed.malformed.push(malformed);
                }
            }
        }
        parsed
    }

    /// Notes an option of a known key at `at`, which is behind code. Returns where to look again: a value is read once only, however
    /// often the key is mentioned in it.
    #[cold]
    fn look_behind_code(&mut self, text: &[u8], at: usize) -> usize {
        let Some(key) = Key::of(word_at(text, at + 1)) else {
            return at;
        };
        if self.options.behind_code.len() >= WARNINGS_MAX {
            return usize::MAX;
        }
        match option_at(text, at) {
            Ok(option) => {
                self.options.behind_code.push((at, key));
                option.end
            }
            Err(malformed) => malformed.at,
        }
    }
}

/// The next `%` worth a look, and whether it has to open an option; otherwise it may be an option of a known key behind code.
///
/// A loop of its own, since most `%` of most scripts end here.
fn next_candidate(percents: &mut Percents<'_>, text: &[u8], closed: usize) -> Option<(usize, bool)> {
    percents.find_map(|at| {
        let opens = opens(text, at, closed);
        let is_candidate = opens || text.get(at + 1).is_some_and(|byte| may_be_known(*byte));
        is_candidate.then_some((at, opens))
    })
}

/// Whether only blanks stand between `at` and the begin of its line, or the end of the last option at `closed`.
#[inline(always)]
fn opens(text: &[u8], at: usize, closed: usize) -> bool {
    let between = text.get(closed..at).unwrap_or_default();
    match between {
        // Most `%` stand behind a word and a space: a byte above the space is neither blank nor line end.
        [.., byte, b' '] if *byte > b' ' => false,
        [.., byte] if *byte > b' ' => false,
        _ => only_blanks(between),
    }
}

fn only_blanks(between: &[u8]) -> bool {
    let end = between.iter().rev().find(|byte| !is_blank(**byte));
    end.is_none_or(|byte| is_line_end(*byte))
}

/// The word that begins at `at`.
fn word_at(text: &[u8], at: usize) -> &[u8] {
    let word = part(text, at, text.len()).iter().take_while(|byte| is_word(**byte));
    part(text, at, at + word.count())
}

/// The option whose `%` is at `at`.
fn option_at(text: &[u8], at: usize) -> Result<ScriptOption<'_>, Malformed> {
    let key_start = at + 1;
    let key = word_at(text, key_start);
    let key_end = key_start + key.len();
    let malformed = |missing, at| Malformed {
        key: key_start..key_end,
        missing,
        unexpected: Token::at(text, at),
        at,
    };
    if key_end == key_start {
        return Err(malformed(Missing::Key, key_start));
    }
    let value_start = skip_blanks(text, key_end);
    if value_start == key_end {
        return Err(malformed(Missing::Separator, key_end));
    }
    if matches!(
        Token::at(text, value_start),
        Token::Percent | Token::Semicolon | Token::LineEnd
    ) {
        return Err(malformed(Missing::Value, value_start));
    }
    let (value_end, has_escapes) = value_end(text, value_start);
    if text.get(value_end) != Some(&b';') {
        return Err(malformed(Missing::Terminator, value_end));
    }
    let raw = part(text, value_start, value_end);
    Ok(ScriptOption {
        key: Cow::Borrowed(key),
        value: match has_escapes || leading_blank(raw).is_some() {
            true => Cow::Owned(unescaped(raw)),
            false => Cow::Borrowed(raw),
        },
        start: at,
        end: value_end + 1,
        value_start,
        known: Key::of(key),
    })
}

/// Where the value ends: at its `;`, at the end of the line or of the text. And whether it has escapes to replace.
fn value_end(text: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut has_escapes) = (start, false);
    loop {
        at = find_any(text, at, [b';', b'\\', b'\n', b'\r']);
        if text.get(at) != Some(&b'\\') {
            return (at, has_escapes);
        }
        let is_escape = text.get(at + 1).is_some_and(|byte| escape(*byte).is_some());
        has_escapes |= is_escape;
        at += if is_escape { 2 } else { 1 };
    }
}

/// What a backslash and this byte stand for, anywhere in a value.
pub(crate) const fn escape(byte: u8) -> Option<u8> {
    match byte {
        b';' => Some(b';'),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b'\\' => Some(b'\\'),
        _ => None,
    }
}

/// What a backslash and this byte stand for where white space would be dropped otherwise.
pub(crate) const fn blank_escape(byte: u8) -> Option<u8> {
    match byte {
        b' ' => Some(b' '),
        b't' => Some(b'\t'),
        b'f' => Some(0x0C),
        b'v' => Some(0x0B),
        _ => None,
    }
}

/// The blank that a value begins with by an escape.
fn leading_blank(raw: &[u8]) -> Option<u8> {
    match raw {
        [b'\\', byte, ..] => blank_escape(*byte),
        _ => None,
    }
}

/// A value with its escapes replaced, from left to right.
fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw;
    if let Some(blank) = leading_blank(raw) {
        value.push(blank);
        rest = part(raw, 2, raw.len());
    }
    loop {
        let plain = find_any(rest, 0, [b'\\'; 4]);
        value.extend_from_slice(part(rest, 0, plain));
        rest = part(rest, plain, rest.len());
        match rest {
            [] => return value,
            [_, byte, more @ ..] if escape(*byte).is_some() => {
                value.extend(escape(*byte));
                rest = more;
            }
            [backslash, more @ ..] => {
                value.push(*backslash);
                rest = more;
            }
        }
    }
}

/// Where in the raw value the byte is written that stands at `wanted` in the value.
pub(crate) fn raw_offset(raw: &[u8], wanted: usize) -> usize {
    let (mut at, mut value_at) = (0, 0);
    if leading_blank(raw).is_some() && wanted > 0 {
        (at, value_at) = (2, 1);
    }
    while value_at < wanted && at < raw.len() {
        let is_pair = raw.get(at) == Some(&b'\\') && raw.get(at + 1).is_some_and(|byte| escape(*byte).is_some());
        at += if is_pair { 2 } else { 1 };
        value_at += 1;
    }
    at
}
