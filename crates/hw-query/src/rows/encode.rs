//! Rows as bytes for the API: JSON, JSON lines, CSV, Arrow, Parquet.
//!
//! Batches are taken one at a time and cut into chunks of about 64 KiB, so that a slow reader holds up the query
//! instead of filling the memory. What an encoding says of each type stands in `cells.rs`.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc;

use super::csv::CsvText;
use super::ipc::ArrowBytes;
use super::json::JsonText;
use super::parquet::ParquetBytes;
use super::{Rows, duplicates};
use crate::error::QueryError;
use crate::run::{AbortOnDrop, Canceller};

/// Bytes after which a chunk is handed out; it grows beyond by one row at most.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks that are encoded before their reader asks for them.
const CHUNKS_AHEAD: usize = 2;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowFormat {
    /// One array of objects, members in column order.
    Json,
    /// One object per line. An error after the first row is the last line, `{"error":{...}}`.
    JsonLines,
    /// RFC 4180 with a header line. Null is an empty field, an empty text is `""`.
    Csv(LineEnd),
    /// Arrow IPC stream. Views become plain texts and binaries, which more readers know.
    ArrowStream,
    /// One Parquet file. Types that Parquet does not have are an error.
    Parquet,
}

/// The end of a CSV line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineEnd {
    /// As RFC 4180 wants it.
    CrLf,
    /// As programs on Unix want it.
    Lf,
}

impl RowFormat {
    /// The media type, for `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::JsonLines => "application/jsonl",
            Self::Csv(_) => "text/csv; charset=utf-8; header=present",
            Self::ArrowStream => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// The document of an error for the last line of JSON lines, what stands behind `"error":`.
pub type ErrorDocument = Box<dyn Fn(&QueryError) -> Value + Send>;

/// A writer of one format. All of its output goes to `out`.
pub(super) trait Encoding: Send {
    /// What comes before the rows.
    fn start(&mut self, schema: &SchemaRef, out: &mut Vec<u8>) -> Result<(), QueryError>;

    /// Writes rows from `from` on until `out` has [`CHUNK_BYTES`]; returns the row to go on with.
    fn rows(&mut self, batch: &RecordBatch, from: usize, out: &mut Vec<u8>) -> Result<usize, QueryError>;

    /// What comes after the last row.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), QueryError>;

    /// Writes an error as part of the text, where the format can show one.
    fn error(&mut self, error: &QueryError, out: &mut Vec<u8>) -> bool;
}

/// Whether a chunk is long enough.
pub(super) fn is_full(out: &[u8]) -> bool {
    out.len() >= CHUNK_BYTES
}

/// Encodes a stream of batches. The work is done where the result is polled; [`Rows::encode`] does it on the engine's
/// threads.
///
/// An error ends the result with an `Err`, except in JSON lines, where it becomes the last line.
///
/// # Errors
/// [`QueryError::DuplicateColumns`] if two columns share a name and the format needs names that differ (JSON, Parquet).
pub fn encode(
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
    format: RowFormat,
    error: Option<ErrorDocument>,
) -> Result<BoxStream<'static, Result<Bytes, QueryError>>, QueryError> {
    let encoding: Box<dyn Encoding> = match format {
        RowFormat::Json => Box::new(JsonText::array(named_once(&schema)?)),
        RowFormat::JsonLines => Box::new(JsonText::lines(named_once(&schema)?, error)),
        RowFormat::Csv(end) => Box::new(CsvText::new(end)),
        RowFormat::ArrowStream => Box::new(ArrowBytes::default()),
        RowFormat::Parquet => {
            named_once(&schema)?;
            Box::new(ParquetBytes::default())
        }
    };
    let encoder = Encoder {
        schema,
        batches,
        encoding,
        batch: None,
        state: State::Fresh,
    };
    Ok(futures::stream::unfold(encoder, |mut encoder| async {
        let chunk = encoder.next().await?;
        Some((chunk, encoder))
    })
    .boxed())
}

fn named_once(schema: &SchemaRef) -> Result<&SchemaRef, QueryError> {
    let found = duplicates(schema);
    match found.is_empty() {
        true => Ok(schema),
        false => Err(QueryError::DuplicateColumns(found)),
    }
}

impl Rows {
    /// The rows as bytes, encoded on the engine's threads. Dropping the result cancels the statement.
    ///
    /// `error` makes the last line of JSON lines after an error; without it the line holds code, message, help and
    /// findings.
    ///
    /// # Errors
    /// As [`encode`].
    pub fn encode(self, format: RowFormat, error: Option<ErrorDocument>) -> Result<EncodedRows, QueryError> {
        let statement = AbortOnDrop(self.canceller());
        let engine = self.engine;
        let mut encoded = encode(self.schema, self.stream.boxed(), format, error)?;
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let task = engine.spawn(async move {
            while let Some(chunk) = encoded.next().await {
                let failed = chunk.is_err();
                if sender.send(Some(chunk)).await.is_err() || failed {
                    return;
                }
            }
            drop(sender.send(None).await);
        })?;
        Ok(EncodedRows {
            chunks,
            ended: false,
            _statement: statement,
            _task: AbortOnDrop(Canceller::new(task.abort_handle())),
        })
    }
}

/// Chunks of encoded rows.
#[derive(Debug)]
pub struct EncodedRows {
    /// `None` says that nothing is missing.
    chunks: mpsc::Receiver<Option<Result<Bytes, QueryError>>>,
    ended: bool,
    /// The statement is told at once: the task that encodes may have to wait for a thread to be dropped on.
    _statement: AbortOnDrop,
    _task: AbortOnDrop,
}

impl Stream for EncodedRows {
    type Item = Result<Bytes, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let chunk = std::task::ready!(self.chunks.poll_recv(context));
        self.ended = !matches!(chunk, Some(Some(Ok(_))));
        Poll::Ready(match chunk {
            Some(chunk) => chunk,
            None => Some(Err(QueryError::internal("encoding ended unexpectedly"))),
        })
    }
}

struct Encoder {
    schema: SchemaRef,
    batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
    encoding: Box<dyn Encoding>,
    /// The batch under way and its next row.
    batch: Option<(RecordBatch, usize)>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Rows,
    Done,
}

impl Encoder {
    async fn next(&mut self) -> Option<Result<Bytes, QueryError>> {
        if self.state == State::Done {
            return None;
        }
        let mut out = Vec::new();
        match self.fill(&mut out).await {
            Ok(()) if out.is_empty() => None,
            Ok(()) => Some(Ok(Bytes::from(out))),
            Err(error) => {
                self.state = State::Done;
                // Rows that were written before the error are dropped with the chunk, unless the error is shown.
                match self.encoding.error(&error, &mut out) {
                    true => Some(Ok(Bytes::from(out))),
                    false => Some(Err(error)),
                }
            }
        }
    }

    /// Writes until the chunk is long enough, the input would make the reader wait for more, or all is written.
    async fn fill(&mut self, out: &mut Vec<u8>) -> Result<(), QueryError> {
        if self.state == State::Fresh {
            self.encoding.start(&self.schema, out)?;
            self.state = State::Rows;
        }
        loop {
            match self.batch.take() {
                Some((batch, from)) => {
                    let next = self.encoding.rows(&batch, from, out)?;
                    if next < batch.num_rows() {
                        self.batch = Some((batch, next));
                    }
                    if !out.is_empty() {
                        return Ok(());
                    }
                }
                None => match self.batches.next().await {
                    Some(batch) => self.batch = Some((batch?, 0)),
                    None => {
                        self.encoding.end(out)?;
                        self.state = State::Done;
                        return Ok(());
                    }
                },
            }
        }
    }
}
