#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hw_files::{FileStores, Files, Location, StoreLimits};
use hw_job::{
    ErrorClass, Failure, JobId, Lifetime, Needs, RetryPolicy, SessionId, StoredDocument, TaskSpec, TaskState, Work,
};
use hw_store::{ClaimedTask, EndJob, MemoryStore, NewJob, NewSession, Store, SystemClock, TaskRecord};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Drain, Worker, WorkerOptions};
use crate::{FileDocuments, Meter, Outcome, StoreLedger, TaskRunner};

/// Does what the task's parameters say.
struct Obedient;

#[async_trait]
impl TaskRunner for Obedient {
    fn kinds(&self) -> Vec<(&'static str, u32)> {
        vec![("test.task", 1)]
    }

    async fn run(&self, task: &ClaimedTask, meter: &Meter, _cancel: &CancellationToken) -> Result<Outcome, Failure> {
        match task.params.as_str().unwrap_or_default() {
            "fail" => Err(Failure::new(ErrorClass::Data, "HW-J000", "bad row")),
            "panic" => panic!("a bug in a runner"),
            "read" => {
                for _ in 0..1000 {
                    meter.add(3, 100);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Ok(Outcome::default())
            }
            "read at once" => {
                meter.follow(|| Work { rows: 0, bytes: 70 });
                meter.add(5, 0);
                Ok(Outcome::default())
            }
            "hang" => {
                tokio::time::sleep(Duration::from_secs(3600)).await;
                Ok(Outcome::default())
            }
            "large" => Ok(Outcome::of(json!("x".repeat(100_000)))),
            "slow" => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok(Outcome::default())
            }
            // The first attempt writes so slowly that its file is swept meanwhile.
            "swept" if task.attempt == 1 => Ok(Outcome {
                files: vec!["jobs/j/swept".to_owned()],
                ..Outcome::default()
            }),
            _ => Ok(Outcome::of(json!({"attempt": task.attempt}))),
        }
    }
}

struct Fixture {
    store: Arc<dyn Store>,
    documents: Arc<FileDocuments>,
    session: SessionId,
    stop: CancellationToken,
    worker: tokio::task::JoinHandle<()>,
    revived: Arc<Worker>,
    drain: Drain,
    _folder: tempfile::TempDir,
}

impl Fixture {
    async fn start(slots: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let session = SessionId("s1".into());
        store.start_session(new_session(&session, SESSION_LEASE)).await.unwrap();
        let stores = FileStores::new([], StoreLimits::default());
        let root = Location::of_path(folder.path(), None).unwrap().into_folder();
        let ids = Arc::new(uuid::Uuid::now_v7);
        let files = Files::new(stores.open(&root).unwrap(), Arc::new(StoreLedger(store.clone())), ids);
        let documents = Arc::new(FileDocuments::new(Arc::new(files)));
        let drain = Drain::default();
        let worker = Arc::new(Worker::new(WorkerOptions {
            session: new_session(&session, SESSION_LEASE),
            slots,
            owner: None,
            lease: Duration::from_secs(15),
            retry: RetryPolicy::default(),
            labels: Vec::new(),
            capacity: crate::Capacity::default(),
            runners: vec![Arc::new(Obedient)],
            store: store.clone(),
            documents: documents.clone(),
            drain: drain.clone(),
        }));
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let revived = worker.clone();
        let worker = tokio::spawn(async move { worker.run(stopping).await.unwrap() });
        Self {
            store,
            documents,
            session,
            stop,
            worker,
            revived,
            drain,
            _folder: folder,
        }
    }

    async fn submit(&self, params: &[&str]) -> JobId {
        let id = JobId::new(1_700_000_000_000, rand::random());
        let task = |params: &&str| TaskSpec {
            kind: "test.task".into(),
            format: 1,
            params: json!(params),
            needs: Needs::default(),
            affinity: Vec::new(),
            flow: id.to_string(),
            after: Vec::new(),
        };
        let job = NewJob {
            id,
            kind: "test".into(),
            format: 1,
            params: Value::Null,
            expanded: Value::Null,
            warnings: Vec::new(),
            reads: Vec::new(),
            tasks: params.iter().map(task).collect(),
            priority: 100,
            timeout: None,
            not_before: None,
            deadline: None,
            tags: Vec::new(),
            parent: None,
            lifetime: Lifetime::Interactive,
            owner: self.session.clone(),
            fingerprint: None,
            idempotency: None,
            flush: false,
        };
        self.store.submit_job(job).await.unwrap();
        id
    }

    /// The job's tasks once `ready` says so, within 5 s.
    async fn wait(&self, job: JobId, ready: impl Fn(&[TaskRecord]) -> bool) -> Vec<TaskRecord> {
        for _ in 0..500 {
            let tasks = self.store.load_tasks(job).await.unwrap();
            if ready(&tasks) {
                return tasks;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!(
            "the tasks did not get there: {:?}",
            self.store.load_tasks(job).await.unwrap()
        );
    }
}

const SESSION_LEASE: Duration = Duration::from_secs(60);

fn new_session(id: &SessionId, lease: Duration) -> NewSession {
    NewSession {
        id: id.clone(),
        role: "cli".into(),
        host: "here".into(),
        pid: 1,
        process_start: "0".into(),
        version: "0".into(),
        lease,
    }
}

fn settled(tasks: &[TaskRecord]) -> bool {
    tasks.iter().all(|task| task.state.is_settled())
}

#[tokio::test]
async fn tasks_run_and_are_reported() {
    let fixture = Fixture::start(2).await;
    let job = fixture.submit(&["work", "work", "work", "fail"]).await;
    let tasks = fixture.wait(job, settled).await;
    let states: Vec<_> = tasks.iter().map(|task| task.state).collect();
    assert_eq!(
        states,
        [
            TaskState::Succeeded,
            TaskState::Succeeded,
            TaskState::Succeeded,
            TaskState::Failed
        ]
    );
    assert_eq!(tasks[0].outcome, Some(StoredDocument::Inline(json!({"attempt": 1}))));
    assert_eq!(tasks[3].failure.as_ref().unwrap().message, "bad row");
}

#[tokio::test]
async fn a_large_outcome_becomes_a_file() {
    let fixture = Fixture::start(1).await;
    let job = fixture.submit(&["large"]).await;
    let tasks = fixture.wait(job, settled).await;
    let outcome = tasks[0].outcome.as_ref().unwrap();
    assert!(
        matches!(outcome, StoredDocument::File { bytes: 100_002, .. }),
        "{outcome:?}"
    );
    assert_eq!(
        fixture.documents.load(outcome).await.unwrap(),
        json!("x".repeat(100_000))
    );
}

#[tokio::test]
async fn a_panic_is_a_bug_of_the_task_and_not_of_the_worker() {
    let fixture = Fixture::start(1).await;
    let job = fixture.submit(&["panic"]).await;
    let tasks = fixture.wait(job, |tasks| tasks[0].failure.is_some()).await;
    let failure = tasks[0].failure.clone().unwrap();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::Internal, "HW-J020")
    );
    assert!(failure.message.contains("a bug in a runner"));
    let other = fixture.submit(&["work"]).await;
    fixture.wait(other, settled).await;
}

#[tokio::test]
async fn a_cancelled_job_frees_its_slot_within_200_ms() {
    let fixture = Fixture::start(1).await;
    let hanging = fixture.submit(&["hang"]).await;
    fixture
        .wait(hanging, |tasks| tasks[0].state == TaskState::Running)
        .await;
    let since = Instant::now();
    let ending = hw_job::JobEnding::Cancelled { reason: "test".into() };
    let end = EndJob {
        job: hanging,
        ending,
        changes: Vec::new(),
        files: Vec::new(),
        flush: false,
    };
    fixture.store.end_job(end).await.unwrap();
    let next = fixture.submit(&["work"]).await;
    fixture.wait(next, settled).await;
    assert!(since.elapsed() < Duration::from_millis(200), "{:?}", since.elapsed());
    let tasks = fixture.store.load_tasks(hanging).await.unwrap();
    assert_eq!(tasks[0].state, TaskState::Cancelled);
}

#[tokio::test]
async fn a_draining_worker_ends_what_it_has_begun_and_hands_back_the_rest() {
    let fixture = Fixture::start(1).await;
    // So that the pace is known, and tasks are reserved.
    let quick = fixture.submit(&["work"; 8]).await;
    fixture.wait(quick, settled).await;
    let job = fixture.submit(&["slow", "work", "work"]).await;
    fixture.wait(job, |tasks| tasks[0].state == TaskState::Running).await;
    fixture.drain.begin();
    fixture.drain.done().await;
    let states = async || {
        let tasks = fixture.store.load_tasks(job).await.unwrap();
        tasks.iter().map(|task| task.state).collect::<Vec<_>>()
    };
    let left = [TaskState::Succeeded, TaskState::Ready, TaskState::Ready];
    assert_eq!(states().await, left);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(states().await, left, "it takes no more");
}

#[tokio::test]
async fn a_worker_drains_and_takes_tasks_again_as_the_store_says() {
    let fixture = Fixture::start(1).await;
    let joined = fixture.submit(&["work"]).await;
    fixture.wait(joined, settled).await;
    let id = fixture.store.list_workers().await.unwrap()[0].id.clone();
    fixture.store.drain_worker(&id, true).await.unwrap();
    let job = fixture.submit(&["work"]).await;
    fixture.drain.done().await;
    assert_eq!(fixture.store.load_tasks(job).await.unwrap()[0].state, TaskState::Ready);
    fixture.store.drain_worker(&id, false).await.unwrap();
    fixture.wait(job, settled).await;
}

#[tokio::test]
async fn a_stopping_worker_hands_its_tasks_back() {
    let fixture = Fixture::start(1).await;
    let job = fixture.submit(&["hang"]).await;
    fixture.wait(job, |tasks| tasks[0].state == TaskState::Running).await;
    fixture.stop.cancel();
    fixture.worker.await.unwrap();
    let tasks = fixture.store.load_tasks(job).await.unwrap();
    assert_eq!(tasks[0].state, TaskState::Ready);
    assert_eq!(tasks[0].counts.lost, 1);
}

#[tokio::test]
async fn a_cancelled_task_frees_its_slot_within_200_ms_and_the_others_go_on() {
    let fixture = Fixture::start(2).await;
    let job = fixture.submit(&["hang", "hang"]).await;
    let running = |tasks: &[TaskRecord]| tasks.iter().all(|task| task.state == TaskState::Running);
    let tasks = fixture.wait(job, running).await;
    let since = Instant::now();
    let told = fixture.store.cancel_task(tasks[0].id, "test").await.unwrap();
    assert_eq!(told, Ok(()));
    let next = fixture.submit(&["work"]).await;
    fixture.wait(next, settled).await;
    assert!(since.elapsed() < Duration::from_millis(200), "{:?}", since.elapsed());
    let tasks = fixture.store.load_tasks(job).await.unwrap();
    let states: Vec<_> = tasks.iter().map(|task| task.state).collect();
    assert_eq!(states, [TaskState::Cancelled, TaskState::Running]);
}

#[tokio::test]
async fn work_is_told_while_a_task_runs_and_is_complete_at_its_end() {
    let fixture = Fixture::start(2).await;
    let job = fixture.submit(&["read", "read at once"]).await;
    let read = |tasks: &[TaskRecord]| tasks[0].work.rows > 0 && tasks[0].state == TaskState::Running;
    let tasks = fixture.wait(job, read).await;
    assert!(tasks[0].work.rows < 3000, "{:?}", tasks[0].work);
    let tasks = fixture.wait(job, settled).await;
    assert_eq!(
        tasks[0].work,
        Work {
            rows: 3000,
            bytes: 100_000
        }
    );
    assert_eq!(tasks[1].work, Work { rows: 5, bytes: 70 });
    let progress = fixture.store.load_job(job).await.unwrap().unwrap().progress;
    assert_eq!((progress.rows, progress.bytes), (3005, 100_070));
}

impl Fixture {
    /// The session's lease runs out, and nobody has noticed yet.
    async fn silence(&self) {
        assert!(self.store.renew_session(&self.session, Duration::ZERO).await.unwrap());
        assert!(self.store.list_sessions().await.unwrap()[0].expired);
    }

    async fn is_well(&self) {
        assert!(!self.store.list_sessions().await.unwrap()[0].expired);
        assert_eq!(self.store.list_workers().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_worker_whose_session_ran_out_begins_anew_and_claims() {
    let fixture = Fixture::start(1).await;
    let first = fixture.submit(&["work"]).await;
    fixture.wait(first, settled).await;
    fixture.silence().await;
    let next = fixture.submit(&["work"]).await;
    fixture.wait(next, settled).await;
    fixture.is_well().await;
}

#[tokio::test]
async fn a_worker_whose_session_ran_out_begins_anew_and_reports() {
    let fixture = Fixture::start(2).await;
    let job = fixture.submit(&["slow", "slow"]).await;
    let running = |tasks: &[TaskRecord]| tasks.iter().all(|task| task.state == TaskState::Running);
    fixture.wait(job, running).await;
    fixture.silence().await;
    let tasks = fixture.wait(job, settled).await;
    for task in tasks {
        assert_eq!((task.state, task.attempts), (TaskState::Succeeded, 1));
    }
    fixture.is_well().await;
}

#[tokio::test]
async fn a_session_that_was_given_up_comes_back_with_its_worker() {
    let fixture = Fixture::start(1).await;
    let first = fixture.submit(&["work"]).await;
    fixture.wait(first, settled).await;
    fixture.store.end_session(&fixture.session).await.unwrap();
    assert!(fixture.store.list_workers().await.unwrap().is_empty());
    fixture.revived.revive().await.unwrap();
    fixture.is_well().await;
}

#[tokio::test]
async fn files_that_were_swept_are_written_by_another_attempt() {
    let fixture = Fixture::start(1).await;
    let job = fixture.submit(&["swept"]).await;
    let tasks = fixture.wait(job, |tasks| tasks[0].state == TaskState::RetryWait).await;
    let failure = tasks[0].failure.clone().unwrap();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::Platform, "HW-T021")
    );
    assert_eq!(tasks[0].counts.lost, 1);
    let pause = fixture.store.wake_due_tasks(1).await.unwrap().unwrap();
    tokio::time::sleep(pause).await;
    fixture.store.wake_due_tasks(1).await.unwrap();
    let tasks = fixture.wait(job, settled).await;
    assert_eq!((tasks[0].state, tasks[0].attempts), (TaskState::Succeeded, 2));
}
