//! Puts pages of `docs` into the program: those of the errors for `headwater explain CODE`, the others for `headwater docs`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", docs.display());
    let output = output_folder()?;
    let errors = pages(&docs.join("errors"), "")?.into_iter();
    let errors = errors.filter(|(name, _)| name.starts_with("HW-")).collect::<Vec<_>>();
    fs::write(output.join("pages.rs"), table(&errors))?;
    let mut guide = Vec::new();
    for part in GUIDE {
        guide.extend(pages(&docs.join(part), part)?);
    }
    fs::write(output.join("guide.rs"), table(&guide))
}

/// Folders of `docs` that users read, in the order in which a newcomer does.
const GUIDE: [&str; 4] = ["guide/tutorial", "guide/how-to", "explanation", "reference"];

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folder by a variable"
)]
fn output_folder() -> io::Result<PathBuf> {
    let folder = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo did not set OUT_DIR"))?;
    Ok(PathBuf::from(folder))
}

/// Name and file of each page right below a folder, by name; the name begins with `prefix`. No folder, no pages.
fn pages(folder: &Path, prefix: &str) -> io::Result<Vec<(String, PathBuf)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path().canonicalize()?;
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(name) = file.strip_suffix(".md") {
            let name = Path::new(prefix).join(name);
            pages.push((name.display().to_string(), path.clone()));
        }
    }
    pages.sort();
    Ok(pages)
}

/// The source of a table of names and texts.
fn table(pages: &[(String, PathBuf)]) -> String {
    let mut text = String::from("&[\n");
    for (name, path) in pages {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "    ({name:?}, include_str!({path:?})),");
    }
    text.push(']');
    text
}
