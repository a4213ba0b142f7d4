//! Which files a request for a job names, and whether its caller may reach them.
//!
//! Workers may read whatever the server's user may; so what a client over the network names is looked at here, before a job
//! exists. Clients on the Unix socket and in process may name anything.

use std::path::Path;

use hw_files::{Access, Location};
use serde_json::Value;

use crate::auth::Caller;
use crate::problem::Fault;

/// Checks the folder that a registration names. What is no text is for the job's kind to say.
pub(super) fn check_register(params: &Value, caller: &Caller) -> Result<(), Fault> {
    ["path", "basepath"]
        .iter()
        .try_for_each(|member| check(params.get(member), caller))
}

/// Checks the files that a funnel reads and writes.
pub(super) fn check_funnel(params: &Value, caller: &Caller) -> Result<(), Fault> {
    let table = params.get("table").filter(|table| table.as_str().is_some_and(is_place));
    check(table, caller)?;
    check(params.get("export").and_then(|export| export.get("file")), caller)
}

/// Checks the file or folder that an export writes.
pub(super) fn check_export(params: &Value, caller: &Caller) -> Result<(), Fault> {
    check(params.get("to"), caller)
}

/// Checks what a job of any kind names.
pub(super) fn check_job(kind: &str, params: &Value, caller: &Caller) -> Result<(), Fault> {
    match kind {
        "register" => check_register(params, caller),
        "funnel" => check_funnel(params, caller),
        "export" => check_export(params, caller),
        _ => Ok(()),
    }
}

/// Whether a text in the place of a table's name means files, as the funnel's kind reads it.
fn is_place(text: &str) -> bool {
    text.contains(['/', '*', '?']) || text.ends_with(".parquet")
}

fn check(place: Option<&Value>, caller: &Caller) -> Result<(), Fault> {
    match (&caller.access, place.and_then(Value::as_str)) {
        (Access::Allowed(_), Some(text)) => {
            let selection = Location::parse_selection(text, caller.folder.as_deref().map(Path::new))?;
            Ok(caller.access.permits(&selection.location)?)
        }
        (Access::Unrestricted, _) | (_, None) => Ok(()),
    }
}
