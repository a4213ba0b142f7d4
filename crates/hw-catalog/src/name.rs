//! Names of tables: `schema.name` in the one catalog `headwater`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The schema of a table that names none.
pub const DEFAULT_SCHEMA: &str = "main";

const CATALOG: &str = "headwater";
const BYTES_MAX: usize = 255;

/// Name of a table: a schema and a name, each 1 to 255 bytes of UTF-8 without control characters, compared exactly.
///
/// The text form leaves out the schema `main` and quotes, as SQL does, each part that holds a dot, a double quote or
/// blanks at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    schema: Box<str>,
    name: Box<str>,
}

/// Why a text is no table name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTableName {
    /// A part of the name has no characters.
    #[error("a table name must not be empty")]
    Empty,
    /// A part of the name is longer than 255 bytes.
    #[error("a table name has at most {BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// A part of the name holds a control character.
    #[error("a table name must not hold control characters, found {0:?}")]
    ControlCharacter(char),
    /// More parts than catalog, schema and name.
    #[error("`{0}` has more parts than catalog.schema.name; put a name that holds dots into double quotes")]
    TooManyParts(String),
    /// Another catalog than `headwater`.
    #[error("unknown catalog `{0}`, the only one is `{CATALOG}`")]
    UnknownCatalog(String),
    /// A double quote is opened and never closed, or text follows a closing one.
    #[error("unbalanced double quotes in the table name `{0}`")]
    Quotes(String),
}

impl TableName {
    /// A table of the default schema. The whole text is the name, dots included.
    ///
    /// # Errors
    /// [`InvalidTableName`] if the name is empty, too long or holds control characters.
    pub fn in_main(name: &str) -> Result<Self, InvalidTableName> {
        Self::new(DEFAULT_SCHEMA, name)
    }

    /// A table of the schema named.
    ///
    /// # Errors
    /// [`InvalidTableName`] if either part is empty, too long or holds control characters.
    pub fn new(schema: &str, name: &str) -> Result<Self, InvalidTableName> {
        check_part(schema)?;
        check_part(name)?;
        Ok(Self {
            schema: schema.into(),
            name: name.into(),
        })
    }

    /// The schema, `main` unless another was given.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The name within its schema.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for TableName {
    type Err = InvalidTableName;

    fn from_str(text: &str) -> Result<Self, InvalidTableName> {
        let parts = split_parts(text)?;
        match parts.as_slice() {
            [name] => Self::in_main(name),
            [schema, name] => Self::new(schema, name),
            [catalog, schema, name] if catalog == CATALOG => Self::new(schema, name),
            [catalog, _, _] => Err(InvalidTableName::UnknownCatalog(catalog.clone())),
            _ => Err(InvalidTableName::TooManyParts(text.to_owned())),
        }
    }
}

impl TryFrom<String> for TableName {
    type Error = InvalidTableName;

    fn try_from(text: String) -> Result<Self, InvalidTableName> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(name: TableName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if &*self.schema != DEFAULT_SCHEMA {
            write!(f, "{}.", quoted_where_needed(&self.schema))?;
        }
        write!(f, "{}", quoted_where_needed(&self.name))
    }
}

fn check_part(part: &str) -> Result<(), InvalidTableName> {
    if part.is_empty() {
        return Err(InvalidTableName::Empty);
    }
    if part.len() > BYTES_MAX {
        return Err(InvalidTableName::TooLong(part.len()));
    }
    match part.chars().find(|c| c.is_control()) {
        Some(control) => Err(InvalidTableName::ControlCharacter(control)),
        None => Ok(()),
    }
}

fn quoted_where_needed(part: &str) -> String {
    if part.contains(['.', '"']) || part.trim() != part {
        format!("\"{}\"", part.replace('"', "\"\""))
    } else {
        part.to_owned()
    }
}

/// Splits at dots outside double quotes; a doubled quote inside quotes is one quote.
fn split_parts(text: &str) -> Result<Vec<String>, InvalidTableName> {
    let unbalanced = || InvalidTableName::Quotes(text.to_owned());
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted).ok_or_else(unbalanced)?,
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                let (part, after) = rest.split_at(end);
                (part.to_owned(), after)
            }
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err(unbalanced()),
        }
    }
}

/// The text up to the closing quote, unescaped, and what follows it.
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        part.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                part.push('"');
                rest = next;
            }
            None => return Some((part, after)),
        }
    }
}
