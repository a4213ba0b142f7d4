//! Encoding Parquet piece by piece on threads for work, with bounded memory.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use hw_job::Failure;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::tabular;

/// Rows on their way into the bytes of one file.
pub(crate) struct Encoder {
    state: Option<Encoding>,
    made: Made,
}

/// What moves to a thread for work and back.
struct Encoding {
    writer: Option<ArrowWriter<Made>>,
    /// Bytes of memory from which on a row group ends early.
    limit: usize,
}

/// What was made and nobody has taken yet.
#[derive(Clone, Default)]
struct Made(Arc<Mutex<Vec<u8>>>);

impl Encoder {
    /// An encoder that takes about `memory` bytes at most.
    ///
    /// # Errors
    /// A failure for columns that Parquet cannot hold.
    pub(crate) fn new(schema: &SchemaRef, properties: WriterProperties, memory: u64) -> Result<Self, Failure> {
        let made = Made::default();
        let writer = ArrowWriter::try_new(made.clone(), Arc::clone(schema), Some(properties));
        let state = Encoding {
            writer: Some(writer.map_err(|error| tabular::broken(&error))?),
            limit: usize::try_from(memory).unwrap_or(usize::MAX),
        };
        Ok(Self {
            state: Some(state),
            made,
        })
    }

    /// Encodes rows; gives the bytes that came out by now.
    ///
    /// # Errors
    /// A failure if they cannot be encoded.
    pub(crate) async fn write(&mut self, rows: RecordBatch) -> Result<Bytes, Failure> {
        self.work(move |encoding| encoding.write(&rows)).await
    }

    /// Ends the file; gives its last bytes.
    ///
    /// # Errors
    /// A failure if the footer cannot be written.
    pub(crate) async fn finish(&mut self) -> Result<Bytes, Failure> {
        self.work(Encoding::finish).await
    }

    async fn work(
        &mut self,
        step: impl FnOnce(&mut Encoding) -> Result<(), ParquetError> + Send + 'static,
    ) -> Result<Bytes, Failure> {
        let Some(mut state) = self.state.take() else {
            return Err(tabular::broken(&"the encoder is gone"));
        };
        let work = tokio::task::spawn_blocking(move || {
            let done = step(&mut state);
            (state, done)
        });
        let (state, done) = work.await.map_err(|error| tabular::broken(&error))?;
        self.state = Some(state);
        done.map_err(|error| tabular::broken(&error))?;
        Ok(self.made.take())
    }
}

impl Encoding {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), ParquetError> {
        let writer = self.writer.as_mut().ok_or_else(ended)?;
        writer.write(rows)?;
        match writer.memory_size() > self.limit {
            true => writer.flush(),
            false => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), ParquetError> {
        self.writer.take().ok_or_else(ended)?.close().map(drop)
    }
}

fn ended() -> ParquetError {
    ParquetError::General("the file has ended".to_owned())
}

impl Made {
    fn take(&self) -> Bytes {
        Bytes::from(std::mem::take(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl Write for Made {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
