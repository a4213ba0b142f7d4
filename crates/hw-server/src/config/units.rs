//! Times and sizes with their units, as people write them.

use std::time::Duration;

/// Why a text is no time or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnitFault {
    /// A number and nothing else.
    #[error("needs a unit")]
    NoUnit {
        /// The text that was probably meant.
        proposal: String,
    },
    /// No number, or no unit that exists.
    #[error("is not understood")]
    NotUnderstood,
    /// Beyond what can be counted.
    #[error("is too large")]
    TooLarge,
}

const MICROS: &[(&str, u64)] = &[
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("m", 60_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
    ("w", 604_800_000_000),
];

const BYTES: &[(&str, u64)] = &[
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// A time, `"30s"`, `"1.5h"` or `"1h 30min"`, to the microsecond.
///
/// # Errors
/// [`UnitFault`]; a bare number proposes seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, UnitFault> {
    let text = text.trim();
    if is_number(text) {
        let proposal = format!("{text}s");
        return match text.parse() {
            Ok(0_u64) => Ok(Duration::ZERO),
            _ => Err(UnitFault::NoUnit { proposal }),
        };
    }
    let mut micros = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (amount, after) = leading_amount(rest, MICROS)?;
        micros = micros.checked_add(amount).ok_or(UnitFault::TooLarge)?;
        rest = after.trim_start();
    }
    match text.is_empty() {
        true => Err(UnitFault::NotUnderstood),
        false => Ok(Duration::from_micros(micros)),
    }
}

/// A size in bytes, `"512MiB"` or `"1.5 GB"`.
///
/// # Errors
/// [`UnitFault`]; a bare number proposes the largest unit that divides it, MiB for small ones.
pub(crate) fn parse_size(text: &str) -> Result<u64, UnitFault> {
    let text = text.trim();
    if is_number(text) {
        return match text.parse() {
            Ok(0_u64) => Ok(0),
            number => Err(UnitFault::NoUnit {
                proposal: number.map_or_else(|_| format!("{text}MiB"), propose_size),
            }),
        };
    }
    match leading_amount(text, BYTES)? {
        (bytes, "") => Ok(bytes),
        _ => Err(UnitFault::NotUnderstood),
    }
}

/// The time in the shortest whole unit, `90s`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    show(
        micros,
        &[
            ("d", 86_400_000_000),
            ("h", 3_600_000_000),
            ("min", 60_000_000),
            ("s", 1_000_000),
            ("ms", 1_000),
        ],
        "us",
    )
}

/// The size in the largest unit that divides it, `16MiB`.
pub(crate) fn show_size(bytes: u64) -> String {
    show(
        bytes,
        &[("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)],
        "B",
    )
}

fn show(amount: u64, units: &[(&str, u64)], least: &str) -> String {
    let whole = units
        .iter()
        .find(|(_, size)| amount > 0 && amount.is_multiple_of(*size));
    match whole {
        Some((unit, size)) => format!("{}{unit}", amount / size),
        None => format!("{amount}{least}"),
    }
}

/// Small bare numbers were meant as MiB, large ones as bytes.
fn propose_size(number: u64) -> String {
    match number < 1 << 16 {
        true => format!("{number}MiB"),
        false => show_size(number),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '_')
}

/// The amount that the text begins with, in the least unit, and what follows it.
fn leading_amount<'a>(text: &'a str, units: &[(&str, u64)]) -> Result<(u64, &'a str), UnitFault> {
    let number_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or(UnitFault::NotUnderstood)?;
    let (number, after) = text.split_at(number_end);
    let after = after.trim_start();
    let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
    let (unit, rest) = after.split_at(unit_end);
    let unit = unit.to_ascii_lowercase();
    let size = units
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, size)| *size)
        .ok_or(UnitFault::NotUnderstood)?;
    Ok((scaled(number, size)?, rest))
}

/// A decimal number times a whole one; the fraction is rounded down.
fn scaled(number: &str, size: u64) -> Result<u64, UnitFault> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return Err(UnitFault::NotUnderstood);
    }
    let whole: u64 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| UnitFault::TooLarge)?,
    };
    let digits = fraction.get(..fraction.len().min(15)).unwrap_or(fraction);
    let numerator: u128 = digits.parse().unwrap_or(0);
    let denominator = 10_u128.pow(u32::try_from(digits.len()).unwrap_or(0));
    let part = u64::try_from(numerator * u128::from(size) / denominator).map_err(|_| UnitFault::TooLarge)?;
    whole
        .checked_mul(size)
        .and_then(|whole| whole.checked_add(part))
        .ok_or(UnitFault::TooLarge)
}
