//! The file layer: where files are, who may reach them, how they are found, read, written and swept.
//!
//! A [`Location`] is parsed from what a user wrote, checked against [`Access`], and opened by [`FileStores`]. Its files
//! are found by [`discover`], and [`footer`] reads what a Parquet file tells of itself.
//!
//! [`ColumnReader`] streams columns of a file from any store; [`PartReader`] decodes single columns of single row groups
//! with as little work as possible, for queries whose time is decoding.
//!
//! What is read of files in remote stores goes through the [`PartCache`] of the host, which keeps it on disk, version by
//! version.
//!
//! The deployment's own [`Files`] are announced in a [`Ledger`], written whole or not at all, read with their checksum
//! verified, and removed by [`sweep`] when no one refers to them.
//!
//! The crate decides nothing by a clock (what is cached is stamped with the time of its last use, so that the oldest goes
//! first), reads no environment, and runs no queries.

mod access;
mod cache;
mod checksum;
mod discover;
mod error;
mod files;
mod footer;
mod ledger;
mod local;
mod location;
mod order;
mod part;
mod pattern;
mod read;
mod standing;
mod stores;
mod sweep;
#[cfg(test)]
mod tests;
mod upload;
mod versioned;

pub use access::{Access, AllowedPlaces};
pub use cache::{CacheUse, PartCache, ReadTally};
pub use checksum::{Checksum, InvalidChecksum};
pub use discover::{FoundFile, discover};
pub use error::{Fault, FileError};
pub use files::{Files, NewId, Owner, Published};
pub use footer::{ColumnFooter, DeclaredSorting, Footer, footer};
pub use ledger::{Ledger, MemoryLedger};
pub use local::StagedFolder;
pub use location::{Location, Scheme, Selection};
pub use order::{compare, greatest, least};
pub use part::{
    Buffers, Codes, Column, ColumnValues, LocalFile, PartLayout, PartReader, ReadRange, source as part_source,
};
pub use pattern::Pattern;
pub use read::{ColumnReader, RowGroup};
pub use standing::Standing;
pub use stores::{FileStores, OpenLocation, StoreLimits};
pub use sweep::{Swept, sweep};
pub use upload::{Aside, Content, Written, content_of, write_aside, write_atomically};
pub use versioned::VersionedStore;
