//! Comma-separated values, RFC 4180.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::cells::cells;
use super::encode::{Encoding, LineEnd, is_full};
use crate::error::QueryError;

/// Writes CSV with a header line. Null is an empty field, an empty text is `""`; lists and structs are JSON.
pub(super) struct CsvText {
    end: LineEnd,
    field: Vec<u8>,
}

impl CsvText {
    pub(super) fn new(end: LineEnd) -> Self {
        Self { end, field: Vec::new() }
    }

    fn end_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.end {
            LineEnd::CrLf => b"\r\n",
            LineEnd::Lf => b"\n",
        });
    }
}

impl Encoding for CsvText {
    fn start(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<(), QueryError> {
        for (index, field) in schema.fields().iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_field(field.name().as_bytes(), out);
        }
        if !schema.fields().is_empty() {
            self.end_line(out);
        }
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch, from: usize, out: &mut Vec<u8>) -> Result<usize, QueryError> {
        let columns = batch.columns().iter().map(cells).collect::<Result<Vec<_>, _>>()?;
        for row in from..batch.num_rows() {
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                if !column.is_null(row) {
                    self.field.clear();
                    column.text(row, &mut self.field)?;
                    write_field(&self.field, out);
                }
            }
            self.end_line(out);
            if is_full(out) {
                return Ok(row + 1);
            }
        }
        Ok(batch.num_rows())
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), QueryError> {
        Ok(())
    }

    fn error(&mut self, _: &QueryError, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// Quotes where the field could be misread: separators, quotes, line breaks, blanks at the ends, nothing at all.
fn write_field(field: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let plain = !field.is_empty() && !field.iter().any(special) && !blank(field.first()) && !blank(field.last());
    if plain {
        out.extend_from_slice(field);
        return;
    }
    out.push(b'"');
    for byte in field {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
