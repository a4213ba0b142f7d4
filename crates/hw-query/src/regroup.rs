//! Rows of a table brought together by group: each group in one bucket, the rows of a bucket sorted by group and time.
//!
//! ```text
//! parts ─▶ scan ─▶ + bucket of the group ─▶ distribute by bucket ─▶ sort (spills) ─▶ a stream per thread, bucket by bucket
//! ```
//!
//! Which bucket a group belongs to depends on its id and the number of buckets alone ([`bucket`]), so that rows of a later
//! run find those of an earlier one.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use arrow_schema::{DataType, Schema, SchemaRef};
use futures::Stream;
use hw_catalog::{Part, Table};
use tokio::sync::mpsc;

use crate::error::QueryError;
use crate::rows::SummaryHandle;
use crate::run::AbortOnDrop;

mod bucket;
mod plan;
#[cfg(test)]
mod tests;

pub use bucket::can_group;
pub(crate) use plan::RegroupWork;

/// A view, or parts of one table, among the rows to be brought together.
#[derive(Debug, Clone)]
pub struct RegroupInput {
    /// The table.
    pub table: Arc<Table>,
    /// Those of its parts that are read; none for a view.
    pub parts: Vec<Part>,
}

/// What is to be brought together. All inputs have the columns of the first.
#[derive(Debug, Clone)]
pub struct Regroup {
    /// The rows; at least one input.
    pub inputs: Vec<RegroupInput>,
    /// Column whose values are the groups, of a type that [`can_group`].
    pub group: String,
    /// Column that orders the rows of a group; nulls come last.
    pub time: String,
    /// Number of buckets, at least 1.
    pub buckets: u32,
}

/// Rows on their way. Dropping it, or one of its streams, cancels it.
#[derive(Debug)]
pub struct RegroupRun {
    /// Columns of every batch, as [`plain_schema`] gives them.
    pub schema: SchemaRef,
    /// Every bucket is in one of them, whole; to be read side by side.
    pub streams: Vec<BucketStream>,
    /// What was read and handed out so far.
    pub summary: SummaryHandle,
}

/// Sorted rows of some buckets: `(bucket, rows)`, the buckets one after the other, ascending. Ends after the first error.
#[derive(Debug)]
pub struct BucketStream {
    receiver: mpsc::Receiver<BucketMessage>,
    ended: bool,
    task: AbortOnDrop,
}

/// What the engine's thread sends; `None` says that nothing is missing.
type BucketMessage = Option<Result<(u32, RecordBatch), QueryError>>;

/// The columns with plain values where they were dictionaries: parts that are put together may have more values than the
/// keys of one part can tell apart. Texts and binaries that are views of others are copies of their own.
pub fn plain_schema(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let plain = match field.data_type() {
            DataType::Dictionary(_, values) => values.as_ref().clone(),
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(plain))
    });
    Schema::new(fields.collect::<Vec<_>>())
}

impl Stream for BucketStream {
    type Item = Result<(u32, RecordBatch), QueryError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let message = std::task::ready!(self.receiver.poll_recv(context));
        self.ended = !matches!(message, Some(Some(Ok(_))));
        Poll::Ready(match message {
            Some(message) => message,
            None if self.task.0.is_cancelled() => Some(Err(QueryError::Cancelled)),
            None => Some(Err(QueryError::internal("bringing rows together ended unexpectedly"))),
        })
    }
}

impl crate::Session {
    /// Starts to bring the rows of a table together by group.
    ///
    /// # Errors
    /// [`QueryError::Part`] if a part is not what was registered, [`QueryError::Storage`]; what goes wrong later comes from
    /// the streams.
    pub async fn start_regroup(&self, regroup: Regroup) -> Result<RegroupRun, QueryError> {
        let work = self.regroup_work(regroup);
        let cancelled = work.cancelled.clone();
        self.apart(cancelled, async move { work.start().await }).await
    }

    /// The buckets that hold a row.
    ///
    /// # Errors
    /// As [`Session::start_regroup`](crate::Session::start_regroup) and its streams.
    pub async fn buckets_of(&self, regroup: Regroup) -> Result<BTreeSet<u32>, QueryError> {
        let work = self.regroup_work(regroup);
        let cancelled = work.cancelled.clone();
        self.apart(cancelled, async move { work.buckets().await }).await
    }
}
