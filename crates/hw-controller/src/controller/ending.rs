//! The end of jobs: the result and what takes effect with it, or why there is none.

use hw_catalog::{TableName, TableVersion};
use hw_job::{Command, ErrorClass, Failure, JobEnding, JobEvent, JobId, Merged, StoredDocument, TaskState};
use hw_store::{EndJob, JobChangeError, StoreError, TaskRecord};

use super::{Controller, Step};

/// What takes effect together with a job's end.
#[derive(Default)]
pub(super) struct Merge {
    pub(super) changes: Vec<hw_job::CatalogChange>,
    pub(super) files: Vec<String>,
}

impl Controller {
    /// Marks a job as finishing; `false` if it has ended meanwhile.
    pub(super) async fn show_finishing(&self, job: JobId) -> Result<bool, StoreError> {
        match self.store().finish_job(job).await {
            Ok(()) => Ok(true),
            Err(JobChangeError::Store(error)) => Err(error),
            Err(refused) => {
                tracing::debug!(%job, %refused, "the job ended before its result was made");
                self.look_anew(job);
                Ok(false)
            }
        }
    }

    /// Keeps the result and ends the job with it.
    pub(super) async fn finish(&self, job: JobId, merged: Merged, step: &mut Step) -> Result<Vec<Command>, StoreError> {
        let Merged {
            result,
            partial,
            changes,
            files,
        } = merged;
        let ending = match self.options.documents.keep(job, result).await {
            Ok(result) => JobEnding::Succeeded { result, partial },
            Err(error) => {
                let message = format!("the result could not be written: {error}");
                JobEnding::Failed(
                    Failure::new(ErrorClass::Platform, "HW-J016", message).help("make room and run it again"),
                )
            }
        };
        let merge = match ending {
            JobEnding::Succeeded { .. } => Merge {
                changes,
                files: files.iter().filter_map(path_of).collect(),
            },
            _ => Merge::default(),
        };
        if let Some(active) = self.state().active.get_mut(&job) {
            // The course learns the end; the command that follows from it is carried out here, with the changes.
            active.course.apply(JobEvent::Merged(ending.clone()));
        }
        self.end(job, ending, merge, step).await?;
        Ok(Vec::new())
    }

    pub(super) async fn end(
        &self,
        job: JobId,
        ending: JobEnding,
        merge: Merge,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let flush = !merge.changes.is_empty();
        let result = match &ending {
            JobEnding::Succeeded { result, .. } => path_of(result),
            _ => None,
        };
        let files = merge.files.into_iter().chain(result.clone()).collect();
        let end = EndJob {
            job,
            ending,
            changes: merge.changes,
            files,
            flush,
        };
        let ended = match self.store().end_job(end).await {
            Err(JobChangeError::TableMoved { name, expected, found }) => {
                let failure = table_moved(&name, expected, found);
                self.store().end_job(failed_end(job, failure)).await
            }
            Err(JobChangeError::Store(StoreError::Misuse(reason))) => {
                self.store().end_job(failed_end(job, refused_by_store(&reason))).await
            }
            // What the tasks brought cannot be written anew here.
            Err(JobChangeError::Store(StoreError::FileSwept(file))) if Some(&file) != result.as_ref() => {
                self.store().end_job(failed_end(job, file_swept(&file))).await
            }
            other => other,
        };
        match ended {
            Ok(()) | Err(JobChangeError::Settled { .. } | JobChangeError::NotFound(_)) => {
                self.abandon(job);
                step.ended += 1;
                self.ended.send_modify(|count| *count += 1);
                Ok(())
            }
            Err(JobChangeError::Store(StoreError::FileSwept(file))) => {
                tracing::info!(%job, file, "the result was written too slowly; it is merged and written anew");
                self.look_anew(job);
                Ok(())
            }
            Err(JobChangeError::Store(error)) => Err(error),
            Err(refused) => {
                tracing::error!(%job, %refused, "the end of a job was refused");
                self.look_anew(job);
                Ok(())
            }
        }
    }
}

fn path_of(document: &StoredDocument) -> Option<String> {
    match document {
        StoredDocument::Inline(_) => None,
        StoredDocument::File { path, .. } => Some(path.clone()),
    }
}

/// Why a task did not succeed.
pub(crate) fn failure_of(task: &TaskRecord) -> Failure {
    let failure = task.failure.clone();
    if task.state == TaskState::Quarantined && (failure.is_none() || task.counts.deaths > 0) {
        let message = format!(
            "task {} was given up after {} attempts: its worker died {} times, it was lost {} times",
            task.id, task.attempts, task.counts.deaths, task.counts.lost
        );
        return Failure::new(ErrorClass::Platform, "HW-J013", message)
            .help(format!(
                "`headwater task show {}` tells of its attempts; its job has ended, so run it again when the cause is mended: \
                 most often a task needs more memory than its worker had",
                task.id
            ));
    }
    failure.unwrap_or_else(|| {
        Failure::new(
            ErrorClass::Internal,
            "HW-J012",
            format!("task {} is {}", task.id, task.state.as_str()),
        )
    })
}

fn table_moved(name: &TableName, expected: TableVersion, found: TableVersion) -> Failure {
    // A job that makes a table looked at no version of it.
    let message = match expected {
        TableVersion(0) => format!("table `{name}` was made while the job ran: it is there now as version {found}"),
        _ => format!("table `{name}` changed while the job ran: it read version {expected}, now there is {found}"),
    };
    Failure::new(ErrorClass::Input, "HW-J018", message).help("run it again on the table as it is now")
}

fn file_swept(file: &str) -> Failure {
    let message = format!("the file `{file}` that a task brought was swept before the job ended");
    Failure::new(ErrorClass::Platform, "HW-T021", message).help("run it again")
}

/// What the store will never take is not tried again.
pub(super) fn refused_by_store(reason: &str) -> Failure {
    let message = format!("the store refused what the job's kind made: {reason}");
    Failure::new(ErrorClass::Internal, "HW-J026", message).help("this is a bug of ours; please report it")
}

fn failed_end(job: JobId, failure: Failure) -> EndJob {
    EndJob {
        job,
        ending: JobEnding::Failed(failure),
        changes: Vec::new(),
        files: Vec::new(),
        flush: false,
    }
}
