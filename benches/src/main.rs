//! Times `headwater` as its users do: cold calls, calls of a running server, the overhead of a job.
//!
//! `cargo run -p hw-bench -- PROGRAM` prints a line per figure: median, least and greatest of its runs, in milliseconds.
#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

const ROWS: i64 = 100_000;
const PARTS: i64 = 8;
const RUNS: usize = 15;
const QUERY: &str = r#"{"query": {"conditions": [{"filter": ["event", "==", "buy"]}]}}"#;

type Anything<T> = Result<T, Box<dyn Error>>;

fn main() -> Anything<()> {
    let program = std::env::args()
        .nth(1)
        .ok_or("name the program: cargo run -p hw-bench -- target/debug/headwater")?;
    let folder = tempfile::tempdir()?;
    let bench = Bench {
        program: PathBuf::from(program).canonicalize()?,
        folder: folder.path().to_owned(),
    };
    bench.write_events()?;
    bench.call(&["table", "register", "events", "data", "--group", "user", "--time", "ts"])?;
    let funnel = [
        "funnel",
        "run",
        "events",
        "--string",
        QUERY,
        "--no-cache",
        "--format",
        "json",
    ];
    let empty = ["funnel", "run", "events", "--empty", "--no-cache", "--format", "json"];
    bench.time("cold call, `select 1`", &["sql", "select 1"])?;
    bench.time("cold call, one condition over 100,000 rows in 8 parts", &funnel)?;
    let _server = bench.serve()?;
    bench.time("running server, `select 1`", &["sql", "select 1"])?;
    bench.time("running server, one condition over 100,000 rows in 8 parts", &funnel)?;
    bench.time(
        "running server, the same answered from the result cache",
        &["funnel", "run", "events", "--string", QUERY],
    )?;
    bench.overhead(
        "running server, job overhead of an 8-part query (total time less the longest slot's work)",
        &empty,
    )
}

struct Bench {
    program: PathBuf,
    folder: PathBuf,
}

/// A server that ends with the benchmark.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Bench {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn call(&self, args: &[&str]) -> Anything<Vec<u8>> {
        let output = self.command(args).output()?;
        if !output.status.success() {
            return Err(format!("{args:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(output.stdout)
    }

    /// One call to warm up, then the runs.
    fn time(&self, what: &str, args: &[&str]) -> Anything<()> {
        self.call(args)?;
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let since = Instant::now();
            self.call(args)?;
            times.push(since.elapsed().as_secs_f64() * 1e3);
        }
        print(what, times);
        Ok(())
    }

    /// What a job takes beyond the work of its tasks: they share two slots, so the work takes at least half their sum.
    fn overhead(&self, what: &str, args: &[&str]) -> Anything<()> {
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let result: Value = serde_json::from_slice(&self.call(args)?)?;
            let number = |pointer: &str| result.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN);
            let work = number("/stats/worker/totalTime/mean") * PARTS as f64 / 2.0;
            times.push((number("/stats/totalTime") - work) * 1e3);
        }
        print(what, times);
        Ok(())
    }

    fn serve(&self) -> Anything<Server> {
        let child = self
            .command(&["up", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Server(child);
        let until = Instant::now() + Duration::from_secs(20);
        while !self.folder.join(".headwater/server.json").exists() {
            if Instant::now() > until {
                return Err("the server did not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    fn write_events(&self) -> Anything<()> {
        std::fs::create_dir(self.folder.join("data"))?;
        for part in 0..PARTS {
            write_part(&self.folder.join(format!("data/part-{part}.parquet")), part)?;
        }
        Ok(())
    }
}

fn write_part(path: &Path, part: i64) -> Anything<()> {
    let rows = ROWS / PARTS;
    let names = ["view", "search", "cart", "buy"];
    let users: ArrayRef = Arc::new(Int64Array::from_iter_values(
        (0..rows).map(|row| row / 10 * PARTS + part),
    ));
    let times: ArrayRef = Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row % 10 * 60_000)));
    let events: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..rows).filter_map(|row| names.get((row * 7 % 4) as usize)),
    ));
    let batch = RecordBatch::try_from_iter([("user", users), ("ts", times), ("event", events)])?;
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn print(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |place: usize| times.get(place).copied().unwrap_or(f64::NAN);
    println!(
        "{:8.1} ms  ({:.1} to {:.1})  {what}",
        at(times.len() / 2),
        at(0),
        at(times.len().saturating_sub(1))
    );
}
