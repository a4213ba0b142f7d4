//! What a table is: its name, kind, columns, parts and statistics.
//!
//! Every capability takes a [`TableName`] and finds a [`Table`] behind it. The crate holds values and their
//! documents only: it reads no file and knows no engine.
//!
//! ```
//! let name: hw_catalog::TableName = "main.flights".parse()?;
//! assert_eq!(name.to_string(), "flights");
//! # Ok::<(), hw_catalog::InvalidTableName>(())
//! ```

mod column;
mod finding;
mod name;
mod proposal;
mod table;
#[cfg(test)]
mod tests;
mod width;

pub use column::{Bound, ColumnSummary, ColumnType, Scalar};
pub use finding::Finding;
pub use name::{DEFAULT_SCHEMA, InvalidTableName, TableName};
pub use proposal::closest;
pub use table::{
    Dataset, Groups, KeptFile, Part, Repartition, Table, TableKind, TableVersion, UnsupportedColumn, View,
};
pub use width::widened;
