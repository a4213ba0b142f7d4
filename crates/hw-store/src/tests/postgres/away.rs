//! A server that goes and comes back while it is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::Store;
use crate::tests::server::OwnServer;

#[test]
fn calls_wait_for_a_server_that_comes_back() {
    let Some(mut server) = OwnServer::start() else { return };
    let url = server.url();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let store = Arc::new(runtime.block_on(open(&url)));
    runtime.block_on(async { store.submit_job(new_job(1, vec![spec(); 4])).await.unwrap() });
    server.kill();
    let waiting: Vec<_> = (0..3)
        .map(|turn| {
            let store = store.clone();
            runtime.spawn(async move {
                match turn {
                    0 => store.submit_job(new_job(2, vec![spec()])).await.map(drop).unwrap(),
                    1 => drop(store.load_job(job_id(1)).await.unwrap().unwrap()),
                    _ => drop(store.claim_tasks(&claim_of("w", 1)).await.unwrap()),
                }
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(700));
    server.start_again();
    runtime.block_on(async {
        for waiting in waiting {
            waiting.await.unwrap();
        }
        check_invariants(store.as_ref()).await;
    });
}

#[test]
fn a_server_that_stays_away_is_named_within_the_limit() {
    let Some(mut server) = OwnServer::start() else { return };
    block_on(async {
        let mut options = PostgresOptions::new();
        options.busy_timeout = Duration::from_secs(1);
        let store = PostgresStore::open(&server.url(), options).await.unwrap();
        server.kill();
        let begun = tokio::time::Instant::now();
        assert_eq!(store.load_job(job_id(1)).await.unwrap_err().code(), "HW-S001");
        assert_eq!(
            store.claim_tasks(&claim_of("w", 1)).await.unwrap_err().code(),
            "HW-S001"
        );
        let submitted = store.submit_job(new_job(1, Vec::new())).await;
        assert!(matches!(
            submitted,
            Err(crate::SubmitError::Store(StoreError::Unreachable(_)))
        ));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        server.start_again();
        store.submit_job(new_job(1, Vec::new())).await.unwrap();
        store.check().await.unwrap();
    });
}

/// The server dies again and again while jobs are worked off; nothing is lost, nothing is done twice.
#[test]
fn a_server_killed_in_mid_use_loses_nothing() {
    let Some(mut server) = OwnServer::start() else { return };
    let url = server.url();
    let over = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..2_u64)
        .map(|number| {
            let (url, over) = (url.clone(), over.clone());
            std::thread::spawn(move || {
                let mut submitted = Vec::new();
                block_on(async {
                    let store = open(&url).await;
                    while !over.load(Ordering::SeqCst) {
                        let id = number * 1_000_000 + u64::try_from(submitted.len()).unwrap();
                        let answer = store.submit_job(new_job(id, vec![spec(); 3])).await;
                        // A commit that is looked up counts as made; an unknown one did not happen here: the server
                        // comes back within the limit.
                        assert_eq!(answer, Ok(crate::Submission::Created), "job {id}");
                        submitted.push(id);
                        work(&store, &format!("w{number}")).await;
                    }
                });
                submitted
            })
        })
        .collect();
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(600));
        server.kill();
        std::thread::sleep(Duration::from_millis(100));
        server.start_again();
    }
    std::thread::sleep(Duration::from_millis(300));
    over.store(true, Ordering::SeqCst);
    let submitted: Vec<u64> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    assert!(submitted.len() > 20, "only {} jobs", submitted.len());
    block_on(async {
        let store = open(&url).await;
        check_invariants(&store).await;
        for id in submitted {
            assert!(store.load_job(job_id(id)).await.unwrap().is_some(), "job {id} is lost");
        }
    });
}

async fn work(store: &dyn Store, name: &str) {
    let claimed = match store.claim_tasks(&claim_of(name, 3)).await {
        // Its leases end by themselves.
        Err(StoreError::OutcomeUnknown(_)) => return,
        claimed => claimed.unwrap(),
    };
    let answers = store.change_tasks(claimed.iter().map(done).collect()).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}
