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
use super::server;
use crate::conformance::*;
use crate::{
    Claim, EndJob, JobFilter, NewJob, NextState, PageRequest, PostgresOptions, PostgresStore, SqliteOptions,
    SqliteStore, Store, SystemClock, host_boot_id,
};

const ROUNDS: u64 = 24;
const TASKS: usize = 12;
const STORE: &str = "HW_STORE_CRASH_STORE";
const ROUND: &str = "HW_STORE_CRASH_ROUND";

/// Opens the store at a path or an address.
async fn open_here(place: &str) -> Arc<dyn Store> {
    if place.starts_with("postgres:") {
        return Arc::new(PostgresStore::open(place, PostgresOptions::new()).await.unwrap());
    }
    let options = SqliteOptions::new(Arc::new(SystemClock), host_boot_id());
    Arc::new(SqliteStore::open(Path::new(place), options).await.unwrap())
}

fn file_in(folder: &tempfile::TempDir) -> String {
    folder.path().join("store.db").to_str().unwrap().to_owned()
}

#[test]
fn killed_writers_leave_a_whole_store() {
    let folder = tempfile::tempdir().unwrap();
    kill_writers(&file_in(&folder), ROUNDS);
}

#[test]
fn killed_writers_leave_a_whole_postgres_store() {
    if let Some(place) = server::new_store() {
        kill_writers(&place, ROUNDS / 2);
    }
}

fn kill_writers(place: &str, rounds: u64) {
    let mut random = StdRng::seed_from_u64(7);
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        // Two at a time, so that each is also killed while the other works.
        let mut children = [round * 2, round * 2 + 1].map(|number| start_child(place, number));
        for child in &mut children {
            std::thread::sleep(Duration::from_millis(random.random_range(60..300)));
            child.kill().unwrap();
        }
        for child in children {
            acknowledged.extend(finished_lines(child));
        }
        block_on(check_store(place, &acknowledged));
    }
    assert!(
        acknowledged.len() > 20,
        "the children got too little done: {}",
        acknowledged.len()
    );
    block_on(finish_everything(place));
}

#[test]
fn commits_of_another_process_wake_this_one() {
    let folder = tempfile::tempdir().unwrap();
    block_on(wake_up(&file_in(&folder)));
}

#[test]
fn commits_of_another_process_wake_this_one_on_postgres() {
    if let Some(place) = server::new_store() {
        block_on(wake_up(&place));
    }
}

async fn wake_up(place: &str) {
    let store = open_here(place).await;
    let mut wakes = store.wakes();
    let mut child = start_child(place, 0);
    let mut seen = EventSeq(0);
    for _ in 0..5 {
        let woken = tokio::time::timeout(Duration::from_secs(30), wakes.wait_for(|known| *known > seen));
        seen = *woken.await.unwrap().unwrap();
    }
    assert!(store.last_event().await.unwrap() >= seen);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn start_child(place: &str, number: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::crash::child", "--ignored", "--nocapture"])
        .env(STORE, place)
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

async fn check_file(path: &Path) {
    let mut connection = raw(path).await;
    for check in ["PRAGMA integrity_check", "PRAGMA foreign_key_check"] {
        let rows = sqlx::query(check).fetch_all(&mut connection).await.unwrap();
        let faults: Vec<String> = rows.iter().map(|row| sqlx::Row::get::<String, _>(row, 0)).collect();
        assert!(faults.is_empty() || faults == ["ok"], "{faults:?}");
    }
}

async fn check_store(place: &str, acknowledged: &[(String, JobId)]) {
    let store = open_here(place).await;
    if store.backend() == "sqlite" {
        check_file(Path::new(place)).await;
    }
    check_invariants(store.as_ref()).await;
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
}

/// After all the deaths, the work that is left can be done.
async fn finish_everything(place: &str) {
    let store = open_here(place).await;
    let store = store.as_ref();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let open = JobFilter {
        unsettled: true,
        ..JobFilter::default()
    };
    loop {
        take_back(store).await;
        work_once(store, "last").await;
        let page = PageRequest {
            limit: 1000,
            after: None,
        };
        let jobs = store.list_jobs(&open, &page).await.unwrap().items;
        if jobs.is_empty() {
            break;
        }
        for job in jobs {
            end_if_done(store, job.id).await;
        }
    }
    check_invariants(store).await;
}

#[test]
#[ignore = "started and killed by killed_writers_leave_a_whole_store"]
fn child() {
    let Ok(place) = std::env::var(STORE) else { return };
    let number: u64 = std::env::var(ROUND).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open_here(&place).await;
        let store = store.as_ref();
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
            take_back(store).await;
            for _ in 0..3 {
                work_once(store, &name).await;
            }
            if end_if_done(store, id).await {
                println!("told ended {id} .");
            }
        }
    });
}

async fn work_once(store: &dyn Store, name: &str) {
    let claim = Claim {
        lease: Duration::from_millis(100),
        ..claim_of(name, 9)
    };
    let claimed = store.claim_tasks(&claim).await.unwrap();
    store.change_tasks(claimed.iter().map(done).collect()).await.unwrap();
}

/// Takes the tasks of the dead away from them.
async fn take_back(store: &dyn Store) {
    let expired = store.expired_tasks(100).await.unwrap();
    let lost = expired
        .iter()
        .map(|task| change(task.id, task.fence, lost(), NextState::Ready));
    store.change_tasks(lost.collect()).await.unwrap();
}

async fn end_if_done(store: &dyn Store, id: JobId) -> bool {
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
