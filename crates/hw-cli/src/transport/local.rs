//! The router in this process.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;

use crate::failure::{ClientError, Failure, chain};
use crate::program::{LocalRouter, RouterBody, RouterService};

pub(crate) struct LocalTransport {
    service: RouterService,
    close: BoxFuture<'static, ()>,
}

impl LocalTransport {
    pub(super) fn new(router: LocalRouter) -> Self {
        Self {
            service: router.service,
            close: router.close,
        }
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<RouterBody>, Failure> {
        let request = request.map(|body| Full::new(body).map_err(|never| match never {}).boxed_unsync());
        let answer = self.service.clone().oneshot(request).await;
        answer.map_err(|error| {
            ClientError::Unreadable {
                reason: chain(error.as_ref()),
            }
            .into()
        })
    }

    pub(super) async fn close(self) {
        self.close.await;
    }
}
