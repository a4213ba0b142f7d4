//! Parameters of a funnel job, with every fault at its place.

use hw_catalog::{Finding, TableName, closest};
use serde_json::{Map, Value};

use super::export::ExportSpec;

const MEMBERS: [&str; 6] = ["table", "query", "group", "time", "export", "cache"];

/// Well-formed parameters.
pub(super) struct Params {
    pub(super) source: Source,
    pub(super) query: Value,
    pub(super) group: Option<String>,
    pub(super) time: Option<String>,
    pub(super) export: Option<ExportSpec>,
}

/// What the funnel runs over.
pub(super) enum Source {
    Table(TableName),
    Files(String),
}

impl Source {
    /// The table that it names; of what looks like a path, the one whose name looks so.
    pub(super) fn table(&self) -> Option<TableName> {
        match self {
            Self::Table(name) => Some(name.clone()),
            Self::Files(text) => text.parse().ok(),
        }
    }
}

impl Params {
    pub(super) fn parse(params: &Value) -> Result<Self, Vec<Finding>> {
        let Some(members) = params.as_object() else {
            return Err(vec![
                fault("the parameters must be an object", "").help("write {\"table\": ..., \"query\": ...}"),
            ]);
        };
        let mut faults = unknown_members(members);
        let source = source(members, &mut faults);
        let query = members.get("query").cloned();
        if query.is_none() {
            faults.push(fault("`query` is missing", "/query").help("`{}` asks for all groups and rows"));
        }
        let group = text(members, "group", &mut faults);
        let time = text(members, "time", &mut faults);
        let export = ExportSpec::parse(members.get("export"), &mut faults);
        let read = source.as_ref().and_then(Source::table);
        faults.extend(export.as_ref().and_then(|export| export.over_itself(read.as_ref())));
        if members.get("cache").is_some_and(|cache| !cache.is_boolean()) {
            faults.push(fault("`cache` must be true or false", "/cache"));
        }
        match (source, query) {
            (Some(source), Some(query)) if faults.is_empty() => Ok(Self {
                source,
                query,
                group,
                time,
                export,
            }),
            _ => Err(faults),
        }
    }
}

pub(super) fn fault(message: impl Into<String>, pointer: &str) -> Finding {
    Finding {
        kind: "SCHEMA".to_owned(),
        ..Finding::new("HW-F001", message).at(pointer)
    }
}

fn unknown_members(members: &Map<String, Value>) -> Vec<Finding> {
    let unknown = members.keys().filter(|name| !MEMBERS.contains(&name.as_str()));
    let finding = |name: &String| {
        let finding = fault(
            format!("unknown member `{name}`"),
            &format!("/{}", name.replace('~', "~0").replace('/', "~1")),
        );
        match closest(name, MEMBERS) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("known are {}", MEMBERS.join(", "))),
        }
    };
    unknown.map(finding).collect()
}

/// A path where the text looks like one, a name otherwise.
fn source(members: &Map<String, Value>, faults: &mut Vec<Finding>) -> Option<Source> {
    let Some(text) = members.get("table").and_then(Value::as_str) else {
        faults.push(fault("`table` must be the name of a table or a path", "/table"));
        return None;
    };
    // Within quotes these characters are part of a name.
    let quoted = text.contains('"').then(|| text.parse().ok()).flatten();
    if let Some(name) = quoted {
        return Some(Source::Table(name));
    }
    if text.contains(['/', '*', '?']) || text.ends_with(".parquet") {
        return Some(Source::Files(text.to_owned()));
    }
    match text.parse() {
        Ok(name) => Some(Source::Table(name)),
        Err(error) => {
            let error: hw_catalog::InvalidTableName = error;
            faults.push(fault(error.to_string(), "/table"));
            None
        }
    }
}

fn text(members: &Map<String, Value>, name: &str, faults: &mut Vec<Finding>) -> Option<String> {
    match members.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(_) => {
            faults.push(fault(
                format!("`{name}` must be the name of a column"),
                &format!("/{name}"),
            ));
            None
        }
    }
}
