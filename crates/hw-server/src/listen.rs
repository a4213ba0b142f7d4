//! Listeners: TCP and the Unix socket, with bounds on connections, slow clients and the end.

mod connection;
mod stall;
#[cfg(test)]
mod tests;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use stall::StallLimit;
pub(crate) use tls::Tls;

/// Pause after a connection could not be accepted, so that a host out of handles is not asked in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where connections come from.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// Encrypted.
    Tls(TcpListener, Tls),
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
        let room = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            room = room(&listener, &limits) => room,
        };
        let arrival = tokio::select! {
            () = stop.cancelled() => break,
            arrival = accept(&listener) => arrival,
        };
        match arrival {
            Ok(arrival) => drop(connections.spawn(answer(arrival, room, router.clone(), stop.clone()))),
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

/// A connection that was accepted.
enum Arrival {
    Ready(Box<dyn Stream>),
    /// One that has to agree on a session first.
    Unsettled(TcpStream, Tls),
}

/// What a connection takes of the limits.
struct Room {
    connection: Option<OwnedSemaphorePermit>,
    handshake: Option<OwnedSemaphorePermit>,
}

/// Waits until the limits have room for one more connection. Cancel-safe.
async fn room(listener: &Listener, limits: &ListenLimits) -> Room {
    let connection = limits.connections.clone().acquire_owned().await.ok();
    let handshake = match listener {
        Listener::Tls(_, tls) => tls.handshakes.clone().acquire_owned().await.ok(),
        Listener::Tcp(_) | Listener::Unix(_) => None,
    };
    Room { connection, handshake }
}

async fn accept(listener: &Listener) -> std::io::Result<Arrival> {
    match listener {
        Listener::Tcp(listener) => Ok(Arrival::Ready(Box::new(accept_tcp(listener).await?))),
        Listener::Tls(listener, tls) => Ok(Arrival::Unsettled(accept_tcp(listener).await?, tls.clone())),
        Listener::Unix(listener) => Ok(Arrival::Ready(Box::new(listener.accept().await?.0))),
    }
}

async fn accept_tcp(listener: &TcpListener) -> std::io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    // Rows and events are written when they are there; waiting for more only delays them.
    drop(stream.set_nodelay(true));
    Ok(stream)
}

/// Answers one connection, whose room is free again at its end.
async fn answer(arrival: Arrival, room: Room, router: Router, stop: CancellationToken) {
    let settled = match arrival {
        Arrival::Ready(stream) => Ok(stream),
        Arrival::Unsettled(stream, tls) => tokio::select! {
            () = stop.cancelled() => return,
            settled = tls.accept(stream) => settled.map(|stream| Box::new(stream) as Box<dyn Stream>),
        },
    };
    drop(room.handshake);
    match settled {
        Ok(stream) => connection::answer(stream, router, stop).await,
        // Anybody can knock; what they say wrong is no fault of ours.
        Err(error) => tracing::debug!(%error, "a client did not agree on a session"),
    }
    drop(room.connection);
}
