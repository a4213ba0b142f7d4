//! The first parser: one key at a time, its first mention only, no escapes.
//!
//! The reference deletes each option as it finds it and searches again from the top. A deleted option had only blanks before it
//! in its line, so no new keyword can come about where it was: the next one lies behind it, and "only blanks before it" is true
//! if looking back one meets the line's begin or the end of what was deleted. One pass for each key, then, over the same text.

use std::borrow::Cow;

use crate::bytes::{back_over_blanks, begins_line, is_blank, is_line_end, part, skip_blanks, trim_blanks_end};
use crate::database::{DatabaseOptions, Version, assignment};
use crate::fault::{Fault, FaultKind, FaultList, Stage};
use crate::keys::{Key, may_be_known};
use crate::place::Places;
use crate::scan::{Percents, find_any};
use crate::v2::ScriptOption;
use crate::warning::{Warning, WarningKind};

/// What one extraction leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted<'t> {
    /// The option, unless none was found; its key is the whole keyword.
    pub option: Option<ScriptOption<'t>>,
    /// The text without it.
    pub code: Cow<'t, [u8]>,
    /// An option that was not seen because of an earlier mention.
    pub warnings: Vec<Warning>,
}

/// Takes the option of one keyword, percent sign included, out of a text.
///
/// # Errors
/// The option has no value or is not closed.
pub fn extract<'t>(text: &'t [u8], keyword: &'t [u8]) -> Result<Extracted<'t>, FaultList> {
    let mut extracted = Extracted {
        option: None,
        code: Cow::Borrowed(text),
        warnings: Vec::new(),
    };
    let mut mentions = Mentions::new(text, keyword);
    let Some(at) = mentions.next() else {
        return Ok(extracted);
    };
    if !begins_line(text, back_over_blanks(text, at)) {
        extracted.warnings.extend(hidden(text, keyword, at, mentions));
        return Ok(extracted);
    }
    match value_at(text, at, keyword.len()) {
        Ok((value, value_start, end)) => {
            extracted.option = Some(ScriptOption {
                key: Cow::Borrowed(keyword),
                value: Cow::Borrowed(value),
                start: at,
                end,
                value_start,
                known: None,
            });
            extracted.code = Cow::Owned(crate::merged::gaps(text, [(at, end)].into_iter()));
            Ok(extracted)
        }
        Err(missing) => {
            let mut faults = FaultList::default();
            let place = Places::new(text).at(at);
            faults.push(Fault::at(missing.kind(keyword), stage_alone(keyword), place));
            Err(faults)
        }
    }
}

/// The warning that an option is not seen since the keyword was mentioned at `mention`, if there is such an option.
fn hidden(text: &[u8], keyword: &[u8], mention: usize, later: Mentions<'_>) -> Option<Warning> {
    let (mut seen, mut is_clean) = (mention, false);
    let mut opens = |at: usize| {
        for byte in part(text, seen, at) {
            is_clean = is_line_end(*byte) || is_clean && is_blank(*byte);
        }
        seen = at;
        // Whatever the keyword is, the first mention in a line is the only one that counts.
        std::mem::replace(&mut is_clean, false)
    };
    let mut options = later.filter(|at| opens(*at));
    let hidden = options.find(|at| value_at(text, *at, keyword.len()).is_ok())?;
    let mut places = Places::new(text);
    let mention_line = places.at(mention).line;
    Some(Warning {
        kind: WarningKind::Hidden {
            keyword: keyword.to_vec(),
            mention_line,
        },
        origin: None,
        place: places.at(hidden),
    })
}

fn stage_alone(keyword: &[u8]) -> Stage {
    match keyword {
        b"%scriptclass" | b"%import" => Stage::Parser1Once,
        b"%jvmoption" | b"%jar" => Stage::Parser1All,
        _ => Stage::Parser1Other,
    }
}

/// Why there is no value behind a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoOption {
    Value,
    Terminator,
}

impl NoOption {
    pub(crate) fn kind(self, keyword: &[u8]) -> FaultKind {
        let keyword = keyword.to_vec();
        match self {
            Self::Value => FaultKind::NoValue { keyword },
            Self::Terminator => FaultKind::NoTerminator { keyword },
        }
    }
}

/// Value, its begin, and the place behind the `;`, of the keyword of this length at `at`.
pub(crate) fn value_at(text: &[u8], at: usize, length: usize) -> Result<(&[u8], usize, usize), NoOption> {
    let start = skip_blanks(text, at + length);
    if start >= text.len() {
        return Err(NoOption::Value);
    }
    let stop = find_any(text, start, [b';', b'\n', b'\r', b';']);
    if text.get(stop) != Some(&b';') {
        return Err(NoOption::Terminator);
    }
    match trim_blanks_end(part(text, start, stop)) {
        [] => Err(NoOption::Value),
        value => Ok((value, start, stop + 1)),
    }
}

/// The places of a keyword in a text, overlapping ones too. Linear whatever the keyword is (Knuth, Morris, Pratt).
struct Mentions<'t> {
    text: &'t [u8],
    keyword: &'t [u8],
    /// For each length of a begin of the keyword: that of the longest shorter begin which is also its end.
    borders: Vec<usize>,
    at: usize,
    matched: usize,
}

impl<'t> Mentions<'t> {
    fn new(text: &'t [u8], keyword: &'t [u8]) -> Self {
        let mut mentions = Self {
            text,
            keyword,
            borders: vec![0; 2.min(keyword.len() + 1)],
            at: 0,
            matched: 0,
        };
        let mut border = 0;
        for byte in keyword.iter().skip(1) {
            border = mentions.longest(border, *byte);
            mentions.borders.push(border);
        }
        mentions
    }

    /// The longest begin of the keyword that ends with `byte`, behind one of `matched` bytes.
    fn longest(&self, mut matched: usize, byte: u8) -> usize {
        loop {
            if self.keyword.get(matched) == Some(&byte) {
                return matched + 1;
            }
            if matched == 0 {
                return 0;
            }
            matched = self.borders.get(matched).copied().unwrap_or(0);
        }
    }
}

impl Iterator for Mentions<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let Some(first) = self.keyword.first() else {
            // The empty keyword is mentioned at the begin.
            let begins = std::mem::replace(&mut self.at, 1) == 0;
            return begins.then_some(0);
        };
        while self.at < self.text.len() {
            if self.matched == 0 {
                self.at = find_any(self.text, self.at, [*first; 4]);
            }
            let byte = *self.text.get(self.at)?;
            self.matched = self.longest(self.matched, byte);
            self.at += 1;
            if self.matched == self.keyword.len() {
                self.matched = self.borders.get(self.matched).copied().unwrap_or(0);
                return Some(self.at - self.keyword.len());
            }
        }
        None
    }
}

/// The parser that a script asks for by `%env SCRIPT_OPTIONS_PARSER_VERSION=...;`, as the database reads it: before any parser of
/// a language works.
pub fn script_version(text: &[u8]) -> Option<Version> {
    let mut options = DatabaseOptions::default();
    Taking::new(text).take(Key::Environment, usize::MAX, |_, value| {
        options.environment.extend(assignment(Cow::Borrowed(value)));
    });
    options.version()
}

/// A mention of a known keyword.
#[derive(Debug, Clone, Copy)]
struct Mention {
    at: usize,
    key: Key,
    is_deleted: bool,
}

/// A text that known options are taken out of, key by key.
pub(crate) struct Taking<'t> {
    text: &'t [u8],
    mentions: Vec<Mention>,
    /// What was deleted: for each key that was taken a run that ascends.
    cuts: Vec<(usize, usize)>,
    /// Where runs end.
    runs: Vec<usize>,
}

/// What did not become an option of a key.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// Where there should be an option and is none; the first parser ends at the first.
    pub(crate) faults: Vec<(usize, NoOption)>,
    /// The mention behind other text that ended the search.
    pub(crate) ended_at: Option<usize>,
    /// An option that was not seen therefore.
    pub(crate) hidden: Option<usize>,
}

impl<'t> Taking<'t> {
    pub(crate) fn new(text: &'t [u8]) -> Self {
        /// Mentions that room is made for at the first.
        const EXPECTED: usize = 8;
        let mut mentions = Vec::new();
        for at in Percents::new(text) {
            if let Some(mention) = Mention::at(text, at) {
                if mentions.is_empty() {
                    mentions.reserve(EXPECTED);
                }
                mentions.push(mention);
            }
        }
        Self {
            text,
            mentions,
            cuts: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Where the search for a key would end at once, and an option that is not seen therefore.
    pub(crate) fn dead_end(&self, key: Key) -> Option<(usize, Option<usize>)> {
        let is_left = |mention: &&Mention| mention.key == key && !mention.is_deleted;
        let mut left = self.mentions.iter().filter(is_left);
        let first = left.next().filter(|first| !self.is_clean(first.at))?.at;
        let is_option = |at: &usize| self.is_clean(*at) && self.has_value(key, *at);
        Some((first, left.map(|mention| mention.at).find(is_option)))
    }

    /// Whether a keyword of this key is left anywhere.
    pub(crate) fn mentions(&self, key: Key) -> bool {
        let mut mentions = self.mentions.iter();
        mentions.any(|mention| mention.key == key && !mention.is_deleted)
    }

    /// Whether what begins at `at` would be an option of that key if nothing stood before it.
    pub(crate) fn has_value(&self, key: Key, at: usize) -> bool {
        value_at(self.text, at, key.keyword().len()).is_ok()
    }

    /// Takes up to `most` options of a key out and tells each one's place and value.
    pub(crate) fn take(&mut self, key: Key, most: usize, mut each: impl FnMut(usize, &'t [u8])) -> Taken {
        let mut taken = Taken::default();
        let mut deleted_until = 0;
        let mut left = most;
        let mut mentions = std::mem::take(&mut self.mentions);
        for mention in &mut mentions {
            mention.is_deleted |= mention.at < deleted_until;
            if mention.key != key || mention.is_deleted || left == 0 {
                continue;
            }
            if !self.is_clean(mention.at) {
                // A comment does not end the search for options of the database.
                if !key.is_of_database() {
                    taken.ended_at.get_or_insert(mention.at);
                }
                continue;
            }
            let value = value_at(self.text, mention.at, key.keyword().len());
            if taken.ended_at.is_some() {
                taken.hidden = taken.hidden.or(value.is_ok().then_some(mention.at));
                continue;
            }
            match value {
                Ok((value, _, end)) => {
                    mention.is_deleted = true;
                    deleted_until = end;
                    left -= 1;
                    self.cuts.push((mention.at, end));
                    each(mention.at, value);
                }
                Err(missing) => taken.faults.push((mention.at, missing)),
            }
        }
        self.mentions = mentions;
        if self.cuts.len() > self.runs.last().copied().unwrap_or(0) {
            self.runs.push(self.cuts.len());
        }
        taken
    }

    /// Whether only blanks stand before `at` in its line, what was deleted left aside.
    fn is_clean(&self, at: usize) -> bool {
        let begin = back_over_blanks(self.text, at);
        begins_line(self.text, begin) || self.ends_a_cut(begin)
    }

    fn ends_a_cut(&self, place: usize) -> bool {
        if self.text.get(place.wrapping_sub(1)) != Some(&b';') {
            return false;
        }
        let begins = std::iter::once(0).chain(self.runs.iter().copied());
        let ends = self.runs.iter().copied().chain([self.cuts.len()]);
        begins.zip(ends).any(|(begin, end)| {
            let run = self.cuts.get(begin..end).unwrap_or_default();
            run.binary_search_by_key(&place, |(_, end)| *end).is_ok()
        })
    }

    /// All that was deleted, ascending.
    pub(crate) fn into_cuts(mut self) -> Vec<(usize, usize)> {
        // Stable: it makes use of the runs.
        self.cuts.sort();
        self.cuts
    }
}

impl Mention {
    #[inline]
    fn at(text: &[u8], at: usize) -> Option<Self> {
        if !text.get(at + 1).is_some_and(|byte| may_be_known(*byte)) {
            return None;
        }
        let rest = part(text, at, text.len());
        let key = Key::begun_by(rest)?;
        // Only the handler's keys may go over into their values.
        let boundary = rest.get(key.keyword().len());
        let is_word = boundary.is_some_and(|byte| crate::bytes::is_blank(*byte));
        (is_word || !key.is_of_database()).then_some(Self {
            at,
            key,
            is_deleted: false,
        })
    }
}
