//! Clients of stores, made once and shared.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::limit::LimitStore;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, RetryConfig};
use url::Url;

use crate::cache::First;
use crate::error::redacted;
use crate::local::LocalStore;
use crate::location::Scheme;
use crate::{Access, FileError, FoundFile, Location, PartCache, ReadTally};

/// How patiently stores are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreLimits {
    /// Further tries after a failed request.
    pub retries_max: usize,
    /// Time from the first try after which no other is made.
    pub retry_time_max: Duration,
    /// Time for one request with its answer.
    pub request_time_max: Duration,
    /// Time to reach a host.
    pub connect_time_max: Duration,
    /// Requests under way to one store.
    pub requests_max: usize,
    /// Stores whose clients are kept; beyond it all are made anew.
    pub clients_max: usize,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            retries_max: 5,
            retry_time_max: Duration::from_secs(60),
            request_time_max: Duration::from_secs(120),
            connect_time_max: Duration::from_secs(5),
            requests_max: 64,
            clients_max: 64,
        }
    }
}

/// A store and a place in it, ready to be listed and read.
#[derive(Debug, Clone)]
pub struct OpenLocation {
    /// The client.
    pub store: Arc<dyn ObjectStore>,
    /// The place within the store: a folder or one file.
    pub prefix: Path,
    /// The store's URL with an empty path: `file:///`, `s3://bucket/`.
    pub base: Url,
    /// What was opened.
    pub location: Location,
    /// Through which files are read by range; `None` for those of this host and process.
    pub(crate) cache: Option<PartCache>,
    /// Where the store answers, where its URL does not tell: stores of one name at two places are two.
    pub(crate) origin: Arc<str>,
}

impl OpenLocation {
    /// Whether an object of here has the content that was recorded by ETag or, where one of the two has none, time
    /// (microseconds since 1970). A remote object of which no time is known, 0, counts as the same.
    pub fn is_same_content(&self, etag: Option<&str>, modified_at: i64, now: &ObjectMeta) -> bool {
        let is_remote = self.location.scheme() != Scheme::Local;
        match (etag, now.e_tag.as_deref()) {
            // Some stores put quotes around it in one answer and none in another.
            (Some(then), Some(now)) => bare(then) == bare(now),
            _ if is_remote && modified_at <= 0 => true,
            // Answers to requests for bytes tell whole seconds where listings tell fractions.
            _ if is_remote && now.last_modified.timestamp_subsec_nanos() == 0 => {
                modified_at.div_euclid(1_000_000) == now.last_modified.timestamp()
            }
            _ => modified_at == now.last_modified.timestamp_micros(),
        }
    }

    /// Bytes of a file as it was found, in the order of the ranges.
    ///
    /// # Errors
    /// The store's own; [`object_store::Error::Precondition`] if a remote file is another now.
    pub(crate) async fn read_ranges(
        &self,
        file: &FoundFile,
        ranges: &[Range<u64>],
        tally: &ReadTally,
    ) -> object_store::Result<Vec<Bytes>> {
        match (&self.cache, ranges) {
            (Some(cache), _) => cache.read(self, file, ranges, First::Yes, tally).await,
            (None, [only]) => Ok(vec![self.store.get_range(&file.object, only.clone()).await?]),
            (None, _) => self.store.get_ranges(&file.object, ranges).await,
        }
    }
}

fn bare(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// Opens locations; clients of stores are shared by all that are opened here.
#[derive(Debug)]
pub struct FileStores {
    options: Vec<(String, String)>,
    limits: StoreLimits,
    clients: Mutex<HashMap<Url, Arc<dyn ObjectStore>>>,
    in_memory: Mutex<HashMap<Url, Arc<dyn ObjectStore>>>,
    cache: PartCache,
}

impl FileStores {
    /// Takes the options of stores as variables named as in the environment (`AWS_REGION`, `AZURE_STORAGE_...`,
    /// `GOOGLE_...`, case does not matter); others are ignored, so that a whole environment may be given.
    pub fn new(options: impl IntoIterator<Item = (String, String)>, limits: StoreLimits) -> Self {
        Self {
            options: options
                .into_iter()
                .map(|(key, value)| (key.to_ascii_lowercase(), value))
                .collect(),
            limits,
            clients: Mutex::default(),
            in_memory: Mutex::default(),
            cache: PartCache::default(),
        }
    }

    /// Remote files that are opened from now on are read through this cache.
    #[must_use]
    pub fn with_cache(mut self, cache: PartCache) -> Self {
        self.cache = cache;
        self
    }

    /// The cache of remote files; one that keeps nothing if none was given.
    pub fn cache(&self) -> &PartCache {
        &self.cache
    }

    /// Opens a location for a client that may read whatever this process may. Nothing is read yet.
    ///
    /// # Errors
    /// [`FileError::InvalidOptions`] if the store's options do not suffice for a client.
    pub fn open(&self, location: &Location) -> Result<OpenLocation, FileError> {
        self.open_permitted(location, &Access::Unrestricted)
    }

    /// Opens the deployment's own root: what is written to it, if it is local, is for this process's user alone.
    ///
    /// # Errors
    /// As [`FileStores::open`].
    pub fn open_own(&self, location: &Location) -> Result<OpenLocation, FileError> {
        let mut opened = self.open(location)?;
        if location.scheme() == Scheme::Local {
            opened.store = Arc::new(LocalStore::private());
        }
        Ok(opened)
    }

    /// Opens a location for a client that may read only what `access` lets pass; links in it that lead elsewhere are
    /// not followed.
    ///
    /// # Errors
    /// [`FileError::NotPermitted`], and as [`FileStores::open`].
    pub fn open_permitted(&self, location: &Location, access: &Access) -> Result<OpenLocation, FileError> {
        access.permits(location)?;
        let base = location.base();
        let store: Arc<dyn ObjectStore> = match (location.scheme(), access.folders()) {
            (Scheme::Local, None) => Arc::new(LocalStore::default()),
            (Scheme::Local, Some(folders)) => Arc::new(LocalStore::within(folders)),
            (Scheme::Memory, _) => self.in_memory(&base),
            _ => self.client(location, &base)?,
        };
        Ok(OpenLocation {
            store,
            prefix: location.object_path()?,
            base,
            location: location.clone(),
            cache: self.cache_for(location.scheme()),
            origin: self.origin(location.scheme()),
        })
    }

    /// Opens a location with a store of the caller's own, for tests.
    pub fn put_store(&self, base: Url, store: Arc<dyn ObjectStore>) {
        self.in_memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(base, store);
    }

    fn cache_for(&self, scheme: Scheme) -> Option<PartCache> {
        match scheme {
            Scheme::Local | Scheme::Memory => None,
            Scheme::S3 | Scheme::Gcs | Scheme::Azure | Scheme::Http => Some(self.cache.clone()),
        }
    }

    /// The endpoint that the options name.
    fn origin(&self, scheme: Scheme) -> Arc<str> {
        let prefix = match scheme {
            Scheme::S3 => "aws_endpoint",
            Scheme::Gcs => "google_base_url",
            Scheme::Azure => "azure_",
            Scheme::Http | Scheme::Local | Scheme::Memory => return Arc::default(),
        };
        let is_place = |key: &str| key.contains("endpoint") || key.contains("url") || key.ends_with("account_name");
        let places = self.options_with(prefix).filter(|(key, _)| is_place(key));
        let places: Vec<String> = places.map(|(_, value)| redacted(value)).collect();
        // The last of a name counts.
        places
            .last()
            .map_or_else(Arc::default, |place| Arc::from(place.as_str()))
    }

    fn in_memory(&self, base: &Url) -> Arc<dyn ObjectStore> {
        let mut stores = self.in_memory.lock().unwrap_or_else(PoisonError::into_inner);
        stores
            .entry(base.clone())
            .or_insert_with(|| Arc::new(InMemory::new()))
            .clone()
    }

    fn client(&self, location: &Location, base: &Url) -> Result<Arc<dyn ObjectStore>, FileError> {
        if let Some(client) = self.clients.lock().unwrap_or_else(PoisonError::into_inner).get(base) {
            return Ok(client.clone());
        }
        let client = self.build(location, base).map_err(|error| FileError::InvalidOptions {
            place: base.to_string(),
            detail: redacted(&error.to_string()),
        })?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= self.limits.clients_max {
            clients.clear();
        }
        clients.insert(base.clone(), client.clone());
        Ok(client)
    }

    fn build(&self, location: &Location, base: &Url) -> object_store::Result<Arc<dyn ObjectStore>> {
        let requests = self.limits.requests_max;
        Ok(match location.scheme() {
            Scheme::S3 => Arc::new(LimitStore::new(self.s3(base).build()?, requests)),
            Scheme::Gcs => Arc::new(LimitStore::new(self.gcs(base).build()?, requests)),
            Scheme::Azure => Arc::new(LimitStore::new(self.azure(base).build()?, requests)),
            Scheme::Http => Arc::new(LimitStore::new(self.http(base).build()?, requests)),
            Scheme::Local => Arc::new(LocalStore::default()),
            Scheme::Memory => Arc::new(InMemory::new()),
        })
    }

    fn s3(&self, base: &Url) -> AmazonS3Builder {
        let builder = AmazonS3Builder::new()
            .with_retry(self.retries())
            .with_client_options(self.client_options());
        let builder = self.options_with("aws_").fold(builder, |builder, (key, value)| {
            // Test servers and stores of one's own are often reached without TLS; naming such an endpoint allows it.
            let builder = match key.starts_with("aws_endpoint") && value.starts_with("http://") {
                true => builder.with_allow_http(true),
                false => builder,
            };
            match key.parse::<AmazonS3ConfigKey>() {
                Ok(key) => builder.with_config(key, value),
                Err(_) => builder,
            }
        });
        builder.with_url(base.as_str().replacen("s3a://", "s3://", 1))
    }

    fn gcs(&self, base: &Url) -> GoogleCloudStorageBuilder {
        let builder = GoogleCloudStorageBuilder::new()
            .with_retry(self.retries())
            .with_client_options(self.client_options());
        let builder =
            self.options_with("google_")
                .fold(builder, |builder, (key, value)| match key.parse::<GoogleConfigKey>() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
        builder.with_url(base.as_str())
    }

    fn azure(&self, base: &Url) -> MicrosoftAzureBuilder {
        let builder = MicrosoftAzureBuilder::new()
            .with_retry(self.retries())
            .with_client_options(self.client_options());
        let builder =
            self.options_with("azure_")
                .fold(builder, |builder, (key, value)| match key.parse::<AzureConfigKey>() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                });
        builder.with_url(base.as_str())
    }

    fn http(&self, base: &Url) -> HttpBuilder {
        let options = self.client_options().with_allow_http(base.scheme() == "http");
        HttpBuilder::new()
            .with_url(base.as_str())
            .with_retry(self.retries())
            .with_client_options(options)
    }

    fn options_with(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &str)> {
        self.options
            .iter()
            .filter(move |(key, value)| key.starts_with(prefix) && !value.is_empty())
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    fn retries(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: self.limits.retries_max,
            retry_timeout: self.limits.retry_time_max,
        }
    }

    fn client_options(&self) -> ClientOptions {
        ClientOptions::new()
            .with_timeout(self.limits.request_time_max)
            .with_connect_timeout(self.limits.connect_time_max)
    }
}
