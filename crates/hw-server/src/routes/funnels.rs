//! Funnel queries: run, which is a job, and validate.

use axum::extract::State;
use axum::routing::post;
use http::HeaderMap;
use hw_api::{FunnelRequest, JobDocument, JobLine, ValidateRequest, ValidationDocument};
use hw_controller::Submit;
use hw_store::Role;

use super::jobs::may_reuse;
use super::places::check_funnel;
use super::submit::{JobOptions, WithJobOptions as _, submit};
use super::tables::find_table;
use super::{Answer, Route, document, json, json_lines};
use crate::auth::Caller;
use crate::request::{AnyJson, JsonBody, QueryPairs};
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/funnels/run", "run_funnel", post(run))
            .about("Runs a funnel query: a job of kind `funnel`. An export needs the role `write`.")
            .role(Role::Read)
            .job_options()
            .body(json::<FunnelRequest>())
            .answers(
                200,
                "The job, settled; or its progress and the job as lines.",
                vec![json::<JobDocument>(), json_lines::<JobLine>()],
            )
            .answers(202, "The job, not settled yet.", vec![json::<JobDocument>()]),
        Route::post("/api/v1/funnels/validate", "validate_funnel", post(validate))
            .about("Checks a funnel query without running it, and tells every fault.")
            .role(Role::Read)
            .body(json::<ValidateRequest>())
            .answers(
                200,
                "What was found, faults or none.",
                vec![json::<ValidationDocument>()],
            ),
    ]
}

async fn run(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    AnyJson(params): AnyJson,
) -> Answer {
    let options = JobOptions::read(query.reader(JobOptions::NAMES), &headers)?;
    if params.get("export").is_some_and(|export| !export.is_null()) {
        caller.may(Role::Write)?;
    }
    check_funnel(&params, &caller)?;
    let request = Submit {
        reuse: may_reuse(&state, "funnel", &params),
        ..Submit::new("funnel", params)
    };
    submit(&state, &caller, request, options).await
}

async fn validate(
    State(state): State<Shared>,
    query: QueryPairs,
    JsonBody(request): JsonBody<ValidateRequest>,
) -> Answer {
    query.reader(&[]).finish()?;
    let table = match &request.table {
        Some(name) => Some(find_table(&state, name).await?),
        None => None,
    };
    let top = u64::from(state.config().funnel.top_count);
    Ok(document(&hw_worker::validate_funnel(
        &request.query,
        table.as_ref(),
        top,
    )))
}
