//! Fetching a footer, and telling apart what may be wrong with a file.
//!
//! ```text
//! PAR1 | column chunks ... | metadata | length of the metadata (4 bytes) | PAR1
//! ```

use std::ops::Range;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::{FileError, FoundFile, OpenLocation, ReadTally};

/// Bytes asked for at first: nearly all footers fit.
pub(crate) const FIRST_REQUEST: u64 = 64 * 1024;
/// Length and magic number at the end.
pub(crate) const TAIL: usize = 8;
/// Magic number, length and magic number again: nothing shorter is a Parquet file.
pub(crate) const BYTES_MIN: u64 = 12;
pub(crate) const MAGIC: &[u8; 4] = b"PAR1";
const MAGIC_ENCRYPTED: &[u8] = b"PARE";

pub(super) async fn metadata(open: &OpenLocation, file: &FoundFile) -> Result<ParquetMetaData, FileError> {
    if file.bytes < BYTES_MIN {
        return Err(too_short(open, file).await);
    }
    let tail = fetch(open, file, file.bytes.saturating_sub(FIRST_REQUEST)).await?;
    let length = match metadata_length(&tail) {
        Tail::Parquet(length) => length,
        Tail::Encrypted => return Err(unreadable(open, file, "its footer is encrypted")),
        Tail::Other => return Err(no_footer(open, file).await),
    };
    let needed = length + TAIL as u64;
    if needed + MAGIC.len() as u64 > file.bytes {
        let reason = format!("its footer claims {length} bytes, the whole file has {}", file.bytes);
        return Err(FileError::Truncated {
            file: open.shown(file),
            reason,
        });
    }
    let bytes = match needed > tail.len() as u64 {
        true => fetch(open, file, file.bytes - needed).await?,
        false => tail,
    };
    let end = bytes.len() - TAIL;
    let start = end.saturating_sub(usize::try_from(length).unwrap_or(end));
    ParquetMetaDataReader::decode_metadata(&bytes.slice(start..end))
        .map_err(|error| unreadable(open, file, &error.to_string()))
}

pub(crate) enum Tail {
    Parquet(u64),
    Encrypted,
    Other,
}

pub(crate) fn metadata_length(tail: &[u8]) -> Tail {
    match tail.last_chunk::<TAIL>() {
        Some([a, b, c, d, magic @ ..]) if magic == MAGIC => Tail::Parquet(u32::from_le_bytes([*a, *b, *c, *d]).into()),
        Some([_, _, _, _, magic @ ..]) if magic == MAGIC_ENCRYPTED => Tail::Encrypted,
        _ => Tail::Other,
    }
}

/// The file from `start` to the end that it had when it was found.
async fn fetch(open: &OpenLocation, file: &FoundFile, start: u64) -> Result<Bytes, FileError> {
    match read_range(open, file, start..file.bytes).await {
        Ok(bytes) if bytes.len() as u64 == file.bytes - start => Ok(bytes),
        Ok(_) => Err(check_size(open, file)
            .await
            .err()
            .unwrap_or_else(|| short_answer(open, file))),
        Err(error) => Err(check_size(open, file)
            .await
            .err()
            .unwrap_or_else(|| FileError::of_store(open.shown(file), &error))),
    }
}

async fn read_range(open: &OpenLocation, file: &FoundFile, range: Range<u64>) -> object_store::Result<Bytes> {
    let read = open.read_ranges(file, &[range], &ReadTally::default()).await?;
    Ok(read.into_iter().next().unwrap_or_default())
}

/// Whether the file still has the size it was found with.
async fn check_size(open: &OpenLocation, file: &FoundFile) -> Result<(), FileError> {
    let meta = open.store.head(&file.object).await;
    let meta = meta.map_err(|error| FileError::of_store(open.shown(file), &error))?;
    match meta.size == file.bytes {
        true => Ok(()),
        false => Err(FileError::Changed {
            file: open.shown(file),
            expected: file.bytes,
            found: meta.size,
        }),
    }
}

async fn too_short(open: &OpenLocation, file: &FoundFile) -> FileError {
    match check_size(open, file).await {
        Err(error) => error,
        Ok(()) if file.bytes == 0 => truncated(open, file, "it is empty"),
        Ok(()) => no_footer(open, file).await,
    }
}

/// A file without the magic number at its end: cut off if it begins with one, else something different.
async fn no_footer(open: &OpenLocation, file: &FoundFile) -> FileError {
    if let Err(error) = check_size(open, file).await {
        return error;
    }
    let length = file.bytes.min(MAGIC.len() as u64);
    match read_range(open, file, 0..length).await {
        Ok(head) if head == MAGIC.as_slice() => truncated(open, file, "it begins as Parquet and has no footer"),
        Ok(_) => FileError::NotParquet { file: open.shown(file) },
        Err(error) => FileError::of_store(open.shown(file), &error),
    }
}

fn truncated(open: &OpenLocation, file: &FoundFile, reason: &str) -> FileError {
    FileError::Truncated {
        file: open.shown(file),
        reason: reason.to_owned(),
    }
}

fn unreadable(open: &OpenLocation, file: &FoundFile, reason: &str) -> FileError {
    FileError::Unreadable {
        file: open.shown(file),
        reason: reason.to_owned(),
    }
}

fn short_answer(open: &OpenLocation, file: &FoundFile) -> FileError {
    FileError::Unreachable {
        place: open.shown(file),
        detail: "the answer is shorter than the range asked for".to_owned(),
    }
}
