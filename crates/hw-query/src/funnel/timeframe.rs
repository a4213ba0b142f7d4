//! The timeframe as a condition on the time column, so that scans skip what lies outside of it.
//!
//! The matcher looks at the timeframe itself, exactly. The condition may let more pass, never less; and it lets rows
//! without a time pass, which are a fault of the data wherever they are.

use arrow_schema::{DataType, TimeUnit};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr, lit};
use hw_funnel::{TimeBounds, TimeValue};

/// The condition for a time column of this type; `None` if there is nothing to skip.
pub(super) fn condition(column: &str, data_type: &DataType, bounds: TimeBounds) -> Option<Expr> {
    let time = || Expr::Column(Column::from_name(column));
    let from = bounds.from.and_then(|from| match limit(from, data_type)? {
        Limit::Within(value) => Some(time().gt_eq(lit(value))),
        Limit::Below => None,
        Limit::Above => Some(lit(false)),
    });
    let to = bounds.to.and_then(|to| match limit(to, data_type)? {
        // A bound that became a float may have been rounded down.
        Limit::Within(value) if data_type.is_floating() => Some(time().lt_eq(lit(value))),
        Limit::Within(value) => Some(time().lt(lit(value))),
        Limit::Below => Some(lit(false)),
        Limit::Above => None,
    });
    let within = match (from, to) {
        (Some(from), Some(to)) => from.and(to),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => return None,
    };
    Some(time().is_null().or(within))
}

/// Where a bound lies among the values of a type.
enum Limit {
    Within(ScalarValue),
    Below,
    Above,
}

fn limit(bound: TimeValue, data_type: &DataType) -> Option<Limit> {
    match (bound, data_type) {
        (bound, DataType::Float16 | DataType::Float32 | DataType::Float64) => {
            Some(Limit::Within(ScalarValue::Float64(Some(as_float(bound)))))
        }
        (TimeValue::Int(value), other) => integer_limit(value, other),
        (TimeValue::Float(_), _) => None,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the matcher compares exactly; this only skips"
)]
fn as_float(bound: TimeValue) -> f64 {
    match bound {
        TimeValue::Int(value) => value as f64,
        TimeValue::Float(value) => value,
    }
}

fn integer_limit(value: i128, data_type: &DataType) -> Option<Limit> {
    macro_rules! within {
        ($native:ty, $make:expr) => {
            match <$native>::try_from(value) {
                Ok(value) => Limit::Within($make(value)),
                Err(_) if value < 0 => Limit::Below,
                Err(_) => Limit::Above,
            }
        };
    }
    Some(match data_type {
        DataType::Int8 => within!(i8, ScalarValue::from),
        DataType::Int16 => within!(i16, ScalarValue::from),
        DataType::Int32 => within!(i32, ScalarValue::from),
        DataType::Int64 => within!(i64, ScalarValue::from),
        DataType::UInt8 => within!(u8, ScalarValue::from),
        DataType::UInt16 => within!(u16, ScalarValue::from),
        DataType::UInt32 => within!(u32, ScalarValue::from),
        DataType::UInt64 => within!(u64, ScalarValue::from),
        DataType::Date32 => within!(i32, |value| ScalarValue::Date32(Some(value))),
        DataType::Date64 => within!(i64, |value| ScalarValue::Date64(Some(value))),
        DataType::Timestamp(unit, zone) => within!(i64, |value| {
            let (value, zone) = (Some(value), zone.clone());
            match unit {
                TimeUnit::Second => ScalarValue::TimestampSecond(value, zone),
                TimeUnit::Millisecond => ScalarValue::TimestampMillisecond(value, zone),
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(value, zone),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(value, zone),
            }
        }),
        _ => return None,
    })
}
