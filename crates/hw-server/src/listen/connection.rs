//! One connection, from its first request to its end.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::Stream;
use super::stall::{StallGuard, StallLimit};

/// Longest time for the head of a request, so that clients that send nothing do not hold a connection.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Answers requests until the client goes away or `stop` fires and the request under way is answered.
pub(super) async fn answer(stream: Box<dyn Stream>, router: Router, stop: CancellationToken) {
    let stall = StallLimit::default();
    let guarded = StallGuard::new(stream, stall.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(stall.clone());
        router.clone().oneshot(request.map(Body::new))
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(guarded), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        // Clients that go away in the middle are no fault of ours.
        tracing::debug!(%error, "a connection broke off");
    }
}
