//! The requests of a run as a graph.

use super::provider;
use crate::Version::{V1, V2};
use crate::{Import, ImportOutcome, Settings, resolve};

fn edge(import: &Import) -> String {
    let from = import.from.map_or("main".to_owned(), |from| from.to_string());
    let outcome = match import.outcome {
        ImportOutcome::Inserted { bytes } => format!("{bytes} bytes"),
        ImportOutcome::Known { first } => format!(
            "known from {}",
            first.map_or("main".to_owned(), |first| first.to_string())
        ),
    };
    let origin = import
        .origin
        .as_ref()
        .map_or("main".into(), |origin| String::from_utf8_lossy(origin));
    format!(
        "{} by {from} ({origin} {}:{}) depth {} {outcome}",
        import.name.escape_ascii(),
        import.place.line,
        import.place.column,
        import.depth
    )
}

#[test]
fn each_request_has_its_place_and_its_outcome() {
    let main = "x\n  %import A;%import B;\n%import A;\n%import MAIN;\n";
    let scripts: &[(&str, &str)] = &[
        ("A", "%import B;\n%import NEW;\n"),
        ("B", "b\n"),
        ("NEW", "b\n"),
        ("MAIN", main),
    ];
    for version in [V1, V2] {
        let resolved = resolve(main.as_bytes(), Settings::new(version), &mut provider(scripts)).unwrap();
        assert_eq!(
            resolved.imports.iter().map(edge).collect::<Vec<_>>(),
            [
                "A by main (main 2:3) depth 1 24 bytes",
                "B by 0 (A 1:1) depth 2 2 bytes",
                "NEW by 0 (A 2:1) depth 2 known from 1",
                "B by main (main 2:13) depth 1 known from 1",
                "A by main (main 3:1) depth 1 known from 0",
                "MAIN by main (main 4:1) depth 1 known from main",
            ],
            "{version:?}"
        );
        assert_eq!(*resolved.code, *b"x\n  b\n\n\n\n\n\n", "{version:?}");
    }
}
