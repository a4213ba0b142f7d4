//! A store that counts its requests, and fails as it is told.

use std::fmt;
use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::cache::First;
use crate::{FoundFile, OpenLocation, PartCache, ReadTally};

#[derive(Debug, Default)]
pub(crate) struct Counting {
    pub(super) inner: InMemory,
    pub(super) gets: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// So many answers break off in the middle.
    pub(super) broken: AtomicU32,
    pub(super) pause: Duration,
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counting")
    }
}

fn broken() -> object_store::Error {
    object_store::Error::Generic {
        store: "test",
        source: "the connection broke".into(),
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(broken())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.pause).await;
        let answer = self.inner.get_opts(location, options).await?;
        self.bytes
            .fetch_add(answer.range.end - answer.range.start, Ordering::SeqCst);
        let breaks = self
            .broken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if breaks.is_err() {
            return Ok(answer);
        }
        let (meta, range, attributes) = (answer.meta.clone(), answer.range.clone(), answer.attributes.clone());
        let whole = answer.bytes().await?;
        let half = whole.slice(..whole.len() / 2);
        let payload = GetResultPayload::Stream(stream::iter([Ok(half), Err(broken())]).boxed());
        Ok(GetResult {
            payload,
            meta,
            range,
            attributes,
        })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// A remote place for one test, with a cache that other worlds may share.
pub(crate) struct World {
    pub(crate) store: Arc<Counting>,
    pub(crate) open: OpenLocation,
    pub(crate) cache: PartCache,
    pub(crate) tally: ReadTally,
}

impl World {
    pub(crate) fn new(folder: &FilePath, limit: u64) -> Self {
        Self::over(Arc::default(), folder, limit)
    }

    /// Another process with the same store.
    pub(crate) fn over(store: Arc<Counting>, folder: &FilePath, limit: u64) -> Self {
        let cache = PartCache::new(folder.to_owned(), limit);
        let mut open = crate::tests::samples::opened("memory:///data/");
        open.store = store.clone();
        open.cache = Some(cache.clone());
        Self {
            store,
            open,
            cache,
            tally: ReadTally::default(),
        }
    }

    /// Puts an object there, with bytes that tell their place.
    pub(crate) async fn put(&self, name: &str, bytes: usize, seed: u8) -> FoundFile {
        let object = Path::from(format!("data/{name}"));
        let content = PutPayload::from(content(bytes, seed));
        self.store.put(&object, content).await.unwrap();
        let meta = self.store.inner.head(&object).await.unwrap();
        FoundFile {
            path: name.to_owned(),
            object,
            bytes: meta.size,
            etag: meta.e_tag,
            modified_at: meta.last_modified.timestamp_micros(),
        }
    }

    pub(crate) async fn read(&self, file: &FoundFile, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.cache.read(&self.open, file, ranges, First::Yes, &self.tally).await
    }

    /// Reads ranges that must be those of [`content`].
    pub(crate) async fn check(&self, file: &FoundFile, seed: u8, ranges: &[Range<u64>]) {
        let read = self.read(file, ranges).await.unwrap();
        let whole = content(usize::try_from(file.bytes).unwrap(), seed);
        for (range, bytes) in ranges.iter().zip(&read) {
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert!(bytes == &whole[range.clone()], "{range:?}");
        }
        assert_eq!(read.len(), ranges.len());
    }

    pub(crate) fn gets(&self) -> u64 {
        self.store.gets.load(Ordering::SeqCst)
    }
}

pub(crate) fn content(bytes: usize, seed: u8) -> Vec<u8> {
    (0..bytes).map(|at| (at / 251 + at) as u8 ^ seed).collect()
}
