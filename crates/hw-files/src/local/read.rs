//! Reading local files.

use std::fs::{File, Metadata};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path as FilePath;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use object_store::path::Path;
use object_store::{Attributes, GetOptions, GetResult, GetResultPayload, ObjectMeta, Result};

use super::failed;

pub(super) fn get(file_path: &FilePath, location: Path, options: &GetOptions) -> Result<GetResult> {
    let file = open(file_path)?;
    let metadata = file.metadata().map_err(|error| failed(error, file_path))?;
    let meta = object_meta(&metadata, location);
    options.check_preconditions(&meta)?;
    let range = match &options.range {
        Some(range) => range
            .as_range(meta.size)
            .map_err(|error| out_of_range(error.to_string()))?,
        None => 0..meta.size,
    };
    Ok(GetResult {
        payload: GetResultPayload::File(file, file_path.to_owned()),
        attributes: Attributes::default(),
        range,
        meta,
    })
}

pub(super) fn ranges(file_path: &FilePath, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
    let file = open(file_path)?;
    ranges.iter().map(|range| read_range(&file, file_path, range)).collect()
}

fn read_range(file: &File, file_path: &FilePath, range: &Range<u64>) -> Result<Bytes> {
    let size = file.metadata().map_err(|error| failed(error, file_path))?.len();
    if range.start > range.end || range.end > size {
        return Err(out_of_range(format!(
            "bytes {} to {} asked for of {size}",
            range.start, range.end
        )));
    }
    let length = usize::try_from(range.end - range.start).map_err(|error| out_of_range(error.to_string()))?;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, range.start)
        .map_err(|error| failed(error, file_path))?;
    Ok(buffer.into())
}

/// Opens a file, and nothing else: a pipe would block, a folder has no bytes.
fn open(file_path: &FilePath) -> Result<File> {
    let metadata = std::fs::metadata(file_path).map_err(|error| failed(error, file_path))?;
    if !metadata.is_file() {
        let error = std::io::Error::new(std::io::ErrorKind::NotFound, "it is no file");
        return Err(failed(error, file_path));
    }
    File::open(file_path).map_err(|error| failed(error, file_path))
}

fn out_of_range(reason: String) -> object_store::Error {
    object_store::Error::Generic {
        store: "local file system",
        source: reason.into(),
    }
}

/// What a listing tells of a file. The etag changes with inode, time and size, so also when a file is replaced by one
/// of equal size.
pub(super) fn object_meta(metadata: &Metadata, location: Path) -> ObjectMeta {
    let seconds = metadata.mtime();
    let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or_default();
    let last_modified: DateTime<Utc> = DateTime::from_timestamp(seconds, nanoseconds).unwrap_or_default();
    ObjectMeta {
        location,
        last_modified,
        size: metadata.len(),
        e_tag: Some(format!(
            "{:x}-{seconds:x}.{nanoseconds:x}-{:x}",
            metadata.ino(),
            metadata.len()
        )),
        version: None,
    }
}
