//! The footer, read without a runtime.

use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::library::guarded;
use super::source::ReadRange;
use crate::FileError;
use crate::footer::{FOOTER_BYTES_MIN, FOOTER_FIRST_REQUEST, FOOTER_MAGIC, FOOTER_TAIL, Tail, metadata_length};

pub(super) fn metadata(source: &dyn ReadRange) -> Result<ParquetMetaData, FileError> {
    if source.size() < FOOTER_BYTES_MIN {
        return Err(no_footer(source));
    }
    let tail = fetch(source, source.size().min(FOOTER_FIRST_REQUEST))?;
    let length = match metadata_length(&tail) {
        Tail::Parquet(length) => length,
        Tail::Encrypted => return Err(unreadable(source, "its footer is encrypted")),
        Tail::Other => return Err(no_footer(source)),
    };
    let needed = length + FOOTER_TAIL as u64;
    if needed + FOOTER_MAGIC.len() as u64 > source.size() {
        let size = source.size();
        return Err(truncated(
            source,
            format!("its footer claims {length} bytes, the whole file has {size}"),
        ));
    }
    let tail = match needed > tail.len() as u64 {
        true => fetch(source, needed)?,
        false => tail,
    };
    let end = tail.len() - FOOTER_TAIL;
    let start = end.saturating_sub(usize::try_from(length).unwrap_or(end));
    let metadata = tail.get(start..end).unwrap_or_default();
    guarded(|| ParquetMetaDataReader::decode_metadata(metadata)).map_err(|error| unreadable(source, &error.to_string()))
}

/// The last bytes of the file.
fn fetch(source: &dyn ReadRange, bytes: u64) -> Result<Vec<u8>, FileError> {
    let size = usize::try_from(bytes).map_err(|error| unreadable(source, &error.to_string()))?;
    let mut tail = vec![0; size];
    source.read(source.size() - bytes, &mut tail)?;
    Ok(tail)
}

/// A file without the magic number at its end: cut off if it begins with one, else something different.
fn no_footer(source: &dyn ReadRange) -> FileError {
    let mut head = [0; FOOTER_MAGIC.len()];
    if source.size() == 0 {
        return truncated(source, "it is empty".to_owned());
    }
    match source.size() >= head.len() as u64 {
        true => match source.read(0, &mut head) {
            Ok(()) if head == *FOOTER_MAGIC => truncated(source, "it begins as Parquet and has no footer".to_owned()),
            Ok(()) => FileError::NotParquet {
                file: source.shown().to_owned(),
            },
            Err(error) => error,
        },
        false => FileError::NotParquet {
            file: source.shown().to_owned(),
        },
    }
}

fn truncated(source: &dyn ReadRange, reason: String) -> FileError {
    FileError::Truncated {
        file: source.shown().to_owned(),
        reason,
    }
}

pub(super) fn unreadable(source: &dyn ReadRange, reason: &str) -> FileError {
    FileError::Unreadable {
        file: source.shown().to_owned(),
        reason: reason.to_owned(),
    }
}
