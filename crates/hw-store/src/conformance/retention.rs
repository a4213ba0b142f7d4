//! Forgetting what is over.

use std::time::Duration;

use hw_catalog::TableVersion;
use hw_job::{CatalogChange, EventSeq, JobEnding, StoredDocument};

use super::{Setting, done, ending, job_id, keyed, new_job, part, result, table, table_name};
use crate::{NewJob, Retention, Submission, TaskChange};

const HOUR: Duration = Duration::from_secs(3600);

/// Everything for ever, but for what the case sets.
fn keeping() -> Retention {
    Retention {
        jobs: HOUR * 1_000_000,
        results: HOUR * 1_000_000,
        events: HOUR * 1_000_000,
    }
}

async fn prune(s: &Setting, limits: Retention) -> u64 {
    s.store.prune(&limits).await.unwrap()
}

fn file(path: &str) -> StoredDocument {
    StoredDocument::File {
        path: path.to_owned(),
        media_type: "application/json".to_owned(),
        bytes: 1,
        checksum: "00".to_owned(),
    }
}

/// A job with a task, both of whose documents are files; it has ended.
async fn ended_job(s: &Setting) {
    let files = ["outcome".to_owned(), "result".to_owned()];
    s.store.announce_files("jobs/1", &files).await.unwrap();
    s.submit_tasks(1, 1).await;
    let claimed = s.claim_one("w").await;
    let report = TaskChange {
        ending: hw_job::Ending::Succeeded(file("outcome")),
        files: vec!["outcome".to_owned()],
        ..done(&claimed)
    };
    s.change(report).await.unwrap();
    let succeeded = JobEnding::Succeeded {
        result: file("result"),
        partial: false,
    };
    let mut end = ending(1, succeeded);
    end.files = vec!["result".to_owned()];
    s.store.end_job(end).await.unwrap();
}

pub(crate) async fn results_go_before_their_jobs(s: &Setting) {
    ended_job(s).await;
    let limits = Retention {
        results: HOUR,
        ..keeping()
    };
    s.clock.jump(999_999);
    assert_eq!(prune(s, limits).await, 0, "only time that passed counts");
    s.clock.pass(HOUR);
    assert_eq!(prune(s, limits).await, 1);
    assert_eq!(s.job(1).await.result, None);
    assert_eq!(s.task(1, 0).await.outcome, None);
    assert_eq!(s.store.unreferenced_files(0, 9).await.unwrap(), ["outcome", "result"]);
    assert_eq!(prune(s, limits).await, 0);
}

/// Some files of a job are mentioned inside of its documents only.
pub(crate) async fn all_files_of_a_job_go_with_its_results(s: &Setting) {
    let inner = format!("jobs/{}/groups.arrow", job_id(1));
    let other = format!("jobs/{}/groups.arrow", job_id(2));
    let files = [inner.clone(), other];
    s.store.announce_files("jobs/1", &files).await.unwrap();
    s.store.confirm_files(&files).await.unwrap();
    ended_job(s).await;
    let limits = Retention {
        results: HOUR,
        ..keeping()
    };
    s.clock.pass(HOUR);
    assert_eq!(prune(s, limits).await, 1);
    assert_eq!(
        s.store.unreferenced_files(0, 9).await.unwrap(),
        [inner.as_str(), "outcome", "result"]
    );
}

pub(crate) async fn old_jobs_go_with_all_that_is_theirs(s: &Setting) {
    ended_job(s).await;
    let limits = Retention {
        jobs: HOUR,
        ..keeping()
    };
    s.clock.pass(HOUR - Duration::from_micros(1));
    assert_eq!(prune(s, limits).await, 0);
    s.clock.pass(Duration::from_micros(1));
    assert_eq!(prune(s, limits).await, 1);
    assert_eq!(s.store.load_job(job_id(1)).await, Ok(None));
    assert_eq!(s.store.load_tasks(job_id(1)).await, Ok(Vec::new()));
    assert_eq!(s.store.load_attempts(job_id(1)).await, Ok(Vec::new()));
    assert_eq!(s.store.unreferenced_files(0, 9).await.unwrap(), ["outcome", "result"]);
    s.submit_tasks(1, 1).await;
    assert_eq!(s.claim_one("w").await.attempt, 1);
}

pub(crate) async fn unsettled_jobs_stay(s: &Setting) {
    s.submit_tasks(1, 1).await;
    s.clock.pass(HOUR * 9);
    let none = Duration::ZERO;
    let limits = Retention {
        jobs: none,
        results: none,
        events: HOUR * 10,
    };
    assert_eq!(prune(s, limits).await, 0);
    assert_eq!(s.claim("w", 1).await.len(), 1);
}

pub(crate) async fn a_key_is_free_when_its_job_is_gone(s: &Setting) {
    s.submit(keyed(1, "key", "request")).await;
    s.store.end_job(ending(1, result())).await.unwrap();
    s.clock.pass(HOUR);
    prune(
        s,
        Retention {
            jobs: HOUR,
            ..keeping()
        },
    )
    .await;
    let again = s.store.submit_job(keyed(2, "key", "another")).await;
    assert_eq!(again, Ok(Submission::Created));
}

pub(crate) async fn old_events_go_and_numbers_go_on(s: &Setting) {
    s.submit_tasks(1, 1).await;
    s.clock.pass(HOUR);
    let limits = Retention {
        events: HOUR,
        ..keeping()
    };
    s.clock.pass(HOUR);
    s.submit_tasks(2, 0).await;
    assert_eq!(prune(s, limits).await, 2);
    assert_eq!(s.store.oldest_event().await, Ok(EventSeq(3)));
    s.clock.pass(HOUR);
    assert_eq!(prune(s, limits).await, 1);
    assert_eq!(s.store.last_event().await, Ok(EventSeq(3)));
    assert_eq!(s.store.oldest_event().await, Ok(EventSeq(4)));
    s.submit_tasks(3, 0).await;
    assert_eq!(s.store.oldest_event().await, Ok(EventSeq(4)));
    assert_eq!(s.last().await, EventSeq(4));
}

pub(crate) async fn one_call_removes_a_bounded_number(s: &Setting) {
    let events = vec![
        hw_job::NewEvent {
            kind: hw_job::EventKind::HookCalled,
            subject: "h".to_owned(),
            job: None,
            data: serde_json::json!({}),
        };
        10_005
    ];
    s.store.append_events(events).await.unwrap();
    let limits = Retention {
        events: Duration::ZERO,
        ..keeping()
    };
    assert_eq!(prune(s, limits).await, 10_000);
    assert_eq!(prune(s, limits).await, 5);
}

async fn put(s: &Setting, number: u64) {
    let change = CatalogChange::Put {
        table: Box::new(table(&table_name("t"))),
        parts: vec![part("p", number)],
        expected: None,
    };
    super::catalog::change(s, number, vec![change]).await;
}

async fn kept_versions(s: &Setting) -> Vec<u64> {
    let mut kept = Vec::new();
    for version in 1..=4 {
        let parts = s.store.load_parts(&table_name("t"), TableVersion(version)).await;
        if !parts.unwrap().is_empty() {
            kept.push(version);
        }
    }
    kept
}

pub(crate) async fn parts_stay_as_long_as_a_job_reads_their_version(s: &Setting) {
    for number in 1..=3 {
        put(s, number).await;
    }
    let reader = NewJob {
        reads: vec![(table_name("t"), TableVersion(2))],
        ..new_job(9, Vec::new())
    };
    s.submit(reader).await;
    assert_eq!(kept_versions(s).await, [1, 2, 3]);
    assert_eq!(prune(s, keeping()).await, 1);
    assert_eq!(kept_versions(s).await, [2, 3]);
    s.store.end_job(ending(9, result())).await.unwrap();
    assert_eq!(prune(s, keeping()).await, 1);
    assert_eq!(kept_versions(s).await, [3]);
    let drop = CatalogChange::Drop {
        name: table_name("t"),
        version: TableVersion(3),
    };
    super::catalog::change(s, 10, vec![drop]).await;
    assert_eq!(prune(s, keeping()).await, 1);
    assert_eq!(kept_versions(s).await, [0; 0]);
    put(s, 11).await;
    assert_eq!(kept_versions(s).await, [4]);
}

/// Tables of our own have files of ours as their parts.
async fn put_own(s: &Setting, number: u64, files: &[&str], manifest: Option<&str>) {
    let mut own = table(&table_name("t"));
    own.repartition = manifest.map(|path| {
        Box::new(hw_catalog::Repartition {
            source: table_name("source"),
            version: TableVersion(1),
            buckets: 4,
            manifest: hw_catalog::KeptFile {
                path: path.to_owned(),
                bytes: 1,
                checksum: "0000000000000000".to_owned(),
            },
        })
    });
    let change = CatalogChange::Put {
        table: Box::new(own),
        parts: files.iter().map(|file| part(file, number)).collect(),
        expected: None,
    };
    let paths: Vec<String> = files.iter().chain(&manifest).map(|file| (*file).to_owned()).collect();
    s.store.announce_files("tables/main.t", &paths).await.unwrap();
    s.submit_tasks(number, 0).await;
    let end = crate::EndJob {
        changes: vec![change],
        files: paths,
        ..ending(number, result())
    };
    s.store.end_job(end).await.unwrap();
}

async fn released(s: &Setting) -> String {
    let mut files = s.store.unreferenced_files(0, 100).await.unwrap();
    files.sort();
    files.join(" ")
}

pub(crate) async fn files_of_versions_that_are_gone_are_released(s: &Setting) {
    put_own(s, 1, &["a", "b"], Some("m1")).await;
    let reader = NewJob {
        reads: vec![(table_name("t"), TableVersion(1))],
        ..new_job(9, Vec::new())
    };
    s.submit(reader).await;
    put_own(s, 2, &["b", "c"], Some("m2")).await;
    assert_eq!(released(s).await, "m1");
    prune(s, keeping()).await;
    assert_eq!(released(s).await, "m1", "a job reads the first version");
    s.store.end_job(ending(9, result())).await.unwrap();
    prune(s, keeping()).await;
    assert_eq!(released(s).await, "a m1", "`b` is a part of the second version");
    let drop = CatalogChange::Drop {
        name: table_name("t"),
        version: TableVersion(2),
    };
    super::catalog::change(s, 10, vec![drop]).await;
    prune(s, keeping()).await;
    assert_eq!(released(s).await, "a b c m1 m2");
}
