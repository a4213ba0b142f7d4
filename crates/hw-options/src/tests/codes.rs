//! Codes and their pages.

use std::path::Path;

use crate::CODES;

#[test]
fn each_code_has_its_page_with_its_title() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for (code, title) in CODES {
        let page = std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap_or_default();
        assert_eq!(
            page.lines().next(),
            Some(format!("# {code}: {title}").as_str()),
            "{code}"
        );
    }
}
