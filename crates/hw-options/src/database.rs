//! Options of the database, for scripts of every language: `%env NAME=value;` and `%perNodeAndCallInstanceLimit n;`.
//!
//! They are taken out before a language's handler sees the script. The second parser's rules find them where it works; with the
//! first, a line has to begin with them, or with others of them before.

use std::borrow::Cow;

use crate::bytes::{back_over_blanks, part, trim_blanks_end, trim_space};
use crate::fault::DatabaseProblem;

/// What the options of the database say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseOptions<'t> {
    /// Variables of the host process in the order of the text; of two with one name the later one wins.
    pub environment: Vec<Variable<'t>>,
    /// Instances that one call may have on a node; the last one given.
    pub instance_limit: Option<u64>,
}

/// A variable of the host process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable<'t> {
    /// Its name; not empty.
    pub name: Cow<'t, [u8]>,
    /// Its value; may be empty.
    pub value: Cow<'t, [u8]>,
}

/// The variable that chooses the parser.
const VERSION_VARIABLE: &[u8] = b"SCRIPT_OPTIONS_PARSER_VERSION";

/// The two parsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The first: one key at a time, first mention only, no escapes.
    V1,
    /// The second: one pass, exact words, escapes, places of faults.
    V2,
}

impl DatabaseOptions<'_> {
    /// The parser that the script asks for by `%env`.
    pub fn version(&self) -> Option<Version> {
        let is_it = |variable: &&Variable<'_>| *variable.name == *VERSION_VARIABLE;
        match &*self.environment.iter().rev().find(is_it)?.value {
            b"1" => Some(Version::V1),
            b"2" => Some(Version::V2),
            _ => None,
        }
    }

    /// Takes the value of `%perNodeAndCallInstanceLimit`.
    pub(crate) fn take_limit(&mut self, value: &[u8]) -> Result<(), DatabaseProblem> {
        let digits = std::str::from_utf8(trim_space(value)).ok();
        let number = digits.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = number.and_then(|text| text.parse().ok()).filter(|number| *number > 0);
        self.instance_limit = Some(number.ok_or(DatabaseProblem::NoNumber)?);
        Ok(())
    }
}

/// Name and value of an `%env`.
pub(crate) fn assignment(value: Cow<'_, [u8]>) -> Result<Variable<'_>, DatabaseProblem> {
    let equals = value.iter().position(|byte| *byte == b'=');
    let name = trim_blanks_end(part(&value, 0, equals.unwrap_or(0))).len();
    let (Some(equals), 1..) = (equals, name) else {
        return Err(DatabaseProblem::NoAssignment);
    };
    let end = back_over_blanks(&value, value.len());
    Ok(match value {
        Cow::Borrowed(value) => Variable {
            name: Cow::Borrowed(part(value, 0, name)),
            value: Cow::Borrowed(part(value, equals + 1, end)),
        },
        Cow::Owned(value) => Variable {
            name: Cow::Owned(part(&value, 0, name).to_vec()),
            value: Cow::Owned(part(&value, equals + 1, end).to_vec()),
        },
    })
}

/// The parser for a script: what its variable says, else what the process was told, else the first.
pub fn choose_version(variable: Option<Version>, argument: Option<Version>) -> Version {
    variable.or(argument).unwrap_or(Version::V1)
}
