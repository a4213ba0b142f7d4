//! Random data, written in random ways, asked random queries: the way straight from the pages, the way over a plan and the
//! plain matcher agree. Damaged parts give an error or an answer: no panic, no hang, no memory without end.
//!
//! A few hundred cases by default; `HEADWATER_FUZZ_CASES=20000` asks for more. A case that fails names its seed, which
//! `HEADWATER_FUZZ_SEED` runs again.

#[path = "../../../../hw-funnel/src/tests/generate.rs"]
#[expect(dead_code, reason = "another crate's tests use the rest")]
mod generate;
mod parts;
mod table;

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;
use hw_catalog::Groups;
use hw_funnel::{Matcher, PartMatcher, Query, validate};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::{ArrowWriter, encode_arrow_schema};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::Value;

use self::generate::Generator;
use self::parts::{Form, draw_form, write};
use self::table::{Table, batch, physical};
use super::{FunnelScan, dataset_of, relation, shown};
use crate::testing::World;

/// Tables in the ordinary run; each is asked [`QUERIES`] queries.
const TABLES: u64 = 60;
/// Queries of a table, each of which is a case.
const QUERIES: usize = 4;
/// Damaged parts in the ordinary run.
const DAMAGES: u64 = 150;
/// Far beyond what any case takes.
const HANG: Duration = Duration::from_secs(60);
/// Far more than these parts need.
const MEMORY_MAX: usize = 64 << 20;
/// Least share of queries that fit the types drawn.
const VALID_PERCENT: u64 = 60;

/// The number of the environment, or another one.
#[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

fn seeds(default: u64, each: u64) -> std::ops::Range<u64> {
    if let Some(seed) = number("HEADWATER_FUZZ_SEED") {
        return seed..seed + 1;
    }
    0..number("HEADWATER_FUZZ_CASES").map_or(default, |cases| cases.div_ceil(each))
}

/// A table as it was drawn and written.
struct Drawn {
    generator: Generator,
    parts: Vec<RecordBatch>,
    forms: Vec<Form>,
    groups: Groups,
}

/// Draws rows, their types, parts and how each is written.
fn draw(seed: u64) -> Drawn {
    let mut generator = Generator::new(seed);
    let mut table = generator.table();
    for _ in 0..generator.random.random_range(0..6) {
        table.rows.extend(generator.table().rows);
    }
    let types = physical(&table, &mut generator.random);
    table.stretch(&types, &mut generator.random);
    let random = &mut generator.random;
    order(&mut table, random);
    let count = random.random_range(1..4);
    let groups = match random.random_bool(0.5) {
        true => Groups::Contained,
        false => Groups::Split,
    };
    let names = table.group_names();
    let homes: Vec<usize> = names.iter().map(|_| random.random_range(0..count)).collect();
    let mut parts: Vec<Vec<Vec<Value>>> = vec![Vec::new(); count];
    for row in std::mem::take(&mut table.rows) {
        let part = match groups {
            Groups::Contained => homes[names.iter().position(|name| *name == row[0]).unwrap()],
            Groups::Split => random.random_range(0..count),
        };
        parts[part].push(row);
    }
    let forms: Vec<Form> = parts.iter().map(|_| draw_form(&types, random)).collect();
    let parts = parts.iter().map(|rows| batch(&table, &types, rows)).collect();
    Drawn {
        generator,
        parts,
        forms,
        groups,
    }
}

/// In no order, by time, or by group and time.
fn order(table: &mut Table, random: &mut StdRng) {
    table.rows.shuffle(random);
    let time = |row: &Vec<Value>| row[1].as_f64().unwrap();
    match random.random_range(0..3) {
        0 => {}
        1 => table.rows.sort_by(|left, right| time(left).total_cmp(&time(right))),
        _ => table.rows.sort_by(|left, right| {
            let group = |row: &Vec<Value>| (row[0].as_i64(), row[0].as_str().map(str::to_owned));
            group(left).cmp(&group(right)).then(time(left).total_cmp(&time(right)))
        }),
    }
}

async fn register(world: &World, folder: &str, drawn: &Drawn) {
    let mut stored = world.register("t", folder, &drawn.parts[0]).await;
    let mut table = (*stored.table).clone();
    table.group_column = Some("g".to_owned());
    table.time_column = Some("t".to_owned());
    table.groups = drawn.groups;
    stored.table = Arc::new(table);
    world.tables.put(stored);
}

fn scan(world: &World, query: &Query) -> FunnelScan {
    let stored = world.tables.stored("t");
    FunnelScan {
        table: stored.table,
        parts: stored.parts.to_vec(),
        query: query.expanded().clone(),
        export: None,
    }
}

/// A random query that fits the types; some do not, since the language refuses what can never be meant.
fn draw_query(world: &World, drawn: &mut Drawn) -> Option<Query> {
    let dataset = dataset_of(&world.tables.stored("t").table).unwrap();
    validate(&drawn.generator.query(), Some(&dataset)).query
}

fn by_plain_matcher(drawn: &Drawn, query: &Query) -> Value {
    let mut matcher = Matcher::plain(query, &drawn.parts[0].schema()).unwrap();
    drawn.parts.iter().for_each(|part| matcher.push(part).unwrap());
    shown(query, &matcher.finish().unwrap())
}

/// How many of the queries of a seed were valid.
async fn check(world: &World, seed: u64) -> u64 {
    let mut drawn = draw(seed);
    let folder = format!("f{seed}");
    std::fs::create_dir_all(world.path(&folder)).unwrap();
    for (number, (part, form)) in drawn.parts.iter().zip(&drawn.forms).enumerate() {
        write(&world.path(&format!("{folder}/{number}.parquet")), part, form);
    }
    register(world, &folder, &drawn).await;
    let mut valid = 0;
    for place in 0..QUERIES {
        let Some(query) = draw_query(world, &mut drawn) else {
            continue;
        };
        valid += 1;
        let told = |way: &str| {
            let forms = &drawn.forms;
            let schema = drawn.parts[0].schema();
            format!(
                "{way}, seed {seed}, query {place}: {}\n{schema:?}\n{forms:#?}",
                query.expanded()
            )
        };
        let expected = by_plain_matcher(&drawn, &query);
        let session = world.session();
        let run = session.run_funnel(scan(world, &query));
        let found = tokio::time::timeout(HANG, run).await.expect("it ends");
        let found = found.unwrap_or_else(|error| panic!("{error}: {}", told("pages")));
        assert_eq!(shown(&query, &found.partial), expected, "{}", told("pages"));
        let session = world.session();
        let run = session.run_funnel(relation_of(&query));
        let found = tokio::time::timeout(HANG, run).await.expect("it ends");
        let found = found.unwrap_or_else(|error| panic!("{error}: {}", told("plan")));
        assert_eq!(shown(&query, &found.partial), expected, "{}", told("plan"));
    }
    std::fs::remove_dir_all(world.path(&folder)).unwrap();
    valid
}

fn relation_of(query: &Query) -> super::FunnelRelation {
    super::FunnelRelation {
        group: "g".to_owned(),
        time: "t".to_owned(),
        ..relation("v", query.expanded())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_parts_are_written_all_ways_agree() {
    let world = World::new();
    world.view("v", "SELECT * FROM t");
    let (mut valid, mut all) = (0, 0);
    for seed in seeds(TABLES, QUERIES as u64) {
        valid += check(&world, seed).await;
        all += QUERIES as u64;
        assert_eq!(world.engine.memory().reserved, 0, "seed {seed}");
    }
    assert!(
        valid * 100 >= all * VALID_PERCENT || all < 100,
        "{valid} of {all} queries fit"
    );
}

/// Cuts the end off, which is told; or takes away, overwrites or flips some bytes, which may be no fault of the columns read.
fn damage(bytes: &mut Vec<u8>, random: &mut StdRng) -> bool {
    let start = random.random_range(0..bytes.len());
    let end = (start + random.random_range(1..40)).min(bytes.len());
    let kind = random.random_range(0..6);
    match kind {
        0 => bytes.truncate(start),
        1 => drop(bytes.drain(start..end)),
        2 => random.fill(&mut bytes[start..end]),
        _ => {
            for _ in 0..random.random_range(1..5) {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
            }
        }
    }
    kind == 0
}

/// What is matched on another thread stops only at its next row group.
async fn wait_for_memory(world: &World) {
    for _ in 0..500 {
        if world.engine.memory().reserved == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("still held: {:?}", world.engine.memory());
}

/// Whether an error was told.
async fn check_damaged(world: &World, seed: u64) -> bool {
    let mut drawn = draw(seed);
    let folder = format!("d{seed}");
    std::fs::create_dir_all(world.path(&folder)).unwrap();
    let paths = (0..drawn.parts.len()).map(|number| world.path(&format!("{folder}/{number}.parquet")));
    let paths: Vec<_> = paths.collect();
    for ((path, part), form) in paths.iter().zip(&drawn.parts).zip(&drawn.forms) {
        write(path, part, form);
    }
    register(world, &folder, &drawn).await;
    let query = draw_query(world, &mut drawn);
    let random = &mut drawn.generator.random;
    let path = &paths[random.random_range(0..paths.len())];
    let mut bytes = std::fs::read(path).unwrap();
    let is_cut_off = damage(&mut bytes, random);
    std::fs::write(path, bytes).unwrap();
    register(world, &folder, &drawn).await;
    let Some(query) = query else { return false };
    let told = || format!("seed {seed}: {}\n{:#?}", query.expanded(), drawn.forms);
    let session = world.session();
    let run = session.run_funnel(scan(world, &query));
    let outcome = tokio::time::timeout(HANG, run)
        .await
        .unwrap_or_else(|_| panic!("a hang, {}", told()));
    // The engine's own reader may stumble over damaged bytes in a way that it can only tell as a fault of its own.
    let is_by_pages = PartMatcher::new(&query, None).unwrap().is_some();
    if let (Err(error), true) = (&outcome, is_by_pages) {
        assert_ne!(error.code(), "HW-Q099", "{error}: {}", told());
    }
    assert!(
        !is_cut_off || outcome.is_err(),
        "an answer of a part without a footer, {}",
        told()
    );
    let memory = world.engine.buffers().memory_size();
    assert!(memory < MEMORY_MAX, "{memory} bytes, {}", told());
    wait_for_memory(world).await;
    std::fs::remove_dir_all(world.path(&folder)).unwrap();
    outcome.is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_parts_give_an_error_or_an_answer() {
    let world = World::new();
    let (mut errors, mut all) = (0, 0);
    for seed in seeds(DAMAGES, 1) {
        errors += u64::from(check_damaged(&world, seed).await);
        all += 1;
    }
    assert!(errors * 5 > all || all < 20, "{errors} errors of {all} damages");
}

/// Skipping pages by their index panicked where a row group has no rows, and so no pages: this seed had some.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_groups_without_rows_are_left_out() {
    let world = World::new();
    world.view("v", "SELECT * FROM t");
    check(&world, 83).await;
    let mut drawn = draw(0);
    drawn.groups = Groups::Contained;
    drawn.parts.truncate(1);
    assert!(drawn.parts[0].num_rows() > 0);
    std::fs::create_dir_all(world.path("e")).unwrap();
    drawn.forms[0].leave_empty_row_groups();
    write(&world.path("e/0.parquet"), &drawn.parts[0], &drawn.forms[0]);
    register(&world, "e", &drawn).await;
    let dataset = dataset_of(&world.tables.stored("t").table).unwrap();
    let query = validate(&serde_json::json!({}), Some(&dataset)).query.unwrap();
    let found = world.session().run_funnel(scan(&world, &query)).await.unwrap();
    assert_eq!(found.row_groups_total, 1);
    assert_eq!(found.partial.scanned_rows(), drawn.parts[0].num_rows() as u64);
}

/// Reading a schema whose types make no sense panicked.
#[tokio::test]
async fn embedded_schemas_that_make_no_sense_are_told() {
    let world = World::new();
    let drawn = draw(0);
    let part = &drawn.parts[0];
    std::fs::create_dir_all(world.path("s")).unwrap();
    let path = world.path("s/0.parquet");
    let text = encode_arrow_schema(&part.schema());
    let mut errors = 0;
    for place in (0..text.len()).step_by(3) {
        let mut damaged = text.clone();
        damaged.replace_range(place..place + 1, if &text[place..=place] == "i" { "Z" } else { "i" });
        let schema = KeyValue::new("ARROW:schema".to_owned(), damaged);
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![schema]));
        let options = ArrowWriterOptions::new()
            .with_properties(properties.build())
            .with_skip_arrow_metadata(true);
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new_with_options(file, part.schema(), options).unwrap();
        writer.write(part).unwrap();
        writer.close().unwrap();
        register(&world, "s", &drawn).await;
        let dataset = dataset_of(&world.tables.stored("t").table).unwrap();
        let query = validate(&serde_json::json!({}), Some(&dataset)).query.unwrap();
        if let Err(error) = world.session().run_funnel(scan(&world, &query)).await {
            assert_eq!(error.code(), "HW-Q015", "{error}");
            errors += 1;
        }
    }
    assert!(errors > 10, "{errors} errors");
}
