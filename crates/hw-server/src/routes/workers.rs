//! Workers.

use axum::extract::State;
use axum::routing::get;
use hw_api::{WorkerDocument, WorkerList};
use hw_store::Role;

use super::paging::{Page, newest_first, page_of};
use super::{Answer, Route, document, json};
use crate::documents::worker_document;
use crate::request::QueryPairs;
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
    ]
}

async fn list(State(state): State<Shared>, query: QueryPairs) -> Answer {
    let mut reader = query.reader(&["host", "label", "draining", "all", "limit", "page"]);
    let page = Page::read(&mut reader);
    let (host, label) = (reader.text("host"), reader.text("label"));
    let draining = reader.text("draining").is_some().then(|| reader.flag("draining"));
    let all = reader.flag("all");
    reader.finish()?;
    let sessions = state.store().list_sessions().await?;
    let workers = state.store().list_workers().await?;
    let mut items: Vec<(String, WorkerDocument)> = workers
        .into_iter()
        .map(|worker| {
            let process = sessions.iter().find(|record| record.session.id == worker.session);
            let ended = process.is_none_or(|record| state.controller().is_over(record));
            let started = process.map(|record| record.started_at.0).unwrap_or_default();
            let key = newest_first(started, &worker.id.to_string());
            (key, worker_document(worker, process, ended))
        })
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
