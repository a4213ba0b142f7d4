//! Whether a process that uses the store is known to be dead.

use std::fs;

use hw_store::NewSession;

/// Knows of processes that died, sooner than their leases run out.
pub trait Liveness: Send + Sync {
    /// Whether the process is dead for certain. `false` where it cannot be known.
    fn is_dead(&self, session: &NewSession) -> bool;
}

/// Knows the processes of this host.
#[derive(Debug, Clone)]
pub struct HostLiveness {
    /// Name of this host, as sessions carry it.
    pub host: String,
}

impl Liveness for HostLiveness {
    fn is_dead(&self, session: &NewSession) -> bool {
        session.host == self.host && process_start(session.pid).is_none_or(|start| start != session.process_start)
    }
}

/// When the process of this id started, in the host's own ticks since boot, together with the boot's id: tells it from
/// every later process of the same id. `None` if there is no such process, or it has ended and only waits to be reaped.
pub fn process_start(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold blanks and parentheses itself.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let start = fields.nth(18)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    (!matches!(state, "Z" | "X")).then(|| format!("{}/{start}", boot.trim()))
}
