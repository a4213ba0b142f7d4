//! Datasets: register, unregister, list, schema, parts.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use hw_api::{
    Problem, RocketDatasetInfo, RocketFailure, RocketParts, RocketProgress, RocketRegisterRequest, RocketUnregistered,
};
use hw_catalog::{Finding, Table, TableName};
use hw_controller::{Submit, SubmitFault};
use hw_job::JobState;
use hw_store::{Role, TableUse};
use hw_worker::{full_schema, info, parts_info, short_schema};
use serde_json::{Value, json};

use super::name::{find_dataset, is_dataset, look_for};
use super::{admin_actions, answer, document_without_nulls, is_true, wait};
use crate::auth::Caller;
use crate::problem::Fault;
use crate::request::{AnyJson, QueryPairs, Segments};
use crate::routes::places::check_register;
use crate::routes::{Answer, Route, any, document, json as json_form};
use crate::state::Shared;

/// The names of the two columns that a dataset of Funnel Rocket's must have, as its clients give them.
const COLUMNS: [(&str, [&str; 3]); 2] = [
    ("groupIdColumn", ["groupIdColumn", "group_id_column", "group"]),
    ("timestampColumn", ["timestampColumn", "timestamp_column", "time"]),
];

/// Our names of members, and those that Funnel Rocket's clients give them; the first is told where none is given.
const WORDS: [(&str, [&str; 2]); 5] = [
    ("path", ["basepath", "basepath"]),
    ("group", ["groupIdColumn", "group_id_column"]),
    ("time", ["timestampColumn", "timestamp_column"]),
    ("validation", ["validationMode", "validation_mode"]),
    ("validate_uniques", ["validateUniques", "validate_uniques"]),
];

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/datasets/register", "rocket_register", post(register))
            .about("Registers a dataset and answers when that is done, as Funnel Rocket does.")
            .role(Role::Admin)
            .query("stream", "boolean", "Lines of progress before the answer.")
            .body(json_form::<RocketRegisterRequest>())
            .answers(
                200,
                "The answer; or lines of progress, and the answer as the last one.",
                vec![json_form::<RocketProgress>()],
            ),
        Route::post("/datasets/{name}/unregister", "rocket_unregister", post(unregister))
            .about("Takes a dataset out of the catalog, its files stay.")
            .role(Role::Admin)
            .query("force", "boolean", "Also if it was used a moment ago.")
            .answers(
                200,
                "It is not there any more, or never was.",
                vec![json_form::<RocketUnregistered>()],
            )
            .answers(
                409,
                "It was used a moment ago.",
                vec![json_form::<RocketUnregistered>()],
            ),
        Route::get("/datasets", "rocket_list", get(list))
            .about("All datasets, newest first.")
            .role(Role::Read)
            .answers(
                200,
                "A list of datasets; this is the form of each.",
                vec![json_form::<RocketDatasetInfo>()],
            ),
        Route::get("/datasets/{name}/schema", "rocket_schema", get(schema))
            .about("The schema of a dataset.")
            .role(Role::Read)
            .query("full", "boolean", "With all that is known of each column.")
            .answers(200, "The schema.", vec![any("application/json")]),
        Route::get("/datasets/{name}/parts", "rocket_parts", get(parts))
            .about("The files of a dataset.")
            .role(Role::Admin)
            .answers(200, "The files.", vec![json_form::<RocketParts>()]),
    ]
}

async fn register(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    AnyJson(mut params): AnyJson,
) -> Answer {
    admin_actions(&state)?;
    check_register(&params, &caller)?;
    let missing = missing_columns(&params);
    whole_name(&mut params);
    let submit = Submit::new("register", params.clone());
    let answer = if missing.is_empty() {
        wait::answer_with_job(&state, &caller, &headers, submit, is_true(&query, "stream")).await
    } else {
        Err(with_further_faults(&state, missing, &submit).await)
    };
    answer.map_err(|fault| in_their_words(fault, &params))
}

/// The same faults with the members named as the client names them, and each at the member that it is about.
fn in_their_words(fault: Fault, params: &Value) -> Fault {
    let mut problem = fault.into_problem();
    for error in problem
        .errors
        .iter_mut()
        .filter(|error| error.code.starts_with("HW-T02"))
    {
        for (ours, theirs) in WORDS {
            let [default, _] = theirs;
            let told = theirs.iter().find(|name| params.get(**name).is_some());
            let told = told.copied().unwrap_or(default);
            if params.get(ours).is_none() {
                error.message = error.message.replace(&format!("`{ours}`"), &format!("`{told}`"));
            }
        }
        let missing = error
            .message
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix("` is missing"));
        if let Some(name) = missing {
            error.pointer = Some(format!("/{name}"));
        }
    }
    if let [only] = problem.errors.as_slice() {
        problem.detail.clone_from(&only.message);
    }
    problem.into()
}

/// The columns that are not given at all. One without the other is a fault of the registration itself.
fn missing_columns(params: &Value) -> Vec<Finding> {
    let is_given = |names: &[&str]| {
        names
            .iter()
            .any(|name| params.get(name).is_some_and(|value| !value.is_null()))
    };
    if !params.is_object() || COLUMNS.iter().any(|(_, names)| is_given(names)) {
        return Vec::new();
    }
    let missing = |(name, _): &(&str, _)| {
        Finding::new("HW-T023", format!("`{name}` is missing"))
            .at("")
            .help("give the name of a column; `headwater table register` makes tables without, too")
    };
    COLUMNS.iter().map(missing).collect()
}

/// Everything that is wrong, in one answer.
async fn with_further_faults(state: &Shared, mut findings: Vec<Finding>, submit: &Submit) -> Fault {
    if let Err(SubmitFault::Faults(more)) = state.controller().check(submit).await {
        findings.extend(more);
    }
    SubmitFault::Faults(findings).into()
}

/// Takes the name as it stands: a dot in it parts nothing.
fn whole_name(params: &mut Value) {
    let name = params.get("name").and_then(Value::as_str);
    let whole = name.and_then(|name| TableName::in_main(name).ok());
    if let (Some(whole), Some(members)) = (whole, params.as_object_mut()) {
        members.insert("name".to_owned(), whole.to_string().into());
    }
}

async fn unregister(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    Segments(name): Segments<String>,
) -> Answer {
    admin_actions(&state)?;
    let Some(table) = look_for(&state, &name).await? else {
        return Ok(document(&unregistered(false, None)));
    };
    let used = last_used(&state.store().table_use(&table.name).await?);
    let params = json!({"table": table.name, "force": is_true(&query, "force")});
    let submit = Submit::new("drop", params);
    match wait::ended_job(&state, &caller, &headers, submit).await {
        Ok(record) if record.state == JobState::Succeeded => Ok(document(&unregistered(true, used))),
        Ok(record) => Ok(answer::of_job(&state, &record).await),
        Err(fault) => match fault.into_problem() {
            problem if problem.status == 404 => Ok(document(&unregistered(false, None))),
            problem if problem.status == 409 => Ok(still_there(&state, &problem, used)),
            problem => Err(problem.into()),
        },
    }
}

/// The use in whole seconds since 1970.
fn last_used(used: &TableUse) -> Option<i64> {
    used.at.map(|at| at.0.div_euclid(1_000_000))
}

fn unregistered(found: bool, used: Option<i64>) -> RocketUnregistered {
    RocketUnregistered {
        success: true,
        error_message: None,
        error_kind: None,
        errors: Vec::new(),
        dataset_found: found,
        dataset_last_used: used,
    }
}

fn still_there(state: &Shared, problem: &Problem, used: Option<i64>) -> Response {
    let compat = &state.config().compat;
    let RocketFailure {
        error_message,
        error_kind,
        errors,
        ..
    } = answer::failure(problem, compat);
    let body = RocketUnregistered {
        success: false,
        error_message: Some(error_message),
        error_kind: Some(error_kind),
        errors,
        ..unregistered(true, used)
    };
    let status = match compat.funnel_rocket_status {
        true => StatusCode::INTERNAL_SERVER_ERROR,
        false => StatusCode::CONFLICT,
    };
    (status, document(&body)).into_response()
}

async fn list(State(state): State<Shared>) -> Answer {
    let mut tables: Vec<Table> = state.store().list_tables().await?;
    tables.retain(is_dataset);
    tables.sort_by(|one, other| {
        let newest_first = other.registered_at.cmp(&one.registered_at);
        newest_first.then_with(|| one.name.cmp(&other.name))
    });
    Ok(document(&tables.iter().filter_map(info).collect::<Vec<_>>()))
}

async fn schema(State(state): State<Shared>, query: QueryPairs, Segments(name): Segments<String>) -> Answer {
    let table = find_dataset(&state, &name).await?;
    Ok(document_without_nulls(match is_true(&query, "full") {
        true => full_schema(&table),
        false => short_schema(&table),
    }))
}

async fn parts(State(state): State<Shared>, Segments(name): Segments<String>) -> Answer {
    admin_actions(&state)?;
    let table = find_dataset(&state, &name).await?;
    let parts = state.store().load_parts(&table.name, table.version).await?;
    Ok(document(&parts_info(&parts)))
}
