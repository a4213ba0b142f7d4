//! The settings in force, and backups of the store.

use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::routing::{get, post};
use hw_api::{BackupRequest, CheckedConfig};
use hw_files::Location;
use serde_json::json;

use super::{Answer, Route, any, document, json as json_form};
use crate::auth::Caller;
use crate::problem::{ApiError, Fault};
use crate::request::{JsonBody, QueryPairs};
use crate::state::Shared;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/config", "show_config", get(show))
            .about("Every setting with its value and where it came from; secrets show as `***`.")
            .answers(200, "The settings.", vec![json_form::<CheckedConfig>()]),
        Route::post("/api/v1/config/backup", "back_up_store", post(back_up))
            .about("Writes a consistent copy of the store to a file of the server while it runs.")
            .body(json_form::<BackupRequest>())
            .answers(
                200,
                "Where the copy is and how large it is.",
                vec![any("application/json")],
            ),
    ]
}

async fn show(State(state): State<Shared>, query: QueryPairs) -> Answer {
    query.reader(&[]).finish()?;
    Ok(document(&state.parts().config.show()))
}

async fn back_up(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    JsonBody(request): JsonBody<BackupRequest>,
) -> Answer {
    query.reader(&[]).finish()?;
    let target = target(&request.path, &caller)?;
    state.store().backup(&target).await?;
    let bytes = std::fs::metadata(&target).map(|facts| facts.len()).unwrap_or_default();
    Ok(document(&json!({"path": target.display().to_string(), "bytes": bytes})))
}

fn target(text: &str, caller: &Caller) -> Result<PathBuf, Fault> {
    let refused = |reason: &str| {
        Fault::from(ApiError::BackupTarget {
            path: text.to_owned(),
            reason: reason.to_owned(),
        })
    };
    let location = Location::parse(text, caller.folder.as_deref())?;
    caller.access.permits(&location)?;
    let path = location
        .local_path()
        .ok_or_else(|| refused("backups are written to local files"))?;
    if path.exists() {
        return Err(refused("it is there already"));
    }
    match path.parent().is_some_and(Path::is_dir) {
        true => Ok(path),
        false => Err(refused("its folder does not exist")),
    }
}
