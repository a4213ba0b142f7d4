//! What surrounds every request, whether a route answers it or not.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::held::{Keeper, hold};
use crate::auth::{Transport, check_host, check_origin};
use crate::metrics::{HTTP_REQUESTS, HTTP_RUNNING, HTTP_SECONDS};
use crate::problem::{ApiError, Fault, render};
use crate::state::Shared;

const VERSION_HEADER: HeaderName = HeaderName::from_static("headwater-version");
const REQUEST_HEADER: HeaderName = HeaderName::from_static("headwater-request");

/// Answers a request, whatever happens.
pub(super) async fn surround(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&state);
    let running = Running::begin(&state, &id);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str).to_owned();
    let transport = request.extensions().get::<Transport>().copied();
    let span = tracing::info_span!("request", %id, %method, route);
    let response = match refuse_foreign(&state, transport, &request) {
        Err(error) => Fault::from(error).into_response(),
        Ok(()) => {
            let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
            answered.instrument(span.clone()).await.unwrap_or_else(|_| panicked())
        }
    };
    let response = render(response, &path);
    let status = response.status();
    let took = started.elapsed();
    state.metrics.add(HTTP_REQUESTS, &[&route, status.as_str()], 1.0);
    state.metrics.observe(HTTP_SECONDS, &[&route], took);
    span.in_scope(|| note_answer(status, transport, took));
    // It counts as running until the last byte of its answer, or until its reader is gone.
    finished(hold(response, running), &id)
}

/// Requests of this host's own commands are of interest only when something is wrong.
fn note_answer(status: StatusCode, transport: Option<Transport>, took: Duration) {
    let by = transport.map_or("unknown", Transport::as_str);
    let (status, millis) = (status.as_u16(), took.as_millis());
    match transport {
        _ if status >= 500 => tracing::warn!(status, %millis, by, "request answered"),
        Some(Transport::InProcess | Transport::Unix) => tracing::debug!(status, %millis, by, "request answered"),
        Some(Transport::Tcp { .. }) | None => tracing::info!(status, %millis, by, "request answered"),
    }
}

/// Only requests over the network can come from somewhere else.
fn refuse_foreign(state: &Shared, transport: Option<Transport>, request: &Request) -> Result<(), ApiError> {
    match transport {
        Some(Transport::InProcess | Transport::Unix) => Ok(()),
        Some(Transport::Tcp { .. }) | None => {
            let target = request.uri().authority().map(http::uri::Authority::as_str);
            check_host(request.headers(), target, &state.config().http.hosts)?;
            check_origin(request.headers())
        }
    }
}

fn panicked() -> Response {
    // The hook of the process has written the panic to the log already.
    let message = "a handler panicked".to_owned();
    Fault::from(ApiError::Internal { message }).into_response()
}

fn request_id(state: &Shared) -> String {
    let random = (state.parts().random)();
    random.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A request that is not answered to its end yet.
struct Running {
    state: Shared,
    id: String,
}

impl Running {
    fn begin(state: &Shared, id: &str) -> Self {
        state.metrics.add(HTTP_RUNNING, &[], 1.0);
        Self {
            state: state.clone(),
            id: id.to_owned(),
        }
    }
}

impl Keeper for Running {
    fn broke(&self, error: &axum::Error) {
        self.state.broken.note(&self.id, error);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.state.metrics.add(HTTP_RUNNING, &[], -1.0);
    }
}

fn finished(mut response: Response, id: &str) -> Response {
    let headers = response.headers_mut();
    headers.insert(VERSION_HEADER, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_HEADER, id);
    }
    // Answers are the client's own, and never scripts.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
