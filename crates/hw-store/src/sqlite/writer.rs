//! The one writer of a process: changes that arrive together share a transaction, each with its own outcome.
//!
//! ```text
//!  callers ──▶ channel ──▶ BEGIN IMMEDIATE ─ change ─ change ─ change ─ events ─ COMMIT ──▶ replies, wake-up
//! ```
//!
//! A change looks before it writes, so that a refused one leaves nothing. If one fails after it began to write, or the
//! commit itself fails, the transaction is rolled back and each change of the batch is tried again by itself: the
//! others do not suffer. Events are written last, numbered in the order of commits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{Clock, EventSeq, NewEvent};
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::clock::{Epoch, Now};
use super::events::insert_events;
use super::fault::fault;
use super::row::Reader;
use super::tail::Tail;
use crate::StoreError;
use crate::journal::Journal;
use crate::limits::{BUSY_RETRY_PAUSE, COURTESY_PAUSE, WRITE_STRETCH_MAX, WRITES_QUEUED_MAX};
use crate::trouble::Trouble;

/// A prepared statement with its values.
pub(super) type Sql = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// A statement; give its values with `bind`. A limit among them is written `LIMIT +?1`: SQLite looks into a bare one to choose a
/// plan, and prepares the statement anew whenever it is bound.
pub(super) fn sql(text: &'static str) -> Sql {
    sqlx::query(text)
}

/// A change of the store. It may be made more than once if a transaction fails: only the last time counts.
#[async_trait]
pub(super) trait Change: Send + Sync + 'static {
    type Answer: Send + 'static;
    type Refusal: From<StoreError> + Send + 'static;

    /// Whether it must survive a power cut once it is acknowledged.
    fn flush(&self) -> bool {
        false
    }

    /// Makes the change within the transaction. A refusal comes before anything was written.
    async fn make(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Self::Refusal>;
}

/// A transaction that holds the write lock.
pub(super) struct Batch<'c> {
    connection: &'c mut SqliteConnection,
    pub(super) now: Now,
    /// Events of the change that is being made.
    pub(super) journal: Journal,
    events: Vec<NewEvent>,
    last_event: u64,
    touched: bool,
    /// Whether anything will reach the disk.
    wrote: bool,
}

impl Batch<'_> {
    pub(super) async fn rows(&mut self, sql: Sql) -> Result<Vec<SqliteRow>, StoreError> {
        sql.fetch_all(&mut *self.connection)
            .await
            .map_err(|error| fault(&error))
    }

    pub(super) async fn row(&mut self, sql: Sql) -> Result<Option<SqliteRow>, StoreError> {
        sql.fetch_optional(&mut *self.connection)
            .await
            .map_err(|error| fault(&error))
    }

    /// Writes; returns the number of rows concerned.
    pub(super) async fn write(&mut self, sql: Sql) -> Result<u64, StoreError> {
        self.touched = true;
        let done = sql
            .execute(&mut *self.connection)
            .await
            .map_err(|error| fault(&error))?;
        self.wrote |= done.rows_affected() > 0;
        Ok(done.rows_affected())
    }

    /// Writes and returns what the statement answers.
    pub(super) async fn write_returning(&mut self, sql: Sql) -> Result<Vec<SqliteRow>, StoreError> {
        self.touched = true;
        let rows = self.rows(sql).await?;
        self.wrote |= !rows.is_empty();
        Ok(rows)
    }

    /// Appends events; returns the number of the last one.
    pub(super) fn append(&mut self, events: Vec<NewEvent>) -> EventSeq {
        self.events.extend(events);
        let count = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        EventSeq(self.last_event.saturating_add(count))
    }
}

/// The door to the writer.
pub(super) struct Writer {
    queue: mpsc::Sender<Errand>,
    trouble: Trouble,
}

enum Errand {
    Make(Box<dyn Waiting>),
    Close(oneshot::Sender<()>),
}

/// What the writer needs to know.
pub(super) struct WriterSettings {
    pub(super) connect: SqliteConnectOptions,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) epoch: Epoch,
    pub(super) busy_timeout: Duration,
    pub(super) group_commit_max: usize,
    pub(super) wakes: watch::Sender<EventSeq>,
    pub(super) tail: Arc<Tail>,
}

impl Writer {
    /// Starts the writer on a connection that is ready for it.
    pub(super) fn start(settings: WriterSettings, connection: SqliteConnection) -> Self {
        let (queue, errands) = mpsc::channel(WRITES_QUEUED_MAX);
        let trouble = Trouble::default();
        let scribe = Scribe {
            settings,
            trouble: trouble.clone(),
            connection: Some(connection),
            flushing: None,
        };
        tokio::spawn(scribe.work(errands));
        Self { queue, trouble }
    }

    /// The fault that has failed all writes for a while.
    pub(super) fn trouble(&self) -> Option<StoreError> {
        self.trouble.lasting()
    }

    /// Makes a change and waits until it is committed.
    pub(super) async fn make<C: Change>(&self, change: C) -> Result<C::Answer, C::Refusal> {
        let (reply, answer) = oneshot::channel();
        let waiting = WaitingChange {
            change,
            answer: None,
            reply,
        };
        let errand = Errand::Make(Box::new(waiting));
        self.queue.send(errand).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed().into()))
    }

    /// Waits for the changes under way and closes the connection; later changes are refused.
    pub(super) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.queue.send(Errand::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unreachable("it was closed".to_owned())
}

/// A change whose caller waits, whatever its type.
#[async_trait]
trait Waiting: Send {
    /// Whether somebody still waits.
    fn is_wanted(&self) -> bool;
    fn flush(&self) -> bool;
    /// Makes the change and keeps its answer. An error demands a rollback.
    async fn make(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError>;
    /// Hands the answer over, or the fault of the transaction.
    fn settle(self: Box<Self>, committed: Result<(), StoreError>);
}

struct WaitingChange<C: Change> {
    change: C,
    answer: Option<Result<C::Answer, C::Refusal>>,
    reply: oneshot::Sender<Result<C::Answer, C::Refusal>>,
}

#[async_trait]
impl<C: Change> Waiting for WaitingChange<C> {
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn flush(&self) -> bool {
        self.change.flush()
    }

    async fn make(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        batch.touched = false;
        let answer = self.change.make(batch).await;
        let journal = std::mem::take(&mut batch.journal);
        let refused = answer.is_err();
        self.answer = Some(answer);
        if !refused {
            batch.append(journal.into_events());
            return Ok(());
        }
        if batch.touched {
            return Err(StoreError::Misuse("a change was refused half-way".to_owned()));
        }
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (committed, self.answer) {
            (Ok(()), Some(answer)) => answer,
            // The change's own refusal says more than that the transaction was given up for it.
            (Err(_), Some(Err(refusal))) => Err(refusal),
            (Err(fault), _) => Err(fault.into()),
            (Ok(()), None) => Err(closed().into()),
        };
        let _ = self.reply.send(answer);
    }
}

/// Does the writing.
struct Scribe {
    settings: WriterSettings,
    trouble: Trouble,
    /// Absent after a fault, until the next change opens it again.
    connection: Option<SqliteConnection>,
    /// Whether commits wait for the disk, if that was set.
    flushing: Option<bool>,
}

impl Scribe {
    async fn work(mut self, mut errands: mpsc::Receiver<Errand>) {
        let mut busy_since = Instant::now();
        loop {
            let errand = match errands.try_recv() {
                Ok(errand) => errand,
                Err(_) => {
                    let Some(errand) = errands.recv().await else { break };
                    busy_since = Instant::now();
                    errand
                }
            };
            let (batch, close) = self.gather(errand, &mut errands);
            self.commit(batch).await;
            if let Some(reply) = close {
                self.close().await;
                let _ = reply.send(());
                return;
            }
            // Another process may be waiting for the lock: leave it a gap now and then.
            if busy_since.elapsed() > WRITE_STRETCH_MAX {
                sleep(COURTESY_PAUSE).await;
                busy_since = Instant::now();
            }
        }
        self.close().await;
    }

    /// The changes that wait now, up to the limit.
    fn gather(
        &self,
        first: Errand,
        errands: &mut mpsc::Receiver<Errand>,
    ) -> (Vec<Box<dyn Waiting>>, Option<oneshot::Sender<()>>) {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(errand) = next {
            match errand {
                Errand::Make(change) if change.is_wanted() => batch.push(change),
                Errand::Make(_) => {}
                Errand::Close(reply) => return (batch, Some(reply)),
            }
            let room = batch.len() < self.settings.group_commit_max;
            next = if room { errands.try_recv().ok() } else { None };
        }
        (batch, None)
    }

    async fn commit(&mut self, mut batch: Vec<Box<dyn Waiting>>) {
        match self.attempt(&mut batch).await {
            Ok(()) => settle_all(batch, &Ok(())),
            Err(fault @ StoreError::Busy(_)) => settle_all(batch, &Err(fault)),
            Err(fault) if batch.len() == 1 => settle_all(batch, &Err(fault)),
            Err(_) => {
                for change in batch {
                    let mut alone = vec![change];
                    let committed = self.attempt(&mut alone).await;
                    settle_all(alone, &committed);
                }
            }
        }
    }

    /// Makes the changes in one transaction: all of it is committed, or nothing.
    async fn attempt(&mut self, batch: &mut [Box<dyn Waiting>]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let done = self.try_once(batch).await;
        done.inspect_err(|fault| self.trouble.note(fault))
    }

    async fn try_once(&mut self, batch: &mut [Box<dyn Waiting>]) -> Result<(), StoreError> {
        let flush = batch.iter().any(|change| change.flush());
        let mut connection = self.connect().await?;
        let done = match self.prepare(&mut connection, flush).await {
            Ok(last_event) => self.transact(&mut connection, batch, last_event).await,
            Err(fault) => Err(fault),
        };
        match done {
            Ok(last_event) => {
                self.connection = Some(connection);
                self.wake(last_event);
                Ok(())
            }
            Err(fault) => {
                self.give_up(connection, &fault).await;
                Err(fault)
            }
        }
    }

    async fn connect(&mut self) -> Result<SqliteConnection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        self.flushing = None;
        self.settings.connect.connect().await.map_err(|error| fault(&error))
    }

    /// Takes the write lock; returns the number of the newest event.
    async fn prepare(&mut self, connection: &mut SqliteConnection, flush: bool) -> Result<u64, StoreError> {
        if self.flushing != Some(flush) {
            let level = if flush {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            };
            let done = sql(level).execute(&mut *connection).await;
            done.map_err(|error| fault(&error))?;
            self.flushing = Some(flush);
        }
        let patience = Patience::of(self.settings.busy_timeout);
        loop {
            match begin(connection).await {
                Err(StoreError::Busy(_)) if patience.wait().await => {}
                begun => return begun,
            }
        }
    }

    async fn transact(
        &self,
        connection: &mut SqliteConnection,
        changes: &mut [Box<dyn Waiting>],
        last_event: u64,
    ) -> Result<u64, StoreError> {
        let mut batch = Batch {
            connection,
            now: self.settings.epoch.now(self.settings.clock.as_ref()),
            journal: Journal::default(),
            events: Vec::new(),
            last_event,
            touched: false,
            wrote: false,
        };
        for change in changes {
            change.make(&mut batch).await?;
        }
        let events = std::mem::take(&mut batch.events);
        let newest_event = insert_events(&mut batch, &events, last_event).await?;
        let (wrote, at) = (batch.wrote, batch.now.wall);
        batch.write(sql("COMMIT")).await?;
        if !events.is_empty() {
            self.settings.tail.push(last_event, at, events);
        }
        if wrote {
            self.trouble.over();
        }
        Ok(newest_event)
    }

    /// After a fault: the lock is given back at once, and nothing of the transaction stays. SQLite may have rolled
    /// back by itself; a connection that saw more than a busy lock is opened anew.
    async fn give_up(&mut self, mut connection: SqliteConnection, fault: &StoreError) {
        let rolled_back = sql("ROLLBACK").execute(&mut connection).await;
        tracing::debug!(%fault, rolled_back = rolled_back.is_ok(), "a transaction was given up");
        if matches!(fault, StoreError::Busy(_) | StoreError::Misuse(_)) {
            self.connection = Some(connection);
        } else {
            let _ = connection.close().await;
        }
    }

    fn wake(&self, last_event: u64) {
        raise(&self.settings.wakes, EventSeq(last_event));
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _ = connection.close().await;
        }
    }
}

fn settle_all(batch: Vec<Box<dyn Waiting>>, committed: &Result<(), StoreError>) {
    for change in batch {
        change.settle(committed.clone());
    }
}

async fn begin(connection: &mut SqliteConnection) -> Result<u64, StoreError> {
    let begun = sql("BEGIN IMMEDIATE;
                     SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0) AS last");
    let row = begun.fetch_one(connection).await.map_err(|error| fault(&error))?;
    Reader::new(&row, "the event log").number("last")
}

/// Tells the readers of a higher number.
pub(super) fn raise(wakes: &watch::Sender<EventSeq>, seq: EventSeq) {
    wakes.send_if_modified(|known| {
        let higher = seq > *known;
        *known = seq.max(*known);
        higher
    });
}

/// Waiting for a busy store, up to a limit.
pub(super) struct Patience {
    deadline: Instant,
}

impl Patience {
    pub(super) fn of(timeout: Duration) -> Self {
        Self {
            deadline: Instant::now() + timeout,
        }
    }

    /// Pauses before the next try; `false` if the time is over.
    pub(super) async fn wait(&self) -> bool {
        let left = Instant::now() < self.deadline;
        if left {
            sleep(BUSY_RETRY_PAUSE).await;
        }
        left
    }
}
