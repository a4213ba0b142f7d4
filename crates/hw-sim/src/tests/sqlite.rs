//! A handful of seeds against the store on SQLite: it keeps all promises and does exactly what the one in memory does.

use std::sync::Arc;

use hw_store::{SqliteOptions, SqliteStore, Store};

use crate::{Executor, SimClock, Simulation};

/// Fewer than in memory: each script makes a file and flushes it often.
const SEEDS: u64 = 8;

const STEPS: usize = 80;

#[test]
fn seeds_go_the_same_way_on_sqlite() {
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
    let simulation = Simulation::new(Executor::on(runtime), STEPS, open);
    let in_memory = Simulation::in_memory(STEPS);
    for seed in 0..SEEDS {
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
