//! Parts that change under a query, parts by the thousands, groups over parts, nulls everywhere.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Float64Array, Int64Array, StringArray};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::data;
use crate::harness::{Sandbox, finish};

const REGISTER: [&str; 8] = ["table", "register", "events", "data", "--group", "user", "--time", "ts"];

/// What may happen to a part, and how.
type Fault = (&'static str, fn(&Path));

const FAULTS: [Fault; 5] = [
    ("vanishes", |part| std::fs::remove_file(part).unwrap()),
    ("is truncated", |part| {
        let bytes = std::fs::metadata(part).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(part).unwrap();
        file.set_len(bytes / 2).unwrap();
    }),
    ("is emptied", |part| drop(std::fs::File::create(part).unwrap())),
    ("is overwritten with other columns", |part| {
        data::write_columns(part, vec![("other", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]);
    }),
    ("is replaced by other rows", |part| {
        let other = part.with_extension("new");
        data::write_events(&other, &[(1, 10, "view", None, None)]);
        std::fs::rename(other, part).unwrap();
    }),
];

/// The answer over all rows as registered, or an error that names the part; never a third thing.
#[test]
fn a_part_that_changes_while_it_is_queried_gives_the_whole_answer_or_is_named() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 240_000, 4);
    let register = [&REGISTER[..], &["--skip-uniques"]].concat();
    let sql = "select event, count(*) as n, sum(ts) as t, max(price) as p from events group by event order by event";
    let queries: [&[&str]; 2] = [
        &["funnel", "run", "events", "--empty", "--no-cache", "--format", "json"],
        &["sql", sql, "--format", "json"],
    ];
    let answer = |stdout: &str| {
        let mut document: Value = serde_json::from_str(stdout).unwrap();
        if let Some(document) = document.as_object_mut() {
            document.retain(|name, _| name == "query");
        }
        document
    };
    sandbox.ok(&register);
    let expected = queries.map(|query| answer(&sandbox.ok(query)));
    let (mut whole, mut named) = (0, 0);
    for instant in 0..20 {
        let mut random = StdRng::seed_from_u64(instant);
        let (fault, change) = FAULTS[instant as usize % FAULTS.len()];
        let chosen = random.random_range(0..2);
        let name = format!("part-0000{}.parquet", random.random_range(0..4));
        let part = sandbox.path().join("data").join(&name);
        let kept = std::fs::read(&part).unwrap();
        let mut command = sandbox.command(queries[chosen]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        change(&part);
        let ran = finish(child);
        match ran.code {
            0 => {
                assert_eq!(answer(&ran.stdout), expected[chosen], "{name} {fault}, query {chosen}");
                whole += 1;
            }
            1 => {
                assert!(
                    ran.stderr.contains(&name),
                    "{name} {fault}, query {chosen}: {}",
                    ran.stderr
                );
                assert_eq!(ran.stdout, "", "{name} {fault}: {}", ran.stderr);
                named += 1;
            }
            _ => panic!("{name} {fault}, query {chosen}: {ran:?}"),
        }
        // Asked again, the part is named for sure.
        let ran = sandbox.run(queries[chosen]);
        assert_eq!(ran.code, 1, "{name} {fault}, query {chosen}: {ran:?}");
        assert!(ran.stderr.contains(&name), "{name} {fault}: {}", ran.stderr);
        std::fs::write(&part, kept).unwrap();
        sandbox.ok(&register);
    }
    println!("{whole} whole answers, {named} parts named");
    assert!(named > 0, "nothing ever changed under a query");
}

/// A part that changes while it is looked at is named, or the registration is one of what was there; then nothing is
/// half registered.
#[test]
fn a_part_that_changes_while_it_is_registered_is_named_or_registered_as_it_was() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 40_000, 4);
    let register = [&REGISTER[..], &["--validation", "all"]].concat();
    for instant in 0..10 {
        let mut random = StdRng::seed_from_u64(100 + instant);
        let (fault, change) = FAULTS[instant as usize % FAULTS.len()];
        let part = sandbox.path().join("data/part-00002.parquet");
        let kept = std::fs::read(&part).unwrap();
        let mut command = sandbox.command(&register);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.random_range(0..250)));
        change(&part);
        let ran = finish(child);
        let listed = sandbox.ok(["table", "list", "-q"]);
        match ran.code {
            0 => {
                sandbox.ok(["table", "drop", "events", "--force", "--yes"]);
            }
            1 | 3 => {
                assert!(ran.stderr.contains("part-00002"), "{fault}: {}", ran.stderr);
                assert_eq!(listed, "", "{fault}: half registered");
            }
            _ => panic!("{fault}: {ran:?}"),
        }
        std::fs::write(&part, kept).unwrap();
    }
    sandbox.ok(&register);
}

/// Longest time for each step over 10,000 parts on a busy machine and a build for debugging, and most memory of its process.
const STEP_MAX: Duration = Duration::from_secs(300);
const RESIDENT_MAX_MEBIBYTES: u64 = 1_024;

/// Runs a command that must succeed; prints what it took.
fn measured(sandbox: &Sandbox, what: &str, args: &[&str]) -> String {
    let since = Instant::now();
    let mut command = sandbox.command(args);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let peak = watch_peak(child.id());
    let ran = finish(child);
    let (took, peak) = (since.elapsed(), peak.join().unwrap());
    println!("{what}: {took:?} (bound {STEP_MAX:?}), {peak} MiB at most (bound {RESIDENT_MAX_MEBIBYTES})");
    assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
    assert!(took < STEP_MAX && peak < RESIDENT_MAX_MEBIBYTES && peak > 0, "{what}");
    ran.stdout
}

/// The largest resident memory of a process until its end, in MiB.
fn watch_peak(pid: u32) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut peak = 0;
        while let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
            let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else {
                break;
            };
            peak = line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024;
            std::thread::sleep(Duration::from_millis(20));
        }
        peak
    })
}

/// Looking into each part takes a minute or more, and is done for fewer parts unless `HEADWATER_LONG` is set.
#[test]
fn ten_thousand_parts_register_sampled_and_in_full_and_answer_exactly() {
    let sandbox = Sandbox::new();
    let looked_into = match std::env::var_os("HEADWATER_LONG") {
        Some(_) => 10_000,
        None => 300,
    };
    data::write_many(&sandbox.path().join("fewer"), looked_into * 10, looked_into);
    let what = format!("registration of {looked_into} parts, each looked into");
    let mut register = REGISTER;
    (register[2], register[3]) = ("fewer", "fewer");
    measured(&sandbox, &what, &[&register[..], &["--validation", "all"]].concat());
    data::write_many(&sandbox.path().join("data"), 100_000, 10_000);
    let sampled = [&REGISTER[..], &["--validation", "sample"]].concat();
    measured(&sandbox, "registration of 10,000 parts, sampled", &sampled);
    let funnel = ["funnel", "run", "events", "--empty", "--no-cache", "--format", "json"];
    let result: Value = serde_json::from_str(&measured(&sandbox, "funnel over 10,000 parts", &funnel)).unwrap();
    let counts = |name: &str| result["query"][name].as_u64().unwrap();
    assert_eq!(
        (counts("matchingGroups"), counts("matchingGroupRows")),
        (10_000, 100_000)
    );
    let count = ["sql", "select count(distinct \"user\") as n from events"];
    assert_eq!(measured(&sandbox, "SQL over 10,000 parts", &count), "n\n10000\n");
}

/// However groups straddle parts: refused, or exact as registered.
#[test]
fn straddling_groups_are_refused_or_exact_and_never_counted_twice() {
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let sandbox = Sandbox::new();
        let users = random.random_range(20..200);
        let parts = random.random_range(2..6);
        let mut rows: Vec<Vec<data::Event>> = vec![Vec::new(); parts];
        for row in 0..2_000 {
            let event = ["view", "cart", "buy"][random.random_range(0..3)];
            let user = random.random_range(0..users);
            rows[random.random_range(0..parts)].push((user, row, event, None, Some(1.0)));
        }
        for (part, rows) in rows.iter().enumerate() {
            data::write_events(&sandbox.path().join(format!("data/part-{part}.parquet")), rows);
        }
        let ran = sandbox.run([&REGISTER[..], &["--validation", "all"]].concat());
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains("HW-T038"), "{ran:?}");
        sandbox.ok([&REGISTER[..], &["--groups", "split"]].concat());
        let step = |event: &str| json!({"filter": ["event", "==", event]});
        let query = json!({"query": {"conditions": [step("buy")]}, "funnel": {"sequence": [step("view"), step("cart"), step("buy")]}}).to_string();
        let run = |table: &str, more: &[&str]| {
            let args = [
                &[
                    "funnel",
                    "run",
                    table,
                    "--string",
                    &query,
                    "--no-cache",
                    "--format",
                    "json",
                ],
                more,
            ]
            .concat();
            let result = sandbox.json(args);
            (result["query"].clone(), result["funnel"].clone())
        };
        let split = run("events", &[]);
        // The same rows in one part, where nothing can straddle.
        data::write_events(&sandbox.path().join("one/part.parquet"), &rows.concat());
        sandbox.ok(["table", "register", "one", "one", "--group", "user", "--time", "ts"]);
        assert_eq!(split, run("one", &[]), "seed {seed}");
        let exact = sandbox.ok([
            "sql",
            "select count(distinct \"user\") as n from events where event = 'buy'",
        ]);
        assert_eq!(exact, format!("n\n{}\n", split.0["matchingGroups"]), "seed {seed}");
    }
}

/// Columns that are null in some rows, in all rows of one part, and everywhere.
fn write_nulls(folder: &Path) -> PathBuf {
    for part in 0..3_i64 {
        let users = Int64Array::from_iter_values((0..10).map(|row| part * 10 + row));
        let texts = (0..10)
            .map(|row| (part != 1 && row % 3 == 0).then_some("x"))
            .collect::<StringArray>();
        let numbers = (0..10)
            .map(|row| (row % 2 == part % 2).then_some(1.5))
            .collect::<Float64Array>();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("user", Arc::new(users)),
            ("ts", Arc::new(Int64Array::from(vec![part; 10]))),
            ("text", Arc::new(texts)),
            ("number", Arc::new(numbers)),
            ("void", Arc::new(StringArray::from(vec![None::<&str>; 10]))),
        ];
        data::write_columns(&folder.join(format!("part-{part}.parquet")), columns);
    }
    folder.to_owned()
}

#[test]
fn nulls_are_counted_as_nulls_wherever_they_are() {
    let sandbox = Sandbox::new();
    write_nulls(&sandbox.path().join("data"));
    sandbox.ok([&REGISTER[..], &["--validation", "all"]].concat());
    let groups = |condition: Value| {
        let query = json!({"query": {"conditions": [condition]}}).to_string();
        let result = sandbox.json(["funnel", "run", "events", "--string", &query, "--format", "json"]);
        result["query"]["matchingGroups"].as_u64().unwrap()
    };
    let counted = |condition: &str| {
        let rows = sandbox.json([
            "sql",
            &format!("select count(*) as n from events where {condition}"),
            "--format",
            "json",
        ]);
        rows[0]["n"].as_u64().unwrap()
    };
    assert_eq!(
        (groups(json!({"filter": ["text", "==", "x"]})), counted("text = 'x'")),
        (8, 8)
    );
    assert_eq!(
        (groups(json!({"filter": ["number", ">", 0]})), counted("number > 0")),
        (15, 15)
    );
    assert_eq!(
        (groups(json!({"filter": ["void", "==", "x"]})), counted("void = 'x'")),
        (0, 0)
    );
    assert_eq!(
        (
            counted("void is null"),
            counted("text is null"),
            counted("number is null")
        ),
        (30, 22, 15)
    );
    let table = sandbox.json(["table", "show", "events", "--full", "--format", "json"]);
    assert_eq!(table["rows"], 30);
    let result = sandbox.json([
        "sql",
        "select min(void) as a, max(number) as b, sum(number) as c, avg(void::double) as d from events",
        "--format",
        "json",
    ]);
    assert_eq!(result, json!([{"a": null, "b": 1.5, "c": 22.5, "d": null}]));
}

#[test]
fn nulls_in_the_group_or_time_column_are_refused_by_name() {
    for (column, code) in [("user", "HW-T032"), ("ts", "HW-T035")] {
        let sandbox = Sandbox::new();
        let values = |name: &str| -> ArrayRef {
            let null = (name == column).then_some(1);
            Arc::new(
                (0..4_i64)
                    .map(|row| (Some(row) != null).then_some(row))
                    .collect::<Int64Array>(),
            )
        };
        data::write_columns(
            &sandbox.path().join("data/part.parquet"),
            vec![("user", values("user")), ("ts", values("ts"))],
        );
        let ran = sandbox.run([&REGISTER[..], &["--validation", "all"]].concat());
        assert!(
            [1, 3].contains(&ran.code) && ran.stderr.contains(code),
            "{column}: {ran:?}"
        );
        assert_eq!(sandbox.ok(["table", "list", "-q"]), "");
    }
}
