//! Telling the store how attempts ended.

use hw_job::{AfterAttempt, AttemptCounts, Ending, ErrorClass, Failure};
use hw_store::{ChangeRefused, NextState, TaskChange};

use super::Worker;
use super::pool::Ended;

/// How often a report is sent that is refused for a reason that can be mended.
const SENT_MAX: u32 = 3;

impl Worker {
    /// What is told of an attempt that ended.
    pub(super) fn change(&self, ended: Ended) -> TaskChange {
        let Ended {
            task,
            ending,
            files,
            work,
        } = ended;
        let counts = task.counts.and(&ending);
        let next = self.next_state(counts, &ending);
        TaskChange {
            task: task.id,
            fence: task.fence,
            ending,
            counts,
            next,
            files,
            work,
        }
    }

    fn next_state(&self, counts: AttemptCounts, ending: &Ending) -> NextState {
        match self.options.retry.after(counts, ending, chance()) {
            AfterAttempt::Settled(state) => NextState::Settled(state),
            AfterAttempt::Ready => NextState::Ready,
            AfterAttempt::RetryAfter(pause) => NextState::RetryAfter(pause),
        }
    }

    /// Revives the session; whether it did.
    pub(super) async fn begin_anew(&self) -> bool {
        tracing::warn!("this process was taken for dead; it starts a new session");
        let revived = self.revive().await;
        if let Err(error) = &revived {
            tracing::warn!(%error, "the session could not be started anew");
        }
        revived.is_ok()
    }

    /// Sends reports; those that are refused for a reason that can be mended are mended and sent again, a few times.
    pub(super) async fn send(&self, mut changes: Vec<TaskChange>) {
        for _ in 0..SENT_MAX {
            if changes.is_empty() {
                return;
            }
            changes = self.send_once(changes).await;
        }
        tracing::warn!(
            reports = changes.len(),
            "the end of some attempts was refused again and again"
        );
    }

    /// A report that the store cannot take is dropped: the lease runs out and the task is tried again. Returns what is to
    /// be sent again.
    async fn send_once(&self, changes: Vec<TaskChange>) -> Vec<TaskChange> {
        let answers = match self.options.store.change_tasks(changes.clone()).await {
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(%error, "the end of some attempts could not be reported");
                return Vec::new();
            }
        };
        let mut again = Vec::new();
        let mut is_over = false;
        for (change, answer) in changes.into_iter().zip(answers) {
            match answer {
                Ok(_) => {}
                Err(ChangeRefused::SessionOver { .. }) => {
                    is_over = true;
                    again.push(change);
                }
                Err(ChangeRefused::FileSwept { file, .. }) => again.push(self.without_files(change, &file).await),
                Err(refused) => tracing::debug!(%refused, "a report changed nothing"),
            }
        }
        if is_over && !self.begin_anew().await {
            return Vec::new();
        }
        again
    }

    /// What is reported of an attempt whose files were swept before it could be told of: it failed, and the task writes
    /// them anew in its next attempt. The files are removed, as some may have been written after the sweep.
    async fn without_files(&self, change: TaskChange, swept: &str) -> TaskChange {
        for file in &change.files {
            if let Err(error) = self.options.documents.files().remove(file).await {
                tracing::debug!(%error, file, "a file that nothing refers to was not removed");
            }
        }
        let ending = Ending::Failed(written_too_slowly(swept));
        // The counts of the report hold the success, which counts nothing.
        let counts = change.counts.and(&ending);
        let next = self.next_state(counts, &ending);
        TaskChange {
            ending,
            counts,
            next,
            files: Vec::new(),
            ..change
        }
    }
}

fn written_too_slowly(file: &str) -> Failure {
    let message = format!("the file `{file}` was swept before it was confirmed");
    Failure::new(ErrorClass::Platform, "HW-T021", message)
        .help("it is written again; if it recurs, writing is too slow")
}

/// Spreads pauses; nothing else is decided by it.
fn chance() -> f64 {
    rand::random()
}
