//! Memory that is used again by one matcher after the other: fresh memory of this size is mapped and faulted in page by page,
//! which costs more than filling it.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

/// Pieces kept of each kind: those of a matcher or two per processor.
const PIECES_MAX: usize = 64;

/// Memory for the states of groups that [`PartMatcher`](crate::PartMatcher)s pass on to each other. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    words: Mutex<Vec<Vec<i64>>>,
    counts: Mutex<Vec<Vec<u32>>>,
}

/// Numbers that memory is kept for.
pub(crate) trait Recycled: Copy + Default {
    fn pieces(memory: &Memory) -> &Mutex<Vec<Vec<Self>>>;
}

impl Recycled for i64 {
    fn pieces(memory: &Memory) -> &Mutex<Vec<Vec<Self>>> {
        &memory.kept.words
    }
}

impl Recycled for u32 {
    fn pieces(memory: &Memory) -> &Mutex<Vec<Vec<Self>>> {
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
            .map(|mut pieces| taken(&mut pieces, count))
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

/// The smallest piece that suffices.
fn taken<T>(pieces: &mut Vec<Vec<T>>, count: usize) -> Option<Vec<T>> {
    let fitting = pieces.iter().enumerate().filter(|(_, piece)| piece.capacity() >= count);
    let (place, _) = fitting.min_by_key(|(_, piece)| piece.capacity())?;
    Some(pieces.swap_remove(place))
}

impl<T: Recycled> Drop for Lent<T> {
    fn drop(&mut self) {
        if self.items.capacity() == 0 {
            return;
        }
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        let mut pieces = T::pieces(&self.memory).lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.len() < PIECES_MAX {
            pieces.push(items);
        }
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
