//! Making jobs, and tasks of jobs.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{JobId, JobState, Progress, TaskCounts, TaskSpec, TaskState};
use sqlx::postgres::PgRow;

use super::super::catalog::touch_tables;
use super::super::clock::micros;
use super::super::document::write_document;
use super::super::events::id_text;
use super::super::queue::{Turns, block_dependents};
use super::super::row::{Reader, kept, kept_all};
use super::super::writer::{Batch, Change, sql};
use super::super::{stored, to_json};
use super::head::column;
use super::record::{JobDetails, TaskDetails, task_key};
use super::{Heads, JobHead};
use crate::jobs::check_tasks;
use crate::queue::Lane;
use crate::{AddTasks, JobChangeError, NewJob, StoreError, Submission, SubmitError};

pub(super) struct Submit {
    job: NewJob,
    unfinished_jobs_max: u32,
    /// Texts, made before the lock is taken.
    details: String,
    params: String,
    expanded: String,
    tasks: NewTasks,
}

pub(super) const KNOWN_KEY: &str =
    "SELECT i.request, j.id FROM idempotency i JOIN job j ON j.number = i.job WHERE i.key = $1";

/// The job of an idempotency key, and the request that it was made for.
pub(super) fn read_key(row: &PgRow, key: &str) -> Result<(JobId, String), StoreError> {
    let row = Reader::new(row, format_args!("idempotency key `{key}`"));
    Ok((row.job_id("id")?, row.text("request")?))
}

impl Submit {
    pub(super) fn new(job: NewJob, unfinished_jobs_max: u32) -> Result<Self, StoreError> {
        let details = JobDetails {
            warnings: job.warnings.clone(),
            reads: job.reads.clone(),
            timeout_micros: job.timeout.map(|timeout| micros(timeout).unsigned_abs()),
            not_before: job.not_before,
            deadline: job.deadline,
            parent: job.parent,
            lifetime: job.lifetime,
        };
        Ok(Self {
            details: write_document(&details)?,
            params: to_json(&job.params)?,
            expanded: to_json(&job.expanded)?,
            tasks: NewTasks {
                delay: job.not_before.map(|due| due.after).filter(|delay| !delay.is_zero()),
                ..NewTasks::new(0, job.tasks.clone())?
            },
            unfinished_jobs_max,
            job,
        })
    }

    /// The answer to a submission whose idempotency key is known.
    async fn known(&self, batch: &mut Batch<'_>) -> Result<Option<Submission>, SubmitError> {
        let Some(idempotency) = &self.job.idempotency else {
            return Ok(None);
        };
        let look = sql(KNOWN_KEY).bind(kept(&idempotency.key));
        let Some(row) = batch.row(look).await? else {
            return Ok(None);
        };
        let (job, request) = read_key(&row, &idempotency.key)?;
        if request == idempotency.request {
            return Ok(Some(Submission::Existing(job)));
        }
        let key = idempotency.key.clone();
        Err(SubmitError::KeyConflict { key, job })
    }

    async fn check_room(&self, batch: &mut Batch<'_>) -> Result<(), SubmitError> {
        let look = "SELECT EXISTS (SELECT 1 FROM job WHERE id = $1) AS taken,
                           (SELECT count(*) FROM job WHERE NOT settled) AS open";
        let row = batch.row(sql(look).bind(id_text(self.job.id))).await?;
        let row = row.ok_or_else(|| StoreError::Corrupt("jobs cannot be counted".to_owned()))?;
        let row = Reader::new(&row, "the list of jobs");
        if row.truth("taken")? {
            return Err(StoreError::Misuse(format!("job {} exists already", self.job.id)).into());
        }
        let limit = self.unfinished_jobs_max;
        if row.number::<u64>("open")? >= u64::from(limit) {
            return Err(SubmitError::QueueFull { limit });
        }
        Ok(())
    }

    /// Inserts the job with the counts that its tasks will have; returns its head.
    async fn insert(&self, batch: &mut Batch<'_>) -> Result<JobHead, StoreError> {
        let job = &self.job;
        let counts = self.tasks.counts(&BTreeSet::new());
        let id = id_text(job.id);
        let insert =
            "INSERT INTO job (id, id_reversed, kind, format, state, progress, task_counts, tasks, priority, tags,
                                       owner, fingerprint, dependencies, created_at, created)
                      VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING number";
        let insert = sql(insert)
            .bind(id.clone())
            .bind(id.chars().rev().collect::<String>())
            .bind(kept(&job.kind))
            .bind(i64::from(job.format))
            .bind(self.tasks.progress()?)
            .bind(to_json(&counts)?)
            .bind(stored(job.tasks.len()))
            .bind(i64::from(job.priority))
            .bind(kept_all(&job.tags))
            .bind(kept(&job.owner.0))
            .bind(job.fingerprint.as_deref().map(kept))
            .bind(self.tasks.any_dependency())
            .bind(batch.now.wall.0)
            .bind(batch.now.elapsed);
        let rows = batch.write_returning(insert).await?;
        let row = rows
            .first()
            .ok_or_else(|| StoreError::Corrupt("a job got no number".to_owned()))?;
        Ok(JobHead {
            number: Reader::new(row, "a new job").value("number")?,
            id: job.id,
            kind: job.kind.clone(),
            state: JobState::Queued,
            cancelled: false,
            counts,
            tasks: stored(job.tasks.len()).try_into().unwrap_or(u32::MAX),
            attempts: 0,
            priority: job.priority,
            dependencies: self.tasks.any_dependency(),
            documents: false,
            started_at: None,
            rows: 0,
            bytes: 0,
            changed: false,
        })
    }

    async fn insert_documents(&self, batch: &mut Batch<'_>, number: i64) -> Result<(), StoreError> {
        let insert = "INSERT INTO job_document (job, params, expanded, details) VALUES ($1, $2, $3, $4)";
        let insert = sql(insert)
            .bind(number)
            .bind(self.params.clone())
            .bind(self.expanded.clone())
            .bind(self.details.clone());
        batch.write(insert).await?;
        if !self.job.reads.is_empty() {
            let insert = "INSERT INTO job_read (job, position, name, version)
                          SELECT $1, c.place, c.name, c.version
                          FROM unnest($2::text[], $3::bigint[]) WITH ORDINALITY AS c (name, version, place)";
            let insert = sql(insert)
                .bind(number)
                .bind(column(&self.job.reads, |(name, _)| name.to_string()))
                .bind(column(&self.job.reads, |(_, version)| stored(version.0)));
            batch.write(insert).await?;
        }
        if let Some(idempotency) = &self.job.idempotency {
            let insert = sql("INSERT INTO idempotency (key, request, job) VALUES ($1, $2, $3)")
                .bind(kept(&idempotency.key))
                .bind(kept(&idempotency.request))
                .bind(number);
            batch.write(insert).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Change for Submit {
    type Answer = Submission;
    type Refusal = SubmitError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<Submission, SubmitError> {
        if let Some(known) = self.known(batch).await? {
            return Ok(known);
        }
        self.check_room(batch).await?;
        touch_tables(batch, self.job.reads.iter().map(|(name, _)| name)).await?;
        let head = self.insert(batch).await?;
        self.insert_documents(batch, head.number).await?;
        batch.journal.job_submitted(self.job.id, &self.job.kind);
        self.tasks.insert(batch, &head, &BTreeSet::new()).await?;
        Ok(Submission::Created)
    }
}

/// More tasks for a job.
pub(super) struct Add {
    add: AddTasks,
    tasks: NewTasks,
}

impl Add {
    pub(super) fn new(add: AddTasks) -> Result<Self, StoreError> {
        let tasks = NewTasks::new(add.first_index, add.tasks.clone())?;
        Ok(Self { add, tasks })
    }
}

#[async_trait]
impl Change for Add {
    type Answer = ();
    type Refusal = JobChangeError;

    async fn make(&self, batch: &mut Batch<'_>) -> Result<(), JobChangeError> {
        let mut heads = Heads::of_ids(batch, [self.add.job]).await?;
        let head = heads.unsettled(self.add.job)?;
        if head.tasks != self.add.first_index {
            return Err(JobChangeError::TasksMoved {
                job: self.add.job,
                expected: self.add.first_index,
                found: head.tasks,
            });
        }
        check_tasks(self.add.job, self.add.first_index, &self.add.tasks)?;
        let succeeded = self.tasks.succeeded_before(batch, head.number).await?;
        for (state, count) in self.tasks.counts(&succeeded).0 {
            *head.counts.0.entry(state).or_default() += count;
        }
        head.tasks += u32::try_from(self.add.tasks.len()).unwrap_or(u32::MAX);
        head.dependencies |= self.tasks.any_dependency();
        head.changed = true;
        let number = head.number;
        self.tasks.insert(batch, head, &succeeded).await?;
        self.tasks.note_stage(batch, number).await?;
        let needed = self.tasks.needed_before(batch, number).await?;
        block_dependents(batch, &mut heads, &needed).await?;
        heads.save(batch).await?;
        Ok(())
    }
}

/// Tasks on their way into the tables.
struct NewTasks {
    first_index: u32,
    specs: Vec<TaskSpec>,
    /// None of them is ready before this time has passed.
    delay: Option<Duration>,
    /// Texts of the documents, by task: parameters, details.
    documents: Vec<(String, String)>,
}

impl NewTasks {
    fn new(first_index: u32, specs: Vec<TaskSpec>) -> Result<Self, StoreError> {
        let mut documents = Vec::with_capacity(specs.len());
        for spec in &specs {
            let details = TaskDetails {
                needs: spec.needs.clone(),
                after: spec.after.clone(),
            };
            documents.push((to_json(&spec.params)?, write_document(&details)?));
        }
        Ok(Self {
            first_index,
            documents,
            delay: None,
            specs,
        })
    }

    /// Progress of a job that begins with them.
    fn progress(&self) -> Result<String, StoreError> {
        to_json(&Progress {
            stage: self
                .specs
                .first()
                .map(|task| task.stage().to_owned())
                .unwrap_or_default(),
            ..Progress::default()
        })
    }

    async fn note_stage(&self, batch: &mut Batch<'_>, job: i64) -> Result<(), StoreError> {
        if !self.specs.is_empty() {
            let note = sql("UPDATE job SET progress = $2 WHERE number = $1");
            batch.write(note.bind(job).bind(self.progress()?)).await?;
        }
        Ok(())
    }

    fn any_dependency(&self) -> bool {
        self.specs.iter().any(|spec| !spec.after.is_empty())
    }

    /// How many of them are ready and how many wait, if those tasks have succeeded already.
    fn counts(&self, succeeded: &BTreeSet<u32>) -> TaskCounts {
        TaskCounts::of(self.specs.iter().map(|spec| match self.is_ready(spec, succeeded) {
            true => TaskState::Ready,
            false => TaskState::Waiting,
        }))
    }

    fn is_ready(&self, spec: &TaskSpec, succeeded: &BTreeSet<u32>) -> bool {
        self.delay.is_none() && unmet(spec, succeeded).is_empty()
    }

    /// Those of the tasks waited for that have succeeded already.
    async fn succeeded_before(&self, batch: &mut Batch<'_>, job: i64) -> Result<BTreeSet<u32>, StoreError> {
        let before = self.specs.iter().flat_map(|spec| &spec.after);
        let earlier = before.filter(|index| **index < self.first_index);
        let keys: Vec<i64> = earlier.map(|index| task_key(job, *index)).collect();
        if keys.is_empty() {
            return Ok(BTreeSet::new());
        }
        let look = "SELECT task & 4294967295 AS idx FROM task
                    WHERE task = ANY($1) AND state = 'succeeded'";
        let rows = batch.rows(sql(look).bind(keys)).await?;
        rows.iter()
            .map(|row| Reader::new(row, "a task").number("idx"))
            .collect()
    }

    /// The earlier tasks that any of them needs, each with its state.
    async fn needed_before(&self, batch: &mut Batch<'_>, job: i64) -> Result<Vec<(i64, TaskState)>, StoreError> {
        let before = self.specs.iter().flat_map(|spec| &spec.after);
        let earlier = before.filter(|index| **index < self.first_index);
        let keys: Vec<i64> = earlier.map(|index| task_key(job, *index)).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let look = "SELECT task, state FROM task WHERE task = ANY($1) ORDER BY task";
        let rows = batch.rows(sql(look).bind(keys)).await?;
        let states = rows.iter().map(|row| {
            let row = Reader::new(row, "a task");
            Ok((row.value("task")?, row.word("state", TaskState::from_name)?))
        });
        states.collect()
    }

    /// Inserts them, each ready or waiting.
    async fn insert(&self, batch: &mut Batch<'_>, job: &JobHead, succeeded: &BTreeSet<u32>) -> Result<(), StoreError> {
        if self.specs.is_empty() {
            return Ok(());
        }
        let heads = self.heads(batch, job, succeeded).await?;
        let insert = "INSERT INTO task (task, job, state, queued, lane, priority, turn, flow, cpu_milli, memory_bytes,
                                        affinity, unmet, not_before, created_at)
                      SELECT ($1 << 32) | c.index, $1, c.state, c.queued, c.lane, $2, c.turn, c.flow, c.cpu_milli,
                             c.memory_bytes, c.affinity, c.unmet, c.not_before, $3
                      FROM unnest($4::bigint[], $5::text[], $6::boolean[], $7::text[], $8::bigint[], $9::text[],
                                  $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::bigint[])
                           AS c (index, state, queued, lane, turn, flow, cpu_milli, memory_bytes, affinity, unmet,
                                 not_before)";
        let insert = sql(insert)
            .bind(job.number)
            .bind(i64::from(job.priority))
            .bind(batch.now.wall.0)
            .bind(column(&heads, |head| head.index))
            .bind(column(&heads, |head| head.state.to_owned()))
            .bind(column(&heads, |head| head.queued))
            .bind(column(&heads, |head| kept(&head.lane)))
            .bind(column(&heads, |head| stored(head.turn)))
            .bind(column(&heads, |head| kept(head.flow)))
            .bind(column(&heads, |head| head.cpu_milli))
            .bind(column(&heads, |head| head.memory_bytes))
            .bind(column(&heads, |head| head.affinity.clone()))
            .bind(column(&heads, |head| head.unmet))
            .bind(column(&heads, |head| head.not_before));
        batch.write(insert).await?;
        self.insert_documents(batch, job.number).await?;
        self.insert_dependencies(batch, job.number, succeeded).await
    }

    /// A statement by itself: it refers to the rows of the one before.
    async fn insert_documents(&self, batch: &mut Batch<'_>, job: i64) -> Result<(), StoreError> {
        let insert = "INSERT INTO task_document (task, kind, format, params, details)
                      SELECT ($1 << 32) | ($2 + c.place - 1), c.kind, c.format, c.params, c.details
                      FROM unnest($3::text[], $4::bigint[], $5::text[], $6::text[]) WITH ORDINALITY
                           AS c (kind, format, params, details, place)";
        let insert = sql(insert)
            .bind(job)
            .bind(i64::from(self.first_index))
            .bind(column(&self.specs, |spec| kept(&spec.kind)))
            .bind(column(&self.specs, |spec| i64::from(spec.format)))
            .bind(column(&self.documents, |(params, _)| params.clone()))
            .bind(column(&self.documents, |(_, details)| details.clone()));
        batch.write(insert).await?;
        Ok(())
    }

    async fn heads<'s>(
        &'s self,
        batch: &mut Batch<'_>,
        job: &JobHead,
        succeeded: &BTreeSet<u32>,
    ) -> Result<Vec<TaskRow<'s>>, StoreError> {
        let queued = |spec: &TaskSpec| !job.cancelled && self.is_ready(spec, succeeded);
        let not_before = self.delay.map(|delay| batch.now.after(delay));
        let flows = self.specs.iter().filter(|spec| queued(spec));
        let flows = flows.map(|spec| (spec.flow.clone(), job.priority)).collect();
        let mut turns = Turns::load(batch, &flows).await?;
        let mut rows = Vec::with_capacity(self.specs.len());
        for (index, spec) in (self.first_index..).zip(&self.specs) {
            let unmet = unmet(spec, succeeded).len();
            let turn = if queued(spec) {
                turns.deal(&spec.flow, job.priority)
            } else {
                0
            };
            let ready = self.is_ready(spec, succeeded);
            if ready {
                batch.journal.task_ready(job.id);
            }
            rows.push(TaskRow {
                index: i64::from(index),
                state: if ready { "ready" } else { "waiting" },
                queued: queued(spec),
                lane: Lane::of(spec).to_text()?,
                turn,
                flow: &spec.flow,
                cpu_milli: i64::from(spec.needs.cpu_milli),
                memory_bytes: stored(spec.needs.memory_bytes),
                affinity: (!spec.affinity.is_empty())
                    .then(|| to_json(&spec.affinity))
                    .transpose()?,
                unmet: stored(unmet),
                not_before: not_before.filter(|_| unmet == 0),
            });
        }
        Ok(rows)
    }

    async fn insert_dependencies(
        &self,
        batch: &mut Batch<'_>,
        job: i64,
        succeeded: &BTreeSet<u32>,
    ) -> Result<(), StoreError> {
        let mut pairs = Vec::new();
        for (index, spec) in (self.first_index..).zip(&self.specs) {
            let open = unmet(spec, succeeded).into_iter();
            pairs.extend(open.map(|before| (task_key(job, before), task_key(job, index))));
        }
        if pairs.is_empty() {
            return Ok(());
        }
        let (before, tasks): (Vec<i64>, Vec<i64>) = pairs.into_iter().unzip();
        let insert = "INSERT INTO task_after (before, task) SELECT * FROM unnest($1::bigint[], $2::bigint[])";
        batch.write(sql(insert).bind(before).bind(tasks)).await?;
        Ok(())
    }
}

/// A new row of the table of tasks.
struct TaskRow<'s> {
    index: i64,
    state: &'static str,
    queued: bool,
    lane: String,
    turn: u64,
    flow: &'s str,
    cpu_milli: i64,
    memory_bytes: i64,
    affinity: Option<String>,
    unmet: i64,
    not_before: Option<i64>,
}

/// The tasks that the task still waits for, each once.
fn unmet(spec: &TaskSpec, succeeded: &BTreeSet<u32>) -> BTreeSet<u32> {
    let open = spec.after.iter().filter(|before| !succeeded.contains(before));
    open.copied().collect()
}
