//! Queries: run, run the empty one, validate.

use axum::extract::State;
use axum::routing::{get, post};
use http::HeaderMap;
use hw_api::RocketProgress;
use hw_controller::Submit;
use hw_store::Role;
use serde_json::{Value, json};

use super::name::{find_dataset, quoted};
use super::{is_true, wait};
use crate::auth::Caller;
use crate::request::{AnyJson, QueryPairs, Segments};
use crate::routes::jobs::{check_tags, may_reuse};
use crate::routes::{Answer, Route, any, document, json as json_form};
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    let query = Route::post("/datasets/{name}/query", "rocket_query", post(query))
        .about("Runs a funnel query and answers when it is done, as Funnel Rocket does.")
        .body(any("application/json"));
    let empty = Route::get("/datasets/{name}/empty-query", "rocket_empty_query", get(empty_query))
        .about("Runs the empty query: counts all groups and rows.");
    let runs = [query, empty].map(|route| {
        route
            .role(Role::Read)
            .query("stream", "boolean", "Lines of progress before the answer.")
            .query("cache", "boolean", "`false`: not from a finished identical query.")
            .query("tag", "string", "A label of the run; may be repeated.")
            .answers(
                200,
                "The result document; or lines of progress, and the result document as the last one.",
                vec![json_form::<RocketProgress>()],
            )
    });
    let validate = Route::post("/datasets/{name}/validate", "rocket_validate", post(validate))
        .about("Checks a funnel query without running it, and tells every fault.")
        .role(Role::Read)
        .body(any("application/json"))
        .answers(200, "What was found, faults or none.", vec![any("application/json")]);
    runs.into_iter().chain([validate]).collect()
}

async fn query(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    Segments(name): Segments<String>,
    AnyJson(asked): AnyJson,
) -> Answer {
    run(&state, &caller, &query, &headers, &name, asked).await
}

async fn empty_query(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    Segments(name): Segments<String>,
) -> Answer {
    run(&state, &caller, &query, &headers, &name, json!({})).await
}

async fn run(
    state: &Shared,
    caller: &Caller,
    query: &QueryPairs,
    headers: &HeaderMap,
    name: &str,
    asked: Value,
) -> Answer {
    let table = find_dataset(state, name).await?;
    let fresh = query
        .reader(&[])
        .text("cache")
        .is_some_and(|text| text.eq_ignore_ascii_case("false"));
    let tags: Vec<String> = query.reader(&[]).texts("tag").into_iter().map(str::to_owned).collect();
    check_tags(&tags)?;
    let params = json!({"table": quoted(&table.name), "query": asked, "cache": !fresh});
    let submit = Submit {
        tags,
        reuse: may_reuse(state, "funnel", &params),
        ..Submit::new("funnel", params)
    };
    wait::answer_with_job(state, caller, headers, submit, is_true(query, "stream")).await
}

async fn validate(State(state): State<Shared>, Segments(name): Segments<String>, AnyJson(asked): AnyJson) -> Answer {
    let table = find_dataset(&state, &name).await?;
    let top = u64::from(state.config().funnel.top_count);
    Ok(document(&hw_worker::validate_funnel(&asked, Some(&table), top)))
}
