//! What changes for a script that goes from the first parser to the second.
//!
//! Both handlers look at the script by itself, without imports; then their options are laid beside each other by place. Each
//! imported script is to be checked on its own.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use crate::bytes::shown;
use crate::database::Version;
use crate::fault::Fault;
use crate::handler::{Settings, resolve};
use crate::import::NoScripts;
use crate::java::{clean_jar, jar_paths, pieces_v1, pieces_v2};
use crate::keys::Key;
use crate::place::{Place, Places};
use crate::v1::Taking;
use crate::v2::{Parsed, ScriptOption};

/// What the second parser makes of a script that the first took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// Faults of the second parser, which refuses the script: all to be mended.
    pub faults: Vec<Fault>,
    /// What it takes and understands differently, in the order of the text.
    pub changes: Vec<Change>,
}

/// A difference at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub kind: ChangeKind,
    /// Where.
    pub place: Place,
}

/// What differs. Keywords have their percent sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// The first parser did not see this option, the second carries it out.
    NowSeen {
        /// Of the option.
        keyword: &'static str,
    },
    /// The first parser took this for an option, the second takes it for code.
    NoLongerSeen {
        /// Of the option.
        keyword: &'static str,
    },
    /// The value means something else.
    OtherValue {
        /// Of the option.
        keyword: &'static str,
        /// What the first parser made of it, in pieces.
        before: Vec<Vec<u8>>,
        /// What the second makes of it.
        after: Vec<Vec<u8>>,
    },
    /// A further script class: the first parser left it to the compiler, the second removes it.
    RepeatedScriptClass,
    /// Jars were sorted and doubles dropped; now they keep the order of the text.
    JarOrder,
}

impl Migration {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty() && self.changes.is_empty()
    }
}

/// Compares what both parsers make of a script.
pub fn check(text: &[u8]) -> Migration {
    let parsed = Parsed::new(text);
    let settings = Settings::new(Version::V2);
    // Imports are not followed here, so only faults of this text are of interest.
    let faults = match resolve(text, settings, &mut NoScripts) {
        Ok(_) => Vec::new(),
        Err(list) => list.faults,
    };
    let is_of_import = |fault: &Fault| matches!(fault.kind, crate::fault::FaultKind::NoScript { .. });
    let mut migration = Migration {
        faults: faults.into_iter().filter(|fault| !is_of_import(fault)).collect(),
        changes: Vec::new(),
    };
    let before = options_of_v1(text);
    let after: Vec<&ScriptOption<'_>> = parsed.options.list.iter().collect();
    let mut changes = Vec::new();
    compare(&before, &after, &mut changes);
    compare_jars(&before, &mut changes);
    changes.sort_by_key(|(at, _)| *at);
    let mut places = Places::new(text);
    let place = |(at, kind)| Change {
        kind,
        place: places.at(at),
    };
    migration.changes = changes.into_iter().map(place).collect();
    // A line that the second parser refuses is told as a fault, not as an option that is no longer seen.
    let refused: BTreeSet<usize> = migration.faults.iter().map(|fault| fault.place.line).collect();
    migration.changes.retain(|change| {
        !(matches!(change.kind, ChangeKind::NoLongerSeen { .. }) && refused.contains(&change.place.line))
    });
    migration
}

/// An option of the first parser.
struct Before<'t> {
    at: usize,
    key: Key,
    value: &'t [u8],
}

fn options_of_v1(text: &[u8]) -> Vec<Before<'_>> {
    let mut taking = Taking::new(text);
    let mut options = Vec::new();
    let once = |key| if key == Key::ScriptClass { 1 } else { usize::MAX };
    for key in [
        Key::Environment,
        Key::InstanceLimit,
        Key::ScriptClass,
        Key::Import,
        Key::JvmOption,
        Key::Jar,
    ] {
        taking.take(key, once(key), |at, value| options.push(Before { at, key, value }));
    }
    options.sort_by_key(|option| option.at);
    options
}

/// Walks both lists by place.
fn compare(before: &[Before<'_>], after: &[&ScriptOption<'_>], changes: &mut Vec<(usize, ChangeKind)>) {
    let mut after = after
        .iter()
        .filter_map(|option| Some((Key::of(&option.key)?, *option)))
        .peekable();
    let mut classes = 0;
    let mut unseen = |key: Key, at: usize, classes: &mut usize| {
        *classes += usize::from(key == Key::ScriptClass);
        let kind = match key {
            Key::ScriptClass if *classes > 1 => ChangeKind::RepeatedScriptClass,
            key => ChangeKind::NowSeen { keyword: key.keyword() },
        };
        changes.push((at, kind));
    };
    let mut others = Vec::new();
    for option in before {
        while let Some((key, earlier)) = after.next_if(|(_, now)| now.start < option.at) {
            unseen(key, earlier.start, &mut classes);
        }
        let keyword = option.key.keyword();
        match after.next_if(|(key, now)| now.start == option.at && *key == option.key) {
            None => others.push((option.at, ChangeKind::NoLongerSeen { keyword })),
            Some((key, now)) => {
                classes += usize::from(key == Key::ScriptClass);
                others.extend(other_value(option, now).map(|kind| (option.at, kind)));
            }
        }
    }
    for (key, later) in after {
        unseen(key, later.start, &mut classes);
    }
    changes.extend(others);
}

fn other_value(before: &Before<'_>, now: &ScriptOption<'_>) -> Option<ChangeKind> {
    let old = pieces_before(before);
    let new = pieces_after(before.key, now)?;
    (old != new).then(|| ChangeKind::OtherValue {
        keyword: before.key.keyword(),
        before: old,
        after: new,
    })
}

fn pieces_before(option: &Before<'_>) -> Vec<Vec<u8>> {
    match option.key {
        Key::JvmOption => pieces_v1(option.value).map(<[u8]>::to_vec).collect(),
        Key::Jar => jar_paths(option.value).map(<[u8]>::to_vec).collect(),
        _ => vec![option.value.to_vec()],
    }
}

/// `None` where the value is refused, which is a fault told elsewhere.
fn pieces_after(key: Key, option: &ScriptOption<'_>) -> Option<Vec<Vec<u8>>> {
    let value = Cow::Borrowed(&*option.value);
    match key {
        Key::JvmOption => {
            let mut pieces = Vec::new();
            let taken = pieces_v2(value, &mut |piece| pieces.push(piece.into_owned()));
            taken.ok().map(|()| pieces)
        }
        Key::Jar => Some(jar_paths(&clean_jar(value)).map(<[u8]>::to_vec).collect()),
        _ => Some(vec![crate::bytes::trim_space(&option.value).to_vec()]),
    }
}

/// Whether jars stand in another order than that of their bytes, or more than once.
fn compare_jars(before: &[Before<'_>], changes: &mut Vec<(usize, ChangeKind)>) {
    let jars = before.iter().filter(|option| option.key == Key::Jar);
    let mut paths = jars.flat_map(|option| jar_paths(option.value).map(|path| (option.at, path)));
    let Some((_, mut last)) = paths.next() else { return };
    for (at, path) in paths {
        if path <= last {
            changes.push((at, ChangeKind::JarOrder));
            return;
        }
        last = path;
    }
}

impl ChangeKind {
    /// The kind in one word, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NowSeen { .. } => "now_seen",
            Self::NoLongerSeen { .. } => "no_longer_seen",
            Self::OtherValue { .. } => "other_value",
            Self::RepeatedScriptClass => "repeated_scriptclass",
            Self::JarOrder => "jar_order",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::NowSeen { .. } => "remove it, or put something before it in its line, if it is to have no effect",
            Self::NoLongerSeen { .. } => "give it a line of its own, with white space between key and value",
            Self::OtherValue { keyword, .. } if *keyword == Key::JvmOption.keyword() => {
                "in a JVM option a backslash is written `\\\\\\\\`: it is read twice"
            }
            Self::OtherValue { .. } => "write a backslash as `\\\\`",
            Self::RepeatedScriptClass => "keep the first, which counted before",
            Self::JarOrder => "put the jars into the order that the class path is to have",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |pieces: &[Vec<u8>]| {
            pieces
                .iter()
                .map(|piece| format!("`{}`", shown(piece)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        match self {
            Self::NowSeen { keyword } => write!(out, "`{keyword}` had no effect, and has one now"),
            Self::NoLongerSeen { keyword } => write!(out, "`{keyword}` had an effect, and has none now"),
            Self::OtherValue { keyword, before, after } => {
                write!(out, "`{keyword}` was {}, and is {} now", list(before), list(after))
            }
            Self::RepeatedScriptClass => {
                out.write_str("a further `%scriptclass` was left in the text, and is removed now")
            }
            Self::JarOrder => {
                out.write_str("jars were sorted and doubles dropped; now they keep the order of the text")
            }
        }
    }
}
