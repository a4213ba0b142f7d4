//! What is allowed, and probably not meant.

use std::fmt;

use crate::bytes::shown;
use crate::place::Place;

/// Warnings that are kept.
pub const WARNINGS_MAX: usize = 1000;

/// A warning at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What is odd.
    pub kind: WarningKind,
    /// The name of the imported script that it is in; `None`: the main script.
    pub origin: Option<Vec<u8>>,
    /// Where it is in that script.
    pub place: Place,
}

/// What is odd. Keywords have their percent sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarningKind {
    /// An option of a known key has no effect, because code stands before it in its line.
    BehindCode {
        /// Of the option.
        keyword: Vec<u8>,
    },
    /// First parser: an option is not seen, because the keyword is mentioned before it, behind other text.
    Hidden {
        /// Of the option.
        keyword: Vec<u8>,
        /// Line of the mention that hides it, in the text after imports; from 1.
        mention_line: usize,
    },
    /// An option is no longer at the begin of its line since an import before it was replaced by text without a line end.
    LostByJoining {
        /// Of the option.
        keyword: Vec<u8>,
    },
    /// A second or later script class was removed.
    ScriptClassRepeated,
    /// A script class of an imported script has no effect.
    ScriptClassImported,
    /// An option of the database stands in an imported script, where it has no effect.
    DatabaseOptionImported {
        /// Of the option.
        keyword: Vec<u8>,
    },
}

impl WarningKind {
    /// The kind in one word, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BehindCode { .. } => "behind_code",
            Self::Hidden { .. } => "hidden",
            Self::LostByJoining { .. } => "lost_by_joining",
            Self::ScriptClassRepeated => "repeated_scriptclass",
            Self::ScriptClassImported => "imported_scriptclass",
            Self::DatabaseOptionImported { .. } => "imported_database_option",
        }
    }

    /// What to do about it.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::BehindCode { .. } => "give it a line of its own if it is meant as an option",
            Self::Hidden { .. } => "remove the earlier mention, or use the second parser",
            Self::LostByJoining { .. } => {
                "give each option a line of its own, and each imported script a line end at its end"
            }
            Self::ScriptClassRepeated => "keep one",
            Self::ScriptClassImported | Self::DatabaseOptionImported { .. } => {
                "put it into the script that is called, if it is meant to have an effect"
            }
        }
    }
}

impl fmt::Display for WarningKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BehindCode { keyword } => write!(
                out,
                "`{}` has no effect: something else stands before it in its line",
                shown(keyword)
            ),
            Self::Hidden { keyword, mention_line } => write!(
                out,
                "`{0}` has no effect: line {mention_line} mentions `{0}` behind other text, and the first parser stops there",
                shown(keyword)
            ),
            Self::LostByJoining { keyword } => write!(
                out,
                "`{}` has no effect: an imported script without a line end at its end was put before it",
                shown(keyword)
            ),
            Self::ScriptClassRepeated => {
                out.write_str("a further `%scriptclass` is ignored and removed: the first counts")
            }
            Self::ScriptClassImported => out.write_str("`%scriptclass` of an imported script has no effect"),
            Self::DatabaseOptionImported { keyword } => {
                write!(out, "`{}` of an imported script has no effect", shown(keyword))
            }
        }
    }
}
