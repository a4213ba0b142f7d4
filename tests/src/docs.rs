//! The pages for users: what they print comes true, what they link to exists, what they list is what the program has.
//!
//! - Consoles (```` ```console ````) of `docs/guide` run, each page in a folder of its own, and print what the page shows.
//!   A page that names the server's address gets a server of its own.
//! - JSON of the page on funnel queries is valid (```` ```json ````, or ```` ```json visits ```` over the other table), is
//!   refused with a code (```` ```json HW-F001 ````), or is the answer to the query above it (```` ```json answer ````).
//! - `docs/reference/api.md` has exactly the routes of the OpenAPI document, their parameters and the members of their bodies.
//! - `docs/reference/cli.md` has exactly the verbs and long options that `--help` tells.

mod commands;
mod links;
mod queries;
mod routes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, ListBuilder, StringArray, StringBuilder, TimestampMillisecondArray,
};

use crate::data;
use crate::harness::Sandbox;
use crate::transcript;

/// The address that pages give the server of `headwater up`.
const ADDRESS: &str = "127.0.0.1:7080";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A fenced block of a page.
#[derive(Debug)]
struct Fence {
    /// Line of its beginning, from 1.
    line: usize,
    /// What stands behind the back-ticks.
    info: String,
    text: String,
    /// The line of text before it that is not blank.
    before: String,
}

fn fences(page: &str) -> Vec<Fence> {
    let mut fences: Vec<Fence> = Vec::new();
    let mut inside = false;
    let mut before = String::new();
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), inside) {
            (Some(info), false) => {
                fences.push(Fence {
                    line: number + 1,
                    info: info.to_owned(),
                    text: String::new(),
                    before: std::mem::take(&mut before),
                });
                inside = true;
            }
            (Some(_), true) => inside = false,
            (None, true) => fences.last_mut().unwrap().text += &format!("{line}\n"),
            (None, false) if line.trim().is_empty() => {}
            (None, false) => before = line.to_owned(),
        }
    }
    assert!(!inside, "a fence is not closed");
    fences
}

/// The two tables that pages speak of, not registered: `events/` and `visits/`, and `daily/` with the rows of `events`
/// cut so that users straddle the files.
fn write_tables(folder: &Path) {
    data::write_example(&folder.join("events"));
    data::write_straddling_example(&folder.join("daily"));
    write_visits(&folder.join("visits/part-0.parquet"));
}

fn write_visits(path: &Path) {
    const TEN: i64 = 1_714_557_600_000; // 2024-05-01T10:00:00
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("new"), Some("sale")]);
    tags.append_value([Some("sale")]);
    tags.append_value(Vec::<Option<&str>>::new());
    tags.append_null();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user", Arc::new(Int64Array::from(vec![7, 7, 8, 8]))),
        (
            "at",
            Arc::new(TimestampMillisecondArray::from(vec![
                TEN,
                TEN + 1_200_000,
                TEN - 3_600_000,
                TEN + 3_600_000,
            ])),
        ),
        ("event", Arc::new(StringArray::from(vec!["view", "buy", "view", "buy"]))),
        ("tags", Arc::new(tags.finish())),
        (
            "active",
            Arc::new(BooleanArray::from(vec![Some(true), Some(true), Some(false), None])),
        ),
        (
            "day",
            Arc::new(Date32Array::from(vec![Some(19_844), Some(19_844), Some(19_844), None])),
        ),
    ];
    data::write_columns(path, columns);
}

/// Writes the files that a page asks its reader to save: blocks below a line such as ``Save this as `checkout.json`:``.
fn save_files(sandbox: &Sandbox, page: &str) {
    for fence in fences(page) {
        let name = fence
            .before
            .split_once("Save this as `")
            .and_then(|(_, rest)| rest.split_once('`'));
        if let Some((name, _)) = name {
            sandbox.write(name, &fence.text);
        }
    }
}

/// Runs the consoles of a page. Pages on tasks begin with the table `events` registered, the tutorial with its files only.
fn play(name: &str, registered: bool) {
    let text = page(name);
    let sandbox = Sandbox::new();
    write_tables(sandbox.path());
    save_files(&sandbox, &text);
    if registered {
        sandbox.ok([
            "table", "register", "events", "events", "--group", "user", "--time", "ts",
        ]);
    }
    let up = text.contains(ADDRESS).then(|| sandbox.up());
    let text = match &up {
        Some(up) => text.replace(ADDRESS, up.http.strip_prefix("http://").unwrap()),
        None => text,
    };
    let steps = transcript::steps(&text);
    assert!(!steps.is_empty(), "{name} shows no command");
    println!("{name}: {} commands", steps.len());
    transcript::play(&sandbox, &steps);
}

#[test]
fn the_tutorial_holds() {
    play("docs/guide/tutorial/first-funnel.md", false);
}

#[test]
fn the_pages_on_tasks_hold() {
    let folder = root().join("docs/guide/how-to");
    let mut pages: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert!(pages.len() >= 10, "{pages:?}");
    for page in pages {
        play(&format!("docs/guide/how-to/{page}"), true);
    }
}

#[test]
fn fences_are_found() {
    let found = fences("Save this as `a.json`:\n\n```json x\n{}\n```\n");
    let [fence] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (
            fence.line,
            fence.info.as_str(),
            fence.text.as_str(),
            fence.before.as_str()
        ),
        (3, "json x", "{}\n", "Save this as `a.json`:")
    );
}
