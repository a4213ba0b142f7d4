//! Tables whose parts lie in a bucket of a real S3-compatible server, and the cache of what was read of them.

mod faults;
mod proxy;
mod server;
mod sharing;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use self::proxy::{Faults, Passed, Proxy};
use self::server::S3Server;
use crate::data;
use crate::harness::{Sandbox, files_below};

const RUN: [&str; 7] = ["funnel", "run", "events", "--empty", "--no-cache", "--format", "json"];
const SQL: [&str; 2] = [
    "sql",
    "select event, count(*) as n, sum(ts) as t, max(price) as p from events group by event order by event",
];

/// A server, a proxy before it, and a folder whose settings lead to the proxy.
struct World {
    server: S3Server,
    proxy: Proxy,
    sandbox: Sandbox,
}

impl World {
    /// With a bucket `shop`, or the printed reason why there is none.
    fn start() -> Option<Self> {
        let server = S3Server::start()?;
        server.make_bucket("shop");
        let proxy = Proxy::before(server.port());
        let world = Self {
            server,
            proxy,
            sandbox: Sandbox::new(),
        };
        world.settings("");
        Some(world)
    }

    /// Writes the settings, with more of them.
    fn settings(&self, more: &str) {
        let s3 = format!(
            "[s3]\nendpoint = \"{}\"\nregion = \"us-east-1\"\naccess_key_id = \"AKIA0\"\nsecret_access_key = \"0123secret\"\n",
            self.proxy.url()
        );
        self.sandbox.write("headwater.toml", format!("{more}\n{s3}"));
    }

    /// Uploads so many rows in so many parts and registers them as `events`; they stay in the folder `data` as well.
    fn register(&self, rows: usize, parts: usize) {
        data::write_many(&self.sandbox.path().join("data"), rows, parts);
        self.server.upload(&self.sandbox.path().join("data"), "shop/data");
        self.sandbox.ok(register("events", "s3://shop/data/"));
        // What the registration looked at is kept already.
        self.empty_cache();
        self.proxy.take();
    }

    fn empty_cache(&self) {
        let _ = std::fs::remove_dir_all(self.sandbox.data_dir().join("cache"));
    }

    /// The answer of the same question over the same files on the local disk.
    fn check(&self, table: &str, question: impl Fn(&str) -> String) {
        let remote = self.sandbox.ok(["sql", &question(table)]);
        let local = self.sandbox.ok(["sql", &question("'data/**/*.parquet'")]);
        assert_eq!(remote, local);
    }
}

fn register<'a>(name: &'a str, location: &'a str) -> [&'a str; 8] {
    ["table", "register", name, location, "--group", "user", "--time", "ts"]
}

fn cached(document: &Value) -> (u64, u64, u64) {
    let worker = &document["stats"]["worker"];
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{worker}"));
    (
        number(&worker["cache"]["diskCache"]),
        number(&worker["bytesDownloaded"]),
        number(&worker["bytesFromCache"]),
    )
}

/// The looks at objects, and the requests that moved bytes.
fn split(passed: Vec<Passed>) -> (usize, Vec<Passed>) {
    let (looks, moved): (Vec<_>, Vec<_>) = passed.into_iter().partition(Passed::is_look);
    (looks.len(), moved)
}

fn pieces(sandbox: &Sandbox) -> BTreeSet<String> {
    let files = files_below(&sandbox.data_dir().join("cache/parts"));
    let shown = files.iter().map(|path| path.to_string_lossy().into_owned());
    shown.filter(|path| !path.ends_with("/key")).collect()
}

fn bytes_of(folder: &Path) -> u64 {
    files_below(folder)
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum()
}

#[test]
fn the_second_run_asks_the_store_only_whether_anything_changed() {
    let Some(world) = World::start() else { return };
    world.register(60_000, 12);
    let first = world.sandbox.json(RUN);
    assert_eq!(first["query"]["matchingGroupRows"], 60_000);
    let (_, downloaded, _) = cached(&first);
    let (looks, moved) = split(world.proxy.take());
    assert!(downloaded > 0 && !moved.is_empty(), "{first}");
    assert_eq!(looks, 1, "one listing for all parts");
    // Every command is a process of its own: the cache outlives them.
    let second = world.sandbox.json(RUN);
    assert_eq!(second["query"], first["query"]);
    assert_eq!((cached(&second).0, cached(&second).1), (12, 0), "{second}");
    assert_eq!(second["stats"]["worker"]["cacheHitRatio"], 1.0);
    assert_eq!(split(world.proxy.take()), (1, Vec::new()));
    world.sandbox.ok(SQL);
    let (_, moved) = split(world.proxy.take());
    assert_eq!(moved, Vec::new(), "small parts are kept whole");
    world.check("events", |from| {
        format!("select count(*) as n, sum(ts) as t, min(\"user\") as u from {from}")
    });
    world
        .sandbox
        .ok(["sql", "select count(*), max(price) from 's3://shop/data/*.parquet'"]);
    assert_eq!(split(world.proxy.take()).1, Vec::new());
    // A server tells what it did.
    let up = world.sandbox.up();
    let body = serde_json::json!({"table": "events", "query": {}, "cache": false});
    up.post("/api/v1/funnels/run?wait=30s", &body).is(200);
    let metrics = up.get("/metrics").is(200).body;
    let metric = |name: &str| -> f64 {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(metric("headwater_part_cache_reads_total{outcome=\"hit\"}") >= 12.0);
    assert!(metric("headwater_part_cache_reads_total{outcome=\"miss\"}") < 1.0);
    assert_eq!(
        metric("headwater_part_cache_bytes"),
        bytes_of(&world.sandbox.data_dir().join("cache/parts")) as f64 - keys(&world)
    );
    assert!(metrics.contains("load_from=\"disk_cache\""));
    assert!(
        world
            .sandbox
            .ok(["doctor", "--format", "table"])
            .contains("of remote files are kept")
    );
    assert_eq!(up.stop(), 0);
}

/// Bytes of the files that name the objects.
fn keys(world: &World) -> f64 {
    let files = files_below(&world.sandbox.data_dir().join("cache/parts"));
    let keys = files.iter().filter(|path| path.ends_with("key"));
    keys.map(|path| path.metadata().unwrap().len()).sum::<u64>() as f64
}

#[test]
fn of_large_parts_only_the_columns_that_are_needed_are_fetched() {
    let Some(world) = World::start() else { return };
    world.register(1_000_000, 2);
    let all = bytes_of(&world.sandbox.path().join("data"));
    let count = ["sql", "select count(\"user\") as n from events where \"user\" >= 0"];
    world.sandbox.ok(count);
    let kept: u64 = pieces(&world.sandbox)
        .iter()
        .map(|path| Path::new(path).metadata().unwrap().len())
        .sum();
    assert!(kept < all / 2, "{kept} of {all}");
    world.proxy.take();
    world.sandbox.ok(count);
    assert_eq!(split(world.proxy.take()).1, Vec::new());
    let first = world.sandbox.json(RUN);
    assert_eq!(first["query"]["matchingGroupRows"], 1_000_000);
    let (_, downloaded, _) = cached(&first);
    assert!(downloaded < all / 2, "{downloaded} of {all}");
    assert_eq!(cached(&world.sandbox.json(RUN)).1, 0);
    // Half of it does not fit any more: it is given up, and every answer stays right.
    world.settings(&format!("[cache]\ndisk = \"{}B\"", kept / 2));
    for _ in 0..2 {
        assert_eq!(world.sandbox.json(RUN)["query"], first["query"]);
        world.check("events", |from| {
            format!("select sum(price) as p, count(distinct \"user\") as u from {from}")
        });
        let kept_now = bytes_of(&world.sandbox.data_dir().join("cache/parts"));
        assert!(kept_now < kept / 2 + 2_000, "{kept_now}");
    }
    world.settings("[cache]\ndisk = \"0B\"");
    world.proxy.take();
    let direct = world.sandbox.json(RUN);
    assert_eq!(
        (direct["query"].clone(), cached(&direct).0),
        (first["query"].clone(), 0)
    );
    assert!(!split(world.proxy.take()).1.is_empty());
}

#[test]
fn a_part_that_changed_is_told_and_never_served_from_before() {
    let Some(world) = World::start() else { return };
    world.register(20_000, 8);
    let expected = world.sandbox.json(RUN)["query"].clone();
    let whole = std::fs::read(world.sandbox.path().join("data/part-00003.parquet")).unwrap();
    let other = world.sandbox.path().join("other.parquet");
    data::write_events(&other, &[(1, 10, "view", None, None)]);
    let mut same_size = whole.clone();
    same_size[100] ^= 1;
    let up = world.sandbox.up();
    for changed in [Some(std::fs::read(&other).unwrap()), Some(same_size), None] {
        match &changed {
            Some(content) => world.server.put("shop/data/part-00003.parquet", content.clone()),
            None => world.server.delete("shop/data/part-00003.parquet"),
        }
        for command in [&RUN[..], &SQL[..]] {
            let ran = world.sandbox.run(command);
            assert_eq!(ran.code, 1, "{ran:?}");
            assert!(
                ran.stderr.contains("HW-Q015") && ran.stderr.contains("part-00003"),
                "{ran:?}"
            );
        }
        world.server.put("shop/data/part-00003.parquet", whole.clone());
        assert_eq!(world.sandbox.json(RUN)["query"], expected);
    }
    assert_eq!(up.stop(), 0);
}

#[test]
fn more_parts_than_one_page_of_a_listing_are_found() {
    let Some(world) = World::start() else { return };
    let folder = world.sandbox.path().join("data");
    for part in 0..1_105_i64 {
        let name = format!("day={}/part-{part:05}.parquet", part % 7);
        data::write_events(
            &folder.join(name),
            &[(part, 10, "view", None, None), (part, 20, "buy", None, Some(1.0))],
        );
    }
    world.server.upload(&folder, "shop/data");
    world.server.put("shop/data/_unfinished/part.parquet", b"no".to_vec());
    let missed = world.sandbox.fails(3, register("events", "s3://shop/data/"));
    assert!(missed.contains("HW-T006") && missed.contains("--recursive"), "{missed}");
    let table = world.sandbox.json(
        [
            &register("events", "s3://shop/data/")[..],
            &["--recursive", "--format", "json"],
        ]
        .concat(),
    );
    assert_eq!(table["dataset"]["totalParts"], 1_105, "{table}");
    world.proxy.take();
    let result = world.sandbox.json(RUN);
    assert_eq!(result["query"]["matchingGroupRows"], 2_210);
    let (looks, _) = split(world.proxy.take());
    assert_eq!(looks, 2, "two pages");
    let again = world.sandbox.json(RUN);
    assert_eq!((again["query"].clone(), cached(&again).1), (result["query"].clone(), 0));
    assert_eq!(split(world.proxy.take()), (2, Vec::new()));
    world.check("events", |from| {
        format!("select count(*) as n, sum(\"user\") as u from {from}")
    });
}

#[test]
fn tables_are_repartitioned_and_exported_from_and_to_buckets() {
    let Some(world) = World::start() else { return };
    let settings = "[files]\nroot = \"s3://shop/own/\"";
    world.settings(settings);
    data::write_many(&world.sandbox.path().join("data"), 20_000, 4);
    world.server.upload(&world.sandbox.path().join("data"), "shop/data");
    let split_groups = [&register("events", "s3://shop/data/")[..], &["--groups", "split"]].concat();
    world.sandbox.ok(split_groups);
    world
        .sandbox
        .ok(["table", "repartition", "events", "--to", "users", "--parts", "3"]);
    let own = world
        .server
        .keys("shop")
        .into_iter()
        .filter(|key| key.starts_with("own/tables/"));
    assert_eq!(own.filter(|key| key.ends_with(".parquet")).count(), 3);
    for _ in 0..2 {
        let run = world
            .sandbox
            .json(["funnel", "run", "users", "--empty", "--no-cache", "--format", "json"]);
        assert_eq!(run["query"]["matchingGroupRows"], 20_000);
    }
    let sums = "count(*) as n, sum(ts) as t, count(distinct \"user\") as u";
    world.check("users", |from| format!("select {sums} from {from}"));
    for target in ["s3://shop/out/rows.parquet", "s3://shop/out/rows.csv"] {
        let result = world
            .sandbox
            .json(["table", "export", "events", target, "--format", "json"]);
        assert_eq!(result["rows"], 20_000, "{result}");
        world.check(&format!("'{target}'"), |from| format!("select {sums} from {from}"));
    }
    world.sandbox.ok(["table", "export", "users", "local.parquet"]);
    world.check("'local.parquet'", |from| format!("select {sums} from {from}"));
}

#[test]
fn files_of_an_export_to_a_bucket_appear_together_and_a_killed_one_shows_none() {
    let Some(world) = World::start() else { return };
    data::write_many(&world.sandbox.path().join("data"), 20_000, 4);
    world.sandbox.ok(register("events", "data"));
    let export = |format: &'static str| {
        let target = "s3://shop/many/";
        let args = ["table", "export", "events", target, "--rows-per-file", "1000"];
        [&args[..], &["--overwrite", "--as", format]].concat()
    };
    let exported = || -> Vec<String> {
        let keys = world.server.keys("shop").into_iter();
        keys.filter(|key| key.starts_with("many/")).collect()
    };
    for format in ["parquet", "csv", "jsonl"] {
        let before = exported();
        world.proxy.take();
        world.proxy.set(Faults {
            latency: Duration::from_millis(10),
            ..Faults::default()
        });
        let mut command = world.sandbox.command(export(format));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut uploaded = 0;
        while uploaded < 5 {
            assert_eq!(child.try_wait().unwrap(), None, "it was done before it could be killed");
            let passed = world.proxy.take();
            uploaded += passed.iter().filter(|passed| passed.method == "PUT").count();
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        world.proxy.set(Faults::default());
        assert_eq!(exported(), before);
        let result = world
            .sandbox
            .json([&export(format)[..], &["--format", "json"]].concat());
        assert_eq!(
            (&result["rows"], exported().len()),
            (&20_000.into(), before.len() + 20),
            "{result}"
        );
        world.check(&format!("'s3://shop/many/*.{format}'"), |from| {
            format!("select count(*) as n, sum(ts) as t, count(distinct \"user\") as u from {from}")
        });
    }
    let [first, second] = [(), ()].map(|()| {
        world.sandbox.ok(export("csv"));
        exported()
    });
    assert_eq!((first.len(), second.len()), (60, 60));
    assert_ne!(first, second, "files of an earlier export are replaced");
    world.sandbox.ok([
        "table",
        "export",
        "events",
        "s3://shop/none/",
        "--filter",
        "ts < 0",
        "--as",
        "jsonl",
    ]);
    let none = world
        .server
        .keys("shop")
        .into_iter()
        .filter(|key| key.starts_with("none/"));
    assert_eq!(none.count(), 1, "a file without a line");
}

#[test]
fn environment_names_of_aws_and_of_funnel_rocket_lead_to_the_store() {
    let Some(world) = World::start() else { return };
    data::write_example(&world.sandbox.path().join("data"));
    world.server.upload(&world.sandbox.path().join("data"), "shop/data");
    std::fs::remove_file(world.sandbox.path().join("headwater.toml")).unwrap();
    let aws = [
        ("AWS_ENDPOINT_URL", world.proxy.url()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "a".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "b".to_owned()),
    ];
    let prefixes = ["", "FROCKET_", "FROCKET_S3_"];
    for (number, prefix) in prefixes.iter().enumerate() {
        let name = format!("events{number}");
        let mut command = world.sandbox.command(register(&name, "s3://shop/data/"));
        command.envs(aws.iter().map(|(name, value)| (format!("{prefix}{name}"), value)));
        let output = command.env("FROCKET_WORKER_DISK_CACHE_SIZE_MB", "64").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut unsigned = world.sandbox.command(register("public", "s3://shop/data/"));
    unsigned
        .env("FROCKET_AWS_ENDPOINT_URL", world.proxy.url())
        .env("FROCKET_AWS_NO_SIGNATURE", "true");
    let output = unsigned.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
