//! Workers.

use axum::extract::State;
use axum::routing::get;
use hw_api::WorkerList;
use hw_store::Role;

use super::paging::Page;
use super::{Answer, Route, document, json};
use crate::documents::worker_document;
use crate::request::QueryPairs;
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/workers", "list_workers", get(list))
            .about("The workers that take tasks, by id.")
            .role(Role::Read)
            .answers(200, "The workers.", vec![json::<WorkerList>()]),
    ]
}

async fn list(State(state): State<Shared>, query: QueryPairs) -> Answer {
    // There are few: one page holds them all, however long it was to be.
    let mut reader = query.reader(&["limit", "page"]);
    Page::read(&mut reader);
    reader.finish()?;
    let workers = state.store().list_workers().await?;
    let sessions = state.store().list_sessions().await?;
    let items = workers
        .into_iter()
        .map(|worker| worker_document(worker, &sessions))
        .collect();
    Ok(document(&WorkerList { items }))
}
