//! What can go wrong with files, and whose fault it is.

use std::error::Error as StdError;

/// Whose fault an error is; decides whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// What the user named or set is wrong; the same request always fails.
    Input,
    /// The files contradict the request; the same files always fail.
    Data,
    /// A store, a disk or the network did not do its part; a later try may succeed.
    External,
}

/// Why a file operation did not succeed. Messages never hold credentials, nor the query part of a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The text names a kind of store that is not known.
    #[error("`{scheme}://` is not a supported kind of location")]
    UnsupportedScheme {
        /// What stands before `://`.
        scheme: String,
    },
    /// User name, password or token stand in the URL.
    #[error("the location `{shown}` holds credentials")]
    CredentialsInLocation {
        /// The location with its credentials struck out.
        shown: String,
    },
    /// The text is no location at all.
    #[error("`{text}` is not a valid location: {reason}")]
    InvalidLocation {
        /// The text, credentials struck out.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server's settings keep clients away from there.
    #[error("`{place}` is outside the folders that clients may reach")]
    NotPermitted {
        /// The location asked for.
        place: String,
    },
    /// Neither a file nor a folder is there.
    #[error("`{place}` does not exist")]
    NotFound {
        /// The location asked for.
        place: String,
    },
    /// A web server that gives single files and no listings.
    #[error("the files of `{place}` cannot be listed: its server gives no listings")]
    NotListable {
        /// The folder.
        place: String,
    },
    /// The folder holds no file whose name matches.
    #[error("no file in `{place}` matches `{pattern}`{}", found_instead(*.others, .other_example, *.folders))]
    NoFiles {
        /// The folder.
        place: String,
        /// The wildcard.
        pattern: String,
        /// How many files of other names were seen.
        others: usize,
        /// One of them.
        other_example: Option<String>,
        /// How many sub-folders were left out.
        folders: usize,
    },
    /// The folder holds more files than the caller can take.
    #[error("`{place}` holds more than {limit} files that match `{pattern}`")]
    TooManyFiles {
        /// The folder.
        place: String,
        /// The wildcard.
        pattern: String,
        /// The greatest number allowed.
        limit: usize,
    },
    /// The wildcard cannot be understood.
    #[error("`{pattern}` is not a valid pattern: {reason}")]
    InvalidPattern {
        /// The wildcard as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store did not answer, or answered with an error of its own.
    #[error("`{place}` cannot be reached: {detail}")]
    Unreachable {
        /// Location or file.
        place: String,
        /// The store's words, credentials struck out.
        detail: String,
    },
    /// A file that was listed or registered is no longer there.
    #[error("file `{file}` has vanished")]
    Vanished {
        /// The file.
        file: String,
    },
    /// A file begins as Parquet and ends before its footer.
    #[error("file `{file}` is truncated: {reason}")]
    Truncated {
        /// The file.
        file: String,
        /// How that was seen.
        reason: String,
    },
    /// A file is something else than Parquet.
    #[error("file `{file}` is not a Parquet file")]
    NotParquet {
        /// The file.
        file: String,
    },
    /// A Parquet file whose content cannot be read.
    #[error("file `{file}` cannot be read as Parquet: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// The reader's words.
        reason: String,
    },
    /// The bytes of one column of one row group make no sense, or are not as many values as it has rows.
    #[error("column `{column}` in row group {row_group} of file `{file}` is damaged: {reason}")]
    DamagedColumn {
        /// The file.
        file: String,
        /// Name of the column.
        column: String,
        /// The row group, counted from 0.
        row_group: usize,
        /// How that was seen.
        reason: String,
    },
    /// The file is not the one that was listed or registered.
    #[error("file `{file}` has changed{}", sizes(*.expected, *.found))]
    Changed {
        /// The file.
        file: String,
        /// Size when it was listed.
        expected: u64,
        /// Size now.
        found: u64,
    },
    /// The store knows the caller and refuses, or does not know it.
    #[error("access to `{place}` was refused: {detail}")]
    Refused {
        /// Location or file.
        place: String,
        /// The store's words, credentials struck out.
        detail: String,
    },
    /// The client of a store cannot be built from its options.
    #[error("the options for `{place}` are not usable: {detail}")]
    InvalidOptions {
        /// The store.
        place: String,
        /// What stands against them.
        detail: String,
    },
    /// Writing did not succeed; nothing was published.
    #[error("`{place}` cannot be written: {detail}")]
    NotWritten {
        /// The file.
        place: String,
        /// The store's words.
        detail: String,
    },
    /// What was read is not what was written.
    #[error("file `{file}` is damaged: its checksum is {found}, expected {expected}")]
    Damaged {
        /// The file.
        file: String,
        /// Checksum when it was published.
        expected: String,
        /// Checksum of what was read.
        found: String,
    },
    /// A name that cannot stand in the file layer.
    #[error("`{name}` cannot name a file: {reason}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file was removed before anything referred to it: its writer took longer than the grace period.
    #[error("file `{file}` was swept before it was confirmed")]
    Swept {
        /// The file.
        file: String,
    },
    /// The ledger of announced files did not answer.
    #[error("the ledger of files did not answer: {detail}")]
    Ledger {
        /// Its words.
        detail: String,
    },
}

impl FileError {
    /// Stable code with a page in `docs/errors`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnsupportedScheme { .. } => "HW-T001",
            Self::CredentialsInLocation { .. } => "HW-T002",
            Self::InvalidLocation { .. } => "HW-T003",
            Self::NotPermitted { .. } => "HW-T004",
            Self::NotFound { .. } => "HW-T005",
            Self::NoFiles { .. } => "HW-T006",
            Self::TooManyFiles { .. } => "HW-T007",
            Self::InvalidPattern { .. } => "HW-T008",
            Self::Unreachable { .. } => "HW-T009",
            Self::Vanished { .. } => "HW-T010",
            Self::Truncated { .. } => "HW-T011",
            Self::NotParquet { .. } => "HW-T012",
            Self::Unreadable { .. } => "HW-T013",
            Self::Changed { .. } => "HW-T014",
            Self::Refused { .. } => "HW-T015",
            Self::InvalidOptions { .. } => "HW-T016",
            Self::NotWritten { .. } => "HW-T017",
            Self::Damaged { .. } => "HW-T018",
            Self::InvalidName { .. } => "HW-T019",
            Self::Ledger { .. } => "HW-T020",
            Self::Swept { .. } => "HW-T021",
            Self::NotListable { .. } => "HW-T043",
            Self::DamagedColumn { .. } => "HW-T044",
        }
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::UnsupportedScheme { .. }
            | Self::CredentialsInLocation { .. }
            | Self::InvalidLocation { .. }
            | Self::NotPermitted { .. }
            | Self::InvalidPattern { .. }
            | Self::InvalidOptions { .. }
            | Self::InvalidName { .. }
            | Self::Refused { .. }
            | Self::NotListable { .. } => Fault::Input,
            Self::NotFound { .. }
            | Self::NoFiles { .. }
            | Self::TooManyFiles { .. }
            | Self::Vanished { .. }
            | Self::Truncated { .. }
            | Self::NotParquet { .. }
            | Self::Unreadable { .. }
            | Self::DamagedColumn { .. }
            | Self::Changed { .. }
            | Self::Damaged { .. } => Fault::Data,
            Self::Unreachable { .. } | Self::NotWritten { .. } | Self::Ledger { .. } | Self::Swept { .. } => {
                Fault::External
            }
        }
    }

    /// What to do about it.
    pub fn help(&self) -> String {
        match self {
            Self::UnsupportedScheme { .. } => format!("supported are {SUPPORTED}"),
            Self::CredentialsInLocation { .. } => {
                "leave them out and use `headwater connection create`, which keeps secrets encrypted".to_owned()
            }
            Self::InvalidLocation { .. } => {
                format!("name a local path or a URL ({SUPPORTED}); in a URL write `%3F` for `?` and `%23` for `#`")
            }
            Self::NotPermitted { .. } => {
                "an administrator can add the folder or URL prefix to the setting `files.allow`".to_owned()
            }
            Self::NotFound { .. } => "check the spelling; a relative path starts at the client's folder".to_owned(),
            Self::NotListable { .. } => {
                "name single files: only web servers that speak WebDAV list their folders".to_owned()
            }
            Self::NoFiles { folders, .. } => no_files_help(*folders),
            Self::TooManyFiles { .. } => "name a sub-folder or a narrower pattern".to_owned(),
            Self::InvalidPattern { .. } => {
                "a pattern holds `*`, `?`, `[a-z]` and `{a,b}` and is compared with the file name alone; put a \
                 backslash before a wildcard that stands for itself"
                    .to_owned()
            }
            Self::Unreachable { .. } => "check network, region and endpoint, then try again".to_owned(),
            Self::Vanished { .. } => "restore the file, or register the table again without it".to_owned(),
            Self::Truncated { .. } => "write the file again; its writer or a copy was interrupted".to_owned(),
            Self::NotParquet { .. } => "give a `--pattern` that leaves it out, or convert it to Parquet".to_owned(),
            Self::Unreadable { .. } => {
                "write the file again; encrypted files and unknown codecs are not supported".to_owned()
            }
            Self::DamagedColumn { .. } => "write the file again, or restore it from a copy".to_owned(),
            Self::Changed { .. } => "register the table again to take up the new file".to_owned(),
            Self::Refused { place, .. } => refused_help(place),
            Self::InvalidOptions { .. } => "check the store's variables or the connection".to_owned(),
            Self::NotWritten { .. } => "free space or fix the rights there, then try again".to_owned(),
            Self::Damaged { .. } => "restore the file from a backup or drop what it belongs to".to_owned(),
            Self::InvalidName { .. } => {
                "use names without control characters, empty parts, `.` and `..`, at most 200 bytes a part".to_owned()
            }
            Self::Ledger { .. } => "check the store's address, then try again".to_owned(),
            Self::Swept { .. } => "try again; if it recurs, the writer is slower than `files.grace`".to_owned(),
        }
    }

    /// The error of a store, told for `place`; a missing object counts as [`FileError::Vanished`].
    pub fn of_store(place: impl Into<String>, error: &object_store::Error) -> Self {
        let place = place.into();
        match error {
            object_store::Error::NotFound { .. } => Self::Vanished { file: place },
            object_store::Error::Precondition { .. } => Self::Changed {
                file: place,
                expected: 0,
                found: 0,
            },
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                Self::Refused {
                    place,
                    detail: told(error),
                }
            }
            object_store::Error::InvalidPath { source } => Self::InvalidName {
                name: place,
                reason: redacted(&source.to_string()),
            },
            other => match answer_of(other) {
                Answer::Missing => Self::Vanished { file: place },
                Answer::Refused => Self::Refused {
                    place,
                    detail: told(other),
                },
                Answer::Other => Self::Unreachable {
                    place,
                    detail: told(other),
                },
            },
        }
    }
}

/// The kinds of location there are, for messages.
pub(crate) const SUPPORTED: &str =
    "local paths, `file://`, `s3://`, `gs://`, `az://`, `abfss://`, `http://` and `https://`";

fn found_instead(others: usize, example: &Option<String>, folders: usize) -> String {
    let files = match (others, example) {
        (0, _) | (_, None) => None,
        (1, Some(name)) => Some(format!("one other file, `{name}`")),
        (count, Some(name)) => Some(format!("{count} other files, for instance `{name}`")),
    };
    let folders = match folders {
        0 => None,
        1 => Some("one sub-folder".to_owned()),
        count => Some(format!("{count} sub-folders")),
    };
    match (files, folders) {
        (None, None) => "; it is empty".to_owned(),
        (Some(only), None) | (None, Some(only)) => format!("; it holds {only}"),
        (Some(files), Some(folders)) => format!("; it holds {files}, and {folders}"),
    }
}

fn sizes(expected: u64, found: u64) -> String {
    match expected == found {
        true => " since it was listed".to_owned(),
        false => format!(": {expected} bytes expected, {found} found"),
    }
}

fn no_files_help(folders: usize) -> String {
    match folders {
        0 => "check the folder, or give another `--pattern`".to_owned(),
        _ => "give another `--pattern`, name a sub-folder, or search them all with `--recursive`".to_owned(),
    }
}

/// What to set so that a store lets the program in.
fn refused_help(place: &str) -> String {
    let names = match place.split_once("://").map(|(scheme, _)| scheme) {
        Some("s3" | "s3a") => {
            "`s3.access_key_id` and `s3.secret_access_key`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        Some("gs") => "GOOGLE_APPLICATION_CREDENTIALS",
        Some("az" | "azure" | "abfs" | "abfss") => "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
        _ => return "check the credentials and the rights they carry".to_owned(),
    };
    format!("set credentials that may list and read it: {names}")
}

/// What a store meant by an error that its client has no name for.
enum Answer {
    /// The bucket or container is not there.
    Missing,
    /// The caller is not known, or may not do this.
    Refused,
    Other,
}

fn answer_of(error: &object_store::Error) -> Answer {
    let text = innermost(error);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["<Code>NoSuchBucket<", "<Code>ContainerNotFound<"]) {
        return Answer::Missing;
    }
    // How the client begins when it passes on a status.
    match local_refusal(error) || says(&["status code: 401", "status code: 403"]) {
        true => Answer::Refused,
        false => Answer::Other,
    }
}

/// Whether the operating system refused a local file.
fn local_refusal(error: &object_store::Error) -> bool {
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        source = current.source();
    }
    false
}

/// The innermost cause says most: the layers above repeat it.
fn innermost(error: &dyn StdError) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

/// The cause in words. Of a document that a store answered with, its code and message: the rest repeats the request, with
/// what it was signed by.
fn told(error: &dyn StdError) -> String {
    let text = innermost(error);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once("</").map(|(content, _)| content.trim())
    };
    match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => redacted(&format!("{message} ({code})")),
        (Some(code), None) => code.to_owned(),
        (None, _) => redacted(&text),
    }
}

/// Strikes out user names, passwords and query parts of every URL in a text: signatures and tokens stand there.
pub(crate) fn redacted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | '('))
            .unwrap_or(after.len());
        let (address, next) = after.split_at(end);
        shown.push_str(&redacted_address(address));
        rest = next;
    }
    shown.push_str(rest);
    shown
}

/// A text that was meant as one location, and so may hold anything before its last `@`.
pub(crate) fn redacted_location(text: &str) -> String {
    let Some((scheme, address)) = text.split_once("://") else {
        return text.to_owned();
    };
    let address = match address.rsplit_once('@') {
        Some((_, after)) => format!("***@{after}"),
        None => address.to_owned(),
    };
    match address.split_once('?') {
        Some((before, _)) => format!("{scheme}://{before}?***"),
        None => format!("{scheme}://{address}"),
    }
}

fn redacted_address(address: &str) -> String {
    let path_at = address.find('/').unwrap_or(address.len());
    let (authority, path) = address.split_at(path_at);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => authority.to_owned(),
    };
    match path.split_once('?') {
        Some((before, _)) => format!("{authority}{before}?***"),
        None => format!("{authority}{path}"),
    }
}
