//! Whether writes succeed at all: a full disk fails them one after the other, and whoever waits should hear of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::StoreError;

/// How long writes must have failed: shorter faults are waited out.
const TROUBLE_MIN: Duration = Duration::from_secs(3);

/// The first instant since which no write has succeeded, and the latest fault. Shared between a writer and its door.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<(Instant, StoreError)>>>);

impl Trouble {
    /// Notes that a transaction wrote something.
    pub(crate) fn over(&self) {
        *self.locked() = None;
    }

    /// Notes that a transaction failed. A refusal and a busy lock are none: others write meanwhile.
    pub(crate) fn note(&self, fault: &StoreError) {
        if !matches!(
            fault,
            StoreError::Full(_) | StoreError::Unreachable(_) | StoreError::Corrupt(_)
        ) {
            return;
        }
        let mut trouble = self.locked();
        let since = trouble.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *trouble = Some((since, fault.clone()));
    }

    /// The fault, once it has lasted.
    pub(crate) fn lasting(&self) -> Option<StoreError> {
        let trouble = self.locked();
        let lasting = trouble.as_ref().filter(|(since, _)| since.elapsed() >= TROUBLE_MIN);
        lasting.map(|(_, fault)| fault.clone())
    }

    fn locked(&self) -> MutexGuard<'_, Option<(Instant, StoreError)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
