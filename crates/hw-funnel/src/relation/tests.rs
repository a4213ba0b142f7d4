#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::{RELATION_BYTES_MAX, Relation, RelationFault, Step, single_operator};

/// Three conditions, of which two have names.
fn parse(text: &str) -> Result<Relation, Vec<RelationFault>> {
    let names = HashMap::from([("aor".to_owned(), 1), ("b".to_owned(), 2)]);
    Relation::parse(text, 3, &names)
}

/// The relation with brackets around everything.
fn print(relation: &Relation) -> String {
    let mut stack: Vec<String> = Vec::new();
    for step in &relation.postfix {
        let text = match step {
            Step::Condition(index) => format!("${index}"),
            Step::Not => format!("not {}", stack.pop().unwrap()),
            Step::And | Step::Or => {
                let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                let word = if *step == Step::And { "and" } else { "or" };
                format!("({left} {word} {right})")
            }
        };
        stack.push(text);
    }
    assert_eq!(stack.len(), 1);
    stack.remove(0)
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(print(&parse(text).unwrap()), expected, "{text}");
}

#[test]
fn and_binds_tighter_than_or() {
    check("$0", "$0");
    check("$0 and $1 or $2", "(($0 and $1) or $2)");
    check("$0 or $1 and $2", "($0 or ($1 and $2))");
    check("$0 or $1 or $2", "(($0 or $1) or $2)");
    check("($0 or $1) and $2", "(($0 or $1) and $2)");
    check("(($0))", "$0");
}

#[test]
fn not_binds_tightest() {
    check("not $0 and $1", "(not $0 and $1)");
    check("!($0 and $1)", "not ($0 and $1)");
    check("not not !$0", "not not not $0");
    check("$0 or not $1 and !$2", "($0 or (not $1 and not $2))");
}

#[test]
fn blanks_and_case_do_not_matter() {
    check("$0or$1", "($0 or $1)");
    check(" \t$0\nAND\r\n( $1 ) ", "($0 and $1)");
    check("$0&&$1||!$2", "(($0 and $1) or not $2)");
    check("$AOR Or $B", "($1 or $2)");
    check("not$0andNOT$1", "(not $0 and not $1)");
    check("$000", "$0");
}

#[track_caller]
fn check_fault(text: &str, expected: &[RelationFault]) {
    assert_eq!(parse(text).unwrap_err(), expected, "{text}");
}

fn syntax(expected: &'static str, at: usize) -> RelationFault {
    RelationFault::Syntax { expected, at }
}

const OPERAND: &str = "a condition such as `$0` or `$name`";
const OPERATOR: &str = "`and`, `or` or `)`";

#[test]
fn faults_of_grammar() {
    check_fault("", &[RelationFault::Empty]);
    check_fault("  ", &[RelationFault::Empty]);
    check_fault("$aor$b", &[syntax(OPERATOR, 4)]);
    check_fault("$0 $1", &[syntax(OPERATOR, 3)]);
    check_fault("$0 and", &[syntax(OPERAND, 6)]);
    check_fault("and $0", &[syntax(OPERAND, 0)]);
    check_fault("$0 and or $1", &[syntax(OPERAND, 7)]);
    check_fault("$0 & $1", &[syntax(OPERATOR, 3)]);
    check_fault("0 and 1", &[syntax(OPERAND, 0)]);
    check_fault("b", &[syntax(OPERAND, 0)]);
    check_fault("$", &[syntax(OPERAND, 0)]);
    check_fault("$_b", &[syntax(OPERAND, 0)]);
    check_fault("$0x", &[syntax(OPERATOR, 2)]);
    check_fault("($0", &[syntax("a `)` for this `(`", 0)]);
    check_fault("$0)", &[syntax("no further `)`", 2)]);
    check_fault("()", &[syntax(OPERAND, 1)]);
    check_fault("not", &[syntax(OPERAND, 3)]);
    check_fault("$0 not $1", &[syntax(OPERATOR, 3)]);
    check_fault("$0 andé", &[syntax(OPERAND, 6)]);
    check_fault("é", &[syntax(OPERAND, 0)]);
}

#[test]
fn every_unknown_condition_is_named() {
    let index = |text: &str| RelationFault::UnknownIndex { text: text.to_owned() };
    let name = |name: &str| RelationFault::UnknownName { name: name.to_owned() };
    check_fault(
        "$3 or $x and $99999999999999999999 or $0",
        &[index("3"), name("x"), index("99999999999999999999")],
    );
    check_fault("$3 or )", &[index("3"), syntax(OPERAND, 6)]);
}

#[test]
fn single_operators() {
    assert_eq!(single_operator(" And "), Some(("and".to_owned(), Step::And)));
    assert_eq!(single_operator("||"), Some(("||".to_owned(), Step::Or)));
    assert_eq!(single_operator("not"), None);
    assert_eq!(print(&Relation::joined(3, Step::Or)), "(($0 or $1) or $2)");
    assert!(Relation::joined(1, Step::And).holds(&[true]));
}

#[test]
fn conditions_in_order_of_first_use() {
    assert_eq!(parse("$2 and ($0 or $2) and not $0").unwrap().conditions(), [2, 0]);
}

#[test]
fn a_condition_that_fails_negates() {
    let relation = parse("$0 and not ($1 or $2)").unwrap();
    assert!(relation.holds(&[true, false, false]));
    assert!(!relation.holds(&[true, false, true]));
    assert!(!relation.holds(&[false, false, false]));
}

#[test]
fn no_nesting_is_too_deep() {
    let depth = 100_000;
    let brackets = format!("{}$0{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(parse(&brackets).unwrap().postfix.len(), 1);
    let nested = format!("{}$0{}", "$0 and ($1 or (".repeat(depth / 4), "))".repeat(depth / 4));
    let relation = parse(&nested).unwrap();
    assert_eq!(relation.postfix.len(), depth + 1);
    assert!(relation.holds(&[true, false, false]));
    let negations = parse(&format!("{}$0", "!".repeat(depth + 1))).unwrap();
    assert!(negations.holds(&[false]));
    let open = parse(&"(".repeat(depth)).unwrap_err();
    assert_eq!(open, [syntax(OPERAND, depth)]);
    let long = "$0 and ".repeat(RELATION_BYTES_MAX / 7 + 1);
    assert_eq!(
        parse(&long).unwrap_err(),
        [RelationFault::TooLong { bytes: long.len() }]
    );
}

/// A random relation as text, with its value for the outcomes.
fn random(random_source: &mut StdRng, depth: usize, outcomes: &[bool]) -> (String, bool, u8) {
    let blank = |random_source: &mut StdRng| [" ", "", "  ", "\n"][random_source.random_range(0..4)].to_owned();
    if depth == 0 || random_source.random_bool(0.2) {
        let index = random_source.random_range(0..3);
        let names = [["$0", "$0"], ["$1", "$aOr"], ["$2", "$B"]];
        return (
            names[index][random_source.random_range(0..2)].to_owned(),
            outcomes[index],
            3,
        );
    }
    let (left, left_value, left_strength) = random(random_source, depth - 1, outcomes);
    let (right, right_value, right_strength) = random(random_source, depth - 1, outcomes);
    let mut bracket = |text: String, strength: u8, needed: u8| {
        let is_needed = strength < needed || random_source.random_bool(0.2);
        let blanks = (blank(random_source), blank(random_source));
        if is_needed {
            format!("({}{text}{})", blanks.0, blanks.1)
        } else {
            text
        }
    };
    match depth % 3 {
        0 => (
            format!(
                "{} aNd {}",
                bracket(left, left_strength, 2),
                bracket(right, right_strength, 2)
            ),
            left_value && right_value,
            2,
        ),
        1 => (
            format!(
                "{} || {}",
                bracket(left, left_strength, 1),
                bracket(right, right_strength, 1)
            ),
            left_value || right_value,
            1,
        ),
        _ => (format!("NOT {}", bracket(left, left_strength, 3)), !left_value, 3),
    }
}

#[test]
fn parsing_keeps_the_meaning_and_printing_is_parsed_back() {
    let mut random_source = StdRng::seed_from_u64(7);
    for case in 0..2_000 {
        let outcomes = [0, 1, 2].map(|_| random_source.random_bool(0.5));
        let (text, value, _) = random(&mut random_source, case % 7, &outcomes);
        let relation = parse(&text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
        assert_eq!(relation.holds(&outcomes), value, "{text} {outcomes:?}");
        assert_eq!(parse(&print(&relation)).unwrap(), relation, "{text}");
    }
}
