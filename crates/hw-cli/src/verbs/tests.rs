#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use expect_test::expect;
use serde_json::json;

use crate::testing::{Reply, Scene};

#[test]
fn an_empty_list_teaches() {
    let scene = Scene::new()
        .terminal()
        .route("GET /tables?limit=50", [Reply::json(&json!({"items": []}))]);
    expect![[r#"
        > GET /tables?limit=50
        ! no tables yet: `headwater table register NAME PATH --group COLUMN --time COLUMN`, or `headwater demo`
        exit 0
    "#]].assert_eq(&scene.transcript(&["table", "list"]));
}
