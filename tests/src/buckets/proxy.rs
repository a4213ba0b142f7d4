//! What stands between the program and a store: counts requests, and delays, refuses or breaks off answers.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A request that came by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The range asked for, if it was one.
    pub range: Option<String>,
}

impl Passed {
    /// A question about objects that moves none of their bytes.
    pub fn is_look(&self) -> bool {
        self.method == "HEAD" || self.target.contains("list-type=2")
    }
}

/// What happens to answers. Numbers count down.
#[derive(Debug, Default)]
pub struct Faults {
    /// Time that passes before every answer.
    pub latency: Duration,
    /// Time that passes besides before so many answers.
    pub slow: (u32, Duration),
    /// So many answers with a body break off in the middle of it.
    pub broken: u32,
    /// So many requests are told to slow down.
    pub refused: u32,
}

#[derive(Default)]
struct Shared {
    passed: Vec<Passed>,
    faults: Faults,
}

/// A proxy that ends with the process.
pub struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&of_thread);
                std::thread::spawn(move || pass(client, server, &shared));
            }
        });
        Self { port, shared }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// What passed since this was asked before.
    pub fn take(&self) -> Vec<Passed> {
        std::mem::take(&mut self.lock().passed)
    }

    /// What is left of the faults.
    pub fn left(&self) -> (u32, u32) {
        let shared = self.lock();
        (shared.faults.broken, shared.faults.refused)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

/// One request; then the connection ends, as this server ends it, too.
fn pass(mut client: TcpStream, server: u16, shared: &Mutex<Shared>) -> Option<()> {
    let (head, body) = read_request(&mut client)?;
    let (refused, broken, pause) = note(shared, &head);
    std::thread::sleep(pause);
    if refused {
        let told = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
        let answer = format!(
            "HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{told}",
            told.len()
        );
        return client.write_all(answer.as_bytes()).ok();
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server)).ok()?;
    let mut lines: Vec<&str> = head.lines().filter(|line| !is_header(line, "connection")).collect();
    lines.retain(|line| !line.is_empty());
    let head = format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"));
    upstream.write_all(head.as_bytes()).ok()?;
    upstream.write_all(&body).ok()?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer).ok()?;
    let start = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    if broken && answer.len() > start + 1 {
        let half = start + (answer.len() - start) / 2;
        client.write_all(&answer[..half]).ok()?;
        return client.shutdown(Shutdown::Both).ok();
    }
    client.write_all(&answer).ok()
}

fn note(shared: &Mutex<Shared>, head: &str) -> (bool, bool, Duration) {
    let mut words = head.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let range = head.lines().find(|line| is_header(line, "range"));
    let passed = Passed {
        method: word(),
        target: word(),
        range: range.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())),
    };
    let mut shared = shared.lock().unwrap();
    let has_body = passed.method == "GET";
    shared.passed.push(passed);
    let faults = &mut shared.faults;
    let mut pause = faults.latency;
    if faults.slow.0 > 0 {
        faults.slow.0 -= 1;
        pause += faults.slow.1;
    }
    let refused = faults.refused > 0;
    faults.refused -= u32::from(refused);
    let broken = has_body && !refused && faults.broken > 0;
    faults.broken -= u32::from(broken);
    (refused, broken, pause)
}

fn is_header(line: &str, name: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
}

/// Head and body; `None` if the client goes away.
fn read_request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    let end = loop {
        let bytes = client.read(&mut buffer).ok().filter(|bytes| *bytes > 0)?;
        read.extend_from_slice(&buffer[..bytes]);
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).ok()?;
    let length = head.lines().find(|line| is_header(line, "content-length"));
    let length = length.map_or(0, |line| line.split_once(':').unwrap().1.trim().parse().unwrap());
    let mut body = read.split_off(end);
    while body.len() < length {
        let bytes = client.read(&mut buffer).ok().filter(|bytes| *bytes > 0)?;
        body.extend_from_slice(&buffer[..bytes]);
    }
    Some((head, body))
}
