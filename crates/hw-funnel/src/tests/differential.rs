//! The matcher against the oracle: random tables, random queries, random cuts, random storage.

use arrow_array::Array;
use rand::Rng;
use rand::seq::SliceRandom;
use serde_json::Value;

use super::generate::{Generator, fresh_seed};
use super::oracle::Oracle;
use super::table::{Table, array_of};
use crate::{GroupExport, Partial, Query, result};

/// Cases per test; each test takes a few seconds.
const CASES: u64 = 2_500;

fn run(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        check(seed);
    }
}

#[test]
fn fixed_seeds_1() {
    run(0..CASES);
}

#[test]
fn fixed_seeds_2() {
    run(CASES..2 * CASES);
}

#[test]
fn fixed_seeds_3() {
    run(2 * CASES..3 * CASES);
}

#[test]
fn fixed_seeds_4() {
    run(3 * CASES..4 * CASES);
}

#[test]
#[ignore = "takes minutes; run it after changes to matching"]
fn a_hundred_thousand_fresh_seeds() {
    let seed = fresh_seed();
    println!("first seed {seed}");
    run((0..100_000).map(|number| seed.wrapping_add(number)));
}

#[test]
fn fresh_seeds() {
    let seed = fresh_seed();
    println!("first seed {seed}");
    run((0..CASES).map(|number| seed.wrapping_add(number)));
}

/// One table, one query. Now and then the query and the partials take the way over their stored forms.
fn check(seed: u64) {
    let mut generator = Generator::new(seed);
    let table = generator.table();
    let document = generator.query();
    let is_stored = seed.is_multiple_of(4);
    let oracle = Oracle::new(&table, &document);
    let query = if is_stored {
        rebuilt(&table, &document)
    } else {
        table.query(&document)
    };
    let (export, depth) = random_export(&mut generator, &query);
    let mut partials = match_parts(&mut generator, &table, &query, export);
    partials.shuffle(&mut generator.random);
    if is_stored {
        partials
            .iter_mut()
            .for_each(|partial| *partial = stored_and_read(partial));
    }
    let mut merged = Partial::empty(&query);
    partials.into_iter().for_each(|partial| merged.merge(partial).unwrap());
    let actual = result(&query, &merged);
    let expected = oracle.answer();
    assert_eq!(
        actual,
        expected,
        "seed {seed}\nquery {document}\nrows {:#?}",
        rows(&table)
    );
    let expected = oracle.exported(depth);
    let expected = array_of(&table.columns[0].1, &expected.iter().collect::<Vec<_>>());
    let groups = merged.take_groups().unwrap();
    assert_eq!(
        groups.to_data(),
        expected.to_data(),
        "seed {seed}, export {export:?}, query {document}"
    );
}

fn random_export(generator: &mut Generator, query: &Query) -> (GroupExport, usize) {
    let steps = query.funnel_steps().unwrap_or(0);
    match generator.random.random_range(0..3) {
        0 => (GroupExport::Matching, 0),
        1 if steps > 0 => {
            let step = generator.random.random_range(1..=steps);
            (GroupExport::Step(step), step)
        }
        _ => (GroupExport::Last, steps),
    }
}

/// The query as a worker sees it: from the expanded document.
fn rebuilt(table: &Table, document: &Value) -> Query {
    let query = table.query(document);
    let rebuilt = Query::from_expanded(query.expanded(), &table.dataset()).unwrap();
    assert_eq!(
        rebuilt.expanded(),
        query.expanded(),
        "the expanded document does not expand to itself"
    );
    assert_eq!(rebuilt.columns(), query.columns());
    rebuilt
}

/// Whole groups are dealt to parts; the rows of a part are shuffled, often ordered by time, and cut into batches.
fn match_parts(generator: &mut Generator, table: &Table, query: &Query, export: GroupExport) -> Vec<Partial> {
    let count = generator.random.random_range(1..4);
    let mut parts: Vec<Vec<usize>> = vec![Vec::new(); count];
    for group in table.groups() {
        parts[generator.random.random_range(0..count)].extend(group);
    }
    let stored = generator.storage(table);
    let match_part = |mut rows: Vec<usize>| {
        rows.shuffle(&mut generator.random);
        if generator.random.random_range(0..3) > 0 {
            table.sort_by_time(&mut rows);
        }
        let size = generator.random.random_range(1..=12);
        let batches: Vec<Vec<usize>> = rows.chunks(size).map(<[usize]>::to_vec).collect();
        table.match_part(query, &batches, &stored, Some(export))
    };
    parts.into_iter().map(match_part).collect()
}

fn stored_and_read(partial: &Partial) -> Partial {
    let mut read = Partial::from_bytes(&partial.to_bytes()).unwrap();
    read.set_groups(partial.clone().take_groups().unwrap());
    assert_eq!(&read, partial);
    read
}

fn rows(table: &Table) -> Vec<String> {
    table
        .rows
        .iter()
        .map(|row| Value::Array(row.clone()).to_string())
        .collect()
}
