//! Times as text.

use chrono::{DateTime, SecondsFormat};

/// RFC 3339 in UTC with microseconds of a time in microseconds since 1970; out of range times show as the epoch.
pub fn rfc3339(unix_micros: i64) -> String {
    DateTime::from_timestamp_micros(unix_micros)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}
