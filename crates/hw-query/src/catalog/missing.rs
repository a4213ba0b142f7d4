//! What is said of names that stand for nothing.

use datafusion::common::TableReference;
use hw_catalog::{DEFAULT_SCHEMA, TableName, closest};

use super::{CATALOG, Key, looks_like_file};
use crate::error::{StatementFault, StatementFaultKind};
use crate::files::Format;

/// A name within another catalog than ours.
pub(super) fn other_catalog(name: &TableReference) -> StatementFault {
    let message = format!("there is no catalog `{}`", name.catalog().unwrap_or_default());
    StatementFault::new(StatementFaultKind::UnknownTable, message).help(format!(
        "the only catalog is `{CATALOG}`; put the name of a file into quotes"
    ))
}

/// Proposes a table: one that differs in case alone, then the nearest name, then quotes for what looks like a file.
pub(super) fn unknown_table(key: &Key, names: &[TableName]) -> StatementFault {
    let (schema, name) = key;
    let shown = match schema == DEFAULT_SCHEMA {
        true => name.clone(),
        false => format!("{schema}.{name}"),
    };
    let fault = StatementFault::new(StatementFaultKind::UnknownTable, format!("there is no table `{shown}`"));
    let full: Vec<String> = names.iter().map(sql_name).collect();
    let folded = |name: &TableName| (name.schema().to_lowercase(), name.name().to_lowercase());
    let wanted = (schema.to_lowercase(), name.to_lowercase());
    if let Some(found) = names.iter().find(|name| folded(name) == wanted) {
        return fault.help(format!(
            "did you mean `{}`? names without double quotes are folded to lower case",
            sql_name(found)
        ));
    }
    if Format::of(&shown).is_some() || looks_like_file(&shown) {
        return fault.help(format!("put the name of a file into quotes: `'{shown}'`"));
    }
    match closest(&shown, full.iter().map(String::as_str)) {
        Some(near) => fault.help(format!("did you mean `{near}`?")),
        None => fault.help("`SHOW TABLES` lists all"),
    }
}

/// A table's name as SQL must write it.
fn sql_name(name: &TableName) -> String {
    let table = TableReference::partial(name.schema(), name.name());
    match name.schema() == DEFAULT_SCHEMA {
        true => TableReference::bare(name.name()).to_quoted_string(),
        false => table.to_quoted_string(),
    }
}
