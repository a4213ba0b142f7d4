//! What a case works with: a store, a controller or several, a kind of job whose parameters say what it does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use hw_catalog::{Finding, Table, TableName, TableVersion};
use hw_job::{
    Advance, CatalogChange, Clock, Due, Elapsed, Ending, ErrorClass, Failure, JobId, JobKind, JobState, JobView,
    Lifetime, Merged, Needs, PrepareError, PrepareRequest, Prepared, RetryPolicy, SessionId, StoredDocument, TaskId,
    TaskSpec, TaskState, Timestamp, WorkerId,
};
use hw_store::{Claim, ClaimedTask, JobRecord, MemoryStore, NewSession, Slot, Store, TaskChange, WorkerRecord};
use serde_json::{Value, json};

use crate::{
    Controller, ControllerOptions, DocumentError, Documents, Ids, InlineDocuments, Liveness, Step, Submit, SubmitFault,
    Submitted,
};

pub(super) const LEASE: Duration = Duration::from_secs(15);

/// What a future brings that never waits: the store in memory answers at once.
#[track_caller]
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("nothing waits here")
}

/// A clock that stands still unless it is told to move.
pub(super) struct ManualClock(Mutex<(i64, u64)>);

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        Timestamp(self.0.lock().unwrap().0)
    }

    fn elapsed(&self) -> Elapsed {
        Elapsed(self.0.lock().unwrap().1)
    }
}

/// Ids counted up, and no chance.
#[derive(Default)]
struct CountedIds(Mutex<u64>);

impl Ids for CountedIds {
    fn job_id(&self, _now: Timestamp) -> JobId {
        let mut last = self.0.lock().unwrap();
        *last += 1;
        let mut random = [0; 10];
        random[2..].copy_from_slice(&last.to_be_bytes());
        JobId::new(1_700_000_000_000, random)
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// Knows the dead by name.
#[derive(Default)]
pub(super) struct Dead(Mutex<BTreeSet<String>>);

impl Liveness for Dead {
    fn is_dead(&self, session: &NewSession) -> bool {
        self.0.lock().unwrap().contains(&session.id.0)
    }
}

/// Documents on a full disk.
pub(super) struct FullDisk;

#[async_trait]
impl Documents for FullDisk {
    async fn keep(&self, _job: JobId, _document: Value) -> Result<StoredDocument, DocumentError> {
        Err(DocumentError::Files("no space left on device".to_owned()))
    }

    async fn load(&self, stored: &StoredDocument) -> Result<Value, DocumentError> {
        InlineDocuments.load(stored).await
    }
}

/// Documents that can be written and never be read.
pub(super) struct Unreadable;

#[async_trait]
impl Documents for Unreadable {
    async fn keep(&self, job: JobId, document: Value) -> Result<StoredDocument, DocumentError> {
        InlineDocuments.keep(job, document).await
    }

    async fn load(&self, _stored: &StoredDocument) -> Result<Value, DocumentError> {
        Err(DocumentError::Gone("jobs/x/outcome.json".to_owned()))
    }
}

/// A kind whose parameters say what it does:
/// `{"reads":[TABLE], "faults":[TEXT], "conflict":TEXT, "stages":[[{"after":[INDEX]}]], "merge_failure":TEXT,
/// "puts":[TABLE], "drops":[[TABLE,VERSION]], "fingerprint":TEXT, "idle":true, "filler":BYTES}`. Its result lists the
/// outcomes.
struct Told(&'static str, Lifetime);

impl JobKind for Told {
    fn name(&self) -> &'static str {
        self.0
    }

    fn lifetime(&self) -> Lifetime {
        self.1
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        let faults = texts(&params["faults"]);
        if !faults.is_empty() {
            return Err(faults.into_iter().map(|text| Finding::new("HW-F000", text)).collect());
        }
        Ok(texts(&params["reads"])
            .iter()
            .map(|name| name.parse().unwrap())
            .collect())
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        if let Some(text) = request.params["conflict"].as_str() {
            let failure = Failure::new(ErrorClass::Input, "HW-J000", text);
            return Err(PrepareError::Conflict(failure));
        }
        let mut expanded = request.params.clone();
        expanded["versions"] = request.tables.iter().map(|pinned| pinned.table.version.0).collect();
        Ok(Prepared {
            expanded,
            tasks: stage(request.params, 0),
            fingerprint: request.params["fingerprint"].as_str().map(str::to_owned),
            warnings: Vec::new(),
        })
    }

    fn advance(&self, job: &JobView<'_>) -> Result<Advance, Failure> {
        if job.expanded["idle"] == json!(true) {
            return Ok(Advance::Tasks(Vec::new()));
        }
        let stages = job.expanded["stages"].as_array().cloned().unwrap_or_default();
        let ends = stages.iter().scan(0, |tasks, stage| {
            *tasks += stage.as_array().unwrap().len();
            Some(*tasks)
        });
        let done = ends.filter(|end| *end <= job.tasks.len()).count();
        if done < stages.len() {
            return Ok(Advance::Tasks(stage(job.expanded, done)));
        }
        Ok(Advance::Merge)
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        match job.expanded["merge_failure"].as_str() {
            Some(text) => Err(Failure::new(ErrorClass::Data, "HW-J001", text)),
            None => Ok(merged(job)),
        }
    }
}

fn merged(job: &JobView<'_>) -> Merged {
    let outcomes: Vec<&Value> = job.tasks.iter().map(|task| &task.outcome).collect();
    let puts = texts(&job.expanded["puts"]);
    let puts = puts.iter().map(|name| CatalogChange::Put {
        table: Box::new(table(name)),
        parts: Vec::new(),
        expected: None,
    });
    let drops = job.expanded["drops"].as_array().cloned().unwrap_or_default();
    let filler = usize::try_from(job.expanded["filler"].as_u64().unwrap_or(0)).unwrap();
    let filler = "x".repeat(filler);
    let drops = drops.iter().map(|drop| CatalogChange::Drop {
        name: drop[0].as_str().unwrap().parse().unwrap(),
        version: TableVersion(drop[1].as_u64().unwrap()),
    });
    Merged {
        result: json!({ "outcomes": outcomes, "seconds": job.elapsed.as_secs(), "filler": filler }),
        partial: false,
        changes: puts.chain(drops).collect(),
        files: Vec::new(),
    }
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().cloned().unwrap_or_default();
    texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn stage(params: &Value, number: usize) -> Vec<TaskSpec> {
    let stage = params["stages"][number].as_array().cloned().unwrap_or_default();
    let spec = |task: &Value| TaskSpec {
        kind: format!("told.stage{number}"),
        format: 1,
        params: task.clone(),
        needs: Needs::default(),
        affinity: Vec::new(),
        flow: "flow".to_owned(),
        after: serde_json::from_value(task["after"].clone()).unwrap_or_default(),
    };
    stage.iter().map(spec).collect()
}

fn table(name: &str) -> Table {
    let document = json!({
        "name": name, "kind": "dataset", "version": 0, "schema": { "fields": [], "metadata": {} }, "groups": "contained",
        "sorted_by": [], "bytes": 0, "columns": [], "unsupported": [], "registered_at": 0,
    });
    serde_json::from_value(document).unwrap()
}

/// A store with the processes that use it.
pub(super) struct Setting {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<ManualClock>,
    dead: Arc<Dead>,
    ids: Arc<CountedIds>,
}

impl Setting {
    pub(super) fn new() -> Self {
        let clock = Arc::new(ManualClock(Mutex::new((1_700_000_000_000_000, 1_000_000))));
        Self {
            store: Arc::new(MemoryStore::new(clock.clone())),
            clock,
            dead: Arc::default(),
            ids: Arc::default(),
        }
    }

    /// A process that adopts what others leave.
    pub(super) fn server(&self, session: &str) -> Controller {
        self.process(session, true, Arc::new(InlineDocuments))
    }

    /// A process that ends with its job.
    pub(super) fn one_shot(&self, session: &str) -> Controller {
        self.process(session, false, Arc::new(InlineDocuments))
    }

    /// A process that knows no kind of job.
    pub(super) fn stranger(&self, session: &str) -> Controller {
        self.open(session, true, Arc::new(InlineDocuments), Vec::new())
    }

    /// A process that knows these kinds.
    pub(super) fn of_kinds(&self, session: &str, kinds: Vec<Arc<dyn JobKind>>) -> Controller {
        self.open(session, true, Arc::new(InlineDocuments), kinds)
    }

    /// A process with one worker, `SESSION:tasks`.
    pub(super) fn process(&self, session: &str, adopts: bool, documents: Arc<dyn Documents>) -> Controller {
        let kinds: Vec<Arc<dyn JobKind>> = vec![
            Arc::new(Told("asked", Lifetime::Interactive)),
            Arc::new(Told("kept", Lifetime::Durable)),
        ];
        self.open(session, adopts, documents, kinds)
    }

    fn open(
        &self,
        session: &str,
        adopts: bool,
        documents: Arc<dyn Documents>,
        kinds: Vec<Arc<dyn JobKind>>,
    ) -> Controller {
        let session = SessionId(session.to_owned());
        self.start_session(&session);
        now(Controller::open(ControllerOptions {
            session,
            retry: RetryPolicy::default(),
            finishing_shown_after: Duration::ZERO,
            adopts,
            kinds,
            store: self.store.clone(),
            documents,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            liveness: self.dead.clone(),
        }))
        .unwrap()
    }

    fn start_session(&self, id: &SessionId) {
        let session = NewSession {
            id: id.clone(),
            role: "up".to_owned(),
            host: "here".to_owned(),
            pid: 1,
            process_start: String::new(),
            version: "0".to_owned(),
            lease: Duration::from_secs(30),
        };
        now(self.store.start_session(session)).unwrap();
        let worker = WorkerRecord {
            id: worker(&id.0),
            session: id.clone(),
            slots: 9,
            labels: Vec::new(),
            draining: false,
            running: 0,
        };
        now(self.store.put_worker(worker)).unwrap();
    }

    /// The process dies, and whoever asks may know it.
    pub(super) fn kill(&self, session: &str) {
        self.dead.0.lock().unwrap().insert(session.to_owned());
    }

    pub(super) fn renew(&self, session: &str) {
        now(self
            .store
            .renew_session(&SessionId(session.to_owned()), Duration::from_secs(30)))
        .unwrap();
    }

    pub(super) fn pass(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap();
        let mut times = self.clock.0.lock().unwrap();
        times.0 += i64::try_from(micros).unwrap();
        times.1 += micros;
    }

    /// The wall's clock jumps; no time passes.
    pub(super) fn jump(&self, seconds: i64) {
        self.clock.0.lock().unwrap().0 += seconds * 1_000_000;
    }

    /// Everything that the worker of the process may take now.
    pub(super) fn claim(&self, session: &str) -> Vec<ClaimedTask> {
        let claim = Claim {
            worker: worker(session),
            kinds: (0..3).map(|number| (format!("told.stage{number}"), 1)).collect(),
            slot: Slot {
                tasks: 9,
                cpu_milli: u32::MAX,
                memory_bytes: u64::MAX,
                scarce: hw_job::Scarce::default(),
                labels: Vec::new(),
            },
            owner: None,
            holds: Vec::new(),
            lease: LEASE,
        };
        now(self.store.claim_tasks(&claim)).unwrap()
    }

    /// The worker reports; what follows is decided by the usual policy.
    pub(super) fn report(&self, task: &ClaimedTask, ending: Ending) -> Option<TaskState> {
        let counts = task.counts.and(&ending);
        let next = crate::rescue::next_state(&RetryPolicy::default(), counts, &ending, 0.5);
        let change = TaskChange {
            task: task.id,
            fence: task.fence,
            ending,
            counts,
            next,
            files: Vec::new(),
            work: None,
        };
        let answers = now(self.store.change_tasks(vec![change])).unwrap();
        answers[0].as_ref().ok().map(|changed| changed.state)
    }

    pub(super) fn succeed(&self, task: &ClaimedTask) {
        let outcome = StoredDocument::Inline(json!(format!("{}.{}", task.id.index, task.attempt)));
        self.report(task, Ending::Succeeded(outcome)).unwrap();
    }

    /// Claims and does everything until nothing is left.
    pub(super) fn work(&self, controller: &Controller, session: &str) {
        loop {
            let ended = step(controller).ended;
            let tasks = self.claim(session);
            tasks.iter().for_each(|task| self.succeed(task));
            if tasks.is_empty() && ended == 0 {
                return;
            }
        }
    }

    pub(super) fn job(&self, id: JobId) -> JobRecord {
        now(self.store.load_job(id)).unwrap().unwrap()
    }

    /// State and failure in one line, `failed HW-J010 platform`.
    pub(super) fn ending(&self, id: JobId) -> String {
        let job = self.job(id);
        let failure = job
            .failure
            .map(|failure| format!(" {} {}: {}", failure.code, failure.class.as_str(), failure.message));
        let reason = job
            .cancel_reason
            .filter(|_| job.state == JobState::Cancelled)
            .map(|reason| format!(": {reason}"));
        format!("{}{}", job.state.as_str(), failure.or(reason).unwrap_or_default())
    }

    /// The job's tasks by state, `cancelled running`.
    pub(super) fn tasks(&self, id: JobId) -> String {
        let tasks = now(self.store.load_tasks(id)).unwrap();
        let states: Vec<_> = tasks.iter().map(|task| task.state.as_str()).collect();
        states.join(" ")
    }

    pub(super) fn queue_length(&self) -> u64 {
        now(self.store.queue_length(None)).unwrap()
    }

    pub(super) fn tables(&self) -> String {
        let tables = now(self.store.list_tables()).unwrap();
        let names: Vec<_> = tables
            .iter()
            .map(|table| format!("{}@{}", table.name, table.version))
            .collect();
        names.join(" ")
    }
}

pub(super) fn worker(session: &str) -> WorkerId {
    WorkerId(format!("{session}:tasks"))
}

pub(super) fn step(controller: &Controller) -> Step {
    now(controller.step()).unwrap()
}

/// So many seconds after now, for a job that is submitted at once.
pub(super) fn due(seconds: u64) -> Due {
    let micros = i64::try_from(seconds).unwrap() * 1_000_000;
    Due {
        after: Duration::from_secs(seconds),
        at: Timestamp(1_700_000_000_000_000 + micros),
    }
}

pub(super) fn ask(kind: &str, params: Value) -> Submit {
    Submit::new(kind, params)
}

pub(super) fn submit(controller: &Controller, submit: Submit) -> Result<Submitted, SubmitFault> {
    now(controller.submit(submit))
}

/// A job that is accepted.
pub(super) fn made(controller: &Controller, kind: &str, params: Value) -> JobId {
    submit(controller, ask(kind, params)).unwrap().job()
}

pub(super) fn failed(class: ErrorClass) -> Ending {
    Ending::Failed(Failure::new(class, "HW-J002", "it broke"))
}

pub(super) fn first(job: JobId) -> TaskId {
    TaskId::new(job, 0)
}
