//! Documents with a line for each member, for those who read them as they come.

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;

/// The same answer, its document indented. Streams, whose length nobody knows, and texts stay as they are.
pub(super) async fn indented(response: Response) -> Response {
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|form| form == "application/json");
    if !is_json || response.body().size_hint().exact().is_none() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let content = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let pretty = serde_json::from_slice::<Value>(&content).and_then(|document| serde_json::to_string_pretty(&document));
    head.headers.remove(CONTENT_LENGTH);
    let body = match pretty {
        Ok(text) => Body::from(text + "\n"),
        Err(_) => Body::from(content),
    };
    Response::from_parts(head, body)
}
