#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use expect_test::expect;

use super::{FAMILIES, Family, FamilyKind, HTTP_REQUESTS, HTTP_RUNNING, Metrics, ROCKET_FAMILIES, SERIES_MAX, Unit};
use crate::config::BucketSettings;

fn metrics() -> Metrics {
    Metrics::new(BucketSettings {
        seconds: vec![0.5, 2.0],
        bytes: vec![1024.0],
        rows: vec![10.0],
        groups: vec![5.0],
    })
}

#[test]
fn bounds_of_histograms_by_unit_are_those_of_the_settings() {
    const TIMES: Family = Family {
        name: "zoo_seconds",
        kind: FamilyKind::Sized(Unit::Seconds),
        labels: &[],
        help: "Times.",
    };
    let metrics = metrics();
    for millis in [400, 600, 3000] {
        metrics.observe(TIMES, &[], Duration::from_millis(millis));
    }
    expect![[r#"
        # HELP zoo_seconds Times.
        # TYPE zoo_seconds histogram
        zoo_seconds_bucket{le="0.5"} 1
        zoo_seconds_bucket{le="2"} 2
        zoo_seconds_bucket{le="+Inf"} 3
        zoo_seconds_sum 4
        zoo_seconds_count 3
    "#]]
    .assert_eq(&metrics.render());
}

#[test]
fn the_text_is_prometheus_own() {
    const SMALL: Family = Family {
        name: "zoo_seconds",
        kind: FamilyKind::Histogram(&[0.1, 1.0]),
        labels: &["animal"],
        help: "Times.",
    };
    let metrics = metrics();
    metrics.add(HTTP_REQUESTS, &["/jobs", "200"], 1.0);
    metrics.add(HTTP_REQUESTS, &["/jobs", "200"], 1.0);
    metrics.set(HTTP_RUNNING, &[], 3.0);
    for millis in [50, 100, 500, 5000] {
        metrics.observe(SMALL, &["a\"b\\c\nd"], Duration::from_millis(millis));
    }
    expect![[r#"
        # HELP headwater_http_requests_total Requests answered.
        # TYPE headwater_http_requests_total counter
        headwater_http_requests_total{route="/jobs",status="200"} 2
        # HELP headwater_http_requests_running Requests under way, streams included.
        # TYPE headwater_http_requests_running gauge
        headwater_http_requests_running 3
        # HELP zoo_seconds Times.
        # TYPE zoo_seconds histogram
        zoo_seconds_bucket{animal="a\"b\\c\nd",le="0.1"} 2
        zoo_seconds_bucket{animal="a\"b\\c\nd",le="1"} 3
        zoo_seconds_bucket{animal="a\"b\\c\nd",le="+Inf"} 4
        zoo_seconds_sum{animal="a\"b\\c\nd"} 5.65
        zoo_seconds_count{animal="a\"b\\c\nd"} 4
    "#]]
    .assert_eq(&metrics.render());
}

#[test]
fn labels_are_bounded() {
    let metrics = metrics();
    for number in 0..SERIES_MAX + 50 {
        metrics.add(HTTP_REQUESTS, &[&number.to_string(), "200"], 1.0);
    }
    let text = metrics.render();
    assert_eq!(
        text.lines().filter(|line| !line.starts_with('#')).count(),
        SERIES_MAX + 1
    );
    assert!(text.contains(r#"{route="other",status="other"} 50"#), "{text}");
}

#[test]
fn names_follow_the_conventions() {
    for family in FAMILIES {
        assert!(family.name.starts_with("headwater_"), "{}", family.name);
        assert!(family.help.ends_with('.'), "{}", family.name);
        let is_total = family.name.ends_with("_total");
        assert_eq!(family.kind == FamilyKind::Counter, is_total, "{}", family.name);
        let labels = family.labels;
        assert!(labels.iter().all(|label| !label.contains("id")), "{labels:?}");
    }
    let mut names: Vec<_> = FAMILIES.iter().map(|family| family.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FAMILIES.len());
}

#[test]
fn labels_without_a_value_are_left_out() {
    let metrics = metrics();
    metrics.observe(super::JOB_SECONDS, &["funnel", "failed", ""], Duration::from_secs(1));
    metrics.observe(super::JOB_SECONDS, &["funnel", "failed", "t"], Duration::from_secs(1));
    let text = metrics.render();
    assert!(
        text.contains("headwater_job_seconds_count{kind=\"funnel\",state=\"failed\"} 1"),
        "{text}"
    );
    assert!(text.contains("headwater_job_seconds_count{kind=\"funnel\",state=\"failed\",dataset=\"t\"} 1"));
}

#[test]
fn the_committed_table_of_metrics_is_current() {
    let row = |family: &Family| {
        let kind = match family.kind {
            FamilyKind::Counter => "counter",
            FamilyKind::Gauge => "gauge",
            FamilyKind::Histogram(_) | FamilyKind::Sized(_) => "histogram",
        };
        let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!(
            "| `{}` | {kind} | {} | {} |\n",
            family.name,
            labels.join(", "),
            family.help
        )
    };
    let head = "# Metrics\n\nWhat `GET /metrics` tells, in Prometheus' text form. Labels are bounded; ids are never labels.\n\n\
                | name | kind | labels | meaning |\n|---|---|---|---|\n";
    let own = FAMILIES
        .iter()
        .fold(head.to_owned(), |text, family| text + &row(family));
    let between = "\n## Under Funnel Rocket's names\n\nOf queries and registrations, beside the ones above, while `compat.funnel_rocket` is on. \
                   `dataset` is `None` unless `metrics.dataset_label` is on.\n\n| name | kind | labels | meaning |\n|---|---|---|---|\n";
    let text = ROCKET_FAMILIES
        .iter()
        .fold(own + between, |text, family| text + &row(family));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/metrics.md");
    crate::tests::compare_with_file(path, &text);
}
