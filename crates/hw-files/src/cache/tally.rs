//! Where the bytes of a statement or task came from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counted while files of stores are read; local files are not counted here.
#[derive(Debug, Default)]
pub struct ReadTally {
    downloaded: AtomicU64,
    download_nanos: AtomicU64,
    from_cache: AtomicU64,
}

impl ReadTally {
    /// Bytes that stores gave.
    pub fn downloaded(&self) -> u64 {
        self.downloaded.load(Ordering::Relaxed)
    }

    /// Bytes that came from the cache of the host.
    pub fn from_cache(&self) -> u64 {
        self.from_cache.load(Ordering::Relaxed)
    }

    /// Time of downloads, those side by side added up.
    pub fn download_time(&self) -> Duration {
        Duration::from_nanos(self.download_nanos.load(Ordering::Relaxed))
    }

    pub(super) fn add_downloaded(&self, bytes: u64, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.downloaded.fetch_add(bytes, Ordering::Relaxed);
        self.download_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn add_cached(&self, bytes: u64) {
        self.from_cache.fetch_add(bytes, Ordering::Relaxed);
    }
}
