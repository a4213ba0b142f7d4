//! Every command of the pages for users does what the page says.

use std::path::Path;

use crate::harness::Sandbox;
use crate::transcript;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

#[test]
fn the_tour_of_the_readme_holds() {
    let sandbox = Sandbox::new();
    let steps = transcript::steps(&page("README.md"));
    assert!(steps.len() >= 8, "the tour has {} commands", steps.len());
    transcript::play(&sandbox, &steps);
}
