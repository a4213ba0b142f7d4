//! The store on SQLite.

/// Options.
pub struct SqliteOptions;
/// Store.
pub struct SqliteStore;
