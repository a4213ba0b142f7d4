#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use crate::MemoryStore;
use crate::conformance::{ManualClock, Setting, conformance};

async fn in_memory() -> Setting {
    let clock = ManualClock::new();
    Setting {
        store: Arc::new(MemoryStore::new(clock.clone())),
        clock,
        keep: Box::new(()),
    }
}

conformance!(memory, crate::tests::in_memory);
