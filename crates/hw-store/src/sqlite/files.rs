//! The ledger of files.

use async_trait::async_trait;

use super::row::Reader;
use super::writer::{Batch, Change, sql};
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
        let grace = stored(grace_seconds.saturating_mul(1_000_000));
        let query = "SELECT path FROM file WHERE state <> 'confirmed' AND since <= ?1 ORDER BY since, path LIMIT ?2";
        let query = sql(query)
            .bind(self.now().elapsed.saturating_sub(grace))
            .bind(i64::from(limit));
        let rows = self.rows(query).await?;
        rows.iter()
            .map(|row| Reader::new(row, "the files").text("path"))
            .collect()
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
            Step::Confirm => confirm_files(batch, &self.paths).await,
            Step::Release => release_files(batch, &self.paths).await,
            Step::Forget => forget_files(batch, &self.paths).await,
        }
    }
}

async fn announce_files(batch: &mut Batch<'_>, owner: &str, paths: &[String]) -> Result<(), StoreError> {
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

pub(super) async fn confirm_files(batch: &mut Batch<'_>, paths: &[String]) -> Result<(), StoreError> {
    if paths.is_empty() {
        return Ok(());
    }
    let confirm = "INSERT INTO file (path, owner, state, since)
                   SELECT value, '', 'confirmed', ?2 FROM json_each(?1) WHERE 1
                   ON CONFLICT (path) DO UPDATE SET state = 'confirmed', since = excluded.since";
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

async fn forget_files(batch: &mut Batch<'_>, paths: &[String]) -> Result<(), StoreError> {
    let forget = sql("DELETE FROM file WHERE path IN (SELECT value FROM json_each(?1))");
    batch.write(forget.bind(to_json(paths)?)).await?;
    Ok(())
}
