//! Processes, their workers, and tokens.

use std::time::Duration;

use async_trait::async_trait;
use hw_job::{SessionId, WorkerId};
use sqlx::sqlite::SqliteRow;

use super::clock::micros;
use super::row::Reader;
use super::writer::{Batch, Change, sql};
use super::{SqliteStore, to_json};
use crate::sessions::unknown_session;
use crate::{NewSession, Role, SessionRecord, SessionStore, StoreError, TokenRecord, WorkerRecord};

#[async_trait]
impl SessionStore for SqliteStore {
    async fn start_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.change(Start(session)).await
    }

    async fn renew_session(&self, id: &SessionId, lease: Duration) -> Result<bool, StoreError> {
        let id = id.clone();
        self.change(Renew { id, lease }).await
    }

    async fn end_session(&self, id: &SessionId) -> Result<(), StoreError> {
        self.change(End(id.clone())).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let now = self.now().elapsed;
        let query =
            "SELECT id, role, host, pid, process_start, version, lease, started_at, lease_until <= ?1 AS expired
                     FROM session ORDER BY number";
        let rows = self.rows(sql(query).bind(now)).await?;
        rows.iter().map(read_session).collect()
    }

    async fn put_worker(&self, worker: WorkerRecord) -> Result<(), StoreError> {
        self.change(Put(worker)).await
    }

    async fn drain_worker(&self, worker: &WorkerId, draining: bool) -> Result<bool, StoreError> {
        let worker = worker.clone();
        self.change(Drain { worker, draining }).await
    }

    async fn list_workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        let query = "SELECT id, session, slots, labels, draining,
                            (SELECT count(*) FROM task WHERE state = 'running' AND worker = worker.id) AS running
                     FROM worker ORDER BY id";
        self.rows(sql(query)).await?.iter().map(read_worker).collect()
    }

    async fn create_token(&self, token: TokenRecord) -> Result<bool, StoreError> {
        self.change(Create(token)).await
    }

    async fn find_token(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError> {
        let query = "SELECT name, role, hash, created_at, expires_at FROM token WHERE hash = ?1 ORDER BY name LIMIT 1";
        let row = self.row(sql(query).bind(hash.to_owned())).await?;
        row.as_ref().map(read_token).transpose()
    }

    async fn list_tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        let query = "SELECT name, role, hash, created_at, expires_at FROM token ORDER BY name";
        self.rows(sql(query)).await?.iter().map(read_token).collect()
    }

    async fn drop_token(&self, name: &str) -> Result<bool, StoreError> {
        self.change(DropToken(name.to_owned())).await
    }
}

struct Start(NewSession);

#[async_trait]
impl Change for Start {
    type Answer = ();
    type Refusal = StoreError;

    fn flush(&self) -> bool {
        true
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let session = &self.0;
        let start = "INSERT INTO session (id, role, host, pid, process_start, version, lease, started_at, lease_until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                     ON CONFLICT (id) DO UPDATE
                     SET role = excluded.role, host = excluded.host, pid = excluded.pid, lease = excluded.lease,
                         process_start = excluded.process_start, version = excluded.version,
                         lease_until = excluded.lease_until";
        let start = sql(start)
            .bind(session.id.0.clone())
            .bind(session.role.clone())
            .bind(session.host.clone())
            .bind(i64::from(session.pid))
            .bind(session.process_start.clone())
            .bind(session.version.clone())
            .bind(micros(session.lease))
            .bind(batch.now.wall.0)
            .bind(batch.now.after(session.lease));
        batch.write(start).await?;
        Ok(())
    }
}

struct Renew {
    id: SessionId,
    lease: Duration,
}

#[async_trait]
impl Change for Renew {
    type Answer = bool;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        let renew = sql("UPDATE session SET lease_until = ?2 WHERE id = ?1")
            .bind(self.id.0.clone())
            .bind(batch.now.after(self.lease));
        Ok(batch.write(renew).await? > 0)
    }
}

struct End(SessionId);

#[async_trait]
impl Change for End {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let session = &self.0;
        let workers = sql("SELECT id FROM worker WHERE session = ?1 ORDER BY id").bind(session.0.clone());
        for row in batch.rows(workers).await? {
            let worker = Reader::new(&row, "a worker").text("id")?;
            batch.journal.worker_left(&WorkerId(worker), session);
        }
        let end = "UPDATE task SET given_up = 1, lease_until = min(lease_until, ?2)
                   WHERE state = 'running' AND worker IN (SELECT id FROM worker WHERE session = ?1);
                   DELETE FROM worker WHERE session = ?1;
                   DELETE FROM session WHERE id = ?1;
                   UPDATE job SET owner = NULL WHERE settled = 0 AND owner = ?1";
        batch
            .write(sql(end).bind(session.0.clone()).bind(batch.now.elapsed))
            .await?;
        Ok(())
    }
}

struct Put(WorkerRecord);

#[async_trait]
impl Change for Put {
    type Answer = ();
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        let worker = &self.0;
        let look = "SELECT EXISTS (SELECT 1 FROM session WHERE id = ?1) AS lives,
                           EXISTS (SELECT 1 FROM worker WHERE id = ?2) AS known";
        let row = batch
            .row(sql(look).bind(worker.session.0.clone()).bind(worker.id.0.clone()))
            .await?;
        let row = row.ok_or_else(|| unknown_session(worker))?;
        let row = Reader::new(&row, format_args!("worker `{}`", worker.id));
        if !row.truth("lives")? {
            return Err(unknown_session(worker));
        }
        if !row.truth("known")? {
            batch.journal.worker_joined(&worker.id, &worker.session);
        }
        let put = "INSERT OR REPLACE INTO worker (id, session, slots, labels, draining) VALUES (?1, ?2, ?3, ?4, ?5)";
        let put = sql(put)
            .bind(worker.id.0.clone())
            .bind(worker.session.0.clone())
            .bind(i64::from(worker.slots))
            .bind(to_json(&worker.labels)?)
            .bind(i64::from(worker.draining));
        batch.write(put).await?;
        Ok(())
    }
}

struct Drain {
    worker: WorkerId,
    draining: bool,
}

#[async_trait]
impl Change for Drain {
    type Answer = bool;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        let drain = sql("UPDATE worker SET draining = ?2 WHERE id = ?1");
        let drain = drain.bind(self.worker.0.clone()).bind(i64::from(self.draining));
        Ok(batch.write(drain).await? > 0)
    }
}

struct Create(TokenRecord);

#[async_trait]
impl Change for Create {
    type Answer = bool;
    type Refusal = StoreError;

    fn flush(&self) -> bool {
        true
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        let token = &self.0;
        let create = "INSERT INTO token (name, role, hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)
                      ON CONFLICT (name) DO NOTHING";
        let create = sql(create)
            .bind(token.name.clone())
            .bind(role_word(token.role))
            .bind(token.hash.clone())
            .bind(token.created_at.0)
            .bind(token.expires_at.map(|at| at.0));
        Ok(batch.write(create).await? > 0)
    }
}

struct DropToken(String);

#[async_trait]
impl Change for DropToken {
    type Answer = bool;
    type Refusal = StoreError;

    fn flush(&self) -> bool {
        true
    }

    async fn make(&self, batch: &mut Batch<'_>) -> Result<bool, StoreError> {
        let drop = sql("DELETE FROM token WHERE name = ?1").bind(self.0.clone());
        Ok(batch.write(drop).await? > 0)
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Read => "read",
        Role::Write => "write",
        Role::Admin => "admin",
    }
}

fn parse_role(word: &str) -> Option<Role> {
    [Role::Read, Role::Write, Role::Admin]
        .into_iter()
        .find(|role| role_word(*role) == word)
}

fn read_session(row: &SqliteRow) -> Result<SessionRecord, StoreError> {
    let id = SessionId(Reader::new(row, "a session").text("id")?);
    let row = Reader::new(row, format_args!("session `{id}`"));
    Ok(SessionRecord {
        session: NewSession {
            id,
            role: row.text("role")?,
            host: row.text("host")?,
            pid: row.number("pid")?,
            process_start: row.text("process_start")?,
            version: row.text("version")?,
            lease: row.duration_if_any("lease")?.unwrap_or_default(),
        },
        started_at: row.timestamp("started_at")?,
        expired: row.truth("expired")?,
    })
}

fn read_worker(row: &SqliteRow) -> Result<WorkerRecord, StoreError> {
    let id = WorkerId(Reader::new(row, "a worker").text("id")?);
    let row = Reader::new(row, format_args!("worker `{id}`"));
    Ok(WorkerRecord {
        id,
        session: SessionId(row.text("session")?),
        slots: row.number("slots")?,
        labels: row.json("labels")?,
        draining: row.truth("draining")?,
        running: row.number("running")?,
    })
}

fn read_token(row: &SqliteRow) -> Result<TokenRecord, StoreError> {
    let name = Reader::new(row, "a token").text("name")?;
    let row = Reader::new(row, format_args!("token `{name}`"));
    Ok(TokenRecord {
        name,
        role: row.word("role", parse_role)?,
        hash: row.text("hash")?,
        created_at: row.timestamp("created_at")?,
        expires_at: row.timestamp_if_any("expires_at")?,
    })
}
