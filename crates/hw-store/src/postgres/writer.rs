//! The one writer of a process: changes that arrive together share a transaction, each with its own outcome.
//!
//! ```text
//!  callers ──▶ channel ──▶ BEGIN, lock ─ change ─ change ─ change ─ events ─ COMMIT ──▶ replies, wake-up
//! ```
//!
//! Over all processes one advisory lock of the transaction is held by whoever writes events, until it has committed: their
//! numbers are given in the order of commits, and no reader sees one that has an unseen one before it. The writer takes the
//! lock at once, so that a change never works on what another one is about to change; claims, which are the most and look
//! the longest, take it last (see `queue/claim.rs`). The order of all locks is: gate, rows, log; see [`Lock`].
//!
//! A change looks before it writes, so that a refused one leaves nothing. If one fails after it began to write, or the
//! commit itself fails, the transaction is rolled back and each change of the batch is tried again by itself: the
//! others do not suffer. What failed because the connection broke or transactions were in each other's way took no effect
//! and is tried again, [`TRIES_MAX`] times within the store's patience. A commit whose acknowledgement was lost is looked up
//! by its receipt: it took effect or it did not, and only where the server stays away is that unknown.
//!
//! Every commit waits for the server's disk. Without that, a server that dies loses its last transactions, and the numbers
//! of events that readers have seen already would be given again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hw_job::{EventSeq, NewEvent};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::clock::{Now, StoreClock, Tick, select_tick};
use super::events::insert_events;
use super::fault::{Kind, fault, kind};
use super::queue::Report;
use super::row::Reader;
use crate::journal::Journal;
use crate::limits::{ANSWER_MAX, RECONNECT_PAUSE_MAX, RECONNECT_PAUSE_MIN, TRIES_MAX, WRITES_QUEUED_MAX};
use crate::trouble::Trouble;
use crate::{ChangeRefused, StoreError, TaskChange, TaskChanged};

/// A prepared statement with its values.
pub(super) type Sql = sqlx::query::Query<'static, Postgres, PgArguments>;

/// A statement; give its values with `bind`.
pub(super) fn sql(text: &'static str) -> Sql {
    sqlx::query(text)
}

/// The advisory locks of a store, each a number that belongs to its schema. Taken in this order, for a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    /// Held while a store is brought to the newest form.
    Migration,
    /// Shared by claims as long as they hold ready tasks; alone by who takes ready tasks away.
    Gate,
    /// Held by who writes, until it has committed.
    Log,
}

/// The first half of the numbers of all our locks: `HWST`.
const LOCK_SPACE: i64 = 0x4857_5354;

impl Lock {
    /// The lock's number in the database, for the store in this schema.
    pub(super) fn number(self, schema: &str) -> i64 {
        // FNV-1a, 32 bits: another schema seldom has the same, and then two stores only wait for each other.
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = schema.bytes().chain([b'/', self as u8]).fold(0x811c_9dc5, step);
        (LOCK_SPACE << 32) | i64::from(hash)
    }
}

/// A change of the store. It may be made more than once if a transaction fails: only the last time counts.
#[async_trait]
pub(super) trait Change: Send + Sync + 'static {
    type Answer: Send + 'static;
    type Refusal: From<StoreError> + Send + 'static;

    /// Whether it takes ready tasks away, which a claim may be holding.
    fn takes_ready_tasks(&self) -> bool {
        false
    }

    /// Makes the change within the transaction. A refusal comes before anything was written.
    async fn make(&self, batch: &mut Batch<'_>) -> Result<Self::Answer, Self::Refusal>;
}

/// A transaction that holds the log.
pub(super) struct Batch<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) now: Now,
    /// Events of the change that is being made.
    pub(super) journal: Journal,
    events: Vec<NewEvent>,
    last_event: u64,
    touched: bool,
    /// Whether anything will be written.
    wrote: bool,
    /// Whether no claim holds ready tasks.
    pub(super) gated: bool,
    /// What the last error means.
    failed: Option<Failed>,
}

/// Why a transaction is to be tried once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failed {
    Sql(Kind),
    /// A change needs the gate.
    Gate,
}

impl<'c> Batch<'c> {
    /// A transaction on a connection that holds the log.
    pub(super) fn new(connection: &'c mut PgConnection, now: Now, last_event: u64) -> Self {
        Self {
            connection,
            now,
            journal: Journal::default(),
            events: Vec::new(),
            last_event,
            touched: false,
            wrote: false,
            gated: false,
            failed: None,
        }
    }

    pub(super) async fn rows(&mut self, sql: Sql) -> Result<Vec<PgRow>, StoreError> {
        let rows = sql.fetch_all(&mut *self.connection).await;
        rows.map_err(|error| self.note(&error))
    }

    pub(super) async fn row(&mut self, sql: Sql) -> Result<Option<PgRow>, StoreError> {
        let row = sql.fetch_optional(&mut *self.connection).await;
        row.map_err(|error| self.note(&error))
    }

    /// Writes; returns the number of rows concerned.
    pub(super) async fn write(&mut self, sql: Sql) -> Result<u64, StoreError> {
        self.touched = true;
        let done = sql.execute(&mut *self.connection).await;
        let done = done.map_err(|error| self.note(&error))?;
        self.wrote |= done.rows_affected() > 0;
        Ok(done.rows_affected())
    }

    /// Writes and returns what the statement answers.
    pub(super) async fn write_returning(&mut self, sql: Sql) -> Result<Vec<PgRow>, StoreError> {
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

    /// Goes on only if no claim holds ready tasks; else the transaction begins anew behind the gate.
    pub(super) fn behind_gate(&mut self) -> Result<(), StoreError> {
        if self.gated {
            return Ok(());
        }
        self.failed = Some(Failed::Gate);
        Err(StoreError::Busy("tasks are being claimed".to_owned()))
    }

    /// Writes the events and the receipt, the last that is written; returns the number of the newest event.
    pub(super) async fn finish(&mut self, receipt: Option<&Receipt>) -> Result<u64, StoreError> {
        let events = std::mem::take(&mut self.events);
        if events.is_empty() && !self.wrote {
            return Ok(self.last_event);
        }
        let last = self.last_event;
        insert_events(self, &events, last, receipt).await
    }

    fn note(&mut self, error: &sqlx::Error) -> StoreError {
        self.failed = Some(Failed::Sql(kind(error)));
        fault(error)
    }
}

/// Tells a transaction of a writer from all others.
#[derive(Debug, Clone)]
pub(super) struct Receipt {
    pub(super) writer: String,
    pub(super) number: i64,
}

/// The door to the writer.
pub(super) struct Writer {
    queue: mpsc::Sender<Errand>,
    trouble: Trouble,
}

enum Errand {
    Make(Box<dyn Waiting>),
    /// Ends of attempts: those that wait at a time are made as one change, a fixed number of statements for all of them.
    Report(Vec<TaskChange>, oneshot::Sender<ReportAnswer>),
    Close(oneshot::Sender<()>),
}

type ReportAnswer = Result<Vec<Result<TaskChanged, ChangeRefused>>, StoreError>;

/// What the writer needs to know.
pub(super) struct WriterSettings {
    pub(super) connect: PgConnectOptions,
    pub(super) locks: Arc<Locks>,
    pub(super) clock: StoreClock,
    /// A name that no other writer has.
    pub(super) name: String,
    pub(super) patience: Duration,
    pub(super) group_commit_max: usize,
    pub(super) wakes: watch::Sender<EventSeq>,
}

/// Statements that begin a transaction: they take its locks and read the clock, in one message to the server.
#[derive(Debug)]
pub(super) struct Locks {
    log: String,
    gate_and_log: String,
    claim: String,
    finish_claim: String,
}

impl Locks {
    pub(super) fn of(schema: &str) -> Self {
        let log = format!("SELECT pg_advisory_xact_lock({})", Lock::Log.number(schema));
        let gate = Lock::Gate.number(schema);
        let tick = select_tick!();
        Self {
            log: format!("BEGIN; {log}; {tick}"),
            gate_and_log: format!("BEGIN; SELECT pg_advisory_xact_lock({gate}); {log}; {tick}"),
            claim: format!("BEGIN; SELECT pg_advisory_xact_lock_shared({gate}); {tick}"),
            finish_claim: format!("{log}; {tick}"),
        }
    }

    /// Begins a transaction that writes, behind the gate or not.
    pub(super) async fn begin(&self, connection: &mut PgConnection, gated: bool) -> Result<Tick, sqlx::Error> {
        let text = if gated { &self.gate_and_log } else { &self.log };
        take(connection, text).await
    }

    /// Begins a claim, which holds no log yet.
    pub(super) async fn begin_claim(&self, connection: &mut PgConnection) -> Result<Tick, sqlx::Error> {
        take(connection, &self.claim).await
    }

    /// Takes the log within a claim.
    pub(super) async fn take_log(&self, connection: &mut PgConnection) -> Result<Tick, sqlx::Error> {
        take(connection, &self.finish_claim).await
    }
}

async fn take(connection: &mut PgConnection, text: &str) -> Result<Tick, sqlx::Error> {
    let begun = sqlx::raw_sql(AssertSqlSafe(text.to_owned()));
    let rows = begun.fetch_all(connection).await?;
    let row = rows.last().ok_or(sqlx::Error::RowNotFound)?;
    Tick::read(row).map_err(|error| sqlx::Error::Decode(error.to_string().into()))
}

impl Writer {
    /// Starts the writer on a connection that is ready for it.
    pub(super) fn start(settings: WriterSettings, connection: PgConnection) -> Self {
        let (queue, errands) = mpsc::channel(WRITES_QUEUED_MAX);
        let trouble = Trouble::default();
        let scribe = Scribe {
            settings,
            trouble: trouble.clone(),
            connection: Some(connection),
            number: 0,
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

    /// Ends attempts and waits until that is committed.
    pub(super) async fn report(&self, changes: Vec<TaskChange>) -> ReportAnswer {
        let (reply, answer) = oneshot::channel();
        let errand = Errand::Report(changes, reply);
        self.queue.send(errand).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(closed()))
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
    fn takes_ready_tasks(&self) -> bool;
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

    fn takes_ready_tasks(&self) -> bool {
        self.change.takes_ready_tasks()
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
        // After an error of the server nothing more is possible within the transaction.
        if batch.touched || batch.failed.is_some() {
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

/// The reports of several callers, made together.
#[derive(Default)]
struct WaitingReports {
    report: Report,
    answers: Vec<Result<TaskChanged, ChangeRefused>>,
    /// Who waits, and for how many of the answers.
    replies: Vec<(usize, oneshot::Sender<ReportAnswer>)>,
}

impl WaitingReports {
    fn add(&mut self, changes: Vec<TaskChange>, reply: oneshot::Sender<ReportAnswer>) {
        self.replies.push((changes.len(), reply));
        self.report.0.extend(changes);
    }
}

#[async_trait]
impl Waiting for WaitingReports {
    fn is_wanted(&self) -> bool {
        !self.replies.is_empty()
    }

    fn takes_ready_tasks(&self) -> bool {
        self.report.takes_ready_tasks()
    }

    async fn make(&mut self, batch: &mut Batch<'_>) -> Result<(), StoreError> {
        self.answers = self.report.make(batch).await?;
        let journal = std::mem::take(&mut batch.journal);
        batch.append(journal.into_events());
        Ok(())
    }

    fn settle(self: Box<Self>, committed: Result<(), StoreError>) {
        let mut answers = self.answers.into_iter();
        for (count, reply) in self.replies {
            let own = answers.by_ref().take(count).collect();
            let _ = reply.send(committed.clone().map(|()| own));
        }
    }
}

/// How a try at a transaction ended that did not succeed.
struct Setback {
    fault: StoreError,
    /// Why the same may succeed when it is tried again, if so.
    again: Option<Failed>,
}

impl Setback {
    fn of(error: &sqlx::Error) -> Self {
        let kind = kind(error);
        Self {
            fault: fault(error),
            again: (kind != Kind::Final).then_some(Failed::Sql(kind)),
        }
    }

    fn lasting(fault: StoreError) -> Self {
        Self { fault, again: None }
    }
}

/// Does the writing.
struct Scribe {
    settings: WriterSettings,
    trouble: Trouble,
    /// Absent after a fault, until the next change opens it again.
    connection: Option<PgConnection>,
    /// Of the newest transaction.
    number: i64,
}

impl Scribe {
    async fn work(mut self, mut errands: mpsc::Receiver<Errand>) {
        while let Some(errand) = errands.recv().await {
            let (batch, close) = self.gather(errand, &mut errands);
            self.commit(batch).await;
            if let Some(reply) = close {
                self.close().await;
                let _ = reply.send(());
                return;
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
        let mut reports = WaitingReports::default();
        let mut close = None;
        let mut next = Some(first);
        while let Some(errand) = next {
            match errand {
                Errand::Make(change) if change.is_wanted() => batch.push(change),
                Errand::Make(_) => {}
                Errand::Report(changes, reply) => reports.add(changes, reply),
                Errand::Close(reply) => {
                    close = Some(reply);
                    break;
                }
            }
            let room = batch.len() + reports.replies.len() < self.settings.group_commit_max;
            next = if room { errands.try_recv().ok() } else { None };
        }
        if reports.is_wanted() {
            batch.push(Box::new(reports));
        }
        (batch, close)
    }

    async fn commit(&mut self, mut batch: Vec<Box<dyn Waiting>>) {
        match self.attempt(&mut batch).await {
            Ok(()) => settle_all(batch, &Ok(())),
            Err(fault) if batch.len() == 1 || concerns_all(&fault) => settle_all(batch, &Err(fault)),
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
        let mut gated = batch.iter().any(|change| change.takes_ready_tasks());
        let mut patience = Patience::of(self.settings.patience);
        let mut tries = 1;
        loop {
            let setback = match self.try_once(batch, gated).await {
                Ok(()) => return Ok(()),
                Err(setback) => setback,
            };
            let again = match setback.again {
                Some(Failed::Gate) => {
                    gated = true;
                    continue;
                }
                Some(Failed::Sql(Kind::Lost)) => patience.wait().await,
                Some(Failed::Sql(Kind::Conflict)) => tries < TRIES_MAX,
                Some(Failed::Sql(Kind::Final)) | None => false,
            };
            if !again {
                self.trouble.note(&setback.fault);
                return Err(setback.fault);
            }
            tries += 1;
            tracing::debug!(fault = %setback.fault, tries, "a transaction is tried again");
        }
    }

    async fn try_once(&mut self, batch: &mut [Box<dyn Waiting>], gated: bool) -> Result<(), Setback> {
        let mut connection = self.connect().await.map_err(|error| Setback::of(&error))?;
        self.number += 1;
        let receipt = Receipt {
            writer: self.settings.name.clone(),
            number: self.number,
        };
        let made = timeout(ANSWER_MAX, self.make(&mut connection, batch, gated, &receipt)).await;
        let (last_event, wrote) = match made {
            Ok(Ok(made)) => made,
            Ok(Err(setback)) => {
                self.give_up(connection, &setback).await;
                return Err(setback);
            }
            Err(_) => {
                // Whatever the server did of it ends with the connection.
                let fault = StoreError::Unreachable("the server did not answer in time".to_owned());
                return Err(Setback::lasting(fault));
            }
        };
        let committed = timeout(ANSWER_MAX, commit(&mut connection)).await;
        match committed {
            Ok(Ok(_)) => self.connection = Some(connection),
            Ok(Err(error)) if kind(&error) != Kind::Lost => return Err(Setback::of(&error)),
            _ => {
                drop(connection);
                self.resolve(&receipt, wrote).await?;
            }
        }
        if wrote {
            self.trouble.over();
        }
        raise(&self.settings.wakes, EventSeq(last_event));
        Ok(())
    }

    async fn make(
        &self,
        connection: &mut PgConnection,
        changes: &mut [Box<dyn Waiting>],
        gated: bool,
        receipt: &Receipt,
    ) -> Result<(u64, bool), Setback> {
        let begun = self.settings.locks.begin(connection, gated).await;
        let tick = begun.map_err(|error| Setback::of(&error))?;
        let now = self.settings.clock.settle(&tick);
        let mut batch = Batch::new(connection, now, tick.last);
        batch.gated = gated;
        let made = make_all(&mut batch, changes, receipt).await;
        let again = batch.failed.filter(|failed| *failed != Failed::Sql(Kind::Final));
        let wrote = batch.wrote;
        made.map(|last| (last, wrote)).map_err(|fault| Setback { fault, again })
    }

    /// Finds out whether a transaction took effect whose commit was not answered.
    async fn resolve(&mut self, receipt: &Receipt, wrote: bool) -> Result<(), Setback> {
        if !wrote {
            return Ok(());
        }
        let mut patience = Patience::of(self.settings.patience);
        loop {
            match timeout(ANSWER_MAX, self.look_up(receipt)).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false)) => {
                    let fault = StoreError::Unreachable("the connection broke before the commit".to_owned());
                    return Err(Setback {
                        fault,
                        again: Some(Failed::Sql(Kind::Lost)),
                    });
                }
                Ok(Err(error)) if kind(&error) == Kind::Final => break,
                Ok(Err(_)) | Err(_) if patience.wait().await => {}
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Err(Setback::lasting(StoreError::OutcomeUnknown(
            "the connection broke during a commit, and the server stayed away".to_owned(),
        )))
    }

    /// Whether the receipt is there. Whoever held the log under the old connection has ended once the log is held here.
    async fn look_up(&mut self, receipt: &Receipt) -> Result<bool, sqlx::Error> {
        let mut connection = self.connect().await?;
        self.settings.locks.begin(&mut connection, false).await?;
        let look = sql("SELECT number FROM receipt WHERE writer = $1").bind(receipt.writer.clone());
        let row = look.fetch_optional(&mut connection).await?;
        roll_back(&mut connection).await?;
        self.connection = Some(connection);
        let number = row.map(|row| Reader::new(&row, "a receipt").value::<i64>("number"));
        Ok(number.is_some_and(|number| number == Ok(receipt.number)))
    }

    async fn connect(&mut self) -> Result<PgConnection, sqlx::Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        connect(&self.settings.connect).await
    }

    /// After a fault: the locks are given back at once, and nothing of the transaction stays.
    async fn give_up(&mut self, mut connection: PgConnection, setback: &Setback) {
        let lost = setback.again == Some(Failed::Sql(Kind::Lost));
        if !lost && roll_back(&mut connection).await.is_ok() {
            self.connection = Some(connection);
        }
    }

    async fn close(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            let forget = sql("DELETE FROM receipt WHERE writer = $1").bind(self.settings.name.clone());
            let _ = timeout(ANSWER_MAX, forget.execute(&mut connection)).await;
            let _ = connection.close().await;
        }
    }
}

pub(super) async fn commit(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("COMMIT").execute(connection).await.map(drop)
}

pub(super) async fn roll_back(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("ROLLBACK").execute(connection).await.map(drop)
}

/// A connection, or the error that it could not be had in time.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    match timeout(ANSWER_MAX, options.connect()).await {
        Ok(connected) => connected,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

async fn make_all(
    batch: &mut Batch<'_>,
    changes: &mut [Box<dyn Waiting>],
    receipt: &Receipt,
) -> Result<u64, StoreError> {
    for change in changes {
        change.make(batch).await?;
    }
    batch.finish(Some(receipt)).await
}

/// Whether the fault is the store's and not one of the changes'.
fn concerns_all(fault: &StoreError) -> bool {
    matches!(
        fault,
        StoreError::Busy(_) | StoreError::Unreachable(_) | StoreError::OutcomeUnknown(_)
    )
}

fn settle_all(batch: Vec<Box<dyn Waiting>>, committed: &Result<(), StoreError>) {
    for change in batch {
        change.settle(committed.clone());
    }
}

/// Tells the readers of a higher number.
pub(super) fn raise(wakes: &watch::Sender<EventSeq>, seq: EventSeq) {
    wakes.send_if_modified(|known| {
        let higher = seq > *known;
        *known = seq.max(*known);
        higher
    });
}

/// Waiting for a server that is away, in growing pauses, up to a limit.
pub(super) struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn of(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
            pause: RECONNECT_PAUSE_MIN,
        }
    }

    /// Pauses before the next try; `false` if the time is over.
    pub(super) async fn wait(&mut self) -> bool {
        if Instant::now() + self.pause > self.deadline {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(RECONNECT_PAUSE_MAX);
        true
    }
}
