//! Objects, one per row.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde_json::{Value, json};

use super::cells::{Cells, cells};
use super::encode::{Encoding, ErrorDocument, is_full};
use crate::error::QueryError;

/// Writes JSON: one array, or one object per line.
pub(super) struct JsonText {
    /// `{"a":`, `,"b":`: what stands before each value of a row.
    before: Vec<Vec<u8>>,
    layout: Layout,
    rows: bool,
}

enum Layout {
    Array,
    Lines(Option<ErrorDocument>),
}

impl JsonText {
    /// One array of objects. Names must differ.
    pub(super) fn array(schema: &SchemaRef) -> Self {
        Self::new(schema, Layout::Array)
    }

    /// One object per line. Names must differ.
    pub(super) fn lines(schema: &SchemaRef, error: Option<ErrorDocument>) -> Self {
        Self::new(schema, Layout::Lines(error))
    }

    fn new(schema: &SchemaRef, layout: Layout) -> Self {
        let names = schema.fields().iter().map(|field| field.name());
        Self {
            before: member_starts(names.map(String::as_str)),
            layout,
            rows: false,
        }
    }

    fn separate(&mut self, out: &mut Vec<u8>) {
        if matches!(self.layout, Layout::Array) {
            out.extend_from_slice(if self.rows { b",\n" } else { b"[" });
        }
        self.rows = true;
    }
}

/// What stands before each member of an object.
pub(super) fn member_starts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Vec<u8>> {
    names
        .enumerate()
        .map(|(index, name)| {
            let mut start = vec![if index == 0 { b'{' } else { b',' }];
            write_string(name, &mut start);
            start.push(b':');
            start
        })
        .collect()
}

impl Encoding for JsonText {
    fn start(&mut self, _: &SchemaRef, _: &mut Vec<u8>) -> Result<(), QueryError> {
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, from: usize, out: &mut Vec<u8>) -> Result<usize, QueryError> {
        let columns = batch.columns().iter().map(cells).collect::<Result<Vec<_>, _>>()?;
        for row in from..batch.num_rows() {
            self.separate(out);
            write_object(&self.before, &columns, row, out)?;
            if matches!(self.layout, Layout::Lines(_)) {
                out.push(b'\n');
            }
            if is_full(out) {
                return Ok(row + 1);
            }
        }
        Ok(batch.num_rows())
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), QueryError> {
        match (&self.layout, self.rows) {
            (Layout::Array, true) => out.extend_from_slice(b"]\n"),
            (Layout::Array, false) => out.extend_from_slice(b"[]\n"),
            (Layout::Lines(_), _) => {}
        }
        Ok(())
    }

    fn error(&mut self, error: &QueryError, out: &mut Vec<u8>) -> bool {
        let Layout::Lines(document) = &self.layout else {
            return false;
        };
        // Before the first row nothing has been promised: the caller can still answer with the error itself.
        if !self.rows {
            return false;
        }
        // A row that was cut short by the error would be no line of JSON.
        let end = out.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        out.truncate(end);
        let document = match document {
            Some(document) => document(error),
            None => error_document(error),
        };
        out.extend_from_slice(json!({ "error": document }).to_string().as_bytes());
        out.push(b'\n');
        true
    }
}

fn error_document(error: &QueryError) -> Value {
    json!({
        "code": error.code(),
        "message": error.to_string(),
        "help": error.help(),
        "errors": error.findings(),
    })
}

/// One row, or one struct. `before` has one entry per member.
pub(super) fn write_object(
    before: &[Vec<u8>],
    members: &[Box<dyn Cells + '_>],
    row: usize,
    out: &mut Vec<u8>,
) -> Result<(), QueryError> {
    if members.is_empty() {
        out.push(b'{');
    }
    for (before, member) in before.iter().zip(members) {
        out.extend_from_slice(before);
        member.json(row, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// A text in quotes; only what JSON demands is escaped.
pub(super) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut written = 0;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= b' ' && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(bytes.get(written..at).unwrap_or_default());
        written = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(bytes.get(written..).unwrap_or_default());
    out.push(b'"');
}
