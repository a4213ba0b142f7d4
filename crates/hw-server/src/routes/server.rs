//! The server itself: its facts and its OpenAPI document.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use hw_api::ServerDocument;
use hw_store::Role;

use super::{Answer, Route, any, document, json};
use crate::request::QueryPairs;
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/server", "show_server", get(show))
            .about("Version, addresses, data folder and store of the server.")
            .role(Role::Read)
            .answers(200, "The facts.", vec![json::<ServerDocument>()]),
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

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], crate::openapi::openapi_text()).into_response()
}
