//! The project's files as data, so that rules are functions from a tree to findings and tests are a few lines of text.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[cfg(test)]
mod tests;

/// Folders that hold no source of ours.
const SKIPPED_FOLDERS: &[&str] = &["target", "node_modules", "__pycache__"];
/// Hidden folders are skipped but for these.
const HIDDEN_FOLDERS: &[&str] = &[".cargo", ".ci", ".config"];
const TEXT_EXTENSIONS: &[&str] = &["rs", "md", "toml", "py", "sql", "txt"];

/// Paths are relative to the root, with `/` between their parts.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    texts: BTreeMap<String, String>,
    /// Files of any kind, and folders.
    paths: BTreeSet<String>,
}

impl Tree {
    /// Reads the work tree under `root`.
    ///
    /// # Errors
    /// A text that names the file or folder that cannot be read.
    pub(crate) fn read(root: &Path) -> Result<Self, String> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    /// A tree of these files, for tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.insert(path, (*text).to_owned());
        }
        tree
    }

    /// Files with this extension, by path.
    pub(crate) fn files(&self, extension: &str) -> impl Iterator<Item = (&str, &str)> {
        let ending = format!(".{extension}");
        self.texts
            .iter()
            .filter(move |(path, _)| path.ends_with(&ending))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The text of a file, if it is there and is text.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether there is such a file or folder; the root's path is empty.
    pub(crate) fn has(&self, path: &str) -> bool {
        path.is_empty() || self.paths.contains(path)
    }

    /// Folders with a package: path and manifest.
    pub(crate) fn packages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files("toml")
            .filter_map(|(path, text)| Some((path.strip_suffix("/Cargo.toml")?, text)))
    }

    fn insert(&mut self, path: &str, text: String) {
        self.note_path(path);
        self.texts.insert(path.to_owned(), text);
    }

    fn note_path(&mut self, path: &str) {
        let mut path = path;
        while self.paths.insert(path.to_owned()) {
            match path.rsplit_once('/') {
                Some((folder, _)) => path = folder,
                None => return,
            }
        }
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<(), String> {
        let unreadable = |error: std::io::Error| format!("`{}` cannot be read: {error}", folder.display());
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if !entry.file_type().map_err(unreadable)?.is_dir() {
                self.read_file(&entry.path(), &path)?;
            } else if !is_skipped(&name) {
                self.read_folder(&entry.path(), &format!("{path}/"))?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, file: &Path, path: &str) -> Result<(), String> {
        let extension = file.extension().map(|extension| extension.to_string_lossy());
        if !extension.is_some_and(|extension| TEXT_EXTENSIONS.contains(&extension.as_ref())) {
            self.note_path(path);
            return Ok(());
        }
        let text = std::fs::read_to_string(file).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
        self.insert(path, text);
        Ok(())
    }
}

fn is_skipped(folder: &str) -> bool {
    SKIPPED_FOLDERS.contains(&folder) || (folder.starts_with('.') && !HIDDEN_FOLDERS.contains(&folder))
}

/// Whether the file holds tests only: a `tests.rs`, a file under a folder `tests`, or one of the package `tests`.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.split('/').rev().skip(1).any(|folder| folder == "tests")
}
