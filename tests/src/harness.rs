//! A folder of its own for each test, commands in it, and a server that ends with the test.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test: built beside this test binary.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("headwater");
    assert!(
        program.exists(),
        "{} is missing: build it with `cargo build -p headwater`",
        program.display()
    );
    program
}

/// A folder in which commands run, with its own data folder and home.
pub struct Sandbox {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Sandbox {
    pub fn new() -> Self {
        Self {
            folder: tempfile::Builder::new().prefix("headwater-it-").tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path().join(".headwater")
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", self.path())
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("NO_COLOR", "1");
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        ran(self.command(args).output().unwrap())
    }

    /// Runs a command to its end with this text on its standard input.
    pub fn run_with_input<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>, input: &str) -> Ran {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        ran(child.wait_with_output().unwrap())
    }

    /// Runs a command that must succeed; its standard output.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "stdout: {}\nstderr: {}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Runs a command that must succeed; the document on its standard output.
    #[track_caller]
    pub fn json<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Runs a command that must end with this code; its standard error.
    #[track_caller]
    pub fn fails<S: AsRef<OsStr>>(&self, code: i32, args: impl IntoIterator<Item = S>) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, code, "stdout: {}\nstderr: {}", ran.stdout, ran.stderr);
        ran.stderr
    }

    /// Starts `headwater up` on a free port and waits until it answers.
    pub fn up(&self) -> Up {
        self.up_with::<&str>([])
    }

    pub fn up_with<S: AsRef<OsStr>>(&self, more: impl IntoIterator<Item = S>) -> Up {
        let log = std::fs::File::create(self.path().join("up.log")).unwrap();
        let mut command = self.command(["up", "--listen", "127.0.0.1:0"]);
        self.wait_for_up(command.args(more).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    /// Waits until a server that was started here answers.
    pub fn wait_for_up(&self, mut child: Child) -> Up {
        let file = self.data_dir().join("server.json");
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(text) = std::fs::read_to_string(&file)
                && let Ok(server) = serde_json::from_str::<Value>(&text)
                && server["pid"] == child.id()
            {
                return Up {
                    child,
                    http: server["http"].as_str().unwrap_or_default().to_owned(),
                };
            }
            let log = || std::fs::read_to_string(self.path().join("up.log")).unwrap_or_default();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("`up` ended with {status}: {}", log());
            }
            assert!(Instant::now() < until, "`up` did not start within 30 s: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A command whose files cannot grow beyond so many KiB: writes fail as they do where a quota is used up.
    pub fn limited<S: AsRef<OsStr>>(&self, kibibytes: u32, args: impl IntoIterator<Item = S>) -> Command {
        let plain = self.command(args);
        let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec \"$@\"");
        let mut limited = Command::new("bash");
        limited
            .args(["-c", &script, "bash"])
            .arg(plain.get_program())
            .args(plain.get_args());
        limited.current_dir(self.path()).env_clear().stdin(Stdio::null());
        for (name, value) in plain.get_envs() {
            limited.env(name, value.unwrap_or_default());
        }
        limited
    }
}

/// Waits for a command whose output is piped.
pub fn finish(child: Child) -> Ran {
    ran(child.wait_with_output().unwrap())
}

/// What no process needs any more and lies about in the sandbox: temporary files anywhere; in the data folder data of
/// dead queries, and files that the store does not know. To be asked while nothing runs.
pub fn left_over(sandbox: &Sandbox) -> Vec<PathBuf> {
    let root = sandbox.data_dir().join("files");
    let known = store_rows(sandbox, "select path from file");
    let known: std::collections::HashSet<&str> = known.iter().filter_map(|row| row[0].as_str()).collect();
    let is_left = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_temporary =
            name.starts_with(".hw-tmp-") || name.starts_with(".server.json.") || name.starts_with(".token.");
        let is_spilled = path.starts_with(sandbox.data_dir().join("spill"));
        let below_root = path
            .strip_prefix(&root)
            .ok()
            .map(|path| path.to_string_lossy().into_owned());
        let is_unknown = below_root.is_some_and(|path| !known.contains(path.as_str()));
        is_temporary || is_spilled || is_unknown
    };
    files_below(sandbox.path())
        .into_iter()
        .filter(|path| is_left(path))
        .collect()
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => files.push(entry.path()),
            }
        }
    }
    files
}

/// What the store holds, looked at from outside of the program; each row is a list.
pub fn store_rows(sandbox: &Sandbox, query: &str) -> Vec<Value> {
    let script = "import json, sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=20)\nprint(json.dumps([list(r) for r in c.execute(sys.argv[2])]))";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(sandbox.data_dir().join("store.db"))
        .arg(query)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{query}: {told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

impl Ran {
    /// The problem document on standard error.
    #[track_caller]
    pub fn problem(&self) -> Value {
        let start = self
            .stderr
            .find('{')
            .unwrap_or_else(|| panic!("no problem on stderr: {}", self.stderr));
        serde_json::from_str(self.stderr[start..].trim()).unwrap_or_else(|error| panic!("{error}: {}", self.stderr))
    }
}

/// A running server.
pub struct Up {
    child: Child,
    /// Its address, `http://127.0.0.1:PORT`.
    pub http: String,
}

impl Up {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits; its exit code.
    pub fn stop(mut self) -> i32 {
        signal(self.child.id(), libc::SIGTERM);
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return code_of(status);
            }
            assert!(Instant::now() < until, "`up` did not stop within 20 s");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it without warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// A request over TCP.
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None, &[])
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(
            "POST",
            path,
            Some(body.to_string()),
            &[("content-type", "application/json")],
        )
    }

    pub fn request(&self, method: &str, path: &str, body: Option<String>, headers: &[(&str, &str)]) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let mut request = reqwest::Client::new().request(method, format!("{}{path}", self.http));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = body {
                request = request.body(body);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let headers = answer.headers().clone();
            Answer {
                status,
                headers,
                body: answer.text().await.unwrap(),
            }
        })
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came back over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: u32, signal: i32) {
    let done = Command::new("kill")
        .args([format!("-{signal}"), pid.to_string()])
        .status()
        .unwrap();
    assert!(done.success());
}

/// An exit code as shells tell it: a process that was ended by a signal has 128 and the signal's number.
fn code_of(status: ExitStatus) -> i32 {
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).unwrap()
}

fn ran(output: Output) -> Ran {
    Ran {
        code: code_of(output.status),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
