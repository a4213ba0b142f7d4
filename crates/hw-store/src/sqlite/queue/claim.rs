//! Claiming: the head of the lanes that suit the worker, a choice among it, and the leases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use hw_job::{Fence, JobState, TaskId, TaskState};
use serde::Deserialize;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;

use super::super::jobs::{Heads, read_counts};
use super::super::row::Reader;
use super::super::to_json;
use super::super::writer::{Batch, Change, sql};
use super::until;
use crate::limits::QUEUE_WINDOW;
use crate::queue::{Candidate, Lane, choose, holds_any};
use crate::{Claim, ClaimedTask, StoreError};

pub(super) struct Take(pub(super) Claim);

#[async_trait]
impl Change for Take {
    type Answer = Vec<ClaimedTask>;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Vec<ClaimedTask>, StoreError> {
        match self.standing(batch).await? {
            Standing::Silent => return Err(StoreError::SessionOver(self.0.worker.clone())),
            Standing::Draining => return Ok(Vec::new()),
            Standing::Good => {}
        }
        let chosen = self.choose(batch).await?;
        if chosen.is_empty() {
            return Ok(Vec::new());
        }
        let mut tasks = load_chosen(batch, &chosen).await?;
        let mut heads = Heads::of_numbers(batch, tasks.iter().map(|task| task.job)).await?;
        for task in &mut tasks {
            self.start(batch, &mut heads, task);
        }
        self.lease(batch, &tasks).await?;
        heads.save(batch).await?;
        Ok(tasks.into_iter().map(|task| task.claimed).collect())
    }
}

/// A task of the window. `scarce` is its lane, if it needs scarce things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Queued {
    priority: i32,
    turn: u64,
    task: i64,
    cpu_milli: u32,
    memory_bytes: u64,
    scarce: Option<String>,
    affinity: Option<String>,
}

/// What the store holds of a worker that claims.
enum Standing {
    Good,
    /// The lease of its session is over, and there is something that it could claim.
    Silent,
    Draining,
}

/// A task that was chosen.
struct Chosen {
    key: i64,
    job: i64,
    priority: i32,
    turn: u64,
    claimed: ClaimedTask,
}

impl Take {
    async fn standing(&self, batch: &mut Batch<'_>) -> Result<Standing, StoreError> {
        let look = sql(STANDING).bind(self.0.worker.0.clone()).bind(batch.now.elapsed);
        let Some(row) = batch.row(look).await? else {
            return Ok(Standing::Good);
        };
        match Reader::new(&row, "a worker").truth("silent")? {
            true => Ok(Standing::Silent),
            false => Ok(Standing::Draining),
        }
    }

    /// The tasks to take, in the order in which they are taken.
    async fn choose(&self, batch: &mut Batch<'_>) -> Result<Vec<i64>, StoreError> {
        // Without parts to prefer, the choice seldom goes beyond the first tasks: they are looked at by themselves.
        let few = usize::try_from(self.0.slot.tasks).unwrap_or(usize::MAX);
        if self.0.holds.is_empty() && few < QUEUE_WINDOW {
            let window = self.window(batch, few).await?;
            let seen = window.len();
            let chosen = choose(window, &self.0.slot);
            if chosen.len() == few || seen < few {
                return Ok(chosen);
            }
        }
        let window = self.window(batch, QUEUE_WINDOW).await?;
        Ok(choose(window, &self.0.slot))
    }

    /// The head of the queue as far as the worker may take it.
    async fn window(&self, batch: &mut Batch<'_>, limit: usize) -> Result<Vec<Candidate<i64>>, StoreError> {
        let mut head = match &self.0.owner {
            Some(owner) => self.head_of_owner(batch, &owner.0, limit).await?,
            None => self.head_of_lanes(batch, limit).await?,
        };
        head.sort_unstable();
        head.truncate(limit);
        head.into_iter().map(|task| self.candidate(task)).collect()
    }

    fn candidate(&self, task: Queued) -> Result<Candidate<i64>, StoreError> {
        let held = match &task.affinity {
            Some(keys) if !self.0.holds.is_empty() => holds_any(&self.0, &parse_keys(task.task, keys)?),
            _ => false,
        };
        Ok(Candidate {
            task: task.task,
            cpu_milli: task.cpu_milli,
            memory_bytes: task.memory_bytes,
            scarce: Lane::scarce_of(task.scarce.as_deref())?,
            held,
        })
    }

    async fn head_of_lanes(&self, batch: &mut Batch<'_>, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let mut head = Vec::new();
        for lane in open_lanes(batch).await? {
            if Lane::parse(&lane)?.suits(&self.0) {
                let query = sql(HEAD_OF_LANE).bind(lane).bind(super::stored(limit));
                head.extend(read_head(batch.row(query).await?.as_ref())?);
            }
        }
        Ok(head)
    }

    /// The owner's jobs are few: each gives its head, as far as the lanes suit.
    async fn head_of_owner(&self, batch: &mut Batch<'_>, owner: &str, limit: usize) -> Result<Vec<Queued>, StoreError> {
        let mut suiting = Vec::new();
        for lane in open_lanes(batch).await? {
            if Lane::parse(&lane)?.suits(&self.0) {
                suiting.push(lane);
            }
        }
        let suiting = to_json(&suiting)?;
        let jobs = sql("SELECT number FROM job WHERE settled = 0 AND owner = ?1").bind(owner.to_owned());
        let mut head = Vec::new();
        for row in batch.rows(jobs).await? {
            let job: i64 = Reader::new(&row, "a job").value("number")?;
            let query = sql(HEAD_OF_JOB)
                .bind(job)
                .bind(suiting.clone())
                .bind(super::stored(limit));
            head.extend(read_head(batch.row(query).await?.as_ref())?);
        }
        Ok(head)
    }

    /// Notes the start of a task: of its job too, if it is the first.
    fn start(&self, batch: &mut Batch<'_>, heads: &mut Heads, task: &mut Chosen) {
        if let Some(head) = heads.of_number(task.job) {
            if head.state == JobState::Queued {
                head.state = JobState::Running;
                batch.journal.job_started(head.id);
            }
            head.started_at.get_or_insert(batch.now.wall.0);
            head.attempts += 1;
            head.move_task(TaskState::Ready, TaskState::Running);
        }
        let claimed = &task.claimed;
        batch.journal.task_started(claimed.id, claimed.attempt, &self.0.worker);
    }

    async fn lease(&self, batch: &mut Batch<'_>, tasks: &[Chosen]) -> Result<(), StoreError> {
        let keys: Vec<i64> = tasks.iter().map(|task| task.key).collect();
        let mut turns: BTreeMap<i32, u64> = BTreeMap::new();
        for task in tasks {
            let claimed = turns.entry(task.priority).or_default();
            *claimed = task.turn.max(*claimed);
        }
        let turns: Vec<_> = turns.into_iter().collect();
        let lease = sql(LEASE)
            .bind(to_json(&keys)?)
            .bind(self.0.worker.0.clone())
            .bind(until(batch, self.0.lease))
            .bind(batch.now.wall.0)
            .bind(batch.now.elapsed)
            .bind(to_json(&turns)?);
        batch.write(lease).await?;
        Ok(())
    }
}

/// Nothing for a worker that may claim.
pub(super) const STANDING: &str =
    "SELECT s.lease_until <= ?2 AS silent FROM worker w JOIN session s ON s.id = w.session
     WHERE w.id = ?1 AND (w.draining = 1 OR s.lease_until <= ?2) AND EXISTS (SELECT 1 FROM task WHERE queued = 1)";

/// The lanes with ready tasks: one step of the index for each, however many tasks stand in them.
pub(super) const OPEN_LANES: &str = "WITH RECURSIVE open (lane) AS (
         SELECT min(lane) FROM task WHERE queued = 1
         UNION ALL
         SELECT (SELECT min(task.lane) FROM task WHERE task.queued = 1 AND task.lane > open.lane)
         FROM open WHERE open.lane IS NOT NULL)
     SELECT lane FROM open WHERE lane IS NOT NULL";

macro_rules! select_head {
    ($index:literal, $where:literal, $limit:literal) => {
        concat!(
            "SELECT json_group_array(json_object('priority', priority, 'turn', turn, 'task', task, 'cpu_milli', cpu_milli,
                                                 'memory_bytes', memory_bytes, 'scarce', scarce, 'affinity', affinity)) AS head
             FROM (SELECT priority, turn, task, cpu_milli, memory_bytes, affinity,
                          CASE WHEN substr(lane, -2) = '}]' THEN lane END AS scarce FROM task INDEXED BY ",
            $index,
            " WHERE queued = 1 AND ",
            $where,
            " ORDER BY priority, turn, task LIMIT +",
            $limit,
            ")"
        )
    };
}

pub(super) const HEAD_OF_LANE: &str = select_head!("task_queue", "lane = ?1", "?2");

pub(super) const HEAD_OF_JOB: &str = select_head!(
    "task_queue_of_job",
    "job = ?1 AND lane IN (SELECT value FROM json_each(?2))",
    "?3"
);

const LEASE: &str =
    "UPDATE task SET state = 'running', queued = 0, fence = fence + 1, attempts = attempts + 1, worker = ?2,
                 lease_until = ?3, given_up = 0, started_at = ?4
     WHERE task IN (SELECT value FROM json_each(?1));
     INSERT INTO attempt (task, number, fence, state, worker, started_at, started)
     SELECT task, attempts, fence, 'running', ?2, ?4, ?5 FROM task WHERE task IN (SELECT value FROM json_each(?1));
     INSERT INTO queue_turn (priority, claimed) SELECT value ->> 0, value ->> 1 FROM json_each(?6) WHERE 1
     ON CONFLICT (priority) DO UPDATE SET claimed = max(claimed, excluded.claimed)";

async fn open_lanes(batch: &mut Batch<'_>) -> Result<Vec<String>, StoreError> {
    let rows = batch.rows(sql(OPEN_LANES)).await?;
    rows.iter()
        .map(|row| Reader::new(row, "the queue").text("lane"))
        .collect()
}

fn read_head(row: Option<&SqliteRow>) -> Result<Vec<Queued>, StoreError> {
    row.map_or(Ok(Vec::new()), |row| Reader::new(row, "the queue").json("head"))
}

fn parse_keys(task: i64, keys: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(keys).map_err(|error| StoreError::Corrupt(format!("task row {task}: `affinity`: {error}")))
}

async fn load_chosen(batch: &mut Batch<'_>, chosen: &[i64]) -> Result<Vec<Chosen>, StoreError> {
    let look = "SELECT t.task, t.job, t.priority, t.turn, t.task & 4294967295 AS idx, t.fence + 1 AS fence,
                       t.attempts + 1 AS attempt, t.counted, t.lost, t.deaths, t.cpu_milli, t.memory_bytes,
                       CASE WHEN substr(t.lane, -2) = '}]' THEN t.lane END AS scarce, j.id AS job_id, j.kind AS job_kind, d.kind, d.format, d.params
                FROM json_each(?1) c JOIN task t ON t.task = c.value JOIN task_document d ON d.task = t.task
                JOIN job j ON j.number = t.job ORDER BY c.key";
    let rows = batch.rows(sql(look).bind(to_json(chosen)?)).await?;
    let jobs: Result<BTreeSet<i64>, _> = rows.iter().map(|row| Reader::new(row, "a task").value("job")).collect();
    let params = job_params(batch, &jobs?).await?;
    rows.iter().map(|row| read_chosen(row, &params)).collect()
}

/// Expanded parameters of jobs, each read once however many of its tasks are claimed.
async fn job_params(batch: &mut Batch<'_>, jobs: &BTreeSet<i64>) -> Result<BTreeMap<i64, Arc<Value>>, StoreError> {
    let look = "SELECT job, expanded FROM job_document WHERE job IN (SELECT value FROM json_each(?1))";
    let mut params = BTreeMap::new();
    for row in batch.rows(sql(look).bind(to_json(jobs)?)).await? {
        let job = Reader::new(&row, "a job").value("job")?;
        let row = Reader::new(&row, format_args!("job number {job}"));
        params.insert(job, Arc::new(row.json("expanded")?));
    }
    Ok(params)
}

fn read_chosen(row: &SqliteRow, params: &BTreeMap<i64, Arc<Value>>) -> Result<Chosen, StoreError> {
    let named = Reader::new(row, "a task");
    let id = TaskId::new(named.job_id("job_id")?, named.number("idx")?);
    let row = Reader::new(row, format_args!("task {id}"));
    let job = row.value("job")?;
    Ok(Chosen {
        key: row.value("task")?,
        job,
        priority: row.number("priority")?,
        turn: row.number("turn")?,
        claimed: ClaimedTask {
            id,
            job_kind: row.text("job_kind")?,
            kind: row.text("kind")?,
            format: row.number("format")?,
            params: row.json("params")?,
            job_params: params.get(&job).cloned().unwrap_or_default(),
            fence: Fence(row.number("fence")?),
            attempt: row.number("attempt")?,
            counts: read_counts(&row)?,
            cpu_milli: row.number("cpu_milli")?,
            memory_bytes: row.number("memory_bytes")?,
            scarce: Lane::scarce_of(row.value::<Option<String>>("scarce")?.as_deref())?,
        },
    })
}
