//! The server itself: its facts and its OpenAPI document.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use hw_api::{Problem, ServerDocument};
use hw_store::Role;

use super::{Answer, Route, any, document, json};
use crate::problem::ApiError;
use crate::request::{QueryPairs, Segments};
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/server", "show_server", get(show))
            .about("Version, addresses, data folder and store of the server.")
            .role(Role::Read)
            .answers(200, "The facts.", vec![json::<ServerDocument>()]),
        Route::get("/api/v1/requests/{id}/fault", "show_request_fault", get(fault))
            .about(
                "Why an answer broke off after its first bytes (rows of SQL, say). `id` is what the header `headwater-request` of the \
                 answer said; the newest 256 are known, until the server ends.",
            )
            .role(Role::Read)
            .answers(200, "The problem.", vec![json::<Problem>()]),
        Route::get("/api/v1/openapi.json", "show_openapi", get(openapi))
            .about("This document.")
            .role(Role::Read)
            .answers(200, "OpenAPI 3.1.", vec![any("application/json")]),
    ]
}

async fn show(State(state): State<Shared>, query: QueryPairs) -> Answer {
    query.reader(&[]).finish()?;
    Ok(document(&state.facts()))
}

async fn fault(State(state): State<Shared>, query: QueryPairs, Segments(request): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    match state.broken.find(&request) {
        Some(problem) => Ok(document(&problem)),
        None => Err(ApiError::NotBroken { request }.into()),
    }
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], crate::openapi::openapi_text()).into_response()
}
