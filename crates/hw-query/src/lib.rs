//! The only crate that names DataFusion: tables as the engine sees them, SQL, the funnel operator, explain.
//!
//! An [`Engine`] holds what all sessions share: memory pool, spill folder, threads. A [`Session`] sees the tables of a
//! catalog ([`Tables`]) and the files that its client may read, and [runs](Session::run) one statement at a time into
//! [`Rows`], a lazy stream. Statements only read; everything else is refused before it is planned. Statements that make or
//! drop views are [told apart](Session::view_statement) and [checked](Session::define_view) here; carrying them out is for
//! those who own the catalog.
//!
//! Errors are [`QueryError`]: each has a code, a fault class, and findings that point into the statement.
//!
//! What the crate does not do: it stores nothing, writes nothing, knows no HTTP.

mod bounded;
mod catalog;
mod counters;
mod dataset;
mod engine;
mod error;
mod explain;
mod files;
mod functions;
mod funnel;
mod hot;
mod params;
mod regroup;
mod rows;
mod run;
mod scan;
mod session;
mod setting;
mod spill;
mod statement;
mod stores;
mod tables;
#[cfg(test)]
mod testing;
mod unplanned;
mod yielding;

pub use catalog::DefinedView;
pub use counters::Summary;
pub use engine::{Engine, EngineConfig, MemoryUse, Reservation};
pub use error::{
    ERROR_CODES, Fault, FunnelCode, PartFault, PartWrong, Place, QueryError, StatementFault, StatementFaultKind, caret,
};
pub use explain::Explained;
pub use funnel::{
    FunnelCodec, FunnelExec, FunnelInput, FunnelPartial, FunnelRelation, FunnelRun, FunnelScan, dataset_of,
    dataset_of_schema,
};
pub use hot::HotUse;
pub use regroup::{BucketStream, Regroup, RegroupInput, RegroupRun, can_group, plain_schema};
pub use rows::{
    DuplicateColumn, EncodedRows, ErrorDocument, LineEnd, RowFormat, RowStream, Rows, SummaryHandle, encode,
};
pub use run::Canceller;
pub use session::{Session, SessionInput};
pub use statement::{SQL_BYTES_MAX, Statement, ViewDefinition, ViewDrop, ViewStatement, Written, split_statements};
pub use tables::{CatalogFault, StoredTable, Tables};
