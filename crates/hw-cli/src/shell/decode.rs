//! Rows as they come, batch by batch.

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow_array::RecordBatch;
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
    let mut end = Vec::new();
    while let Some(chunk) = next_chunk(&mut body).await? {
        keep_last(&mut end, &chunk);
        let mut buffer = Buffer::from(chunk);
        while !buffer.is_empty() {
            if let Some(batch) = decoder.decode(&mut buffer)? {
                take(&batch)?;
            }
        }
    }
    // The decoder takes a stream that is cut between two batches for complete.
    match end.as_slice() {
        [] => Ok(None),
        END_OF_STREAM => Ok(decoder.schema()),
        _ => Err(ClientError::BrokenOff {
            reason: "the last rows are missing".to_owned(),
        }
        .into()),
    }
}

/// The last bytes of every complete stream: a message of no length.
const END_OF_STREAM: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

fn keep_last(end: &mut Vec<u8>, chunk: &[u8]) {
    end.extend_from_slice(
        chunk
            .get(chunk.len().saturating_sub(END_OF_STREAM.len())..)
            .unwrap_or_default(),
    );
    end.drain(..end.len().saturating_sub(END_OF_STREAM.len()));
}
