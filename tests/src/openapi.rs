//! The committed OpenAPI document is the one that the server serves.

use std::path::Path;

use crate::harness::Sandbox;

#[test]
fn the_committed_openapi_document_is_the_one_served() {
    let sandbox = Sandbox::new();
    let up = sandbox.up();
    let served: serde_json::Value = up.get("/api/v1/openapi.json").is(200).json();
    let served = serde_json::to_string_pretty(&served).unwrap() + "\n";
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/openapi.json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&committed, &served).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&committed).unwrap(),
        served,
        "run `cargo xtask openapi`"
    );
}
