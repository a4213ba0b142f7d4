//! A body that keeps something alive until it is read or given up.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// What lives as long as a body.
pub(super) trait Keeper: Send + Unpin + 'static {
    /// The body ends before its time.
    fn broke(&self, _error: &axum::Error) {}
}

impl Keeper for tokio::sync::OwnedSemaphorePermit {}

struct Held<T> {
    body: Body,
    kept: T,
}

/// Keeps `kept` as long as the answer's body.
pub(super) fn hold<T: Keeper>(response: Response, kept: T) -> Response {
    response.map(|body| Body::new(Held { body, kept }))
}

impl<T: Keeper> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Err(error))) = &polled {
            self.kept.broke(error);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
