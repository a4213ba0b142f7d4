//! Forgetting what is over, in bounded steps, so that no transaction holds the lock for long.

use std::time::Duration;

use async_trait::async_trait;
use hw_job::JobId;

use super::clock::{mark_clock, micros};
use super::files::{release_files, release_files_below};
use super::jobs::{outcome_files, task_key};
use super::listeners::SLOWEST;
use super::row::Reader;
use super::writer::{Batch, Change, sql};
use super::{stored, to_json};
use crate::jobs::job_folder;
use crate::limits::{
    LISTENER_WAIT_MAX, PRUNED_EVENTS_MAX, PRUNED_JOBS_MAX, PRUNED_RESULTS_MAX, PRUNED_TASKS_MAX, PRUNED_VERSIONS_MAX,
};
use crate::{Retention, StoreError};

pub(super) struct Prune(pub(super) Retention);

#[async_trait]
impl Change for Prune {
    type Answer = u64;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<u64, StoreError> {
        let results = prune_results(batch, self.0.results).await?;
        let jobs = prune_jobs(batch, self.0.jobs).await?;
        let events = prune_events(batch, self.0.events).await?;
        let versions = prune_versions(batch).await?;
        Ok(results + jobs + events + versions)
    }
}

/// The instant before which something must have ended to be older than this.
fn before(batch: &Batch<'_>, keep: Duration) -> i64 {
    batch.now.elapsed.saturating_sub(micros(keep))
}

async fn prune_results(batch: &mut Batch<'_>, keep: Duration) -> Result<u64, StoreError> {
    let old =
        "SELECT number, id FROM job WHERE settled = 1 AND documents = 1 AND ended <= ?1 ORDER BY number LIMIT +?2";
    let old = sql(old).bind(before(batch, keep)).bind(stored(PRUNED_RESULTS_MAX));
    let mut gone = 0;
    for row in batch.rows(old).await? {
        let row = Reader::new(&row, "a job");
        drop_documents(batch, row.value("number")?, row.job_id("id")?).await?;
        gone += 1;
    }
    Ok(gone)
}

/// Drops the result and the outcomes of a job and releases the files that they refer to, and all others of the job.
async fn drop_documents(batch: &mut Batch<'_>, job: i64, id: JobId) -> Result<(), StoreError> {
    let (first, last) = (task_key(job, 0), task_key(job, u32::MAX));
    let files = "SELECT document FROM job_result WHERE job = ?1 AND document LIKE '{\"file\":%'
                 UNION ALL
                 SELECT document FROM task_outcome WHERE task BETWEEN ?2 AND ?3 AND document LIKE '{\"file\":%'";
    let files = batch.rows(sql(files).bind(job).bind(first).bind(last)).await?;
    let files = outcome_files(&files)?;
    let drop = "DELETE FROM job_result WHERE job = ?1;
                DELETE FROM task_outcome WHERE task BETWEEN ?2 AND ?3;
                UPDATE job SET documents = 0 WHERE number = ?1";
    batch.write(sql(drop).bind(job).bind(first).bind(last)).await?;
    release_files(batch, &files).await?;
    release_files_below(batch, &job_folder(id)).await
}

async fn prune_jobs(batch: &mut Batch<'_>, keep: Duration) -> Result<u64, StoreError> {
    let old = "SELECT number, id, tasks FROM job WHERE settled = 1 AND ended <= ?1 ORDER BY number LIMIT +?2";
    let old = sql(old).bind(before(batch, keep)).bind(stored(PRUNED_JOBS_MAX));
    let (mut tasks, mut gone) = (0, 0);
    for row in batch.rows(old).await? {
        if tasks >= PRUNED_TASKS_MAX {
            break;
        }
        let row = Reader::new(&row, "a job");
        let number = row.value("number")?;
        tasks += row.number::<u64>("tasks")?;
        drop_documents(batch, number, row.job_id("id")?).await?;
        let drop = "DELETE FROM task WHERE task BETWEEN ?2 AND ?3; DELETE FROM job WHERE number = ?1";
        let drop = sql(drop)
            .bind(number)
            .bind(task_key(number, 0))
            .bind(task_key(number, u32::MAX));
        batch.write(drop).await?;
        gone += 1;
    }
    Ok(gone)
}

/// Oldest first: events lie in the order of their times. What a listener has not read waits for it for a while.
async fn prune_events(batch: &mut Batch<'_>, keep: Duration) -> Result<u64, StoreError> {
    let slowest = batch.row(sql(SLOWEST)).await?;
    let slowest: i64 = slowest.map_or(Ok(i64::MAX), |row| Reader::new(&row, "the listeners").value("cursor"))?;
    let drop = "DELETE FROM event WHERE seq IN (SELECT seq FROM event ORDER BY seq LIMIT +?2)
                AND elapsed <= ?1 AND (seq <= ?3 OR elapsed <= ?4)";
    let drop = sql(drop)
        .bind(before(batch, keep))
        .bind(stored(PRUNED_EVENTS_MAX))
        .bind(slowest)
        .bind(before(batch, keep.saturating_add(LISTENER_WAIT_MAX)));
    let gone = batch.write(drop).await?;
    if gone > 0 {
        mark_clock(batch).await?;
    }
    Ok(gone)
}

/// Parts of versions that are neither current nor read by an unsettled job.
async fn prune_versions(batch: &mut Batch<'_>) -> Result<u64, StoreError> {
    let old = "SELECT p.schema, p.name, p.version FROM table_parts p
               LEFT JOIN catalog_table t ON t.schema = p.schema AND t.name = p.name
               WHERE t.document IS NULL OR t.version <> p.version
               ORDER BY p.schema, p.name, p.version";
    let mut gone = Vec::new();
    for row in batch.rows(sql(old)).await? {
        let row = Reader::new(&row, "the parts of a table");
        let (schema, name, version) = (row.text("schema")?, row.text("name")?, row.value::<i64>("version")?);
        let table = hw_catalog::TableName::new(&schema, &name).map_err(|error| row.corrupt("name", error))?;
        if gone.len() < PRUNED_VERSIONS_MAX && !is_pinned(batch, table.to_string(), version).await? {
            gone.push((schema, name, version));
        }
    }
    if gone.is_empty() {
        return Ok(0);
    }
    let gone = to_json(&gone)?;
    let files = own_files(batch, &gone).await?;
    let drop = "DELETE FROM table_parts
                WHERE (schema, name, version) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1))";
    let count = batch.write(sql(drop).bind(gone)).await?;
    release_unmentioned(batch, files).await?;
    Ok(count)
}

/// The parts of these versions that are files of ours; those of datasets are not.
async fn own_files(batch: &mut Batch<'_>, versions: &str) -> Result<Vec<String>, StoreError> {
    let own = "SELECT DISTINCT f.path AS path FROM table_parts p, json_each(p.document, '$.value') e
               JOIN file f ON f.path = e.value ->> 'path'
               WHERE (p.schema, p.name, p.version) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1))
                 AND f.state = 'confirmed'";
    let rows = batch.rows(sql(own).bind(versions.to_owned())).await?;
    rows.iter()
        .map(|row| Reader::new(row, "the files").text("path"))
        .collect()
}

/// Releases those of the files that no version of any table has among its parts.
async fn release_unmentioned(batch: &mut Batch<'_>, files: Vec<String>) -> Result<(), StoreError> {
    if files.is_empty() {
        return Ok(());
    }
    let unmentioned = "SELECT value AS path FROM json_each(?1) WHERE value NOT IN
                       (SELECT e.value ->> 'path' FROM table_parts p, json_each(p.document, '$.value') e)";
    let rows = batch.rows(sql(unmentioned).bind(to_json(&files)?)).await?;
    let paths = rows.iter().map(|row| Reader::new(row, "the files").text("path"));
    let paths: Vec<String> = paths.collect::<Result<_, _>>()?;
    release_files(batch, &paths).await
}

/// Whether an unsettled job reads this version.
async fn is_pinned(batch: &mut Batch<'_>, name: String, version: i64) -> Result<bool, StoreError> {
    let look = "SELECT 1 FROM job_read r JOIN job j ON j.number = r.job
                WHERE r.name = ?1 AND r.version = ?2 AND j.settled = 0 LIMIT 1";
    Ok(batch.row(sql(look).bind(name).bind(version)).await?.is_some())
}
