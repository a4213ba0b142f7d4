//! A real Postgres server for tests: one for all test processes of a run, on a private port, with a schema for each test.
//!
//! ```text
//!  test processes ── shared lock on `users` ──┐
//!                                             ├─ nobody holds it for some seconds: the keeper stops the server
//!  keeper (sh)    ── tries it exclusively  ───┘
//! ```
//!
//! The kernel gives the locks of a process back however it ends, so that a panic or a kill leaves no server behind. The
//! first process to come starts the server under the exclusive lock on `start`; the folder goes with the server.
//!
//! Nothing but the standard library and a temporary folder, so that tests of other packages include this file.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const START_WAIT: Duration = Duration::from_secs(60);

/// The address of the shared server's database, or the printed reason why there is none.
pub(super) fn shared() -> Option<&'static str> {
    static SERVER: OnceLock<Result<Shared, String>> = OnceLock::new();
    match SERVER.get_or_init(Shared::attach) {
        Ok(shared) => Some(&shared.url),
        Err(reason) => {
            println!("skipped, no Postgres server can be had: {reason}");
            None
        }
    }
}

/// The address of a store that does not exist yet, on the shared server.
pub(super) fn new_store() -> Option<String> {
    Some(format!("{}&schema={}", shared()?, new_schema()))
}

/// A schema name that no other test has.
pub(super) fn new_schema() -> String {
    static SCHEMAS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = SCHEMAS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("t{}_{number}", std::process::id())
}

struct Shared {
    url: String,
    /// Held as long as this process lives.
    _users: File,
}

impl Shared {
    fn attach() -> Result<Self, String> {
        let programs = programs()?;
        let folder = shared_folder();
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let start = lock_file(&folder, "start")?;
        start.lock().map_err(|error| error.to_string())?;
        let users = lock_file(&folder, "users")?;
        users.lock_shared().map_err(|error| error.to_string())?;
        let told = folder.join("port");
        let port = fs::read_to_string(&told).ok().and_then(|port| port.parse().ok());
        let port = match port.filter(|port| answers(*port)) {
            Some(port) => port,
            None => {
                let port = start_shared(&programs, &folder)?;
                fs::write(&told, port.to_string()).map_err(|error| error.to_string())?;
                port
            }
        };
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
        Ok(Self { url, _users: users })
    }
}

fn shared_folder() -> PathBuf {
    let own = fs::metadata("/proc/self").map_or(0, |facts| facts.uid());
    let target = std::env::current_exe().unwrap_or_default();
    let target = target.parent().unwrap_or(Path::new("/"));
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = target
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, step);
    std::env::temp_dir().join(format!("headwater-test-postgres-{own}-{hash:016x}"))
}

fn lock_file(folder: &Path, name: &str) -> Result<File, String> {
    let path = folder.join(name);
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    opened.map_err(|error| format!("{}: {error}", path.display()))
}

/// Starts the server, and the keeper that stops it when nobody uses it for six seconds.
fn start_shared(programs: &Path, folder: &Path) -> Result<u16, String> {
    let data = folder.join("data");
    let _ = fs::remove_dir_all(&data);
    let port = free_port();
    make_cluster(
        programs,
        &data,
        &["fsync=off", "full_page_writes=off", "max_connections=200"],
    )?;
    let keeper = format!(
        "idle=0
         while kill -0 $PG 2>/dev/null; do
             sleep 2
             if flock -n -x '{users}' true; then idle=$((idle + 1)); else idle=0; fi
             if [ $idle -ge 3 ]; then
                 # Nobody attaches meanwhile: that takes `start` first.
                 flock -x '{start}' sh -c \"flock -n -x '{users}' sh -c 'kill -QUIT $PG; rm -rf {data} {told}'\" && exit 0
                 idle=0
             fi
         done",
        users = folder.join("users").display(),
        start = folder.join("start").display(),
        data = data.display(),
        told = folder.join("port").display(),
    );
    let server = launch(programs, &data, port)?;
    let pid = server.id();
    wait_for(port, server)?;
    let keep = Command::new("setsid")
        .args(["sh", "-c", &keeper])
        .env("PG", pid.to_string())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    keep.map_err(|error| error.to_string())?;
    Ok(port)
}

/// A server of one test, which may be killed and started again. It ends with its value.
pub(super) struct OwnServer {
    programs: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
}

impl OwnServer {
    /// Starts a server that keeps what it commits.
    pub(super) fn start() -> Option<Self> {
        let programs = programs().map_err(|reason| println!("skipped, no Postgres server can be had: {reason}"));
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut own = Self {
            programs: programs.ok()?,
            folder,
            port: free_port(),
            server: None,
        };
        make_cluster(&own.programs, &own.data(), &["max_connections=50"]).unwrap();
        own.start_again();
        Some(own)
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }

    /// Kills all of its processes at once, as a power cut would.
    pub(super) fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        // Immediate shutdown: nothing is written any more, the next start recovers.
        signal(server.id(), "-QUIT");
        server.wait().unwrap();
    }

    pub(super) fn start_again(&mut self) {
        let server = launch(&self.programs, &self.data(), self.port).unwrap();
        self.server = Some(wait_for(self.port, server).unwrap());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

/// The folder of the newest installed server's programs.
fn programs() -> Result<PathBuf, String> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    let whole = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("postgres").exists();
    folders
        .into_iter()
        .find(whole)
        .ok_or_else(|| "neither `initdb` nor `postgres` is installed".to_owned())
}

/// The program, as a user that Postgres accepts: it refuses to run as root. Dies with the thread that starts it, if wanted.
fn unprivileged(program: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").is_ok_and(|facts| facts.uid() == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
        .arg(program);
    command
}

fn make_cluster(programs: &Path, data: &Path, settings: &[&str]) -> Result<(), String> {
    fs::create_dir_all(data).map_err(|error| error.to_string())?;
    let is_root = fs::metadata(data).is_ok_and(|facts| facts.uid() == 0);
    if is_root {
        let given = Command::new("chown").arg("postgres:postgres").arg(data).status();
        if !given.is_ok_and(|status| status.success()) {
            return Err("the user `postgres` is missing".to_owned());
        }
    }
    let made = unprivileged(&programs.join("initdb"))
        .args([
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
        ])
        .arg(data)
        .current_dir("/")
        .output()
        .map_err(|error| error.to_string())?;
    if !made.status.success() {
        return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
    }
    let file = OpenOptions::new().append(true).open(data.join("postgresql.conf"));
    let mut file = file.map_err(|error| error.to_string())?;
    let usual = [
        "listen_addresses='127.0.0.1'",
        "unix_socket_directories=''",
        "shared_buffers=32MB",
        "log_min_messages=fatal",
    ];
    for setting in usual.iter().chain(settings) {
        writeln!(file, "{setting}").map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn launch(programs: &Path, data: &Path, port: u16) -> Result<Child, String> {
    unprivileged(&programs.join("postgres"))
        .args(["-p", &port.to_string(), "-D"])
        .arg(data)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())
}

fn wait_for(port: u16, mut server: Child) -> Result<Child, String> {
    let deadline = Instant::now() + START_WAIT;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = server.try_wait() {
            return Err(format!("the server ended at once: {status}"));
        }
        if answers(port) {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    let _ = server.kill();
    Err("the server did not start".to_owned())
}

/// Whether a Postgres server takes sessions there: it lets one in, where it could still be recovering.
fn answers(port: u16) -> bool {
    const WHO: &[u8] = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0";
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let _ = server.set_read_timeout(Some(Duration::from_secs(2)));
    let length = u32::try_from(WHO.len() + 4).unwrap_or(0).to_be_bytes();
    let mut answer = [0];
    let asked = server
        .write_all(&[&length, WHO].concat())
        .and_then(|()| server.read_exact(&mut answer));
    let _ = server.write_all(b"X\0\0\0\x04");
    asked.is_ok() && &answer == b"R"
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
