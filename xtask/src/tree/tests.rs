use std::path::Path;

use super::{Tree, is_skipped, is_test_file};

#[test]
fn a_tree_knows_its_files_and_folders() {
    let tree = Tree::of(&[("crates/a/Cargo.toml", "x"), ("README.md", "y"), ("Cargo.toml", "z")]);
    assert_eq!(tree.text("README.md"), Some("y"));
    assert!(tree.has("crates/a") && tree.has("crates") && tree.has("") && !tree.has("crates/b"));
    assert_eq!(tree.packages().collect::<Vec<_>>(), [("crates/a", "x")]);
}

#[test]
fn this_package_can_be_read() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    assert!(
        tree.text("src/tree/tests.rs")
            .unwrap()
            .contains("this_package_can_be_read")
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Tree::read(Path::new("/no/such/folder")).unwrap_err();
    assert!(error.contains("/no/such/folder"), "{error}");
}

#[test]
fn build_output_and_hidden_folders_are_skipped() {
    assert!(
        ["target", ".git", ".headwater", "__pycache__"]
            .into_iter()
            .all(is_skipped)
    );
    assert!(![".ci", ".config", "src", "tests"].into_iter().any(is_skipped));
}

#[test]
fn test_files_are_known_by_their_place() {
    assert!(
        [
            "crates/a/src/tests.rs",
            "crates/a/src/b/tests.rs",
            "crates/a/src/tests/c.rs",
            "tests/src/it.rs"
        ]
        .into_iter()
        .all(is_test_file)
    );
    assert!(
        ![
            "crates/a/src/lib.rs",
            "crates/a/src/conformance.rs",
            "xtask/src/latests.rs"
        ]
        .into_iter()
        .any(is_test_file)
    );
}
