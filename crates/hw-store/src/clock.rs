//! The system's clocks.

use std::time::SystemTime;

use hw_job::{Clock, Elapsed, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// The wall's clock, and the host's time since boot (suspended time included), which all its processes share.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the rim where time comes from")]
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn elapsed(&self) -> Elapsed {
        let now = clock_gettime(ClockId::Boottime);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        Elapsed(u64::try_from(micros).unwrap_or(0))
    }
}

/// Tells one run of the host from the next, as its elapsed clock begins anew with each. Where the host does not say, all
/// runs look alike: then leases of before a restart run out later than they could.
pub fn host_boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}
