#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use expect_test::expect;
use hw_api::ProgressDocument;
use serde_json::json;

use super::{bar, figures_of};
use crate::tests::{Piece, Reply, Scene, job};

fn document(value: serde_json::Value) -> ProgressDocument {
    serde_json::from_value(value).unwrap()
}

#[test]
fn figures_are_shown_as_far_as_they_are_known() {
    let show = |value, seconds| figures_of(&document(value), Duration::from_secs_f64(seconds)).join(" · ");
    assert_eq!(show(json!({"tasks": {}}), 3.0), "");
    let reading = json!({"stage": "reading", "tasks": {"succeeded": 3, "failed": 1, "running": 2, "ready": 2}, "rows": 1204, "bytes": 3_400_000});
    assert_eq!(show(reading.clone(), 0.5), "reading · 4/8 tasks · 1,204 rows · 3.4 MB");
    assert_eq!(
        show(reading, 10.0),
        "reading · 4/8 tasks · 1,204 rows · 3.4 MB · 340.0 kB/s · about 10 s left"
    );
    assert_eq!(
        show(
            json!({"stage": "x", "message": "merging\u{1b}", "tasks": {"succeeded": 8}}),
            10.0
        ),
        "merging\\u{1b} · 8/8 tasks"
    );
}

#[test]
fn bars_fill() {
    assert_eq!(bar((0, 0), true), None);
    assert_eq!(bar((1, 4), true).unwrap(), "[█████               ]");
    assert_eq!(bar((4, 4), false).unwrap(), "[####################]");
}

fn slow(words: &[&str]) -> String {
    let line = |running: u64| {
        Piece::Data(
            format!(
                "{}\n",
                json!({"progress": {"stage": "reading", "tasks": {"running": running, "succeeded": 4 - running}}})
            )
            .into(),
        )
    };
    let settled = Piece::Data(format!("{}\n", json!({"job": job("funnel", json!({}))})).into());
    let pieces = vec![
        line(4),
        Piece::Pass(Duration::from_secs(6)),
        line(3),
        Piece::Pass(Duration::from_secs(5)),
        line(2),
        settled,
    ];
    let scene = Scene::new().route("POST /funnels/run?stream=true", [Reply::pieces(pieces)]);
    scene.play(&[&["funnel", "run", "t", "-e"], words].concat()).errors
}

#[test]
fn without_a_terminal_a_line_now_and_then() {
    expect![[r#"
        funnel over t · reading · 2/4 tasks · about 11 s left
    "#]]
    .assert_eq(&slow(&[]));
    expect![[r#"
        funnel over t · reading · 1/4 tasks · about 18 s left
        funnel over t · reading · 2/4 tasks · about 11 s left
    "#]]
    .assert_eq(&slow(&["--progress"]));
    assert_eq!(slow(&["--format", "json"]), "");
    assert_eq!(slow(&["-q"]), "");
}
