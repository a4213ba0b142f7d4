//! One fault in what a user gave, at its place.

use serde::{Deserialize, Serialize};

/// A fault found in a document, a query or a parameter. Validation collects all of them before it answers.
///
/// The place is either a JSON `pointer` or a 1-based `line` and `column` with a 0-based byte `offset`; a fault of the
/// whole input has neither.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code, `HW-F003`.
    pub code: String,
    /// The same fault in the words of a capability's own specification, `LAKE_LOG_GAP`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Class of the fault within its capability, for instance `TYPE_MISMATCH`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// What is wrong, naming the values concerned.
    pub message: String,
    /// JSON pointer (RFC 6901) to the faulty member; the empty text points to the whole document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// 1-based line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// 1-based column, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// 0-based byte offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Finding {
    /// A fault of the whole input, without a place.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            ..Self::default()
        }
    }

    /// The same fault, at the member that `pointer` names.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The same fault, with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}
