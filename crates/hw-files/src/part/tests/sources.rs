//! Files on disk and in stores.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use object_store::{ObjectStoreExt, PutPayload};
use parquet::file::properties::WriterProperties;
use tokio::runtime::Handle;

use super::super::{Buffers, LocalFile, PartReader, ReadRange, source};
use super::write;
use crate::{FileError, FileStores, FoundFile, Location, OpenLocation, StoreLimits, discover};

fn sample() -> Vec<u8> {
    let numbers = Arc::new(Int64Array::from_iter_values(0..1000));
    let batch = RecordBatch::try_from_iter([("n", numbers as arrow_array::ArrayRef)]).unwrap();
    write(&[batch], WriterProperties::default()).to_vec()
}

fn opened(location: &Location) -> OpenLocation {
    FileStores::new([], StoreLimits::default()).open(location).unwrap()
}

/// The file in a store in memory.
async fn stored() -> (OpenLocation, FoundFile) {
    let open = opened(&Location::parse("memory:///data/", None).unwrap());
    let object = object_store::path::Path::from("data/part.parquet");
    open.store.put(&object, PutPayload::from(sample())).await.unwrap();
    let mut file = discover(&open, "*.parquet", false, 10).await.unwrap().remove(0);
    file.etag = None;
    (open, file)
}

/// Reads on a thread for work.
async fn read(source: Arc<dyn ReadRange>) -> Result<usize, FileError> {
    let work = move || {
        let reader = PartReader::open(source)?;
        reader.read(0, 0, &Buffers::default()).map(|column| column.array.len())
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn files_in_stores_are_read() {
    let (open, file) = stored().await;
    let opened = source(&open, &file, Handle::current(), &Arc::default()).await.unwrap();
    assert_eq!(
        (opened.size(), opened.shown()),
        (file.bytes, "memory:///data/part.parquet")
    );
    assert_eq!(read(opened.clone()).await.unwrap(), 1000);
    open.store
        .put(&file.object, PutPayload::from(vec![0; 20]))
        .await
        .unwrap();
    assert!(read(opened.clone()).await.is_err());
    open.store.delete(&file.object).await.unwrap();
    assert_eq!(read(opened).await.unwrap_err().code(), "HW-T010");
}

#[tokio::test]
async fn a_stored_file_that_was_replaced_is_noticed() {
    let (open, mut file) = stored().await;
    file.etag = open.store.head(&file.object).await.unwrap().e_tag;
    let opened = source(&open, &file, Handle::current(), &Arc::default()).await.unwrap();
    assert_eq!(read(opened.clone()).await.unwrap(), 1000);
    open.store.put(&file.object, PutPayload::from(sample())).await.unwrap();
    assert_eq!(read(opened).await.unwrap_err().code(), "HW-T014");
}

async fn local(folder: &Path) -> (OpenLocation, FoundFile) {
    std::fs::write(folder.join("a.parquet"), sample()).unwrap();
    let open = opened(&Location::of_path(folder, None).unwrap());
    let file = discover(&open, "*.parquet", false, 10).await.unwrap().remove(0);
    (open, file)
}

#[tokio::test]
async fn local_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (open, file) = local(folder.path()).await;
    let opened = source(&open, &file, Handle::current(), &Arc::default()).await.unwrap();
    assert_eq!(read(opened.clone()).await.unwrap(), 1000);
    File::options()
        .write(true)
        .open(folder.path().join("a.parquet"))
        .unwrap()
        .set_len(50)
        .unwrap();
    assert_eq!(read(opened).await.unwrap_err().code(), "HW-T014");
    let error = source(&open, &file, Handle::current(), &Arc::default())
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "HW-T014");
    std::fs::remove_file(folder.path().join("a.parquet")).unwrap();
    let error = source(&open, &file, Handle::current(), &Arc::default())
        .await
        .err()
        .unwrap();
    assert_eq!(error.code(), "HW-T010");
}

#[test]
fn footers_that_are_none_are_told_apart() {
    let whole = sample();
    let mut encrypted = whole.clone();
    let magic = encrypted.len() - 1;
    encrypted[magic] = b'E';
    let mut long = whole.clone();
    let length = long.len() - 8;
    long[length..length + 4].copy_from_slice(&100_000u32.to_le_bytes());
    let cases: [(&[u8], &str); 8] = [
        (&whole, "fine"),
        (b"", "HW-T011"),
        (b"PAR1", "HW-T011"),
        (b"abc", "HW-T012"),
        (b"something else altogether", "HW-T012"),
        (&whole[..whole.len() - 1], "HW-T011"),
        (&encrypted, "HW-T013"),
        (&long, "HW-T011"),
    ];
    for (bytes, expected) in cases {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let source = LocalFile::new(file, "a.parquet").unwrap();
        let told = PartReader::open(Arc::new(source)).map_or_else(|error| error.code(), |_| "fine");
        assert_eq!(told, expected, "{} bytes", bytes.len());
    }
}
