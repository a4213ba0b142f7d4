//! Numbers as people read them.

use serde_json::Value;

use crate::label::value_text;

/// `1204` as `1,204`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % 3 == first {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 row`, `2 rows`. The plural is made with `s`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

/// A share as `89.2%`; `-` where the whole is zero.
pub fn percent(part: u64, whole: u64) -> String {
    match share(part, whole) {
        Some(share) => format!("{:.1}%", share * 100.0),
        None => "-".to_owned(),
    }
}

/// A share between 0 and 1; `None` where the whole is zero.
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A number without more digits than it needs, at most four behind the point.
pub fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A number of the result for people; `-` for none.
pub fn figure_text(value: &Value) -> String {
    match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => count(whole),
        (None, Some(float)) => number(float),
        (None, None) if value.is_null() => "-".to_owned(),
        (None, None) => value_text(value),
    }
}

/// A number in at most six characters or so, for an axis: `500`, `1.5k`, `2M`, `1e-5`.
pub(crate) fn short(value: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e15).contains(&size) {
        return format!("{value:.0e}");
    }
    let unit = UNITS.iter().find(|(factor, _)| size >= *factor);
    let (factor, name) = unit.copied().unwrap_or((1.0, ""));
    let digits = match size {
        _ if !name.is_empty() => 1,
        1.0.. => 2,
        _ => 4,
    };
    let text = format!("{:.digits$}", value / factor);
    format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
}
