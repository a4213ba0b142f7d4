//! Funnel queries: run, which is a job, validate and explain.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use http::HeaderMap;
use hw_api::{
    FunnelExplainDocument, FunnelExplainRequest, FunnelRequest, JobDocument, JobLine, ValidateRequest,
    ValidationDocument,
};
use hw_controller::{Submit, SubmitFault};
use hw_query::{QueryError, SessionInput};
use hw_store::Role;
use hw_worker::{FunnelAsker, QuestionFault};
use serde::Deserialize as _;
use serde_json::json as value;

use super::jobs::may_reuse;
use super::places::check_funnel;
use super::submit::{JobOptions, WithJobOptions as _, submit};
use super::tables::find_table;
use super::{Answer, Route, document, json, json_lines};
use crate::app::funnel_kind;
use crate::auth::Caller;
use crate::problem::{ApiError, Fault, of_failure};
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
        Route::post("/api/v1/funnels/explain", "explain_funnel", post(explain))
            .about("Tells how a funnel query is carried out; with `analyze` it is, and its answer is thrown away.")
            .role(Role::Read)
            .body(json::<FunnelExplainRequest>())
            .answers(
                200,
                "What is read and why, and the way taken.",
                vec![json::<FunnelExplainDocument>()],
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

async fn explain(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    JsonBody(request): JsonBody<FunnelExplainRequest>,
) -> Answer {
    query.reader(&[]).finish()?;
    let params = value!({
        "table": request.table, "query": request.query, "group": request.group, "time": request.time,
    });
    check_funnel(&params, &caller)?;
    let parts = state.parts();
    let asker = FunnelAsker {
        tables: parts.tables.as_ref(),
        stores: &parts.stores,
        access: &caller.access,
        folder: caller.folder.as_deref(),
    };
    let kind = funnel_kind(&state.config().funnel);
    let question = match kind.question(&params, &asker).await {
        Ok(question) => question,
        Err(fault) => return Err(refused(&state, fault).await),
    };
    // As a job would read it: the parts of a table were permitted to whoever registered it, the files of a view are not.
    let session = parts.engine.session(SessionInput {
        tables: Arc::clone(&parts.tables),
        access: caller.access.clone(),
        folder: None,
    });
    let explained = session.explain_funnel(question.scan, request.analyze).await?;
    let explained = FunnelExplainDocument::deserialize(&explained);
    let mut explained = explained.map_err(|error| QueryError::Internal {
        message: error.to_string(),
    })?;
    explained.tasks = question.tasks as u64;
    Ok(document(&explained))
}

async fn refused(state: &Shared, fault: QuestionFault) -> Fault {
    match fault {
        QuestionFault::Faults(findings) => SubmitFault::Faults(findings).into(),
        QuestionFault::NoTable(name) => match find_table(state, &name.to_string()).await {
            Err(fault) => fault,
            // It was made in this moment.
            Ok(_) => ApiError::TableNotFound {
                name: name.to_string(),
                proposal: None,
            }
            .into(),
        },
        QuestionFault::Catalog(fault) => QueryError::Catalog(fault).into(),
        QuestionFault::Files(failure) => of_failure(&failure).into(),
    }
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
