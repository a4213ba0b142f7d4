//! What can be wrong with a script's options, each with its code, the reference's codes, its place and advice.

use std::fmt;

use crate::bytes::shown;
use crate::place::Place;
use crate::v2::{Missing, Syntax, Token};

/// Faults that are kept; a megabyte of `%` would have a million.
pub const FAULTS_MAX: usize = 1000;

/// A fault at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: FaultKind,
    /// The name of the imported script that it is in; `None`: the main script.
    pub origin: Option<Vec<u8>>,
    /// Where it is in that script.
    pub place: Place,
    codes: &'static [u16],
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Second parser: a line begins an option and is none.
    Syntax(Syntax),
    /// First parser: nothing stands between keyword and `;`.
    NoValue {
        /// With its percent sign.
        keyword: Vec<u8>,
    },
    /// First parser: the line ends before a `;`.
    NoTerminator {
        /// With its percent sign.
        keyword: Vec<u8>,
    },
    /// Second parser: the handler does not know the key.
    UnknownKey {
        /// Without percent sign.
        key: Vec<u8>,
    },
    /// The main script has several script classes, and that is not allowed.
    RepeatedScriptClass {
        /// How many it has.
        count: usize,
    },
    /// There is nobody who could be asked for scripts.
    ProviderUnavailable {
        /// In the provider's words.
        reason: String,
    },
    /// A script that is to be imported cannot be had.
    NoScript {
        /// The name, as the option has it.
        name: Vec<u8>,
        /// In the provider's words.
        reason: String,
    },
    /// Second parser: scripts import each other too deeply.
    TooDeep {
        /// Levels that are refused.
        depth: usize,
    },
    /// Imports make more scripts or more text than is allowed.
    TooMuchImported {
        /// What there is too much of, and how much is allowed.
        limit: String,
    },
    /// Second parser: a piece of a JVM option begins with an escape.
    JvmOption {
        /// Line within the value, from 1.
        line: usize,
        /// Byte within that line, from 1.
        column: usize,
    },
    /// `%env` or `%perNodeAndCallInstanceLimit` is not what the database takes.
    Database {
        /// With its percent sign.
        keyword: &'static str,
        /// What is wrong with it.
        problem: DatabaseProblem,
    },
    /// A jar of the class path cannot be used.
    Jar {
        /// As the option has it.
        path: Vec<u8>,
        /// Why not.
        problem: JarProblem,
    },
}

/// What is wrong with an option of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseProblem {
    /// The line ends before a `;`.
    NoTerminator,
    /// `%env` without `NAME=`.
    NoAssignment,
    /// A limit that is no whole number from 1.
    NoNumber,
}

/// Why a jar cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JarProblem {
    /// There is no such file.
    Missing,
    /// It may not be read.
    NoAccess,
    /// It is a folder, a device, a socket.
    NotAFile,
}

/// Where in the order of work a syntax fault was met: it decides the reference's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The second parser alone.
    Parser2,
    /// The first parser alone, asked once or until nothing is found.
    Parser1Once,
    Parser1All,
    /// The first parser with a key that no handler knows.
    Parser1Other,
    V1ScriptClass,
    V1Import,
    V1JvmOption,
    V1Jar,
    V2Main,
    V2Imported,
    V2Merged,
}

impl Stage {
    /// The reference's codes of a syntax fault, the outermost first.
    const fn syntax_codes(self) -> &'static [u16] {
        match self {
            Self::Parser2 => &[1621],
            Self::Parser1Once => &[1606],
            Self::Parser1All => &[1607],
            Self::Parser1Other => &[],
            Self::V1ScriptClass => &[1610, 1606],
            Self::V1Import => &[1614, 1606],
            Self::V1JvmOption => &[1612, 1607],
            Self::V1Jar => &[1613, 1607],
            Self::V2Main => &[1623, 1621],
            Self::V2Imported => &[1630],
            Self::V2Merged => &[1624, 1621],
        }
    }

    const fn is_of_v1(self) -> bool {
        matches!(
            self,
            Self::Parser1Once
                | Self::Parser1All
                | Self::Parser1Other
                | Self::V1ScriptClass
                | Self::V1Import
                | Self::V1JvmOption
                | Self::V1Jar
        )
    }
}

/// Every code of this crate with the title of its page in `docs/errors`.
pub const CODES: &[(&str, &str)] = &[
    ("HW-U001", "a line begins a script option and is none"),
    ("HW-U002", "a script option has no value"),
    ("HW-U003", "a script option is not closed"),
    ("HW-U004", "the key of a script option is unknown"),
    ("HW-U005", "a script has several script classes"),
    ("HW-U006", "a script to be imported cannot be had"),
    ("HW-U007", "scripts cannot be imported here"),
    ("HW-U008", "scripts import each other too deeply"),
    ("HW-U009", "a JVM option cannot be split"),
    ("HW-U010", "imports make too much text"),
    ("HW-U011", "an option of the database is not right"),
    ("HW-U012", "a jar cannot be used"),
];

impl FaultKind {
    /// Stable code, with a page in `docs/errors`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Syntax(_) => "HW-U001",
            Self::NoValue { .. } => "HW-U002",
            Self::NoTerminator { .. } => "HW-U003",
            Self::UnknownKey { .. } => "HW-U004",
            Self::RepeatedScriptClass { .. } => "HW-U005",
            Self::NoScript { .. } => "HW-U006",
            Self::ProviderUnavailable { .. } => "HW-U007",
            Self::TooDeep { .. } => "HW-U008",
            Self::JvmOption { .. } => "HW-U009",
            Self::TooMuchImported { .. } => "HW-U010",
            Self::Database { .. } => "HW-U011",
            Self::Jar { .. } => "HW-U012",
        }
    }

    /// The kind in one word, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Syntax(_) | Self::JvmOption { .. } => "syntax",
            Self::NoValue { .. } => "no_value",
            Self::NoTerminator { .. } => "no_terminator",
            Self::UnknownKey { .. } => "unknown_key",
            Self::RepeatedScriptClass { .. } => "repeated_scriptclass",
            Self::ProviderUnavailable { .. } => "provider_unavailable",
            Self::NoScript { .. } => "provider",
            Self::TooDeep { .. } => "recursion",
            Self::TooMuchImported { .. } => "import_limit",
            Self::Database { .. } => "database_option",
            Self::Jar { .. } => "jar",
        }
    }

    /// The class of what stands there instead of what was expected, where that is the matter.
    pub const fn unexpected(&self) -> Option<&'static str> {
        match self {
            Self::Syntax(syntax) => Some(syntax.unexpected.name()),
            Self::JvmOption { .. } => Some(Token::Escape.name()),
            _ => None,
        }
    }

    /// The reference's codes, the outermost first.
    const fn codes(&self, stage: Stage) -> &'static [u16] {
        match self {
            Self::Syntax(_) | Self::NoValue { .. } | Self::NoTerminator { .. } => stage.syntax_codes(),
            Self::UnknownKey { .. } => &[1622],
            Self::RepeatedScriptClass { .. } => &[1628],
            Self::ProviderUnavailable { .. } if stage.is_of_v1() => &[1615],
            Self::ProviderUnavailable { .. } => &[1631],
            Self::NoScript { .. } if stage.is_of_v1() => &[1616],
            Self::NoScript { .. } => &[1632],
            Self::TooDeep { .. } => &[1633],
            Self::Jar { problem, .. } => match problem {
                JarProblem::Missing => &[1061],
                JarProblem::NoAccess => &[1062],
                JarProblem::NotAFile => &[1063],
            },
            Self::JvmOption { .. } | Self::TooMuchImported { .. } | Self::Database { .. } => &[],
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        let text = match self {
            Self::Syntax(syntax) => return syntax.help(),
            Self::NoValue { keyword } | Self::NoTerminator { keyword } => {
                return format!("write `{} VALUE;` on one line", shown(keyword));
            }
            Self::UnknownKey { key } => return help_to_unknown(key),
            Self::RepeatedScriptClass { .. } => {
                "keep one; without strict script classes the first counts and the others are removed"
            }
            Self::ProviderUnavailable { .. } => "this option needs a place where scripts are: none is set up here",
            Self::NoScript { .. } => {
                "create the script, or correct the name: it is taken as written, with quotes, schema and case"
            }
            Self::TooDeep { .. } => "let scripts import what they share directly, rather than one through the other",
            Self::TooMuchImported { .. } => "import fewer or smaller scripts",
            Self::JvmOption { .. } => {
                "an escaped blank can only stand inside of an option, as in `-Dname=a\\ b`; remove the backslash"
            }
            Self::Database { problem, .. } => match problem {
                DatabaseProblem::NoTerminator => "close it by `;` on the same line",
                DatabaseProblem::NoAssignment => "write `%env NAME=value;`",
                DatabaseProblem::NoNumber => "write `%perNodeAndCallInstanceLimit 4;`",
            },
            Self::Jar { .. } => "upload the jar, or correct the path; several are separated by `:`",
        };
        text.to_owned()
    }
}

impl Syntax {
    fn help(&self) -> String {
        let key = shown(&self.key);
        match self.missing {
            Missing::Key => {
                "a line that begins with `%` is taken for an option: write `%key value;`, or let code that has to \
                             begin with `%` stand behind something else, on the line before for instance"
                    .to_owned()
            }
            Missing::Separator if !matches!(self.unexpected, Token::Semicolon | Token::LineEnd) => {
                format!("a key has letters, digits and `_` only, with white space behind it: `%{key} VALUE;`")
            }
            Missing::Value if self.unexpected == Token::Percent => {
                "a value cannot begin with `%`: the first parser took it, the second does not".to_owned()
            }
            Missing::Separator | Missing::Value => format!("write `%{key} VALUE;`"),
            Missing::Terminator => format!(
                "close it by `;` on the same line (`\\;` is a semicolon of the value): `%{key} VALUE;`; if it is code, let it not \
                 begin the line"
            ),
        }
    }
}

/// The known key that differs by case or by one byte at its end, if any.
fn help_to_unknown(key: &[u8]) -> String {
    let known = [
        "scriptclass",
        "import",
        "jvmoption",
        "jar",
        "env",
        "perNodeAndCallInstanceLimit",
    ];
    let lower = key.to_ascii_lowercase();
    let near = known.iter().find(|name| {
        let name = name.to_ascii_lowercase().into_bytes();
        name == lower || lower.strip_suffix(b"s") == Some(&name) || lower.starts_with(&name)
    });
    match near {
        Some(near) => format!("did you mean `%{near}`, with white space behind it?"),
        None => "known are `%scriptclass`, `%import`, `%jvmoption` and `%jar`, and of the database `%env` and \
                 `%perNodeAndCallInstanceLimit`; if it is code, let it not begin the line"
            .to_owned(),
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(syntax) => syntax.fmt(out),
            Self::NoValue { keyword } => write!(out, "`{}` has no value", shown(keyword)),
            Self::NoTerminator { keyword } => {
                write!(out, "`{}` is not closed: its line ends before a `;`", shown(keyword))
            }
            Self::UnknownKey { key } => write!(out, "there is no option `%{}`", shown(key)),
            Self::RepeatedScriptClass { count } => write!(out, "the script has `%scriptclass` {count} times"),
            Self::ProviderUnavailable { reason } => write!(out, "scripts cannot be imported: {reason}"),
            Self::NoScript { name, reason } => write!(out, "`{}` cannot be imported: {reason}", shown(name)),
            Self::TooDeep { depth } => write!(out, "imports are nested {depth} levels deep"),
            Self::TooMuchImported { limit } => write!(out, "imports exceed the limit of {limit}"),
            Self::JvmOption { line, column } => write!(
                out,
                "a JVM option cannot begin with an escaped blank or backslash (line {line}, column {column} of the value)"
            ),
            Self::Database { keyword, problem } => match problem {
                DatabaseProblem::NoTerminator => write!(out, "`{keyword}` is not closed: its line ends before a `;`"),
                DatabaseProblem::NoAssignment => write!(out, "`{keyword}` assigns nothing"),
                DatabaseProblem::NoNumber => write!(out, "`{keyword}` is no whole number from 1"),
            },
            Self::Jar { path, problem } => {
                let what = match problem {
                    JarProblem::Missing => "does not exist",
                    JarProblem::NoAccess => "may not be read",
                    JarProblem::NotAFile => "is no regular file",
                };
                write!(out, "the jar `{}` {what}", shown(path))
            }
        }
    }
}

impl fmt::Display for Syntax {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = shown(&self.key);
        let found = match self.unexpected {
            Token::LineEnd => "the line ends".to_owned(),
            Token::Percent | Token::Semicolon => format!("unexpected `{}`", self.unexpected.name()),
            other => format!("unexpected {}", other.name()),
        };
        match self.missing {
            Missing::Key => write!(out, "no key behind `%`: {found}"),
            Missing::Separator => write!(out, "no white space behind `%{key}`: {found}"),
            Missing::Value => write!(out, "`%{key}` has no value: {found}"),
            Missing::Terminator => write!(out, "`%{key}` is not closed: {found} before a `;`"),
        }
    }
}

impl Fault {
    pub(crate) fn at(kind: FaultKind, stage: Stage, place: Place) -> Self {
        Self {
            codes: kind.codes(stage),
            kind,
            origin: None,
            place,
        }
    }

    /// The same fault in this imported script.
    #[must_use]
    pub(crate) fn in_script(mut self, origin: Option<Vec<u8>>) -> Self {
        self.origin = origin;
        self
    }

    /// The reference's codes in full, the outermost first: `F-UDF-CL-SL-JAVA-1623`, `F-UDF-CL-SL-JAVA-1621`.
    pub fn aliases(&self) -> Vec<String> {
        let alias = |code: &u16| format!("F-UDF-CL-SL-JAVA-{code}");
        self.codes.iter().map(alias).collect()
    }

    /// What the reference says of a syntax fault of its second parser: line from 0, byte from 1.
    pub fn as_the_reference_says(&self) -> Option<String> {
        let FaultKind::Syntax(syntax) = &self.kind else {
            return None;
        };
        Some(format!(
            "Error parsing script options at line {}: [1:{}] PARSE: Syntax error: Unexpected '{}'",
            self.place.line.saturating_sub(1),
            self.place.column,
            syntax.unexpected.name()
        ))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(out)
    }
}

/// Faults, the one first that the reference stops at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultList {
    /// The first [`FAULTS_MAX`] of them.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub left_out: usize,
}

impl FaultList {
    pub(crate) fn push(&mut self, fault: Fault) {
        match self.faults.len() < FAULTS_MAX {
            true => self.faults.push(fault),
            false => self.left_out += 1,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}

impl fmt::Display for FaultList {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.faults.first() {
            Some(first) => first.fmt(out),
            None => out.write_str("no fault"),
        }
    }
}

impl std::error::Error for FaultList {}
