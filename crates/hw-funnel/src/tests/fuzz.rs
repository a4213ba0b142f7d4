//! Random damage to valid documents, and random text. Nothing may panic, and every finding has a place that exists.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Map, Value, json};

use super::generate::{Generator, fresh_seed};
use crate::{Dataset, Matcher, Partial, Validation, result, validate, validate_text};

const CASES: u64 = 1_500;

fn run(check: impl Fn(u64)) {
    (0..CASES).for_each(&check);
    let seed = fresh_seed();
    println!("first fresh seed {seed}");
    (0..CASES / 2).for_each(|number| check(seed.wrapping_add(number)));
}

/// All keys and words of the language, and some that are not.
const WORDS: [&str; 49] = [
    "timeframe",
    "from",
    "to",
    "query",
    "conditions",
    "relation",
    "aggregations",
    "funnel",
    "sequence",
    "maxDuration",
    "stepAggregations",
    "endAggregations",
    "filter",
    "filters",
    "target",
    "includeZero",
    "name",
    "rowFound",
    "column",
    "op",
    "value",
    "type",
    "otherColumn",
    "top",
    "q",
    "compare",
    "stepTimes",
    "breakdown",
    "by",
    "columns",
    "count",
    "sum",
    "sumPerValue",
    "quantile",
    "==",
    "!=",
    "<",
    "in",
    "contains",
    "is null",
    "regex",
    "s",
    "i",
    "f",
    "li",
    "",
    "a/b",
    "~",
    "ünknown",
];

fn random_value(random: &mut StdRng, depth: usize) -> Value {
    match random.random_range(0..if depth == 0 { 8 } else { 10 }) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!(random.random_range(-2..3)),
        3 => json!(random.random::<i64>()),
        4 => json!(random.random_range(-2.0..2.0)),
        5 => json!(
            [
                "1e400",
                "3s",
                "1970-01-01",
                "1970-01-01T00:00:05Z",
                "$0 and $1",
                "((",
                "[a"
            ]
            .choose(random)
        ),
        6 | 7 => json!(WORDS.choose(random)),
        8 => (0..random.random_range(0..4))
            .map(|_| random_value(random, depth - 1))
            .collect(),
        _ => Value::Object(
            (0..random.random_range(0..4))
                .map(|_| {
                    (
                        WORDS.choose(random).unwrap().to_string(),
                        random_value(random, depth - 1),
                    )
                })
                .collect::<Map<String, Value>>(),
        ),
    }
}

/// Changes one random place of the document.
fn mutate(random: &mut StdRng, value: &mut Value) {
    let goes_deeper = random.random_bool(0.8);
    match value {
        Value::Object(map) if !map.is_empty() && goes_deeper => {
            let key = map.keys().nth(random.random_range(0..map.len())).unwrap().clone();
            match random.random_range(0..12) {
                0 => drop(map.shift_remove(&key)),
                1 => {
                    let content = map.shift_remove(&key).unwrap();
                    map.insert(WORDS.choose(random).unwrap().to_string(), content);
                }
                2 => drop(map.insert(WORDS.choose(random).unwrap().to_string(), random_value(random, 2))),
                _ => mutate(random, &mut map[&key]),
            }
        }
        Value::Array(items) if !items.is_empty() && goes_deeper => {
            let index = random.random_range(0..items.len());
            match random.random_range(0..8) {
                0 => drop(items.remove(index)),
                1 => items.push(items[index].clone()),
                _ => mutate(random, &mut items[index]),
            }
        }
        value => *value = random_value(random, 2),
    }
}

fn check_findings(document: &Value, validation: &Validation) {
    assert_eq!(validation.success, validation.findings.is_empty());
    for finding in validation.findings.iter().chain(&validation.warnings) {
        assert!(
            document.pointer(&finding.pointer).is_some(),
            "{finding:?} in {document}"
        );
        assert!(!finding.message.is_empty() && finding.code.starts_with("HW-F0"));
        assert_ne!(finding.code, "HW-F006", "{finding:?} in {document}");
    }
    assert_eq!(validation.to_json()["success"], json!(validation.success));
}

/// A document that is valid after all also runs.
fn check_success(dataset: &Dataset, validation: &Validation, table: &super::table::Table) {
    let Some(query) = &validation.query else { return };
    let expanded = validation.expanded.as_ref().unwrap();
    assert_eq!(validate(expanded, Some(dataset)).expanded.as_ref(), Some(expanded));
    let batch = table.batch(&(0..table.rows.len()).collect::<Vec<_>>(), &table.declared_types());
    let mut matcher = Matcher::new(query, &batch.schema()).unwrap();
    matcher.push(&batch).unwrap();
    let partial = matcher.finish().unwrap();
    assert!(result(query, &partial)["query"].is_object());
}

#[test]
fn damaged_documents() {
    run(|seed| {
        let mut generator = Generator::new(seed);
        let table = generator.table();
        let mut document = generator.query();
        for _ in 0..generator.random.random_range(1..4) {
            mutate(&mut generator.random, &mut document);
        }
        let dataset = table.dataset();
        let validation = validate(&document, Some(&dataset));
        check_findings(&document, &validation);
        check_success(&dataset, &validation, &table);
        check_findings(&document, &validate(&document, None));
    });
}

#[test]
fn random_documents() {
    run(|seed| {
        let mut generator = Generator::new(seed);
        let document = random_value(&mut generator.random, 5);
        check_findings(&document, &validate(&document, Some(&generator.table().dataset())));
    });
}

#[test]
fn damaged_text() {
    run(|seed| {
        let mut generator = Generator::new(seed);
        let mut text: Vec<char> = generator.query().to_string().chars().collect();
        for _ in 0..generator.random.random_range(1..4) {
            let at = generator.random.random_range(0..text.len().max(1));
            match generator.random.random_range(0..3) {
                0 if at < text.len() => drop(text.remove(at)),
                1 => text.insert(
                    at,
                    *['"', '{', '}', '[', ',', '\\', '0', 'é', '\0']
                        .choose(&mut generator.random)
                        .unwrap(),
                ),
                _ => text.truncate(at.max(1)),
            }
        }
        let text: String = text.into_iter().collect();
        let validation = validate_text(&text, Some(&generator.table().dataset()));
        match serde_json::from_str::<Value>(&text) {
            Ok(document) => check_findings(&document, &validation),
            Err(_) => {
                assert_eq!((validation.findings.len(), validation.findings[0].code), (1, "HW-F007"));
                let (line, column) = validation.findings[0].position.unwrap();
                assert!(line >= 1 && column >= 1);
            }
        }
    });
}

#[test]
fn random_relations() {
    const PIECES: [&str; 18] = [
        "$0", "$1", "$2", "$7", "$first", "$SECOND", "$no", " and ", "or", "&&", " || ", "not ", "!", "(", ")", " ",
        "$", "é",
    ];
    run(|seed| {
        let mut generator = Generator::new(seed);
        let relation: String = (0..generator.random.random_range(0..12))
            .map(|_| *PIECES.choose(&mut generator.random).unwrap())
            .collect();
        let filter = json!(["s", "==", "a"]);
        let conditions =
            json!([{"filter": filter, "name": "first"}, {"filter": filter, "name": "Second"}, {"filter": filter}]);
        let document = json!({"query": {"conditions": conditions, "relation": relation}});
        let dataset = generator.table().dataset();
        let validation = validate(&document, Some(&dataset));
        check_findings(&document, &validation);
        assert!(
            validation
                .findings
                .iter()
                .all(|finding| finding.pointer == "/query/relation")
        );
        if let Some(expanded) = &validation.expanded {
            let again = validate(expanded, Some(&dataset));
            assert_eq!(again.used_conditions, validation.used_conditions);
            assert_eq!(again.expanded.as_ref(), Some(expanded));
        }
    });
}

#[test]
fn damaged_partials() {
    run(|seed| {
        let mut generator = Generator::new(seed);
        let table = generator.table();
        let query = table.query(&generator.query());
        let rows = (0..table.rows.len()).collect();
        let mut stored = table
            .match_part(&query, &[rows], &table.declared_types(), None)
            .to_bytes();
        let random = &mut generator.random;
        let place = random.random_range(0..stored.len());
        match random.random_range(0..3) {
            0 => stored.truncate(place),
            1 => stored.insert(place, random.random()),
            _ => stored[place] ^= random.random_range(1..=255_u8),
        }
        let error = Partial::from_bytes(&stored).unwrap_err();
        assert_eq!(error.code(), "HW-F016");
    });
}
