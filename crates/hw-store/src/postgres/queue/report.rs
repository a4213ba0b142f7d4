//! Ends of attempts: each report judged in order against what the ones before it left, then all written together.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use hw_job::{AttemptCounts, AttemptState, Ending, Failure, Fence, TaskId, TaskState, WorkerId};
use sqlx::postgres::PgRow;

use super::super::files::{confirm_files, swept_files};
use super::super::jobs::{Heads, column, task_key};
use super::super::row::Reader;
use super::super::writer::{Batch, Change, Sql, sql};
use super::super::{stored, to_json};
use super::block::block_dependents;
use super::ready::{Freed, make_ready};
use super::until;
use crate::queue::{Judgement, Standing, judge, outcome_of, takes_away};
use crate::{ChangeRefused, NextState, StoreError, TaskChange, TaskChanged};

#[derive(Default)]
pub(in super::super) struct Report(pub(in super::super) Vec<TaskChange>);

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
        let look = sql(LOOK)
            .bind(column(asked, |(task, _)| *task))
            .bind(batch.now.elapsed)
            .bind(column(asked, |(_, fence)| *fence));
        for row in batch.rows(look).await? {
            self.take(&row)?;
        }
        Ok(())
    }

    fn take(&mut self, row: &PgRow) -> Result<(), StoreError> {
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
            silent: row.text_if_any("silent")?.map(WorkerId),
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
                    WHERE a.before = ANY($1) ORDER BY a.before, t.task";
        let succeeding: Vec<i64> = succeeding.iter().copied().collect();
        for row in batch.rows(sql(look).bind(succeeding)).await? {
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
    outcomes: Vec<(i64, String)>,
    late: Vec<(i64, u32)>,
    files: Vec<String>,
    freed: Vec<Freed>,
    succeeded: BTreeSet<i64>,
    /// What became of the tasks, in the order of the reports.
    ended: Vec<(i64, TaskState)>,
}

/// What becomes of a task and its attempt.
struct TaskRow {
    task: i64,
    attempt: u32,
    state: TaskState,
    attempt_state: AttemptState,
    raise: i64,
    counts: AttemptCounts,
    not_before: Option<i64>,
    failure: Option<String>,
    work: (i64, i64),
}

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
        self.tasks.push(TaskRow {
            task: task.key,
            attempt: task.attempts,
            state: to,
            attempt_state: change.ending.attempt_state(),
            raise: i64::from(takes_away(&change.ending)),
            counts: change.counts,
            not_before,
            failure,
            work: task.work,
        });
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
            batch.write(write_ends(batch, &self.tasks)).await?;
        }
        if !self.outcomes.is_empty() {
            // One statement cannot write a row twice.
            let outcomes: BTreeMap<i64, String> = self.outcomes.into_iter().collect();
            let (tasks, documents): (Vec<i64>, Vec<String>) = outcomes.into_iter().unzip();
            let insert = "INSERT INTO task_outcome (task, document) SELECT * FROM unnest($1::bigint[], $2::text[])
                          ON CONFLICT (task) DO UPDATE SET document = excluded.document";
            batch.write(sql(insert).bind(tasks).bind(documents)).await?;
        }
        if !self.late.is_empty() {
            let mark = "UPDATE attempt SET state = 'late'
                        WHERE (task, number) IN (SELECT * FROM unnest($1::bigint[], $2::bigint[]))";
            let mark = sql(mark)
                .bind(column(&self.late, |(task, _)| *task))
                .bind(column(&self.late, |(_, number)| i64::from(*number)));
            batch.write(mark).await?;
        }
        write_dependencies(batch, heads, &self.succeeded).await?;
        block_dependents(batch, heads, &self.ended).await?;
        confirm_files(batch, &self.files).await?;
        make_ready(batch, heads, &self.freed).await?;
        heads.save(batch).await
    }
}

const LOOK: &str =
    "SELECT t.task, t.job, t.task & 4294967295 AS idx, j.id AS job_id, t.state, t.fence, t.attempts, t.flow, t.rows, t.bytes,
            c.fence AS asked, a.number AS attempt, a.state AS attempt_state,
            coalesce(t.lease_until > $2, false) AS leased,
            (SELECT w.id FROM worker w JOIN session s ON s.id = w.session
             WHERE w.id = t.worker AND s.lease_until <= $2) AS silent
     FROM unnest($1::bigint[], $3::bigint[]) AS c (task, fence)
     JOIN task t ON t.task = c.task JOIN job j ON j.number = t.job
     LEFT JOIN attempt a ON a.task = t.task AND a.fence = c.fence";

const WRITE_ENDS: &str =
    "WITH c AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[],
                                     $7::bigint[], $8::bigint[], $9::bigint[], $10::text[], $11::boolean[],
                                     $12::bigint[], $13::bigint[])
                     AS c (task, attempt, state, attempt_state, raise, counted, lost, deaths, not_before, failure,
                           settled, rows, bytes)),
          ended AS (
              UPDATE attempt SET state = c.attempt_state, ended_at = $14, took = greatest($15 - attempt.started, 0),
                                 failure = c.failure
              FROM c WHERE attempt.task = c.task AND attempt.number = c.attempt)
     UPDATE task SET state = c.state, fence = task.fence + c.raise, counted = c.counted, lost = c.lost,
                     deaths = c.deaths, not_before = c.not_before, failure = c.failure, worker = NULL,
                     lease_until = NULL, ended_at = CASE WHEN c.settled THEN $14 END, rows = c.rows, bytes = c.bytes
     FROM c WHERE task.task = c.task";

fn write_ends(batch: &Batch<'_>, tasks: &[TaskRow]) -> Sql {
    sql(WRITE_ENDS)
        .bind(column(tasks, |task| task.task))
        .bind(column(tasks, |task| i64::from(task.attempt)))
        .bind(column(tasks, |task| task.state.as_str().to_owned()))
        .bind(column(tasks, |task| task.attempt_state.as_str().to_owned()))
        .bind(column(tasks, |task| task.raise))
        .bind(column(tasks, |task| i64::from(task.counts.counted)))
        .bind(column(tasks, |task| i64::from(task.counts.lost)))
        .bind(column(tasks, |task| i64::from(task.counts.deaths)))
        .bind(column(tasks, |task| task.not_before))
        .bind(column(tasks, |task| task.failure.clone()))
        .bind(column(tasks, |task| task.state.is_settled()))
        .bind(column(tasks, |task| task.work.0))
        .bind(column(tasks, |task| task.work.1))
        .bind(batch.now.wall.0)
        .bind(batch.now.elapsed)
}

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
    let write = "WITH met AS (SELECT task, count(*) AS count FROM task_after WHERE before = ANY($1) GROUP BY task),
                      gone AS (DELETE FROM task_after WHERE before = ANY($1))
                 UPDATE task SET unmet = task.unmet - met.count FROM met WHERE task.task = met.task";
    batch.write(sql(write).bind(before)).await?;
    Ok(())
}

fn failure_of(ending: &Ending) -> Option<&Failure> {
    match ending {
        Ending::Failed(failure) => Some(failure),
        Ending::Succeeded(_) | Ending::Cancelled | Ending::TimedOut | Ending::Lost { .. } | Ending::Preempted => None,
    }
}
