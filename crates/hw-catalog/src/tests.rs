#![allow(clippy::unwrap_used)]
use arrow_schema::{DataType, Field, TimeUnit};

use crate::{ColumnType, InvalidTableName, TableName, closest, widened};

#[track_caller]
fn check_name(text: &str, schema: &str, name: &str, shown: &str) {
    let parsed: TableName = text.parse().unwrap();
    assert_eq!((parsed.schema(), parsed.name()), (schema, name));
    assert_eq!(parsed.to_string(), shown);
    assert_eq!(shown.parse::<TableName>().unwrap(), parsed);
}

#[test]
fn names_have_up_to_three_parts() {
    check_name("events", "main", "events", "events");
    check_name("main.events", "main", "events", "events");
    check_name("tmp.events", "tmp", "events", "tmp.events");
    check_name("headwater.main.my events", "main", "my events", "my events");
    check_name(r#""a.b""#, "main", "a.b", r#""a.b""#);
    check_name(r#"tmp."say ""hi"".""#, "tmp", r#"say "hi"."#, r#"tmp."say ""hi"".""#);
    check_name(r#"" blank ""#, "main", " blank ", r#"" blank ""#);
}

#[test]
fn bad_names_say_why() {
    let parse = |text: &str| text.parse::<TableName>().unwrap_err();
    assert_eq!(parse(""), InvalidTableName::Empty);
    assert_eq!(parse("a."), InvalidTableName::Empty);
    assert_eq!(parse("a\nb"), InvalidTableName::ControlCharacter('\n'));
    assert_eq!(parse(&"x".repeat(256)), InvalidTableName::TooLong(256));
    assert_eq!(parse("other.main.t"), InvalidTableName::UnknownCatalog("other".into()));
    assert!(matches!(parse("a.b.c.d"), InvalidTableName::TooManyParts(_)));
    assert!(matches!(parse(r#""open"#), InvalidTableName::Quotes(_)));
    assert!(matches!(parse(r#""a"b"#), InvalidTableName::Quotes(_)));
}

#[test]
fn types_see_through_dictionaries_and_lists() {
    let list = DataType::List(Field::new("item", DataType::Int32, true).into());
    let dictionary = DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into());
    assert_eq!(ColumnType::of(&dictionary), Some(ColumnType::String));
    assert_eq!(ColumnType::of(&list).unwrap().name(), "LIST<INT>");
    assert_eq!(
        ColumnType::of(&DataType::Timestamp(TimeUnit::Nanosecond, None)),
        Some(ColumnType::Timestamp)
    );
    assert_eq!(ColumnType::of(&DataType::Decimal128(10, 2)), None);
    assert_eq!(
        ColumnType::of(&DataType::List(Field::new("item", list, true).into())),
        None
    );
}

#[test]
fn proposals_are_near_or_absent() {
    let names = ["event", "device", "price"];
    assert_eq!(closest("evnet", names), Some("event"));
    assert_eq!(closest("EVENT", names), Some("event"));
    assert_eq!(closest("colour", names), None);
}

#[track_caller]
fn check_widened(left: DataType, right: DataType, expected: Option<DataType>) {
    assert_eq!(widened(&left, &right), expected, "{left} and {right}");
    assert_eq!(widened(&right, &left), expected, "{right} and {left}");
}

#[test]
fn numbers_are_widened_to_what_holds_both() {
    use DataType as T;
    check_widened(T::Int32, T::Int64, Some(T::Int64));
    check_widened(T::Int8, T::Int8, Some(T::Int8));
    check_widened(T::UInt8, T::UInt64, Some(T::UInt64));
    check_widened(T::UInt8, T::Int8, Some(T::Int16));
    check_widened(T::UInt8, T::Int64, Some(T::Int64));
    check_widened(T::UInt32, T::Int8, Some(T::Int64));
    check_widened(T::UInt64, T::Int8, None);
    check_widened(T::Float16, T::Float64, Some(T::Float64));
    check_widened(T::Float32, T::Float32, Some(T::Float32));
    check_widened(T::Float64, T::Int32, None);
    check_widened(T::Utf8, T::Utf8, None);
    let dictionary = T::Dictionary(Box::new(T::Int8), Box::new(T::Int16));
    check_widened(dictionary, T::Int32, Some(T::Int32));
}

#[test]
fn the_order_of_widening_does_not_matter() {
    use DataType as T;
    let all = [
        T::Int8,
        T::Int16,
        T::Int32,
        T::Int64,
        T::UInt8,
        T::UInt16,
        T::UInt32,
        T::UInt64,
        T::Float16,
        T::Float64,
    ];
    let both = |a: Option<T>, b: Option<T>| a.zip(b).and_then(|(a, b)| widened(&a, &b));
    for a in &all {
        for b in &all {
            for c in &all {
                let left = both(widened(a, b), Some(c.clone()));
                let right = both(Some(a.clone()), widened(b, c));
                assert_eq!(left, right, "{a}, {b}, {c}");
            }
        }
    }
}
