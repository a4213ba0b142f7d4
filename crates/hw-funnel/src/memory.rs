//! Memory that is used again by one matcher after the other: fresh memory of this size is mapped and faulted in page by page,
//! which costs more than filling it.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Pieces kept of each kind: those of a few matchers per processor.
const PIECES_MAX: usize = 64;

/// Memory for the states of groups that [`PartMatcher`](crate::PartMatcher)s pass on to each other. Clones share it.
#[derive(Debug, Clone)]
pub struct Memory {
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    words: Mutex<Pieces<i64>>,
    counts: Mutex<Pieces<u32>>,
}

/// Pieces that nobody uses, in the order in which they came back.
#[derive(Debug)]
pub(crate) struct Pieces<T> {
    pieces: VecDeque<Vec<T>>,
    bytes: usize,
    bytes_max: usize,
}

impl Memory {
    /// Keeps up to so many bytes that nobody uses.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            kept: Arc::new(Kept {
                words: Mutex::new(Pieces::new(bytes_max / 4 * 3)),
                counts: Mutex::new(Pieces::new(bytes_max / 4)),
            }),
        }
    }
}

impl Default for Memory {
    /// Keeps whatever comes back.
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl<T> Pieces<T> {
    fn new(bytes_max: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// The smallest piece that suffices.
    fn take(&mut self, count: usize) -> Option<Vec<T>> {
        let fitting = self
            .pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.capacity() >= count);
        let (place, _) = fitting.min_by_key(|(_, piece)| piece.capacity())?;
        let piece = self.pieces.remove(place)?;
        self.bytes -= bytes_of(&piece);
        Some(piece)
    }

    /// Keeps a piece; those that nobody took for the longest time make room for it.
    fn put(&mut self, piece: Vec<T>) {
        let bytes = bytes_of(&piece);
        if bytes > self.bytes_max {
            return;
        }
        while self.pieces.len() >= PIECES_MAX || self.bytes > self.bytes_max - bytes {
            let Some(oldest) = self.pieces.pop_front() else { break };
            self.bytes -= bytes_of(&oldest);
        }
        self.bytes += bytes;
        self.pieces.push_back(piece);
    }
}

fn bytes_of<T>(piece: &Vec<T>) -> usize {
    piece.capacity() * size_of::<T>()
}

/// Numbers that memory is kept for.
pub(crate) trait Recycled: Copy + Default {
    fn pieces(memory: &Memory) -> &Mutex<Pieces<Self>>;
}

impl Recycled for i64 {
    fn pieces(memory: &Memory) -> &Mutex<Pieces<Self>> {
        &memory.kept.words
    }
}

impl Recycled for u32 {
    fn pieces(memory: &Memory) -> &Mutex<Pieces<Self>> {
        &memory.kept.counts
    }
}

/// A vector whose memory is kept when it is dropped.
#[derive(Debug)]
pub(crate) struct Lent<T: Recycled> {
    items: Vec<T>,
    memory: Memory,
}

impl<T: Recycled> Lent<T> {
    pub(crate) fn new(memory: &Memory) -> Self {
        Self {
            items: Vec::new(),
            memory: memory.clone(),
        }
    }

    /// So many zeros, in memory that was used before if there is some.
    pub(crate) fn zeroed(memory: &Memory, count: usize) -> Self {
        let known = T::pieces(memory)
            .lock()
            .map(|mut pieces| pieces.take(count))
            .unwrap_or_default();
        let items = match known {
            Some(mut items) => {
                items.resize(count, T::default());
                items
            }
            None => vec![T::default(); count],
        };
        Self {
            items,
            memory: memory.clone(),
        }
    }
}

impl<T: Recycled> Drop for Lent<T> {
    fn drop(&mut self) {
        if self.items.capacity() == 0 {
            return;
        }
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        let mut pieces = T::pieces(&self.memory).lock().unwrap_or_else(PoisonError::into_inner);
        pieces.put(items);
    }
}

impl<T: Recycled> Deref for Lent<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T: Recycled> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

#[cfg(test)]
mod tests;
