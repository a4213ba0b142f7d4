//! Time that passes only when the simulation says so.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use hw_job::{Clock, Elapsed, Timestamp};

/// A clock that stands still between two steps of a simulation. Its wall may jump.
#[derive(Debug)]
pub struct SimClock {
    wall: AtomicI64,
    elapsed: AtomicU64,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        Self {
            wall: AtomicI64::new(1_700_000_000_000_000),
            elapsed: AtomicU64::new(1_000_000),
        }
    }

    /// Time passes, on both clocks.
    pub(crate) fn pass(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.elapsed.fetch_add(micros, Ordering::Relaxed);
        let micros = i64::try_from(micros).unwrap_or(i64::MAX);
        self.wall.fetch_add(micros, Ordering::Relaxed);
    }

    /// The wall's clock jumps; no time passes.
    pub(crate) fn jump(&self, hours: i64) {
        self.wall.fetch_add(hours * 3_600_000_000, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall(&self) -> Timestamp {
        Timestamp(self.wall.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Elapsed {
        Elapsed(self.elapsed.load(Ordering::Relaxed))
    }
}
