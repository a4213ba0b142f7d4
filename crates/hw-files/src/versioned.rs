//! The files of one table as an object store that gives each in the version that was found, and no other.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::{FoundFile, OpenLocation, ReadTally};

/// Reads of known files go through the cache of the host; all else is the store's own.
#[derive(Debug)]
pub struct VersionedStore {
    open: OpenLocation,
    files: HashMap<Path, FoundFile>,
    tally: Arc<ReadTally>,
}

impl VersionedStore {
    /// The store of an opened location for these files; the location's own store where files are local.
    pub fn over(
        open: &OpenLocation,
        files: impl IntoIterator<Item = FoundFile>,
        tally: &Arc<ReadTally>,
    ) -> Arc<dyn ObjectStore> {
        if open.cache.is_none() {
            return Arc::clone(&open.store);
        }
        let files = files.into_iter().map(|file| (file.object.clone(), file));
        Arc::new(Self {
            open: open.clone(),
            files: files.collect(),
            tally: Arc::clone(tally),
        })
    }
}

impl fmt::Display for VersionedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.open.store.fmt(f)
    }
}

/// The range of a request that wants nothing but bytes of a file; `None` for others.
fn plain_range(options: &GetOptions, size: u64) -> Option<Range<u64>> {
    let is_plain = !options.head
        && options.if_match.is_none()
        && options.if_none_match.is_none()
        && options.if_modified_since.is_none()
        && options.if_unmodified_since.is_none()
        && options.version.is_none();
    let range = match options.range.as_ref().filter(|_| is_plain)? {
        GetRange::Bounded(range) => range.start..range.end.min(size),
        GetRange::Offset(start) => *start..size,
        GetRange::Suffix(bytes) => size.saturating_sub(*bytes)..size,
    };
    (range.start < range.end).then_some(range)
}

#[async_trait]
impl ObjectStore for VersionedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.open.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.open.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let file = self.files.get(location);
        let range = file.and_then(|file| plain_range(&options, file.bytes));
        let (Some(file), Some(range)) = (file, range) else {
            return self.open.store.get_opts(location, options).await;
        };
        let read = self
            .open
            .read_ranges(file, std::slice::from_ref(&range), &self.tally)
            .await?;
        Ok(GetResult {
            payload: GetResultPayload::Stream(stream::iter(read.into_iter().map(Ok)).boxed()),
            meta: ObjectMeta {
                location: file.object.clone(),
                last_modified: chrono::DateTime::from_timestamp_micros(file.modified_at).unwrap_or_default(),
                size: file.bytes,
                e_tag: file.etag.clone(),
                version: None,
            },
            range,
            attributes: Attributes::default(),
        })
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        match self.files.get(location) {
            Some(file) if ranges.iter().all(|range| range.end <= file.bytes) => {
                self.open.read_ranges(file, ranges, &self.tally).await
            }
            _ => self.open.store.get_ranges(location, ranges).await,
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.open.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.open.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.open.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.open.store.copy_opts(from, to, options).await
    }
}
