//! Rows as they come, batch by batch.

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow_ipc::reader::StreamDecoder;

use crate::client::next_chunk;
use crate::failure::{ClientError, Ending};
use crate::program::RouterBody;

/// Hands each batch of an Arrow IPC stream to `take`, and lets it go. Gives the schema; `None` for an empty body.
///
/// # Errors
/// When the stream breaks off or is none, or `take` fails.
pub(super) async fn batches(
    mut body: RouterBody,
    mut take: impl FnMut(&RecordBatch) -> Result<(), Ending>,
) -> Result<Option<SchemaRef>, Ending> {
    let mut decoder = StreamDecoder::new();
    let mut is_empty = true;
    while let Some(chunk) = next_chunk(&mut body).await? {
        is_empty &= chunk.is_empty();
        let mut buffer = Buffer::from(chunk);
        while !buffer.is_empty() {
            if let Some(batch) = decoder.decode(&mut buffer)? {
                take(&batch)?;
            }
        }
    }
    if is_empty {
        return Ok(None);
    }
    let schema = decoder.schema();
    decoder.finish().map_err(|_| ClientError::BrokenOff {
        reason: "the last rows are missing".to_owned(),
    })?;
    Ok(schema)
}
