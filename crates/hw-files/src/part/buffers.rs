//! Memory that is used again: fresh memory of this size is mapped and faulted in page by page each time, which costs more
//! than filling it.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_buffer::{ArrowNativeType, Buffer, MutableBuffer};
use bytes::Bytes;

use super::codec::Decoders;

/// Bytes kept for later use by [`Buffers::default`].
const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Least size of a block; smaller requests share it.
const BLOCK_BYTES_MIN: usize = 4096;
/// A kept block may be so many times larger than what is asked for.
const WASTE_MAX: usize = 4;
/// Decompressors kept; each zstd one holds about 100 KiB.
const DECODERS_KEPT_MAX: usize = 64;

/// Reusable memory. Arrays hold their blocks and give them back when the last of them is dropped, so that reading one row
/// group after the other settles on the same memory.
///
/// Clones share the same memory. Blocks beyond the limit are freed when they come back; what is lent out is not limited
/// here.
#[derive(Clone)]
pub struct Buffers {
    shared: Arc<Shared>,
}

struct Shared {
    kept: Mutex<Kept>,
    kept_bytes_max: usize,
}

#[derive(Default)]
struct Kept {
    blocks: BTreeMap<usize, Vec<MutableBuffer>>,
    decoders: Vec<Decoders>,
    /// Bytes of `blocks`.
    bytes: usize,
    /// Bytes of blocks in use.
    lent: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new(KEPT_BYTES_MAX)
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Buffers")
            .field("memory_size", &self.memory_size())
            .finish_non_exhaustive()
    }
}

impl Buffers {
    /// Memory of which at most this many bytes are kept while nobody uses them.
    pub fn new(kept_bytes_max: usize) -> Self {
        let shared = Shared {
            kept: Mutex::default(),
            kept_bytes_max,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Bytes held: kept for later, and lent to arrays that are still alive.
    pub fn memory_size(&self) -> usize {
        let kept = self.shared.lock();
        kept.bytes + kept.lent
    }

    /// Bytes lent to arrays that are still alive.
    pub fn lent_size(&self) -> usize {
        self.shared.lock().lent
    }

    /// A block of at least this many bytes, of any content.
    pub(super) fn block(&self, bytes: usize) -> Block {
        let mut kept = self.shared.lock();
        let memory = kept.take(bytes);
        let size = memory.as_ref().map_or_else(|| block_size(bytes), MutableBuffer::len);
        kept.lent += size;
        drop(kept);
        Block {
            memory: memory.unwrap_or_else(|| MutableBuffer::from_len_zeroed(size)),
            shared: self.shared.clone(),
        }
    }

    pub(super) fn decoders(&self) -> Decoders {
        self.shared.lock().decoders.pop().unwrap_or_default()
    }

    pub(super) fn keep_decoders(&self, decoders: Decoders) {
        let mut kept = self.shared.lock();
        if kept.decoders.len() < DECODERS_KEPT_MAX {
            kept.decoders.push(decoders);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, memory: MutableBuffer) {
        let mut kept = self.lock();
        kept.lent -= memory.len();
        if kept.bytes + memory.len() <= self.kept_bytes_max {
            kept.bytes += memory.len();
            kept.blocks.entry(memory.len()).or_default().push(memory);
        }
    }
}

impl Kept {
    fn take(&mut self, bytes: usize) -> Option<MutableBuffer> {
        let wanted = block_size(bytes);
        let largest = wanted.saturating_mul(WASTE_MAX);
        let (&size, blocks) = self.blocks.range_mut(wanted..=largest).next()?;
        let memory = blocks.pop()?;
        if blocks.is_empty() {
            self.blocks.remove(&size);
        }
        self.bytes -= memory.len();
        Some(memory)
    }
}

/// Sizes in steps of an eighth to a quarter, so that row groups of nearly equal size fit into each other's blocks.
fn block_size(bytes: usize) -> usize {
    let bytes = bytes.max(BLOCK_BYTES_MIN);
    let step = (bytes.next_power_of_two() / 8).max(BLOCK_BYTES_MIN);
    bytes.div_ceil(step).saturating_mul(step)
}

/// One piece of memory, all of it initialised, aligned for every number.
pub(super) struct Block {
    memory: MutableBuffer,
    shared: Arc<Shared>,
}

impl Block {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory
    }

    /// The block as numbers. Sizes are multiples of 4096, so nothing is left over.
    pub(super) fn numbers<T: ArrowNativeType>(&self) -> &[T] {
        self.memory.typed_data()
    }

    pub(super) fn numbers_mut<T: ArrowNativeType>(&mut self) -> &mut [T] {
        self.memory.typed_data_mut()
    }

    /// Makes room for `bytes`, keeping what is there.
    pub(super) fn reserve(&mut self, bytes: usize) {
        if bytes <= self.memory.len() {
            return;
        }
        let larger = Buffers {
            shared: self.shared.clone(),
        };
        let mut larger = larger.block(bytes.max(self.memory.len().saturating_mul(2)));
        if let Some(place) = larger.bytes_mut().get_mut(..self.memory.len()) {
            place.copy_from_slice(&self.memory);
        }
        *self = larger;
    }

    /// Part of the block as a buffer of arrays; the memory comes back when the last of them is gone.
    pub(super) fn freeze(self, range: Range<usize>) -> Buffer {
        Buffer::from(Bytes::from_owner(Frozen { block: self, range }))
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.shared.give_back(mem::take(&mut self.memory));
    }
}

struct Frozen {
    block: Block,
    range: Range<usize>,
}

impl AsRef<[u8]> for Frozen {
    fn as_ref(&self) -> &[u8] {
        self.block.bytes().get(self.range.clone()).unwrap_or_default()
    }
}
