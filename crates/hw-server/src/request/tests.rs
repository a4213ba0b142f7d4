#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use super::QueryPairs;

#[test]
fn parameters_are_decoded_and_the_last_of_a_name_counts() {
    let pairs = QueryPairs::of("a=1&b=x%20y+z&a=2&c=&d");
    let mut reader = pairs.reader(&["a", "b", "c", "d"]);
    assert_eq!(reader.text("a"), Some("2"));
    assert_eq!(reader.text("b"), Some("x y z"));
    assert_eq!(
        (reader.text("c"), reader.text("d"), reader.text("e")),
        (Some(""), Some(""), None)
    );
    assert_eq!(reader.texts("a"), ["1", "2"]);
    assert!(reader.flag("d") && !reader.flag("e"));
    assert!(reader.finish().is_ok());
}

#[test]
fn times_need_units() {
    let pairs = QueryPairs::of("a=20s&b=20&c=soon&d=0");
    let mut reader = pairs.reader(&["a", "b", "c", "d"]);
    assert_eq!(reader.duration("a"), Some(Duration::from_secs(20)));
    assert_eq!(reader.duration("d"), Some(Duration::ZERO));
    assert_eq!((reader.duration("b"), reader.duration("c")), (None, None));
    let problem = reader.finish().unwrap_err().into_problem();
    let messages: Vec<_> = problem.errors.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "`b` needs a unit, found `20`",
            "`c` must be a time with its unit, found `soon`"
        ]
    );
}
