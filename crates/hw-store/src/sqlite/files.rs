//! The ledger of files.

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::clock::Now;
use super::row::Reader;
use super::writer::{Batch, Change, Sql, sql};
use super::{SqliteStore, stored, to_json};
use crate::{FileLedger, StoreError};

#[async_trait]
impl FileLedger for SqliteStore {
    async fn announce_files(&self, owner: &str, paths: &[String]) -> Result<(), StoreError> {
        let owner = owner.to_owned();
        self.note(Step::Announce { owner }, paths).await
    }

    async fn confirm_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.note(Step::Confirm, paths).await
    }

    async fn unreferenced_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        let rows = self.rows(unreferenced(self.now(), grace_seconds, limit)).await?;
        read_paths(&rows)
    }

    async fn condemn_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        // Most sweeps find nothing: that needs no lock.
        if self.unreferenced_files(grace_seconds, 1).await?.is_empty() {
            return Ok(Vec::new());
        }
        self.change(Condemn { grace_seconds, limit }).await
    }

    async fn release_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.note(Step::Release, paths).await
    }

    async fn forget_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.note(Step::Forget, paths).await
    }
}

impl SqliteStore {
    async fn note(&self, step: Step, paths: &[String]) -> Result<(), StoreError> {
        if paths.is_empty() {
            return Ok(());
        }
        let paths = paths.to_vec();
        self.change(Note { step, paths }).await
    }
}

const UNREFERENCED: &str = "SELECT path FROM file WHERE state <> 'confirmed' AND (since <= ?1 OR state = 'condemned')
     ORDER BY since, path LIMIT +?2";

#[cfg(test)]
pub(super) fn queries_with_plans() -> Vec<(&'static str, &'static str)> {
    vec![
        ("unreferenced files", UNREFERENCED),
        ("files to be confirmed", SWEPT),
        ("files of a job", RELEASE_BELOW),
    ]
}

fn unreferenced(now: Now, grace_seconds: u64, limit: u32) -> Sql {
    let grace = stored(grace_seconds.saturating_mul(1_000_000));
    sql(UNREFERENCED)
        .bind(now.elapsed.saturating_sub(grace))
        .bind(i64::from(limit))
}

fn read_paths(rows: &[SqliteRow]) -> Result<Vec<String>, StoreError> {
    rows.iter()
        .map(|row| Reader::new(row, "the files").text("path"))
        .collect()
}

/// Gives files to a sweeper, for good.
struct Condemn {
    grace_seconds: u64,
    limit: u32,
}

#[async_trait]
impl Change for Condemn {
    type Answer = Vec<String>;
    type Refusal = StoreError;

    /// The sweeper deletes at once: a power cut must not make what is gone look as if it could be confirmed.
    fn flush(&self) -> bool {
        true
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Vec<String>, StoreError> {
        let due = unreferenced(batch.now, self.grace_seconds, self.limit);
        let paths = read_paths(&batch.rows(due).await?)?;
        if !paths.is_empty() {
            let condemn = sql("UPDATE file SET state = 'condemned' WHERE path IN (SELECT value FROM json_each(?1))");
            batch.write(condemn.bind(to_json(&paths)?)).await?;
        }
        Ok(paths)
    }
}

enum Step {
    Announce { owner: String },
    Confirm,
    Release,
    Forget,
}

struct Note {
    step: Step,
    paths: Vec<String>,
}

#[async_trait]
impl Change for Note {
    type Answer = ();
    type Refusal = StoreError;

    fn flush(&self) -> bool {
        matches!(self.step, Step::Confirm)
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        match &self.step {
            Step::Announce { owner } => announce_files(batch, owner, &self.paths).await,
            Step::Confirm => {
                refuse_swept(batch, &self.paths).await?;
                confirm_files(batch, &self.paths).await
            }
            Step::Release => release_files(batch, &self.paths).await,
            Step::Forget => forget_files(batch, &self.paths).await,
        }
    }
}

async fn announce_files(batch: &mut Batch<'_>, owner: &str, paths: &[String]) -> Result<(), StoreError> {
    let condemned = "SELECT value AS path FROM json_each(?1) c JOIN file f ON f.path = c.value
                     WHERE f.state = 'condemned' ORDER BY c.key LIMIT 1";
    if let Some(row) = batch.row(sql(condemned).bind(to_json(paths)?)).await? {
        return Err(StoreError::FileSwept(Reader::new(&row, "the files").text("path")?));
    }
    let announce = "INSERT INTO file (path, owner, state, since)
                    SELECT value, ?2, 'announced', ?3 FROM json_each(?1) WHERE 1
                    ON CONFLICT (path) DO UPDATE SET owner = excluded.owner, state = 'announced', since = excluded.since
                    WHERE state <> 'confirmed'";
    let announce = sql(announce)
        .bind(to_json(paths)?)
        .bind(owner.to_owned())
        .bind(batch.now.elapsed);
    batch.write(announce).await?;
    Ok(())
}

/// Those of some files that can not be confirmed, in the order given.
const SWEPT: &str = "SELECT c.value AS path FROM json_each(?1) c LEFT JOIN file f ON f.path = c.value
     WHERE f.path IS NULL OR f.state = 'condemned' ORDER BY c.key";

/// Those of the files that can not be confirmed, in the order given.
pub(super) async fn swept_files(batch: &mut Batch<'_>, paths: &[String]) -> Result<Vec<String>, StoreError> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let rows = batch.rows(sql(SWEPT).bind(to_json(paths)?)).await?;
    read_paths(&rows)
}

/// Refuses all of the files if one of them can not be confirmed.
pub(super) async fn refuse_swept(batch: &mut Batch<'_>, paths: &[String]) -> Result<(), StoreError> {
    match swept_files(batch, paths).await?.into_iter().next() {
        Some(path) => Err(StoreError::FileSwept(path)),
        None => Ok(()),
    }
}

/// Confirms files of which none is swept.
pub(super) async fn confirm_files(batch: &mut Batch<'_>, paths: &[String]) -> Result<(), StoreError> {
    if paths.is_empty() {
        return Ok(());
    }
    let confirm = "UPDATE file SET state = 'confirmed', since = ?2 WHERE path IN (SELECT value FROM json_each(?1))";
    let confirm = sql(confirm).bind(to_json(paths)?).bind(batch.now.elapsed);
    batch.write(confirm).await?;
    Ok(())
}

pub(super) async fn release_files(batch: &mut Batch<'_>, paths: &[String]) -> Result<(), StoreError> {
    if paths.is_empty() {
        return Ok(());
    }
    let release = "UPDATE file SET state = 'released', since = ?2
                   WHERE state = 'confirmed' AND path IN (SELECT value FROM json_each(?1))";
    batch
        .write(sql(release).bind(to_json(paths)?).bind(batch.now.elapsed))
        .await?;
    Ok(())
}

/// Releases all files of a folder, whose name ends in `/`.
pub(super) async fn release_files_below(batch: &mut Batch<'_>, folder: &str) -> Result<(), StoreError> {
    let release = sql(RELEASE_BELOW)
        .bind(format!("{folder}{}", char::MAX))
        .bind(batch.now.elapsed)
        .bind(folder.to_owned());
    batch.write(release).await?;
    Ok(())
}

const RELEASE_BELOW: &str =
    "UPDATE file SET state = 'released', since = ?2 WHERE path > ?3 AND path < ?1 AND state = 'confirmed'";

async fn forget_files(batch: &mut Batch<'_>, paths: &[String]) -> Result<(), StoreError> {
    let forget = sql("DELETE FROM file WHERE path IN (SELECT value FROM json_each(?1))");
    batch.write(forget.bind(to_json(paths)?)).await?;
    Ok(())
}
