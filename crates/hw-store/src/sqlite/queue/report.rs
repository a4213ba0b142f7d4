//! Ends of attempts: each report judged in order against what the ones before it left, then all written together.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use hw_job::{AttemptState, Ending, Failure, Fence, TaskId, TaskState, WorkerId};
use sqlx::sqlite::SqliteRow;

use super::super::files::{confirm_files, swept_files};
use super::super::jobs::{Heads, task_key};
use super::super::row::Reader;
use super::super::writer::{Batch, Change, sql};
use super::super::{stored, to_json};
use super::block::block_dependents;
use super::ready::{Freed, make_ready};
use super::until;
use crate::queue::{Judgement, Standing, judge, outcome_of, takes_away};
use crate::{ChangeRefused, NextState, StoreError, TaskChange, TaskChanged};

pub(super) struct Report(pub(super) Vec<TaskChange>);

type Answer = Result<TaskChanged, ChangeRefused>;

#[async_trait]
impl Change for Report {
    type Answer = Vec<Answer>;
    type Refusal = StoreError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Vec<Answer>, StoreError> {
        let ids: BTreeSet<_> = self.0.iter().map(|change| change.task.job).collect();
        let mut heads = Heads::of_ids(batch, ids).await?;
        let mut seen = Seen::load(batch, &heads, &self.0).await?;
        let mut effects = Effects::default();
        let mut answers = Vec::with_capacity(self.0.len());
        for change in &self.0 {
            answers.push(effects.report(batch, &mut heads, &mut seen, change)?);
        }
        effects.write(batch, &mut heads).await?;
        Ok(answers)
    }
}

/// What the store holds of the tasks and attempts that the reports are about, and what the reports so far made of it.
struct Seen {
    tasks: BTreeMap<TaskId, SeenTask>,
    attempts: BTreeMap<(TaskId, Fence), SeenAttempt>,
    /// Tasks that wait for one that succeeds now.
    waiting: BTreeMap<i64, Vec<i64>>,
    open: BTreeMap<i64, Waiting>,
    /// Files of the reports that can not be confirmed.
    swept: BTreeSet<String>,
}

struct SeenTask {
    key: i64,
    job: i64,
    state: TaskState,
    fence: Fence,
    attempts: u32,
    flow: String,
    work: (i64, i64),
    /// Who has it, if the lease of its session is over.
    silent: Option<WorkerId>,
    leased: bool,
}

struct SeenAttempt {
    number: u32,
    state: AttemptState,
}

/// A task that waits for others.
struct Waiting {
    job: i64,
    flow: String,
    state: TaskState,
    unmet: u32,
}

impl Seen {
    async fn load(batch: &mut Batch<'_>, heads: &Heads, changes: &[TaskChange]) -> Result<Self, StoreError> {
        let mut asked = Vec::with_capacity(changes.len());
        let mut succeeding = BTreeSet::new();
        for change in changes {
            let Some(head) = heads.get(change.task.job) else {
                continue;
            };
            let key = task_key(head.number, change.task.index);
            asked.push((key, stored(change.fence.0)));
            if head.dependencies && outcome_of(&change.ending).is_some() {
                succeeding.insert(key);
            }
        }
        let mut seen = Self {
            tasks: BTreeMap::new(),
            attempts: BTreeMap::new(),
            waiting: BTreeMap::new(),
            open: BTreeMap::new(),
            swept: BTreeSet::new(),
        };
        seen.load_tasks(batch, &asked).await?;
        seen.load_waiting(batch, &succeeding).await?;
        let files: Vec<String> = changes.iter().flat_map(|change| change.files.iter().cloned()).collect();
        seen.swept = swept_files(batch, &files).await?.into_iter().collect();
        Ok(seen)
    }

    async fn load_tasks(&mut self, batch: &mut Batch<'_>, asked: &[(i64, i64)]) -> Result<(), StoreError> {
        for row in batch
            .rows(sql(LOOK).bind(to_json(asked)?).bind(batch.now.elapsed))
            .await?
        {
            self.take(&row)?;
        }
        Ok(())
    }

    fn take(&mut self, row: &SqliteRow) -> Result<(), StoreError> {
        let named = Reader::new(row, "a task");
        let id = TaskId::new(named.job_id("job_id")?, named.number("idx")?);
        let row = Reader::new(row, format_args!("task {id}"));
        let task = SeenTask {
            key: row.value("task")?,
            job: row.value("job")?,
            state: row.word("state", TaskState::from_name)?,
            fence: Fence(row.number("fence")?),
            attempts: row.number("attempts")?,
            flow: row.text("flow")?,
            work: (row.value("rows")?, row.value("bytes")?),
            silent: row.value::<Option<String>>("silent")?.map(WorkerId),
            leased: row.truth("leased")?,
        };
        self.tasks.insert(id, task);
        if row.value::<Option<i64>>("attempt")?.is_some() {
            let attempt = SeenAttempt {
                number: row.number("attempt")?,
                state: row.word("attempt_state", AttemptState::from_name)?,
            };
            self.attempts.insert((id, Fence(row.number("asked")?)), attempt);
        }
        Ok(())
    }

    async fn load_waiting(&mut self, batch: &mut Batch<'_>, succeeding: &BTreeSet<i64>) -> Result<(), StoreError> {
        if succeeding.is_empty() {
            return Ok(());
        }
        let look =
            "SELECT a.before, t.task, t.job, t.flow, t.state, t.unmet FROM task_after a JOIN task t ON t.task = a.task
                    WHERE a.before IN (SELECT value FROM json_each(?1)) ORDER BY a.before, t.task";
        for row in batch.rows(sql(look).bind(to_json(succeeding)?)).await? {
            let freed = Freed::read(&row)?;
            let row = Reader::new(&row, "a waiting task");
            self.waiting.entry(row.value("before")?).or_default().push(freed.task);
            let waiting = Waiting {
                job: freed.job,
                flow: freed.flow,
                state: row.word("state", TaskState::from_name)?,
                unmet: row.number("unmet")?,
            };
            self.open.insert(freed.task, waiting);
        }
        Ok(())
    }

    /// The tasks that waited for this one only.
    fn free_dependents(&mut self, before: i64) -> Vec<Freed> {
        let mut freed = Vec::new();
        for task in self.waiting.remove(&before).unwrap_or_default() {
            let Some(waiting) = self.open.get_mut(&task) else {
                continue;
            };
            waiting.unmet = waiting.unmet.saturating_sub(1);
            if waiting.unmet == 0 && waiting.state == TaskState::Waiting {
                waiting.state = TaskState::Ready;
                freed.push(Freed {
                    task,
                    job: waiting.job,
                    flow: waiting.flow.clone(),
                });
            }
        }
        freed
    }
}

/// What is to be written.
#[derive(Default)]
struct Effects {
    tasks: Vec<TaskRow>,
    attempts: Vec<AttemptRow>,
    outcomes: Vec<(i64, String)>,
    late: Vec<(i64, u32)>,
    files: Vec<String>,
    freed: Vec<Freed>,
    succeeded: BTreeSet<i64>,
    /// What became of the tasks, in the order of the reports.
    ended: Vec<(i64, TaskState)>,
}

/// Key, state, raise of the fence, counted, lost, deaths, not before, failure, whether settled, rows, bytes.
type TaskRow = (
    i64,
    &'static str,
    i64,
    u32,
    u32,
    u32,
    Option<i64>,
    Option<String>,
    bool,
    i64,
    i64,
);
/// Key, number, state, failure.
type AttemptRow = (i64, u32, &'static str, Option<String>);

impl Effects {
    fn report(
        &mut self,
        batch: &mut Batch<'_>,
        heads: &mut Heads,
        seen: &mut Seen,
        change: &TaskChange,
    ) -> Result<Answer, StoreError> {
        let id = change.task;
        let Some(task) = seen.tasks.get(&id) else {
            return Ok(Err(ChangeRefused::NotFound(id)));
        };
        let attempt = seen.attempts.get_mut(&(id, change.fence));
        let standing = Standing {
            state: task.state,
            fence: task.fence,
            attempt: attempt.as_ref().map(|attempt| attempt.state),
            silent: task.silent.clone(),
            leased: task.leased,
        };
        match judge(change, standing) {
            Judgement::Apply(to) => {
                if let Some(file) = change.files.iter().find(|file| seen.swept.contains(*file)).cloned() {
                    return Ok(Err(ChangeRefused::FileSwept { task: id, file }));
                }
                self.apply(batch, heads, seen, change, to)?;
                Ok(Ok(TaskChanged { state: to }))
            }
            Judgement::Repeated => Ok(Ok(TaskChanged { state: task.state })),
            Judgement::Refused { why, mark_late } => {
                if let Some(attempt) = attempt.filter(|_| mark_late) {
                    attempt.state = AttemptState::Late;
                    self.late.push((task.key, attempt.number));
                    batch.journal.task_late(id, attempt.number);
                }
                Ok(Err(why))
            }
        }
    }

    fn apply(
        &mut self,
        batch: &mut Batch<'_>,
        heads: &mut Heads,
        seen: &mut Seen,
        change: &TaskChange,
        to: TaskState,
    ) -> Result<(), StoreError> {
        let Some(task) = seen.tasks.get_mut(&change.task) else {
            return Ok(());
        };
        batch.journal.attempt_ended(change.task, task.attempts, to);
        let before = task.work;
        if let Some(work) = change.work {
            task.work = (stored(work.rows), stored(work.bytes));
        }
        let after = task.work;
        self.note_task(batch, task, change, to)?;
        let raise = u64::from(takes_away(&change.ending));
        task.state = to;
        if let Some(attempt) = seen.attempts.get_mut(&(change.task, task.fence)) {
            attempt.state = change.ending.attempt_state();
        }
        task.fence = Fence(task.fence.0 + raise);
        let (key, job, flow) = (task.key, task.job, task.flow.clone());
        if let Some(head) = heads.of_number(job) {
            head.move_task(TaskState::Running, to);
            head.documents |= to == TaskState::Succeeded;
            head.rows += after.0 - before.0;
            head.bytes += after.1 - before.1;
        }
        if to == TaskState::Ready {
            self.freed.push(Freed { task: key, job, flow });
        }
        if to == TaskState::Succeeded {
            self.free_dependents(heads, seen, key);
        }
        self.ended.push((key, to));
        self.files.extend(change.files.iter().cloned());
        Ok(())
    }

    fn note_task(
        &mut self,
        batch: &Batch<'_>,
        task: &SeenTask,
        change: &TaskChange,
        to: TaskState,
    ) -> Result<(), StoreError> {
        let failure = failure_of(&change.ending).map(to_json).transpose()?;
        let not_before = match change.next {
            NextState::RetryAfter(pause) => Some(until(batch, pause)),
            NextState::Ready | NextState::Settled(_) => None,
        };
        let counts = change.counts;
        let raise = i64::from(takes_away(&change.ending));
        let attempt_state = change.ending.attempt_state().as_str();
        self.attempts
            .push((task.key, task.attempts, attempt_state, failure.clone()));
        self.tasks.push((
            task.key,
            to.as_str(),
            raise,
            counts.counted,
            counts.lost,
            counts.deaths,
            not_before,
            failure,
            to.is_settled(),
            task.work.0,
            task.work.1,
        ));
        if let Some(outcome) = outcome_of(&change.ending) {
            self.outcomes.push((task.key, to_json(outcome)?));
        }
        Ok(())
    }

    fn free_dependents(&mut self, heads: &mut Heads, seen: &mut Seen, before: i64) {
        self.succeeded.insert(before);
        for freed in seen.free_dependents(before) {
            if let Some(head) = heads.of_number(freed.job) {
                head.move_task(TaskState::Waiting, TaskState::Ready);
            }
            self.freed.push(freed);
        }
    }

    async fn write(self, batch: &mut Batch<'_>, heads: &mut Heads) -> Result<(), StoreError> {
        if !self.tasks.is_empty() {
            let write = sql(WRITE_ENDS)
                .bind(to_json(&self.tasks)?)
                .bind(to_json(&self.attempts)?)
                .bind(batch.now.wall.0)
                .bind(batch.now.elapsed);
            batch.write(write).await?;
        }
        if !self.outcomes.is_empty() {
            let insert = "INSERT OR REPLACE INTO task_outcome (task, document)
                          SELECT value ->> 0, value ->> 1 FROM json_each(?1)";
            batch.write(sql(insert).bind(to_json(&self.outcomes)?)).await?;
        }
        if !self.late.is_empty() {
            let mark = "UPDATE attempt SET state = 'late'
                        WHERE (task, number) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))";
            batch.write(sql(mark).bind(to_json(&self.late)?)).await?;
        }
        write_dependencies(batch, heads, &self.succeeded).await?;
        block_dependents(batch, heads, &self.ended).await?;
        confirm_files(batch, &self.files).await?;
        make_ready(batch, heads, &self.freed).await?;
        heads.save(batch).await
    }
}

pub(super) const LOOK: &str =
    "SELECT t.task, t.job, t.task & 4294967295 AS idx, j.id AS job_id, t.state, t.fence, t.attempts, t.flow, t.rows, t.bytes,
                           c.value ->> 1 AS asked, a.number AS attempt, a.state AS attempt_state,
                           coalesce(t.lease_until > ?2, 0) AS leased,
                           (SELECT w.id FROM worker w JOIN session s ON s.id = w.session
                            WHERE w.id = t.worker AND s.lease_until <= ?2) AS silent
                    FROM json_each(?1) c JOIN task t ON t.task = c.value ->> 0 JOIN job j ON j.number = t.job
                    LEFT JOIN attempt a ON a.task = t.task AND a.fence = c.value ->> 1";

const WRITE_ENDS: &str =
    "UPDATE task SET state = c.state, fence = fence + c.raise, counted = c.counted, lost = c.lost, deaths = c.deaths,
                 not_before = c.not_before, failure = c.failure, worker = NULL, lease_until = NULL,
                 ended_at = iif(c.settled, ?3, NULL), rows = c.rows, bytes = c.bytes
     FROM (SELECT value ->> 0 AS task, value ->> 1 AS state, value ->> 2 AS raise, value ->> 3 AS counted,
                  value ->> 4 AS lost, value ->> 5 AS deaths, value ->> 6 AS not_before, value ->> 7 AS failure,
                  value ->> 8 AS settled, value ->> 9 AS rows, value ->> 10 AS bytes
           FROM json_each(?1)) c
     WHERE task.task = c.task;
     UPDATE attempt SET state = c.state, ended_at = ?3, took = max(?4 - started, 0), failure = c.failure
     FROM (SELECT value ->> 0 AS task, value ->> 1 AS number, value ->> 2 AS state, value ->> 3 AS failure
           FROM json_each(?2)) c
     WHERE attempt.task = c.task AND attempt.number = c.number";

/// Takes the tasks that succeeded off the lists of those that wait for them.
async fn write_dependencies(
    batch: &mut Batch<'_>,
    heads: &mut Heads,
    succeeded: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    let mut dependencies = |task: &&i64| heads.of_number(**task >> 32).is_some_and(|head| head.dependencies);
    let before: Vec<i64> = succeeded.iter().filter(&mut dependencies).copied().collect();
    if before.is_empty() {
        return Ok(());
    }
    let write = "UPDATE task SET unmet = unmet - c.met
                 FROM (SELECT task, count(*) AS met FROM task_after
                       WHERE before IN (SELECT value FROM json_each(?1)) GROUP BY task) c
                 WHERE task.task = c.task;
                 DELETE FROM task_after WHERE before IN (SELECT value FROM json_each(?1))";
    batch.write(sql(write).bind(to_json(&before)?)).await?;
    Ok(())
}

fn failure_of(ending: &Ending) -> Option<&Failure> {
    match ending {
        Ending::Failed(failure) => Some(failure),
        Ending::Succeeded(_) | Ending::Cancelled | Ending::TimedOut | Ending::Lost { .. } | Ending::Preempted => None,
    }
}
