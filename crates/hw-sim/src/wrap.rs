//! A store within a store: something happens before and after each call.

use std::future::poll_fn;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_job::{Event, EventSeq, JobId, JobState, NewEvent, SessionId, TaskId, WorkerId};
use hw_store::{
    AddTasks, AttemptRecord, CatalogStore, ChangeRefused, Claim, ClaimedTask, EndJob, EventFilter, EventStore,
    FileLedger, Heard, HeldTask, JobChangeError, JobFilter, JobRecord, JobStore, ListenFrom, ListenerRecord,
    ListenerStore, NewJob, NewSession, Page, PageRequest, QueueStore, Retention, SessionRecord, SessionStore, Store,
    StoreError, Submission, SubmitError, TableUse, TaskChange, TaskChanged, TaskRecord, TaskWork, TokenRecord, Verdict,
    WorkerRecord,
};
use tokio::sync::watch;

/// A side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Nothing has happened yet.
    Before,
    /// The call took effect, and nobody knows its answer yet.
    After,
}

/// What happens at a side of a call.
#[derive(Debug)]
pub(crate) enum Turn {
    Go,
    Fail(StoreError),
    /// It waits to be polled again.
    Stop,
    /// It never goes on.
    End,
}

/// What happens around calls, and what becomes of some answers.
#[async_trait]
pub(crate) trait Around: Send + Sync {
    fn turn(&self, side: Side) -> Turn;

    fn seen_events(&self, events: Vec<Event>) -> Vec<Event> {
        events
    }

    fn seen_task(&self, task: TaskRecord) -> TaskRecord {
        task
    }

    async fn change_tasks(
        &self,
        inner: &dyn Store,
        changes: Vec<TaskChange>,
    ) -> Result<Vec<Result<TaskChanged, ChangeRefused>>, StoreError> {
        inner.change_tasks(changes).await
    }
}

/// A store with something around it.
pub(crate) struct Wrapped<A> {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) around: A,
}

impl<A: Around> Wrapped<A> {
    async fn pass<T, E: From<StoreError>>(&self, effect: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.take_turn(Side::Before).await?;
        let answer = effect.await;
        self.take_turn(Side::After).await?;
        answer
    }

    async fn take_turn(&self, side: Side) -> Result<(), StoreError> {
        match self.around.turn(side) {
            Turn::Go => Ok(()),
            Turn::Fail(error) => Err(error),
            Turn::Stop => {
                let mut waited = false;
                poll_fn(|_| match std::mem::replace(&mut waited, true) {
                    false => Poll::Pending,
                    true => Poll::Ready(Ok(())),
                })
                .await
            }
            Turn::End => std::future::pending().await,
        }
    }
}

#[async_trait]
impl<A: Around> CatalogStore for Wrapped<A> {
    async fn load_table(&self, name: &TableName) -> Result<Option<Table>, StoreError> {
        self.pass(self.inner.load_table(name)).await
    }

    async fn load_parts(&self, name: &TableName, version: TableVersion) -> Result<Vec<Part>, StoreError> {
        self.pass(self.inner.load_parts(name, version)).await
    }

    async fn list_tables(&self) -> Result<Vec<Table>, StoreError> {
        self.pass(self.inner.list_tables()).await
    }

    async fn touch_tables(&self, names: &[TableName]) -> Result<(), StoreError> {
        self.pass(self.inner.touch_tables(names)).await
    }

    async fn table_use(&self, name: &TableName) -> Result<TableUse, StoreError> {
        self.pass(self.inner.table_use(name)).await
    }
}

#[async_trait]
impl<A: Around> FileLedger for Wrapped<A> {
    async fn announce_files(&self, owner: &str, paths: &[String]) -> Result<(), StoreError> {
        self.pass(self.inner.announce_files(owner, paths)).await
    }

    async fn confirm_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.pass(self.inner.confirm_files(paths)).await
    }

    async fn unreferenced_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        self.pass(self.inner.unreferenced_files(grace_seconds, limit)).await
    }

    async fn condemn_files(&self, grace_seconds: u64, limit: u32) -> Result<Vec<String>, StoreError> {
        self.pass(self.inner.condemn_files(grace_seconds, limit)).await
    }

    async fn release_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.pass(self.inner.release_files(paths)).await
    }

    async fn forget_files(&self, paths: &[String]) -> Result<(), StoreError> {
        self.pass(self.inner.forget_files(paths)).await
    }
}

#[async_trait]
impl<A: Around> EventStore for Wrapped<A> {
    async fn read_events(&self, after: EventSeq, limit: u32, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let events = self.pass(self.inner.read_events(after, limit, filter)).await?;
        Ok(self.around.seen_events(events))
    }

    async fn last_event(&self) -> Result<EventSeq, StoreError> {
        self.pass(self.inner.last_event()).await
    }

    async fn oldest_event(&self) -> Result<EventSeq, StoreError> {
        self.pass(self.inner.oldest_event()).await
    }

    async fn append_events(&self, events: Vec<NewEvent>) -> Result<EventSeq, StoreError> {
        self.pass(self.inner.append_events(events)).await
    }

    fn wakes(&self) -> watch::Receiver<EventSeq> {
        self.inner.wakes()
    }
}

#[async_trait]
impl<A: Around> ListenerStore for Wrapped<A> {
    async fn register_listener(&self, name: &str, from: ListenFrom) -> Result<ListenerRecord, StoreError> {
        self.pass(self.inner.register_listener(name, from)).await
    }

    async fn hear_events(&self, name: &str, limit: u32, filter: &EventFilter) -> Result<Option<Heard>, StoreError> {
        self.pass(self.inner.hear_events(name, limit, filter)).await
    }

    async fn advance_listener(&self, name: &str, to: EventSeq) -> Result<bool, StoreError> {
        self.pass(self.inner.advance_listener(name, to)).await
    }

    async fn list_listeners(&self) -> Result<Vec<ListenerRecord>, StoreError> {
        self.pass(self.inner.list_listeners()).await
    }

    async fn drop_listener(&self, name: &str) -> Result<bool, StoreError> {
        self.pass(self.inner.drop_listener(name)).await
    }
}

#[async_trait]
impl<A: Around> JobStore for Wrapped<A> {
    async fn submit_job(&self, job: NewJob) -> Result<Submission, SubmitError> {
        self.pass(self.inner.submit_job(job)).await
    }

    async fn load_job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.pass(self.inner.load_job(id)).await
    }

    async fn find_jobs(&self, text: &str, limit: u32) -> Result<Vec<JobId>, StoreError> {
        self.pass(self.inner.find_jobs(text, limit)).await
    }

    async fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> Result<Page<JobRecord>, StoreError> {
        self.pass(self.inner.list_jobs(filter, page)).await
    }

    async fn load_tasks(&self, job: JobId) -> Result<Vec<TaskRecord>, StoreError> {
        let tasks = self.pass(self.inner.load_tasks(job)).await?;
        Ok(tasks.into_iter().map(|task| self.around.seen_task(task)).collect())
    }

    async fn load_task(&self, task: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        let task = self.pass(self.inner.load_task(task)).await?;
        Ok(task.map(|task| self.around.seen_task(task)))
    }

    async fn load_attempts(&self, job: JobId) -> Result<Vec<AttemptRecord>, StoreError> {
        self.pass(self.inner.load_attempts(job)).await
    }

    async fn find_key(&self, key: &str) -> Result<Option<(JobId, String)>, StoreError> {
        self.pass(self.inner.find_key(key)).await
    }

    async fn find_result(&self, kind: &str, fingerprint: &str) -> Result<Option<JobRecord>, StoreError> {
        self.pass(self.inner.find_result(kind, fingerprint)).await
    }

    async fn add_tasks(&self, add: AddTasks) -> Result<(), JobChangeError> {
        self.pass(self.inner.add_tasks(add)).await
    }

    async fn finish_job(&self, job: JobId) -> Result<(), JobChangeError> {
        self.pass(self.inner.finish_job(job)).await
    }

    async fn end_job(&self, end: EndJob) -> Result<(), JobChangeError> {
        self.pass(self.inner.end_job(end)).await
    }

    async fn request_cancel(&self, job: JobId, reason: &str) -> Result<JobState, JobChangeError> {
        self.pass(self.inner.request_cancel(job, reason)).await
    }

    async fn label_job(&self, job: JobId, tags: &[String]) -> Result<(), StoreError> {
        self.pass(self.inner.label_job(job, tags)).await
    }

    async fn adopt_job(&self, job: JobId, from: Option<&SessionId>, to: &SessionId) -> Result<bool, StoreError> {
        self.pass(self.inner.adopt_job(job, from, to)).await
    }
}

#[async_trait]
impl<A: Around> QueueStore for Wrapped<A> {
    async fn claim_tasks(&self, claim: &Claim) -> Result<Vec<ClaimedTask>, StoreError> {
        self.pass(self.inner.claim_tasks(claim)).await
    }

    async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[HeldTask],
        lease: Duration,
    ) -> Result<Vec<Verdict>, StoreError> {
        self.pass(self.inner.heartbeat(worker, held, lease)).await
    }

    async fn note_work(&self, done: &[TaskWork]) -> Result<(), StoreError> {
        self.pass(self.inner.note_work(done)).await
    }

    async fn change_tasks(
        &self,
        changes: Vec<TaskChange>,
    ) -> Result<Vec<Result<TaskChanged, ChangeRefused>>, StoreError> {
        self.pass(self.around.change_tasks(&*self.inner, changes)).await
    }

    async fn expired_tasks(&self, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        self.pass(self.inner.expired_tasks(limit)).await
    }

    async fn wake_due_tasks(&self, limit: u32) -> Result<Option<Duration>, StoreError> {
        self.pass(self.inner.wake_due_tasks(limit)).await
    }

    async fn requeue_task(&self, task: TaskId) -> Result<Result<(), ChangeRefused>, StoreError> {
        self.pass(self.inner.requeue_task(task)).await
    }

    async fn cancel_task(&self, task: TaskId, reason: &str) -> Result<Result<(), ChangeRefused>, StoreError> {
        self.pass(self.inner.cancel_task(task, reason)).await
    }

    async fn queue_length(&self, job: Option<JobId>) -> Result<u64, StoreError> {
        self.pass(self.inner.queue_length(job)).await
    }
}

#[async_trait]
impl<A: Around> SessionStore for Wrapped<A> {
    async fn start_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.pass(self.inner.start_session(session)).await
    }

    async fn renew_session(&self, id: &SessionId, lease: Duration) -> Result<bool, StoreError> {
        self.pass(self.inner.renew_session(id, lease)).await
    }

    async fn end_session(&self, id: &SessionId) -> Result<(), StoreError> {
        self.pass(self.inner.end_session(id)).await
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.pass(self.inner.list_sessions()).await
    }

    async fn put_worker(&self, worker: WorkerRecord) -> Result<(), StoreError> {
        self.pass(self.inner.put_worker(worker)).await
    }

    async fn drain_worker(&self, worker: &WorkerId, draining: bool) -> Result<bool, StoreError> {
        self.pass(self.inner.drain_worker(worker, draining)).await
    }

    async fn list_workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        self.pass(self.inner.list_workers()).await
    }

    async fn create_token(&self, token: TokenRecord) -> Result<bool, StoreError> {
        self.pass(self.inner.create_token(token)).await
    }

    async fn find_token(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError> {
        self.pass(self.inner.find_token(hash)).await
    }

    async fn list_tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        self.pass(self.inner.list_tokens()).await
    }

    async fn drop_token(&self, name: &str) -> Result<bool, StoreError> {
        self.pass(self.inner.drop_token(name)).await
    }
}

#[async_trait]
impl<A: Around> Store for Wrapped<A> {
    fn backend(&self) -> &'static str {
        self.inner.backend()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.pass(self.inner.check()).await
    }

    async fn prune(&self, limits: &Retention) -> Result<u64, StoreError> {
        self.pass(self.inner.prune(limits)).await
    }

    async fn backup(&self, target: &Path) -> Result<(), StoreError> {
        self.pass(self.inner.backup(target)).await
    }
}
