//! The file layer: where files are, who may reach them, how they are found, read, written and swept.
//!
//! A [`Location`] is parsed from what a user wrote, checked against [`Access`], and opened by [`FileStores`]. Its files
//! are found by [`discover`], and [`footer`] reads what a Parquet file tells of itself.
//!
//! The crate reads no clock and no environment, and runs no queries.

mod access;
mod discover;
mod error;
mod footer;
mod local;
mod location;
mod order;
mod pattern;
mod stores;
#[cfg(test)]
mod tests;

pub use access::{Access, AllowedPlaces};
pub use discover::{FoundFile, discover};
pub use error::{Fault, FileError};
pub use footer::{ColumnFooter, DeclaredSorting, Footer, footer};
pub use location::{Location, Scheme, Selection};
pub use order::{compare, greatest, least};
pub use pattern::Pattern;
pub use stores::{FileStores, OpenLocation, StoreLimits};
