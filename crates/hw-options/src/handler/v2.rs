//! The handler of the second parser.

use std::borrow::Cow;

use crate::bytes::{part, trim_space};
use crate::database::assignment;
use crate::fault::{DatabaseProblem, FaultKind, Stage};
use crate::handler::{Found, Item, Settings};
use crate::import::{self, Expanded, Work};
use crate::java::{BadPiece, clean_jar, pieces_v2, split_jars};
use crate::keys::Key;
use crate::merged::{Merged, Spot};
use crate::v2::{Options, Parsed, ScriptOption, raw_offset};
use crate::warning::WarningKind;

pub(super) fn run<'t>(work: &mut Work<'t, '_>, text: &'t [u8], settings: Settings) -> Found<'t> {
    let mut found = Found::default();
    let main = parse_main(work, text, settings);
    take_of_main(work, &mut found, &main);
    if !work.faults.is_empty() {
        return found;
    }
    if import::v2::has_imports(&main) {
        let expanded = import::v2::expand(work, text, &main);
        if work.faults.is_empty() {
            take_merged(work, &mut found, expanded);
        }
        return found;
    }
    for (at, key) in &main.behind_code {
        let keyword = key.keyword().into();
        found.warn(WarningKind::BehindCode { keyword }, main_spot(*at));
    }
    let merged = Merged::main(text);
    found.code = merged.without(cuts(&main));
    take_values(work, &mut found, &merged, main, |text| text);
    found
}

/// Parses the text that imports made, and takes all that counts from wherever it stands.
fn take_merged<'t>(work: &mut Work<'t, '_>, found: &mut Found<'t>, expanded: Expanded<'t>) {
    let Expanded { merged, expected } = expanded;
    let parsed = Parsed::new(&merged.text);
    for malformed in &parsed.malformed {
        let kind = FaultKind::Syntax(malformed.owned(&merged.text));
        work.fault(kind, Stage::V2Merged, merged.spot(malformed.at));
    }
    refuse_unknown(work, &parsed.options, |offset| merged.spot(offset));
    for (at, key) in &parsed.options.behind_code {
        let keyword = key.keyword().into();
        let kind = match expected.binary_search(at) {
            Ok(_) => WarningKind::LostByJoining { keyword },
            Err(_) => WarningKind::BehindCode { keyword },
        };
        found.warn(kind, merged.spot(*at));
    }
    for option in &parsed.options.list {
        let spot = merged.spot(option.start);
        match option.known {
            Some(Key::ScriptClass) if spot.script != 0 => found.warn(WarningKind::ScriptClassImported, spot),
            Some(key) if key.is_of_database() && spot.script != 0 => {
                let keyword = key.keyword().into();
                found.warn(WarningKind::DatabaseOptionImported { keyword }, spot);
            }
            _ => {}
        }
    }
    found.code = merged.without(cuts(&parsed.options)).into_owned().into();
    take_values(work, found, &merged, parsed.options, |text| {
        Cow::Owned(text.into_owned())
    });
}

fn cuts(options: &Options<'_>) -> impl Iterator<Item = (usize, usize)> + Clone {
    options.list.iter().map(|option| (option.start, option.end))
}

/// JVM options and jars in the order of the text.
fn take_values<'m, 't>(
    work: &mut Work<'_, '_>,
    found: &mut Found<'t>,
    merged: &Merged<'_>,
    options: Options<'m>,
    keep: impl Fn(Cow<'m, [u8]>) -> Cow<'t, [u8]>,
) {
    for option in options.list {
        match option.known {
            Some(Key::JvmOption) => {
                let spot = merged.spot(option.start);
                let jvm_options = &mut found.jvm_options;
                let raw = (option.value_start, option.end - 1);
                let taken = pieces_v2(option.value, &mut |piece| {
                    let text = keep(piece);
                    jvm_options.push(Item { text, spot });
                });
                if let Err(bad) = taken {
                    refuse_piece(work, merged, raw, bad);
                }
            }
            Some(Key::Jar) => {
                let spot = merged.spot(option.start);
                let jars = &mut found.jars;
                split_jars(clean_jar(option.value), &mut |path| {
                    let text = keep(path);
                    jars.push(Item { text, spot });
                });
            }
            _ => {}
        }
    }
}

/// A piece of the JVM option whose raw value lies between these places begins with an escape.
fn refuse_piece(work: &mut Work<'_, '_>, merged: &Merged<'_>, (start, end): (usize, usize), bad: BadPiece) {
    let kind = FaultKind::JvmOption {
        line: bad.line,
        column: bad.column,
    };
    let raw = part(&merged.text, start, end);
    work.fault(kind, Stage::V2Main, merged.spot(start + raw_offset(raw, bad.at)));
}

/// Parses the main script and looks at its keys.
fn parse_main<'t>(work: &mut Work<'t, '_>, text: &'t [u8], settings: Settings) -> Options<'t> {
    let parsed = Parsed::new(text);
    for malformed in &parsed.malformed {
        let spot = main_spot(malformed.at);
        work.fault(FaultKind::Syntax(malformed.owned(text)), Stage::V2Main, spot);
    }
    refuse_unknown(work, &parsed.options, main_spot);
    let mut classes = parsed.options.list.iter().filter(|option| is(option, Key::ScriptClass));
    let second = classes.nth(1);
    if let Some(second) = second.filter(|_| settings.strict_script_class) {
        let count = 2 + classes.count();
        let kind = FaultKind::RepeatedScriptClass { count };
        work.fault(kind, Stage::V2Main, main_spot(second.start));
    }
    parsed.options
}

fn main_spot(offset: usize) -> Spot {
    Spot { script: 0, offset }
}

fn is(option: &ScriptOption<'_>, key: Key) -> bool {
    option.known == Some(key)
}

/// Refuses keys that nobody knows, by the order of their bytes: the reference tells the first of that order.
fn refuse_unknown(work: &mut Work<'_, '_>, options: &Options<'_>, spot: impl Fn(usize) -> Spot) {
    let mut unknown: Vec<_> = options.list.iter().filter(|option| option.known.is_none()).collect();
    unknown.sort_by(|a, b| (&a.key, a.start).cmp(&(&b.key, b.start)));
    for option in unknown {
        let key = option.key.to_vec();
        work.fault(FaultKind::UnknownKey { key }, Stage::V2Main, spot(option.start));
    }
}

/// Script class and options of the database: only those of the main script count.
fn take_of_main<'t>(work: &mut Work<'t, '_>, found: &mut Found<'t>, options: &Options<'t>) {
    let mut has_class = false;
    for option in &options.list {
        let spot = main_spot(option.start);
        match option.known {
            Some(Key::ScriptClass) if has_class => found.warn(WarningKind::ScriptClassRepeated, spot),
            Some(Key::ScriptClass) => {
                has_class = true;
                let class = trimmed(&option.value);
                if !class.is_empty() {
                    found.set_script_class(class, spot);
                }
            }
            Some(Key::Environment) => match assignment(option.value.clone()) {
                Ok(variable) => found.database.environment.push(variable),
                Err(problem) => refuse(work, Key::Environment, problem, spot),
            },
            Some(Key::InstanceLimit) => {
                if let Err(problem) = found.database.take_limit(&option.value) {
                    refuse(work, Key::InstanceLimit, problem, spot);
                }
            }
            _ => {}
        }
    }
}

fn refuse(work: &mut Work<'_, '_>, key: Key, problem: DatabaseProblem, spot: Spot) {
    let keyword = key.keyword();
    work.fault(FaultKind::Database { keyword, problem }, Stage::V2Main, spot);
}

fn trimmed<'t>(value: &Cow<'t, [u8]>) -> Cow<'t, [u8]> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(trim_space(value)),
        Cow::Owned(value) => Cow::Owned(trim_space(value).to_vec()),
    }
}
