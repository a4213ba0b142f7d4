//! Statements that make and drop views: the same jobs as of any other request, waited for.

use std::time::Duration;

use hw_api::StatementDone;
use hw_catalog::{Table, TableKind, TableName};
use hw_controller::Submit;
use hw_job::JobState;
use hw_query::{Session, ViewDefinition, ViewDrop, ViewStatement};
use hw_store::{JobRecord, Role};
use hw_worker::{other_kind, view_taken};
use serde_json::{Value, json};

use crate::auth::Caller;
use crate::problem::Fault;
use crate::routes::jobs::why_none;
use crate::routes::submit::{CancelOnDrop, JobOptions, conflict, load_job, make};
use crate::routes::tables::find_table;
use crate::state::Shared;

/// How long the store is waited for in one go.
const WAIT: Duration = Duration::from_secs(20);

/// The statement that gives what was done as a row.
pub(super) const ROW: &str =
    "SELECT $1 AS statement, $2 AS outcome, $3 AS \"table\", CAST($4 AS BIGINT) AS version, $5 AS job";

/// The values of [`ROW`].
pub(super) fn values(done: &StatementDone) -> [Value; 5] {
    [
        json!(done.statement),
        json!(done.outcome),
        json!(done.table),
        json!(done.version),
        json!(done.job),
    ]
}

/// Carries out a statement. Its faults are told where they are in its text, before any job exists.
pub(super) async fn carry_out(
    state: &Shared,
    caller: &Caller,
    session: &Session,
    statement: ViewStatement,
) -> Result<StatementDone, Fault> {
    caller.may(Role::Write)?;
    match statement {
        ViewStatement::Create(definition) => create(state, caller, session, &definition).await,
        ViewStatement::Drop(view) => drop_view(state, caller, &view).await,
    }
}

async fn create(
    state: &Shared,
    caller: &Caller,
    session: &Session,
    definition: &ViewDefinition,
) -> Result<StatementDone, Fault> {
    let name = &definition.name;
    let there = state.store().load_table(name).await?;
    match there.as_ref().map(|table| table.kind) {
        Some(TableKind::View) if definition.if_not_exists => {
            return Ok(done("CREATE VIEW", "unchanged", name, there.as_ref(), None));
        }
        Some(TableKind::View) if definition.or_replace => {}
        Some(kind) => return Err(conflict(view_taken(name, Some(kind)))),
        None => {}
    }
    session.define_view(definition).await?;
    let columns: Vec<&str> = definition.columns.iter().map(|column| column.name.as_str()).collect();
    let params = json!({
        "table": name,
        "query": definition.query.trim(),
        "columns": columns,
        "group": definition.group.as_ref().map(|column| &column.name),
        "time": definition.time.as_ref().map(|column| &column.name),
        "comment": definition.comment,
        "or_replace": definition.or_replace,
        "if_not_exists": definition.if_not_exists,
    });
    let record = run(state, caller, Submit::new("view", params)).await?;
    let result = state.controller().result(&record).await?;
    let mode = result.as_ref().and_then(|result| result.get("mode")?.as_str());
    let there = state.store().load_table(name).await?;
    let outcome = mode.unwrap_or("created");
    Ok(done("CREATE VIEW", outcome, name, there.as_ref(), Some(&record)))
}

async fn drop_view(state: &Shared, caller: &Caller, view: &ViewDrop) -> Result<StatementDone, Fault> {
    let name = &view.name;
    match state.store().load_table(name).await? {
        None if view.if_exists => return Ok(done("DROP VIEW", "unchanged", name, None, None)),
        Some(table) if table.kind != TableKind::View => {
            return Err(conflict(other_kind(name, TableKind::View, table.kind)));
        }
        // A miss is told with a proposal.
        None => drop(find_table(state, &name.to_string()).await?),
        Some(_) => {}
    }
    let params = json!({"table": name, "kind": TableKind::View});
    let record = run(state, caller, Submit::new("drop", params)).await?;
    Ok(done("DROP VIEW", "dropped", name, None, Some(&record)))
}

/// Makes a job and waits for its end. A client that goes away cancels it.
async fn run(state: &Shared, caller: &Caller, submit: Submit) -> Result<JobRecord, Fault> {
    let submitted = make(state, caller, submit, &JobOptions::default()).await?;
    let mut record = load_job(state, submitted.job()).await?;
    let guard = CancelOnDrop::of_submitted(state, submitted, &record);
    while !record.state.is_settled() {
        record = state.controller().settled(record.id, WAIT).await?;
    }
    if let Some(guard) = guard {
        guard.release();
    }
    match record.state {
        JobState::Succeeded => Ok(record),
        _ => Err(why_none(&record)),
    }
}

fn done(
    statement: &str,
    outcome: &str,
    name: &TableName,
    there: Option<&Table>,
    record: Option<&JobRecord>,
) -> StatementDone {
    StatementDone {
        statement: statement.to_owned(),
        outcome: outcome.to_owned(),
        table: name.to_string(),
        version: there.map(|table| table.version.0),
        job: record.map(|record| record.id.to_string()),
    }
}
