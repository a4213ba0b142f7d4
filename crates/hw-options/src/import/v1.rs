//! Imports of the first parser: the first `%import` is replaced, then the search begins again at the top.
//!
//! Nothing before a replaced option can be an option any more, so the search may as well go on where the option was. What lies
//! ahead of it is the rest of the text being read and, below it on a stack, the rests of the texts that this one was put into:
//!
//! ```text
//! merged text | rest of C | rest of B | rest of the main text
//!             ^ here        a keyword or a value may reach over these borders
//! ```

use crate::bytes::{back_over_blanks, begins_line, is_blank, part, trim_blanks_end};
use crate::fault::{FaultKind, Stage};
use crate::import::{Request, Stopped, Work};
use crate::keys::Key;
use crate::merged::{Merged, Spot, gaps};
use crate::scan::{Percents, find_any};

const KEYWORD: &[u8] = Key::Import.keyword().as_bytes();

/// A text with bytes still to be read.
struct Rest {
    script: usize,
    request: Option<usize>,
    /// In the text, which for the main script is the one without its cuts.
    at: usize,
    depth: usize,
}

struct Expansion<'w, 't, 'p> {
    work: &'w mut Work<'t, 'p>,
    /// The main text without what was taken out of it, and how its bytes map.
    base: &'w Merged<'t>,
    /// What is read next is last.
    rests: Vec<Rest>,
    merged: Merged<'t>,
    /// The end of the merged text as it was when the last option was replaced: its line held only blanks before.
    clean: Option<usize>,
}

/// The main text without `cuts`, with all imports that the first parser follows in their places. Faults are in `work`.
///
/// Known from the first is the text without the cut of the script class alone, which begins at `class`: a provider gives texts with the
/// options of the database, so that those are no difference.
pub(crate) fn expand<'t>(
    work: &mut Work<'t, '_>,
    main: &'t [u8],
    cuts: &[(usize, usize)],
    class: Option<usize>,
) -> Merged<'t> {
    let mut base = Merged::empty();
    let mut copied = 0;
    for (start, end) in cuts.iter().copied().chain([(main.len(), main.len())]) {
        let spot = Spot {
            script: 0,
            offset: copied,
        };
        base.append(part(main, copied, start), spot);
        copied = end;
    }
    let of_class = cuts.iter().copied().filter(|(start, _)| Some(*start) == class);
    work.know_main(&gaps(main, of_class));
    let mut expansion = Expansion {
        work,
        base: &base,
        rests: vec![Rest {
            script: 0,
            request: None,
            at: 0,
            depth: 0,
        }],
        merged: Merged::empty(),
        clean: None,
    };
    // However it ends, the remaining text belongs to the whole.
    let (Ok(()) | Err(Stopped)) = expansion.run();
    expansion.finish()
}

impl<'t> Expansion<'_, 't, '_> {
    /// Replaces one import after the other, until none is found.
    fn run(&mut self) -> Result<(), Stopped> {
        while self.go_to_keyword() {
            let end = self.merged.text.len();
            let begin = back_over_blanks_until(&self.merged.text, end, self.clean);
            if self.clean != Some(begin) && !begins_line(&self.merged.text, begin) {
                return Ok(());
            }
            let Some(top) = self.rests.last() else { return Ok(()) };
            let spot = self.spot(top);
            let (from, depth) = (top.request, top.depth + 1);
            let name = self.take_option(spot)?;
            self.clean = Some(self.merged.text.len());
            let request = Request {
                name: &name,
                spot,
                from,
                depth,
                stage: Stage::V1Import,
            };
            if let Some(fetched) = self.work.fetch(&request)? {
                self.rests.push(Rest {
                    script: fetched.script,
                    request: Some(fetched.request),
                    at: 0,
                    depth,
                });
            }
        }
        Ok(())
    }

    /// Moves all that stands before the next keyword to the merged text. False: there is none, everything was moved.
    fn go_to_keyword(&mut self) -> bool {
        loop {
            self.drop_empty();
            let Some(top) = self.rests.last() else { return false };
            let (text, at) = (self.text(top), top.at);
            let mut percents = Percents::new(text);
            percents.seek(at);
            match percents.find(|percent| self.is_keyword(text, *percent)) {
                Some(percent) => {
                    self.move_to(percent);
                    return true;
                }
                None => self.move_to(text.len()),
            }
        }
    }

    /// Whether the keyword begins here; it may reach into the rests below.
    fn is_keyword(&self, text: &[u8], percent: usize) -> bool {
        let here = part(text, percent, text.len());
        if here.len() >= KEYWORD.len() {
            return here.starts_with(KEYWORD);
        }
        if !KEYWORD.starts_with(here) {
            return false;
        }
        let mut wanted = part(KEYWORD, here.len(), KEYWORD.len());
        for rest in self.rests.iter().rev().skip(1) {
            let text = self.text(rest);
            let here = part(text, rest.at, text.len());
            if here.len() >= wanted.len() {
                return here.starts_with(wanted);
            }
            match wanted.strip_prefix(here) {
                Some(left) => wanted = left,
                None => return false,
            }
        }
        false
    }

    /// Takes keyword and value away; the value is the name.
    fn take_option(&mut self, spot: Spot) -> Result<Vec<u8>, Stopped> {
        self.skip(KEYWORD.len());
        self.skip_blanks();
        let keyword = || KEYWORD.to_vec();
        if self.rests.is_empty() {
            self.work
                .fault(FaultKind::NoValue { keyword: keyword() }, Stage::V1Import, spot);
            return Err(Stopped);
        }
        let mut value = Vec::new();
        let stop = loop {
            self.drop_empty();
            let Some(top) = self.rests.last() else { break None };
            let (text, at) = (self.text(top), top.at);
            let stop = find_any(text, at, [b';', b'\n', b'\r', b';']);
            value.extend_from_slice(part(text, at, stop));
            let found = text.get(stop).copied();
            if let Some(top) = self.rests.last_mut() {
                top.at = stop;
            }
            if found.is_some() {
                break found;
            }
        };
        let name = trim_blanks_end(&value);
        let fault = match (stop, name) {
            (Some(b';'), []) => FaultKind::NoValue { keyword: keyword() },
            (Some(b';'), name) => {
                let name = name.to_vec();
                self.skip(1);
                return Ok(name);
            }
            _ => FaultKind::NoTerminator { keyword: keyword() },
        };
        self.work.fault(fault, Stage::V1Import, spot);
        Err(Stopped)
    }

    /// Leaves out bytes of the rests.
    fn skip(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let Some(top) = self.rests.last() else { return };
            let there = self.text(top).len() - top.at;
            let now = there.min(bytes);
            bytes -= now;
            if let Some(top) = self.rests.last_mut() {
                top.at += now;
            }
            self.drop_empty();
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            self.drop_empty();
            let Some(top) = self.rests.last() else { return };
            let text = self.text(top);
            let here = part(text, top.at, text.len());
            let blanks = here.iter().take_while(|byte| is_blank(**byte)).count();
            let reaches_on = blanks == here.len();
            if let Some(top) = self.rests.last_mut() {
                top.at += blanks;
            }
            if !reaches_on {
                return;
            }
        }
    }

    /// Lets go of texts that are read to their end, so that each on the stack has a byte at least.
    fn drop_empty(&mut self) {
        while self.rests.last().is_some_and(|top| top.at >= self.text(top).len()) {
            self.rests.pop();
        }
    }

    /// Moves the bytes of the topmost rest before `to` to the merged text.
    fn move_to(&mut self, to: usize) {
        let Some(top) = self.rests.last_mut() else { return };
        let at = std::mem::replace(&mut top.at, to);
        let script = top.script;
        if script != 0 {
            let bytes = part(self.work.scripts.text(script), at, to);
            return self.merged.append(bytes, Spot { script, offset: at });
        }
        let mut at = at;
        // The main text has cuts: each stretch between two goes by itself.
        while at < to {
            let end = self.base.stretch_end(at).min(to);
            self.merged.append(part(&self.base.text, at, end), self.base.spot(at));
            at = end;
        }
    }

    fn text(&self, rest: &Rest) -> &[u8] {
        match rest.script {
            0 => &self.base.text,
            script => self.work.scripts.text(script),
        }
    }

    fn spot(&self, rest: &Rest) -> Spot {
        match rest.script {
            0 => self.base.spot(rest.at),
            script => Spot {
                script,
                offset: rest.at,
            },
        }
    }

    fn finish(mut self) -> Merged<'t> {
        while let Some(top) = self.rests.last() {
            let end = self.text(top).len();
            self.move_to(end);
            self.rests.pop();
        }
        self.merged
    }
}

/// Back over blanks, but no further than to `clean`.
fn back_over_blanks_until(text: &[u8], end: usize, clean: Option<usize>) -> usize {
    let from = clean.unwrap_or(0).min(end);
    from + back_over_blanks(part(text, from, end), end - from)
}
