//! What SQLite says, in the store's words.

use sqlx::error::DatabaseError;

use crate::StoreError;

/// Primary result codes of SQLite.
mod code {
    pub(super) const BUSY: u32 = 5;
    pub(super) const LOCKED: u32 = 6;
    pub(super) const CORRUPT: u32 = 11;
    pub(super) const FULL: u32 = 13;
    pub(super) const CONSTRAINT: u32 = 19;
    pub(super) const NOT_A_DATABASE: u32 = 26;
    /// Extended: a file took no more data. A full disk has a code of its own; what is left are quotas and limits on the
    /// size of files, and broken disks.
    pub(super) const WRITE: u32 = 10 | (3 << 8);
    /// Extended: the shared memory of the log could not grow, because the disk is full.
    pub(super) const SHARED_MEMORY_SIZE: u32 = 10 | (19 << 8);
}

/// The fault of the store that an error of the driver stands for.
pub(super) fn fault(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => database_fault(error.as_ref()),
        sqlx::Error::PoolTimedOut => StoreError::Busy("no connection for reading became free in time".to_owned()),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => StoreError::Corrupt(error.to_string()),
        other => StoreError::Unreachable(other.to_string()),
    }
}

fn database_fault(error: &dyn DatabaseError) -> StoreError {
    let extended = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
    let text = error.message().to_owned();
    match extended & 0xff {
        code::BUSY | code::LOCKED => StoreError::Busy(text),
        code::FULL => StoreError::Full(text),
        code::CORRUPT | code::NOT_A_DATABASE => StoreError::Corrupt(text),
        code::CONSTRAINT => StoreError::Misuse(text),
        _ if extended == code::SHARED_MEMORY_SIZE => StoreError::Full(text),
        _ if extended == code::WRITE => StoreError::Full(format!(
            "{text}; its file system, a quota or a limit on the size of files takes no more"
        )),
        _ => StoreError::Unreachable(format!("{text} (code {extended})")),
    }
}
