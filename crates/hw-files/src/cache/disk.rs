//! The folder of the cache: pieces of objects as files, shared by all processes of a host.
//!
//! ```text
//! cache/lock                                   held for milliseconds while a download is planned or room is made
//! cache/use                                    bytes of all pieces, those under way too
//! cache/parts/4f/4f..e1/key                    which version of which object the pieces beside it are of
//! cache/parts/4f/4f..e1/0-65536-<checksum>     a piece: whole, and never changed
//! cache/parts/4f/4f..e1/65536-131072.part      a piece under way, locked by the process that downloads it
//! ```
//!
//! The names are the index, so nothing has to be put right after kill -9: what is under way has no owner any more (the
//! kernel gave its lock back) and is removed by whoever meets it. A piece appears under its name only when it is whole;
//! nothing is flushed for that, and what a power cut tears is seen by its checksum when a process uses it for the first
//! time. `use` may tell too much after a crash; it is counted anew before anything is given up.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::key::Key;
use super::plan::{self, Kept};
use crate::Checksum;

/// Pieces whose checksum this process remembers to have verified.
const VERIFIED_MAX: usize = 1 << 16;

/// How often the lock of the folder is tried, and the pause between two tries: two seconds together.
const LOCK_TRIES: u32 = 1_000;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

const PARTS: &str = "parts";
const KEY: &str = "key";
const UNDER_WAY: &str = ".part";

/// The folder, and what this process knows of it.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    limit: u64,
    verified: Mutex<HashSet<(u128, u64)>>,
    evicted: AtomicU64,
    evicted_bytes: AtomicU64,
}

/// What the cache decided about a download.
#[derive(Debug)]
pub(super) enum Claim {
    /// To be downloaded by the caller; none if others are at it.
    Download(Vec<Staged>),
    /// There is no room, whatever is given up.
    NoRoom,
}

/// Pieces given up so far by this process, and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) pieces: u64,
    pub(super) bytes: u64,
}

/// A whole piece.
struct Piece {
    range: Range<u64>,
    checksum: String,
    path: PathBuf,
}

/// What lies in the folder of an object.
#[derive(Default)]
struct Shelf {
    pieces: Vec<Piece>,
    under_way: Vec<(Range<u64>, PathBuf)>,
}

impl Disk {
    pub(super) fn new(root: PathBuf, limit: u64) -> Self {
        Self {
            root,
            limit,
            verified: Mutex::default(),
            evicted: AtomicU64::default(),
            evicted_bytes: AtomicU64::default(),
        }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn evicted(&self) -> Evicted {
        Evicted {
            pieces: self.evicted.load(Ordering::Relaxed),
            bytes: self.evicted_bytes.load(Ordering::Relaxed),
        }
    }

    /// Bytes of all pieces, as far as it is known without counting them.
    pub(super) fn used(&self) -> u64 {
        self.read_use().unwrap_or(0)
    }

    /// Whatever is held of these ranges, as pieces with their places in the object.
    pub(super) fn take(&self, key: &Key, wanted: &[Range<u64>]) -> Vec<(u64, Bytes)> {
        let shelf = self.shelf(key);
        let mut taken = Vec::new();
        for piece in &shelf.pieces {
            for range in wanted.iter().filter(|range| plan::overlap(range, &piece.range)) {
                let common = range.start.max(piece.range.start)..range.end.min(piece.range.end);
                match self.read(key, piece, &common) {
                    Ok(Some(bytes)) => taken.push((common.start, bytes)),
                    // Given up by another process in this instant, or damaged: it is as if it were not there.
                    Ok(None) => {}
                    Err(error) => tracing::debug!(path = %piece.path.display(), %error, "a cached piece is not used"),
                }
            }
        }
        taken
    }

    /// What is held of a version, without a look at its bytes.
    pub(super) fn held(&self, key: &Key) -> Vec<Range<u64>> {
        self.shelf(key).pieces.into_iter().map(|piece| piece.range).collect()
    }

    /// Decides what the caller downloads so that `wanted` can be read, makes room for it, and reserves it.
    pub(super) fn claim(&self, key: &Key, size: u64, wanted: &[Range<u64>]) -> io::Result<Claim> {
        let _held = self.lock()?;
        let folder = self.folder(key);
        if !is_of(&folder, key) && !begin_folder(&folder, key)? {
            return Ok(Claim::NoRoom);
        }
        let pieces = plan::to_download(size, wanted, &held_or_under_way(&folder));
        let bytes: u64 = pieces.iter().map(|piece| piece.end - piece.start).sum();
        if bytes == 0 {
            return Ok(Claim::Download(Vec::new()));
        }
        if !self.make_room(bytes)? {
            return Ok(Claim::NoRoom);
        }
        // Making room may have removed the folder, if nothing else was in it.
        if !is_of(&folder, key) && !begin_folder(&folder, key)? {
            return Ok(Claim::NoRoom);
        }
        let staged = pieces.into_iter().map(|piece| Staged::begin(&folder, piece));
        staged.collect::<io::Result<Vec<_>>>().map(Claim::Download)
    }

    /// Notes that this process wrote a piece, so that it need not be verified.
    pub(super) fn note_written(&self, key: &Key, start: u64) {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= VERIFIED_MAX {
            verified.clear();
        }
        verified.insert((key.hash(), start));
    }

    /// Gives up what exceeds the limit, which may have been higher before.
    pub(super) fn trim(&self) -> io::Result<()> {
        if self.used() <= self.limit {
            return Ok(());
        }
        let _held = self.lock()?;
        self.make_room(0).map(drop)
    }

    fn shelf(&self, key: &Key) -> Shelf {
        let folder = self.folder(key);
        match is_of(&folder, key) {
            true => Shelf::read(&folder),
            false => Shelf::default(),
        }
    }

    fn folder(&self, key: &Key) -> PathBuf {
        let (above, name) = key.folder();
        self.root.join(PARTS).join(above).join(name)
    }

    /// The bytes of a range within a piece, marked as used now; `None` if its checksum is not that of its name.
    fn read(&self, key: &Key, piece: &Piece, range: &Range<u64>) -> io::Result<Option<Bytes>> {
        let mut file = File::open(&piece.path)?;
        // Which piece goes first is all that depends on it: a clock that jumps does no harm.
        if let Err(error) = file.set_modified(now()) {
            tracing::debug!(%error, "the use of a cached piece is not noted");
        }
        let from = range.start - piece.range.start;
        let size = length(range);
        if self.is_verified(key, piece.range.start) {
            let mut bytes = vec![0; size];
            file.read_exact_at(&mut bytes, from)?;
            return Ok(Some(bytes.into()));
        }
        let mut whole = Vec::with_capacity(length(&piece.range));
        file.read_to_end(&mut whole)?;
        let is_sound = whole.len() == length(&piece.range) && Checksum::of(&whole).to_string() == piece.checksum;
        if !is_sound {
            tracing::warn!(path = %piece.path.display(), "a cached piece is damaged and is downloaded again");
            // Its folder stays: another process may be about to put something into it.
            fs::remove_file(&piece.path)?;
            return Ok(None);
        }
        self.note_written(key, piece.range.start);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(Some(Bytes::from(whole).slice(from..from + size)))
    }

    fn is_verified(&self, key: &Key, start: u64) -> bool {
        let verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.contains(&(key.hash(), start))
    }

    /// Gives up what was used longest ago until so many bytes fit, and reserves them. `false` if they never fit.
    fn make_room(&self, newcomer: u64) -> io::Result<bool> {
        let known = self.read_use();
        if let Some(used) = known
            && used.saturating_add(newcomer) <= self.limit
        {
            self.write_use(used + newcomer)?;
            return Ok(true);
        }
        let all = self.all();
        let kept: Vec<Kept> = all.iter().map(|found| found.kept).collect();
        let mut used: u64 = kept.iter().map(|piece| piece.bytes).sum();
        let gone = plan::to_give_up(&kept, self.limit, newcomer);
        let fits = gone.is_some();
        // What does not fit is no reason to keep more than the limit, which may have been higher before.
        let gone = gone.or_else(|| plan::to_give_up(&kept, self.limit, 0));
        for found in gone.iter().flatten().filter_map(|place| all.get(*place)) {
            remove_piece(&found.path);
            used -= found.kept.bytes;
            self.evicted.fetch_add(1, Ordering::Relaxed);
            self.evicted_bytes.fetch_add(found.kept.bytes, Ordering::Relaxed);
        }
        self.write_use(used + if fits { newcomer } else { 0 })?;
        Ok(fits)
    }

    /// Every piece there is. What is under way without an owner is removed on the way.
    fn all(&self) -> Vec<Found> {
        let mut all = Vec::new();
        for folder in folders_of(&self.root.join(PARTS))
            .iter()
            .flat_map(|above| folders_of(above))
        {
            let shelf = Shelf::read(&folder);
            for piece in shelf.pieces {
                let Ok(facts) = fs::metadata(&piece.path) else { continue };
                let used = facts
                    .modified()
                    .ok()
                    .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                all.push(Found {
                    kept: Kept {
                        bytes: facts.len(),
                        used: Some(used.unwrap_or_default().as_nanos()),
                    },
                    path: piece.path,
                });
            }
            for (range, path) in shelf.under_way {
                if !remove_if_abandoned(&path) {
                    let kept = Kept {
                        bytes: range.end - range.start,
                        used: None,
                    };
                    all.push(Found { kept, path });
                }
            }
        }
        all
    }

    /// The lock of the whole folder, which is made if it is missing.
    fn lock(&self) -> io::Result<File> {
        make_folder(&self.root)?;
        let lock = writable(&self.root.join("lock"), false)?;
        // Not for ever: a process that was stopped while it had the lock must not hold up the others.
        for _ in 0..LOCK_TRIES {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "another process keeps it locked",
        ))
    }

    /// `None` if nobody counted yet, or what stands there makes no sense.
    fn read_use(&self) -> Option<u64> {
        fs::read_to_string(self.root.join("use"))
            .ok()?
            .strip_suffix('\n')?
            .parse()
            .ok()
    }

    /// Only under the lock. A torn number has no line end, and is counted anew.
    fn write_use(&self, bytes: u64) -> io::Result<()> {
        let file = writable(&self.root.join("use"), false)?;
        file.set_len(0)?;
        file.write_all_at(format!("{bytes}\n").as_bytes(), 0)
    }
}

/// A piece in the folder, wherever it is.
struct Found {
    kept: Kept,
    path: PathBuf,
}

impl Shelf {
    /// What can be read of a folder; names that are none of ours are left alone.
    fn read(folder: &Path) -> Self {
        let mut shelf = Self::default();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(range) = name.strip_suffix(UNDER_WAY).and_then(range_of) {
                shelf.under_way.push((range, entry.path()));
            } else if let Some((range, checksum)) = name.rsplit_once('-')
                && let Some(range) = range_of(range)
            {
                shelf.pieces.push(Piece {
                    range,
                    checksum: checksum.to_owned(),
                    path: entry.path(),
                });
            }
        }
        shelf.pieces.sort_unstable_by_key(|piece| piece.range.start);
        shelf
    }
}

/// What is there, or will be. Only under the lock of the folder.
///
/// It is read twice: a piece gets its name while others read the folder, and one reading may see neither its old name nor its
/// new one. None is renamed in both.
fn held_or_under_way(folder: &Path) -> Vec<Range<u64>> {
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut shelf = Shelf::read(folder);
        shelf.under_way.retain(|(_, path)| !remove_if_abandoned(path));
        held.extend(shelf.pieces.into_iter().map(|piece| piece.range));
        held.extend(shelf.under_way.into_iter().map(|(range, _)| range));
    }
    held
}

/// A piece that this process downloads. Nobody else does so while it exists; unpublished, it leaves nothing.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) range: Range<u64>,
    file: File,
    path: Option<PathBuf>,
}

impl Staged {
    /// Only under the lock of the folder: others meet the file when it is locked already.
    fn begin(folder: &Path, range: Range<u64>) -> io::Result<Self> {
        let path = folder.join(format!("{}-{}{UNDER_WAY}", range.start, range.end));
        let file = writable(&path, true)?;
        let staged = Self {
            range,
            file,
            path: Some(path),
        };
        staged.file.lock()?;
        Ok(staged)
    }

    /// Writes the bytes and gives the piece its name.
    pub(super) fn publish(mut self, bytes: &Bytes) -> io::Result<()> {
        self.file.write_all(bytes)?;
        let Some(path) = &self.path else { return Ok(()) };
        let Range { start, end } = self.range;
        fs::rename(
            path,
            path.with_file_name(format!("{start}-{end}-{}", Checksum::of(bytes))),
        )?;
        self.path = None;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(path = %path.display(), %error, "a piece under way stays for whoever meets it");
        }
    }
}

/// Whether the folder holds pieces of this version.
fn is_of(folder: &Path, key: &Key) -> bool {
    fs::read(folder.join(KEY)).is_ok_and(|text| text == key.text.as_bytes())
}

/// Makes the folder of a version; `false` if it is another's, which has the same hash.
fn begin_folder(folder: &Path, key: &Key) -> io::Result<bool> {
    make_folder(folder)?;
    let place = folder.join(KEY);
    let holds_others = !Shelf::read(folder).pieces.is_empty();
    if holds_others && place.exists() {
        return Ok(false);
    }
    // Under the lock, and pieces follow only when it is written: what a crash tears is written again.
    writable(&place, false).and_then(|mut file| {
        file.set_len(0)?;
        file.write_all(key.text.as_bytes())
    })?;
    Ok(true)
}

/// Removes a piece, and the folders that are empty then.
fn remove_piece(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(path = %path.display(), %error, "a cached piece could not be removed");
        return;
    }
    let Some(folder) = path.parent() else { return };
    let is_empty = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).all(|name| name == KEY)
    };
    if is_empty(folder) && fs::remove_file(folder.join(KEY)).is_ok() && fs::remove_dir(folder).is_ok() {
        // Not empty is the usual case.
        let _ = folder.parent().map(fs::remove_dir);
    }
}

/// Removes what is under way if the process that was at it is gone. Only under the lock of the folder.
fn remove_if_abandoned(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock().is_ok() && fs::remove_file(path).is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// `0-65536`.
fn range_of(text: &str) -> Option<Range<u64>> {
    let (start, end) = text.split_once('-')?;
    let range = start.parse().ok()?..end.parse().ok()?;
    (!range.is_empty()).then_some(range)
}

fn folders_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_folder = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_folder).map(|entry| entry.path()).collect()
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn writable(path: &Path, is_new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match is_new {
        true => options.create_new(true).open(path),
        false => options.create(true).truncate(false).open(path),
    }
}

fn length(range: &Range<u64>) -> usize {
    usize::try_from(range.end - range.start).unwrap_or(usize::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "files are stamped with the time of their last use"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Calls a disk on a thread for blocking work.
pub(super) async fn on_disk<T: Send + 'static>(
    disk: &Arc<Disk>,
    work: impl FnOnce(&Disk) -> T + Send + 'static,
) -> io::Result<T> {
    let disk = Arc::clone(disk);
    let done = tokio::task::spawn_blocking(move || work(&disk)).await;
    done.map_err(io::Error::other)
}
