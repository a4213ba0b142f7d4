//! What can go wrong with a store as a whole.

use hw_job::WorkerId;

/// The store did not do what it was asked, and nothing of the request took effect, but for what
/// [`OutcomeUnknown`](Self::OutcomeUnknown) says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached or opened.
    #[error("the store does not answer: {0}")]
    Unreachable(String),
    /// It was written by a newer program.
    #[error("the store has version {found}, this program reads up to {known}")]
    Newer {
        /// Version found.
        found: u64,
        /// Newest version that this program knows.
        known: u64,
    },
    /// What it holds contradicts itself or its format.
    #[error("the store holds something that cannot be read: {0}")]
    Corrupt(String),
    /// There is no room left.
    #[error("the disk of the store is full: {0}")]
    Full(String),
    /// It was busy for longer than the limit.
    #[error("the store stayed busy: {0}")]
    Busy(String),
    /// The implementation does not offer this.
    #[error("the {backend} store does not offer {what}")]
    Unsupported {
        /// Implementation.
        backend: &'static str,
        /// What was asked.
        what: &'static str,
    },
    /// A file counted as abandoned before anything referred to it; the caller writes it again.
    #[error("the file `{0}` counted as abandoned and was swept before it was confirmed")]
    FileSwept(String),
    /// The lease of a worker's session is over; the worker begins a new session before it asks again.
    #[error("the session of worker `{0}` is over")]
    SessionOver(WorkerId),
    /// The connection to the store broke during a commit, and the store stayed away: the request took effect, or it did not.
    #[error("it is not known whether the store took the request: {0}")]
    OutcomeUnknown(String),
    /// A rule of the trait was broken by the caller: our bug.
    #[error("the store refused a request that breaks its rules: {0}")]
    Misuse(String),
}

/// Codes of [`StoreError`] with their titles.
pub const ERROR_CODES: &[(&str, &str)] = &[
    ("HW-S001", "the store does not answer"),
    ("HW-S002", "the store was written by a newer program"),
    ("HW-S003", "the store holds something that cannot be read"),
    ("HW-S004", "the disk of the store is full"),
    ("HW-S005", "the store stayed busy"),
    ("HW-S006", "the store does not offer this"),
    ("HW-S007", "a request broke the store's rules"),
    ("HW-S008", "a file was swept before it was confirmed"),
    ("HW-S009", "the session of a worker is over"),
    ("HW-S010", "it is not known whether a request took effect"),
];

impl StoreError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "HW-S001",
            Self::Newer { .. } => "HW-S002",
            Self::Corrupt(_) => "HW-S003",
            Self::Full(_) => "HW-S004",
            Self::Busy(_) => "HW-S005",
            Self::Unsupported { .. } => "HW-S006",
            Self::Misuse(_) => "HW-S007",
            Self::FileSwept(_) => "HW-S008",
            Self::SessionOver(_) => "HW-S009",
            Self::OutcomeUnknown(_) => "HW-S010",
        }
    }

    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => {
                "check the data folder and its permissions, or that the server of `store.url` runs, then run `headwater doctor`"
            }
            Self::Newer { .. } => "use the newer program, or restore a backup that an older one made",
            Self::Corrupt(_) => "restore a backup with `headwater config restore`",
            Self::Full(_) => "make room on the disk; nothing of the request was kept",
            Self::Busy(_) => "try again; another process may be holding the store",
            Self::Unsupported { .. } => "use a store that offers it",
            Self::Misuse(_) => "this is a bug of ours; please report it",
            Self::FileSwept(_) => "try again; if it recurs, writing takes longer than abandoned files are kept",
            Self::OutcomeUnknown(_) => {
                "look whether it took effect, for instance with `headwater job list`, before you ask again"
            }
            Self::SessionOver(_) => "the worker begins a new session by itself; if it recurs, the host is too busy",
        }
    }
}
