//! Health for orchestrators, metrics for Prometheus.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use hw_api::HealthDocument;
use hw_store::Role;
use tokio::time::timeout;

use super::{Answer, Load, Route, any, document, json};
use crate::config::show_size;
use crate::host::resident_bytes;
use crate::metrics::{
    BUILD_INFO, HTTP_FOLLOWERS, MEMORY_LIMIT, MEMORY_RESERVED, Metrics, PARTS_GIVEN_UP, PARTS_HELD, PARTS_HELD_BYTES,
    PARTS_HELD_LIMIT, PARTS_USED, QUEUE_LENGTH, REMOTE_BYTES, REMOTE_GIVEN_UP, REMOTE_GIVEN_UP_BYTES,
    REMOTE_KEPT_BYTES, REMOTE_KEPT_LIMIT, REMOTE_READS, RESIDENT, SPILL_LIMIT, SPILLED,
};
use crate::state::{Shared, State as Server};

/// A store that takes longer for a sign of life is not ready.
const STORE_ANSWER_MAX: Duration = Duration::from_secs(2);

/// Free space below which nothing new should be begun.
const FREE_BYTES_MIN: u64 = 64 << 20;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/health/live", "is_live", get(live))
            .about("Whether the process answers.")
            .open()
            .load(Load::Free)
            .answers(200, "It does.", vec![json::<HealthDocument>()]),
        Route::get("/health/ready", "is_ready", get(ready))
            .about("Whether the server can do its work.")
            .open()
            .load(Load::Free)
            .answers(200, "It can.", vec![json::<HealthDocument>()])
            .answers(503, "It cannot, for these reasons.", vec![json::<HealthDocument>()]),
        Route::get("/metrics", "show_metrics", get(metrics))
            .about("Metrics in Prometheus' text form.")
            .role(Role::Read)
            .load(Load::Free)
            .answers(
                200,
                "The metrics.",
                vec![any("text/plain; version=0.0.4; charset=utf-8")],
            ),
    ]
}

async fn live() -> Response {
    document(&HealthDocument {
        ok: true,
        reasons: Vec::new(),
    })
}

async fn ready(State(state): State<Shared>) -> Response {
    let reasons = reasons_against(&state).await;
    let status = match reasons.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let health = HealthDocument {
        ok: reasons.is_empty(),
        reasons,
    };
    (status, document(&health)).into_response()
}

async fn reasons_against(state: &Server) -> Vec<String> {
    let mut reasons = Vec::new();
    match timeout(STORE_ANSWER_MAX, state.store().check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => reasons.push(error.to_string()),
        Err(_) => reasons.push(format!(
            "the store did not answer within {} s",
            STORE_ANSWER_MAX.as_secs()
        )),
    }
    let free = fs4::available_space(state.parts().folder.path()).unwrap_or(u64::MAX);
    if free < FREE_BYTES_MIN {
        reasons.push(format!(
            "only {} are free on the disk of the data folder",
            show_size(free)
        ));
    }
    reasons.extend(
        state
            .ended_vitals()
            .into_iter()
            .map(|name| format!("the {name} has ended")),
    );
    if state.stop().is_cancelled() {
        reasons.push("the server is stopping".to_owned());
    }
    reasons
}

async fn metrics(State(state): State<Shared>) -> Answer {
    if !state.config().metrics.export {
        let error = crate::problem::ApiError::NoRoute {
            path: "/metrics".to_owned(),
            proposal: None,
        };
        return Err(error.into());
    }
    read_gauges(&state).await;
    let text = state.metrics.render();
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floating")]
fn set_remote(metrics: &Metrics, used: &hw_files::CacheUse) {
    metrics.set(REMOTE_KEPT_BYTES, &[], used.bytes as f64);
    metrics.set(REMOTE_KEPT_LIMIT, &[], used.limit as f64);
    metrics.set(REMOTE_READS, &["hit"], used.hits as f64);
    metrics.set(REMOTE_READS, &["miss"], used.misses as f64);
    metrics.set(REMOTE_BYTES, &["disk"], used.hit_bytes as f64);
    metrics.set(REMOTE_BYTES, &["store"], used.downloaded_bytes as f64);
    metrics.set(REMOTE_GIVEN_UP, &[], used.evicted as f64);
    metrics.set(REMOTE_GIVEN_UP_BYTES, &[], used.evicted_bytes as f64);
}

/// What is only looked at when somebody asks.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' numbers are floating")]
async fn read_gauges(state: &Server) {
    let metrics = &state.metrics;
    metrics.set(BUILD_INFO, &[env!("CARGO_PKG_VERSION"), state.store().backend()], 1.0);
    let memory = state.parts().engine.memory();
    metrics.set(MEMORY_RESERVED, &[], memory.reserved as f64);
    metrics.set(MEMORY_LIMIT, &[], memory.limit as f64);
    metrics.set(SPILLED, &[], memory.spilled as f64);
    metrics.set(SPILL_LIMIT, &[], memory.spill_limit as f64);
    set_remote(metrics, &state.parts().engine.part_cache().used());
    let held = state.parts().engine.hot();
    metrics.set(PARTS_HELD_BYTES, &[], held.bytes as f64);
    metrics.set(PARTS_HELD_LIMIT, &[], held.limit as f64);
    metrics.set(PARTS_HELD, &[], held.parts as f64);
    metrics.set(PARTS_USED, &["memory"], held.hits as f64);
    metrics.set(PARTS_USED, &["file"], held.misses as f64);
    metrics.set(PARTS_GIVEN_UP, &[], held.evictions as f64);
    let followers = state
        .config()
        .http
        .followers_max
        .saturating_sub(state.followers.available_permits());
    metrics.set(HTTP_FOLLOWERS, &[], followers as f64);
    if let Ok(queued) = state.store().queue_length(None).await {
        metrics.set(QUEUE_LENGTH, &[], queued as f64);
    }
    if let Some(resident) = resident_bytes() {
        metrics.set(RESIDENT, &[], resident as f64);
    }
}
