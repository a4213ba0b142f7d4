//! Claiming: the head of the lanes that suit the worker, a choice among it, and the leases.
//!
//! ```text
//!  gate, shared ─ look ─ lock what was chosen (SKIP LOCKED) ─ lease ─ log ─ heads of jobs, events ─ COMMIT
//! ```
//!
//! Claims do not wait for each other while they look and lease, which is most of the work: each passes over the tasks that
//! another one is taking. Only at the end do they take the log, for the jobs' counts and the events. Who holds the log never
//! waits for a task that a claim holds: the few changes that take ready tasks away (the end of a job, a cancel) close the
//! gate first, which claims pass together. So nobody waits in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hw_job::{EventSeq, Fence, JobState, TaskId, TaskState};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio::time::timeout;

use super::super::clock::{Now, StoreClock};
use super::super::fault::{Kind, fault, kind};
use super::super::jobs::{Heads, column, read_counts};
use super::super::row::{Reader, kept};
use super::super::writer::{Batch, Locks, Patience, Sql, commit, raise, roll_back, sql};
use super::super::{PostgresStore, pool_fault, stored};
use crate::limits::{ANSWER_MAX, CLAIM_ROUNDS_MAX, QUEUE_WINDOW, TRIES_MAX};
use crate::queue::{Candidate, Lane, choose, holds_any};
use crate::{Claim, ClaimedTask, StoreError};

pub(super) struct Take(pub(super) Claim);

/// What a claim needs of its store, so that it goes on though its caller gives up: no connection is left half-way.
struct Desk {
    pool: PgPool,
    locks: Arc<Locks>,
    clock: StoreClock,
    wakes: watch::Sender<EventSeq>,
    busy_timeout: Duration,
}

impl PostgresStore {
    /// Carries a claim out.
    pub(super) async fn claim(&self, take: Take) -> Result<Vec<ClaimedTask>, StoreError> {
        let desk = Desk {
            pool: self.pool.clone(),
            locks: self.locks.clone(),
            clock: self.clock.clone(),
            wakes: self.wakes.clone(),
            busy_timeout: self.busy_timeout,
        };
        let claimed = tokio::spawn(async move { desk.claim(&take).await }).await;
        claimed.unwrap_or_else(|_| Err(StoreError::Unreachable("the claim was broken off".to_owned())))
    }
}

/// What a claim took, and the number of the newest event then.
type Taken = (Vec<ClaimedTask>, Option<u64>);

/// Why a claim came to nothing.
enum Broken {
    Sql(sqlx::Error),
    Store(StoreError),
    /// The worker is given no tasks.
    Draining,
    /// The commit was not answered. What was claimed, if anything, ends with its lease.
    Unanswered,
}

impl From<StoreError> for Broken {
    fn from(fault: StoreError) -> Self {
        Self::Store(fault)
    }
}

impl From<sqlx::Error> for Broken {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl Desk {
    async fn claim(&self, take: &Take) -> Result<Vec<ClaimedTask>, StoreError> {
        let mut patience = Patience::of(self.busy_timeout);
        let mut tries = 1;
        loop {
            let broken = match self.try_once(take).await {
                Ok(claimed) => return Ok(claimed),
                Err(broken) => broken,
            };
            let (fault, again) = match broken {
                Broken::Store(fault) => return Err(fault),
                Broken::Draining => return Ok(Vec::new()),
                Broken::Unanswered => {
                    let text = "the connection broke during a claim; what it took ends with its lease";
                    return Err(StoreError::OutcomeUnknown(text.to_owned()));
                }
                Broken::Sql(error) => match kind(&error) {
                    Kind::Lost => (fault(&error), patience.wait().await),
                    Kind::Conflict => (fault(&error), tries < TRIES_MAX),
                    Kind::Final => (pool_fault(&self.pool, &error).await, false),
                },
            };
            if !again {
                return Err(fault);
            }
            tries += 1;
        }
    }

    /// One transaction. Its connection goes back to the others only if the transaction has ended.
    async fn try_once(&self, take: &Take) -> Result<Vec<ClaimedTask>, Broken> {
        let mut connection = self.pool.acquire().await?;
        let done = timeout(ANSWER_MAX, self.begin_and_commit(&mut connection, take)).await;
        if !matches!(done, Ok(Ok(_) | Err(Broken::Store(_) | Broken::Draining))) {
            connection.close_on_drop();
        }
        let (claimed, last) = done.unwrap_or(Err(Broken::Unanswered))?;
        if let Some(last) = last {
            raise(&self.wakes, EventSeq(last));
        }
        Ok(claimed)
    }

    async fn begin_and_commit(&self, connection: &mut PgConnection, take: &Take) -> Result<Taken, Broken> {
        match self.transact(connection, take).await {
            Ok(taken) => match commit(connection).await {
                Ok(()) => Ok(taken),
                Err(error) if kind(&error) == Kind::Lost => Err(Broken::Unanswered),
                Err(error) => Err(Broken::Sql(error)),
            },
            Err(broken @ (Broken::Store(_) | Broken::Draining)) => {
                roll_back(connection).await?;
                Err(broken)
            }
            Err(broken) => Err(broken),
        }
    }

    async fn transact(&self, connection: &mut PgConnection, take: &Take) -> Result<Taken, Broken> {
        let tick = self.locks.begin_claim(connection).await?;
        let now = self.clock.settle(&tick);
        let mut look = Look { connection, now };
        let chosen = take.choose(&mut look).await?;
        if chosen.is_empty() {
            return Ok((Vec::new(), None));
        }
        let mut tasks = take.lease(&mut look, &chosen).await?;
        let tick = self.locks.take_log(connection).await?;
        let mut batch = Batch::new(connection, self.clock.settle(&tick), tick.last);
        // Who gives up a session that is over does so with the log, and goes by what it finds then.
        take.check_standing(&mut batch).await?;
        let mut heads = Heads::of_numbers(&mut batch, tasks.iter().map(|task| task.job)).await?;
        for task in &mut tasks {
            take.start(&mut batch, &mut heads, task);
        }
        note_turns(&mut batch, &tasks).await?;
        heads.save(&mut batch).await?;
        let events = std::mem::take(&mut batch.journal).into_events();
        batch.append(events);
        let last = batch.finish(None).await?;
        Ok((tasks.into_iter().map(|task| task.claimed).collect(), Some(last)))
    }
}

/// A claim that looks for tasks, without the log.
struct Look<'c> {
    connection: &'c mut PgConnection,
    now: Now,
}

impl Look<'_> {
    async fn rows(&mut self, sql: Sql) -> Result<Vec<PgRow>, Broken> {
        Ok(sql.fetch_all(&mut *self.connection).await?)
    }
}

/// A task of the window. `scarce` is its lane, if it needs scarce things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Queued {
    priority: i64,
    turn: i64,
    task: i64,
    cpu_milli: u32,
    memory_bytes: u64,
    scarce: Option<String>,
    affinity: Option<String>,
}

/// A task that was chosen.
struct Chosen {
    key: i64,
    job: i64,
    priority: i64,
    turn: i64,
    claimed: ClaimedTask,
}

impl Take {
    /// Fails if the lease of the worker's session is over, or the worker is draining.
    async fn check_standing(&self, batch: &mut Batch<'_>) -> Result<(), Broken> {
        let look = "SELECT s.lease_until <= $2 AS silent FROM worker w JOIN session s ON s.id = w.session
                    WHERE w.id = $1 AND (w.draining OR s.lease_until <= $2)";
        let look = sql(look).bind(kept(&self.0.worker.0)).bind(batch.now.elapsed);
        let Some(row) = batch.row(look).await? else {
            return Ok(());
        };
        match Reader::new(&row, "a worker").truth("silent")? {
            true => Err(Broken::Store(StoreError::SessionOver(self.0.worker.clone()))),
            false => Err(Broken::Draining),
        }
    }

    /// The tasks to take, in the order in which they are taken; no other claim can take them any more.
    async fn choose(&self, look: &mut Look<'_>) -> Result<Vec<i64>, Broken> {
        let lanes = self.suiting_lanes(look).await?;
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        // Without parts to prefer, the choice seldom goes beyond the first tasks: they are looked at, and locked, by
        // themselves.
        let few = usize::try_from(self.0.slot.tasks).unwrap_or(usize::MAX);
        if self.0.holds.is_empty() && few < QUEUE_WINDOW {
            let window = self.window(look, &lanes, few, true).await?;
            let seen = window.len();
            let chosen = choose(self.candidates(window)?, &self.0.slot);
            if chosen.len() == few || (seen > 0 && seen == chosen.len()) {
                return Ok(chosen);
            }
        }
        let mut window = self.window(look, &lanes, QUEUE_WINDOW, false).await?;
        for _ in 0..CLAIM_ROUNDS_MAX {
            let chosen = choose(self.candidates(window.clone())?, &self.0.slot);
            let locked = lock(look, &chosen).await?;
            if locked.len() == chosen.len() {
                return Ok(chosen);
            }
            // The others are being taken, or were: what is left of the window is chosen from anew.
            window.retain(|queued| locked.contains(&queued.task) || !chosen.contains(&queued.task));
        }
        let chosen = choose(self.candidates(window)?, &self.0.slot);
        let locked = lock(look, &chosen).await?;
        Ok(chosen.into_iter().filter(|task| locked.contains(task)).collect())
    }

    /// The lanes with ready tasks that the worker may take.
    async fn suiting_lanes(&self, look: &mut Look<'_>) -> Result<Vec<String>, Broken> {
        let open = sql(OPEN_LANES).bind(kept(&self.0.worker.0)).bind(look.now.elapsed);
        let mut lanes = Vec::new();
        for row in look.rows(open).await? {
            let row = Reader::new(&row, "the queue");
            if row.truth("silent")? {
                return Err(Broken::Store(StoreError::SessionOver(self.0.worker.clone())));
            }
            let lane = row.text("lane")?;
            if Lane::parse(&lane)?.suits(&self.0) {
                lanes.push(lane);
            }
        }
        Ok(lanes)
    }

    /// The head of the queue as far as the worker may take it, in its order.
    async fn window(
        &self,
        look: &mut Look<'_>,
        lanes: &[String],
        limit: usize,
        locking: bool,
    ) -> Result<Vec<Queued>, Broken> {
        let lanes = lanes.iter().map(|lane| kept(lane)).collect::<Vec<_>>();
        let query = match (&self.0.owner, locking) {
            (Some(owner), false) => sql(HEAD_OF_OWNER).bind(lanes).bind(stored(limit)).bind(kept(&owner.0)),
            (Some(owner), true) => sql(HEAD_OF_OWNER_LOCKED)
                .bind(lanes)
                .bind(stored(limit))
                .bind(kept(&owner.0)),
            (None, false) => sql(HEAD_OF_LANES).bind(lanes).bind(stored(limit)),
            (None, true) => sql(HEAD_OF_LANES_LOCKED).bind(lanes).bind(stored(limit)),
        };
        let rows = look.rows(query).await?;
        let head: Result<Vec<Queued>, StoreError> = rows.iter().map(read_queued).collect();
        let mut head = head?;
        head.sort_unstable();
        head.truncate(limit);
        Ok(head)
    }

    fn candidates(&self, window: Vec<Queued>) -> Result<Vec<Candidate<i64>>, StoreError> {
        window.into_iter().map(|task| self.candidate(task)).collect()
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

    /// Leases the tasks, which are locked, and reads what their worker needs.
    async fn lease(&self, look: &mut Look<'_>, chosen: &[i64]) -> Result<Vec<Chosen>, Broken> {
        let lease = sql(LEASE)
            .bind(chosen.to_vec())
            .bind(kept(&self.0.worker.0))
            .bind(look.now.after(self.0.lease))
            .bind(look.now.wall.0)
            .bind(look.now.elapsed);
        let rows = look.rows(lease).await?;
        let jobs: Result<BTreeSet<i64>, _> = rows.iter().map(|row| Reader::new(row, "a task").value("job")).collect();
        let params = job_params(look, &jobs?).await?;
        let tasks: Result<Vec<Chosen>, StoreError> = rows.iter().map(|row| read_chosen(row, &params)).collect();
        let mut tasks = tasks?;
        let places: BTreeMap<i64, usize> = chosen.iter().copied().zip(0..).collect();
        tasks.sort_by_key(|task| places.get(&task.key).copied());
        Ok(tasks)
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
}

/// The lanes with ready tasks: one step of the index for each, however many tasks stand in them. Also whether the lease of
/// the worker's session is over.
const OPEN_LANES: &str = "WITH RECURSIVE open (lane) AS (
         (SELECT lane FROM task WHERE queued ORDER BY lane LIMIT 1)
         UNION ALL
         SELECT (SELECT task.lane FROM task WHERE task.queued AND task.lane > open.lane ORDER BY task.lane LIMIT 1)
         FROM open WHERE open.lane IS NOT NULL)
     SELECT lane, EXISTS (SELECT 1 FROM worker w JOIN session s ON s.id = w.session
                          WHERE w.id = $1 AND s.lease_until <= $2) AS silent
     FROM open WHERE lane IS NOT NULL";

macro_rules! head_of {
    ($of:literal, $where:literal, $order:literal, $lock:literal) => {
        concat!(
            "SELECT head.* FROM ",
            $of,
            " CROSS JOIN LATERAL (
                 SELECT priority, turn, task, cpu_milli, memory_bytes, affinity,
                        CASE WHEN right(lane, 2) = '}]' THEN lane END AS scarce FROM task
                 WHERE queued AND ",
            $where,
            " ORDER BY ",
            $order,
            " LIMIT $2 ",
            $lock,
            ") head"
        )
    };
}

macro_rules! head_of_lanes {
    ($lock:literal) => {
        head_of!(
            "unnest($1::text[]) AS l (lane)",
            "lane = l.lane",
            "lane, priority, turn, task",
            $lock
        )
    };
}

/// The owner's jobs are few: each gives its head, as far as the lanes suit.
macro_rules! head_of_owner {
    ($lock:literal) => {
        head_of!(
            "(SELECT number FROM job WHERE NOT settled AND owner = $3) j",
            "job = j.number AND lane = ANY($1)",
            "job, priority, turn, task",
            $lock
        )
    };
}

const HEAD_OF_LANES: &str = head_of_lanes!("");
const HEAD_OF_LANES_LOCKED: &str = head_of_lanes!("FOR UPDATE SKIP LOCKED");
const HEAD_OF_OWNER: &str = head_of_owner!("");
const HEAD_OF_OWNER_LOCKED: &str = head_of_owner!("FOR UPDATE SKIP LOCKED");

const LEASE: &str =
    "WITH leased AS (
         UPDATE task SET state = 'running', queued = false, fence = fence + 1, attempts = attempts + 1, worker = $2,
                         lease_until = $3, given_up = false, started_at = $4
         WHERE task = ANY($1) AND queued
         RETURNING task, job, priority, turn, fence, attempts, counted, lost, deaths, cpu_milli, memory_bytes,
                   CASE WHEN right(lane, 2) = '}]' THEN lane END AS scarce),
     tried AS (
         INSERT INTO attempt (task, number, fence, state, worker, started_at, started)
         SELECT task, attempts, fence, 'running', $2, $4, $5 FROM leased)
     SELECT t.task, t.job, t.priority, t.turn, t.task & 4294967295 AS idx, t.fence, t.attempts AS attempt, t.counted,
            t.lost, t.deaths, t.cpu_milli, t.memory_bytes, t.scarce, j.id AS job_id, j.kind AS job_kind, d.kind, d.format, d.params
     FROM leased t JOIN task_document d ON d.task = t.task JOIN job j ON j.number = t.job";

/// Locks those of the tasks that are still ready and that nobody else is taking.
async fn lock(look: &mut Look<'_>, chosen: &[i64]) -> Result<BTreeSet<i64>, Broken> {
    if chosen.is_empty() {
        return Ok(BTreeSet::new());
    }
    let lock = sql("SELECT task FROM task WHERE task = ANY($1) AND queued FOR UPDATE SKIP LOCKED");
    let rows = look.rows(lock.bind(chosen.to_vec())).await?;
    let locked: Result<_, StoreError> = rows
        .iter()
        .map(|row| Reader::new(row, "a task").value("task"))
        .collect();
    Ok(locked?)
}

/// Raises the turns that the queue has passed.
async fn note_turns(batch: &mut Batch<'_>, tasks: &[Chosen]) -> Result<(), StoreError> {
    let mut turns: BTreeMap<i64, i64> = BTreeMap::new();
    for task in tasks {
        let claimed = turns.entry(task.priority).or_default();
        *claimed = task.turn.max(*claimed);
    }
    let turns: Vec<(i64, i64)> = turns.into_iter().collect();
    let note = "INSERT INTO queue_turn (priority, claimed) SELECT * FROM unnest($1::bigint[], $2::bigint[])
                ON CONFLICT (priority) DO UPDATE SET claimed = greatest(queue_turn.claimed, excluded.claimed)";
    let note = sql(note)
        .bind(column(&turns, |(priority, _)| *priority))
        .bind(column(&turns, |(_, claimed)| *claimed));
    batch.write(note).await?;
    Ok(())
}

fn read_queued(row: &PgRow) -> Result<Queued, StoreError> {
    let row = Reader::new(row, "the queue");
    Ok(Queued {
        priority: row.value("priority")?,
        turn: row.value("turn")?,
        task: row.value("task")?,
        cpu_milli: row.number("cpu_milli")?,
        memory_bytes: row.number("memory_bytes")?,
        scarce: row.value("scarce")?,
        affinity: row.value("affinity")?,
    })
}

fn parse_keys(task: i64, keys: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(keys).map_err(|error| StoreError::Corrupt(format!("task row {task}: `affinity`: {error}")))
}

/// Expanded parameters of jobs, each read once however many of its tasks are claimed.
async fn job_params(look: &mut Look<'_>, jobs: &BTreeSet<i64>) -> Result<BTreeMap<i64, Arc<Value>>, Broken> {
    let query = sql("SELECT job, expanded FROM job_document WHERE job = ANY($1)");
    let query = query.bind(jobs.iter().copied().collect::<Vec<i64>>());
    let mut params = BTreeMap::new();
    for row in look.rows(query).await? {
        let job = Reader::new(&row, "a job").value("job")?;
        let row = Reader::new(&row, format_args!("job number {job}"));
        params.insert(job, Arc::new(row.json("expanded")?));
    }
    Ok(params)
}

fn read_chosen(row: &PgRow, params: &BTreeMap<i64, Arc<Value>>) -> Result<Chosen, StoreError> {
    let named = Reader::new(row, "a task");
    let id = TaskId::new(named.job_id("job_id")?, named.number("idx")?);
    let row = Reader::new(row, format_args!("task {id}"));
    let job = row.value("job")?;
    Ok(Chosen {
        key: row.value("task")?,
        job,
        priority: row.value("priority")?,
        turn: row.value("turn")?,
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
