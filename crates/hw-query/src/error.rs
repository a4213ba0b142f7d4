//! What can go wrong with a query, sorted by fault, each with a stable code.
//!
//! Faults of the user's statement are collected in [`QueryError::Statement`], all at once and each at its place. What
//! goes wrong later (files, memory, our bugs) is one error of its own kind.

use hw_catalog::Finding;
use hw_funnel::FindingKind;

mod convert;
mod place;

pub(crate) use convert::{classify, from_execution, from_file, lower_first};
pub use place::{Place, caret};

/// Every code of this crate, in order. Each has a page in `docs/errors`.
pub const ERROR_CODES: &[&str] = &[
    "HW-Q001", "HW-Q002", "HW-Q003", "HW-Q004", "HW-Q005", "HW-Q006", "HW-Q007", "HW-Q008", "HW-Q009", "HW-Q010",
    "HW-Q011", "HW-Q012", "HW-Q013", "HW-Q014", "HW-Q015", "HW-Q016", "HW-Q017", "HW-Q018", "HW-Q019", "HW-Q020",
    "HW-Q021", "HW-Q022", "HW-Q023", "HW-Q099",
];

/// Whose fault it is; decides the HTTP status, the exit code and whether a retry makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The statement, its parameters or a name in it. Never worth a retry.
    Input,
    /// The data contradict the query or the catalog. Never worth a retry.
    Data,
    /// A service or store did not answer as it should. Worth a retry later.
    External,
    /// A limit of this host was hit. May pass when less runs, or with other settings.
    Platform,
    /// The caller gave up.
    Cancelled,
    /// Our bug.
    Internal,
}

/// Why a query gave no answer, or stopped in the middle of one.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The statement cannot be carried out as it stands; every fault found, in the order of the text.
    #[error("{}", first_of(.0))]
    Statement(Vec<StatementFault>),
    /// A part of a registered table is not what was registered.
    #[error(transparent)]
    Part(PartFault),
    /// The data cannot be read or computed with: a broken file, a division by zero, a failed cast.
    #[error("{message}")]
    Data {
        /// What is wrong with which value or file.
        message: String,
    },
    /// The memory pool is used up.
    #[error("the query needs more memory than the limit of {limit} bytes leaves it: {detail}")]
    Memory {
        /// The pool's size, the setting `memory.limit`.
        limit: u64,
        /// Which operator asked for how much.
        detail: String,
    },
    /// The space for spilled data is used up.
    #[error("the query spills more to disk than the limit of {limit} bytes allows: {detail}")]
    Spill {
        /// The setting `spill.limit`.
        limit: u64,
        /// What was being written.
        detail: String,
    },
    /// The query was cancelled.
    #[error("the query was cancelled")]
    Cancelled,
    /// A file store did not answer as it should.
    #[error("the file store failed: {message}")]
    Storage {
        /// What the store said.
        message: String,
    },
    /// A file store does not let this process in.
    #[error("{0}")]
    Refused(hw_files::FileError),
    /// The catalog did not answer.
    #[error("the catalog did not answer")]
    Catalog(#[source] crate::CatalogFault),
    /// Two columns of the result bear one name where names must differ.
    #[error("{} columns of the result share their name with another", .0.len())]
    DuplicateColumns(Vec<crate::DuplicateColumn>),
    /// A relation that funnels cannot run over.
    #[error("`{0}` has no group column and time column, so funnels cannot run over it")]
    NotFunnelable(String),
    /// A funnel query that does not fit the table any more.
    #[error(transparent)]
    FunnelQuery(#[from] hw_funnel::RebuildError),
    /// Rows that contradict what funnels need of them.
    #[error("{error}{}", in_part(.part.as_deref()))]
    FunnelData {
        /// What is wrong with them.
        error: hw_funnel::MatchError,
        /// The part that holds them, where it is known.
        part: Option<String>,
    },
    /// Partials that do not merge.
    #[error(transparent)]
    FunnelPartial(#[from] hw_funnel::PartialError),
    /// Our bug.
    #[error("internal error: {message}")]
    Internal {
        /// What was found to be impossible.
        message: String,
    },
}

/// One thing that is wrong with a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementFault {
    /// Which rule is broken; decides the code.
    pub kind: StatementFaultKind,
    /// What is wrong, values in back-ticks.
    pub message: String,
    /// Where, if it can be told.
    pub place: Option<Place>,
    /// Pointer into the request for faults outside the text, `/params/0`.
    pub pointer: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// The rules that a statement can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatementFaultKind {
    /// Not SQL.
    Syntax,
    /// Too long or too deep.
    Size,
    /// None or several statements where one is expected.
    Count,
    /// A statement that would write, or otherwise is not for queries.
    Refused,
    /// A clause that would be ignored, so it is refused.
    Unsupported,
    /// No such table.
    UnknownTable,
    /// No such column, or several.
    Column,
    /// No such function.
    UnknownFunction,
    /// Types or clauses that do not go together.
    Meaning,
    /// Parameters that do not fit the placeholders.
    Parameter,
    /// A session option that does not exist or must not be set.
    Setting,
    /// No file where the statement names one.
    FileNotFound,
    /// A file that this session must not read.
    FileDenied,
    /// A file whose format is not known or that has no columns.
    FileFormat,
    /// A fault within a funnel, told as the funnel language tells it.
    Funnel(FunnelCode, FindingKind),
}

/// A code of the funnel language, in one byte: faults are handed around by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FunnelCode(u8);

impl FunnelCode {
    /// The code of this name; that of an unexpected fault where the language has no such code.
    pub(crate) fn of(name: &str) -> Self {
        let known = hw_funnel::ERROR_CODES.iter().position(|(code, _)| *code == name);
        Self(known.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX))
    }

    /// The code as it is written.
    pub fn as_str(self) -> &'static str {
        hw_funnel::ERROR_CODES
            .get(usize::from(self.0))
            .map_or("HW-F006", |(code, _)| code)
    }
}

impl StatementFaultKind {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "HW-Q001",
            Self::Size => "HW-Q002",
            Self::Count => "HW-Q003",
            Self::Refused => "HW-Q004",
            Self::Unsupported => "HW-Q005",
            Self::UnknownTable => "HW-Q006",
            Self::Column => "HW-Q007",
            Self::UnknownFunction => "HW-Q008",
            Self::Meaning => "HW-Q009",
            Self::Parameter => "HW-Q010",
            Self::Setting => "HW-Q011",
            Self::FileNotFound => "HW-Q012",
            Self::FileDenied => "HW-Q013",
            Self::FileFormat => "HW-Q014",
            Self::Funnel(code, _) => code.as_str(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Syntax => "SYNTAX",
            Self::Size => "SIZE",
            Self::Count => "COUNT",
            Self::Refused => "REFUSED",
            Self::Unsupported => "UNSUPPORTED",
            Self::UnknownTable => "UNKNOWN_TABLE",
            Self::Column => "UNKNOWN_COLUMN",
            Self::UnknownFunction => "UNKNOWN_FUNCTION",
            Self::Meaning => "MEANING",
            Self::Parameter => "PARAMETER",
            Self::Setting => "SETTING",
            Self::FileNotFound => "FILE_NOT_FOUND",
            Self::FileDenied => "FILE_DENIED",
            Self::FileFormat => "FILE_FORMAT",
            Self::Funnel(_, kind) => kind.name(),
        }
    }
}

impl StatementFault {
    pub(crate) fn new(kind: StatementFaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            place: None,
            pointer: None,
            help: None,
        }
    }

    pub(crate) fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    pub(crate) fn pointer(mut self, pointer: String) -> Self {
        self.pointer = Some(pointer);
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn finding(&self) -> Finding {
        Finding {
            code: self.kind.code().to_owned(),
            kind: self.kind.name().to_owned(),
            message: self.message.clone(),
            pointer: self.pointer.clone(),
            line: self.place.map(|place| place.line),
            column: self.place.map(|place| place.column),
            offset: self.place.map(|place| place.offset),
            help: self.help.clone(),
            ..Finding::default()
        }
    }
}

impl From<StatementFault> for QueryError {
    fn from(fault: StatementFault) -> Self {
        Self::Statement(vec![fault])
    }
}

/// A part of a registered table that is not what was registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("part `{part}` of table `{table}` {wrong}")]
pub struct PartFault {
    /// The table's name.
    pub table: String,
    /// Path of the part below the table's location.
    pub part: String,
    /// What is wrong with it.
    pub wrong: PartWrong,
}

/// What is wrong with a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartWrong {
    /// The file is gone.
    #[error("is gone")]
    Vanished,
    /// The file has another size.
    #[error("has {found} bytes, it was registered with {registered}")]
    Size {
        /// Bytes when it was registered.
        registered: u64,
        /// Bytes now.
        found: u64,
    },
    /// The file was written again.
    #[error("was written again after it was registered")]
    Rewritten,
    /// The file is no readable Parquet file.
    #[error("is not readable as Parquet: {0}")]
    Unreadable(String),
    /// A registered column is not in the file.
    #[error("has no column `{column}`, it was registered with one of type {registered}")]
    ColumnMissing {
        /// The column.
        column: String,
        /// Its registered type.
        registered: String,
    },
    /// A column has another type.
    #[error("has column `{column}` as {found}, it was registered as {registered}")]
    ColumnType {
        /// The column.
        column: String,
        /// Its registered type.
        registered: String,
        /// Its type in the file.
        found: String,
    },
}

impl QueryError {
    /// The stable code of the error, that of its first finding where there are several.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Statement(faults) => faults.first().map_or("HW-Q009", |fault| fault.kind.code()),
            Self::Part(_) => "HW-Q015",
            Self::Data { .. } => "HW-Q016",
            Self::Memory { .. } => "HW-Q017",
            Self::Spill { .. } => "HW-Q018",
            Self::Cancelled => "HW-Q019",
            Self::Storage { .. } => "HW-Q020",
            Self::Refused(error) => error.code(),
            Self::Catalog(_) => "HW-Q021",
            Self::DuplicateColumns(_) => "HW-Q022",
            Self::NotFunnelable(_) => "HW-Q023",
            Self::FunnelQuery(error) => error.code(),
            Self::FunnelData { error, .. } => error.code(),
            Self::FunnelPartial(error) => error.code(),
            Self::Internal { .. } => "HW-Q099",
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Statement(_)
            | Self::DuplicateColumns(_)
            | Self::NotFunnelable(_)
            | Self::FunnelQuery(_)
            | Self::Refused(_) => Fault::Input,
            Self::Part(_) | Self::Data { .. } | Self::FunnelData { .. } => Fault::Data,
            Self::Memory { .. } | Self::Spill { .. } => Fault::Platform,
            Self::Cancelled => Fault::Cancelled,
            Self::Storage { .. } | Self::Catalog(_) => Fault::External,
            Self::Internal { .. } | Self::FunnelPartial(_) => Fault::Internal,
        }
    }

    /// What to do about it, where something can be done.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Statement(faults) => faults.first().and_then(|fault| fault.help.clone()),
            Self::Part(_) => Some("register the table again: `headwater table register NAME PATH`".to_owned()),
            Self::Data { .. } | Self::Cancelled => None,
            Self::NotFunnelable(_) => {
                Some("register it with `--group COLUMN --time COLUMN`, or name both columns with the query".to_owned())
            }
            Self::FunnelQuery(error) => Some(error.help().to_owned()),
            Self::FunnelData { error, .. } => Some(error.help().to_owned()),
            Self::FunnelPartial(error) => Some(error.help().to_owned()),
            Self::Memory { .. } => Some(
                "raise `memory.limit`, read fewer columns or rows, or add a LIMIT; sorts and aggregations spill by \
                 themselves up to `spill.limit`"
                    .to_owned(),
            ),
            Self::Spill { .. } => Some("raise `spill.limit`, or narrow the query".to_owned()),
            Self::Storage { .. } => Some("check that the store is reachable, then run the query again".to_owned()),
            Self::Refused(error) => Some(error.help()),
            Self::Catalog(_) => Some("check the data folder with `headwater doctor`".to_owned()),
            Self::DuplicateColumns(_) => Some("give each column a name of its own with AS".to_owned()),
            Self::Internal { .. } => Some(
                "sorry, this is a bug in Headwater and not your fault; please report the statement with this message"
                    .to_owned(),
            ),
        }
    }

    /// Every fault as the API shows it, at least one.
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Statement(faults) => faults.iter().map(StatementFault::finding).collect(),
            Self::DuplicateColumns(columns) => columns.iter().map(crate::DuplicateColumn::finding).collect(),
            Self::FunnelQuery(error) => error.findings.iter().map(funnel_finding).collect(),
            other => vec![Finding {
                help: other.help(),
                ..Finding::new(other.code(), other.to_string())
            }],
        }
    }

    /// The rows of a funnel contradict what it needs.
    pub(crate) fn funnel_data(error: hw_funnel::MatchError) -> Self {
        Self::FunnelData { error, part: None }
    }

    /// The same fault, told of this part, if it is one of rows whose part is not known yet.
    pub(crate) fn of_part(self, path: &str) -> Self {
        match self {
            Self::FunnelData { error, part: None } => Self::FunnelData {
                error,
                part: Some(path.to_owned()),
            },
            other => other,
        }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Internal {
            message: message.into(),
        }
    }
}

fn funnel_finding(finding: &hw_funnel::Finding) -> Finding {
    let position = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Finding {
        code: finding.code.to_owned(),
        kind: finding.kind.name().to_owned(),
        message: finding.message.clone(),
        pointer: Some(finding.pointer.clone()),
        line: finding.position.map(|(line, _)| position(line)),
        column: finding.position.map(|(_, column)| position(column)),
        help: finding.help.clone(),
        ..Finding::default()
    }
}

fn in_part(part: Option<&str>) -> String {
    part.map(|part| format!(", in part `{part}`")).unwrap_or_default()
}

fn first_of(faults: &[StatementFault]) -> String {
    match faults {
        [] => "the statement is not valid".to_owned(),
        [only] => only.message.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.message, rest.len()),
    }
}

#[cfg(test)]
mod tests;
