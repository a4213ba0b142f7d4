//! A handful of seeds against the stores on SQLite and on Postgres: they keep all promises and do exactly what the one in
//! memory does.

use std::cell::Cell;
use std::sync::Arc;

use hw_store::{PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store};
use tokio::runtime::{Builder, Runtime};

use super::server;
use crate::{Executor, SimClock, Simulation};

/// Fewer than in memory: each script makes a file and flushes it often.
const SQLITE_SEEDS: u64 = 8;

/// Fewer still: each call crosses to a server.
const POSTGRES_SEEDS: u64 = 4;

const STEPS: usize = 80;

#[test]
fn seeds_go_the_same_way_on_sqlite() {
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let files = Cell::new(0);
    let open = move |clock: Arc<SimClock>| -> Arc<dyn Store> {
        files.set(files.get() + 1);
        let file = path.join(format!("{}.db", files.get()));
        let options = SqliteOptions::new(clock, "boot");
        Arc::new(handle.block_on(SqliteStore::open(&file, options)).unwrap())
    };
    check(&Simulation::new(Executor::on(runtime), STEPS, open), SQLITE_SEEDS);
}

#[test]
fn seeds_go_the_same_way_on_postgres() {
    if server::shared().is_none() {
        return;
    }
    let runtime = runtime();
    let handle = runtime.handle().clone();
    let open = move |clock: Arc<SimClock>| -> Arc<dyn Store> {
        let url = server::new_store().unwrap();
        let options = PostgresOptions::new().with_clock(clock);
        Arc::new(handle.block_on(PostgresStore::open(&url, options)).unwrap())
    };
    check(&Simulation::new(Executor::on(runtime), STEPS, open), POSTGRES_SEEDS);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

fn check(simulation: &Simulation, seeds: u64) {
    let in_memory = Simulation::in_memory(STEPS);
    for seed in 0..seeds {
        match simulation.run(seed) {
            Ok(played) if Ok(&played) == in_memory.run(seed).as_ref() => {}
            Ok(_) => {
                let (there, here) = (simulation.tell(seed).0, in_memory.tell(seed).0);
                let same = there
                    .iter()
                    .zip(&here)
                    .take_while(|(there, here)| there == here)
                    .count();
                let from = same.saturating_sub(20);
                panic!(
                    "seed {seed}:\n{:#?}\nin memory:\n{:#?}",
                    &there[from..same + 2],
                    &here[from..same + 2]
                );
            }
            Err(broken) => panic!("seed {seed}: {}\n{}", broken.violation, broken.trace.join("\n")),
        }
    }
}
