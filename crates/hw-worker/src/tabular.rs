//! Record batches as files: Arrow IPC between tasks, Parquet and CSV for people.

use std::io::Cursor;

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use hw_job::{ErrorClass, Failure};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// The batches as an Arrow IPC stream.
pub(crate) fn stream(batches: &[RecordBatch]) -> Result<Vec<u8>, Failure> {
    let Some(first) = batches.first() else {
        return Ok(Vec::new());
    };
    let mut writer = StreamWriter::try_new(Vec::new(), &first.schema()).map_err(|error| broken(&error))?;
    for batch in batches {
        writer.write(batch).map_err(|error| broken(&error))?;
    }
    writer.into_inner().map_err(|error| broken(&error))
}

/// The batches of an Arrow IPC stream.
pub(crate) fn read_stream(content: &[u8]) -> Result<Vec<RecordBatch>, Failure> {
    let reader = StreamReader::try_new(Cursor::new(content), None).map_err(|error| broken(&error))?;
    reader.collect::<Result<_, _>>().map_err(|error| broken(&error))
}

/// The batch as a Parquet file.
pub(crate) fn parquet(batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let mut writer =
        ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).map_err(|error| broken(&error))?;
    writer.write(batch).map_err(|error| broken(&error))?;
    writer.into_inner().map_err(|error| broken(&error))
}

/// The batch as CSV with a header line.
pub(crate) fn csv(batch: &RecordBatch) -> Result<Vec<u8>, Failure> {
    let mut writer = arrow_csv::WriterBuilder::new().with_header(true).build(Vec::new());
    writer.write(batch).map_err(|error| broken(&error))?;
    Ok(writer.into_inner())
}

/// Rows that we made ourselves could not be written or read: a bug of ours.
pub(crate) fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        ErrorClass::Internal,
        "HW-J024",
        format!("rows of the job cannot be encoded: {error}"),
    )
    .help("this is a bug of ours; please report it")
}
