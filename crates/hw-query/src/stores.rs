//! The object stores that one statement may use: those of the tables and files it names, each counting what is read.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::{DataFusionError, internal_datafusion_err};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use futures::stream::BoxStream;
use hw_files::{OpenLocation, Standing};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult,
};
use url::Url;

use crate::counters::Counters;

/// The stores of one statement, by the URL under which its plan names them.
#[derive(Debug)]
pub(crate) struct StatementStores {
    counters: Arc<Counters>,
    stores: Mutex<HashMap<Url, Arc<dyn ObjectStore>>>,
    /// What the folders of tables hold, each listed at most once.
    standings: Mutex<Vec<Arc<Standing>>>,
}

/// Which rights a store was opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// For a registered table: wherever it lies.
    ForTable,
    /// For a file that the client named: only where it may read.
    ForClient,
}

impl StatementStores {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            stores: Mutex::default(),
            standings: Mutex::default(),
        }
    }

    /// Adds a store and returns the URL that stands for it in plans. A store opened with the client's rights never
    /// stands in for one opened for a table, nor the other way round, though both hold files of one host.
    pub(crate) fn add(
        &self,
        base: &Url,
        opened: Opened,
        store: Arc<dyn ObjectStore>,
    ) -> Result<ObjectStoreUrl, DataFusionError> {
        let url = match opened {
            Opened::ForTable => ObjectStoreUrl::parse(base.as_str())?,
            Opened::ForClient => ObjectStoreUrl::parse(format!("client-{base}"))?,
        };
        let counting = self.counting(store);
        let key: &Url = url.as_ref();
        self.locked().entry(key.clone()).or_insert(counting);
        Ok(url)
    }

    /// The store with its reads counted.
    pub(crate) fn counting(&self, store: Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
        Arc::new(CountingStore {
            inner: store,
            counters: Arc::clone(&self.counters),
        })
    }

    /// What the folder of a table holds, of which this many files are known.
    pub(crate) fn standing(&self, open: &OpenLocation, files: usize) -> Arc<Standing> {
        let mut known = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = known.iter().find(|standing| standing.is_of(open)) {
            return Arc::clone(standing);
        }
        let standing = Arc::new(Standing::new(open.clone(), files as u64));
        known.push(Arc::clone(&standing));
        standing
    }

    /// Takes over what others have asked already.
    pub(crate) fn share(&self, standing: Arc<Standing>) {
        let mut known = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(standing);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<Url, Arc<dyn ObjectStore>>> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectStoreRegistry for StatementStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.locked().insert(url.clone(), store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>, DataFusionError> {
        self.locked()
            .get(url)
            .cloned()
            .ok_or_else(|| internal_datafusion_err!("the statement did not open the store {url}"))
    }
}

/// Counts bytes on their way out; refuses everything that would write.
#[derive(Debug)]
struct CountingStore {
    inner: Arc<dyn ObjectStore>,
    counters: Arc<Counters>,
}

impl fmt::Display for CountingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

fn read_only<T>(operation: &'static str) -> object_store::Result<T> {
    Err(object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: "a query, which only reads".to_owned(),
    })
}

#[async_trait]
impl ObjectStore for CountingStore {
    async fn put_opts(&self, _: &Path, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        read_only("put")
    }

    async fn put_multipart_opts(
        &self,
        _: &Path,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        read_only("put")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> object_store::Result<GetResult> {
        let head = options.head;
        let result = self.inner.get_opts(location, options).await?;
        if !head {
            self.counters
                .add_bytes(result.range.end.saturating_sub(result.range.start));
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> object_store::Result<Vec<Bytes>> {
        let read = self.inner.get_ranges(location, ranges).await?;
        self.counters
            .add_bytes(read.iter().map(|bytes| bytes.len() as u64).sum());
        Ok(read)
    }

    fn delete_stream(
        &self,
        _: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        Box::pin(futures::stream::once(async { read_only("delete") }))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> object_store::Result<()> {
        read_only("copy")
    }
}
