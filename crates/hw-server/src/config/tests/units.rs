use crate::config::units::{parse_duration, parse_size, show_duration, show_size};
use std::time::Duration;

#[track_caller]
fn check_time(text: &str, shown: &str) {
    let parsed = parse_duration(text).map_or_else(|fault| format!("{fault:?}"), show_duration);
    assert_eq!(parsed, shown, "{text}");
}

#[track_caller]
fn check_size(text: &str, shown: &str) {
    let parsed = parse_size(text).map_or_else(|fault| format!("{fault:?}"), show_size);
    assert_eq!(parsed, shown, "{text}");
}

#[test]
fn times() {
    check_time("30s", "30s");
    check_time(" 1.5 h ", "90min");
    check_time("1h 30min", "90min");
    check_time("2w", "14d");
    check_time("250ms", "250ms");
    check_time(".5s", "500ms");
    check_time("0", "0us");
    check_time("0s", "0us");
    check_time("30", r#"NoUnit { proposal: "30s" }"#);
    check_time("", "NotUnderstood");
    check_time("s", "NotUnderstood");
    check_time("-5s", "NotUnderstood");
    check_time("1.2.3s", "NotUnderstood");
    check_time("5 parsecs", "NotUnderstood");
    check_time("1s!", "NotUnderstood");
    check_time("99999999999999999999s", "TooLarge");
    check_time("600000000d", "TooLarge");
    assert_eq!(parse_duration("0.1us"), Ok(Duration::ZERO));
}

#[test]
fn sizes() {
    check_size("512MiB", "512MiB");
    check_size("1.5 GiB", "1536MiB");
    check_size("2gb", "1953125KiB");
    check_size("7B", "7B");
    check_size("512", r#"NoUnit { proposal: "512MiB" }"#);
    check_size("16777216", r#"NoUnit { proposal: "16MiB" }"#);
    check_size("0", "0B");
    check_size("5 MiB x", "NotUnderstood");
    check_size("5M", "NotUnderstood");
    check_size("99999999TiB", "TooLarge");
}
