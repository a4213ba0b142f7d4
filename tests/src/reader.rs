//! Readers that take their time over more than ten gigabytes, and leave: memory stays bounded, the query ends.
//!
//! `HEADWATER_LONG=1` reads the whole result.

use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::harness::Sandbox;

/// More rows than anybody reads, a kilobyte each: 12 GB.
const QUERY: &str = "select a.value as a, b.value as b, repeat('x', 1000) as padding from generate_series(1, 3000) a, generate_series(1, 4000) b";

/// What a process may hold while it passes the result on, in MiB: its code and pools, and a few batches.
const RESIDENT_MAX: u64 = 400;

/// How fast the slow reader reads.
const PIECE: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(10);

fn is_long() -> bool {
    std::env::var_os("HEADWATER_LONG").is_some()
}

/// Reads a piece, pauses, and so on; the largest memory of the processes seen meanwhile, in MiB, and the bytes read.
fn read_slowly(mut from: impl Read, processes: &[u32], at_most: Duration) -> (Vec<u64>, u64) {
    let mut largest = vec![0; processes.len()];
    let mut bytes = 0;
    let mut piece = vec![0; if is_long() { 16 * PIECE } else { PIECE }];
    let since = Instant::now();
    while is_long() || since.elapsed() < at_most {
        let read = from.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes % 64 < 8 || !is_long() {
            std::thread::sleep(if is_long() { Duration::from_millis(1) } else { PAUSE });
        }
        for (largest, pid) in largest.iter_mut().zip(processes) {
            *largest = (*largest).max(resident_mebibytes(*pid));
        }
    }
    (largest, bytes)
}

/// Memory of a process; 0 once it has ended.
fn resident_mebibytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap_or("VmRSS: 0 kB");
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Time that a process has computed, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The server computes nothing any more, soon.
#[track_caller]
fn check_idle(pid: u32) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let before = ticks(pid);
        std::thread::sleep(Duration::from_millis(500));
        if ticks(pid) - before < 10 {
            return;
        }
        assert!(Instant::now() < until, "the query of a reader that is gone still runs");
    }
}

#[track_caller]
fn check_bounded(who: &str, resident: u64, bytes: u64, took: Duration) {
    println!(
        "{who}: {resident} MiB at most (bound {RESIDENT_MAX}) while {} MB were read in {took:?}",
        bytes / 1_000_000
    );
    assert!(resident < RESIDENT_MAX, "{who} holds {resident} MiB");
    assert!(bytes > 1_000_000, "{who}: {bytes} bytes were read");
    assert!(!is_long() || bytes > 10_000_000_000, "{who}: {bytes} bytes were read");
}

#[test]
fn a_slow_reader_over_http_is_served_in_bounded_memory_and_ends_its_query_by_leaving() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    for format in ["text/csv", "application/jsonl", "application/vnd.apache.arrow.stream"] {
        let address = up.http.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).unwrap();
        let body = serde_json::json!({"sql": QUERY}).to_string();
        write!(
            stream,
            "POST /api/v1/sql HTTP/1.1\r\nhost: {address}\r\naccept: {format}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let since = Instant::now();
        let (resident, bytes) = read_slowly(&stream, &[up.pid()], Duration::from_secs(2));
        check_bounded(&format!("the server, {format}"), resident[0], bytes, since.elapsed());
        drop(stream);
        check_idle(up.pid());
    }
    up.get("/health/ready").is(200);
    assert_eq!(up.stop(), 0);
}

#[test]
fn a_command_piped_into_a_slow_reader_is_bounded_with_and_without_a_server() {
    let sandbox = Sandbox::new();
    for served in [false, true] {
        let up = served.then(|| sandbox.up());
        let mut command = sandbox.command(["sql", QUERY, "--format", "csv"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        let processes: Vec<u32> = std::iter::once(child.id())
            .chain(up.iter().map(|up| up.pid()))
            .collect();
        let since = Instant::now();
        let (resident, bytes) = read_slowly(output, &processes, Duration::from_secs(2));
        let names = if served {
            ["the command at a server", "its server"]
        } else {
            ["the command alone", ""]
        };
        for (name, resident) in names.iter().zip(resident) {
            check_bounded(name, resident, bytes, since.elapsed());
        }
        // Its reader has gone.
        let gone = Instant::now();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        assert!(
            gone.elapsed() < Duration::from_secs(5),
            "it went on for {:?}",
            gone.elapsed()
        );
        if let Some(up) = up {
            check_idle(up.pid());
            assert_eq!(up.stop(), 0);
        }
    }
}
