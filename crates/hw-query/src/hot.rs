//! The memory tier: decoded columns of parts that funnels ask for again and again, shared by all queries of a process.
//!
//! ```text
//!  a funnel used a part ──▶ note ──▶ second time ──▶ one thread decodes and orders it ──▶ kept ──▶ the next funnel reads it
//! ```
//!
//! The rows of a part stand in order of group, then time, whatever their order in the file, so that a group's rows and its
//! state are touched one after the other; the groups are a sorted dictionary. What is kept stays within a limit of its own
//! and within the engine's pool, and gives way to queries that need the memory. Beyond the limit the parts that are worth
//! least are given up: worth is the bytes of the file that a use saves, for each byte held, and fades with the uses of other
//! parts (GreedyDual-Size; P. Cao and S. Irani, 1997).

mod order;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::ArrayRef;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use hw_catalog::Part;
use hw_files::{Buffers, PartReader};

use self::order::{Ordered, is_complete, ordered, read_whole};
pub(crate) use self::pool::YieldingPool;

/// Parts that wait to be taken in. Each holds its file open.
const WAITING_MAX: usize = 64;

/// Parts whose uses are counted though they are not held.
const COUNTED_MAX: usize = 65_536;

/// A part is taken in when it is used for this many times.
const USES_UNTIL_KEPT: u32 = 2;

/// Bytes that a row takes at least: its group and its time.
const ROW_BYTES_LEAST: usize = 12;

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
    columns: HashMap<String, HotColumn>,
}

#[derive(Debug, Clone)]
struct HotColumn {
    array: ArrayRef,
    /// Whether it has neither null nor NaN.
    complete: bool,
    /// Bytes of its chunks in the file.
    stored: u64,
}

impl HotPart {
    pub(crate) fn rows(&self) -> usize {
        self.rows
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
        columns.map(|column| column.array.get_array_memory_size()).sum()
    }

    fn stored(&self) -> u64 {
        self.columns.values().map(|column| column.stored).sum()
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
    /// Uses of parts that are not held.
    uses: HashMap<HotKey, u32>,
    /// Parts that cannot be held: they have no order, or are too large.
    unfit: HashSet<HotKey>,
    waiting: VecDeque<HotFill>,
    filling: bool,
    /// The worth of what was given up last.
    age: f64,
    bytes: usize,
    used: HotUse,
}

struct Entry {
    part: Arc<HotPart>,
    bytes: usize,
    worth: f64,
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
        let age = kept.age;
        let found = kept.parts.get_mut(key).filter(|entry| entry.part.holds(columns));
        let part = found.map(|entry| {
            entry.worth = age + worth(&entry.part, entry.bytes);
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
        let uses = kept.uses.entry(fill.key.clone()).or_default();
        *uses += 1;
        let known = kept.waiting.iter().any(|waiting| waiting.key == fill.key);
        let again = kept.uses.get(&fill.key).is_some_and(|uses| *uses >= USES_UNTIL_KEPT);
        if !again || known || kept.waiting.len() >= WAITING_MAX {
            return false;
        }
        kept.waiting.push_back(fill);
        !std::mem::replace(&mut kept.filling, true)
    }

    /// Takes in the parts that wait, one after the other, on this thread.
    pub(crate) fn fill(&self, pool: &Arc<dyn MemoryPool>) {
        loop {
            let next = {
                let mut kept = self.kept();
                kept.filling = !kept.waiting.is_empty();
                kept.waiting.pop_front()
            };
            let Some(fill) = next else { return };
            let Some(_working) = self.reserve_work(&fill, pool) else {
                continue;
            };
            let known = self.kept().parts.get(&fill.key).map(|entry| Arc::clone(&entry.part));
            match self.decode(&fill, known.as_deref()) {
                Ok(Some(part)) => self.keep(fill.key, part, pool),
                Ok(None) => self.kept().pass_over(fill.key),
                Err(error) => tracing::debug!(%error, part = fill.key.path, "a part was not taken into memory"),
            }
        }
    }

    /// Memory for reading and ordering a part; `None` if the pool has not so much left, or the part will be too large.
    fn reserve_work(&self, fill: &HotFill, pool: &Arc<dyn MemoryPool>) -> Option<MemoryReservation> {
        let rows: usize = (0..fill.reader.row_groups())
            .map(|row_group| fill.reader.rows(row_group))
            .sum();
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
        let Some(ordered) = ordered(&group.array, &time.array)? else {
            return Ok(None);
        };
        let mut part = HotPart {
            rows: group.array.len(),
            columns: known.map(|known| known.columns.clone()).unwrap_or_default(),
        };
        let Ordered { groups, rows } = ordered;
        let columns = fill.columns.iter().filter(|name| **name != fill.key.group);
        for name in columns {
            if part.columns.contains_key(name) {
                continue;
            }
            let (array, stored) = if *name == fill.key.time {
                (Arc::clone(&time.array), time.stored)
            } else {
                let read = read_whole(&fill.reader, name, buffers)?;
                (read.array, read.stored)
            };
            part.columns.insert(name.clone(), column(rows.take(&array)?, stored));
        }
        part.columns
            .insert(fill.key.group.clone(), column(groups, group.stored));
        Ok(Some(part))
    }

    /// Keeps the part, and gives up those that are worth least for it.
    fn keep(&self, key: HotKey, part: HotPart, pool: &Arc<dyn MemoryPool>) {
        let bytes = part.bytes();
        let mut gone = Vec::new();
        {
            let mut kept = self.kept();
            gone.extend(kept.take(&key));
            if bytes > self.0.limit {
                kept.pass_over(key);
                return;
            }
            while kept.bytes + bytes > self.0.limit {
                let Some(least) = kept.least() else { break };
                gone.extend(kept.give_up(&least));
            }
        }
        // What was given up is given back to the pool before more is taken.
        drop(gone);
        let reservation = MemoryConsumer::new(CONSUMER).register(pool);
        if reservation.try_grow(bytes).is_err() {
            return;
        }
        let mut kept = self.kept();
        let worth = kept.age + worth(&part, bytes);
        kept.bytes += bytes;
        kept.uses.remove(&key);
        let entry = Entry {
            part: Arc::new(part),
            bytes,
            worth,
            _reservation: reservation,
        };
        kept.parts.insert(key, entry);
    }

    /// Gives up parts of at least so many bytes, as far as there are any; whether there were.
    pub(crate) fn give_way(&self, bytes: usize) -> bool {
        let mut gone = Vec::new();
        let mut freed = 0;
        {
            let mut kept = self.kept();
            while freed < bytes {
                let Some(least) = kept.least() else { break };
                let entry = kept.give_up(&least);
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

    /// The part that is worth least.
    fn least(&self) -> Option<HotKey> {
        let least = self
            .parts
            .iter()
            .min_by(|(_, one), (_, other)| one.worth.total_cmp(&other.worth));
        least.map(|(key, _)| key.clone())
    }

    fn give_up(&mut self, key: &HotKey) -> Option<Entry> {
        let entry = self.take(key)?;
        self.age = self.age.max(entry.worth);
        self.used.evictions += 1;
        Some(entry)
    }
}

fn column(array: ArrayRef, stored: u64) -> HotColumn {
    HotColumn {
        complete: is_complete(&array),
        array,
        stored,
    }
}

/// Bytes of the file that a use saves, for each byte held.
fn worth(part: &HotPart, bytes: usize) -> f64 {
    part.stored() as f64 / bytes.max(1) as f64
}
