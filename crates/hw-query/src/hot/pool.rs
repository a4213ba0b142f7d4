//! The engine's pool: what is held for later gives way to what is needed now.

use std::fmt;

use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

use super::{CONSUMER, HotParts};

/// A pool that gives up parts held in memory before it refuses a query.
#[derive(Debug)]
pub(crate) struct YieldingPool<P> {
    inner: P,
    hot: HotParts,
}

impl<P> YieldingPool<P> {
    pub(crate) fn new(inner: P, hot: HotParts) -> Self {
        Self { inner, hot }
    }
}

impl<P: MemoryPool> MemoryPool for YieldingPool<P> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.inner.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.inner.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.inner.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.inner.shrink(reservation, shrink);
    }

    /// A consumer that can spill has a share of the pool only, which grows with what is given up: hence again and again.
    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        let mut answer = self.inner.try_grow(reservation, additional);
        if reservation.consumer().name() == CONSUMER {
            return answer;
        }
        while answer.is_err() && self.hot.give_way(additional) {
            answer = self.inner.try_grow(reservation, additional);
        }
        answer
    }

    fn reserved(&self) -> usize {
        self.inner.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.inner.memory_limit()
    }
}

impl<P: MemoryPool> fmt::Display for YieldingPool<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

impl fmt::Debug for HotParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HotParts").field(&self.used()).finish()
    }
}
