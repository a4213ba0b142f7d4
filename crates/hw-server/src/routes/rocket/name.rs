//! Names of datasets. To Funnel Rocket's clients a name is any text, dots, blanks and all.

use hw_catalog::{Table, TableKind, TableName};
use hw_worker::dataset_name;

use crate::problem::{ApiError, Fault};
use crate::state::State as Server;

/// The dataset of this name: of the default schema under the whole text, else as the text reads as our name of a table.
///
/// # Errors
/// HW-A015 with the nearest name.
pub(super) async fn find_dataset(state: &Server, name: &str) -> Result<Table, Fault> {
    if let Some(table) = look_for(state, name).await? {
        return Ok(table);
    }
    let names: Vec<String> = state
        .store()
        .list_tables()
        .await?
        .iter()
        .filter(|table| is_dataset(table))
        .map(|table| dataset_name(&table.name))
        .collect();
    Err(ApiError::TableNotFound {
        name: name.to_owned(),
        proposal: hw_catalog::closest(name, names.iter().map(String::as_str)).map(str::to_owned),
    }
    .into())
}

/// The same, or `None`.
pub(super) async fn look_for(state: &Server, name: &str) -> Result<Option<Table>, Fault> {
    let candidates = [TableName::in_main(name).ok(), name.parse().ok()];
    for candidate in candidates.into_iter().flatten() {
        let found = state.store().load_table(&candidate).await?;
        if let Some(table) = found.filter(is_dataset) {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

/// Whether Funnel Rocket could have made the table: its clients rely on both columns.
pub(super) fn is_dataset(table: &Table) -> bool {
    table.kind == TableKind::Dataset && table.group_column.is_some() && table.time_column.is_some()
}

/// The name in quotes, so that no character of it counts as anything else.
pub(super) fn quoted(name: &TableName) -> String {
    let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    format!("{}.{}", quote(name.schema()), quote(name.name()))
}
