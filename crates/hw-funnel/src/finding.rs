//! Findings: what is wrong or doubtful in a query document, each with its place, kind, code and help.
//!
//! The kinds are those of the funnel language; the codes are finer where that helps to look a fault up.

use serde_json::{Map, Value, json};

/// Most findings one answer lists; what lies beyond is counted in a last finding.
pub(crate) const FINDINGS_MAX: usize = 1_000;
/// Findings for which a similar name is searched; beyond it the search would cost more than it helps.
const SUGGESTIONS_MAX: usize = 200;
/// Longest name for which a similar one is searched, in bytes.
const SUGGESTION_LENGTH_MAX: usize = 64;
/// Longest piece of the user's text repeated in a message, in characters.
const EXCERPT_LENGTH_MAX: usize = 80;

/// Kind of a finding, as clients of the funnel language know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// The validator itself was called wrongly, for instance with an incomplete description of the dataset.
    InvalidArguments,
    /// The document breaks the structure of the language.
    Schema,
    /// Operator, value, target or timeframe do not fit the type of a column.
    TypeMismatch,
    /// A column that the dataset does not have, or that funnels cannot read.
    DatasetMismatch,
    /// The text that combines conditions is wrong.
    Relation,
    /// A bug of ours.
    Unexpected,
    /// Not an error: the query runs, but probably not as meant.
    Warning,
}

impl FindingKind {
    /// The upper-case name in answers, such as `TYPE_MISMATCH`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArguments => "INVALID_ARGUMENTS",
            Self::Schema => "SCHEMA",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::DatasetMismatch => "DATASET_MISMATCH",
            Self::Relation => "RELATION",
            Self::Unexpected => "UNEXPECTED",
            Self::Warning => "WARNING",
        }
    }
}

/// What a finding is about; one per code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Schema,
    TypeMismatch,
    NoSuchColumn,
    Relation,
    InvalidArguments,
    Unexpected,
    NotJson,
    Pattern,
    UnusedCondition,
    EmptyTimeframe,
    ImpossibleTarget,
}

impl Fault {
    fn code(self) -> &'static str {
        match self {
            Self::Schema => "HW-F001",
            Self::TypeMismatch => "HW-F002",
            Self::NoSuchColumn => "HW-F003",
            Self::Relation => "HW-F004",
            Self::InvalidArguments => "HW-F005",
            Self::Unexpected => "HW-F006",
            Self::NotJson => "HW-F007",
            Self::Pattern => "HW-F008",
            Self::UnusedCondition => "HW-F020",
            Self::EmptyTimeframe => "HW-F021",
            Self::ImpossibleTarget => "HW-F022",
        }
    }

    fn kind(self) -> FindingKind {
        match self {
            Self::Schema | Self::NotJson | Self::Pattern => FindingKind::Schema,
            Self::TypeMismatch => FindingKind::TypeMismatch,
            Self::NoSuchColumn => FindingKind::DatasetMismatch,
            Self::Relation => FindingKind::Relation,
            Self::InvalidArguments => FindingKind::InvalidArguments,
            Self::Unexpected => FindingKind::Unexpected,
            Self::UnusedCondition | Self::EmptyTimeframe | Self::ImpossibleTarget => FindingKind::Warning,
        }
    }
}

/// One fault or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Kind, for programs that distinguish few cases.
    pub kind: FindingKind,
    /// Stable code with a page in `docs/errors`.
    pub code: &'static str,
    /// JSON pointer (RFC 6901) to the faulty value, or to the object that lacks one; empty for the document itself.
    pub pointer: String,
    /// What is wrong, in lower case, with the values in back-ticks.
    pub message: String,
    /// What to do next, where there is something to say.
    pub help: Option<String>,
    /// Line and column, both from 1, of a fault in text that is not JSON.
    pub position: Option<(usize, usize)>,
}

impl Finding {
    pub(crate) fn new(fault: Fault, at: &Pointer, message: impl Into<String>) -> Self {
        Self {
            kind: fault.kind(),
            code: fault.code(),
            pointer: at.0.clone(),
            message: message.into(),
            help: None,
            position: None,
        }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// The form in problem documents: `code`, `kind`, `message`, `pointer` or `line` and `column`, `help`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("code".to_owned(), json!(self.code));
        object.insert("kind".to_owned(), json!(self.kind.name()));
        object.insert("message".to_owned(), json!(self.message));
        match self.position {
            Some((line, column)) => {
                object.insert("line".to_owned(), json!(line));
                object.insert("column".to_owned(), json!(column));
            }
            None => {
                object.insert("pointer".to_owned(), json!(self.pointer));
            }
        }
        if let Some(help) = &self.help {
            object.insert("help".to_owned(), json!(help));
        }
        Value::Object(object)
    }
}

/// Place in a JSON document, RFC 6901.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pointer(String);

impl Pointer {
    pub(crate) fn key(&self, key: &str) -> Self {
        Self(format!("{}/{}", self.0, key.replace('~', "~0").replace('/', "~1")))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }
}

/// A part of the document together with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located<T> {
    pub(crate) at: Pointer,
    pub(crate) value: T,
}

/// Collects findings up to the limit.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    left_out: usize,
}

impl Findings {
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.list.len() < FINDINGS_MAX {
            self.list.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The findings in the order they were made, with a last one that counts those left out.
    pub(crate) fn into_list(mut self) -> Vec<Finding> {
        if let Some(last) = self.list.last().filter(|_| self.left_out > 0) {
            let message = format!("{} more findings are not listed", self.left_out);
            let (pointer, help) = (String::new(), None);
            self.list.push(Finding {
                message,
                pointer,
                help,
                ..last.clone()
            });
        }
        self.list
    }

    /// A help line that proposes the candidate most similar to `name`.
    pub(crate) fn did_you_mean<'a>(&self, name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
        if self.list.len() >= SUGGESTIONS_MAX {
            return None;
        }
        nearest(name, candidates).map(|found| format!("did you mean `{found}`?"))
    }
}

/// The candidate that `name` was probably meant to be: equal but for case, else the fewest typing errors, at most a
/// third of its length.
fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > SUGGESTION_LENGTH_MAX {
        return None;
    }
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= SUGGESTION_LENGTH_MAX)
        .map(|candidate| (typing_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn typing_distance(name: &str, candidate: &str) -> usize {
    if name.to_lowercase() == candidate.to_lowercase() {
        return 0;
    }
    strsim::damerau_levenshtein(name, candidate)
}

/// The value as JSON in back-ticks, cut to a length that fits into a message.
pub(crate) fn excerpt(value: &Value) -> String {
    format!("`{}`", bare_excerpt(value))
}

/// As [`excerpt`], without the back-ticks.
pub(crate) fn bare_excerpt(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", excerpt_text(text)),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(_) => "[...]".to_owned(),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(_) => "{...}".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// The text, cut to a length that fits into a message.
pub(crate) fn excerpt_text(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_LENGTH_MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The name of a JSON value's type, with its article.
pub(crate) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
