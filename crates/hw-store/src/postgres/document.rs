//! Documents in columns: JSON with the version of its form.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::row::Reader;
use super::to_json;
use crate::StoreError;

const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'v, T> {
    format: u32,
    value: &'v T,
}

/// A document whose form is not known yet.
#[derive(Deserialize)]
struct Unread {
    format: u32,
    value: Box<RawValue>,
}

/// The text of a document in the form that this program writes.
pub(super) fn write_document<T: Serialize>(value: &T) -> Result<String, StoreError> {
    to_json(&Document { format: FORMAT, value })
}

/// The document in a column.
pub(super) fn read_document<T: DeserializeOwned>(row: &Reader<'_>, column: &str) -> Result<T, StoreError> {
    let document: Unread = row.json(column)?;
    if document.format != FORMAT {
        return Err(row.corrupt(column, format_args!("its form {} is unknown", document.format)));
    }
    serde_json::from_str(document.value.get()).map_err(|error| row.corrupt(column, error))
}
