//! What the changes of the catalog at a job's end come to, before any of them is made.

use std::collections::BTreeMap;

use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_job::{CatalogChange, JobId, Timestamp};

use crate::jobs::check_depth;
use crate::{JobChangeError, StoreError};

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

    /// The version of the table that is there, 0 for none.
    fn now(&self) -> TableVersion {
        match self.exists {
            true => self.version,
            false => TableVersion(0),
        }
    }
}

/// A change that can be made.
#[derive(Debug)]
pub(crate) enum PlannedChange {
    /// The table exists in this form, with the parts of the change at this place.
    Put {
        place: usize,
        table: Box<Table>,
        created: bool,
    },
    /// The table is gone.
    Drop(TableName),
}

impl PlannedChange {
    /// The name that the change is about.
    pub(crate) fn name(&self) -> &TableName {
        match self {
            Self::Put { table, .. } => &table.name,
            Self::Drop(name) => name,
        }
    }
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

/// Refuses tables that could not be read again.
pub(crate) fn check_changes(changes: &[CatalogChange]) -> Result<(), StoreError> {
    for change in changes {
        if let CatalogChange::Put { table, .. } = change {
            let what = || format!("the description of table `{}`", table.name);
            let document = serde_json::to_value(table.as_ref());
            let document = document.map_err(|error| StoreError::Misuse(format!("{}: {error}", what())))?;
            check_depth(&document, what)?;
        }
    }
    Ok(())
}

/// Plans the changes one after the other upon what the names stand for now; a conflict of one refuses all. The tables
/// get their versions, the time `at` and, where they name no origin, the job.
pub(crate) fn plan_changes(
    mut names: BTreeMap<TableName, NameState>,
    changes: &[CatalogChange],
    job: JobId,
    at: Timestamp,
) -> Result<Vec<PlannedChange>, JobChangeError> {
    let mut planned = Vec::with_capacity(changes.len());
    for (place, change) in changes.iter().enumerate() {
        planned.push(match change {
            CatalogChange::Put { table, expected, .. } => {
                let state = names.entry(table.name.clone()).or_insert(NameState::UNUSED);
                if let Some(expected) = *expected {
                    check_version(state, &table.name, expected)?;
                }
                let created = !state.exists;
                let table = Box::new(plan_put(state, table, job, at));
                PlannedChange::Put { place, table, created }
            }
            CatalogChange::Drop { name, version } => {
                let state = names.entry(name.clone()).or_insert(NameState::UNUSED);
                plan_drop(state, name, *version)?
            }
        });
    }
    Ok(planned)
}

/// The parts of a change, in the order of their paths; none for a drop.
pub(crate) fn sorted_parts(change: &CatalogChange) -> Vec<Part> {
    match change {
        CatalogChange::Put { parts, .. } => {
            let mut parts = parts.clone();
            parts.sort_by(|a, b| a.path.cmp(&b.path));
            parts
        }
        CatalogChange::Drop { .. } => Vec::new(),
    }
}

fn plan_put(state: &mut NameState, table: &Table, job: JobId, at: Timestamp) -> Table {
    *state = NameState {
        version: TableVersion(state.version.0 + 1),
        exists: true,
    };
    let mut table = table.clone();
    table.version = state.version;
    table.registered_at = at.0;
    table.origin.get_or_insert_with(|| job.to_string());
    table
}

fn plan_drop(state: &mut NameState, name: &TableName, version: TableVersion) -> Result<PlannedChange, JobChangeError> {
    if !state.exists {
        return Err(moved(state, name, version));
    }
    check_version(state, name, version)?;
    state.exists = false;
    Ok(PlannedChange::Drop(name.clone()))
}

/// Whether the name stands for the version that was looked at, 0 for none.
fn check_version(state: &NameState, name: &TableName, expected: TableVersion) -> Result<(), JobChangeError> {
    match state.now() == expected {
        true => Ok(()),
        false => Err(moved(state, name, expected)),
    }
}

fn moved(state: &NameState, name: &TableName, expected: TableVersion) -> JobChangeError {
    JobChangeError::TableMoved {
        name: name.clone(),
        expected,
        found: state.now(),
    }
}
