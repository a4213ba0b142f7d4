//! A text that was put together, and where each byte of it comes from.

use std::borrow::Cow;
use std::sync::Arc;

use crate::bytes::{is_line_end, part};
use crate::place::{Place, Places};

/// A byte of one of the scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    /// 0 is the main script.
    pub(crate) script: usize,
    pub(crate) offset: usize,
}

/// The scripts that take part, by number: 0 is the main one.
#[derive(Debug, Clone)]
pub(crate) struct Scripts<'t> {
    pub(crate) main: &'t [u8],
    pub(crate) imported: Vec<Imported>,
}

/// A script that a provider gave.
#[derive(Debug, Clone)]
pub(crate) struct Imported {
    /// As the option that asked for it has it.
    pub(crate) name: Vec<u8>,
    pub(crate) text: Arc<[u8]>,
    /// Bytes that count: up to a NUL.
    pub(crate) length: usize,
}

impl Scripts<'_> {
    /// The text of a script.
    pub(crate) fn text(&self, number: usize) -> &[u8] {
        match self.of_import(number) {
            None => self.main,
            Some(script) => part(&script.text, 0, script.length),
        }
    }

    /// The name of a script; the main one has none.
    pub(crate) fn name(&self, number: usize) -> Option<Vec<u8>> {
        self.of_import(number).map(|script| script.name.clone())
    }

    fn of_import(&self, number: usize) -> Option<&Imported> {
        number.checked_sub(1).and_then(|number| self.imported.get(number))
    }
}

/// From `start` on, the merged text is what `spot` and the bytes behind it are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    start: usize,
    spot: Spot,
}

/// A text with its origins.
#[derive(Debug, Clone)]
pub(crate) struct Merged<'t> {
    pub(crate) text: Cow<'t, [u8]>,
    /// Ascending; empty: all of it is the main script.
    stretches: Vec<Stretch>,
}

impl<'t> Merged<'t> {
    pub(crate) fn main(text: &'t [u8]) -> Self {
        Self {
            text: Cow::Borrowed(text),
            stretches: Vec::new(),
        }
    }

    /// Nothing, to be appended to.
    pub(crate) fn empty() -> Self {
        Self {
            text: Cow::Owned(Vec::new()),
            stretches: Vec::new(),
        }
    }

    /// Appends bytes that come from `spot`.
    pub(crate) fn append(&mut self, bytes: &[u8], spot: Spot) {
        if bytes.is_empty() {
            return;
        }
        let start = self.text.len();
        self.stretches.push(Stretch { start, spot });
        self.text.to_mut().extend_from_slice(bytes);
    }

    /// Where the byte at `offset` comes from.
    pub(crate) fn spot(&self, offset: usize) -> Spot {
        let following = self.stretches.partition_point(|stretch| stretch.start <= offset);
        match following.checked_sub(1).and_then(|number| self.stretches.get(number)) {
            None => Spot { script: 0, offset },
            Some(stretch) => Spot {
                script: stretch.spot.script,
                offset: stretch.spot.offset + (offset - stretch.start),
            },
        }
    }

    /// Where the bytes end that come from one place together with the one at `offset`.
    pub(crate) fn stretch_end(&self, offset: usize) -> usize {
        let following = self.stretches.partition_point(|stretch| stretch.start <= offset);
        self.stretches
            .get(following)
            .map_or(self.text.len(), |stretch| stretch.start)
    }

    /// Whether the bytes before `to` in its line come from more than the script of the one at `to`.
    pub(crate) fn is_joined(&self, to: usize) -> bool {
        let line = part(&self.text, 0, to).iter().rposition(|byte| is_line_end(*byte));
        let line = line.map_or(0, |end| end + 1);
        let script = self.spot(to).script;
        let following = self.stretches.partition_point(|stretch| stretch.start <= line);
        let within = self
            .stretches
            .iter()
            .skip(following)
            .take_while(|stretch| stretch.start <= to);
        self.spot(line).script != script || within.into_iter().any(|stretch| stretch.spot.script != script)
    }

    /// The text without `cuts`, which ascend and do not touch each other's bytes. One pass, or none.
    pub(crate) fn without(&self, cuts: impl Iterator<Item = (usize, usize)> + Clone) -> Cow<'t, [u8]> {
        match (&self.text, cuts.clone().next()) {
            (Cow::Borrowed(text), None) => Cow::Borrowed(text),
            (text, _) => Cow::Owned(gaps(text, cuts)),
        }
    }
}

/// What lies between the cuts.
pub(crate) fn gaps(text: &[u8], cuts: impl Iterator<Item = (usize, usize)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut copied = 0;
    for (start, end) in cuts {
        out.extend_from_slice(part(text, copied, start));
        copied = end;
    }
    out.extend_from_slice(part(text, copied, text.len()));
    out
}

/// The places of `spots`, each together with the name of its script. One pass over each script that has one.
pub(crate) fn places(scripts: &Scripts<'_>, spots: &[Spot]) -> Vec<(Option<Vec<u8>>, Place)> {
    if spots.is_empty() {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..spots.len()).collect();
    order.sort_by_key(|number| spots.get(*number).copied());
    let mut found = vec![(None, Place::default()); spots.len()];
    let mut current: Option<(usize, Places<'_>)> = None;
    for number in order {
        let (Some(spot), Some(slot)) = (spots.get(number), found.get_mut(number)) else {
            continue;
        };
        let reader = match &mut current {
            Some((of, reader)) if *of == spot.script => reader,
            other => &mut other.insert((spot.script, Places::new(scripts.text(spot.script)))).1,
        };
        *slot = (scripts.name(spot.script), reader.at(spot.offset));
    }
    found
}
