//! What can be wrong with a configuration, told all at once.

use std::fmt;
use std::path::PathBuf;

use hw_catalog::Finding;

/// Where a setting's value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The compiled-in `default.toml`.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Everything that is wrong with a configuration, layer by layer in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", summary(.findings))]
pub struct ConfigError {
    /// The faults, at least one.
    pub findings: Vec<Finding>,
}

fn summary(findings: &[Finding]) -> String {
    match findings {
        [] => "the configuration is not valid".to_owned(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
    }
}

/// A place within a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) offset: u64,
}

impl Spot {
    /// The place of a byte of a text.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let mut at = offset.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let line = before.matches('\n').count() + 1;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            line: count(line),
            column: count(column),
            offset: count(at),
        }
    }
}

/// What is wrong with one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A bare number where a unit is needed.
    NoUnit { proposal: String },
    /// Another type, or outside what is allowed.
    Value {
        expected: String,
        found: String,
        help: String,
    },
}

/// One fault of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No setting has this key.
    UnknownKey { key: String, proposal: Option<String> },
    /// No variable has this name.
    UnknownVariable { proposal: Option<String> },
    /// The value is not for this setting.
    Value { key: String, secret: bool, wrong: Wrong },
    /// The value of another program's variable, which sets nothing here, is none that it takes.
    Alias { wrong: Wrong },
    /// Not TOML.
    Syntax { message: String },
    /// The file cannot be read.
    Unreadable { message: String },
    /// The file that a variable names for a secret cannot be read, or the secret is given twice.
    Secret { message: String },
}

impl Fault {
    /// The fault as it is shown.
    pub(super) fn finding(&self, origin: &Origin, spot: Option<Spot>) -> Finding {
        let (code, message, help) = self.words(origin);
        Finding {
            line: spot.map(|spot| spot.line),
            column: spot.map(|spot| spot.column),
            offset: spot.map(|spot| spot.offset),
            help: Some(help),
            ..Finding::new(code, message)
        }
    }

    fn words(&self, origin: &Origin) -> (&'static str, String, String) {
        match self {
            Self::UnknownKey { key, proposal } => (
                "HW-C001",
                format!("unknown setting `{key}` in {}", told(origin)),
                did_you_mean(proposal.as_deref(), "`headwater config show` lists all settings"),
            ),
            Self::Value { key, secret, wrong } => value_words(key, *secret, wrong, origin),
            Self::Alias { wrong } => alias_words(wrong, origin),
            Self::Syntax { message } => (
                "HW-C004",
                format!("{} is not TOML: {message}", told(origin)),
                "correct the file there; texts stand in double quotes".to_owned(),
            ),
            Self::Unreadable { message } => (
                "HW-C005",
                format!("{} cannot be read: {message}", told(origin)),
                "check the path and its permissions; `--no-config` reads no file".to_owned(),
            ),
            Self::UnknownVariable { proposal } => (
                "HW-C006",
                format!("{} names no setting", told(origin)),
                did_you_mean(
                    proposal.as_deref(),
                    "write HEADWATER_ and the key in capitals, its dots as two underscores",
                ),
            ),
            Self::Secret { message } => (
                "HW-C007",
                format!("{}: {message}", told(origin)),
                "give the secret once: in the variable, or in a file that only you can read".to_owned(),
            ),
        }
    }
}

fn value_words(key: &str, secret: bool, wrong: &Wrong, origin: &Origin) -> (&'static str, String, String) {
    match wrong {
        Wrong::NoUnit { proposal } => (
            "HW-C003",
            format!("`{key}` needs a unit, in {}", told(origin)),
            format!("write `\"{proposal}\"`"),
        ),
        Wrong::Value { expected, found, help } => {
            let found = if secret { "***" } else { found };
            (
                "HW-C002",
                format!("`{key}` must be {expected}, found `{found}` in {}", told(origin)),
                help.clone(),
            )
        }
    }
}

fn alias_words(wrong: &Wrong, origin: &Origin) -> (&'static str, String, String) {
    let (expected, found, help) = match wrong {
        Wrong::NoUnit { proposal } => ("a number with its unit", proposal, "write it with its unit"),
        Wrong::Value { expected, found, help } => (expected.as_str(), found, help.as_str()),
    };
    let message = format!("{} must be {expected}, found `{found}`", told(origin));
    ("HW-C002", message, help.to_owned())
}

fn told(origin: &Origin) -> String {
    match origin {
        Origin::Default => "`default.toml`".to_owned(),
        other => format!("`{other}`"),
    }
}

fn did_you_mean(proposal: Option<&str>, otherwise: &str) -> String {
    match proposal {
        Some(near) => format!("did you mean `{near}`?"),
        None => otherwise.to_owned(),
    }
}
