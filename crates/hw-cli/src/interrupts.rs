//! Ctrl-C and SIGTERM.
//!
//! The first one is a request, which the running verb carries out in its own way (cancel the job, stop waiting, drop the
//! query). The next one, while the first is still being carried out, ends the process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hw_api::ExitCode;
use tokio::sync::watch;

use crate::process::leave;

/// The interrupts of a process. Clones see the same ones.
#[derive(Debug, Clone)]
pub struct Interrupts {
    count: Arc<watch::Sender<u64>>,
    pending: Arc<AtomicBool>,
}

impl Default for Interrupts {
    /// Interrupts that only [`raise`](Self::raise) brings about.
    fn default() -> Self {
        Self {
            count: Arc::new(watch::Sender::new(0)),
            pending: Arc::default(),
        }
    }
}

impl Interrupts {
    /// Those that the user or the system sends to this process.
    pub(crate) fn of_process() -> io::Result<Self> {
        let interrupts = Self::default();
        let seen = interrupts.clone();
        let mut signals = Signals::listen()?;
        tokio::spawn(async move {
            while signals.next().await.is_some() {
                if !seen.raise() {
                    leave(ExitCode::Cancelled);
                }
            }
        });
        Ok(interrupts)
    }

    /// One more interrupt. `false` if the one before it is still being carried out.
    pub fn raise(&self) -> bool {
        let first = !self.pending.swap(true, Ordering::SeqCst);
        self.count.send_modify(|count| *count += 1);
        first
    }

    /// Says that an interrupt was carried out: the next one is a request again.
    pub(crate) fn settle(&self) {
        self.pending.store(false, Ordering::SeqCst);
    }

    /// Whether an interrupt waits to be carried out.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Resolves at an interrupt that has not been settled yet, or at the next one. Cancel-safe.
    pub(crate) async fn wait(&self) {
        let mut seen = self.count.subscribe();
        if self.is_pending() {
            return;
        }
        // The sender lives in `self`, so that this can only end by a change.
        let _ = seen.changed().await;
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Option<()> {
        tokio::select! {
            signal = self.interrupt.recv() => signal,
            signal = self.terminate.recv() => signal,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Option<()> {
        tokio::signal::ctrl_c().await.ok()
    }
}
