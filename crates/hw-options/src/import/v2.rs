//! Imports of the second parser: depth first, each content once, a script at the place where it was first reached.
//!
//! The reference recurses and puts each expanded text into the one above it. Here the scripts that are under way stand on a
//! stack, and what lies between imports goes straight to the one merged text: 9,999 levels cost no more than their bytes.

use crate::bytes::{part, trim_space};
use crate::fault::{FaultKind, Stage};
use crate::import::{DEPTH_MAX, Expanded, Request, Stopped, Work};
use crate::keys::Key;
use crate::merged::{Merged, Spot};
use crate::v2::{Options, Parsed};

/// A script under way.
struct Level {
    script: usize,
    /// The request that brought it.
    request: Option<usize>,
    options: std::vec::IntoIter<Step>,
    copied: usize,
}

/// An option of a script.
struct Step {
    start: usize,
    end: usize,
    /// The name to import.
    import: Option<Vec<u8>>,
}

/// Whether any option asks for a script.
pub(crate) fn has_imports(options: &Options<'_>) -> bool {
    options.list.iter().any(|option| option.known == Some(Key::Import))
}

/// The main text with all imports in their places. Faults are in `work` then; the text is worth nothing if there are any.
pub(crate) fn expand<'t>(work: &mut Work<'t, '_>, main: &'t [u8], options: &Options<'t>) -> Expanded<'t> {
    let mut expanded = Expanded {
        merged: Merged::empty(),
        expected: Vec::new(),
    };
    work.know_main(main);
    let mut levels = vec![Level {
        script: 0,
        request: None,
        options: steps(options),
        copied: 0,
    }];
    while let Some(level) = levels.last_mut() {
        let Some(step) = level.options.next() else {
            append(work, &mut expanded.merged, level, usize::MAX);
            levels.pop();
            continue;
        };
        let Some(name) = step.import else {
            let before = step.start - level.copied;
            expanded.expected.push(expanded.merged.text.len() + before);
            continue;
        };
        append(work, &mut expanded.merged, level, step.start);
        level.copied = step.end;
        let request = Request {
            name: &name,
            spot: Spot {
                script: level.script,
                offset: step.start,
            },
            from: level.request,
            depth: levels.len(),
            stage: Stage::V2Imported,
        };
        match enter(work, &request) {
            Ok(Some(level)) => levels.push(level),
            Ok(None) => {}
            Err(Stopped) => break,
        }
    }
    expanded
}

/// Appends what stands before `to` and was not appended yet.
fn append(work: &Work<'_, '_>, merged: &mut Merged<'_>, level: &Level, to: usize) {
    let text = work.scripts.text(level.script);
    let spot = Spot {
        script: level.script,
        offset: level.copied,
    };
    merged.append(part(text, level.copied, to.min(text.len())), spot);
}

/// Asks for a script and parses it.
fn enter(work: &mut Work<'_, '_>, request: &Request<'_>) -> Result<Option<Level>, Stopped> {
    let Some(fetched) = work.fetch(request)? else {
        return Ok(None);
    };
    let text = work.scripts.text(fetched.script);
    let parsed = Parsed::new(text);
    let faults: Vec<_> = parsed
        .malformed
        .iter()
        .map(|malformed| (malformed.owned(text), malformed.at))
        .collect();
    let level = Level {
        script: fetched.script,
        request: Some(fetched.request),
        options: steps(&parsed.options),
        copied: 0,
    };
    for (syntax, offset) in faults {
        let script = fetched.script;
        work.fault(FaultKind::Syntax(syntax), Stage::V2Imported, Spot { script, offset });
    }
    if request.depth >= DEPTH_MAX {
        let kind = FaultKind::TooDeep { depth: request.depth };
        work.fault(kind, request.stage, request.spot);
        return Err(Stopped);
    }
    Ok(Some(level))
}

fn steps(options: &Options<'_>) -> std::vec::IntoIter<Step> {
    let step = |option: &crate::v2::ScriptOption<'_>| Step {
        start: option.start,
        end: option.end,
        import: match option.known {
            Some(Key::Import) => Some(trim_space(&option.value).to_vec()),
            _ => None,
        },
    };
    options.list.iter().map(step).collect::<Vec<_>>().into_iter()
}
