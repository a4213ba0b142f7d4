//! The self-check.

use axum::extract::State;
use axum::routing::get;
use hw_api::DoctorDocument;

use super::{Answer, Route, document, json};
use crate::doctor::examine;
use crate::request::QueryPairs;
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/doctor", "check_server", get(show))
            .about("Looks at store, disk, memory, clocks and access, with a remedy for whatever is not well.")
            .answers(200, "Every check.", vec![json::<DoctorDocument>()]),
    ]
}

async fn show(State(state): State<Shared>, query: QueryPairs) -> Answer {
    query.reader(&[]).finish()?;
    Ok(document(&DoctorDocument {
        checks: examine(&state).await,
    }))
}
