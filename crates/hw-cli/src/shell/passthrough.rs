//! Rows that go through as the server sent them.

use bytes::Bytes;
use hw_api::Problem;
use serde::Deserialize;

use super::Shell;
use crate::args::Format;
use crate::client::next_chunk;
use crate::failure::{ClientError, Ending, Failure};
use crate::program::RouterBody;

/// Bytes of a line that may tell of an error; longer ones are rows.
const ERROR_LINE_MAX: usize = 1 << 20;

/// Copies a body to the output. In JSON lines an error after the first row is the last line: it goes out like the others,
/// and is the failure that the command ends with.
pub(super) async fn copy(shell: &mut Shell<'_>, mut body: RouterBody) -> Result<(), Ending> {
    let mut last_line = LastLine::default();
    let mut last_byte = b'\n';
    let mut line_ends = LineEnds::default();
    // A statement without columns has no chunk.
    let mut is_first = true;
    while let Some(chunk) = next_chunk(&mut body).await? {
        let chunk = match shell.settings.format {
            Format::Csv => line_ends.plain(chunk),
            _ => chunk,
        };
        if is_first && shell.settings.format == Format::Parquet && std::mem::replace(&mut shell.holds_parquet, true) {
            return Err(second_parquet());
        }
        is_first = false;
        shell.write(&chunk)?;
        last_byte = chunk.last().copied().unwrap_or(last_byte);
        if shell.settings.format == Format::JsonLines {
            last_line.take(&chunk);
        }
    }
    // A prompt, or the next statement's answer, begins on a line of its own.
    if last_byte != b'\n' && !matches!(shell.settings.format, Format::Arrow | Format::Parquet) {
        shell.write(b"\n")?;
    }
    match last_line.into_problem() {
        Some(problem) => Err(broken_off(problem)),
        None => Ok(()),
    }
}

fn second_parquet() -> Ending {
    ClientError::Usage {
        reason: "a Parquet file holds the rows of one statement".to_owned(),
        help: Some("run the statements one by one, each with a file of its own".to_owned()),
    }
    .into()
}

/// Turns the line ends of CSV on the wire (CR LF, as RFC 4180 has them) into those of a terminal; what stands within quotes
/// stays as it is.
#[derive(Default)]
struct LineEnds {
    quoted: bool,
    /// The last byte was a CR outside quotes, held back until it is known what follows.
    held: bool,
}

impl LineEnds {
    fn plain(&mut self, chunk: Bytes) -> Bytes {
        let mut plain = Vec::with_capacity(chunk.len() + 1);
        for byte in chunk {
            if self.held && byte != b'\n' {
                plain.push(b'\r');
            }
            self.held = byte == b'\r' && !self.quoted;
            // A doubled quote within quotes leaves and enters them again.
            self.quoted ^= byte == b'"';
            if !self.held {
                plain.push(byte);
            }
        }
        plain.into()
    }
}

/// Rows were given out already, so that the work failed, whoever's fault it is.
pub(super) fn broken_off(problem: Problem) -> Ending {
    let mut failure = Failure::from(problem);
    failure.exit = hw_api::ExitCode::Failed;
    failure.into()
}

/// Keeps the last line of a stream, if it begins like an error.
#[derive(Default)]
struct LastLine {
    line: Vec<u8>,
    /// The line is complete: the next byte begins another one.
    complete: bool,
    /// The line is a row.
    is_row: bool,
}

#[derive(Deserialize)]
struct ErrorLine {
    error: Problem,
}

const ERROR_BEGIN: &[u8] = br#"{"error":"#;

impl LastLine {
    fn take(&mut self, chunk: &[u8]) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            if self.complete {
                *self = Self::default();
            }
            self.complete = part.ends_with(b"\n");
            if self.is_row {
                continue;
            }
            self.line.extend_from_slice(part);
            let begin = self.line.len().min(ERROR_BEGIN.len());
            self.is_row = self.line.get(..begin) != ERROR_BEGIN.get(..begin) || self.line.len() > ERROR_LINE_MAX;
            if self.is_row {
                self.line = Vec::new();
            }
        }
    }

    fn into_problem(self) -> Option<Problem> {
        let error: ErrorLine = serde_json::from_slice(self.line.trim_ascii_end()).ok()?;
        // A row may have a column of that name; it does not hold a code of ours.
        error.error.code.starts_with("HW-").then_some(error.error)
    }
}

#[cfg(test)]
mod line_end_tests {
    use bytes::Bytes;

    use super::LineEnds;

    #[track_caller]
    fn check(chunks: &[&str], expected: &str) {
        let mut ends = LineEnds::default();
        let plain: Vec<u8> = chunks
            .iter()
            .flat_map(|chunk| ends.plain(Bytes::copy_from_slice(chunk.as_bytes())))
            .collect();
        assert_eq!(String::from_utf8_lossy(&plain), expected);
    }

    #[test]
    fn only_line_ends_outside_quotes_change() {
        check(&["a,b\r\n1,2\r\n"], "a,b\n1,2\n");
        check(&["a\r", "\nb\r", "c"], "a\nb\rc");
        check(
            &["\"x\r\ny\",\"say \"\"hi\"\"\r\n\"\r\n"],
            "\"x\r\ny\",\"say \"\"hi\"\"\r\n\"\n",
        );
    }
}
