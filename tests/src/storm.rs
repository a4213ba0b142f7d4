//! kill -9 of any process at any instant, whatever it does: every job ends once, nothing is half registered, and after a
//! restart no lease, task, file or temporary is left.
//!
//! Each kind of process is killed once; `HEADWATER_CRASH_ROUNDS` asks for more rounds, of which chance chooses the kind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::data;
use crate::harness::{Sandbox, Up, files_below, left_over, signal, store_rows};

const ROWS: usize = 20_000;

/// Rounds between two restarts that clean up.
const RESTART_EVERY: u64 = 10;

fn rounds() -> u64 {
    let asked = std::env::var("HEADWATER_CRASH_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(ACTIONS.len() as u64)
}

/// What happens in a round, with one process that does not come to its end.
type Action = (&'static str, fn(&Story, &mut StdRng));

const ACTIONS: [Action; 13] = [
    ("register", |story, random| story.kill_command(REGISTER, random)),
    ("register another", |story, random| {
        story.kill_command(
            "table register other data --group user --time ts --validation all",
            random,
        )
    }),
    ("drop", |story, random| {
        story.kill_command("table drop other --force --yes", random)
    }),
    ("funnel", |story, random| {
        story.kill_command("funnel run events --file query.json --no-cache", random)
    }),
    ("export to a file", |story, random| {
        story.kill_command(
            "funnel run events --file query.json --no-cache --export-groups groups.csv",
            random,
        )
    }),
    ("export to a table", |story, random| {
        story.kill_command(
            "funnel run events --file query.json --no-cache --export-groups matched --replace",
            random,
        )
    }),
    ("SQL over files into a file", |story, random| {
        story.kill_command("sql -f rows.sql -o rows.csv", random)
    }),
    ("SQL that spills", |story, random| {
        story.kill_command("sql -f sort.sql -o sorted.csv --set memory.limit=24MiB", random)
    }),
    ("start of the server", Story::kill_starting_server),
    ("the server at work", Story::kill_working_server),
    ("the server while it stops", Story::kill_stopping_server),
    ("one of two commands", Story::kill_one_of_two),
    ("a worker", Story::kill_worker),
];

const REGISTER: &str = "table register events data --group user --time ts --validation all";

struct Story {
    sandbox: Sandbox,
    query: Value,
    /// Groups that match the query.
    matching: usize,
}

impl Story {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        data::write_many(&sandbox.path().join("data"), ROWS, 4);
        let query = json!({"query": {"conditions": [{"filter": ["price", ">=", 2500]}]}});
        sandbox.write("query.json", query.to_string());
        sandbox.write("rows.sql", "select * from 'data/*.parquet'");
        let sort = "select a.event, a.ts, repeat(a.event, 20) as long, b.ts as other from 'data/*.parquet' a, generate_series(1, 20) b(ts) order by long, a.price, other";
        sandbox.write("sort.sql", sort);
        sandbox.ok(REGISTER.split(' '));
        let result = sandbox.json(["funnel", "run", "events", "--file", "query.json", "--format", "json"]);
        let matching = usize::try_from(result["query"]["matchingGroups"].as_u64().unwrap()).unwrap();
        assert!(matching > 100);
        Self {
            sandbox,
            query,
            matching,
        }
    }

    fn spawn(&self, line: &str) -> Child {
        let mut command = self.sandbox.command(line.split(' '));
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn kill_command(&self, line: &str, random: &mut StdRng) {
        kill_within(self.spawn(line), 300, random);
    }

    fn kill_one_of_two(&self, random: &mut StdRng) {
        let mut other = self.spawn("funnel run events --file query.json --no-cache");
        kill_within(self.spawn(REGISTER), 300, random);
        let status = other.wait().unwrap();
        assert_eq!(status.code(), Some(0), "a command failed since another one was killed");
    }

    fn kill_starting_server(&self, random: &mut StdRng) {
        kill_within(self.spawn("up --listen 127.0.0.1:0"), 300, random);
    }

    fn submit(&self, up: &Up, count: usize) -> Vec<String> {
        let body = json!({"table": "events", "query": self.query, "cache": false});
        let submitted = (0..count).map(|_| up.post("/api/v1/funnels/run", &body).is(202).json());
        submitted.map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    }

    fn kill_working_server(&self, random: &mut StdRng) {
        let up = self.sandbox.up();
        let ids = self.submit(&up, random.random_range(1..6));
        pause(200, random);
        up.kill();
        self.settled_by_the_next_server(&ids);
    }

    fn kill_stopping_server(&self, random: &mut StdRng) {
        let up = self.sandbox.up();
        let ids = self.submit(&up, random.random_range(0..4));
        pause(50, random);
        signal(up.pid(), libc::SIGTERM);
        pause(100, random);
        up.kill();
        self.settled_by_the_next_server(&ids);
    }

    /// Interactive jobs end with their server: done by then, lost or cancelled, and the same question is answered anew.
    fn settled_by_the_next_server(&self, ids: &[String]) {
        let up = self.sandbox.up();
        for id in ids {
            let job = up.get(&format!("/api/v1/jobs/{id}?wait=60s")).is(200).json();
            let result = &job["result"]["query"]["matchingGroups"];
            match job["state"].as_str().unwrap() {
                "succeeded" => assert_eq!(result, self.matching, "{job}"),
                "failed" => assert_eq!(job["error"]["class"], "platform", "{job}"),
                state => assert_eq!(state, "cancelled", "{job}"),
            }
        }
        for id in self.submit(&up, 1) {
            self.succeeds(&up, &id);
        }
        assert_eq!(up.stop(), 0);
    }

    fn kill_worker(&self, random: &mut StdRng) {
        let up = self.sandbox.up_with(["--set", "worker.slots=1"]);
        let worker = self.spawn("worker");
        let ids = self.submit(&up, random.random_range(1..6));
        kill_within(worker, 300, random);
        for id in ids {
            self.succeeds(&up, &id);
        }
        assert_eq!(up.stop(), 0);
    }

    #[track_caller]
    fn succeeds(&self, up: &Up, id: &str) {
        let job = up.get(&format!("/api/v1/jobs/{id}?wait=60s")).is(200).json();
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!(job["result"]["query"]["matchingGroups"], self.matching, "{job}");
    }

    /// The next command finds everything settled and whole.
    fn check(&self) {
        let sandbox = &self.sandbox;
        let jobs = sandbox.json(["job", "list", "--limit", "1000", "--format", "json"]);
        for job in jobs["items"].as_array().unwrap() {
            let state = job["state"].as_str().unwrap();
            assert!(["succeeded", "failed", "cancelled"].contains(&state), "{job}");
            assert!(state != "failed" || job["error"]["class"] == "platform", "{job}");
        }
        for table in sandbox.json(["table", "list", "--format", "json"])["items"]
            .as_array()
            .unwrap()
        {
            let name = table["name"].as_str().unwrap();
            let rows = if name == "matched" { self.matching } else { ROWS };
            let counted = sandbox.ok(["sql", &format!("select count(*) as n from \"{name}\"")]);
            assert_eq!(counted, format!("n\n{rows}\n"), "{name}");
        }
        for (file, rows) in [
            ("groups.csv", self.matching),
            ("rows.csv", ROWS),
            ("sorted.csv", ROWS * 20),
        ] {
            if let Ok(text) = std::fs::read_to_string(sandbox.path().join(file)) {
                assert_eq!(text.lines().count(), rows + 1, "half of {file} is there");
                std::fs::remove_file(sandbox.path().join(file)).unwrap();
            }
        }
        self.check_store();
    }

    fn check_store(&self) {
        let none = |query: &str| assert_eq!(store_rows(&self.sandbox, query), Vec::<Value>::new(), "{query}");
        none(
            "select job, state, lease_until from task where state not in ('succeeded', 'failed', 'cancelled', 'timed_out', 'quarantined')",
        );
        none("select * from session");
        none("select * from worker");
        none("select job, count(*) from event where kind = 'job.ended' group by job having count(*) <> 1");
        none("select id from job where settled = 0");
        none("select task, number, state from attempt where state in ('submitting', 'queued', 'starting', 'running')");
        let whole = store_rows(&self.sandbox, "pragma integrity_check");
        assert_eq!(whole, [json!(["ok"])]);
    }

    /// After a restart that takes left-overs for old, the data folder holds what is referred to, and nothing else.
    fn restart(&self) {
        let data = self.sandbox.data_dir();
        let temporaries = files_below(&data).into_iter().filter(|path| is_temporary(path));
        for path in temporaries {
            let aged = Command::new("touch")
                .args(["-d", "10 minutes ago"])
                .arg(&path)
                .status()
                .unwrap();
            assert!(aged.success());
        }
        let up = self.sandbox.up_with(["--set", "files.grace=0s"]);
        let until = Instant::now() + Duration::from_secs(10);
        let open = "select path, state from file where state <> 'confirmed'";
        while !(store_rows(&self.sandbox, open).is_empty() && self.left_over().is_empty()) {
            assert!(
                Instant::now() < until,
                "{:?} {:?}",
                store_rows(&self.sandbox, open),
                self.left_over()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(up.stop(), 0);
        let confirmed = store_rows(&self.sandbox, "select path from file where state = 'confirmed'");
        for row in confirmed {
            assert!(
                data.join("files").join(row[0].as_str().unwrap()).exists(),
                "{row} is gone"
            );
        }
        let names = std::fs::read_dir(&data)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        let known = [
            "cache",
            "files",
            "spill",
            "store.db",
            "store.db-shm",
            "store.db-wal",
            "up.lock",
        ];
        assert!(names.iter().all(|name| known.contains(&name.as_str())), "{names:?}");
        assert_eq!(files_below(&data.join("spill")), Vec::<PathBuf>::new());
    }

    /// Without the spill folder of the server that runs.
    fn left_over(&self) -> Vec<PathBuf> {
        let data = self.sandbox.data_dir();
        let spill = data.join("spill");
        let left = left_over(&self.sandbox).into_iter();
        left.filter(|path| path.starts_with(&data) && !path.starts_with(&spill))
            .collect()
    }
}

fn is_temporary(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(".hw-tmp-"))
}

fn pause(milliseconds_max: u64, random: &mut StdRng) {
    std::thread::sleep(Duration::from_micros(random.random_range(0..=milliseconds_max * 1000)));
}

fn kill_within(mut child: Child, milliseconds: u64, random: &mut StdRng) {
    pause(milliseconds, random);
    let _ = child.kill();
    child.wait().unwrap();
}

#[test]
fn whoever_is_killed_at_whatever_instant_nothing_is_left_of_it() {
    let story = Story::new();
    let mut counts = [0_u32; ACTIONS.len()];
    for seed in 0..rounds() {
        let mut random = StdRng::seed_from_u64(9_000 + seed);
        // Each action has its turn before chance chooses.
        let index = match usize::try_from(seed).unwrap() {
            early if early < ACTIONS.len() => early,
            _ => random.random_range(0..ACTIONS.len()),
        };
        let (name, action) = ACTIONS[index];
        counts[index] += 1;
        let round = std::panic::AssertUnwindSafe(|| {
            action(&story, &mut random);
            story.check();
            if seed % RESTART_EVERY == RESTART_EVERY - 1 {
                story.restart();
            }
        });
        if let Err(panic) = std::panic::catch_unwind(round) {
            println!("round {seed}: killed {name}");
            std::panic::resume_unwind(panic);
        }
    }
    story.restart();
    for ((name, _), count) in ACTIONS.iter().zip(counts) {
        println!("{count:>4} times killed: {name}");
    }
    story.sandbox.ok(REGISTER.split(' '));
}
