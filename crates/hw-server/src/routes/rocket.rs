//! Funnel Rocket's routes, so that its clients work unchanged: its paths and its documents over the same jobs, tables and
//! checks as those of `/api/v1`.
//!
//! ```text
//! request ─▶ name, body ─▶ a job as any other (submit) ─▶ its end ─▶ result document, or failure in its form
//!                                                     └─▶ lines of progress, then the same
//! ```
//!
//! What such a client sends and does not mean anything here is ignored, as Funnel Rocket does: unknown query arguments, and
//! flags that are not `true`. The routes of runs are ours, so there every fault is told.

mod answer;
mod datasets;
mod name;
mod pretty;
mod progress;
mod queries;
mod run;
mod runs;
mod wait;

use axum::response::Response;
use serde_json::Value;

use super::{Route, document};
use crate::problem::{ApiError, Fault};
use crate::request::QueryPairs;
use crate::state::State as Server;

pub(crate) use answer::{is_of_funnel_rocket, speak, spoken};

pub(super) fn routes() -> Vec<Route> {
    [datasets::routes(), queries::routes(), runs::routes()]
        .into_iter()
        .flatten()
        .map(Route::of_funnel_rocket)
        .collect()
}

/// A flag as Funnel Rocket reads it: `true` in any case, everything else is false.
fn is_true(query: &QueryPairs, name: &str) -> bool {
    query
        .reader(&[])
        .text(name)
        .is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// Refuses what the settings leave to others.
fn admin_actions(state: &Server) -> Result<(), Fault> {
    match state.config().compat.admin_actions {
        true => Ok(()),
        false => Err(ApiError::NotSupported.into()),
    }
}

/// A document without its nulls.
fn document_without_nulls(mut value: Value) -> Response {
    drop_nulls(&mut value);
    document(&value)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
