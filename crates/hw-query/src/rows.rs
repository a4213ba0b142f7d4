//! The answer of a statement: a stream of batches, and its encodings for the API.

mod cells;
mod csv;
mod encode;
mod ipc;
mod json;
mod parquet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures::Stream;
use hw_catalog::{Finding, TableName, TableVersion};
use tokio::sync::mpsc;

use crate::counters::{Counters, Summary};
use crate::engine::Engine;
use crate::error::QueryError;
use crate::run::{AbortOnDrop, Canceller, Head};

pub use encode::{EncodedRows, ErrorDocument, LineEnd, RowFormat, encode};

/// The answer of a statement, not computed yet.
///
/// Texts and binaries may be views (`Utf8View`), columns may be dictionaries: the encoders take them as they are.
#[derive(Debug)]
pub struct Rows {
    /// Columns of every batch, in order. Empty for SET.
    pub schema: SchemaRef,
    /// The batches. Ends after the first error; dropping it cancels the statement.
    pub stream: RowStream,
    /// The tables that were read and the version of each, by name.
    pub pinned: Vec<(TableName, TableVersion)>,
    /// What was read so far; complete when the stream has ended.
    pub summary: SummaryHandle,
    engine: Engine,
}

/// Reads the counters of a statement while and after it runs.
#[derive(Debug, Clone)]
pub struct SummaryHandle(Arc<Counters>);

impl SummaryHandle {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self(counters)
    }

    /// What was read so far.
    pub fn read(&self) -> Summary {
        self.0.summary()
    }
}

/// Several columns of a result that bear one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuplicateColumn {
    /// The name.
    pub name: String,
    /// 0-based positions of the columns, at least two.
    pub positions: Vec<usize>,
    /// A free name for each but the first.
    pub aliases: Vec<String>,
}

impl DuplicateColumn {
    pub(crate) fn finding(&self) -> Finding {
        let columns = self.positions.len();
        Finding {
            kind: "DUPLICATE_COLUMN".to_owned(),
            help: Some(format!(
                "name them apart with AS, for instance `{}`",
                self.aliases.join("`, `")
            )),
            ..Finding::new(
                "HW-Q022",
                format!("{columns} columns of the result are named `{}`", self.name),
            )
        }
    }
}

impl Rows {
    pub(crate) fn new(engine: Engine, head: Head, receiver: mpsc::Receiver<Message>, task: AbortOnDrop) -> Self {
        Self {
            schema: head.schema,
            pinned: head.pinned,
            summary: SummaryHandle(head.counters),
            engine,
            stream: RowStream {
                receiver,
                ended: false,
                task,
            },
        }
    }

    /// A handle that cancels the statement while its stream is being read elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.stream.task.0.clone()
    }

    /// The names that several columns bear, in the order of their first columns. JSON objects cannot hold them.
    pub fn duplicate_columns(&self) -> Vec<DuplicateColumn> {
        duplicates(&self.schema)
    }
}

pub(crate) fn duplicates(schema: &SchemaRef) -> Vec<DuplicateColumn> {
    let mut positions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, field) in schema.fields().iter().enumerate() {
        positions.entry(field.name()).or_default().push(position);
    }
    let mut taken: Vec<String> = positions.keys().map(|name| (*name).to_owned()).collect();
    let mut found: Vec<DuplicateColumn> = positions
        .into_iter()
        .filter(|(_, positions)| positions.len() > 1)
        .map(|(name, positions)| DuplicateColumn {
            name: name.to_owned(),
            aliases: (1..positions.len()).map(|_| free_name(name, &mut taken)).collect(),
            positions,
        })
        .collect();
    found.sort_by_key(|duplicate| duplicate.positions.first().copied());
    found
}

fn free_name(name: &str, taken: &mut Vec<String>) -> String {
    let free = (2_usize..)
        .map(|number| format!("{name}_{number}"))
        .find(|alias| !taken.contains(alias));
    let free = free.unwrap_or_default();
    taken.push(free.clone());
    free
}

/// What the engine's thread sends to the reader.
#[derive(Debug)]
pub(crate) enum Message {
    /// Some rows.
    Batch(RecordBatch),
    /// No more rows, since something went wrong.
    Failed(QueryError),
    /// No more rows, and none is missing.
    End,
}

/// The batches of a statement, in order.
#[derive(Debug)]
pub struct RowStream {
    receiver: mpsc::Receiver<Message>,
    ended: bool,
    task: AbortOnDrop,
}

impl Stream for RowStream {
    type Item = Result<RecordBatch, QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.task.0.is_cancelled() {
            self.ended = true;
            return Poll::Ready(Some(Err(QueryError::Cancelled)));
        }
        let message = std::task::ready!(self.receiver.poll_recv(context));
        self.ended = !matches!(message, Some(Message::Batch(_)));
        Poll::Ready(match message {
            Some(Message::Batch(batch)) => Some(Ok(batch)),
            Some(Message::Failed(error)) => Some(Err(error)),
            Some(Message::End) => None,
            None if self.task.0.is_cancelled() => Some(Err(QueryError::Cancelled)),
            None => Some(Err(QueryError::internal("the query ended unexpectedly"))),
        })
    }
}
