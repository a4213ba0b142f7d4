//! What can be done about a task of one kind.

use async_trait::async_trait;
use hw_job::Failure;
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

/// Does the tasks of some kinds.
#[async_trait]
pub trait TaskRunner: Send + Sync {
    /// The kinds of tasks that it does, each with the newest format that it knows.
    fn kinds(&self) -> Vec<(&'static str, u32)>;

    /// Does one task. When `cancel` fires it stops within 200 ms; what it returns then is not looked at.
    ///
    /// # Errors
    /// Why the task failed; its class decides whether it is tried again.
    async fn run(&self, task: &ClaimedTask, cancel: &CancellationToken) -> Result<Outcome, Failure>;
}
