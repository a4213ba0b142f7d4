//! What a power cut may take.

use std::time::Duration;

use hw_job::{Due, Lifetime, Timestamp};
use serde_json::Value;

use super::{Submit, must_last};

#[track_caller]
fn check(change: impl Fn(&mut Submit), lifetime: Lifetime, expected: bool) {
    let mut submit = Submit::new("kind", Value::Null);
    change(&mut submit);
    assert_eq!(must_last(&submit, lifetime), expected);
}

fn due(seconds: u64) -> Option<Due> {
    Some(Due {
        after: Duration::from_secs(seconds),
        at: Timestamp(0),
    })
}

#[test]
fn what_somebody_counts_on_must_last() {
    check(|_| {}, Lifetime::Interactive, false);
    check(|submit| submit.not_before = due(0), Lifetime::Interactive, false);
    check(|_| {}, Lifetime::Durable, true);
    check(|submit| submit.not_before = due(1), Lifetime::Interactive, true);
    check(|submit| submit.promised = true, Lifetime::Interactive, true);
    check(
        |submit| submit.idempotency_key = Some("k".to_owned()),
        Lifetime::Interactive,
        true,
    );
}
