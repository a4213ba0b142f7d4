//! The cells of a column as JSON and as plain text, for every Arrow type.
//!
//! | type | JSON | text (CSV) |
//! |---|---|---|
//! | integers, decimals | number with all digits | the same |
//! | floats | shortest number; `"NaN"`, `"Infinity"`, `"-Infinity"` | without quotes |
//! | booleans | `true`, `false` | the same |
//! | texts | string | as it is |
//! | binaries | base64 | base64 |
//! | timestamps | RFC 3339 in the column's zone; no suffix without zone | the same |
//! | dates, times | `2024-02-29`, `13:05:00.250` | the same |
//! | durations, intervals | ISO 8601, `PT1H2M3.5S`, `P1Y2M3DT4S` | the same |
//! | lists | array | the JSON |
//! | structs, maps | object | the JSON |
//! | dictionaries, run ends | their values | their values |
//! | unions | the value of the member that is set | the same |
//! | null | `null` | nothing |

use arrow_array::{Array, ArrayRef};

use crate::error::QueryError;

mod nested;
mod scalar;
mod time;

/// The cells of one column of one batch.
pub(super) trait Cells {
    /// Whether the cell has no value; for dictionaries and unions this is asked of the value.
    fn is_null(&self, row: usize) -> bool;

    /// Appends the cell as JSON, `null` if it has no value.
    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError>;

    /// Appends the cell as text. Must not be called where it has no value.
    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError>;
}

/// The cells of any array.
///
/// # Errors
/// [`QueryError::Data`] for zones that are not known, [`QueryError::Internal`] for types that do not exist yet.
pub(super) fn cells(array: &ArrayRef) -> Result<Box<dyn Cells + '_>, QueryError> {
    let array: &dyn Array = array.as_ref();
    if let Some(cells) = scalar::cells(array) {
        return Ok(cells);
    }
    if let Some(cells) = time::cells(array)? {
        return Ok(cells);
    }
    nested::cells(array)
}

/// The values of one type, each known not to be null.
pub(super) trait Values {
    /// What stands around the text in JSON.
    const JSON: Form;

    /// Appends the value as text.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError>;
}

/// How a text becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Bare,
    /// In quotes; nothing in it needs an escape.
    Quoted,
}

/// Values with the column's nulls around them.
struct Nullable<'a, V> {
    array: &'a dyn Array,
    values: V,
}

impl<V: Values> Cells for Nullable<'_, V> {
    fn is_null(&self, row: usize) -> bool {
        self.array.is_null(row)
    }

    fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if self.array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match V::JSON {
            Form::Bare => self.values.write(row, out),
            Form::Quoted => {
                out.push(b'"');
                self.values.write(row, out)?;
                out.push(b'"');
                Ok(())
            }
        }
    }

    fn text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        self.values.write(row, out)
    }
}

fn boxed<'a, V: Values + 'a>(array: &'a dyn Array, values: V) -> Box<dyn Cells + 'a> {
    Box::new(Nullable { array, values })
}

/// Formats into bytes; writing to memory does not fail.
macro_rules! put {
    ($out:expr, $($arguments:tt)*) => {{
        use std::io::Write as _;
        drop(write!($out, $($arguments)*));
    }};
}
use put;
