//! Files to test with.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::{FileStores, FoundFile, Location, OpenLocation, StoreLimits};

pub(super) fn stores() -> FileStores {
    FileStores::new([], StoreLimits::default())
}

pub(crate) fn opened(text: &str) -> OpenLocation {
    stores().open(&Location::parse(text, None).unwrap()).unwrap()
}

pub(super) fn opened_folder(folder: &Path) -> OpenLocation {
    stores().open(&Location::of_path(folder, None).unwrap()).unwrap()
}

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

/// A Parquet file in memory; each batch becomes a row group of its own.
pub(super) fn parquet(batches: &[RecordBatch], properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap()
}

/// A store in memory that holds one file, and the file.
pub(super) async fn stored(bytes: Vec<u8>) -> (OpenLocation, FoundFile) {
    let open = opened("memory:///data/");
    let object = object_store::path::Path::from("data/part.parquet");
    let size = bytes.len() as u64;
    open.store.put(&object, PutPayload::from(bytes)).await.unwrap();
    let file = FoundFile {
        path: "part.parquet".to_owned(),
        object,
        bytes: size,
        etag: None,
        modified_at: 0,
    };
    (open, file)
}

pub(super) fn array<A: arrow_array::Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}
