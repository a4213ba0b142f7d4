//! The demo: real flights, compiled in, and what to ask of them.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hw_api::Problem;
use serde_json::Value;

use crate::data_folder::{DataFolder, private_folder, write_whole};
use crate::problem::Fault;

const PARTS: &[(&str, &[u8])] = &[
    ("part-0.parquet", include_bytes!("../demo/flights/part-0.parquet")),
    ("part-1.parquet", include_bytes!("../demo/flights/part-1.parquet")),
    ("part-2.parquet", include_bytes!("../demo/flights/part-2.parquet")),
    ("part-3.parquet", include_bytes!("../demo/flights/part-3.parquet")),
];

const README: &str = include_str!("../demo/README.md");

/// How delays cascade through an aircraft's day.
const QUERY: &str = r#"{
  "funnel": {
    "sequence": [
      {"filter": ["event", "==", "on_time"]},
      {"filter": ["event", "==", "late"]},
      {"filter": ["event", "==", "very_late"]}
    ],
    "maxDuration": "12h"
  }
}
"#;

const SQL: &str = "SELECT origin, count(*) AS flights, round(avg(dep_delay), 1) AS delay FROM flights GROUP BY origin ORDER BY delay DESC";

/// A demo whose files are in place, ready to be registered and asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Demo {
    /// Headline of what is shown.
    pub title: String,
    /// Folder of the parts, absolute.
    pub path: PathBuf,
    /// Name to register it under.
    pub table: String,
    /// Its group column.
    pub group: String,
    /// Its time column.
    pub time: String,
    /// The funnel query.
    pub query: Value,
    /// The same query as a file that a user can change, absolute. One that was changed stays as it is.
    pub query_file: PathBuf,
    /// An SQL statement over the table worth trying next.
    pub sql: String,
    /// A page that tells where the data are from, absolute.
    pub readme: PathBuf,
}

/// Why a demo could not be made ready.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    /// No demo has this name.
    #[error("there is no demo `{name}`")]
    Unknown { name: String },
    /// Its files cannot be written.
    #[error("the demo's files cannot be written to `{path}`: {reason}")]
    NotWritten { path: String, reason: String },
}

impl From<DemoError> for Problem {
    fn from(error: DemoError) -> Self {
        let detail = error.to_string();
        match error {
            DemoError::Unknown { .. } => {
                Self::new(404, "HW-C015", "no such demo", detail).help("there is `headwater demo funnel`")
            }
            DemoError::NotWritten { .. } => Self::new(503, "HW-C016", "the demo's files cannot be written", detail)
                .help("make room on the disk, or name another folder with `--data-dir`"),
        }
    }
}

/// Writes the files of a demo (`funnel`) below the data folder, unless they are there already. May be called again, also by
/// several processes at the same time.
///
/// # Errors
/// Status 404 for another name, 503 if the folder cannot be written to.
#[expect(clippy::result_large_err, reason = "a problem ends the command: it is made once")]
pub fn write_demo(data_dir: &Path, name: &str) -> Result<Demo, Problem> {
    if name != "funnel" {
        return Err(DemoError::Unknown { name: name.to_owned() }.into());
    }
    let folder = DataFolder::open(data_dir).map_err(|error| Fault::from(error).into_problem())?;
    let path = folder.demo().join("flights");
    write_files(&path).map_err(|error| DemoError::NotWritten {
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(Demo {
        title: "How do delays cascade through an aircraft's day?".to_owned(),
        table: "flights".to_owned(),
        group: "aircraft".to_owned(),
        time: "departure".to_owned(),
        query: serde_json::from_str(QUERY).unwrap_or_default(),
        query_file: path.join("funnel.json"),
        sql: SQL.to_owned(),
        readme: path.join("README.md"),
        path,
    })
}

fn write_files(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        private_folder(parent)?;
    }
    private_folder(path)?;
    for (name, content) in PARTS {
        write_unless_same(&path.join(name), content)?;
    }
    write_unless_same(&path.join("README.md"), README.as_bytes())?;
    let query = path.join("funnel.json");
    if !query.exists() {
        write_whole(&query, QUERY.as_bytes())?;
    }
    remove_others(path)
}

fn write_unless_same(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::read(path) {
        Ok(found) if found == content => Ok(()),
        _ => write_whole(path, content),
    }
}

/// Parts that another version of the program left would be registered, too.
fn remove_others(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_part = name.starts_with("part-") && name.ends_with(".parquet");
        if is_part && PARTS.iter().all(|(known, _)| *known != name) {
            fs::remove_file(path.join(&name))?;
        }
    }
    Ok(())
}
