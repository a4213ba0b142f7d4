//! The memory tier: decoded columns of parts that funnels ask for again and again, shared by all queries of a process.
//!
//! ```text
//!  a funnel used a part ──▶ note ──▶ second time ──▶ one thread decodes and orders it ──▶ kept ──▶ the next funnel reads it
//! ```
//!
//! The rows of a part stand in order of group, then time, whatever their order in the file, so that a group's rows and its
//! state are touched one after the other; the groups are a sorted dictionary. What is kept stays within a limit of its own
//! and within the engine's pool, and gives way to queries that need the memory. Beyond the limit a part replaces only those
//! that were not used since it was used before: what is asked for in turns and does not fit leaves what is held in peace.

mod order;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::{Array as _, ArrayRef};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use hw_catalog::Part;
use hw_files::{Buffers, PartReader};

use self::order::{Ordered, is_complete, ordered, read_whole};
pub(crate) use self::pool::YieldingPool;

/// Parts that wait to be taken in. Each holds its file open.
const WAITING_MAX: usize = 64;

/// Parts whose uses are counted though they are not held.
const COUNTED_MAX: usize = 65_536;

/// Bytes that a row takes at least: its group and its time.
const ROW_BYTES_LEAST: usize = 12;

/// Bytes that a value takes in a column, about.
const COLUMN_BYTES: usize = 6;

/// Bytes that a row takes while it is put in order, and those that its value takes in each column, before and after.
const ROW_BYTES_WORK: usize = 40;
const COLUMN_BYTES_WORK: usize = 24;

/// The name under which the tier takes memory.
const CONSUMER: &str = "parts held in memory";

/// A part as it was when it was read, by group and time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct HotKey {
    location: String,
    path: String,
    bytes: u64,
    etag: Option<String>,
    modified_at: i64,
    group: String,
    time: String,
}

impl HotKey {
    pub(crate) fn new(location: &str, part: &Part, group: &str, time: &str) -> Self {
        Self {
            location: location.to_owned(),
            path: part.path.clone(),
            bytes: part.bytes,
            etag: part.etag.clone(),
            modified_at: part.modified_at,
            group: group.to_owned(),
            time: time.to_owned(),
        }
    }
}

/// A part that is held.
#[derive(Debug, Clone)]
pub(crate) struct HotPart {
    rows: usize,
    /// Rows of each group.
    of_groups: Arc<[u32]>,
    columns: HashMap<String, HotColumn>,
}

#[derive(Debug, Clone)]
struct HotColumn {
    array: ArrayRef,
    /// Whether it has neither null nor NaN.
    complete: bool,
}

impl HotPart {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Rows of each entry of the group column's dictionary.
    pub(crate) fn rows_of_groups(&self) -> &Arc<[u32]> {
        &self.of_groups
    }

    /// The rows of a column in order of group and time, and whether it has neither null nor NaN.
    pub(crate) fn column(&self, name: &str) -> Option<(&ArrayRef, bool)> {
        let column = self.columns.get(name)?;
        Some((&column.array, column.complete))
    }

    fn holds(&self, columns: &[&str]) -> bool {
        columns.iter().all(|column| self.columns.contains_key(*column))
    }

    fn bytes(&self) -> usize {
        let columns = self.columns.values();
        let columns: usize = columns.map(|column| column.array.get_array_memory_size()).sum();
        columns + size_of_val(&*self.of_groups)
    }
}

/// A part to be taken in.
pub(crate) struct HotFill {
    pub(crate) key: HotKey,
    pub(crate) reader: PartReader,
    /// The columns that were used.
    pub(crate) columns: Vec<String>,
}

/// What the tier holds and how it was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HotUse {
    /// Bytes held.
    pub bytes: u64,
    /// Bytes that may be held, the setting `cache.memory`.
    pub limit: u64,
    /// Parts held.
    pub parts: u64,
    /// Uses of parts that were held.
    pub hits: u64,
    /// Uses of parts that were not.
    pub misses: u64,
    /// Parts given up for others or for queries.
    pub evictions: u64,
}

/// See the module. Clones share everything.
#[derive(Clone)]
pub(crate) struct HotParts(Arc<Inner>);

struct Inner {
    limit: usize,
    buffers: Buffers,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    parts: HashMap<HotKey, Entry>,
    /// When parts that are not held were used last.
    uses: HashMap<HotKey, u64>,
    /// Parts that cannot be held: they have no order, are too large or could not be read.
    unfit: HashSet<HotKey>,
    /// Parts to be taken in, each with the use before the last.
    waiting: VecDeque<(HotFill, u64)>,
    filling: bool,
    /// Counts uses.
    now: u64,
    bytes: usize,
    used: HotUse,
}

struct Entry {
    part: Arc<HotPart>,
    bytes: usize,
    used: u64,
    /// Given back when the entry goes.
    _reservation: MemoryReservation,
}

impl HotParts {
    pub(crate) fn new(limit: u64, buffers: Buffers) -> Self {
        Self(Arc::new(Inner {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            buffers,
            kept: Mutex::default(),
        }))
    }

    pub(crate) fn is_off(&self) -> bool {
        self.0.limit == 0
    }

    /// The part, if it is held with these columns.
    pub(crate) fn find(&self, key: &HotKey, columns: &[&str]) -> Option<Arc<HotPart>> {
        let mut kept = self.kept();
        kept.now += 1;
        let now = kept.now;
        let found = kept.parts.get_mut(key).filter(|entry| entry.part.holds(columns));
        let part = found.map(|entry| {
            entry.used = now;
            Arc::clone(&entry.part)
        });
        match part {
            Some(_) => kept.used.hits += 1,
            None => kept.used.misses += 1,
        }
        part
    }

    /// Notes that a part was used which is not held; `true` if somebody has to call [`fill`](Self::fill) now.
    pub(crate) fn note(&self, fill: HotFill) -> bool {
        let mut kept = self.kept();
        if kept.unfit.contains(&fill.key) {
            return false;
        }
        if kept.uses.len() >= COUNTED_MAX {
            kept.uses.clear();
        }
        let now = kept.now;
        let Some(before) = kept.uses.insert(fill.key.clone(), now) else {
            return false;
        };
        let known = kept.waiting.iter().any(|(waiting, _)| waiting.key == fill.key);
        if known || kept.waiting.len() >= WAITING_MAX || !kept.has_room(fill.bytes(), before, self.0.limit) {
            return false;
        }
        kept.waiting.push_back((fill, before));
        !std::mem::replace(&mut kept.filling, true)
    }

    /// Takes in the parts that wait, one after the other, on this thread.
    pub(crate) fn fill(&self, pool: &Arc<dyn MemoryPool>) {
        let _filling = Filling(self);
        loop {
            let next = self.kept().waiting.pop_front();
            let Some((fill, before)) = next else { return };
            let Some(working) = self.reserve_work(&fill, pool) else {
                continue;
            };
            let known = self.kept().parts.get(&fill.key).map(|entry| Arc::clone(&entry.part));
            match self.decode(&fill, known.as_deref()) {
                Ok(Some(part)) => self.keep(fill.key, part, before, working),
                Ok(None) => self.kept().pass_over(fill.key),
                Err(error) => {
                    tracing::debug!(%error, part = fill.key.path, "a part was not taken into memory");
                    self.kept().pass_over(fill.key);
                }
            }
        }
    }

    /// Memory for reading and ordering a part; `None` if the pool has not so much left, or the part will be too large.
    fn reserve_work(&self, fill: &HotFill, pool: &Arc<dyn MemoryPool>) -> Option<MemoryReservation> {
        let rows = fill.rows();
        if rows.saturating_mul(ROW_BYTES_LEAST) > self.0.limit {
            self.kept().pass_over(fill.key.clone());
            return None;
        }
        let columns = fill.columns.len().saturating_add(1);
        let reservation = MemoryConsumer::new(CONSUMER).register(pool);
        let bytes = rows.saturating_mul(ROW_BYTES_WORK + COLUMN_BYTES_WORK * columns);
        reservation.try_grow(bytes).ok()?;
        Some(reservation)
    }

    /// The part with the columns asked for and those that are known already; `None` if it cannot be ordered.
    fn decode(&self, fill: &HotFill, known: Option<&HotPart>) -> Result<Option<HotPart>, String> {
        let buffers = &self.0.buffers;
        let group = read_whole(&fill.reader, &fill.key.group, buffers)?;
        let time = read_whole(&fill.reader, &fill.key.time, buffers)?;
        let Some(ordered) = ordered(&group, &time)? else {
            return Ok(None);
        };
        let mut part = HotPart {
            rows: group.len(),
            of_groups: ordered.rows_of_groups(),
            columns: known.map(|known| known.columns.clone()).unwrap_or_default(),
        };
        let Ordered { groups, rows } = ordered;
        let columns = fill.columns.iter().filter(|name| **name != fill.key.group);
        for name in columns {
            if part.columns.contains_key(name) {
                continue;
            }
            let array = if *name == fill.key.time {
                Arc::clone(&time)
            } else {
                read_whole(&fill.reader, name, buffers)?
            };
            part.columns.insert(name.clone(), column(rows.take(&array)?));
        }
        part.columns.insert(fill.key.group.clone(), column(groups));
        Ok(Some(part))
    }

    /// Keeps the part, in the memory that was reserved for making it, as far as there is room.
    fn keep(&self, key: HotKey, part: HotPart, before: u64, reservation: MemoryReservation) {
        let bytes = part.bytes();
        let mut gone = Vec::new();
        let mut kept = self.kept();
        gone.extend(kept.take(&key));
        if bytes > self.0.limit {
            kept.pass_over(key);
        } else if kept.has_room(bytes, before, self.0.limit) && reservation.try_resize(bytes).is_ok() {
            while kept.bytes + bytes > self.0.limit {
                let Some(oldest) = kept.oldest() else { break };
                gone.extend(kept.give_up(&oldest));
            }
            kept.bytes += bytes;
            kept.uses.remove(&key);
            let entry = Entry {
                part: Arc::new(part),
                bytes,
                used: kept.now,
                _reservation: reservation,
            };
            kept.parts.insert(key, entry);
        }
        // What was given up goes back to the pool without the lock.
        drop(kept);
        drop(gone);
    }

    /// Gives up parts of at least so many bytes, as far as there are any; whether there were.
    pub(crate) fn give_way(&self, bytes: usize) -> bool {
        let mut gone = Vec::new();
        let mut freed = 0;
        {
            let mut kept = self.kept();
            while freed < bytes {
                let Some(oldest) = kept.oldest() else { break };
                let entry = kept.give_up(&oldest);
                freed += entry.as_ref().map_or(0, |entry| entry.bytes);
                gone.extend(entry);
            }
        }
        !gone.is_empty()
    }

    /// What is held and how it was used.
    pub(crate) fn used(&self) -> HotUse {
        let kept = self.kept();
        HotUse {
            bytes: kept.bytes as u64,
            limit: self.0.limit as u64,
            parts: kept.parts.len() as u64,
            ..kept.used
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Never tries to hold the part again.
    fn pass_over(&mut self, key: HotKey) {
        if self.unfit.len() >= COUNTED_MAX {
            self.unfit.clear();
        }
        self.unfit.insert(key);
    }

    fn take(&mut self, key: &HotKey) -> Option<Entry> {
        let entry = self.parts.remove(key)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// Whether so many bytes fit, beside all that was used since `before`.
    fn has_room(&self, bytes: usize, before: u64, limit: usize) -> bool {
        let in_use = self.parts.values().filter(|entry| entry.used > before);
        let taken: usize = in_use.map(|entry| entry.bytes).sum();
        taken.saturating_add(bytes) <= limit
    }

    /// The part that was not used for longest.
    fn oldest(&self) -> Option<HotKey> {
        let oldest = self.parts.iter().min_by_key(|(_, entry)| entry.used);
        oldest.map(|(key, _)| key.clone())
    }

    fn give_up(&mut self, key: &HotKey) -> Option<Entry> {
        let entry = self.take(key)?;
        self.used.evictions += 1;
        Some(entry)
    }
}

/// Somebody takes parts in. Whatever becomes of that, the next one can.
struct Filling<'a>(&'a HotParts);

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.0.kept().filling = false;
    }
}

impl HotFill {
    fn rows(&self) -> usize {
        let row_groups = 0..self.reader.row_groups();
        row_groups.map(|row_group| self.reader.rows(row_group)).sum()
    }

    /// Bytes that it will take, about.
    fn bytes(&self) -> usize {
        let columns = self.columns.len();
        self.rows().saturating_mul(ROW_BYTES_LEAST + COLUMN_BYTES * columns)
    }
}

fn column(array: ArrayRef) -> HotColumn {
    HotColumn {
        complete: is_complete(&array),
        array,
    }
}
