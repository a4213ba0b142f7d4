//! Points in time, days, times of day, durations, intervals.

use arrow::array::temporal_conversions::{as_datetime, as_time};
use arrow::array::timezone::Tz;
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTemporalType, Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::cast::AsArray;
use arrow_array::{Array, PrimitiveArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use chrono::{DateTime, NaiveDateTime, SecondsFormat, TimeZone, Utc};

use super::{Cells, Form, Values, boxed, put};
use crate::error::QueryError;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The cells of an array of times; `None` for other types.
pub(super) fn cells(array: &dyn Array) -> Result<Option<Box<dyn Cells + '_>>, QueryError> {
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, zone) => timestamps::<TimestampSecondType>(array, zone.as_deref())?,
        DataType::Timestamp(TimeUnit::Millisecond, zone) => {
            timestamps::<TimestampMillisecondType>(array, zone.as_deref())?
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            timestamps::<TimestampMicrosecondType>(array, zone.as_deref())?
        }
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            timestamps::<TimestampNanosecondType>(array, zone.as_deref())?
        }
        DataType::Date32 => days::<Date32Type>(array),
        DataType::Date64 => days::<Date64Type>(array),
        DataType::Time32(TimeUnit::Second) => times::<Time32SecondType>(array),
        DataType::Time32(_) => times::<Time32MillisecondType>(array),
        DataType::Time64(TimeUnit::Microsecond) => times::<Time64MicrosecondType>(array),
        DataType::Time64(_) => times::<Time64NanosecondType>(array),
        DataType::Duration(TimeUnit::Second) => durations::<DurationSecondType>(array, 1_000_000_000),
        DataType::Duration(TimeUnit::Millisecond) => durations::<DurationMillisecondType>(array, 1_000_000),
        DataType::Duration(TimeUnit::Microsecond) => durations::<DurationMicrosecondType>(array, 1_000),
        DataType::Duration(TimeUnit::Nanosecond) => durations::<DurationNanosecondType>(array, 1),
        DataType::Interval(IntervalUnit::YearMonth) => months(array),
        DataType::Interval(IntervalUnit::DayTime) => day_times(array),
        DataType::Interval(IntervalUnit::MonthDayNano) => month_day_nanos(array),
        _ => None,
    })
}

fn out_of_range(value: i64) -> QueryError {
    QueryError::Data {
        message: format!("the point in time `{value}` lies beyond the calendar"),
    }
}

struct Timestamps<'a, T: ArrowPrimitiveType> {
    values: &'a PrimitiveArray<T>,
    zone: Option<Tz>,
}

fn timestamps<'a, T: ArrowTemporalType<Native = i64>>(
    array: &'a dyn Array,
    zone: Option<&str>,
) -> Result<Option<Box<dyn Cells + 'a>>, QueryError> {
    let zone = zone.map(str::parse::<Tz>).transpose().map_err(|_| QueryError::Data {
        message: format!("the time zone `{}` is not known", zone.unwrap_or_default()),
    })?;
    let values = array.as_primitive_opt::<T>();
    Ok(values.map(|values| boxed(array, Timestamps { values, zone })))
}

impl<T: ArrowTemporalType<Native = i64>> Values for Timestamps<'_, T> {
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let value = self.values.value(row);
        let point = as_datetime::<T>(value).ok_or_else(|| out_of_range(value))?;
        match self.zone {
            None => write_point(point, out),
            Some(zone) => write_zoned(zone.from_utc_datetime(&point), out),
        }
        Ok(())
    }
}

fn write_point(point: NaiveDateTime, out: &mut Vec<u8>) {
    let text = DateTime::<Utc>::from_naive_utc_and_offset(point, Utc).to_rfc3339_opts(SecondsFormat::AutoSi, true);
    out.extend_from_slice(text.trim_end_matches('Z').as_bytes());
}

fn write_zoned(point: DateTime<Tz>, out: &mut Vec<u8>) {
    out.extend_from_slice(point.to_rfc3339_opts(SecondsFormat::AutoSi, true).as_bytes());
}

struct Days<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

fn days<T: ArrowTemporalType>(array: &dyn Array) -> Option<Box<dyn Cells + '_>>
where
    i64: From<T::Native>,
{
    Some(boxed(array, Days(array.as_primitive_opt::<T>()?)))
}

impl<T: ArrowTemporalType> Values for Days<'_, T>
where
    i64: From<T::Native>,
{
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let value = i64::from(self.0.value(row));
        let day = as_datetime::<T>(value).ok_or_else(|| out_of_range(value))?;
        put!(out, "{}", day.date());
        Ok(())
    }
}

struct Times<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

fn times<T: ArrowTemporalType>(array: &dyn Array) -> Option<Box<dyn Cells + '_>>
where
    i64: From<T::Native>,
{
    Some(boxed(array, Times(array.as_primitive_opt::<T>()?)))
}

impl<T: ArrowTemporalType> Values for Times<'_, T>
where
    i64: From<T::Native>,
{
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let value = i64::from(self.0.value(row));
        let time = as_time::<T>(value).ok_or_else(|| out_of_range(value))?;
        put!(out, "{time}");
        Ok(())
    }
}

struct Durations<'a, T: ArrowPrimitiveType> {
    values: &'a PrimitiveArray<T>,
    nanos_per_unit: i128,
}

fn durations<T: ArrowPrimitiveType<Native = i64>>(
    array: &dyn Array,
    nanos_per_unit: i128,
) -> Option<Box<dyn Cells + '_>> {
    let values = array.as_primitive_opt::<T>()?;
    Some(boxed(array, Durations { values, nanos_per_unit }))
}

impl<T: ArrowPrimitiveType<Native = i64>> Values for Durations<'_, T> {
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let nanos = i128::from(self.values.value(row)) * self.nanos_per_unit;
        if nanos < 0 {
            out.push(b'-');
        }
        out.push(b'P');
        match nanos {
            0 => out.extend_from_slice(b"T0S"),
            nanos => write_time_part(nanos.abs(), out),
        }
        Ok(())
    }
}

/// `T1H2M3.5S`, each component with the sign of the whole; nothing for zero.
fn write_time_part(nanos: i128, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    out.push(b'T');
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.abs();
    let (seconds, fraction) = (nanos / NANOS_PER_SECOND, nanos % NANOS_PER_SECOND);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours != 0 {
        put!(out, "{sign}{hours}H");
    }
    if minutes != 0 {
        put!(out, "{sign}{minutes}M");
    }
    if fraction != 0 {
        let digits = format!("{fraction:09}");
        put!(out, "{sign}{seconds}.{}S", digits.trim_end_matches('0'));
    } else if seconds != 0 {
        put!(out, "{sign}{seconds}S");
    }
}

fn write_interval(months: i64, days: i64, nanos: i128, out: &mut Vec<u8>) {
    out.push(b'P');
    if months == 0 && days == 0 && nanos == 0 {
        out.extend_from_slice(b"T0S");
        return;
    }
    let (years, months) = (months / 12, months % 12);
    for (value, unit) in [(years, 'Y'), (months, 'M'), (days, 'D')] {
        if value != 0 {
            put!(out, "{value}{unit}");
        }
    }
    write_time_part(nanos, out);
}

struct Months<'a>(&'a PrimitiveArray<IntervalYearMonthType>);

fn months(array: &dyn Array) -> Option<Box<dyn Cells + '_>> {
    Some(boxed(array, Months(array.as_primitive_opt()?)))
}

impl Values for Months<'_> {
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        write_interval(i64::from(self.0.value(row)), 0, 0, out);
        Ok(())
    }
}

struct DayTimes<'a>(&'a PrimitiveArray<IntervalDayTimeType>);

fn day_times(array: &dyn Array) -> Option<Box<dyn Cells + '_>> {
    Some(boxed(array, DayTimes(array.as_primitive_opt()?)))
}

impl Values for DayTimes<'_> {
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let value = self.0.value(row);
        write_interval(
            0,
            i64::from(value.days),
            i128::from(value.milliseconds) * 1_000_000,
            out,
        );
        Ok(())
    }
}

struct MonthDayNanos<'a>(&'a PrimitiveArray<IntervalMonthDayNanoType>);

fn month_day_nanos(array: &dyn Array) -> Option<Box<dyn Cells + '_>> {
    Some(boxed(array, MonthDayNanos(array.as_primitive_opt()?)))
}

impl Values for MonthDayNanos<'_> {
    const JSON: Form = Form::Quoted;

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<(), QueryError> {
        let value = self.0.value(row);
        write_interval(
            i64::from(value.months),
            i64::from(value.days),
            i128::from(value.nanoseconds),
            out,
        );
        Ok(())
    }
}
