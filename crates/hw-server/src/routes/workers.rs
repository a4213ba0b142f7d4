//! Workers.

use axum::extract::State;
use axum::routing::{delete, get, post};
use hw_api::{WorkerDocument, WorkerList};
use hw_job::WorkerId;
use hw_store::{Role, WorkerRecord};

use super::paging::{Page, newest_first, page_of};
use super::{Answer, Route, document, json};
use crate::documents::worker_document;
use crate::problem::{ApiError, Fault};
use crate::request::{QueryPairs, Segments};
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/workers", "list_workers", get(list))
            .about("The workers that take tasks, newest first; those of processes that have ended are left out.")
            .role(Role::Read)
            .query("host", "string", "Only workers on this host.")
            .query("label", "string", "Only workers with this label.")
            .query(
                "draining",
                "boolean",
                "Only workers that take no new tasks, or only the others.",
            )
            .query(
                "all",
                "boolean",
                "Also workers whose process has ended, until somebody clears up after it.",
            )
            .paged()
            .answers(200, "A page of workers.", vec![json::<WorkerList>()]),
        Route::post("/api/v1/workers/{id}/drain", "drain_worker", post(drain))
            .about(
                "Drains a worker: it takes no new tasks and ends those that it has begun. A `headwater worker` process then ends; \
                 the worker of `headwater up` stays, and takes tasks again when that is undone. It hears of it within 2 seconds, and \
                 is given no task from now on. Its id may be cut to any part that only it has.",
            )
            .answers(200, "The worker.", vec![json::<WorkerDocument>()]),
        Route::delete("/api/v1/workers/{id}/drain", "undrain_worker", delete(undrain))
            .about("Lets a worker take tasks again.")
            .answers(200, "The worker.", vec![json::<WorkerDocument>()]),
    ]
}

async fn list(State(state): State<Shared>, query: QueryPairs) -> Answer {
    let mut reader = query.reader(&["host", "label", "draining", "all", "limit", "page"]);
    let page = Page::read(&mut reader);
    let (host, label) = (reader.text("host"), reader.text("label"));
    let draining = reader.text("draining").is_some().then(|| reader.flag("draining"));
    let all = reader.flag("all");
    reader.finish()?;
    let mut items: Vec<(String, WorkerDocument)> = workers(&state)
        .await?
        .into_iter()
        .filter(|(_, worker)| {
            (all || !worker.ended)
                && host.is_none_or(|host| worker.host == host)
                && label.is_none_or(|label| worker.labels.iter().any(|known| known == label))
                && draining.is_none_or(|draining| worker.draining == draining)
        })
        .collect();
    items.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (items, next) = page_of(items, &page, |(key, _)| key.clone());
    let items = items.into_iter().map(|(_, worker)| worker).collect();
    Ok(document(&WorkerList { items, next }))
}

async fn drain(State(state): State<Shared>, query: QueryPairs, Segments(id): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    set_draining(&state, id, true).await
}

async fn undrain(State(state): State<Shared>, query: QueryPairs, Segments(id): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    set_draining(&state, id, false).await
}

async fn set_draining(state: &Shared, id: String, draining: bool) -> Answer {
    let all = workers(state).await?;
    let named = all.into_iter().map(|(_, worker)| worker).filter(|worker| !worker.ended);
    let mut named: Vec<WorkerDocument> = named
        .filter(|worker| worker.id == id || worker.id.contains(&id))
        .collect();
    if let Some(exact) = named.iter().position(|worker| worker.id == id) {
        named = vec![named.swap_remove(exact)];
    }
    match named.as_mut_slice() {
        [worker]
            if state
                .store()
                .drain_worker(&WorkerId(worker.id.clone()), draining)
                .await? =>
        {
            worker.draining = draining;
            Ok(document(worker))
        }
        [] | [_] => Err(ApiError::WorkerNotFound { id }.into()),
        several => {
            let ids: Vec<&str> = several.iter().map(|worker| worker.id.as_str()).collect();
            let message = format!("`{id}` is part of several workers' ids: {}", ids.join(", "));
            let help = "give more of the id";
            Err(ApiError::Moved { message, help }.into())
        }
    }
}

/// All workers, each with its place in the list, newest first.
async fn workers(state: &Shared) -> Result<Vec<(String, WorkerDocument)>, Fault> {
    let sessions = state.store().list_sessions().await?;
    let workers = state.store().list_workers().await?;
    let placed = |worker: WorkerRecord| {
        let process = sessions.iter().find(|record| record.session.id == worker.session);
        let ended = process.is_none_or(|record| state.controller().is_over(record));
        let started = process.map(|record| record.started_at.0).unwrap_or_default();
        let key = newest_first(started, &worker.id.to_string());
        (key, worker_document(worker, process, ended))
    };
    Ok(workers.into_iter().map(placed).collect())
}
