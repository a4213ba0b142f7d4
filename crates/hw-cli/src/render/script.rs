//! What was found in scripts: documents for programs, tables and places in the text for people.

use std::sync::Arc;

use hw_api::{Problem, ProblemError};
use hw_options::{
    Change, ChangeKind, Extracted, Fault, FaultList, Import, ImportOutcome, Item, Launch, Migration, Options, Place,
    Places, Resolved, ScriptOption, Warning,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::render::diagnostic;
use crate::render::grid::{Cell, Grid};
use crate::render::rows::Layout;
use crate::source::Source;
use crate::style::Style;

/// Faults that people are shown.
const SHOWN_MAX: usize = 50;

/// The names and texts of the scripts that places may be in.
pub(crate) struct Texts<'t> {
    /// What the user calls the main script.
    pub(crate) name: String,
    pub(crate) main: &'t [u8],
    pub(crate) imported: &'t TextOf<'t>,
}

/// The text of an imported script by its name.
pub(crate) type TextOf<'t> = dyn Fn(&[u8]) -> Option<Arc<[u8]>> + 't;

/// Bytes as text where they are one, else by their digits.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": digits })
        }
    }
}

/// All options of a script.
pub(crate) fn options(text: &[u8], list: &[&ScriptOption<'_>], warnings: &[Warning]) -> Value {
    let mut places = Places::new(text);
    let options: Vec<Value> = list.iter().map(|found| option(found, places.at(found.start))).collect();
    json!({ "options": options, "warnings": self::warnings(warnings) })
}

/// What one extraction found, and the text that remains.
pub(crate) fn extracted(text: &[u8], extracted: &Extracted<'_>) -> Value {
    let found: Vec<&ScriptOption<'_>> = extracted.option.iter().collect();
    let mut document = options(text, &found, &extracted.warnings);
    if let Some(members) = document.as_object_mut() {
        members.insert("code".to_owned(), bytes(&extracted.code));
    }
    document
}

fn option(found: &ScriptOption<'_>, place: Place) -> Value {
    json!({
        "key": bytes(&found.key),
        "value": bytes(&found.value),
        "start": found.start,
        "end": found.end,
        "line": place.line,
        "column": place.column,
    })
}

fn warnings(list: &[Warning]) -> Value {
    let one = |warning: &Warning| {
        json!({
            "kind": warning.kind.name(),
            "message": warning.kind.to_string(),
            "line": warning.place.line,
            "column": warning.place.column,
            "offset": warning.place.offset,
            "origin": origin(warning.origin.as_deref()),
            "help": warning.kind.help(),
        })
    };
    list.iter().map(one).collect()
}

/// The name of an imported script; the main one has none.
fn origin(name: Option<&[u8]>) -> Value {
    name.map_or(Value::Null, bytes)
}

/// Faults as a document.
pub(crate) fn faults(list: &FaultList) -> Value {
    json!({ "errors": list.faults.iter().map(fault).collect::<Vec<_>>() })
}

fn fault(fault: &Fault) -> Value {
    json!({
        "code": fault.kind.code(),
        "aliases": fault.aliases(),
        "kind": fault.kind.name(),
        "message": fault.to_string(),
        "line": fault.place.line,
        "column": fault.place.column,
        "offset": fault.place.offset,
        "unexpected": fault.kind.unexpected(),
        "origin": origin(fault.origin.as_deref()),
        "help": fault.kind.help(),
    })
}

/// What a script asks for.
pub(crate) fn resolved(resolved: &Resolved<'_>, launch: Option<&Launch>) -> Value {
    let items = |items: &[Item<'_>]| items.iter().map(|item| bytes(&item.text)).collect::<Vec<_>>();
    let mut document = json!({
        "code": bytes(&resolved.code),
        "scriptclass": resolved.script_class.as_deref().map_or(Value::Null, bytes),
        "jvm_options": items(&resolved.jvm_options),
        "jars": items(&resolved.jars),
        "import_requests": resolved.imports.iter().map(|import| bytes(&import.name)).collect::<Vec<_>>(),
        "imports": resolved.imports.iter().map(edge).collect::<Vec<_>>(),
        "warnings": warnings(&resolved.warnings),
    });
    let database = &resolved.database;
    let has_database = !database.environment.is_empty() || database.instance_limit.is_some();
    let Some(members) = document.as_object_mut() else {
        return document;
    };
    if has_database {
        let variable = |variable: &hw_options::Variable<'_>| json!({ "name": bytes(&variable.name), "value": bytes(&variable.value) });
        let environment: Vec<Value> = database.environment.iter().map(variable).collect();
        let database = json!({ "environment": environment, "instance_limit": database.instance_limit });
        members.insert("database".to_owned(), database);
    }
    if let Some(launch) = launch {
        members.insert("launch".to_owned(), start(launch));
    }
    document
}

/// Puts a remark that has no place in the text to the warnings of a document.
pub(crate) fn add_remark(document: &mut Value, remark: Option<&str>) {
    let warnings = document.get_mut("warnings").and_then(Value::as_array_mut);
    if let (Some(warnings), Some(remark)) = (warnings, remark) {
        warnings.push(json!({
            "kind": "parser", "message": remark, "line": null, "column": null, "offset": null, "origin": null, "help": null
        }));
    }
}

/// An edge of the graph of imports.
fn edge(import: &Import) -> Value {
    let (outcome, size, first) = match import.outcome {
        ImportOutcome::Inserted { bytes } => ("inserted", json!(bytes), Value::Null),
        ImportOutcome::Known { first } => ("known", Value::Null, json!(first)),
    };
    json!({
        "name": bytes(&import.name),
        "from": import.from,
        "depth": import.depth,
        "outcome": outcome,
        "bytes": size,
        "known_from": first,
        "origin": origin(import.origin.as_deref()),
        "line": import.place.line,
        "column": import.place.column,
        "offset": import.place.offset,
    })
}

fn start(launch: &Launch) -> Value {
    let command = std::iter::once(json!("java")).chain(launch.jvm_options.iter().map(|option| bytes(option)));
    json!({
        "command": command.collect::<Vec<_>>(),
        "class_path": bytes(&launch.class_path),
        "script_class": bytes(&launch.script_class),
        "source": launch.source.as_deref().map_or(Value::Null, bytes),
    })
}

/// What changes with the second parser.
pub(crate) fn migration(migration: &Migration) -> Value {
    let list = |pieces: &[Vec<u8>]| pieces.iter().map(|piece| bytes(piece)).collect::<Vec<_>>();
    let one = |change: &Change| {
        let (before, after) = match &change.kind {
            ChangeKind::OtherValue { before, after, .. } => (json!(list(before)), json!(list(after))),
            _ => (Value::Null, Value::Null),
        };
        json!({
            "kind": change.kind.name(),
            "message": change.kind.to_string(),
            "line": change.place.line,
            "column": change.place.column,
            "offset": change.place.offset,
            "before": before,
            "after": after,
            "help": change.kind.help(),
        })
    };
    json!({
        "success": migration.faults.is_empty(),
        "errors": migration.faults.iter().map(fault).collect::<Vec<_>>(),
        "changes": migration.changes.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Options as a table.
pub(crate) fn options_grid(text: &[u8], list: &[&ScriptOption<'_>], layout: Layout) -> String {
    let mut places = Places::new(text);
    let mut grid = Grid::new(&["place", "key", "value", ">start", ">end"]);
    for option in list {
        let place = places.at(option.start);
        grid.row(vec![
            Cell::new(format!("{}:{}", place.line, place.column)),
            Cell::new(String::from_utf8_lossy(&option.key)),
            Cell::new(visible(&option.value)),
            Cell::new(option.start.to_string()),
            Cell::new(option.end.to_string()),
        ]);
    }
    grid.render(layout)
}

/// What a script asks for, part by part; nothing is said of parts that it has not.
pub(crate) fn parts(resolved: &Resolved<'_>, launch: Option<&Launch>, layout: Layout) -> String {
    let mut grid = Grid::new(&["part", "value", "from"]);
    let from = |item: &Item<'_>| {
        let (origin, place) = resolved.place_of(item);
        at(origin.as_deref(), place)
    };
    for item in &resolved.jvm_options {
        grid.row(vec![
            Cell::new("jvm option"),
            Cell::new(visible(&item.text)),
            Cell::new(from(item)),
        ]);
    }
    for item in &resolved.jars {
        grid.row(vec![
            Cell::new("jar"),
            Cell::new(visible(&item.text)),
            Cell::new(from(item)),
        ]);
    }
    for variable in &resolved.database.environment {
        let text = format!("{}={}", visible(&variable.name), visible(&variable.value));
        grid.row(vec![Cell::new("variable"), Cell::new(text), Cell::new("")]);
    }
    if let Some(limit) = resolved.database.instance_limit {
        grid.row(vec![
            Cell::new("instances"),
            Cell::new(limit.to_string()),
            Cell::new(""),
        ]);
    }
    for import in &resolved.imports {
        let outcome = match import.outcome {
            ImportOutcome::Inserted { bytes } => format!("{} ({bytes} bytes)", visible(&import.name)),
            ImportOutcome::Known { .. } => format!("{} (known already)", visible(&import.name)),
        };
        let place = at(import.origin.as_deref(), import.place);
        grid.row(vec![Cell::new("import"), Cell::new(outcome), Cell::new(place)]);
    }
    for option in launch.iter().flat_map(|launch| &launch.jvm_options) {
        grid.row(vec![Cell::new("launch"), Cell::new(visible(option)), Cell::new("")]);
    }
    grid.render(layout)
}

fn at(origin: Option<&[u8]>, place: Place) -> String {
    match origin {
        Some(name) => format!("{}:{}:{}", visible(name), place.line, place.column),
        None => format!("{}:{}", place.line, place.column),
    }
}

/// Bytes on one line of a terminal.
fn visible(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let escaped = text.chars().map(|c| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    });
    escaped.collect()
}

/// Faults under the lines they are in.
pub(crate) fn told(list: &FaultList, texts: &Texts<'_>, style: Style) -> String {
    let told = list.faults.iter().take(SHOWN_MAX).map(|fault| {
        let label = match fault.kind.unexpected() {
            Some("<eof>") => "the line ends here".to_owned(),
            Some(token) => format!("unexpected {token}"),
            None => "here".to_owned(),
        };
        let mut problem = Problem::new(422, fault.kind.code(), "", fault.to_string());
        problem.aliases = fault.aliases();
        problem
            .errors
            .push(finding(fault.kind.code(), label, fault.kind.help()));
        snippet(problem, texts, fault.origin.as_deref(), fault.place, style)
    });
    let mut lines: Vec<String> = told.collect();
    let left = list.faults.len().saturating_sub(SHOWN_MAX) + list.left_out;
    if left > 0 {
        lines.push(format!(
            "and {left} more: `--format json` shows up to {}",
            hw_options::FAULTS_MAX
        ));
    }
    lines.join("\n\n")
}

/// A change under the line it is in.
pub(crate) fn told_change(change: &Change, texts: &Texts<'_>, style: Style) -> String {
    let mut problem = Problem::new(422, "change", "", change.kind.to_string());
    problem
        .errors
        .push(finding("change", "here".to_owned(), change.kind.help().to_owned()));
    let told = snippet(problem, texts, None, change.place, style);
    // A change is no error: the second parser takes the script.
    match told.strip_prefix(&style.error("error[change]:").to_string()) {
        Some(rest) => format!("{}{rest}", style.warning("change:")),
        None => told,
    }
}

fn finding(code: &str, message: String, help: String) -> ProblemError {
    ProblemError {
        code: code.to_owned(),
        aliases: Vec::new(),
        kind: String::new(),
        message,
        pointer: None,
        line: Some(1),
        column: None,
        offset: None,
        help: Some(help),
    }
}

/// A problem with one finding at a place. Only its line is handed on: a script may end lines by lone carriage returns, and have
/// bytes that are no text.
fn snippet(mut problem: Problem, texts: &Texts<'_>, origin: Option<&[u8]>, place: Place, style: Style) -> String {
    let (name, text) = match origin {
        None => (texts.name.clone(), Some(Arc::from(texts.main))),
        Some(name) => (visible(name), (texts.imported)(name)),
    };
    let text: Arc<[u8]> = text.unwrap_or_else(|| Arc::from(&[][..]));
    let begin = place.offset.saturating_sub(place.column - 1);
    let rest = text.get(begin..).unwrap_or_default();
    let line = rest
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    let before = line.get(..place.column - 1).unwrap_or(line);
    if let Some(finding) = problem.errors.first_mut() {
        finding.column = Some(String::from_utf8_lossy(before).chars().count() as u64 + 1);
    }
    let mut source = Source::new(name, String::from_utf8_lossy(line));
    source.lines_before = place.line - 1;
    let failure = Failure::from(problem).within(&Arc::new(source));
    diagnostic::render(&failure, style)
}

/// A warning in one line.
pub(crate) fn warning(warning: &Warning, name: &str) -> String {
    let name = warning.origin.as_deref().map_or(name.to_owned(), visible);
    let place = warning.place;
    format!(
        "{name}:{}:{}: {}; {}",
        place.line,
        place.column,
        warning.kind,
        warning.kind.help()
    )
}

/// The options of a list, of one key if one is named.
pub(crate) fn of_key<'o, 't>(options: &'o Options<'t>, key: Option<&str>) -> Vec<&'o ScriptOption<'t>> {
    let key = key.map(|key| key.strip_prefix('%').unwrap_or(key).as_bytes());
    options
        .list
        .iter()
        .filter(|option| key.is_none_or(|key| *option.key == *key))
        .collect()
}
