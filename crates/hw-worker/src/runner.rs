//! What can be done about a task of one kind.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use hw_job::{Failure, Work};
use hw_store::ClaimedTask;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// What a task brought.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// A document; a large one is moved to the file layer.
    pub document: Value,
    /// Files that the document refers to, by path; confirmed together with the outcome.
    pub files: Vec<String>,
}

impl Outcome {
    /// An outcome without files.
    pub fn of(document: Value) -> Self {
        Self {
            document,
            files: Vec::new(),
        }
    }
}

/// Counts what an attempt works off. Cheap enough for every batch; the worker reads it now and then and tells the store.
#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<Counted>>);

/// What was added, and where the rest can be read.
#[derive(Default)]
struct Counted {
    work: Work,
    source: Option<Box<dyn Fn() -> Work + Send>>,
}

impl Meter {
    /// Counts more work.
    pub fn add(&self, rows: u64, bytes: u64) {
        let mut counted = self.counted();
        counted.work.rows += rows;
        counted.work.bytes += bytes;
    }

    /// Reads from now on what `source` counts by itself, on top of what is added.
    pub fn follow(&self, source: impl Fn() -> Work + Send + 'static) {
        self.counted().source = Some(Box::new(source));
    }

    /// All that was counted so far.
    pub fn read(&self) -> Work {
        let counted = self.counted();
        let followed = counted.source.as_ref().map(|source| source()).unwrap_or_default();
        Work {
            rows: counted.work.rows + followed.rows,
            bytes: counted.work.bytes + followed.bytes,
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does the tasks of some kinds.
#[async_trait]
pub trait TaskRunner: Send + Sync {
    /// The kinds of tasks that it does, each with the newest format that it knows.
    fn kinds(&self) -> Vec<(&'static str, u32)>;

    /// Does one task, and counts on `meter` what it has read, batch by batch. When `cancel` fires it stops within 200 ms; what it returns then is not looked at.
    ///
    /// # Errors
    /// Why the task failed; its class decides whether it is tried again.
    async fn run(&self, task: &ClaimedTask, meter: &Meter, cancel: &CancellationToken) -> Result<Outcome, Failure>;
}
