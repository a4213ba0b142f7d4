#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::{Blocks, Pattern, chain, steps_passed};
use crate::scalar::Number;

/// Blocks from a text such as `1:a 2:ab 5:c`.
fn blocks(text: &str, steps: &str) -> Blocks {
    let blocks: Vec<(&str, &str)> = text
        .split_whitespace()
        .map(|block| block.split_once(':').unwrap())
        .collect();
    Blocks {
        times: blocks
            .iter()
            .map(|(time, _)| Number::Int(time.parse().unwrap()))
            .collect(),
        hits: steps
            .chars()
            .map(|step| blocks.iter().map(|(_, events)| events.contains(step)).collect())
            .collect(),
    }
}

/// Steps such as `a!nb`; expected is the number of steps passed and the times of the chain.
#[track_caller]
fn check(text: &str, steps: &str, max_duration: Option<i128>, passed: usize, times: &[i128]) {
    let mut positive = Vec::new();
    let mut names = String::new();
    for step in steps.split_inclusive(|letter: char| letter.is_alphabetic()) {
        positive.push(!step.starts_with('!'));
        names.push_str(step.trim_start_matches('!'));
    }
    let pattern = Pattern {
        positive: &positive,
        max_duration: max_duration.map(Number::Int),
    };
    let blocks = blocks(text, &names);
    assert_eq!(
        steps_passed(pattern, &blocks),
        passed,
        "{text} {steps} {max_duration:?}"
    );
    let chain: Vec<Number> = chain(pattern, &blocks)
        .iter()
        .map(|(_, block)| blocks.times[*block])
        .collect();
    assert_eq!(
        chain,
        times.iter().copied().map(Number::Int).collect::<Vec<_>>(),
        "{text} {steps} {max_duration:?}"
    );
}

#[test]
fn the_greedy_chain() {
    check("1:a 2:a 3:b 4:b 5:c", "abc", None, 3, &[1, 3, 5]);
    check("1:a 2:a 3:b", "abc", None, 2, &[1, 3]);
    check("1:b", "ab", None, 0, &[]);
    check("", "a", None, 0, &[]);
}

#[test]
fn a_limit_that_does_not_bind_changes_nothing() {
    check("1:a 2:a 3:b 4:b 5:c", "abc", Some(100), 3, &[1, 3, 5]);
}

#[test]
fn with_a_limit_the_chain_that_ends_first() {
    // From 1 the b at 9 is too far; from 5 and 6 it is not: of those the earlier one.
    check("1:a 5:a 6:a 9:b 10:b", "ab", Some(4), 2, &[5, 9]);
    // The c at 12 is only reached over the b at 9, which starts at 8.
    check("1:a 2:b 8:a 9:b 12:c", "abc", Some(4), 3, &[8, 9, 12]);
    check("1:a 2:b 8:a 9:b 12:c", "abc", Some(3), 2, &[1, 2]);
}

#[test]
fn with_absent_steps_the_chain_avoids_them() {
    check("1:a 2:n 3:a 4:b", "a!nb", None, 3, &[3, 4]);
    check("1:a 2:b 3:n 4:a 5:b 6:c", "ab!nc", None, 4, &[1, 5, 6]);
    check("1:a 2:n 4:a 5:b 6:n 7:c", "a!nb!nc", None, 3, &[4, 5]);
    check("1:na 2:a 3:b", "!nab", None, 3, &[1, 3]);
    check("1:n 2:a 3:b", "!nab", None, 0, &[]);
    check("1:x", "!na", None, 1, &[]);
    // Deepest is the absent step: the chain ends where nothing absent follows, or where the next step comes first.
    check("1:a 2:n 3:a 4:n 5:a", "a!n", None, 2, &[5]);
    check("1:a 2:n 3:a 5:b 6:n", "a!nb", Some(1), 1, &[1]);
    check("1:a 2:n 3:a 5:b 6:n", "a!nb!m", Some(2), 4, &[3, 5]);
    check("1:a 2:n 3:a 5:b 6:m", "a!nb!m", Some(2), 3, &[3, 5]);
}

#[test]
fn an_absent_step_closed_by_the_next_one_counts_its_duration() {
    // n is absent until b, m is not: b has to be near enough, although the chain ends before it.
    check("1:a 2:m 3:b 4:n", "a!n!mb", Some(2), 2, &[1]);
    check("1:a 7:a 8:m 9:b 10:n", "a!n!mb", Some(3), 2, &[7]);
    check("1:a 3:a 4:c 5:m 6:b 7:n", "ac!n!mb", Some(3), 3, &[3, 4]);
    check("1:a 3:a 4:c 5:m 6:b", "ac!n!mb", Some(3), 3, &[1, 4]);
}

#[test]
fn a_long_group_takes_no_quadratic_time() {
    let count = 200_000_usize;
    let blocks = Blocks {
        times: (0..count).map(|time| Number::Int(time as i128)).collect(),
        hits: (0..4)
            .map(|step| (0..count).map(|block| block % 4 == step).collect())
            .collect(),
    };
    let pattern = Pattern {
        positive: &[true, false, true, false],
        max_duration: Some(Number::Int(10)),
    };
    // Step 1 comes right after step 0, always before step 2.
    assert_eq!(steps_passed(pattern, &blocks), 1);
    assert_eq!(chain(pattern, &blocks), [(0, 0)]);
    let pattern = Pattern {
        positive: &[true, true, true, true],
        max_duration: Some(Number::Int(3)),
    };
    assert_eq!(chain(pattern, &blocks), [(0, 0), (1, 1), (2, 2), (3, 3)]);
}
