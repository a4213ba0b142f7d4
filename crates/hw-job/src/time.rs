//! Two times: the wall's, for people and records, and the elapsed one, for every decision.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// UTC wall time in microseconds since 1970. For people and records only: nothing is decided by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Time in microseconds on a clock that never jumps and that all processes of a store share, from an arbitrary origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Elapsed(pub u64);

impl Elapsed {
    /// The instant `duration` later; saturates.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)),
        )
    }

    /// The time from `earlier` until this instant; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us", self.0)
    }
}

/// Where times come from. The system's at the rim, a seeded one in simulation and tests.
pub trait Clock: Send + Sync {
    /// Now, on the wall.
    fn wall(&self) -> Timestamp;
    /// Now, on the clock that never jumps.
    fn elapsed(&self) -> Elapsed;
}
