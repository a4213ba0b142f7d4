//! Bytes of remote objects that a host keeps on its disk, for all its workers and processes.
//!
//! What is read of a remote file goes through here, by ranges: what is on the disk is taken from there, the rest is
//! downloaded in pieces of up to 8 MiB, kept, and given to whoever asked. A piece belongs to one version of one object
//! (its ETag, or its time where the store gives no ETag), and each request names that version, so a changed object is never
//! served from here.
//!
//! ```text
//! wanted ─▶ take what is there ─▶ all? ── yes ──▶ done
//!              ▲                   │ no
//!              │                   ▼
//!              └── wait ◀── claim (under the lock): what nobody downloads yet is reserved
//!              ▲                   │ room
//!              └──── write ◀── download       no room, disk full: download and keep nothing
//! ```
//!
//! [`plan`] decides what to download and what to give up, [`disk`] is the folder that all processes share.

mod disk;
mod download;
mod key;
mod plan;
mod tally;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use self::disk::{Claim, Disk, Staged, on_disk};
use self::key::Key;
use crate::{FoundFile, OpenLocation};

pub(crate) use self::download::fetch as download;
pub use self::tally::ReadTally;

/// Downloads of one read that are under way at the same time: with the size of pieces, what they take of memory besides what
/// was asked for.
const DOWNLOADS_AT_A_TIME: usize = 4;

/// Looks at the folder while another process downloads what is wanted, too.
const WAIT_STEP: Duration = Duration::from_millis(5);

/// Longest wait for a download of another: later it counts as stuck, and the bytes are fetched without being kept.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Pieces that were given up, or broken off, again and again while they were waited for: then nothing is kept either.
const ROUNDS_MAX: u32 = 64;

/// A cache of remote bytes. Clones and other processes share the folder.
#[derive(Clone)]
pub struct PartCache(Arc<Inner>);

struct Inner {
    /// `None` keeps nothing.
    disk: Option<Arc<Disk>>,
    /// Wakes those who wait for a download of this process.
    ended: Notify,
    hits: AtomicU64,
    misses: AtomicU64,
    hit_bytes: AtomicU64,
    downloaded_bytes: AtomicU64,
    /// Whether it was told that the disk fails.
    is_told: AtomicBool,
}

/// What the cache of a host holds, and what this process did with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheUse {
    /// Bytes of all pieces, those under way too; a little more after a crash.
    pub bytes: u64,
    /// Bytes that may be held; 0 holds none.
    pub limit: u64,
    /// Reads that were served from the disk as a whole.
    pub hits: u64,
    /// Reads for which something was downloaded.
    pub misses: u64,
    /// Bytes served from the disk.
    pub hit_bytes: u64,
    /// Bytes downloaded.
    pub downloaded_bytes: u64,
    /// Pieces given up to make room.
    pub evicted: u64,
    /// Bytes of these.
    pub evicted_bytes: u64,
}

impl fmt::Debug for PartCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartCache").field("use", &self.used()).finish()
    }
}

impl Default for PartCache {
    fn default() -> Self {
        Self::of(None)
    }
}

impl PartCache {
    /// A cache of up to `limit` bytes in `folder`, which is made when it is needed; 0 keeps nothing.
    pub fn new(folder: PathBuf, limit: u64) -> Self {
        Self::of((limit > 0).then(|| Arc::new(Disk::new(folder, limit))))
    }

    fn of(disk: Option<Arc<Disk>>) -> Self {
        Self(Arc::new(Inner {
            disk,
            ended: Notify::new(),
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            hit_bytes: AtomicU64::default(),
            downloaded_bytes: AtomicU64::default(),
            is_told: AtomicBool::default(),
        }))
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.0.disk.is_some()
    }

    /// What is held and was done. Reads a small file.
    pub fn used(&self) -> CacheUse {
        let inner = &self.0;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let evicted = inner.disk.as_ref().map(|disk| disk.evicted());
        CacheUse {
            bytes: inner.disk.as_ref().map_or(0, |disk| disk.used()),
            limit: inner.disk.as_ref().map_or(0, |disk| disk.limit()),
            hits: count(&inner.hits),
            misses: count(&inner.misses),
            hit_bytes: count(&inner.hit_bytes),
            downloaded_bytes: count(&inner.downloaded_bytes),
            evicted: evicted.map_or(0, |evicted| evicted.pieces),
            evicted_bytes: evicted.map_or(0, |evicted| evicted.bytes),
        }
    }

    /// Gives up what exceeds the limit, which may have been higher when it was kept. A folder that cannot be used is told
    /// when something is read.
    pub async fn trim(&self) {
        if let Some(disk) = &self.0.disk
            && let Err(error) = on_disk(disk, Disk::trim).await.and_then(|trimmed| trimmed)
        {
            tracing::debug!(%error, "the cache of remote files could not be trimmed");
        }
    }

    /// The bytes of ranges of a file as it was found, in the order of the ranges.
    ///
    /// Cancel-safe: a download that nobody waits for is given up, and others who want its bytes begin anew.
    ///
    /// # Errors
    /// [`object_store::Error::Precondition`] if the file is another now, and the store's own.
    pub(crate) async fn read(
        &self,
        open: &OpenLocation,
        file: &FoundFile,
        ranges: &[Range<u64>],
        first: First,
        tally: &ReadTally,
    ) -> object_store::Result<Vec<Bytes>> {
        let mut read = self.begin(open, file, ranges, tally);
        read.all().await?;
        if first == First::Yes {
            read.count();
        }
        read.finish()
    }

    /// Downloads what is missing of ranges that will be read one by one, with as few requests as possible; returns what was
    /// downloaded. What cannot be had or kept is left to the reads.
    pub(crate) async fn prepare(
        &self,
        open: &OpenLocation,
        file: &FoundFile,
        ranges: &[Range<u64>],
        tally: &ReadTally,
    ) -> Vec<Range<u64>> {
        let key = Key::of(open, &open.origin, file);
        let (Some(disk), Some(key)) = (&self.0.disk, key.map(Arc::new)) else {
            return Vec::new();
        };
        let (of, size, wanted) = (Arc::clone(&key), file.bytes, ranges.to_vec());
        let claimed = on_disk(disk, move |disk| {
            let missing = plan::without(&wanted, &disk.held(&of));
            match missing.is_empty() {
                true => Ok(Claim::Download(Vec::new())),
                false => disk.claim(&of, size, &missing),
            }
        });
        match claimed.await.and_then(|claimed| claimed) {
            Ok(Claim::Download(staged)) if !staged.is_empty() => {
                let pieces = staged.iter().map(|piece| piece.range.clone()).collect();
                let mut read = self.begin(open, file, ranges, tally);
                match read.download(disk, &key, staged, After::Forget).await {
                    Ok(()) => {
                        self.0.misses.fetch_add(1, Ordering::Relaxed);
                        pieces
                    }
                    Err(_) => Vec::new(),
                }
            }
            Ok(_) => Vec::new(),
            Err(error) => {
                self.0.tell(&error);
                Vec::new()
            }
        }
    }

    fn begin<'a>(
        &'a self,
        open: &'a OpenLocation,
        file: &'a FoundFile,
        wanted: &'a [Range<u64>],
        tally: &'a ReadTally,
    ) -> Read<'a> {
        Read {
            cache: &self.0,
            open,
            file,
            tally,
            wanted,
            have: Vec::new(),
            has_downloaded: false,
            from_disk: 0,
        }
    }
}

/// Whether a read is the first to want its bytes, and so a use of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Yes,
    /// [`PartCache::prepare`] downloaded them, and has counted that.
    No,
}

/// One read under way.
struct Read<'a> {
    cache: &'a Inner,
    open: &'a OpenLocation,
    file: &'a FoundFile,
    tally: &'a ReadTally,
    wanted: &'a [Range<u64>],
    /// What is there already, by its place in the file.
    have: Vec<(u64, Bytes)>,
    has_downloaded: bool,
    from_disk: u64,
}

/// What becomes of bytes in memory once they were downloaded.
#[derive(Clone, Copy)]
enum After {
    Hold,
    /// They will be read from the disk, a column at a time.
    Forget,
}

impl Read<'_> {
    async fn all(&mut self) -> object_store::Result<()> {
        let key = Key::of(self.open, &self.open.origin, self.file);
        if let (Some(disk), Some(key)) = (&self.cache.disk, key) {
            self.through(disk, &Arc::new(key)).await?;
        }
        self.directly().await
    }

    fn missing(&self) -> Vec<Range<u64>> {
        let have = self
            .have
            .iter()
            .map(|(start, bytes)| *start..*start + bytes.len() as u64);
        plan::without(self.wanted, &have.collect::<Vec<_>>())
    }

    /// Gets what it can by the disk. What is missing afterwards cannot be kept.
    async fn through(&mut self, disk: &Arc<Disk>, key: &Arc<Key>) -> object_store::Result<()> {
        let began = Instant::now();
        for _ in 0..ROUNDS_MAX {
            // Registered before looking, so that no end of a download is missed.
            let ended = self.cache.ended.notified();
            self.take(disk, key).await;
            let missing = self.missing();
            if missing.is_empty() {
                return Ok(());
            }
            let (size, of) = (self.file.bytes, Arc::clone(key));
            let claimed = on_disk(disk, move |disk| disk.claim(&of, size, &missing)).await;
            match claimed.and_then(|claimed| claimed) {
                Ok(Claim::Download(staged)) if staged.is_empty() => {
                    if began.elapsed() > WAIT_MAX {
                        tracing::debug!(object = %self.file.object, "a download of another process is stuck");
                        return Ok(());
                    }
                    // Either way the folder is looked at again.
                    let _ = timeout(WAIT_STEP, ended).await;
                }
                Ok(Claim::Download(staged)) => self.download(disk, key, staged, After::Hold).await?,
                Ok(Claim::NoRoom) => return Ok(()),
                Err(error) => {
                    self.cache.tell(&error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, disk: &Arc<Disk>, key: &Arc<Key>) {
        let (missing, of) = (self.missing(), Arc::clone(key));
        if let Ok(taken) = on_disk(disk, move |disk| disk.take(&of, &missing)).await {
            self.from_disk += taken.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            self.have.extend(taken);
        }
    }

    /// Downloads pieces and keeps them. A disk that fails costs only the keeping.
    async fn download(
        &mut self,
        disk: &Arc<Disk>,
        key: &Arc<Key>,
        staged: Vec<Staged>,
        after: After,
    ) -> object_store::Result<()> {
        let waking = Waking(&self.cache.ended);
        let (open, file, tally, cache) = (self.open, self.file, self.tally, self.cache);
        let pieces = staged.into_iter().map(|piece| async move {
            let (start, range) = (piece.range.start, piece.range.clone());
            let bytes = download::fetch(open, file, range, tally).await?;
            let (of, content) = (Arc::clone(key), bytes.clone());
            let kept = on_disk(disk, move |disk| {
                let published = piece.publish(&content);
                if published.is_ok() {
                    disk.note_written(&of, start);
                }
                published
            });
            if let Err(error) = kept.await.and_then(|kept| kept) {
                cache.tell(&error);
            }
            cache.ended.notify_waiters();
            cache.downloaded_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Ok::<_, object_store::Error>(match after {
                After::Hold => Some((start, bytes)),
                After::Forget => None,
            })
        });
        let fetched: Vec<Option<(u64, Bytes)>> = futures::stream::iter(pieces)
            .buffer_unordered(DOWNLOADS_AT_A_TIME)
            .try_collect()
            .await?;
        drop(waking);
        self.has_downloaded = true;
        self.have.extend(fetched.into_iter().flatten());
        Ok(())
    }

    /// Downloads what is missing, and keeps nothing.
    async fn directly(&mut self) -> object_store::Result<()> {
        let (open, file, tally) = (self.open, self.file, self.tally);
        let fetched: Vec<(u64, Bytes)> = futures::stream::iter(self.missing())
            .map(|range| async move {
                let start = range.start;
                let bytes = download::fetch(open, file, range, tally).await?;
                Ok::<_, object_store::Error>((start, bytes))
            })
            .buffer_unordered(DOWNLOADS_AT_A_TIME)
            .try_collect()
            .await?;
        let bytes = fetched.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        self.cache.downloaded_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.has_downloaded |= !fetched.is_empty();
        self.have.extend(fetched);
        Ok(())
    }

    fn count(&self) {
        let counter = match self.has_downloaded {
            false => &self.cache.hits,
            true => &self.cache.misses,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.cache.hit_bytes.fetch_add(self.from_disk, Ordering::Relaxed);
        self.tally.add_cached(self.from_disk);
    }

    fn finish(mut self) -> object_store::Result<Vec<Bytes>> {
        self.have.sort_unstable_by_key(|(start, _)| *start);
        let wanted = self.wanted.iter().map(|range| joined(range, &self.have));
        wanted.collect()
    }
}

/// Wakes those who wait for downloads that broke off, too.
struct Waking<'a>(&'a Notify);

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

impl Inner {
    /// A disk that fails is told once: queries go on without it.
    fn tell(&self, error: &io::Error) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "remote files are read without the cache: its folder cannot be used");
        }
    }
}

/// The bytes of a range out of pieces in ascending order, which may lie over each other.
fn joined(range: &Range<u64>, pieces: &[(u64, Bytes)]) -> object_store::Result<Bytes> {
    let mut at = range.start;
    let mut parts: Vec<Bytes> = Vec::new();
    for (start, bytes) in pieces {
        let end = (*start + bytes.len() as u64).min(range.end);
        if *start <= at && at < end {
            parts.push(bytes.slice(place(at - start)..place(end - start)));
            at = end;
        }
    }
    if at < range.end {
        return Err(object_store::Error::Generic {
            store: "cache",
            source: "bytes that were read are missing".into(),
        });
    }
    Ok(match <[Bytes; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => {
            let mut all = BytesMut::with_capacity(place(range.end.saturating_sub(range.start)));
            parts.iter().for_each(|part| all.extend_from_slice(part));
            all.freeze()
        }
    })
}

fn place(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
