//! Processes that are killed in the middle of their work, again and again, on the same store.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use hw_catalog::TableName;
use hw_job::{CatalogChange, EventSeq, JobId, TaskState};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::opening::raw;
use crate::conformance::*;
use crate::{
    CatalogStore, Claim, EndJob, EventStore, JobFilter, JobStore, NewJob, NextState, PageRequest, QueueStore,
    SqliteOptions, SqliteStore, SystemClock, host_boot_id,
};

const ROUNDS: u64 = 24;
const TASKS: usize = 12;
const STORE: &str = "HW_STORE_CRASH_STORE";
const ROUND: &str = "HW_STORE_CRASH_ROUND";

async fn open_here(path: &Path) -> SqliteStore {
    let options = SqliteOptions::new(Arc::new(SystemClock), host_boot_id());
    SqliteStore::open(path, options).await.unwrap()
}

#[test]
fn killed_writers_leave_a_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut random = StdRng::seed_from_u64(7);
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        // Two at a time, so that each is also killed while the other works.
        let mut children = [round * 2, round * 2 + 1].map(|number| start_child(&path, number));
        for child in &mut children {
            std::thread::sleep(Duration::from_millis(random.random_range(30..250)));
            child.kill().unwrap();
        }
        for child in children {
            acknowledged.extend(finished_lines(child));
        }
        block_on(check_store(&path, &acknowledged));
    }
    assert!(
        acknowledged.len() > 20,
        "the children got too little done: {}",
        acknowledged.len()
    );
    block_on(finish_everything(&path));
}

#[test]
fn commits_of_another_process_wake_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    block_on(async {
        let store = open_here(&path).await;
        let mut wakes = store.wakes();
        let mut child = start_child(&path, 0);
        let mut seen = EventSeq(0);
        for _ in 0..5 {
            let woken = tokio::time::timeout(Duration::from_secs(30), wakes.wait_for(|known| *known > seen));
            seen = *woken.await.unwrap().unwrap();
        }
        assert!(store.last_event().await.unwrap() >= seen);
        child.kill().unwrap();
        child.wait().unwrap();
        store.close().await;
    });
}

fn start_child(path: &Path, number: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child", "--ignored", "--nocapture"])
        .env(STORE, path)
        .env(ROUND, number.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child said was done: `submitted NUMBER` or `ended NUMBER`, whole lines only.
fn finished_lines(mut child: Child) -> Vec<(String, JobId)> {
    let output = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> = output.lines().map_while(Result::ok).collect();
    child.wait().unwrap();
    let told = lines.iter().filter_map(|line| {
        let (word, id) = line.strip_prefix("told ")?.strip_suffix(" .")?.split_once(' ')?;
        Some((word.to_owned(), id.parse().ok()?))
    });
    told.collect()
}

async fn check_store(path: &Path, acknowledged: &[(String, JobId)]) {
    let mut connection = raw(path).await;
    for check in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
        let rows = sqlx::query(check).fetch_all(&mut connection).await.unwrap();
        let faults: Vec<String> = rows.iter().map(|row| sqlx::Row::get::<String, _>(row, 0)).collect();
        assert!(faults.is_empty() || faults == ["ok"], "{faults:?}");
    }
    let store = open_here(path).await;
    check_invariants(&store).await;
    for (word, id) in acknowledged {
        let job = store.load_job(*id).await.unwrap().unwrap();
        assert_eq!(
            usize::try_from(job.tasks.total()).unwrap(),
            TASKS,
            "no job is submitted by halves"
        );
        assert!(
            word != "ended" || job.state.is_settled(),
            "job {id} was said to have ended"
        );
        let table = store.load_table(&made_by(*id)).await.unwrap();
        assert_eq!(
            table.is_some(),
            job.state.is_settled(),
            "a job's table comes with its end"
        );
    }
    store.close().await;
}

/// After all the deaths, the work that is left can be done.
async fn finish_everything(path: &Path) {
    let store = open_here(path).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let open = JobFilter {
        unsettled: true,
        ..JobFilter::default()
    };
    loop {
        take_back(&store).await;
        work_once(&store, "last").await;
        let page = PageRequest {
            limit: 1000,
            after: None,
        };
        let jobs = store.list_jobs(&open, &page).await.unwrap().items;
        if jobs.is_empty() {
            break;
        }
        for job in jobs {
            end_if_done(&store, job.id).await;
        }
    }
    check_invariants(&store).await;
}

#[test]
#[ignore = "started and killed by killed_writers_leave_a_whole_store"]
fn child() {
    let Ok(path) = std::env::var(STORE) else { return };
    let number: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open_here(Path::new(&path)).await;
        let name = format!("w{number}");
        for turn in 0.. {
            let id = job_id(number * 1_000_000 + turn);
            let mut tasks = vec![spec(); TASKS - 1];
            tasks.push(after(&[0, 1, 2]));
            let job = NewJob {
                id,
                tasks,
                flush: turn % 4 == 0,
                ..new_job(0, Vec::new())
            };
            store.submit_job(job).await.unwrap();
            println!("told submitted {id} .");
            take_back(&store).await;
            for _ in 0..3 {
                work_once(&store, &name).await;
            }
            if end_if_done(&store, id).await {
                println!("told ended {id} .");
            }
        }
    });
}

async fn work_once(store: &SqliteStore, name: &str) {
    let claim = Claim {
        lease: Duration::from_millis(100),
        ..claim_of(name, 9)
    };
    let claimed = store.claim_tasks(&claim).await.unwrap();
    store.change_tasks(claimed.iter().map(done).collect()).await.unwrap();
}

/// Takes the tasks of the dead away from them.
async fn take_back(store: &SqliteStore) {
    let expired = store.expired_tasks(100).await.unwrap();
    let lost = expired
        .iter()
        .map(|task| change(task.id, task.fence, lost(), NextState::Ready));
    store.change_tasks(lost.collect()).await.unwrap();
}

async fn end_if_done(store: &SqliteStore, id: JobId) -> bool {
    let job = store.load_job(id).await.unwrap().unwrap();
    if job.state.is_settled() || usize::try_from(job.tasks.in_state(TaskState::Succeeded)).unwrap() < TASKS {
        return false;
    }
    let put = CatalogChange::Put {
        table: Box::new(table(&made_by(id))),
        parts: vec![part("p", 1)],
        expected: None,
    };
    let end = EndJob {
        job: id,
        changes: vec![put],
        ..ending(0, result())
    };
    store.end_job(end).await.is_ok()
}

fn made_by(id: JobId) -> TableName {
    table_name(&format!("made by {id}"))
}
