use std::time::Duration;

use expect_test::{Expect, expect};
use hw_job::Timestamp;

use super::{Instants, Moment};

const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

fn read(text: &str) -> Option<Moment> {
    (!text.is_empty()).then(|| Moment::parse(text).unwrap())
}

#[test]
fn a_moment_is_a_time_or_a_duration() {
    let check = |text: &str, expected: Moment| assert_eq!(Moment::parse(text), Ok(expected), "{text}");
    check("10m", Moment::In(Duration::from_secs(600)));
    check(" 1h 30min ", Moment::In(Duration::from_secs(5400)));
    check("0", Moment::In(Duration::ZERO));
    check("2023-11-14T22:13:20Z", Moment::At(NOW));
    check("2023-11-14T23:13:20.5+01:00", Moment::At(Timestamp(NOW.0 + 500_000)));
}

#[test]
fn other_texts_say_what_to_write() {
    let check = |text: &str, expected: &str| {
        assert_eq!(Moment::parse(text).unwrap_err().to_string(), expected, "{text}");
    };
    check("600", "needs a unit");
    for text in [
        "",
        "soon",
        "-10m",
        "2023-11-14",
        "2023-11-14T22:13:20",
        "99999999999999w",
    ] {
        check(text, "is neither a time as RFC 3339 writes it nor a duration");
    }
}

#[test]
fn a_plus_that_became_a_blank_is_understood() {
    let moment = Moment::parse_parameter("2023-11-14T23:13:20 01:00");
    assert_eq!(moment, Ok(Moment::At(NOW)));
    assert!(Moment::parse_parameter("2023-11-14T23:13:20 soon").is_err());
}

#[track_caller]
fn check(not_before: &str, deadline: &str, expected: Expect) {
    let (_, faults) = Instants::new(read(not_before), read(deadline), NOW, |fault| {
        format!("{}: {}", fault.name, fault.message)
    });
    expected.assert_eq(&faults.join("\n"));
}

#[test]
fn instants_that_make_no_sense_are_all_told() {
    check("", "", expect![""]);
    check("10m", "11m", expect![""]);
    check("2020-01-01T00:00:00Z", "1s", expect![""]);
    check(
        "",
        "0s",
        expect!["deadline: `deadline` has passed already: 2023-11-14T22:13:20Z"],
    );
    check(
        "1m",
        "2023-11-14T22:13:19Z",
        expect!["deadline: `deadline` has passed already: 2023-11-14T22:13:19Z"],
    );
    check(
        "10m",
        "10m",
        expect![
            "not_before: the job may not start before 2023-11-14T22:23:20Z, and must have ended by 2023-11-14T22:23:20Z"
        ],
    );
    check(
        "9000w",
        "2020-01-01T00:00:00Z",
        expect![[r#"
        not_before: `not_before` lies more than 100 years ahead
        deadline: `deadline` has passed already: 2020-01-01T00:00:00Z"#]],
    );
}

#[test]
fn a_moment_becomes_a_length_of_time() {
    let (instants, faults) = Instants::new(read("2023-11-14T22:13:50Z"), read("1m"), NOW, |fault| fault);
    assert_eq!(faults, []);
    let (start, end) = (instants.not_before.unwrap(), instants.deadline.unwrap());
    assert_eq!(
        (start.after, end.after),
        (Duration::from_secs(30), Duration::from_secs(60))
    );
    assert_eq!(end.at.0 - start.at.0, 30_000_000);
}
