//! Bodies: JSON within the limit.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::members;
use crate::problem::{ApiError, Fault};
use crate::state::Shared;

/// A body of a known form. Unknown, missing and misfit members are all told at once.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// The same where the body may be empty.
pub(crate) struct MaybeBody<T>(pub(crate) Option<T>);

/// A body of any form, for parameters that somebody else checks.
pub(crate) struct AnyJson(pub(crate) Value);

impl<T: DeserializeOwned + ToSchema> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Fault> {
        let AnyJson(value) = AnyJson::from_request(request, state).await?;
        read_json(value).map(Self)
    }
}

impl<T: DeserializeOwned + ToSchema> FromRequest<Shared> for MaybeBody<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Fault> {
        let media_type = media_type_fault(&request);
        let bytes = read(request, state.config().http.body_limit.0).await?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(None));
        }
        media_type.map_or(Ok(()), Err)?;
        read_json(parse(&bytes)?).map(|body| Self(Some(body)))
    }
}

impl FromRequest<Shared> for AnyJson {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &Shared) -> Result<Self, Fault> {
        media_type_fault(&request).map_or(Ok(()), Err)?;
        let bytes = read(request, state.config().http.body_limit.0).await?;
        parse(&bytes).map(Self)
    }
}

/// A document as the type that it must have.
///
/// # Errors
/// HW-A002 with every unknown, missing and misfit member.
fn read_json<T: DeserializeOwned + ToSchema>(value: Value) -> Result<T, Fault> {
    let findings = members::check::<T>(&value);
    if !findings.is_empty() {
        return Err(ApiError::Members { findings }.into());
    }
    serde_json::from_value(value).map_err(|error| {
        let finding = hw_catalog::Finding::new("HW-A002", error.to_string()).at("");
        ApiError::Members {
            findings: vec![finding],
        }
        .into()
    })
}

fn parse(bytes: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        ApiError::NotJson {
            message,
            line: count(error.line().max(1)),
            column: count(error.column().max(1)),
        }
        .into()
    })
}

/// A body without a media type counts as JSON; one with another is refused, so that a form of a foreign page never passes.
fn media_type_fault(request: &Request) -> Option<Fault> {
    let header = request.headers().get(CONTENT_TYPE)?;
    let text = header.to_str().unwrap_or("(unreadable)");
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let fault = || ApiError::WrongMediaType { found: text.to_owned() };
    (!is_json).then(|| fault().into())
}

async fn read(request: Request, limit: u64) -> Result<Bytes, Fault> {
    let too_large = || Fault::from(ApiError::BodyTooLarge { limit });
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if announced
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|length| length > limit)
    {
        return Err(too_large());
    }
    let body: Body = request.into_body();
    let limited = Limited::new(body, usize::try_from(limit).unwrap_or(usize::MAX));
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(too_large()),
        Err(error) => Err(ApiError::NotJson {
            message: format!("it broke off: {error}"),
            line: 1,
            column: 1,
        }
        .into()),
    }
}
