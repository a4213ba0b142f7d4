//! The store's own clock: what has passed by the server's clock, without its jumps.
//!
//! Only the server can say what time it is for all hosts, but all that it has is a wall clock, which somebody may set. The
//! store's clock therefore goes by *differences*: each transaction that writes leaves the store's time and the server's
//! wall behind (the table `log`), and the next one adds what the wall has gone on since. Two rules keep jumps out:
//!
//! ```text
//!  now = max( last, min( last + (wall - wall then),  what this process can have seen pass ) )
//! ```
//!
//! 1. It never goes back: if the wall was set back, what passed since the last write is lost, some seconds.
//! 2. It never runs ahead of a process that was there: each process remembers the store's time of its last look and its
//!    own monotonic clock then, and lets no more pass than that clock did (and [`SLACK`]). A wall set forward by an hour
//!    is cut down by the first process that writes; those after it find a fresh pair and see no jump at all.
//!
//! A process that has just come has seen nothing. If somebody was at work when the store was last written (a session whose
//! lease ran then) and that is longer ago than [`GAP_MAX`], it cannot tell a jump from an absence and takes it for a jump:
//! no lease may end early, and one that should have ended does so after its length. If nobody was, nothing is leased, and
//! what the wall says has passed counts, up to [`ABSENCE_MAX`].
//!
//! A client whose monotonic clock stood still (a machine put to sleep) holds the store's clock back for no longer than
//! until another one writes. No wall clock of a client takes part in any of this.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hw_job::{Clock, Elapsed, Timestamp};
use sqlx::postgres::PgRow;
use tokio::time::Instant;

use super::row::Reader;
use crate::limits::ABSENCE_MAX;
use crate::{StoreError, SystemClock};

/// What a process lets pass beyond its own clock: clocks differ, and an answer takes its time.
const SLACK: Duration = Duration::from_millis(500);

/// The share by which clocks of two hosts may differ in pace, as its reciprocal: 1 %.
const PACE: u32 = 100;

/// How long nobody writes, at most, while somebody is at work: sessions are renewed more often.
const GAP_MAX: Duration = Duration::from_secs(60);

/// Where times come from.
#[derive(Clone)]
pub(super) enum Source {
    /// The server, as told above.
    Server,
    /// A clock that is given: simulation and tests.
    Given(Arc<dyn Clock>),
}

/// An instant: on the server's wall, and on the store's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: Timestamp,
    /// Microseconds on the store's clock.
    pub(super) elapsed: i64,
}

impl Now {
    pub(super) fn after(self, duration: Duration) -> i64 {
        self.elapsed.saturating_add(micros(duration))
    }

    /// The time from `earlier` until now; zero where `earlier` is later.
    pub(super) fn since(self, earlier: i64) -> Duration {
        Duration::from_micros(u64::try_from(self.elapsed.saturating_sub(earlier)).unwrap_or(0))
    }
}

/// A duration as it is stored.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// What the log's row and the server's clock said at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tick {
    /// The newest event.
    pub(super) last: u64,
    /// The store's clock when something was last written, and the server's wall then.
    elapsed: i64,
    wall: i64,
    /// The server's wall now.
    server: i64,
    /// Whether a session's lease ran when something was last written.
    attended: bool,
}

/// Reads a [`Tick`]: a statement by itself, so that it sees what was committed before it began.
macro_rules! select_tick {
    () => {
        "SELECT last, elapsed, wall, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS server,
                EXISTS (SELECT 1 FROM session s WHERE s.lease_until > log.elapsed) AS attended
         FROM log"
    };
}
pub(super) use select_tick;

impl Tick {
    pub(super) fn read(row: &PgRow) -> Result<Self, StoreError> {
        let row = Reader::new(row, "the log");
        Ok(Self {
            last: row.number("last")?,
            elapsed: row.value("elapsed")?,
            wall: row.value("wall")?,
            server: row.value("server")?,
            attended: row.truth("attended")?,
        })
    }
}

/// What a process saw last.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    elapsed: i64,
    wall: i64,
}

/// The store's clock as this process knows it. Shared by its writer, its claims and its readers.
#[derive(Clone)]
pub(super) struct StoreClock {
    source: Source,
    seen: Arc<Mutex<Option<Seen>>>,
}

impl StoreClock {
    pub(super) fn new(source: Source) -> Self {
        let seen = Arc::default();
        Self { source, seen }
    }

    /// The instant of a tick that has just been read.
    pub(super) fn settle(&self, tick: &Tick) -> Now {
        if let Source::Given(clock) = &self.source {
            return given(clock.as_ref());
        }
        let at = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = settle(tick, seen.map(|seen| bound(seen, at)));
        *seen = Some(Seen {
            at,
            elapsed: seen.map_or(elapsed, |seen| seen.elapsed.max(elapsed)),
            wall: tick.server,
        });
        Now {
            wall: Timestamp(tick.server),
            elapsed,
        }
    }

    /// The instant as far as it can be told without asking the server.
    pub(super) fn now(&self) -> Now {
        if let Source::Given(clock) = &self.source {
            return given(clock.as_ref());
        }
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (elapsed, wall, passed) = seen.map_or((0, 0, 0), |seen| {
            let passed = micros(Instant::now().saturating_duration_since(seen.at));
            (seen.elapsed, seen.wall, passed)
        });
        Now {
            wall: Timestamp(wall.saturating_add(passed)),
            elapsed: elapsed.saturating_add(passed),
        }
    }

    /// An instant of the store's clock as this host's processes know it, on their own elapsed clock.
    pub(super) fn to_host(&self, elapsed: i64) -> Elapsed {
        let ahead = match &self.source {
            Source::Given(_) => 0,
            Source::Server => {
                let host = i64::try_from(SystemClock.elapsed().0).unwrap_or(i64::MAX);
                self.now().elapsed.saturating_sub(host)
            }
        };
        Elapsed(u64::try_from(elapsed.saturating_sub(ahead)).unwrap_or(0))
    }
}

fn given(clock: &dyn Clock) -> Now {
    Now {
        wall: clock.wall(),
        elapsed: i64::try_from(clock.elapsed().0).unwrap_or(i64::MAX),
    }
}

/// The latest that the store's clock can show for a process that saw this.
fn bound(seen: Seen, at: Instant) -> i64 {
    let passed = at.saturating_duration_since(seen.at);
    let allowed = passed.saturating_add(passed / PACE).saturating_add(SLACK);
    seen.elapsed.saturating_add(micros(allowed))
}

fn settle(tick: &Tick, bound: Option<i64>) -> i64 {
    let passed = tick.server.saturating_sub(tick.wall).max(0);
    let bound = bound.unwrap_or_else(|| {
        let jumped = tick.attended && passed > micros(GAP_MAX);
        let longest = if jumped { SLACK } else { ABSENCE_MAX };
        tick.elapsed.saturating_add(micros(longest))
    });
    tick.elapsed.saturating_add(passed).min(bound).max(tick.elapsed)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn tick(elapsed: i64, wall: i64, server: i64, attended: bool) -> Tick {
        Tick {
            last: 0,
            elapsed: elapsed * SECOND,
            wall: wall * SECOND,
            server: server * SECOND,
            attended,
        }
    }

    /// Who saw the store's second 100, `passed` seconds ago by its own clock.
    fn watcher(passed: u64) -> Option<i64> {
        let at = Instant::now();
        let seen = Seen {
            at,
            elapsed: 100 * SECOND,
            wall: 0,
        };
        Some(bound(seen, at + Duration::from_secs(passed)))
    }

    fn check(tick: Tick, bound: Option<i64>, expected_millis: i64) {
        assert_eq!(settle(&tick, bound), expected_millis * 1000, "{tick:?} {bound:?}");
    }

    #[tokio::test]
    async fn time_passes_by_the_servers_wall() {
        check(tick(100, 5000, 5003, true), watcher(3), 103_000);
    }

    #[tokio::test]
    async fn a_wall_set_forward_is_cut_down_by_who_was_there() {
        check(tick(100, 5000, 8603, true), watcher(3), 103_530);
    }

    #[tokio::test]
    async fn a_wall_set_back_loses_only_what_passed_since_the_last_write() {
        check(tick(100, 5000, 1400, true), watcher(3), 100_000);
    }

    #[tokio::test]
    async fn who_slept_does_not_hold_back_what_others_have_seen() {
        check(tick(3700, 5000, 5001, true), watcher(1), 3_700_000);
    }

    #[tokio::test]
    async fn who_comes_first_after_an_absence_believes_the_wall_if_nobody_was_at_work() {
        check(tick(100, 5000, 8600, false), None, 3_700_000);
        check(tick(100, 5000, 8600, true), None, 100_500);
        check(tick(100, 5000, 5030, true), None, 130_000);
        let years = tick(100, 5000, 900_000_000, false);
        check(years, None, 100_000 + micros(ABSENCE_MAX) / 1000);
    }
}
