//! Tables of more rows than the fast matcher looks at together, with dictionaries of every width: its short cuts for few and
//! for many hits, for codes, for sums in fixed point and for rows that it still knows. Each run holds all matchers against
//! the plain one.

use arrow_schema::DataType;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::table::{Table, dictionary};

const ROWS: usize = 2_600;
const ITEMS: i64 = 700;

fn table() -> Table {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("event", DataType::Utf8),
        ("item", DataType::Int64),
        ("device", DataType::Utf8),
        ("country", DataType::Utf8),
        ("price", DataType::Float64),
    ];
    let mut random = StdRng::seed_from_u64(5);
    let mut rows: Vec<Vec<Value>> = (0..ROWS)
        .map(|row| {
            // Most events are of a few kinds, and some are rare.
            let event = random.random_range(0..30_i64) * random.random_range(0..10_i64) / 10;
            let device = random.random_range(0..6);
            let country = if random.random_range(0..3) > 0 { "US" } else { "DE" };
            let price = random.random_range(0..2) * random.random_range(1..2_000);
            vec![
                json!(random.random_range(0..60)),
                // Ties within groups, too.
                json!(row as i64 / 40),
                json!(format!("e{event}")),
                json!(random.random_range(0..ITEMS)),
                if device == 0 {
                    Value::Null
                } else {
                    json!(format!("d{device}"))
                },
                json!(country),
                if price == 0 {
                    Value::Null
                } else {
                    json!(f64::from(price) / 100.0)
                },
            ]
        })
        .collect();
    // More values than bytes have.
    for (row, item) in rows.iter_mut().zip(0..ITEMS) {
        row[3] = json!(item);
    }
    Table::new(&columns, rows)
}

fn storages() -> Vec<Vec<DataType>> {
    let plain = vec![
        DataType::Int64,
        DataType::Int64,
        DataType::Utf8,
        DataType::Int64,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Float64,
    ];
    let coded: Vec<DataType> = plain.iter().cloned().map(dictionary).collect();
    let mut mixed = plain.clone();
    mixed[0] = dictionary(DataType::Int64);
    mixed[2] = dictionary(DataType::Utf8);
    mixed[6] = dictionary(DataType::Float64);
    vec![plain, coded, mixed]
}

/// In order of time, and user by user.
fn orders(table: &Table) -> Vec<Vec<usize>> {
    let by_time: Vec<usize> = (0..ROWS).collect();
    let mut by_user = by_time.clone();
    by_user.sort_by_key(|row| table.rows[*row][0].as_i64());
    let mut disordered = by_time.clone();
    disordered.swap(100, 2_500);
    vec![by_time, by_user, disordered]
}

#[track_caller]
fn check(query: Value) {
    let table = table();
    let storages = storages();
    let expected = table.run(&query);
    for rows in orders(&table) {
        for size in [1_700, 3_000] {
            let batches: Vec<Vec<usize>> = rows.chunks(size).map(<[usize]>::to_vec).collect();
            for stored in &storages {
                let found = table.run_cut(&query, std::slice::from_ref(&batches), stored);
                assert_eq!(found, expected, "{query}, batches of {size}, stored as {stored:?}");
            }
        }
    }
}

fn steps(events: &[&str]) -> Value {
    events
        .iter()
        .map(|event| json!({"filter": ["event", "==", event]}))
        .collect()
}

#[test]
fn rows_that_are_seen() {
    check(json!({"query": {"conditions": [{"filter": ["event", "==", "e26"]}]}}));
    check(json!({"query": {"conditions": [{"filter": ["event", "in", ["e25", "e26", "e24"]]}]}}));
    check(json!({"query": {"conditions": [{"filter": ["country", "==", "US"]}, {"filter": ["country", "!=", "US"]}]}}));
    let many: Vec<Value> = (0..10)
        .map(|event| json!({"filter": ["event", "!=", format!("e{event}")]}))
        .collect();
    check(json!({"query": {"conditions": many}}));
    check(json!({"timeframe": {"from": 20, "to": 40},
        "query": {"conditions": [{"filter": ["country", "==", "US"]}, {"filter": ["item", "==", 691]}], "relation": "or"}}));
}

#[test]
fn rows_that_are_counted_and_summed() {
    check(json!({"query": {"conditions": [
        {"filter": ["event", "==", "e3"], "target": ["count", ">=", 2]},
        {"filter": ["event", "==", "e3"], "target": ["sum", "price", ">", 9.5]},
        {"filter": ["country", "==", "DE"]},
        {"filter": ["item", "<", 300], "target": ["count", "<", 30]},
    ]}}));
}

#[test]
fn sequences_of_every_length() {
    let events = ["e0", "e1", "e2", "e3", "e4", "e5", "e0", "e1", "e2"];
    for length in 1..=events.len() {
        check(json!({"funnel": {"sequence": steps(&events[..length]), "maxDuration": 12}}));
    }
    check(json!({"funnel": {"sequence": steps(&events[..4])}}));
    check(json!({"funnel": {"sequence": [
        {"filters": [{"column": "event", "op": "==", "value": "e0"}, {"column": "item", "op": "<", "value": 9}]},
        {"filters": [{"column": "item", "op": ">", "value": 680}]},
    ], "maxDuration": 30}}));
}

#[test]
fn breakdowns_of_few_and_many_values() {
    for column in ["device", "item", "country"] {
        check(json!({"funnel": {
            "sequence": steps(&["e0", "e1"]), "maxDuration": 20,
            "breakdown": {"column": column, "by": "pair", "top": 3},
        }}));
    }
}

#[test]
fn aggregations_over_rows_seen_again() {
    let aggregations = json!([
        {"column": "event", "type": "countPerValue", "top": 100},
        {"column": "event", "type": "sumPerValue", "otherColumn": "price", "top": 100},
        {"column": "device", "type": "meanPerValue", "otherColumn": "price", "top": 100},
        {"column": "device", "type": "groupsPerValue", "top": 100},
        {"column": "item", "type": "countPerValue", "top": 5},
        {"column": "item", "type": "sum"},
        {"column": "price", "type": "sum"},
        {"column": "price", "type": "quantile", "q": 0.5},
        {"column": "device", "type": "count"},
    ]);
    let sequence = steps(&["e0", "e1", "e2"]);
    check(json!({
        "query": {"conditions": [{"sequence": sequence, "maxDuration": 12}], "aggregations": aggregations},
        "compare": true,
    }));
    check(json!({
        "timeframe": {"from": 10},
        "query": {"aggregations": aggregations},
        "funnel": {"sequence": sequence, "maxDuration": 12, "stepAggregations": aggregations},
    }));
}

/// Two users, at times that leave no room for a difference.
#[test]
fn times_at_the_ends_of_64_bits() {
    let columns = [
        ("user", DataType::Int64),
        ("ts", DataType::Int64),
        ("event", DataType::Utf8),
    ];
    let times = [
        i64::MIN,
        i64::MIN + 1,
        -(1 << 62) - 1,
        -(1 << 62),
        0,
        (1 << 62) - 1,
        1 << 62,
        i64::MAX - 1,
        i64::MAX,
    ];
    let limits = [0_i64, 1, 2, (1 << 62) - 1, 1 << 62, i64::MAX];
    for (place, first) in times.iter().enumerate() {
        let rows = times[place..].iter().flat_map(|second| {
            [
                vec![json!(1), json!(first), json!("a")],
                vec![json!(1), json!(second), json!("b")],
                vec![json!(2), json!(second), json!("a")],
            ]
        });
        let table = Table::new(&columns, rows.collect());
        for limit in limits {
            table.run(&json!({"funnel": {"sequence": steps(&["a", "b"]), "maxDuration": limit}}));
        }
        table.run(&json!({"funnel": {"sequence": steps(&["a", "b"])}}));
    }
}
