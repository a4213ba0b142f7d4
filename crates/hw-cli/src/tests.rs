//! A program with a canned router, and command lines run against it: every test of a verb is a transcript.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::{self, Cursor, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hw_api::{CheckedConfig, ExitCode, Problem, ServerDocument, SettingDocument};
use hyper::body::Frame;
use serde_json::{Value, json};
use tower::service_fn;

use crate::args::{Format, Global};
use crate::context::Context;
use crate::program::{
    BoxError, DemoData, LocalOptions, LocalRouter, Program, Restored, RouterBody, UpOptions, WorkerOptions,
};
use crate::shell::Shell;
use crate::surroundings::Surroundings;
use crate::{Interrupts, run};

/// A piece of a canned answer.
#[derive(Clone)]
pub(crate) enum Piece {
    Data(Bytes),
    Wait(Duration),
    /// The answer breaks off.
    Broken(&'static str),
    /// The user presses Ctrl-C.
    Interrupt,
    /// The clock goes on.
    Pass(Duration),
    Never,
}

/// A canned answer.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pieces: Vec<Piece>,
}

impl Reply {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            pieces: vec![Piece::Data(text.into().into())],
        }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::text(value.to_string())
    }

    pub(crate) fn lines(values: &[Value]) -> Self {
        let lines = values.iter().map(|value| Piece::Data(format!("{value}\n").into()));
        Self::pieces(lines.collect())
    }

    pub(crate) fn pieces(pieces: Vec<Piece>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            pieces,
        }
    }

    pub(crate) fn problem(problem: &Problem) -> Self {
        Self::text(serde_json::to_string(problem).unwrap()).status(problem.status)
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The same, after the clock went on.
    pub(crate) fn after(mut self, time: Duration) -> Self {
        self.pieces.insert(0, Piece::Pass(time));
        self
    }
}

/// A line of a request, and what it is answered.
type Route = (String, VecDeque<Reply>);

/// What the fake router knows and has seen.
#[derive(Clone, Default)]
pub(crate) struct FakeRouter {
    replies: Arc<Mutex<Vec<Route>>>,
    log: Arc<Mutex<Vec<String>>>,
    interrupts: Interrupts,
    clock: Arc<AtomicU64>,
}

impl FakeRouter {
    pub(crate) fn requests(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) async fn answer(self, request: Request<RouterBody>) -> Result<Response<RouterBody>, Infallible> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let path = head.uri.path_and_query().unwrap().as_str();
        let line = format!("{} {}", head.method, path.trim_start_matches("/api/v1"));
        let accept = head.headers.get("accept").unwrap().to_str().unwrap().to_owned();
        let mut entry = line.clone();
        if accept != "application/json" {
            entry.push_str(&format!(" ({accept})"));
        }
        if !body.is_empty() {
            entry.push_str(&format!(" {}", String::from_utf8_lossy(&body)));
        }
        for name in ["headwater-folder", "authorization"] {
            if let Some(value) = head.headers.get(name).filter(|value| *value != "/home/ann") {
                entry.push_str(&format!(" [{name}: {}]", value.to_str().unwrap()));
            }
        }
        self.log.lock().unwrap().push(entry);
        Ok(self.response(&line))
    }

    fn response(&self, line: &str) -> Response<RouterBody> {
        let reply = self.next_reply(line);
        let mut response = Response::builder().status(reply.status);
        for (name, value) in &reply.headers {
            response = response.header(*name, value);
        }
        let this = self.clone();
        let frames = futures::stream::iter(reply.pieces).filter_map(move |piece| this.clone().play(piece));
        response.body(StreamBody::new(frames).boxed_unsync()).unwrap()
    }

    fn next_reply(&self, line: &str) -> Reply {
        let mut replies = self.replies.lock().unwrap();
        let queue = replies
            .iter_mut()
            .find(|(known, _)| known == line)
            .map(|(_, queue)| queue);
        let reply = queue.and_then(|queue| {
            if queue.len() > 1 {
                queue.pop_front()
            } else {
                queue.front().cloned()
            }
        });
        reply.unwrap_or_else(|| {
            Reply::problem(&Problem::new(
                404,
                "HW-A004",
                "no such route",
                format!("no route `{line}`"),
            ))
        })
    }

    async fn play(self, piece: Piece) -> Option<Result<Frame<Bytes>, BoxError>> {
        match piece {
            Piece::Data(data) => return Some(Ok(Frame::data(data))),
            Piece::Broken(reason) => return Some(Err(reason.into())),
            Piece::Wait(time) => tokio::time::sleep(time).await,
            Piece::Pass(time) => {
                self.clock.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
            }
            Piece::Interrupt => {
                self.interrupts.raise();
            }
            Piece::Never => futures::future::pending().await,
        }
        None
    }
}

/// The fake program: its router, and notes of what it was asked for.
struct FakeProgram {
    router: FakeRouter,
    home: PathBuf,
}

impl FakeProgram {
    fn note(&self, text: String) {
        self.router.log.lock().unwrap().push(text);
    }
}

impl Program for FakeProgram {
    fn open(&self, options: LocalOptions) -> BoxFuture<'_, Result<LocalRouter, Problem>> {
        async move {
            if options.data_dir.ends_with("newer") {
                return Err(Problem::new(
                    409,
                    "HW-S004",
                    "the store is newer",
                    "the store has version 9",
                ));
            }
            let router = self.router.clone();
            let log = Arc::clone(&self.router.log);
            let service = service_fn(move |request| router.clone().answer(request));
            Ok(LocalRouter::new(service, async move {
                log.lock().unwrap().push("(closed)".to_owned());
            }))
        }
        .boxed()
    }

    fn up(&self, options: UpOptions) -> BoxFuture<'_, Result<(), Problem>> {
        async move {
            self.note(format!(
                "up {:?} {:?} {}",
                options.local, options.listen, options.no_http
            ));
            (options.started)(&ServerDocument {
                pid: 7,
                version: "0.1.0".to_owned(),
                http: Some("http://127.0.0.1:7080".to_owned()),
                metrics: None,
                socket: Some("/home/ann/.headwater/server.sock".to_owned()),
                data_dir: "/home/ann/.headwater".to_owned(),
                store: "sqlite".to_owned(),
                started_at: "2026-11-21T08:00:00.000000Z".to_owned(),
            });
            tokio::task::yield_now().await;
            self.router.interrupts.raise();
            options.shutdown.await;
            Ok(())
        }
        .boxed()
    }

    fn worker(&self, options: WorkerOptions) -> BoxFuture<'_, Result<(), Problem>> {
        async move {
            self.note(format!("worker {:?} {:?}", options.slots, options.labels));
            Err(Problem::new(
                503,
                "HW-S009",
                "no shared store",
                "a worker needs a shared store",
            ))
        }
        .boxed()
    }

    fn config(&self, options: &LocalOptions) -> Result<CheckedConfig, Box<Problem>> {
        if options.settings.iter().any(|(key, _)| key == "colour") {
            let mut problem = Problem::new(
                422,
                "HW-C001",
                "the configuration has faults",
                "1 fault in the configuration",
            );
            problem.errors = serde_json::from_value(json!([
                {"code": "HW-C001", "message": "unknown key `colour`", "help": "did you mean `color`?"}
            ]))
            .unwrap();
            return Err(Box::new(problem));
        }
        let setting = |key: &str, value: Value, origin: &str| SettingDocument {
            key: key.to_owned(),
            value,
            origin: origin.to_owned(),
        };
        let flags = options.settings.iter();
        let of_client = flags.filter(|(key, _)| key.starts_with("client."));
        let of_client = of_client.map(|(key, value)| setting(key, json!(value), "--set"));
        let settings = [
            setting("memory.limit", json!("70%"), "default"),
            setting("http.port", json!(7080), "/home/ann/headwater.toml"),
        ];
        Ok(CheckedConfig {
            settings: settings.into_iter().chain(of_client).collect(),
            notices: Vec::new(),
        })
    }

    fn default_config(&self) -> &'static str {
        "# all settings\n[memory]\nlimit = \"70%\"\n"
    }

    fn restore(&self, options: LocalOptions, backup: PathBuf) -> BoxFuture<'_, Result<Restored, Problem>> {
        async move {
            self.note(format!("restore {}", backup.display()));
            Ok(Restored {
                store: options.data_dir.join("store.db"),
                bytes: 4096,
                previous: Some(options.data_dir.join("store.db.before")),
            })
        }
        .boxed()
    }

    fn demo(&self, options: &LocalOptions, name: &str) -> Result<DemoData, Box<Problem>> {
        if name != "funnel" {
            let problem = Problem::new(404, "HW-C030", "no such demo", format!("there is no demo `{name}`"));
            return Err(Box::new(problem));
        }
        let folder = options.data_dir.join("demo/flights");
        Ok(DemoData {
            title: "Flights out of New York in 2013".to_owned(),
            path: folder.clone(),
            table: "flights".to_owned(),
            group: "aircraft".to_owned(),
            time: "departure".to_owned(),
            query: json!({"funnel": {"sequence": [{"filter": ["event", "==", "late"]}, {"filter": ["event", "==", "very_late"]}]}}),
            query_file: folder.join("delays.json"),
            sql: "SELECT event, count(*) FROM flights GROUP BY event".to_owned(),
            readme: self.home.join(".headwater/demo/README.md"),
        })
    }
}

/// A stream whose content the test looks at afterwards; it may break like a closed pipe.
#[derive(Clone, Default)]
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: Option<usize>,
}

impl Write for Captured {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap();
        if self.room.is_some_and(|room| bytes.len() + data.len() > room) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

/// A command line about to be run.
pub(crate) struct Scene {
    router: FakeRouter,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
    input: String,
    terminal: bool,
    width: Option<usize>,
    output: Captured,
}

/// How it went.
pub(crate) struct Played {
    pub(crate) code: ExitCode,
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) requests: Vec<String>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            router: FakeRouter::default(),
            folder: PathBuf::from("/home/ann"),
            variables: BTreeMap::new(),
            input: String::new(),
            terminal: false,
            width: None,
            output: Captured::default(),
        }
    }

    /// What the router answers to `METHOD /path?query`; of several answers each is given once, the last one always.
    pub(crate) fn route(self, line: &str, replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = replies.into_iter().collect();
        self.router.replies.lock().unwrap().push((line.to_owned(), replies));
        self
    }

    /// A person sits before a terminal of 100 columns.
    pub(crate) fn terminal(mut self) -> Self {
        self.terminal = true;
        self.width = Some(100);
        self
    }

    pub(crate) fn width(mut self, width: usize) -> Self {
        self.width = Some(width);
        self
    }

    pub(crate) fn input(mut self, text: &str) -> Self {
        text.clone_into(&mut self.input);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn folder(mut self, folder: &std::path::Path) -> Self {
        folder.clone_into(&mut self.folder);
        self
    }

    /// The reader of the output goes away after so many bytes.
    pub(crate) fn output_room(mut self, bytes: usize) -> Self {
        self.output.room = Some(bytes);
        self
    }

    pub(crate) fn router(&self) -> FakeRouter {
        self.router.clone()
    }

    /// Runs `headwater WORDS...`.
    pub(crate) fn play(self, words: &[&str]) -> Played {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(self.play_here(words))
    }

    fn surroundings(&self, errors: &Captured) -> Surroundings {
        let clock = Arc::clone(&self.router.clock);
        Surroundings {
            folder: self.folder.clone(),
            variables: self.variables.clone(),
            input: Box::new(Cursor::new(self.input.clone().into_bytes())),
            input_is_terminal: self.terminal,
            output: Box::new(self.output.clone()),
            output_is_terminal: self.terminal,
            errors: Box::new(errors.clone()),
            errors_is_terminal: self.terminal,
            width: self.width,
            clock: Arc::new(move || Duration::from_millis(clock.load(Ordering::SeqCst))),
            interrupts: self.router.interrupts.clone(),
        }
    }

    fn program(&self) -> Arc<dyn Program> {
        Arc::new(FakeProgram {
            router: self.router.clone(),
            home: self.folder.clone(),
        })
    }

    /// A person types lines into the shell; gives what was printed and the exit code.
    pub(crate) async fn session(self, lines: &[&str]) -> (String, i32) {
        let global = Global {
            format: Some(Format::Csv),
            ..Global::default()
        };
        let errors = Captured::default();
        let (mut context, _) = Context::new(&global, self.surroundings(&errors), self.program());
        let mut shell = Shell::for_person(&mut context);
        for line in lines {
            shell.execute_line(line).await.unwrap();
        }
        let code = shell.conclude().unwrap();
        (format!("{}{}", self.output.text(), errors.text()), code as i32)
    }

    pub(crate) async fn play_here(self, words: &[&str]) -> Played {
        let errors = Captured::default();
        let words = ["headwater"].iter().chain(words).map(OsString::from);
        let code = run(words, self.surroundings(&errors), self.program()).await;
        let requests = self.router.log.lock().unwrap().clone();
        Played {
            code,
            output: self.output.text(),
            errors: errors.text(),
            requests,
        }
    }

    /// Runs a command and gives all of it as one text.
    pub(crate) fn transcript(self, words: &[&str]) -> String {
        self.play(words).transcript()
    }
}

impl Played {
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        for request in self.requests.iter().filter(|request| *request != "(closed)") {
            text.push_str(&format!("> {request}\n"));
        }
        text.push_str(&self.output);
        if !self.output.is_empty() && !self.output.ends_with('\n') {
            text.push_str("(no line end)\n");
        }
        for line in self.errors.lines() {
            text.push_str(format!("! {line}").trim_end());
            text.push('\n');
        }
        // Colours as a reader of the test sees them.
        text.push_str(&format!("exit {}\n", self.code as i32));
        text.replace('\u{1b}', "␛")
    }
}

/// A job that went well.
pub(crate) fn job(kind: &str, result: Value) -> Value {
    json!({
        "id": "0198c7a2-aaaa", "kind": kind, "state": "succeeded", "params": {}, "progress": {"stage": "done", "tasks": {"succeeded": 2}},
        "attempts": 2, "priority": 100, "created_at": "2026-11-21T08:42:13.123456Z", "elapsed_seconds": 1.5, "result": result
    })
}

/// The answer of `?stream=true`: some progress, then the job.
pub(crate) fn stream(job: &Value) -> Reply {
    Reply::lines(&[
        json!({"progress": {"stage": "reading", "tasks": {"running": 1, "succeeded": 1}, "rows": 1200, "bytes": 5_000_000}}),
        json!({ "job": job }),
    ])
    .header("location", "/api/v1/jobs/0198c7a2-aaaa")
}
