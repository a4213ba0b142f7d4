//! Every code has a page, and every page a code.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ERROR_CODES;

/// Titles of the pages of this area, by code.
fn pages() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let mut pages = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if code.starts_with("HW-F") {
            let text = std::fs::read_to_string(&path).unwrap();
            let title = text.lines().next().unwrap().strip_prefix(&format!("# {code}: "));
            pages.insert(code, title.expect("the first line is `# CODE: title`").to_owned());
        }
    }
    pages
}

#[test]
fn codes_and_pages_agree() {
    let codes: BTreeMap<String, String> = ERROR_CODES
        .iter()
        .map(|(code, title)| ((*code).to_owned(), (*title).to_owned()))
        .collect();
    assert_eq!(codes.len(), ERROR_CODES.len(), "a code is listed twice");
    assert_eq!(pages(), codes);
}

/// Codes written in the sources, outside tests and the list itself.
#[test]
fn every_code_in_use_is_listed() {
    let sources = [
        include_str!("../finding.rs"),
        include_str!("../matcher.rs"),
        include_str!("../partial.rs"),
        include_str!("../query.rs"),
    ];
    let mut used: Vec<&str> = sources
        .iter()
        .flat_map(|source| source.split('"'))
        .filter(|word| word.starts_with("HW-F"))
        .collect();
    used.sort_unstable();
    used.dedup();
    let listed: Vec<&str> = ERROR_CODES.iter().map(|(code, _)| *code).collect();
    assert_eq!(used, listed);
}
