//! A full disk: what fails says so in bounded time, nothing is half done, and with room again the same folder works.
//!
//! Without privileges a limit on the size of files stands in for it: each file that grows beyond it takes no more. Where
//! the user may mount, a small file system of its own is filled as well.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::data;
use crate::harness::{Ran, Sandbox, finish, left_over};

/// Codes that name a disk which takes no more.
const NAMED: [&str; 6] = ["HW-S004", "HW-J016", "HW-T017", "HW-C057", "HW-C010", "HW-Q018"];

/// Longest time until a command says so. It waits out short faults.
const TOLD_WITHIN: Duration = Duration::from_secs(40);

fn query() -> String {
    let step = |event: &str| json!({"filter": ["event", "==", event]});
    json!({"query": {"conditions": [step("view")]}, "funnel": {"sequence": [step("view"), step("buy")]}}).to_string()
}

/// What is written to the disk, one thing each: name, command, file that the user gets.
fn stories(query: &str) -> Vec<(&'static str, Vec<&str>, Option<&'static str>)> {
    let register = "table register events data --group user --time ts --validation all";
    let words = |text: &'static str| text.split(' ').collect::<Vec<&str>>();
    vec![
        ("registration", words(register), None),
        (
            "funnel",
            vec![
                "funnel",
                "run",
                "events",
                "--string",
                query,
                "--no-cache",
                "--format",
                "json",
            ],
            None,
        ),
        (
            "export of groups",
            vec![
                "funnel",
                "run",
                "events",
                "--string",
                query,
                "--export-groups",
                "groups.csv",
                "--no-cache",
            ],
            Some("groups.csv"),
        ),
        (
            "export of rows",
            vec!["sql", "select * from events order by \"user\", ts", "-o", "rows.csv"],
            Some("rows.csv"),
        ),
    ]
}

/// A command that failed for want of room: named, with advice, and nothing half done.
#[track_caller]
fn check_failure(sandbox: &Sandbox, story: &str, ran: &Ran, took: Duration, target: Option<&str>) {
    assert!([1, 6].contains(&ran.code), "{story}: {ran:?}");
    let named = NAMED.iter().any(|code| ran.stderr.contains(code));
    assert!(named && ran.stderr.contains("help"), "{story}: {}", ran.stderr);
    assert!(took < TOLD_WITHIN, "{story} took {took:?}: {}", ran.stderr);
    // The file stands before its job is recorded as ended: what failed in between leaves it, but whole.
    if let Some(file) = target
        .map(|target| sandbox.path().join(target))
        .filter(|file| file.exists())
    {
        assert_eq!(
            lines_of(&file),
            lines_of_target(story),
            "{story}: half of {} is there",
            file.display()
        );
    }
}

fn lines_of(file: &Path) -> usize {
    std::fs::read_to_string(file).unwrap().lines().count()
}

fn lines_of_target(story: &str) -> usize {
    if story == "export of rows" { 40_001 } else { 4_001 }
}

/// With room: every job is settled, no table is half there, and all that failed succeeds.
#[track_caller]
fn check_recovered(sandbox: &Sandbox, stories: &[(&str, Vec<&str>, Option<&str>)]) {
    let jobs = sandbox.json(["job", "list", "--format", "json"]);
    for job in jobs["items"].as_array().unwrap() {
        assert!(
            ["succeeded", "failed", "cancelled"].contains(&job["state"].as_str().unwrap()),
            "{job}"
        );
    }
    for (story, args, target) in stories {
        let ran = sandbox.run(args);
        assert_eq!(ran.code, 0, "{story} after room was made: {ran:?}");
        if let Some(target) = target {
            assert_eq!(
                lines_of(&sandbox.path().join(target)),
                lines_of_target(story),
                "{story}"
            );
        }
    }
    assert_eq!(sandbox.ok(["sql", "select count(*) as n from events"]), "n\n40000\n");
    assert_eq!(left_over(sandbox), Vec::<PathBuf>::new());
}

fn timed(mut command: Command) -> (Ran, Duration) {
    let since = Instant::now();
    let ran = finish(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    (ran, since.elapsed())
}

#[test]
fn a_limit_on_the_size_of_files_is_told_and_recovered_from() {
    let query = query();
    for kibibytes in [4, 48, 128, 256, 512] {
        let sandbox = Sandbox::new();
        data::write_many(&sandbox.path().join("data"), 40_000, 4);
        let stories = stories(&query);
        let mut failures = Vec::new();
        for (story, args, target) in &stories {
            let (ran, took) = timed(sandbox.limited(kibibytes, args));
            if ran.code != 0 {
                check_failure(&sandbox, story, &ran, took, *target);
                failures.push(format!("{story} after {} ms", took.as_millis()));
            }
            if *story == "registration" && ran.code != 0 {
                sandbox.ok(args);
            }
        }
        println!(
            "files of at most {kibibytes} KiB: {} failed: {failures:?}",
            failures.len()
        );
        assert!(kibibytes > 128 || !failures.is_empty(), "nothing was short of room");
        check_recovered(&sandbox, &stories);
    }
}

/// A file system of its own, of a few megabytes.
struct Small {
    folder: PathBuf,
}

impl Small {
    /// `None`, with a remark, where the user may not mount.
    fn mount(folder: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={mebibytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self {
                folder: folder.to_owned(),
            }),
            other => {
                println!("skipped: no file system can be mounted here: {other:?}");
                None
            }
        }
    }

    /// Leaves so much room.
    fn fill(&self, kibibytes: u64) {
        self.free();
        let filler = self.folder.join("filler");
        let script = format!(
            "free=$(df --output=avail -k '{0}' | tail -n 1); count=$((free - {kibibytes})); \
             if [ $count -gt 0 ]; then dd if=/dev/zero of='{1}' bs=1K count=$count 2>/dev/null; fi",
            self.folder.display(),
            filler.display()
        );
        Command::new("bash").args(["-c", &script]).status().unwrap();
    }

    fn free(&self) {
        let _ = std::fs::remove_file(self.folder.join("filler"));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

#[test]
fn a_full_disk_under_the_data_folder_is_told_and_recovered_from() {
    let query = query();
    for kibibytes in [0, 60, 150, 300, 600] {
        let sandbox = Sandbox::new();
        data::write_many(&sandbox.path().join("data"), 40_000, 4);
        let Some(small) = Small::mount(&sandbox.data_dir(), 16) else {
            return;
        };
        let stories = stories(&query);
        let mut failures = Vec::new();
        for (story, args, target) in &stories {
            small.fill(kibibytes);
            let (ran, took) = timed(sandbox.command(args));
            small.free();
            if ran.code != 0 {
                check_failure(&sandbox, story, &ran, took, *target);
                failures.push(format!("{story} after {} ms", took.as_millis()));
            }
            if *story == "registration" && ran.code != 0 {
                sandbox.ok(args);
            }
        }
        println!("{kibibytes} KiB of room: {} failed: {failures:?}", failures.len());
        assert!(kibibytes > 60 || !failures.is_empty(), "nothing was short of room");
        check_recovered(&sandbox, &stories);
    }
}

#[test]
fn a_full_disk_does_not_end_the_server_and_its_jobs_go_on_with_room() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 40_000, 4);
    let Some(small) = Small::mount(&sandbox.data_dir(), 100) else {
        return;
    };
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    let up = sandbox.up();
    small.fill(300);
    let funnel = json!({"table": "events", "query": serde_json::from_str::<Value>(&query()).unwrap(), "cache": false});
    let until = Instant::now() + Duration::from_secs(20);
    let mut accepted = Vec::new();
    // What still fits is taken; then each request says why it is not.
    let refused = loop {
        assert!(
            Instant::now() < until,
            "the disk is full and {} jobs were taken",
            accepted.len()
        );
        let answer = up.post("/api/v1/funnels/run", &funnel);
        if answer.status != 202 {
            break answer;
        }
        accepted.push(answer.json()["id"].as_str().unwrap().to_owned());
    };
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (507, &json!("HW-S004")),
        "{}",
        refused.body
    );
    up.get("/api/v1/tables").is(200);
    up.post("/api/v1/sql", &json!({"sql": "select count(*) as n from events"}))
        .is(200);
    std::thread::sleep(Duration::from_secs(9));
    assert_eq!(up.get("/health/live").status, 200);
    assert_eq!(
        up.get("/health/ready").status,
        503,
        "it is full and says that it is ready"
    );
    small.free();
    // Until it writes again, and sees that it can, it may still say so.
    let room = Instant::now();
    while up.get("/health/ready").status != 200 {
        assert!(
            room.elapsed() < Duration::from_secs(15),
            "it does not see that there is room"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("room was seen after {:?}", room.elapsed());
    for id in &accepted {
        sandbox.ok(["job", "wait", id, "--timeout", "60s"]);
    }
    up.post("/api/v1/funnels/run?wait=30s", &funnel).is(200);
    println!(
        "{} jobs taken before the disk was full, all ended with room",
        accepted.len()
    );
    assert_eq!(up.stop(), 0);
}

#[test]
fn a_full_root_of_files_ends_the_job_and_names_the_file_layer() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 40_000, 4);
    let root = sandbox.path().join("elsewhere");
    let Some(small) = Small::mount(&root, 16) else { return };
    let setting = format!("files.root={}", root.display());
    let query = query();
    let all: Vec<_> = stories(&query);
    let with_root = |args: &[&str]| -> Vec<String> {
        let words = args.iter().copied().chain(["--set", &setting]);
        words.map(str::to_owned).collect()
    };
    sandbox.ok(with_root(&all[0].1));
    small.fill(0);
    let (ran, took) = timed(sandbox.command(with_root(&all[2].1)));
    check_failure(&sandbox, "export of groups", &ran, took, Some("groups.csv"));
    println!("a full root of files was told after {} ms", took.as_millis());
    small.free();
    sandbox.ok(with_root(&all[2].1));
}

#[test]
fn an_output_that_takes_nothing_is_told_and_a_log_that_takes_nothing_harms_nobody() {
    let sandbox = Sandbox::new();
    data::write_example(&sandbox.path().join("data"));
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for args in [vec!["sql", "select 1"], vec!["table", "list", "--format", "json"]] {
        let output = sandbox.command(&args).stdout(full()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("HW-C057"), "{stderr}");
        let status = sandbox.command(&args).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(1));
    }
    let register = ["table", "register", "events", "data", "--group", "user", "--time", "ts"];
    let status = sandbox.command(register).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let mut command = sandbox.command(["up", "--listen", "127.0.0.1:0", "--set", "log.level=trace"]);
    let up = sandbox.wait_for_up(command.stdout(full()).stderr(full()).spawn().unwrap());
    up.get("/health/ready").is(200);
    assert_eq!(sandbox.ok(["sql", "select count(*) as n from events"]), "n\n12\n");
    assert_eq!(up.stop(), 0);
}

#[test]
fn what_is_put_into_a_folder_that_others_may_enter_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    crate::data::write_example(&sandbox.path().join("data"));
    let data = sandbox.data_dir();
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let up = sandbox.up();
    sandbox.ok(["table", "register", "events", "data", "--group", "user", "--time", "ts"]);
    sandbox.ok(["table", "repartition", "events", "--to", "cut", "--parts", "2"]);
    sandbox.ok(["demo"]);
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let (mut found, mut folders) = (0, vec![data.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            found += 1;
            let expected = if entry.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(&entry), expected, "{}", entry.display());
            // What the engine puts below its folder for spilled rows is closed off by that folder.
            if entry.is_dir() && folder != data.join("spill") {
                folders.push(entry);
            }
        }
    }
    assert!(found > 10, "{found} files and folders");
    assert_eq!(mode(&data), 0o755, "the folder itself is its user's");
    drop(up);
}
