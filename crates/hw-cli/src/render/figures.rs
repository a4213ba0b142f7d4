//! Numbers as people read them.

use std::time::Duration;

pub(crate) use hw_chart::{count, counted, number};

/// `3600000` as `3.6 MB`.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if number < 1000 {
        return format!("{number} B");
    }
    let mut value = number as f64 / 1000.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 999.95 {
        value /= 1000.0;
        unit = units.next();
    }
    format!("{value:.1} {}", unit.unwrap_or(&"EB"))
}

/// `12 ms`, `1.25 s`, `2 min 05 s`, `3 h 20 min`.
pub(crate) fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{millis} ms"),
        1..60 => format!("{:.2} s", time.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The same from seconds as the wire has them; negative and unreadable ones show as nothing.
pub(crate) fn seconds(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// The first seconds of an RFC 3339 time: `2026-11-21 08:42:13Z`. Other texts as they are.
pub(crate) fn time(text: &str) -> String {
    let is_utc = text.len() >= 20 && text.ends_with('Z') && text.get(10..11) == Some("T");
    match (is_utc, text.get(..10), text.get(11..19)) {
        (true, Some(day), Some(time)) => format!("{day} {time}Z"),
        _ => text.to_owned(),
    }
}
