//! The catalog's tables, and the ledger of files.

mod plan;

use async_trait::async_trait;
use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_job::Timestamp;

use crate::StoreError;
pub(crate) use plan::{NameState, PlannedChange, check_changes, names_of, plan_changes, sorted_parts};

/// When a table was last used by a job, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableUse {
    /// On the wall, for people.
    pub at: Option<Timestamp>,
    /// Seconds since, on the elapsed clock.
    pub seconds_ago: Option<u64>,
}

/// Reads of the catalog. It changes only together with the end of a job ([`JobStore::end_job`](crate::JobStore)).
#[async_trait]
pub trait CatalogStore {
    /// The table of this exact name, without its parts.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn load_table(&self, name: &TableName) -> Result<Option<Table>, StoreError>;

    /// The parts of a version of a table, in the order of their paths; empty if the version is not kept.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn load_parts(&self, name: &TableName, version: TableVersion) -> Result<Vec<Part>, StoreError>;

    /// All tables by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn list_tables(&self) -> Result<Vec<Table>, StoreError>;

    /// Notes that a job uses the tables now. Names without a table are passed over.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn touch_tables(&self, names: &[TableName]) -> Result<(), StoreError>;

    /// When the table was last used. Forgotten when it is registered again.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn table_use(&self, name: &TableName) -> Result<TableUse, StoreError>;
}

/// Files of the deployment's root, announced before they are written and confirmed when something refers to them.
///
/// ```text
///  announce ──▶ announced ──confirm──▶ confirmed ──release──▶ released ──confirm──▶ confirmed
///                   └───── condemn, after the grace ─────┬───────┘
///                                                    condemned ──forget──▶ unknown
/// ```
///
/// Whoever sweeps condemns files first, then deletes them, then has them forgotten. A file that is condemned or unknown
/// can not be confirmed any more, so no reference ever points at a file that a sweeper has deleted or will delete, though
/// the sweeper be killed between two steps: what it condemned is given out again until it is forgotten.
#[async_trait]
pub trait FileLedger {
    /// Announces files that are about to be written for `owner`. One that is confirmed stays so.
    ///
    /// # Errors
    /// [`StoreError::FileSwept`] if one of them is condemned, and if the store did not answer; then none is announced.
    async fn announce_files(&self, owner: &str, paths: &[String]) -> Result<(), StoreError>;

    /// Confirms files that something refers to from now on.
    ///
    /// # Errors
    /// [`StoreError::FileSwept`] for the first one that is condemned or unknown, and if the store did not answer; then
    /// none is confirmed.
    async fn confirm_files(&self, paths: &[String]) -> Result<(), StoreError>;

    /// Files announced and never confirmed, or released, at least `grace_seconds` ago, and condemned ones; oldest first.
    /// Changes nothing: for looking only.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn unreferenced_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError>;

    /// Condemns the files that [`unreferenced_files`](Self::unreferenced_files) tells, and tells them, in one
    /// transaction. One that was condemned before is told again, until it is forgotten.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn condemn_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError>;

    /// Marks confirmed files as referred to by nothing any more.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn release_files(&self, paths: &[String]) -> Result<(), StoreError>;

    /// Forgets files that are gone.
    ///
    /// # Errors
    /// [`StoreError`] if the store did not answer.
    async fn forget_files(&self, paths: &[String]) -> Result<(), StoreError>;
}
