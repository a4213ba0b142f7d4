//! Parts to register.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use hw_catalog::Finding;
use hw_files::{FileStores, FoundFile, Location, OpenLocation, StoreLimits};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::register::{InspectError, InspectOptions, Inspected, inspect};

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

pub(super) fn array<A: arrow_array::Array + 'static>(array: A) -> ArrayRef {
    Arc::new(array)
}

/// Events of users: user, time, and a kind.
pub(super) fn events(rows: &[(i64, i64, &str)]) -> RecordBatch {
    batch(vec![
        (
            "user",
            array(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        ),
        ("at", array(Int64Array::from_iter_values(rows.iter().map(|row| row.1)))),
        (
            "kind",
            array(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
        ),
    ])
}

pub(super) fn without_statistics() -> WriterProperties {
    WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .build()
}

/// A Parquet file; each batch becomes a row group.
pub(super) fn parquet(batches: &[RecordBatch], properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
        writer.flush().unwrap();
    }
    writer.into_inner().unwrap()
}

pub(super) async fn stored(path: &str, bytes: Vec<u8>) -> (OpenLocation, FoundFile) {
    let stores = FileStores::new([], StoreLimits::default());
    let open = stores.open(&Location::parse("memory:///data/", None).unwrap()).unwrap();
    let object = Path::from(format!("data/{path}"));
    let size = bytes.len() as u64;
    open.store.put(&object, PutPayload::from(bytes)).await.unwrap();
    let file = FoundFile {
        path: path.to_owned(),
        object,
        bytes: size,
        etag: None,
        modified_at: 17,
    };
    (open, file)
}

/// Group `user`, time `at`, ids wanted.
pub(super) fn options() -> InspectOptions {
    InspectOptions {
        group: Some("user".to_owned()),
        time: Some("at".to_owned()),
        collect_ids: true,
        ..InspectOptions::default()
    }
}

pub(super) async fn try_inspect(
    path: &str,
    batches: &[RecordBatch],
    properties: WriterProperties,
    options: &InspectOptions,
) -> Result<Inspected, InspectError> {
    let (open, file) = stored(path, parquet(batches, properties)).await;
    inspect(&open, &file, options).await
}

pub(super) async fn inspected(path: &str, batches: &[RecordBatch]) -> Inspected {
    try_inspect(path, batches, WriterProperties::default(), &options())
        .await
        .unwrap()
}

/// Findings, a line each: code, place, message.
pub(super) fn lines(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| {
            let place = finding
                .pointer
                .as_deref()
                .map_or("-".to_owned(), |pointer| format!("'{pointer}'"));
            let help = finding
                .help
                .as_deref()
                .map(|help| format!("\n    {help}"))
                .unwrap_or_default();
            format!("{} {place} {}{help}\n", finding.code, finding.message)
        })
        .collect()
}
