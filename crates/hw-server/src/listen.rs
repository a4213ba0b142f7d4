//! Listeners: TCP and the Unix socket, with bounds on connections, slow clients and the end.

mod connection;
mod stall;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use stall::StallLimit;

/// Pause after a connection could not be accepted, so that a host out of handles is not asked in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from.
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// What a listener is bound by.
#[derive(Debug, Clone)]
pub(crate) struct ListenLimits {
    /// Open connections, over all listeners.
    pub(crate) connections: Arc<Semaphore>,
    /// Time that requests under way get at the end.
    pub(crate) drain: Duration,
}

/// Binds a TCP address.
///
/// # Errors
/// What the system says.
pub(crate) async fn bind_tcp(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers connections until `stop` fires; then takes no new ones, and lets those under way come to their end for the time
/// that the limits give.
pub(crate) async fn serve(listener: Listener, router: Router, limits: ListenLimits, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            permit = limits.connections.clone().acquire_owned() => permit,
        };
        let stream = tokio::select! {
            () = stop.cancelled() => break,
            stream = accept(&listener) => stream,
        };
        match stream {
            Ok(stream) => {
                let answered = connection::answer(stream, router.clone(), stop.clone());
                connections.spawn(async move {
                    answered.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drain = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drain).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were cut off at the end");
    }
    connections.shutdown().await;
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn accept(listener: &Listener) -> std::io::Result<Box<dyn Stream>> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, _) = listener.accept().await?;
            // Rows and events are written when they are there; waiting for more only delays them.
            drop(stream.set_nodelay(true));
            Ok(Box::new(stream))
        }
        Listener::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
    }
}
