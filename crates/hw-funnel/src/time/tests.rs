#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::{DataType, TimeUnit};

use super::{Calendar, parse_duration};

fn calendar(zone: Option<&str>) -> Calendar {
    Calendar::of(&DataType::Timestamp(TimeUnit::Nanosecond, zone.map(Into::into))).unwrap()
}

#[track_caller]
fn check(text: &str, nanos: i128) {
    assert_eq!(calendar(None).parse(text), Ok(nanos), "{text}");
}

#[track_caller]
fn check_refused(text: &str) {
    let result = calendar(None).parse(text);
    assert!(result.is_err(), "{text} was read as {result:?}");
}

const SECOND: i128 = 1_000_000_000;

#[test]
fn iso_text() {
    check("1970-01-01", 0);
    check(" 1970-01-02 ", 86_400 * SECOND);
    check("1970-01-01T00:01", 60 * SECOND);
    check("1970-01-01T00:00:01", SECOND);
    check("1970-01-01t00:00:01z", SECOND);
    check("1970-01-01 00:00:01.5", SECOND * 3 / 2);
    check("1970-01-01T00:00:00,000000001Z", 1);
    check("1970-01-01T00:00:00.123456789000", 123_456_789);
    check("1970-01-01T02:00:00+02:00", 0);
    check("1970-01-01T02:00:00+02", 0);
    check("1970-01-01T02:30:00+0230", 0);
    check("1969-12-31T19:00:00-05:00", 0);
    check("1969-12-31T23:59:59.999999999", -1);
    check("2024-02-29", 1_709_164_800 * SECOND);
    check("0001-01-01", -62_135_596_800 * SECOND);
    check("9999-12-31T23:59:59", 253_402_300_799 * SECOND);
}

#[test]
fn text_that_is_no_time() {
    for text in [
        "",
        "today",
        "2024",
        "2024-1-1",
        "2024-13-01",
        "2023-02-29",
        "2024-02-30T00:00:00",
        "20240101",
        "+2024-01-1",
        "2024-01-01T",
        "2024-01-01T24:00:00",
        "2024-01-01T00:60:00",
        "2024-01-01T00:00:60",
        "2024-01-01T00",
        "2024-01-01T0:0:0",
        "2024-01-01T00:00:00.",
        "2024-01-01T00:00.5",
        "2024-01-01T00:00:00.1234567891",
        "2024-01-01T00:00:00:00",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+1",
        "2024-01-01T00:00:00+01:0",
        "2024-01-01T00:00:00+01:00:00",
        "2024-01-01Z",
        "2024-01-01T00:00:00 Europe/Berlin",
        "２０２４-01-01",
        "2024-01-01T00:00:00é",
        "ééééééééé",
    ] {
        check_refused(text);
    }
}

#[test]
fn local_times() {
    let berlin = calendar(Some("Europe/Berlin"));
    assert_eq!(
        berlin.parse("2024-07-01T00:00:00"),
        calendar(None).parse("2024-06-30T22:00:00")
    );
    assert_eq!(
        berlin.parse("2024-07-01T00:00:00Z"),
        calendar(None).parse("2024-07-01T00:00:00")
    );
    // Clocks are put back at 03:00: 02:30 comes twice, the first one counts. They are put forward at 02:00.
    assert_eq!(
        berlin.parse("2024-10-27T02:30:00"),
        calendar(None).parse("2024-10-27T00:30:00")
    );
    assert_eq!(
        berlin.parse("2024-03-31T02:30:00"),
        Err("this local time does not exist in the column's zone")
    );
    assert_eq!(calendar(Some("-03:00")).parse("1970-01-01"), Ok(3 * 3_600 * SECOND));
    assert_eq!(
        Calendar::of(&DataType::Timestamp(TimeUnit::Second, Some("Nowhere/Land".into()))),
        None
    );
}

#[test]
fn texts_read_back() {
    for zone in [None, Some("UTC"), Some("+05:30"), Some("America/New_York")] {
        let calendar = calendar(zone);
        for nanos in [0, 1, -1, 1_719_784_800_500_000_000, -62_135_596_800_000_000_000 + 7] {
            let text = calendar.format(nanos);
            assert_eq!(calendar.parse(&text), Ok(nanos), "{text}");
        }
    }
    let date = Calendar::of(&DataType::Date32).unwrap();
    assert_eq!(date.format(-1), "1969-12-31");
    assert_eq!(date.parse("1969-12-31"), Ok(-86_400 * SECOND));
}

#[test]
fn rounding_to_the_stored_unit() {
    let seconds = Calendar::of(&DataType::Timestamp(TimeUnit::Second, None)).unwrap();
    for (nanos, stored) in [
        (0, 0),
        (1, 1),
        (SECOND, 1),
        (SECOND + 1, 2),
        (-1, 0),
        (-SECOND, -1),
        (-SECOND - 1, -1),
    ] {
        assert_eq!(seconds.stored_at_or_after(nanos), stored, "{nanos}");
    }
}

#[test]
fn spans() {
    for (text, nanos) in [
        ("0s", 0),
        ("1ns", 1),
        ("2us", 2_000),
        ("3ms", 3_000_000),
        (" 4 s ", 4 * SECOND),
        ("30m", 1_800 * SECOND),
        ("1h", 3_600 * SECOND),
        ("2d", 172_800 * SECOND),
        ("1w", 604_800 * SECOND),
        ("18446744073709551615w", i128::from(u64::MAX) * 604_800 * SECOND),
    ] {
        assert_eq!(parse_duration(text), Some(nanos), "{text}");
    }
    for text in [
        "",
        "5",
        "m",
        "-1s",
        "1.5h",
        "1 hour",
        "1S",
        "1h30m",
        "99999999999999999999s",
        "１s",
    ] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}
