//! The one router, and what surrounds every handler.
//!
//! ```text
//! request ─▶ shell: id, log, metrics, panics, Host and Origin ─▶ match ─▶ guard: token, role, load ─▶ handler
//! answer  ◀─ shell: version, id, the problem as JSON ◀─────────────────────────────────────────────── answer
//! ```

mod guard;
mod held;
mod shell;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode};

use crate::auth::Transport;
use crate::problem::{ApiError, Fault};
use crate::routes::{self, Dialect, Route};
use crate::state::Shared;

/// The router for requests that come in over `transport`.
pub(crate) fn router(state: &Shared, transport: Transport) -> Router {
    of_routes(state, transport, routes::served(state.config()))
}

/// The router of the address that is for metrics alone.
pub(crate) fn metrics_router(state: &Shared, transport: Transport) -> Router {
    of_routes(state, transport, routes::of_metrics())
}

fn of_routes(state: &Shared, transport: Transport, routes: Vec<Route>) -> Router {
    let mut router = Router::new();
    for route in routes {
        let guard = guard::Guard {
            state: state.clone(),
            role: route.role,
            load: route.load,
        };
        let mut handler = route.handler.route_layer(from_fn_with_state(guard, guard::pass));
        if route.dialect == Dialect::FunnelRocket {
            handler = handler.route_layer(from_fn_with_state(state.clone(), routes::rocket::speak));
        }
        router = router.route(route.path, handler);
    }
    router
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), shell::surround))
        .layer(from_fn(
            move |mut request: Request, next: axum::middleware::Next| async move {
                request.extensions_mut().insert(transport);
                next.run(request).await
            },
        ))
        .with_state(state.clone())
}

async fn no_route(State(state): State<Shared>, OriginalUri(uri): OriginalUri) -> Response {
    let path = uri.path();
    let proposal = propose(path, &routes::served(state.config()));
    let error = ApiError::NoRoute {
        path: path.to_owned(),
        proposal,
    };
    refused(&state, path, error).await
}

/// The refusal of a request that no route takes, in the words of those who will have sent it.
async fn refused(state: &Shared, path: &str, error: ApiError) -> Response {
    let response = Fault::from(error).into_response();
    match routes::rocket::is_of_funnel_rocket(state, path) {
        true => routes::rocket::spoken(state, response).await,
        false => response,
    }
}

/// `OPTIONS` is answered by the header `Allow` alone, and never says that other sites may use the route.
async fn wrong_method(State(state): State<Shared>, method: Method, OriginalUri(uri): OriginalUri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let error = ApiError::WrongMethod {
        method: method.to_string(),
        path: uri.path().to_owned(),
    };
    refused(&state, uri.path(), error).await
}

/// The route that was probably meant: segment by segment the same or near, with or without the API's prefix. Parameters stand
/// for what the path has there.
fn propose(path: &str, routes: &[Route]) -> Option<String> {
    let trimmed = path.trim_end_matches('/');
    let prefixed = format!("{}{trimmed}", hw_api::API_PREFIX);
    let candidates = [trimmed, &prefixed].into_iter().flat_map(|path| {
        let segments: Vec<&str> = path.split('/').collect();
        routes
            .iter()
            .filter_map(|route| fill(route.path, &segments))
            .collect::<Vec<_>>()
    });
    let best = candidates.max_by_key(|(same, _)| *same)?;
    Some(best.1)
}

/// The path with the route's words in it and how many of them were right, or `None` where one is not even near.
fn fill(template: &str, segments: &[&str]) -> Option<(usize, String)> {
    let parts: Vec<&str> = template.split('/').collect();
    if parts.len() != segments.len() {
        return None;
    }
    let mut same = 0;
    let mut filled = Vec::new();
    for (part, segment) in parts.into_iter().zip(segments) {
        let is_parameter = part.starts_with('{') && !segment.is_empty();
        same += usize::from(part == *segment);
        match (
            is_parameter,
            part == *segment || hw_catalog::closest(segment, [part]).is_some(),
        ) {
            (true, _) => filled.push(*segment),
            (false, true) => filled.push(part),
            (false, false) => return None,
        }
    }
    Some((same, filled.join("/")))
}
