//! What the changes of the catalog at a job's end come to, before any of them is made.

use std::collections::BTreeMap;

use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_job::{CatalogChange, JobId, Timestamp};

use crate::JobChangeError;

/// What a name stands for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameState {
    /// The newest version that ever had this name; zero if none had.
    pub(crate) version: TableVersion,
    /// Whether there is a table of this name.
    pub(crate) exists: bool,
}

impl NameState {
    /// A name that no table ever had.
    pub(crate) const UNUSED: Self = Self {
        version: TableVersion(0),
        exists: false,
    };
}

/// A change that can be made.
#[derive(Debug)]
pub(crate) enum PlannedChange {
    /// The table exists in this form.
    Put {
        table: Box<Table>,
        parts: Vec<Part>,
        created: bool,
    },
    /// The table is gone.
    Drop(TableName),
}

/// The names that the changes are about.
pub(crate) fn names_of(changes: &[CatalogChange]) -> Vec<&TableName> {
    changes
        .iter()
        .map(|change| match change {
            CatalogChange::Put { table, .. } => &table.name,
            CatalogChange::Drop { name, .. } => name,
        })
        .collect()
}

/// Plans the changes one after the other upon what the names stand for now; a conflict of one refuses all. The tables
/// get their versions, the time `at` and, where they name no origin, the job.
pub(crate) fn plan_changes(
    mut names: BTreeMap<TableName, NameState>,
    changes: Vec<CatalogChange>,
    job: JobId,
    at: Timestamp,
) -> Result<Vec<PlannedChange>, JobChangeError> {
    let mut planned = Vec::with_capacity(changes.len());
    for change in changes {
        planned.push(match change {
            CatalogChange::Put { table, parts } => {
                let state = names.entry(table.name.clone()).or_insert(NameState::UNUSED);
                plan_put(state, table, parts, job, at)
            }
            CatalogChange::Drop { name, version } => {
                let state = names.entry(name.clone()).or_insert(NameState::UNUSED);
                plan_drop(state, name, version)?
            }
        });
    }
    Ok(planned)
}

fn plan_put(
    state: &mut NameState,
    mut table: Box<Table>,
    mut parts: Vec<Part>,
    job: JobId,
    at: Timestamp,
) -> PlannedChange {
    let created = !state.exists;
    *state = NameState {
        version: TableVersion(state.version.0 + 1),
        exists: true,
    };
    table.version = state.version;
    table.registered_at = at.0;
    table.origin.get_or_insert_with(|| job.to_string());
    parts.sort_by(|a, b| a.path.cmp(&b.path));
    PlannedChange::Put { table, parts, created }
}

fn plan_drop(state: &mut NameState, name: TableName, version: TableVersion) -> Result<PlannedChange, JobChangeError> {
    let found = if state.exists { state.version } else { TableVersion(0) };
    if !state.exists || found != version {
        return Err(JobChangeError::TableMoved {
            name,
            expected: version,
            found,
        });
    }
    state.exists = false;
    Ok(PlannedChange::Drop(name))
}
