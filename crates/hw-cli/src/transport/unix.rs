//! The Unix socket of a running `up`: one connection per request, closed when its answer is dropped.

use std::path::PathBuf;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::failure::{ClientError, Failure, chain};
use crate::program::RouterBody;

pub(crate) struct UnixTransport {
    socket: PathBuf,
}

impl UnixTransport {
    /// The first of the sockets that accepts a connection.
    pub(super) async fn find(sockets: &[PathBuf]) -> Option<Self> {
        for socket in sockets {
            if UnixStream::connect(socket).await.is_ok() {
                return Some(Self { socket: socket.clone() });
            }
        }
        None
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<RouterBody>, Failure> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| self.out_of_reach(&error))?;
        let (mut sender, connection) = http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|error| self.out_of_reach(&error))?;
        tokio::spawn(async move {
            // A fault of the connection reaches the one who reads the answer.
            let _ = connection.await;
        });
        let response = sender
            .send_request(request.map(Full::new))
            .await
            .map_err(|error| self.out_of_reach(&error))?;
        Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
    }

    fn out_of_reach(&self, error: &(dyn std::error::Error + 'static)) -> Failure {
        ClientError::OutOfReach {
            place: self.socket.display().to_string(),
            reason: chain(error),
        }
        .into()
    }
}
