//! Segments of the path, percent-decoded.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use hw_catalog::Finding;
use serde::de::DeserializeOwned;

use crate::problem::{ApiError, Fault};
use crate::state::Shared;

/// The segments that the route names.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Shared> for Segments<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &Shared) -> Result<Self, Fault> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(rejection) => Err(refused(&rejection)),
        }
    }
}

fn refused(rejection: &PathRejection) -> Fault {
    let message = format!("the path cannot be read: {}", rejection.body_text());
    let finding = Finding::new("HW-A003", message).help("write names percent-encoded in UTF-8");
    ApiError::Parameters {
        findings: vec![finding],
    }
    .into()
}
