//! Jobs: submitting, looking up, adding tasks, ending.

mod ending;
mod head;
mod record;
mod submit;

use async_trait::async_trait;
use hw_job::{JobId, JobState, SessionId, TaskId};

use super::events::id_text;
use super::row::Reader;
use super::writer::{Batch, Change, sql};
use super::{SqliteStore, to_json};
use crate::catalog::check_changes;
use crate::jobs::{JobFilter, check_ending, check_job, check_page, page_token, parse_page_token, plain_id};
use crate::{
    AddTasks, AttemptRecord, EndJob, JobChangeError, JobRecord, JobStore, NewJob, Page, PageRequest, StoreError,
    Submission, SubmitError, TaskRecord,
};
pub(super) use head::{Heads, JobHead};
pub(super) use record::{EXPIRED_TASKS, outcome_files, read_counts, read_task, task_key};
use record::{read_attempt, read_job};

#[async_trait]
impl JobStore for SqliteStore {
    async fn submit_job(&self, job: NewJob) -> Result<Submission, SubmitError> {
        check_job(&job)?;
        self.change(submit::Submit::new(job, self.unfinished_jobs_max)?).await
    }

    async fn load_job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        let row = self.row(sql(record::ONE_JOB).bind(id_text(id))).await?;
        row.map(|row| read_job(&row, self.now())).transpose()
    }

    async fn find_jobs(&self, text: &str, limit: u32) -> Result<Vec<JobId>, StoreError> {
        let begin = plain_id(text);
        let end: String = begin.chars().rev().collect();
        let rows = self
            .rows(sql(FIND).bind(begin).bind(end).bind(i64::from(limit)))
            .await?;
        rows.iter()
            .map(|row| Reader::new(row, "the list of jobs").job_id("id"))
            .collect()
    }

    async fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobRecord>, StoreError> {
        check_page(page)?;
        let before = page.after.as_deref().map(parse_page_token).transpose()?;
        let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        let list = if filter.unsettled {
            record::UNSETTLED_JOBS
        } else {
            record::ALL_JOBS
        };
        let query = sql(list)
            .bind(before.map_or(i64::MAX, super::stored))
            .bind(json_list(&filter.kinds)?)
            .bind(json_list(&states)?)
            .bind(filter.table.as_ref().map(ToString::to_string))
            .bind(filter.tag.clone())
            .bind(filter.owner.as_ref().map(|owner| owner.0.clone()))
            .bind(i64::from(page.limit) + 1);
        let rows = self.rows(query).await?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let now = self.now();
        let items: Result<Vec<_>, _> = rows.iter().take(limit).map(|row| read_job(row, now)).collect();
        let last = rows.get(limit.saturating_sub(1)).filter(|_| rows.len() > limit);
        let last = last.map(|row| Reader::new(row, "the list of jobs").number("number"));
        Ok(Page {
            items: items?,
            next: last.transpose()?.map(page_token),
        })
    }

    async fn load_tasks(&self, job: JobId) -> Result<Vec<TaskRecord>, StoreError> {
        let rows = self.rows(sql(record::TASKS_OF_JOB).bind(id_text(job))).await?;
        rows.iter().map(|row| read_task(row, self.epoch)).collect()
    }

    async fn load_task(&self, task: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        let query = sql(record::ONE_TASK)
            .bind(id_text(task.job))
            .bind(i64::from(task.index));
        let row = self.row(query).await?;
        row.map(|row| read_task(&row, self.epoch)).transpose()
    }

    async fn load_attempts(&self, job: JobId) -> Result<Vec<AttemptRecord>, StoreError> {
        let rows = self.rows(sql(record::ATTEMPTS_OF_JOB).bind(id_text(job))).await?;
        rows.iter().map(|row| read_attempt(row, job)).collect()
    }

    async fn find_key(&self, key: &str) -> Result<Option<(JobId, String)>, StoreError> {
        let row = self.row(sql(submit::KNOWN_KEY).bind(key.to_owned())).await?;
        row.map(|row| submit::read_key(&row, key)).transpose()
    }

    async fn find_result(&self, kind: &str, fingerprint: &str) -> Result<Option<JobRecord>, StoreError> {
        let query = sql(record::NEWEST_RESULT)
            .bind(fingerprint.to_owned())
            .bind(kind.to_owned());
        let row = self.row(query).await?;
        row.map(|row| read_job(&row, self.now())).transpose()
    }

    async fn add_tasks(&self, add: AddTasks) -> Result<(), JobChangeError> {
        self.change(submit::Add::new(add)?).await
    }

    async fn finish_job(&self, job: JobId) -> Result<(), JobChangeError> {
        self.change(Finish(job)).await
    }

    async fn end_job(&self, end: EndJob) -> Result<(), JobChangeError> {
        check_ending(end.job, &end.ending)?;
        check_changes(&end.changes)?;
        self.change(ending::End::new(end)?).await
    }

    async fn request_cancel(&self, job: JobId, reason: &str) -> Result<JobState, JobChangeError> {
        let reason = reason.to_owned();
        self.change(Cancel { job, reason }).await
    }

    async fn label_job(&self, job: JobId, tags: &[String]) -> Result<(), StoreError> {
        let tags = tags.to_vec();
        self.change(Label { job, tags }).await
    }

    async fn adopt_job(&self, job: JobId, from: Option<&SessionId>, to: &SessionId) -> Result<bool, StoreError> {
        let (from, to) = (from.cloned(), to.clone());
        self.change(Adopt { job, from, to }).await
    }
}

/// `g` follows every digit, so that the ranges hold what begins with the text.
const FIND: &str = "SELECT number, id FROM job WHERE id >= ?1 AND id < ?1 || 'g'
                     UNION SELECT number, id FROM job WHERE id_reversed >= ?2 AND id_reversed < ?2 || 'g'
                     ORDER BY number DESC LIMIT +?3";

#[cfg(test)]
pub(super) fn queries_with_plans() -> Vec<(&'static str, &'static str)> {
    vec![
        ("one job", record::ONE_JOB),
        ("job of a key", submit::KNOWN_KEY),
        ("newest result", record::NEWEST_RESULT),
        ("page of jobs", record::ALL_JOBS),
        ("page of unsettled jobs", record::UNSETTLED_JOBS),
        ("tasks of a job", record::TASKS_OF_JOB),
        ("attempts of a job", record::ATTEMPTS_OF_JOB),
        ("ends of ids", FIND),
    ]
}

/// A list for a filter; `None` passes all.
fn json_list<T: AsRef<str>>(words: &[T]) -> Result<Option<String>, StoreError> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    if words.is_empty() {
        Ok(None)
    } else {
        to_json(&words).map(Some)
    }
}

struct Finish(JobId);

#[async_trait]
impl Change for Finish {
    type Answer = ();
    type Refusal = JobChangeError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), JobChangeError> {
        let mut heads = Heads::of_ids(batch, [self.0]).await?;
        let head = heads.unsettled(self.0)?;
        if head.state != JobState::Finishing {
            head.state = JobState::Finishing;
            head.changed = true;
            batch.journal.job_finishing(self.0);
            heads.save(batch).await?;
        }
        Ok(())
    }
}

struct Cancel {
    job: JobId,
    reason: String,
}

#[async_trait]
impl Change for Cancel {
    type Answer = JobState;
    type Refusal = JobChangeError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<JobState, JobChangeError> {
        let heads = Heads::of_ids(batch, [self.job]).await?;
        let head = heads.get(self.job).ok_or(JobChangeError::NotFound(self.job))?;
        if head.state.is_settled() || head.cancelled {
            return Ok(head.state);
        }
        let cancel = "UPDATE job SET cancel_reason = ?2 WHERE number = ?1;
                      UPDATE task SET queued = 0 WHERE job = ?1 AND queued = 1";
        batch
            .write(sql(cancel).bind(head.number).bind(self.reason.clone()))
            .await?;
        batch.journal.cancel_requested(self.job, &self.reason);
        Ok(head.state)
    }
}

struct Label {
    job: JobId,
    tags: Vec<String>,
}

#[async_trait]
impl Change for Label {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        for tag in &self.tags {
            let add = sql("UPDATE job SET tags = json_insert(tags, '$[#]', ?2) WHERE id = ?1
                             AND NOT EXISTS (SELECT 1 FROM json_each(tags) t WHERE t.value = ?2)");
            batch.write(add.bind(id_text(self.job)).bind(tag.clone())).await?;
        }
        Ok(())
    }
}

struct Adopt {
    job: JobId,
    from: Option<SessionId>,
    to: SessionId,
}

#[async_trait]
impl Change for Adopt {
    type Answer = bool;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        let adopt = sql("UPDATE job SET owner = ?3 WHERE id = ?1 AND settled = 0 AND owner IS ?2
                         AND NOT EXISTS (SELECT 1 FROM session WHERE id = ?2)")
        .bind(id_text(self.job))
        .bind(self.from.as_ref().map(|from| from.0.clone()))
        .bind(self.to.0.clone());
        Ok(batch.write(adopt).await? > 0)
    }
}
