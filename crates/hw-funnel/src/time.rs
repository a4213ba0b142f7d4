//! Time: ISO 8601 text, durations with a unit, and the stored units of timestamp and date columns.
//!
//! Text becomes an exact count of nanoseconds since 1970-01-01T00:00:00 UTC, so that it can be compared with a column
//! of any unit without rounding. Text without an offset is local time of the column's zone, and UTC for a column
//! without zone.

use arrow_array::timezone::Tz;
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc};
use serde_json::Value;

use crate::scalar::Number;

/// A point in time, or a span between two, in the unit that the time column stores.
pub type TimeValue = Number;

/// Typed bounds of the timeframe in the stored unit; a missing bound does not restrict.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimeBounds {
    /// First time that belongs to the timeframe.
    pub from: Option<TimeValue>,
    /// First time that no longer belongs to it.
    pub to: Option<TimeValue>,
}

impl TimeBounds {
    pub(crate) fn contains(&self, time: TimeValue) -> bool {
        let after = self
            .from
            .is_none_or(|from| time.compare(from).is_some_and(|order| order.is_ge()));
        let before = self
            .to
            .is_none_or(|to| time.compare(to).is_some_and(|order| order.is_lt()));
        after && before
    }
}

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// How a timestamp or date column counts time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Calendar {
    /// Nanoseconds of one step of the stored integer.
    pub(crate) unit: i128,
    pub(crate) zone: Option<Zone>,
    pub(crate) is_date: bool,
}

/// A time zone with the name it was given.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    name: Box<str>,
    zone: Tz,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Calendar {
    /// `None` for a type that is no date or timestamp, or one with an unknown zone.
    pub(crate) fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Timestamp(unit, None) => Some(Self {
                unit: nanos_of(*unit),
                zone: None,
                is_date: false,
            }),
            DataType::Timestamp(unit, Some(name)) => {
                let zone = Zone {
                    name: name.as_ref().into(),
                    zone: name.parse().ok()?,
                };
                Some(Self {
                    unit: nanos_of(*unit),
                    zone: Some(zone),
                    is_date: false,
                })
            }
            DataType::Date32 => Some(Self {
                unit: DAY,
                zone: None,
                is_date: true,
            }),
            DataType::Date64 => Some(Self {
                unit: SECOND / 1_000,
                zone: None,
                is_date: true,
            }),
            _ => None,
        }
    }

    /// Whether stored integers of the two mean the same instants.
    pub(crate) fn stores_like(&self, other: &Self) -> bool {
        self.unit == other.unit && self.is_date == other.is_date && self.zone.is_some() == other.zone.is_some()
    }

    /// Nanoseconds since the epoch of ISO 8601 text.
    pub(crate) fn parse(&self, text: &str) -> Result<i128, &'static str> {
        let (local, offset) = parse_iso(text)?;
        let nanos = nanos_since_epoch(local);
        match (offset, &self.zone) {
            (Some(offset), _) => Ok(nanos - i128::from(offset) * SECOND),
            (None, None) => Ok(nanos),
            (None, Some(zone)) => zone_offset(&zone.zone, local).map(|offset| nanos - i128::from(offset) * SECOND),
        }
    }

    /// Nanoseconds since the epoch of a JSON value: ISO 8601 text or an integer in the stored unit. The error says
    /// what is expected instead.
    pub(crate) fn nanos(&self, value: &Value) -> Result<i128, String> {
        if let Value::String(text) = value {
            return self.parse(text).map_err(str::to_owned);
        }
        let stored = value.as_number().and_then(Number::from_json).and_then(Number::integral);
        let stored = stored.ok_or("ISO 8601 text or an integer in the stored unit is expected")?;
        Ok(stored.saturating_mul(self.unit))
    }

    /// The smallest stored integer that is not before `nanos`; it bounds exactly like `nanos` itself.
    pub(crate) fn stored_at_or_after(&self, nanos: i128) -> i128 {
        nanos.div_euclid(self.unit) + i128::from(nanos.rem_euclid(self.unit) != 0)
    }

    /// ISO text of a stored integer: `2024-05-01`, `2024-05-01T10:00:00.5`, with the offset if the column has a zone.
    /// Years that the calendar does not reach are written as the stored integer.
    pub(crate) fn format(&self, stored: i128) -> String {
        self.try_format(stored).unwrap_or_else(|| stored.to_string())
    }

    fn try_format(&self, stored: i128) -> Option<String> {
        let nanos = stored.checked_mul(self.unit)?;
        let seconds = i64::try_from(nanos.div_euclid(SECOND)).ok()?;
        let subsecond = u32::try_from(nanos.rem_euclid(SECOND)).ok()?;
        let instant = DateTime::<Utc>::from_timestamp(seconds, subsecond)?;
        Some(match &self.zone {
            None if self.is_date => instant.format("%Y-%m-%d").to_string(),
            None => instant.format("%Y-%m-%dT%H:%M:%S%.f").to_string(),
            Some(zone) => format_with_offset(&instant.with_timezone(&zone.zone)),
        })
    }
}

/// With the offset of the zone; in UTC where that is no whole number of minutes, as before the 20th century.
fn format_with_offset(instant: &DateTime<Tz>) -> String {
    let offset = instant.offset().fix().local_minus_utc();
    if offset == 0 || offset % 60 != 0 {
        return instant.naive_utc().format("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
    }
    instant.format("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
}

fn nanos_of(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => SECOND,
        TimeUnit::Millisecond => SECOND / 1_000,
        TimeUnit::Microsecond => SECOND / 1_000_000,
        TimeUnit::Nanosecond => 1,
    }
}

fn nanos_since_epoch(local: NaiveDateTime) -> i128 {
    let instant = local.and_utc();
    i128::from(instant.timestamp()) * SECOND + i128::from(instant.timestamp_subsec_nanos())
}

/// Seconds that the zone is ahead of UTC at a local time; the earlier instant where the local time occurs twice.
fn zone_offset(zone: &Tz, local: NaiveDateTime) -> Result<i64, &'static str> {
    let instant = match zone.from_local_datetime(&local) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant,
        LocalResult::None => return Err("this local time does not exist in the column's zone"),
    };
    Ok((local - instant.naive_utc()).num_seconds())
}

const ISO_FORM: &str =
    "a date such as 2024-05-01, or a time such as 2024-05-01T10:00:00 or 2024-05-01T10:00:00.5+02:00, is expected";

/// Local time and the offset in seconds, if one is written.
fn parse_iso(text: &str) -> Result<(NaiveDateTime, Option<i64>), &'static str> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10).ok_or(ISO_FORM)?;
    let date = parse_date(date)?;
    if rest.is_empty() {
        return Ok((date.and_time(NaiveTime::MIN), None));
    }
    let clock = rest.strip_prefix(['T', 't', ' ']).ok_or(ISO_FORM)?;
    let (clock, offset) = split_offset(clock)?;
    Ok((date.and_time(parse_clock(clock)?), offset))
}

fn parse_date(text: &str) -> Result<NaiveDate, &'static str> {
    let mut parts = text.splitn(3, '-');
    let mut part = |length| parts.next().and_then(|part| digits(part, length)).ok_or(ISO_FORM);
    let (year, month, day) = (part(4)?, part(2)?, part(2)?);
    let year = i32::try_from(year).map_err(|_| ISO_FORM)?;
    NaiveDate::from_ymd_opt(year, month, day).ok_or("there is no such day")
}

/// Splits `10:00:00.5+02:00` into the clock and the offset in seconds.
fn split_offset(text: &str) -> Result<(&str, Option<i64>), &'static str> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Ok((clock, Some(0)));
    }
    let Some(sign_at) = text.find(['+', '-']) else {
        return Ok((text, None));
    };
    let (clock, offset) = text.split_at_checked(sign_at).ok_or(ISO_FORM)?;
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let offset = offset.get(1..).ok_or(ISO_FORM)?;
    let (hours, minutes) = match offset.split_once(':') {
        Some((hours, minutes)) => (hours, minutes),
        None if offset.len() == 4 => offset.split_at_checked(2).ok_or(ISO_FORM)?,
        None => (offset, "00"),
    };
    let hours = digits(hours, 2).filter(|hours| *hours < 24).ok_or(ISO_FORM)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60).ok_or(ISO_FORM)?;
    Ok((clock, Some(sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))))
}

fn parse_clock(text: &str) -> Result<NaiveTime, &'static str> {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, nanos_of_fraction(fraction)?),
        None => (text, 0),
    };
    let mut parts = clock.split(':');
    let mut part = || parts.next().map(|part| digits(part, 2).ok_or(ISO_FORM)).transpose();
    let (hour, minute, second) = (part()?.ok_or(ISO_FORM)?, part()?.ok_or(ISO_FORM)?, part()?);
    if parts.next().is_some() || (second.is_none() && text.len() != clock.len()) {
        return Err(ISO_FORM);
    }
    NaiveTime::from_hms_nano_opt(hour, minute, second.unwrap_or(0), fraction).ok_or("there is no such time of day")
}

fn nanos_of_fraction(text: &str) -> Result<u32, &'static str> {
    let (kept, beyond) = text.split_at_checked(text.len().min(9)).ok_or(ISO_FORM)?;
    if kept.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ISO_FORM);
    }
    if beyond.bytes().any(|byte| byte != b'0') {
        return Err("a time can be written to the nanosecond, not finer");
    }
    format!("{kept:0<9}").parse().map_err(|_| ISO_FORM)
}

fn digits(text: &str, length: usize) -> Option<u32> {
    let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Nanoseconds of a duration such as `30m`: digits and one of the units `ns us ms s m h d w`.
pub(crate) fn parse_duration(text: &str) -> Option<i128> {
    let text = text.trim();
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (count, unit) = text.split_at_checked(unit_at)?;
    let unit = match unit.trim_start() {
        "ns" => 1,
        "us" => SECOND / 1_000_000,
        "ms" => SECOND / 1_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => DAY,
        "w" => 7 * DAY,
        _ => return None,
    };
    count.parse::<u64>().ok().map(|count| i128::from(count) * unit)
}

#[cfg(test)]
mod tests;
