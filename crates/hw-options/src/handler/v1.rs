//! The handler of the first parser.

use std::borrow::Cow;

use crate::database::{DatabaseOptions, assignment};
use crate::fault::{DatabaseProblem, FaultKind, Stage};
use crate::handler::{Found, Item};
use crate::import::{self, Work};
use crate::java::{jar_paths, pieces_v1};
use crate::keys::Key;
use crate::merged::{Merged, Spot};
use crate::place::Places;
use crate::v1::{NoOption, Taken, Taking};
use crate::warning::WarningKind;

pub(super) fn run<'t>(work: &mut Work<'t, '_>, text: &'t [u8]) -> Found<'t> {
    let mut found = Found::default();
    let main = Merged::main(text);
    let mut taking = Taking::new(text);
    take_database_options(work, &mut found.database, &main, &mut taking);
    let mut class_at = None;
    let class = taking.take(Key::ScriptClass, 1, |at, value| {
        class_at = Some(at);
        found.set_script_class(Cow::Borrowed(value), main.spot(at));
    });
    note(work, &mut found, &main, (Key::ScriptClass, &taking), &class);
    let dead_end = taking.dead_end(Key::Import);
    if !work.faults.is_empty() || dead_end.is_some() || !taking.mentions(Key::Import) {
        warn_of_end(&mut found, &main, Key::Import, dead_end, &taking);
        take_values(work, &mut found, &main, &mut taking, Cow::Borrowed);
        found.code = main.without(taking.into_cuts().into_iter());
        return found;
    }
    let merged = import::v1::expand(work, text, &taking.into_cuts(), class_at);
    if !work.faults.is_empty() {
        return found;
    }
    let mut taking = Taking::new(&merged.text);
    let dead_end = taking.dead_end(Key::Import);
    warn_of_end(&mut found, &merged, Key::Import, dead_end, &taking);
    for (spot, key) in take_database_options(work, &mut DatabaseOptions::default(), &merged, &mut taking) {
        let keyword = key.keyword().into();
        found.warn(WarningKind::DatabaseOptionImported { keyword }, spot);
    }
    take_values(work, &mut found, &merged, &mut taking, |text| Cow::Owned(text.to_vec()));
    let cuts = taking.into_cuts();
    found.code = merged.without(cuts.into_iter()).into_owned().into();
    found
}

/// `%env` and `%perNodeAndCallInstanceLimit`, with their places.
fn take_database_options<'m>(
    work: &mut Work<'_, '_>,
    database: &mut DatabaseOptions<'m>,
    merged: &Merged<'_>,
    taking: &mut Taking<'m>,
) -> Vec<(Spot, Key)> {
    let mut spots = Vec::new();
    for key in [Key::Environment, Key::InstanceLimit] {
        let keyword = key.keyword();
        let taken = taking.take(key, usize::MAX, |at, value| {
            let result = match key {
                Key::Environment => {
                    assignment(Cow::Borrowed(value)).map(|variable| database.environment.push(variable))
                }
                _ => database.take_limit(value),
            };
            spots.push((merged.spot(at), key));
            if let Err(problem) = result {
                let kind = FaultKind::Database { keyword, problem };
                work.fault(kind, Stage::V1ScriptClass, merged.spot(at));
            }
        });
        for (at, missing) in taken.faults {
            let problem = match (missing, key) {
                (NoOption::Terminator, _) => DatabaseProblem::NoTerminator,
                (NoOption::Value, Key::Environment) => DatabaseProblem::NoAssignment,
                (NoOption::Value, _) => DatabaseProblem::NoNumber,
            };
            work.fault(
                FaultKind::Database { keyword, problem },
                Stage::V1ScriptClass,
                merged.spot(at),
            );
        }
    }
    spots
}

/// JVM options in order; jars in the order of their bytes, each once.
fn take_values<'m, 't>(
    work: &mut Work<'_, '_>,
    found: &mut Found<'t>,
    merged: &Merged<'_>,
    taking: &mut Taking<'m>,
    keep: impl Fn(&'m [u8]) -> Cow<'t, [u8]>,
) {
    let taken = taking.take(Key::JvmOption, usize::MAX, |at, value| {
        let spot = merged.spot(at);
        let items = pieces_v1(value).map(|piece| Item {
            text: keep(piece),
            spot,
        });
        found.jvm_options.extend(items);
    });
    note(work, found, merged, (Key::JvmOption, taking), &taken);
    let taken = taking.take(Key::Jar, usize::MAX, |at, value| {
        let spot = merged.spot(at);
        let items = jar_paths(value).map(|path| Item { text: keep(path), spot });
        found.jars.extend(items);
    });
    note(work, found, merged, (Key::Jar, taking), &taken);
    sort(&mut found.jars);
}

/// Puts paths into the order of their bytes, each once, with the place of its first option.
fn sort(paths: &mut Vec<Item<'_>>) {
    if paths.is_sorted_by(|a, b| a.text < b.text) {
        return;
    }
    // Paths mostly begin alike: what follows tells most of them apart by one comparison of numbers.
    let first = paths.first().map_or(&[][..], |item| &item.text);
    let alike = paths
        .iter()
        .map(|item| first.iter().zip(&*item.text).take_while(|(a, b)| a == b).count());
    let alike = alike.min().unwrap_or(0);
    let number = |path: &[u8]| {
        let mut bytes = [0; 8];
        for (byte, of_path) in bytes.iter_mut().zip(path.iter().skip(alike)) {
            *byte = *of_path;
        }
        u64::from_be_bytes(bytes)
    };
    let mut keyed: Vec<(u64, Item<'_>)> = paths.drain(..).map(|item| (number(&item.text), item)).collect();
    keyed.sort_by(|(a, of_a), (b, of_b)| (a, &of_a.text).cmp(&(b, &of_b.text)));
    keyed.dedup_by(|(_, a), (_, b)| a.text == b.text);
    paths.extend(keyed.into_iter().map(|(_, item)| item));
}

/// Notes what went wrong with a key, and what was not seen.
fn note(
    work: &mut Work<'_, '_>,
    found: &mut Found<'_>,
    merged: &Merged<'_>,
    (key, taking): (Key, &Taking<'_>),
    taken: &Taken,
) {
    let stage = match key {
        Key::ScriptClass => Stage::V1ScriptClass,
        Key::JvmOption => Stage::V1JvmOption,
        _ => Stage::V1Jar,
    };
    for (at, missing) in &taken.faults {
        let kind = missing.kind(key.keyword().as_bytes());
        work.fault(kind, stage, merged.spot(*at));
    }
    let dead_end = taken.ended_at.map(|ended_at| (ended_at, taken.hidden));
    warn_of_end(found, merged, key, dead_end, taking);
}

/// Warns of options that are not seen, since the search for their key ended at a mention behind other text.
fn warn_of_end(
    found: &mut Found<'_>,
    merged: &Merged<'_>,
    key: Key,
    dead_end: Option<(usize, Option<usize>)>,
    taking: &Taking<'_>,
) {
    let Some((ended_at, hidden)) = dead_end else { return };
    let keyword = key.keyword().as_bytes().to_vec();
    let is_option = taking.has_value(key, ended_at);
    if is_option && merged.is_joined(ended_at) {
        found.warn(WarningKind::LostByJoining { keyword }, merged.spot(ended_at));
    } else if let Some(hidden) = hidden {
        let mention_line = Places::new(&merged.text).at(ended_at).line;
        found.warn(WarningKind::Hidden { keyword, mention_line }, merged.spot(hidden));
    } else if is_option {
        found.warn(WarningKind::BehindCode { keyword }, merged.spot(ended_at));
    }
}
