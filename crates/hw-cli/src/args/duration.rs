//! Lengths of time as the user types them.

use std::time::Duration;

/// Reads `90s`, `10m`, `1.5h`. A bare number is an error that proposes a unit.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| example())?;
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        "" => return Err(format!("which unit? for seconds write `{text}s`")),
        _ => return Err(example()),
    };
    Duration::try_from_secs_f64(number * seconds).map_err(|_| example())
}

/// The same, handed on to the server as typed.
pub(super) fn checked(text: &str) -> Result<String, String> {
    parse(text).map(|_| text.trim().to_owned())
}

fn example() -> String {
    "write a number and a unit: `500ms`, `30s`, `10m`, `2h`, `30d`".to_owned()
}
