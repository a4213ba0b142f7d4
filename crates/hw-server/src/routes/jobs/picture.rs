//! A result in the form that the client likes: the document, or, of a funnel, a picture of it.

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue};
use hw_chart::Picture;
use hw_store::JobRecord;
use serde_json::Value;

use super::super::{Answer, document};
use crate::problem::{ApiError, Fault};
use crate::request::preferred;

/// A form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResultForm {
    Document,
    Svg,
    Html,
}

/// Nothing may be loaded or run by what is shown, wherever it is opened.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// The form that the client likes best. Only funnels have pictures.
pub(super) fn chosen_form(record: &JobRecord, headers: &HeaderMap) -> Result<ResultForm, Fault> {
    let (form_of, offered): (fn(&str) -> Option<ResultForm>, _) = match record.kind.as_str() {
        "funnel" => (form_of, "application/json, image/svg+xml and text/html"),
        _ => (
            |media_type| form_of(media_type).filter(|form| *form == ResultForm::Document),
            "application/json; only funnels have a picture",
        ),
    };
    Ok(preferred(headers, ResultForm::Document, form_of, offered)?)
}

fn form_of(media_type: &str) -> Option<ResultForm> {
    match media_type {
        "*/*" | "application/*" | "application/json" => Some(ResultForm::Document),
        "image/svg+xml" | "image/*" => Some(ResultForm::Svg),
        "text/html" | "text/*" => Some(ResultForm::Html),
        _ => None,
    }
}

/// The result of `record` in a form.
pub(super) async fn shown(record: &JobRecord, result: Value, form: ResultForm) -> Answer {
    let mut response = match form {
        ResultForm::Document => document(&result),
        ResultForm::Svg => drawn(record, result, hw_api::SVG, |picture| picture.svg()).await?,
        ResultForm::Html => drawn(record, result, "text/html; charset=utf-8", |picture| picture.html()).await?,
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

async fn drawn(
    record: &JobRecord,
    result: Value,
    media_type: &'static str,
    draw: fn(&Picture<'_>) -> String,
) -> Answer {
    let params = record.params.clone();
    // Breakdowns may be long: they are drawn beside the reactor.
    let text = tokio::task::spawn_blocking(move || {
        let result = serde_json::from_value(result)?;
        let picture = Picture {
            title: params.get("table").and_then(Value::as_str).unwrap_or_default(),
            query: params.get("query").unwrap_or(&Value::Null),
            result: &result,
        };
        Ok(draw(&picture))
    });
    let text = text.await.map_err(|error| internal(&error))?;
    let text = text.map_err(|error: serde_json::Error| internal(&error))?;
    let mut response: Response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(response)
}

fn internal(error: &dyn std::error::Error) -> Fault {
    let message = format!("a result could not be drawn: {error}");
    ApiError::Internal { message }.into()
}
