//! The header that tells the columns of an answer.

#[cfg(test)]
mod tests;

use arrow_schema::Schema;
use http::{HeaderName, HeaderValue};
use hw_api::{STATEMENT_DONE, StatementDone};
use serde_json::json;

const COLUMNS: HeaderName = HeaderName::from_static("headwater-columns");
const COLUMN_COUNT: HeaderName = HeaderName::from_static("headwater-column-count");

/// Longest header that clients and proxies take for sure.
const HEADER_BYTES_MAX: usize = 4096;

/// The number of columns, and their names and types as a JSON array in ASCII, left out where it would be too long.
pub(super) fn header(schema: &Schema) -> Vec<(HeaderName, HeaderValue)> {
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| json!({"name": field.name(), "type": field.data_type().to_string()}))
        .collect();
    let text = ascii(&serde_json::Value::from(columns).to_string());
    let count = (COLUMN_COUNT, HeaderValue::from(schema.fields().len()));
    let listed = HeaderValue::from_str(&text)
        .ok()
        .filter(|_| text.len() <= HEADER_BYTES_MAX);
    [count]
        .into_iter()
        .chain(listed.map(|listed| (COLUMNS, listed)))
        .collect()
}

/// The header that tells what a statement has done.
pub(super) fn done(done: &StatementDone) -> Option<(HeaderName, HeaderValue)> {
    let text = ascii(&serde_json::to_string(done).ok()?);
    Some((
        HeaderName::from_static(STATEMENT_DONE),
        HeaderValue::from_str(&text).ok()?,
    ))
}

/// JSON with everything beyond ASCII, and DEL, written as `\uXXXX`.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            ' '..='~' => text.push(c),
            other => {
                let mut units = [0; 2];
                text.extend(
                    other
                        .encode_utf16(&mut units)
                        .iter()
                        .map(|unit| format!("\\u{unit:04x}")),
                );
            }
        }
    }
    text
}
