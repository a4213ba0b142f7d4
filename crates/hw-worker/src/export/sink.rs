//! One file of an export: rows in, bytes out.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::compute::cast;
use arrow_array::RecordBatch;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use futures::StreamExt as _;
use hw_files::{Aside, Content, FileError, OpenLocation, write_aside, write_atomically};
use hw_job::Failure;
use hw_query::{ErrorDocument, LineEnd, QueryError, RowFormat, encode};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::params::FileFormat;
use crate::encoder::Encoder;
use crate::upload::Upload;
use crate::{file_failure, query_failure, tabular};

/// Batches that wait to be encoded as text.
const BATCHES_AHEAD: usize = 2;

/// Where a file goes.
pub(super) struct Target {
    /// What it is called in the result.
    pub(super) name: String,
    pub(super) open: OpenLocation,
    /// Whether it appears later, with others.
    pub(super) aside: bool,
}

impl Target {
    async fn write(self, content: Content<'static>) -> Result<File, FileError> {
        Ok(match self.aside {
            true => {
                let aside = write_aside(&self.open, content).await?;
                let bytes = aside.written().bytes;
                File {
                    name: self.name,
                    bytes,
                    aside: Some(aside),
                }
            }
            false => File {
                bytes: write_atomically(&self.open, content).await?.bytes,
                name: self.name,
                aside: None,
            },
        })
    }
}

/// A file that is written.
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// What is still to be published.
    pub(super) aside: Option<Aside>,
}

/// A file being written. Dropped before its end, nothing appears.
pub(super) struct Sink {
    writing: Writing,
}

enum Writing {
    Parquet {
        encoder: Box<Encoder>,
        schema: SchemaRef,
        upload: Upload<File>,
    },
    Text(TextFile),
}

impl Sink {
    /// Begins a file.
    ///
    /// # Errors
    /// A failure for columns that the format cannot hold.
    pub(super) fn begin(target: Target, format: FileFormat, schema: &SchemaRef, memory: u64) -> Result<Self, Failure> {
        let writing = match format {
            FileFormat::Parquet => {
                let schema = Arc::new(without_views(schema));
                let zstd = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(zstd).build();
                Writing::Parquet {
                    encoder: Box::new(Encoder::new(&schema, properties, memory)?),
                    schema,
                    upload: Upload::begin(|content| target.write(content)),
                }
            }
            FileFormat::Csv => Writing::Text(TextFile::begin(target, schema, RowFormat::Csv(LineEnd::Lf))?),
            FileFormat::Jsonl => Writing::Text(TextFile::begin(target, schema, RowFormat::JsonLines)?),
        };
        Ok(Self { writing })
    }

    /// Writes rows.
    ///
    /// # Errors
    /// Why they could not be written.
    pub(super) async fn write(&mut self, rows: RecordBatch) -> Result<(), Failure> {
        match &mut self.writing {
            Writing::Parquet {
                encoder,
                schema,
                upload,
            } => {
                let bytes = encoder.write(plain(&rows, schema)?).await?;
                upload.send(bytes).await
            }
            Writing::Text(file) => file.pass(Some(rows)).await,
        }
    }

    /// Ends the file, which is there then, or ready to be published.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) async fn finish(self) -> Result<File, Failure> {
        match self.writing {
            Writing::Parquet {
                mut encoder,
                mut upload,
                ..
            } => {
                let bytes = encoder.finish().await?;
                upload.send(bytes).await?;
                upload.finish().await
            }
            Writing::Text(mut file) => {
                file.pass(None).await?;
                file.ended().await
            }
        }
    }
}

/// Views are a matter of memory: files have texts and binaries that every reader knows.
fn without_views(schema: &SchemaRef) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::Utf8View => DataType::Utf8,
            DataType::BinaryView => DataType::Binary,
            other => other.clone(),
        };
        Field::new(field.name(), data_type, field.is_nullable())
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn plain(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Failure> {
    let columns = rows.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(Arc::clone(column)),
        false => cast(column, field.data_type()),
    });
    let columns = columns
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| tabular::broken(&error))?;
    RecordBatch::try_new(Arc::clone(schema), columns).map_err(|error| tabular::broken(&error))
}

/// A file of text, encoded where it is uploaded.
struct TextFile {
    /// `None` in it says that no row is missing.
    sender: mpsc::Sender<Option<RecordBatch>>,
    task: Option<JoinHandle<Result<File, FileError>>>,
    fault: Fault,
}

/// What went wrong with the encoding.
#[derive(Clone, Default)]
struct Fault(Arc<Mutex<Option<Failure>>>);

impl TextFile {
    fn begin(target: Target, schema: &SchemaRef, format: RowFormat) -> Result<Self, Failure> {
        let (sender, receiver) = mpsc::channel::<Option<RecordBatch>>(BATCHES_AHEAD);
        let batches = futures::stream::unfold(Some(receiver), |receiver| async move {
            let mut receiver = receiver?;
            match receiver.recv().await {
                Some(Some(rows)) => Some((Ok(rows), Some(receiver))),
                Some(None) => None,
                None => Some((Err(QueryError::Cancelled), None)),
            }
        });
        let fault = Fault::default();
        let (told, seen) = (fault.clone(), fault.clone());
        // Lines of JSON would show an error as their last one: a file is not to be there at all then.
        let noted: ErrorDocument = Box::new(move |error| {
            told.note(error);
            serde_json::Value::Null
        });
        let encoded = encode(Arc::clone(schema), batches.boxed(), format, Some(noted));
        let encoded = encoded.map_err(|error| query_failure(&error))?;
        let content = encoded.map(move |chunk| seen.unless(chunk)).boxed();
        Ok(Self {
            sender,
            task: Some(tokio::spawn(target.write(content))),
            fault,
        })
    }

    async fn pass(&mut self, rows: Option<RecordBatch>) -> Result<(), Failure> {
        match self.sender.send(rows).await {
            Ok(()) => Ok(()),
            Err(_) => match self.ended().await {
                Err(failure) => Err(failure),
                Ok(_) => Err(tabular::broken(&"a file ended before its content")),
            },
        }
    }

    async fn ended(&mut self) -> Result<File, Failure> {
        let Some(task) = self.task.as_mut() else {
            return Err(tabular::broken(&"the upload is gone"));
        };
        let ended = task.await.map_err(|error| tabular::broken(&error));
        self.task = None;
        ended?.map_err(|error| self.fault.take().unwrap_or_else(|| file_failure(&error)))
    }
}

impl Drop for TextFile {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

impl Fault {
    fn note(&self, error: &QueryError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(query_failure(error));
    }

    fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_there(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The chunk, unless encoding it or one before it failed.
    fn unless(&self, chunk: Result<Bytes, QueryError>) -> Result<Bytes, FileError> {
        if let Err(error) = &chunk {
            self.note(error);
        }
        match chunk {
            Ok(bytes) if !self.is_there() => Ok(bytes),
            _ => Err(FileError::NotWritten {
                place: "the file".to_owned(),
                detail: "its rows could not be written as text".to_owned(),
            }),
        }
    }
}
