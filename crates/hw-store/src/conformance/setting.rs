//! What a case works with: an empty store, a clock that it moves by hand, and short ways to ask for usual things.

use std::any::Any;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use hw_catalog::{Part, Table, TableName};
use hw_job::{
    AttemptCounts, Clock, Due, Elapsed, Ending, Event, EventSeq, Fence, JobEnding, JobId, Lifetime, Needs, SessionId,
    StoredDocument, TaskId, TaskSpec, TaskState, Timestamp, WorkerId,
};
use serde_json::json;

use crate::{
    Claim, ClaimedTask, EndJob, EventFilter, IdempotencyKey, JobRecord, NewJob, NewSession, NextState, Slot, Store,
    Submission, TaskChange, TaskRecord, WorkerRecord,
};

pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// Unfinished jobs that the stores under test accept.
pub(crate) const UNFINISHED_MAX: u32 = 30;

/// A store under test.
pub(crate) struct Setting {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<ManualClock>,
    /// Whatever must live as long as the store, its folder for instance.
    pub(crate) _keep: Box<dyn Any + Send + Sync>,
}

/// A clock that stands still unless it is told to move.
#[derive(Debug)]
pub(crate) struct ManualClock {
    times: Mutex<(i64, u64)>,
}

impl ManualClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            times: Mutex::new((1_700_000_000_000_000, 1_000_000)),
        })
    }

    /// Time passes, on both clocks.
    pub(crate) fn pass(&self, time: Duration) {
        let micros = time.as_micros();
        let mut times = self.times.lock().unwrap();
        times.0 += i64::try_from(micros).unwrap();
        times.1 += u64::try_from(micros).unwrap();
    }

    /// The wall's clock jumps; no time passes.
    pub(crate) fn jump(&self, seconds: i64) {
        self.times.lock().unwrap().0 += seconds * 1_000_000;
    }

    /// The host was started again: the elapsed clock begins anew.
    pub(crate) fn reboot(&self) {
        self.times.lock().unwrap().1 = 1_000;
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        Timestamp(self.times.lock().unwrap().0)
    }

    fn elapsed(&self) -> Elapsed {
        Elapsed(self.times.lock().unwrap().1)
    }
}

/// Runs a case to its end.
pub(crate) fn block_on(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(case);
}

pub(crate) fn job_id(number: u64) -> JobId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    JobId::new(1_700_000_000_000, random)
}

pub(crate) fn task_id(job: u64, index: u32) -> TaskId {
    TaskId::new(job_id(job), index)
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId(name.to_owned())
}

pub(crate) fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

pub(crate) fn spec() -> TaskSpec {
    TaskSpec {
        kind: "test.part".to_owned(),
        format: 1,
        params: json!({ "part": 1 }),
        needs: Needs::default(),
        affinity: Vec::new(),
        flow: "flow".to_owned(),
        after: Vec::new(),
    }
}

/// A task that waits for others.
pub(crate) fn after(before: &[u32]) -> TaskSpec {
    TaskSpec {
        after: before.to_vec(),
        ..spec()
    }
}

/// A task of this flow.
pub(crate) fn of_flow(flow: &str) -> TaskSpec {
    TaskSpec {
        flow: flow.to_owned(),
        ..spec()
    }
}

pub(crate) fn new_job(number: u64, tasks: Vec<TaskSpec>) -> NewJob {
    NewJob {
        id: job_id(number),
        kind: "test".to_owned(),
        format: 1,
        params: json!({ "given": number }),
        expanded: json!({ "expanded": number }),
        warnings: Vec::new(),
        reads: Vec::new(),
        tasks,
        priority: 100,
        timeout: None,
        not_before: None,
        deadline: None,
        tags: Vec::new(),
        parent: None,
        lifetime: Lifetime::Interactive,
        owner: session("s1"),
        fingerprint: None,
        idempotency: None,
        flush: false,
    }
}

/// So many seconds after the submission of a job that is made before the clock is moved.
pub(crate) fn due(seconds: u64) -> Due {
    Due {
        after: Duration::from_secs(seconds),
        at: Timestamp(1_700_000_000_000_000 + i64::try_from(seconds).unwrap() * 1_000_000),
    }
}

/// A job that must not start for so many seconds.
pub(crate) fn delayed(number: u64, seconds: u64, tasks: Vec<TaskSpec>) -> NewJob {
    NewJob {
        not_before: Some(due(seconds)),
        ..new_job(number, tasks)
    }
}

pub(crate) fn keyed(number: u64, key: &str, request: &str) -> NewJob {
    NewJob {
        idempotency: Some(IdempotencyKey {
            key: key.to_owned(),
            request: request.to_owned(),
        }),
        ..new_job(number, Vec::new())
    }
}

/// A claim with room for `tasks` tasks of the usual kind.
pub(crate) fn claim_of(worker_name: &str, tasks: u32) -> Claim {
    Claim {
        worker: worker(worker_name),
        kinds: vec![("test.part".to_owned(), 1)],
        slot: Slot {
            tasks,
            cpu_milli: 1_000_000,
            memory_bytes: 1 << 40,
            scarce: hw_job::Scarce::default(),
            labels: Vec::new(),
        },
        owner: None,
        holds: Vec::new(),
        lease: LEASE,
    }
}

pub(crate) fn success() -> Ending {
    Ending::Succeeded(StoredDocument::Inline(json!({ "rows": 3 })))
}

pub(crate) fn lost() -> Ending {
    Ending::Lost { worker_died: false }
}

pub(crate) fn change(task: TaskId, fence: Fence, ending: Ending, next: NextState) -> TaskChange {
    TaskChange {
        task,
        fence,
        counts: AttemptCounts::default().and(&ending),
        ending,
        next,
        files: Vec::new(),
        work: None,
    }
}

pub(crate) fn done(claimed: &ClaimedTask) -> TaskChange {
    change(
        claimed.id,
        claimed.fence,
        success(),
        NextState::Settled(TaskState::Succeeded),
    )
}

pub(crate) fn ending(number: u64, ending: JobEnding) -> EndJob {
    EndJob {
        job: job_id(number),
        ending,
        changes: Vec::new(),
        files: Vec::new(),
        flush: false,
    }
}

pub(crate) fn result() -> JobEnding {
    JobEnding::Succeeded {
        result: StoredDocument::Inline(json!({ "answer": 42 })),
        partial: false,
    }
}

impl Setting {
    pub(crate) async fn submit(&self, job: NewJob) {
        let id = job.id;
        let answer = self.store.submit_job(job).await;
        assert_eq!(answer, Ok(Submission::Created), "job {id}");
    }

    /// Submits a job of `tasks` usual tasks.
    pub(crate) async fn submit_tasks(&self, number: u64, tasks: usize) {
        self.submit(new_job(number, vec![spec(); tasks])).await;
    }

    pub(crate) async fn claim(&self, worker_name: &str, tasks: u32) -> Vec<ClaimedTask> {
        self.store.claim_tasks(&claim_of(worker_name, tasks)).await.unwrap()
    }

    pub(crate) async fn claim_one(&self, worker_name: &str) -> ClaimedTask {
        let mut claimed = self.claim(worker_name, 1).await;
        assert_eq!(claimed.len(), 1, "a task should have been ready");
        claimed.remove(0)
    }

    /// Claimed tasks as `job/index`, in the order of the answer.
    pub(crate) async fn claimed_names(&self, claim: &Claim) -> String {
        let claimed = self.store.claim_tasks(claim).await.unwrap();
        let names: Vec<String> = claimed.iter().map(|task| short(task.id)).collect();
        names.join(" ")
    }

    pub(crate) async fn change(&self, change: TaskChange) -> Result<TaskState, crate::ChangeRefused> {
        let mut answers = self.store.change_tasks(vec![change]).await.unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0).map(|changed| changed.state)
    }

    pub(crate) async fn job(&self, number: u64) -> JobRecord {
        self.store.load_job(job_id(number)).await.unwrap().unwrap()
    }

    pub(crate) async fn task(&self, job: u64, index: u32) -> TaskRecord {
        self.store.load_task(task_id(job, index)).await.unwrap().unwrap()
    }

    pub(crate) async fn events(&self) -> Vec<Event> {
        let all = EventFilter::default();
        self.store.read_events(EventSeq(0), 100_000, &all).await.unwrap()
    }

    /// The log since `after`, a line an event.
    pub(crate) async fn log_after(&self, after: EventSeq) -> String {
        let all = EventFilter::default();
        let events = self.store.read_events(after, 100_000, &all).await.unwrap();
        events.iter().map(line).collect()
    }

    pub(crate) async fn last(&self) -> EventSeq {
        self.store.last_event().await.unwrap()
    }

    /// Starts a session with one worker of the same name, which lives for the usual lease.
    pub(crate) async fn join(&self, name: &str) {
        self.store.start_session(new_session(name)).await.unwrap();
        self.store.put_worker(new_worker(name, name)).await.unwrap();
    }
}

pub(crate) fn new_session(name: &str) -> NewSession {
    NewSession {
        id: session(name),
        role: "up".to_owned(),
        host: "here".to_owned(),
        pid: 7,
        process_start: "42".to_owned(),
        version: "0.1.0".to_owned(),
        lease: LEASE,
    }
}

pub(crate) fn new_worker(name: &str, of: &str) -> WorkerRecord {
    WorkerRecord {
        id: worker(name),
        session: session(of),
        slots: 4,
        labels: Vec::new(),
        draining: false,
        running: 0,
    }
}

pub(crate) fn table_name(name: &str) -> TableName {
    TableName::in_main(name).unwrap()
}

pub(crate) fn part(path: &str, bytes: u64) -> Part {
    Part {
        path: path.to_owned(),
        bytes,
        rows: Some(3),
        etag: None,
        modified_at: 5,
    }
}

pub(crate) fn table(name: &TableName) -> Table {
    serde_json::from_value(json!({
        "name": name.to_string(),
        "kind": "dataset",
        "version": 0,
        "schema": { "fields": [], "metadata": {} },
        "group_column": null,
        "time_column": "at",
        "groups": "contained",
        "sorted_by": [],
        "rows": 7,
        "bytes": 1000,
        "columns": [],
        "unsupported": [],
        "dataset": null,
        "registered_at": 0,
        "origin": null,
        "comment": "a 'remark' of \"ours\"",
    }))
    .unwrap()
}

/// A task by the number of its job.
pub(crate) fn short(id: TaskId) -> String {
    format!("{}/{}", number_of(id.job), id.index)
}

fn number_of(id: JobId) -> u64 {
    let plain: String = id.to_string().chars().filter(|c| *c != '-').collect();
    u64::from_str_radix(&plain[20..], 16).unwrap()
}

fn line(event: &Event) -> String {
    let job = event.job.map_or(String::new(), |job| format!(" of {}", number_of(job)));
    let long = event.job.map(|job| job.to_string()).unwrap_or_default();
    let subject = match event.subject.strip_prefix(&long) {
        Some(rest) if !long.is_empty() => format!("job{rest}"),
        _ => event.subject.clone(),
    };
    format!("{} {subject}{job} {}\n", event.kind.as_str(), event.data)
}
