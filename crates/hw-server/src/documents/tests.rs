#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::{DataType, TimeUnit};
use hw_catalog::Scalar;
use serde_json::json;

use super::table::bound_value;

#[test]
fn bounds_of_times_are_texts_and_others_numbers() {
    let utc = || Some("UTC".into());
    let check = |value, data_type, shown: serde_json::Value| assert_eq!(bound_value(value, &data_type), shown);
    check(Scalar::Int(-1), DataType::Int64, json!(-1));
    check(Scalar::UInt(u64::MAX), DataType::UInt64, json!(u64::MAX));
    check(Scalar::Float(0.5), DataType::Float32, json!(0.5));
    check(
        Scalar::Int(1),
        DataType::Timestamp(TimeUnit::Second, utc()),
        json!("1970-01-01T00:00:01Z"),
    );
    check(
        Scalar::Int(-1),
        DataType::Timestamp(TimeUnit::Millisecond, None),
        json!("1969-12-31T23:59:59.999"),
    );
    check(
        Scalar::Int(1),
        DataType::Timestamp(TimeUnit::Microsecond, utc()),
        json!("1970-01-01T00:00:00.000001Z"),
    );
    check(
        Scalar::Int(1_700_000_000_000_000_001),
        DataType::Timestamp(TimeUnit::Nanosecond, utc()),
        json!("2023-11-14T22:13:20.000000001Z"),
    );
    check(Scalar::Int(19_782), DataType::Date32, json!("2024-02-29"));
    check(Scalar::Int(-1), DataType::Date64, json!("1969-12-31"));
    // Beyond every calendar the number itself is told.
    check(
        Scalar::Int(i64::MAX),
        DataType::Timestamp(TimeUnit::Second, utc()),
        json!(i64::MAX),
    );
    check(Scalar::Int(i64::MAX), DataType::Date32, json!(i64::MAX));
}
