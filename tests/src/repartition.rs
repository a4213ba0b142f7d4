//! `headwater table repartition`: the same rows, each group in one part; later runs, faults, kill -9.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BinaryArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray};
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::data;
use crate::harness::{Sandbox, files_below, left_over};

const REGISTER: [&str; 10] = [
    "table", "register", "events", "data", "--group", "user", "--time", "ts", "--groups", "split",
];

/// One part a day: each of 40 users has rows in each.
fn write_day(folder: &Path, day: i64, rows: i64) {
    let events: Vec<data::Event> = (0..rows)
        .map(|row| {
            let user = (row * 7 + day) % 40;
            let event = ["view", "cart", "buy"][usize::try_from((row + day) % 3).unwrap()];
            let device = (row % 5 != 0).then_some(if user % 2 == 0 { "mobile" } else { "desktop" });
            (
                user,
                day * 1_000 + (row * 13) % 1_000,
                event,
                device,
                (row % 2 == 0).then_some(row as f64),
            )
        })
        .collect();
    data::write_events(&folder.join(format!("day-{day:02}.parquet")), &events);
}

fn daily(days: i64) -> Sandbox {
    let sandbox = Sandbox::new();
    for day in 0..days {
        write_day(&sandbox.path().join("data"), day, 400);
    }
    sandbox.ok(REGISTER);
    sandbox
}

fn repartitioned(sandbox: &Sandbox, more: &[&str]) -> Value {
    let args = [
        &["table", "repartition", "events", "--to", "t", "--format", "json"],
        more,
    ]
    .concat();
    sandbox.json(args)
}

/// The files of a table's parts.
fn parts(sandbox: &Sandbox, table: &str) -> Vec<PathBuf> {
    let folder = sandbox.data_dir().join("files");
    let listed = sandbox.json(["table", "show", table, "--parts", "--format", "json"]);
    let items = listed["items"].as_array().unwrap();
    items
        .iter()
        .map(|part| folder.join(part["path"].as_str().unwrap()))
        .collect()
}

/// The table holds exactly the rows of the files, and each group is in one part, sorted.
#[track_caller]
fn check_same_rows(sandbox: &Sandbox, files: &str, table: &str, group: &str) {
    let columns = format!("\"{group}\", ts, event, device, price");
    let from = |source: &str| sandbox.ok(["sql", &format!("select {columns} from {source} order by {columns}")]);
    assert_eq!(from(table), from(&format!("'{files}'")));
    let mut part_of: BTreeMap<String, PathBuf> = BTreeMap::new();
    for part in parts(sandbox, table) {
        let rows = sandbox.ok(["sql", &format!("select \"{group}\", ts from '{}'", part.display())]);
        let keys: Vec<(&str, i64)> = rows
            .lines()
            .skip(1)
            .map(|line| line.rsplit_once(',').unwrap())
            .map(|(id, time)| (id, time.parse().unwrap()))
            .collect();
        for pair in keys.windows(2) {
            assert!(pair[0].0 != pair[1].0 || pair[0].1 <= pair[1].1, "{pair:?}");
        }
        let mut ids: Vec<&str> = keys.iter().map(|(id, _)| *id).collect();
        ids.dedup();
        for id in ids {
            let before = part_of.insert(id.to_owned(), part.clone());
            assert_eq!(before, None, "group `{id}` stands in two places");
        }
    }
}

fn funnel(sandbox: &Sandbox, table: &str) -> Value {
    let step = |event: &str| json!({"filter": ["event", "==", event]});
    let query = json!({
        "query": {"conditions": [{"filter": ["device", "==", "mobile"], "target": ["count", ">=", 2]}]},
        "funnel": {"sequence": [step("view"), step("cart"), step("buy")], "maxDuration": 900},
    });
    let mut result = sandbox.json([
        "funnel",
        "run",
        table,
        "--string",
        &query.to_string(),
        "--no-cache",
        "--format",
        "json",
    ]);
    let members = result.as_object_mut().unwrap();
    members.remove("stats");
    members.remove("requestId");
    result
}

#[test]
fn a_table_is_made_in_which_each_group_is_in_one_part() {
    let sandbox = daily(5);
    let result = repartitioned(&sandbox, &["--parts", "6"]);
    assert_eq!((&result["mode"], &result["rows"]), (&"full".into(), &2000.into()));
    let table = sandbox.json(["table", "show", "t", "--format", "json"]);
    assert_eq!(table["kind"], "managed");
    assert_eq!(
        (&table["groups"], &table["containment_proven"]),
        (&"contained".into(), &true.into())
    );
    assert_eq!(table["sorted_by"], json!(["user", "ts"]));
    assert_eq!(table["rows"], 2000);
    assert_eq!(table["parts"], result["parts"]);
    check_same_rows(&sandbox, "data/*.parquet", "t", "user");
    assert_eq!(funnel(&sandbox, "t"), funnel(&sandbox, "events"));
    assert_eq!(left_over(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn parts_are_written_for_fast_reading() {
    let sandbox = daily(3);
    repartitioned(&sandbox, &["--parts", "1", "--row-group-rows", "1000"]);
    let part = parts(&sandbox, "t").pop().unwrap();
    let reader = SerializedFileReader::new(std::fs::File::open(part).unwrap()).unwrap();
    let metadata = reader.metadata();
    assert_eq!(metadata.num_row_groups(), 2);
    let group = metadata.row_group(0);
    assert_eq!(group.num_rows(), 1000);
    let sorting = group.sorting_columns().unwrap();
    assert_eq!(
        sorting.iter().map(|column| column.column_idx).collect::<Vec<_>>(),
        [0, 1]
    );
    for column in group.columns() {
        assert!(
            column.offset_index_offset().is_some() && column.statistics().is_some(),
            "{column:?}"
        );
        assert!(matches!(column.compression(), parquet::basic::Compression::ZSTD(_)));
    }
    let encodings = |place: usize| group.column(place).encodings().collect::<Vec<_>>();
    assert!(encodings(0).contains(&Encoding::RLE_DICTIONARY), "{:?}", encodings(0));
    assert!(
        encodings(1).contains(&Encoding::DELTA_BINARY_PACKED),
        "{:?}",
        encodings(1)
    );
}

#[test]
fn a_later_run_takes_in_only_what_is_new() {
    let sandbox = daily(3);
    repartitioned(&sandbox, &["--parts", "4"]);
    let again = repartitioned(&sandbox, &[]);
    assert_eq!(
        (&again["mode"], &again["sourcePartsTaken"]),
        (&"unchanged".into(), &0.into())
    );
    assert_eq!(sandbox.json(["table", "show", "t", "--format", "json"])["version"], 1);
    let before = parts(&sandbox, "t");
    // Rows of one user only: the parts of the others stay as they are.
    data::write_events(
        &sandbox.path().join("data/day-50.parquet"),
        &[(7, 50_000, "buy", None, Some(1.5))],
    );
    sandbox.ok(REGISTER);
    let more = repartitioned(&sandbox, &[]);
    assert_eq!(more["mode"], "incremental", "{more}");
    assert_eq!(
        (&more["sourcePartsTaken"], &more["sourceRowsTaken"]),
        (&1.into(), &1.into())
    );
    assert_eq!((&more["partsWritten"], &more["rows"]), (&1.into(), &1201.into()));
    let after = parts(&sandbox, "t");
    assert_eq!(
        after.iter().filter(|part| before.contains(part)).count(),
        before.len() - 1
    );
    check_same_rows(&sandbox, "data/*.parquet", "t", "user");
    // Users that were not there before.
    data::write_events(
        &sandbox.path().join("data/day-51.parquet"),
        &[(900, 1, "buy", None, None), (901, 1, "buy", None, None)],
    );
    sandbox.ok(REGISTER);
    assert_eq!(repartitioned(&sandbox, &[])["mode"], "incremental");
    check_same_rows(&sandbox, "data/*.parquet", "t", "user");
    assert_eq!(funnel(&sandbox, "t"), funnel(&sandbox, "events"));
}

#[test]
fn a_source_that_lost_or_changed_parts_is_read_anew() {
    let sandbox = daily(3);
    repartitioned(&sandbox, &["--parts", "4"]);
    std::fs::remove_file(sandbox.path().join("data/day-00.parquet")).unwrap();
    sandbox.ok(REGISTER);
    let result = repartitioned(&sandbox, &["--parts", "4"]);
    assert_eq!((&result["mode"], &result["rows"]), (&"full".into(), &800.into()));
    check_same_rows(&sandbox, "data/*.parquet", "t", "user");
    write_day(&sandbox.path().join("data"), 1, 100);
    sandbox.ok(REGISTER);
    let result = repartitioned(&sandbox, &["--parts", "2"]);
    assert_eq!((&result["mode"], &result["rows"]), (&"full".into(), &500.into()));
    check_same_rows(&sandbox, "data/*.parquet", "t", "user");
}

#[test]
fn ids_of_every_kind_are_brought_together() {
    let users = || (0..600_i64).map(|row| row % 37);
    let kinds: Vec<(&str, ArrayRef)> = vec![
        (
            "text",
            Arc::new(
                users()
                    .map(|user| Some(format!("user {user}")))
                    .collect::<StringArray>(),
            ),
        ),
        (
            "sparse",
            Arc::new(
                users()
                    .map(|user| (user % 6 != 0).then_some(user))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "binary",
            Arc::new(BinaryArray::from_iter_values(users().map(|user| user.to_be_bytes()))),
        ),
        (
            "day",
            Arc::new(Date32Array::from_iter_values(users().map(|user| user as i32))),
        ),
        (
            "number",
            Arc::new(
                Decimal128Array::from_iter_values(users().map(i128::from))
                    .with_precision_and_scale(12, 2)
                    .unwrap(),
            ),
        ),
    ];
    let sandbox = Sandbox::new();
    for part in 0..3_i64 {
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            (
                "ts",
                Arc::new(Int64Array::from_iter_values(
                    (0..600).map(|row| (row * 31 + part) % 500),
                )),
            ),
            (
                "event",
                Arc::new(StringArray::from_iter_values((0..600).map(|row| ["a", "b"][row % 2]))),
            ),
            ("device", Arc::new(StringArray::from(vec![None::<&str>; 600]))),
            (
                "price",
                Arc::new(Float64Array::from_iter_values((0..600).map(f64::from))),
            ),
        ];
        columns.extend(kinds.iter().cloned());
        data::write_columns(&sandbox.path().join(format!("data/{part}.parquet")), columns);
    }
    sandbox.ok(["table", "register", "events", "data"]);
    for (name, _) in kinds {
        let to = format!("by_{name}");
        let made = sandbox.json([
            "table",
            "repartition",
            "events",
            "--to",
            &to,
            "--group",
            name,
            "--time",
            "ts",
            "--parts",
            "5",
            "--format",
            "json",
        ]);
        assert_eq!(made["rows"], 1800);
        check_same_rows(&sandbox, "data/*.parquet", &to, name);
    }
}

#[test]
fn every_fault_is_told_at_once() {
    let sandbox = daily(1);
    let ran = sandbox.run([
        "table",
        "repartition",
        "events",
        "--to",
        "events",
        "--group",
        "prize",
        "--time",
        "device",
        "--format",
        "json",
    ]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.problem()["errors"][0]["pointer"], "/to");
    let ran = sandbox.run([
        "table",
        "repartition",
        "events",
        "--group",
        "prize",
        "--time",
        "device",
        "--format",
        "json",
    ]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let problem = ran.problem();
    let told: Vec<(&str, &str)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["code"].as_str().unwrap(), error["pointer"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [("HW-T030", "/group"), ("HW-T034", "/time")]);
    assert!(ran.stderr.contains("did you mean `price`"), "{ran:?}");
    assert_eq!(sandbox.run(["table", "repartition", "nothing"]).code, 4);
    // A name that belongs to another table.
    sandbox.ok(["table", "register", "other", "data"]);
    let ran = sandbox.run(["table", "repartition", "events", "--to", "other", "--format", "json"]);
    assert_eq!((ran.code, &ran.problem()["code"]), (3, &json!("HW-T052")), "{ran:?}");
    assert_eq!(sandbox.ok(["table", "list", "-q"]), "other\nevents\n");
}

#[test]
fn killed_in_the_middle_it_leaves_no_table_and_nothing_that_stays() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 60_000, 6);
    sandbox.ok(REGISTER);
    let expected = sandbox.json(["funnel", "run", "events", "--empty", "--format", "json"])["query"].clone();
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut child = sandbox
            .command(["table", "repartition", "events", "--to", "t", "--parts", "12"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(random.random_range(100..1_500)));
        let _ = child.kill();
        child.wait().unwrap();
        let made = sandbox.ok(["table", "list", "-q"]).contains("t\n") && sandbox.run(["table", "show", "t"]).code == 0;
        if made {
            assert_eq!(
                sandbox.ok(["sql", "select count(*) as n from t"]),
                "n\n60000\n",
                "seed {seed}"
            );
            sandbox.ok(["table", "drop", "t", "--yes", "--force"]);
        }
    }
    let result = repartitioned(&sandbox, &["--parts", "12"]);
    assert_eq!(result["rows"], 60_000);
    let found = sandbox.json(["funnel", "run", "t", "--empty", "--format", "json"])["query"].clone();
    assert_eq!(found, expected);
    // What killed attempts left is known to the store, which has it swept.
    let unknown: Vec<PathBuf> = left_over(&sandbox)
        .into_iter()
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with(".hw-tmp-"))
        .filter(|path| !path.starts_with(sandbox.data_dir().join("spill")))
        .collect();
    assert_eq!(unknown, Vec::<PathBuf>::new());
    assert!(!files_below(&sandbox.data_dir().join("files")).is_empty());
}

#[test]
fn rows_beyond_the_memory_are_spilled() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 400_000, 4);
    sandbox.ok(REGISTER);
    let mut command = sandbox.command(["table", "repartition", "events", "--to", "t", "--format", "json"]);
    let output = command.env("HEADWATER_MEMORY__LIMIT", "24MiB").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sandbox.ok(["sql", "select count(*) as n from t"]), "n\n400000\n");
    assert_eq!(funnel(&sandbox, "t"), funnel(&sandbox, "events"));
    assert_eq!(left_over(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn a_server_tells_progress_and_stops_when_asked() {
    let sandbox = Sandbox::new();
    data::write_many(&sandbox.path().join("data"), 600_000, 4);
    sandbox.ok(REGISTER);
    let up = sandbox.up();
    let made = up
        .post("/api/v1/tables/events/repartition", &json!({"to": "t"}))
        .is(202)
        .json();
    let job = made["id"].as_str().unwrap().to_owned();
    let told = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(25));
        let job = up.get(&format!("/api/v1/jobs/{job}")).json();
        job["progress"]["bytes"].as_u64().unwrap_or_default() > 0 || job["state"] == "succeeded"
    });
    assert!(told, "no progress was told");
    up.post(&format!("/api/v1/jobs/{job}/cancel"), &json!({})).is(200);
    let settled = up.get(&format!("/api/v1/jobs/{job}?wait=5s")).json();
    assert!(
        ["cancelled", "succeeded"].contains(&settled["state"].as_str().unwrap()),
        "{settled}"
    );
    let table = up.get("/api/v1/tables/t").status;
    assert_eq!(table == 200, settled["state"] == "succeeded");
    let done = up
        .post(
            "/api/v1/tables/events/repartition?wait=60s",
            &json!({"to": "t", "parts": 3}),
        )
        .is(200)
        .json();
    assert_eq!(done["result"]["rows"], 600_000, "{done}");
    assert_eq!(up.stop(), 0);
}
