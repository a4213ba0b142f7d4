//! A real S3-compatible server for tests: moto's, from PyPI, in a virtual environment that is made once per build folder.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What is installed. Fixed, so that every run tests against the same server.
const PACKAGES: [&str; 3] = ["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"];

/// Serves until its standard input ends, so that it never outlives the test, however that ends.
const SCRIPT: &str = r#"
import os, sys, threading
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
import logging
logging.getLogger("werkzeug").disabled = True
app = DomainDispatcherApplication(create_backend_app)
server = make_server("127.0.0.1", 0, app, threaded=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// A running server, without buckets.
pub struct S3Server {
    child: Child,
    _stdin: Option<ChildStdin>,
    port: u16,
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
}

impl S3Server {
    /// Starts one, or prints why there is none.
    pub fn start() -> Option<Self> {
        static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        match PYTHON.get_or_init(environment) {
            Ok(python) => Some(Self::launch(python)),
            Err(reason) => {
                println!("skipped, no S3-compatible server can be had: {reason}");
                None
            }
        }
    }

    fn launch(python: &Path) -> Self {
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT]).env("PYTHONDONTWRITEBYTECODE", "1");
        // Whatever the developer's own account is, it is not meant.
        for name in ["AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env_remove(name);
        }
        command.env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "x");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        Self {
            _stdin: child.stdin.take(),
            child,
            port: told.trim().parse().expect("the server tells its port"),
            runtime,
            client: reqwest::Client::new(),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn make_bucket(&self, bucket: &str) {
        self.send("PUT", &format!("/{bucket}"), Vec::new());
    }

    pub fn put(&self, path: &str, content: Vec<u8>) {
        self.send("PUT", &format!("/{path}"), content);
    }

    pub fn delete(&self, path: &str) {
        self.send("DELETE", &format!("/{path}"), Vec::new());
    }

    /// Uploads all files of a folder.
    pub fn upload(&self, folder: &Path, prefix: &str) {
        for path in crate::harness::files_below(folder) {
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            self.put(&format!("{prefix}/{name}"), fs::read(&path).unwrap());
        }
    }

    /// The keys of a bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let listing = self.send("GET", &format!("/{bucket}?list-type=2"), Vec::new());
        let keys = listing.split("<Key>").skip(1);
        keys.map(|rest| rest.split("</Key>").next().unwrap().to_owned())
            .collect()
    }

    /// From now on every request must be signed with known credentials; none are known.
    pub fn demand_credentials(&self) {
        self.send("POST", "/moto-api/reset-auth", b"0".to_vec());
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, body: Vec<u8>) -> String {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        // Some requests are let in only if they look as if they were signed.
        let signed =
            "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
        let request = self.client.request(method, format!("{}{path}", self.url())).body(body);
        let request = request.header("authorization", signed);
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let status = answer.status();
            let text = answer.text().await.unwrap();
            assert!(status.is_success(), "{path}: {status} {text}");
            text
        })
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter of an environment that has the server; made by the first process that needs it.
fn environment() -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = test.ancestors().nth(3).ok_or("this test lies in no build folder")?;
    let tools = target.join("test-tools");
    fs::create_dir_all(&tools).map_err(|error| error.to_string())?;
    let folder = tools.join("moto-5.2.5");
    let python = folder.join("bin/python");
    let lock = File::create(tools.join("moto.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let ready = folder.join("ready");
    if ready.exists() {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    ]);
    run(install.args(PACKAGES))?;
    fs::write(ready, "").map_err(|error| error.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr))),
    }
}

/// Waits for something that must come about.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}
