//! Every code has its page.

use std::path::Path;

use crate::ERROR_CODES;

#[test]
fn every_code_has_its_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for (code, title) in ERROR_CODES {
        let page = std::fs::read_to_string(folder.join(format!("{code}.md"))).unwrap();
        assert_eq!(page.lines().next().unwrap(), format!("# {code}: {title}"));
    }
}
