//! The memory of the matchers of one plan.

use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

/// What the matchers of a plan hold together. A part of it is reserved before their rows come: what distributes these takes
/// all the memory there is before it spills.
#[derive(Debug)]
pub(super) struct Room {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    reservation: MemoryReservation,
    /// Reserved whether it is held or not.
    least: usize,
    held: usize,
}

/// The share of one matcher, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    /// Room of at least so many bytes, if nobody else has them.
    pub(super) fn new(pool: &Arc<dyn MemoryPool>, least: usize) -> Arc<Self> {
        let reservation = MemoryConsumer::new("FunnelExec").register(pool);
        let least = match reservation.try_grow(least) {
            Ok(()) => least,
            Err(_) => 0,
        };
        Arc::new(Self {
            inner: Mutex::new(Inner {
                reservation,
                least,
                held: 0,
            }),
        })
    }

    /// Changes what a matcher holds.
    fn resize(&self, from: usize, to: usize) -> Result<(), DataFusionError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let held = inner.held - from + to;
        inner.reservation.try_resize(held.max(inner.least))?;
        inner.held = held;
        Ok(())
    }
}

impl Share {
    pub(super) fn of(room: Arc<Room>) -> Self {
        Self { room, bytes: 0 }
    }

    /// # Errors
    /// That the memory is used up; the share stays what it was.
    pub(super) fn resize(&mut self, bytes: usize) -> Result<(), DataFusionError> {
        self.room.resize(self.bytes, bytes)?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // Less memory is always to be had.
        let _ = self.room.resize(self.bytes, 0);
    }
}
