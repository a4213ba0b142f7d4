//! Puts the pages of `docs/errors` into the program, for `headwater explain CODE`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", folder.display());
    fs::write(output_folder()?.join("pages.rs"), table(&pages(&folder)?))
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folder by a variable"
)]
fn output_folder() -> io::Result<PathBuf> {
    let folder = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo did not set OUT_DIR"))?;
    Ok(PathBuf::from(folder))
}

/// Code and file of each page, by code. No folder, no pages.
fn pages(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path().canonicalize()?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(code) = name.strip_suffix(".md").filter(|code| code.starts_with("HW-")) {
            pages.push((code.to_owned(), path.clone()));
        }
    }
    pages.sort();
    Ok(pages)
}

fn table(pages: &[(String, PathBuf)]) -> String {
    let mut text = String::from("&[\n");
    for (code, path) in pages {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "    ({code:?}, include_str!({path:?})),");
    }
    text.push(']');
    text
}
