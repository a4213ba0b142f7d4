//! A handful of seeds against the store on SQLite.

use std::sync::Arc;

use hw_store::{SqliteOptions, SqliteStore, Store};

use crate::{Executor, SimClock, Simulation};

/// Fewer than in memory: each script makes a file and flushes it often.
const SEEDS: u64 = 8;

#[test]
fn seeds_keep_all_promises_on_sqlite_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let handle = runtime.handle().clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let files = std::cell::Cell::new(0);
    let open = move |clock: Arc<SimClock>| -> Arc<dyn Store> {
        files.set(files.get() + 1);
        let file = path.join(format!("{}.db", files.get()));
        let options = SqliteOptions::new(clock, "boot");
        Arc::new(handle.block_on(SqliteStore::open(&file, options)).unwrap())
    };
    let simulation = Simulation::new(Executor::on(runtime), 80, open);
    for seed in 0..SEEDS {
        if let Err(broken) = simulation.run(seed) {
            panic!("seed {seed}: {}\n{}", broken.violation, broken.trace.join("\n"));
        }
    }
}
