//! What Postgres and the way to it say, in the store's words. Never the text of the address: it may hold a password.

use sqlx::error::DatabaseError;

use crate::StoreError;

/// What an error means for the transaction that it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The connection is gone, or the server is not there yet: the same may succeed over another one.
    Lost,
    /// Transactions were in each other's way: the same may succeed when it is tried again.
    Conflict,
    /// Trying again changes nothing.
    Final,
}

/// States of `SQLSTATE` by themselves.
mod state {
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
    pub(super) const QUERY_CANCELED: &str = "57014";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(super) const OUT_OF_MEMORY: &str = "53200";
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const IDLE_IN_TRANSACTION: &str = "25P03";
    pub(super) const READ_ONLY: &str = "25006";
}

/// Whether trying again may help.
pub(super) fn kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(error) => error.code().map_or(Kind::Final, |code| kind_of_state(&code)),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => Kind::Lost,
        _ => Kind::Final,
    }
}

fn kind_of_state(code: &str) -> Kind {
    match code {
        state::SERIALIZATION_FAILURE | state::DEADLOCK => Kind::Conflict,
        state::IDLE_IN_TRANSACTION | state::TOO_MANY_CONNECTIONS => Kind::Lost,
        // Shut down by an administrator, crashed, not ready yet; or a fault of the connection.
        code if code.starts_with("57P") || code.starts_with("08") => Kind::Lost,
        _ => Kind::Final,
    }
}

/// The fault of the store that an error of the driver stands for.
pub(super) fn fault(error: &sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(error) => database_fault(error.as_ref()),
        sqlx::Error::PoolTimedOut => StoreError::Busy("no connection became free in time".to_owned()),
        sqlx::Error::PoolClosed => StoreError::Unreachable("it was closed".to_owned()),
        // What could not be understood of an address may hold a part of it.
        sqlx::Error::Configuration(_) => StoreError::Unreachable("its address cannot be used".to_owned()),
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => StoreError::Corrupt(error.to_string()),
        other => StoreError::Unreachable(other.to_string()),
    }
}

fn database_fault(error: &dyn DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default();
    let text = format!("{} (SQLSTATE {code})", error.message());
    match code.as_ref() {
        state::SERIALIZATION_FAILURE
        | state::DEADLOCK
        | state::LOCK_NOT_AVAILABLE
        | state::QUERY_CANCELED
        | state::TOO_MANY_CONNECTIONS
        | state::OUT_OF_MEMORY => StoreError::Busy(text),
        state::DISK_FULL => StoreError::Full(text),
        state::READ_ONLY => StoreError::Unreachable(format!("{text}; this server only answers readers")),
        code => match code.get(..2) {
            // Constraints, and values that do not fit.
            Some("22" | "23") => StoreError::Misuse(text),
            // Tables and columns that are not as they should be; damaged pages.
            Some("42") if code != "42501" => StoreError::Corrupt(text),
            Some("XX") => StoreError::Corrupt(text),
            _ => StoreError::Unreachable(text),
        },
    }
}
