//! The store in memory, for tests and simulation: plain ordered maps behind one lock, which is never held over an await.

mod catalog;
mod events;
mod jobs;
mod listeners;
mod queue;
mod retention;
mod sessions;
mod state;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use hw_job::{Clock, Elapsed, EventSeq, Timestamp};
use tokio::sync::watch;

use crate::journal::Journal;
use crate::limits::UNFINISHED_JOBS_MAX;
use crate::{Retention, Store, StoreError};
use state::State;

/// A store that lives as long as its process. Equal calls at equal times give equal answers and equal events.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    unfinished_jobs_max: u32,
    state: Mutex<State>,
    wakes: watch::Sender<EventSeq>,
}

/// The instant of a call, read once.
#[derive(Debug, Clone, Copy)]
struct Now {
    wall: Timestamp,
    elapsed: Elapsed,
}

impl MemoryStore {
    /// An empty store on this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            unfinished_jobs_max: UNFINISHED_JOBS_MAX,
            state: Mutex::default(),
            wakes: watch::Sender::new(EventSeq(0)),
        }
    }

    /// The same store, with another limit of jobs that may be queued or running at a time.
    #[must_use]
    pub fn with_unfinished_jobs_max(mut self, limit: u32) -> Self {
        self.unfinished_jobs_max = limit;
        self
    }

    fn now(&self) -> Now {
        Now {
            wall: self.clock.wall(),
            elapsed: self.clock.elapsed(),
        }
    }

    fn read<T>(&self, read: impl FnOnce(&State, Now) -> T) -> T {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        read(&state, self.now())
    }

    /// Makes a change, appends its events and wakes the readers. A change that fails must not have touched the state.
    fn write<T, E>(&self, change: impl FnOnce(&mut State, &mut Journal, Now) -> Result<T, E>) -> Result<T, E> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now();
        let mut journal = Journal::default();
        let answer = change(&mut state, &mut journal, now)?;
        let events = journal.into_events();
        if !events.is_empty() {
            let seq = state.append(events, now);
            self.wakes.send_replace(seq);
        }
        Ok(answer)
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn backend(&self) -> &'static str {
        "memory"
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn prune(&self, limits: &Retention) -> Result<u64, StoreError> {
        self.write(|state, _, now| Ok(state.prune(limits, now)))
    }

    async fn backup(&self, _target: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unsupported {
            backend: "memory",
            what: "backup",
        })
    }
}
