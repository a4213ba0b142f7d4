//! A server over the network.

use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt as _;
use http::header::{AUTHORIZATION, HeaderValue};
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use reqwest::redirect;
use url::{Host, Url};

use super::trust::Trust;
use crate::failure::{ClientError, Failure, chain};
use crate::program::{BoxError, RouterBody};

/// How long to wait for a connection; answers may take any time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a server is, and how it knows us.
#[derive(Clone)]
pub(crate) struct ServerAddress {
    url: Url,
    token: Option<String>,
}

impl ServerAddress {
    /// Reads the address. The token is sent in a header; a URL that carries one is refused.
    pub(crate) fn new(text: &str, token: Option<String>) -> Result<Self, ClientError> {
        let refuse = |reason| ClientError::ServerAddress {
            url: without_credentials(text),
            reason,
        };
        let mut url = Url::parse(text).map_err(|_| refuse("write http://HOST:PORT or https://HOST:PORT"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(refuse("only http:// and https:// are spoken"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("credentials do not belong into an address"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it ends with the path"));
        }
        // Routes are named from the prefix on; an address copied from one of them may end in it.
        let path = url.path().trim_end_matches('/');
        let path = path
            .strip_suffix("/api/v1")
            .unwrap_or(path)
            .trim_end_matches('/')
            .to_owned();
        url.set_path(&path);
        Ok(Self { url, token })
    }

    /// The address as the server of a data folder writes it: `http://127.0.0.1:7080`.
    pub(crate) fn is(&self, written: &str) -> bool {
        Url::parse(written).is_ok_and(|written| {
            written.scheme() == self.url.scheme()
                && written.host() == self.url.host()
                && written.port_or_known_default() == self.url.port_or_known_default()
        })
    }

    /// The same address with a token, unless it has one.
    pub(crate) fn or_token(mut self, token: Option<String>) -> Self {
        self.token = self.token.or(token);
        self
    }

    /// Whether others on the way can read the token.
    pub(crate) fn shows_its_token(&self) -> bool {
        self.token.is_some() && self.url.scheme() == "http" && !self.is_loopback()
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

/// What may be shown of a text that was meant as an address.
fn without_credentials(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (None, Some((_, host))) => format!("***@{host}"),
        (_, None) => text.to_owned(),
    }
}

pub(crate) struct HttpTransport {
    client: reqwest::Client,
    address: ServerAddress,
}

impl HttpTransport {
    pub(super) fn new(address: &ServerAddress, trust: &Trust) -> Result<Self, Failure> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A token must not follow to wherever an answer points.
            .redirect(redirect::Policy::none());
        if address.is_loopback() {
            builder = builder.no_proxy();
        }
        builder = match address.is_encrypted() {
            true => trust.apply(builder)?.https_only(true),
            // The host's certificates take a while to read.
            false => builder.tls_built_in_root_certs(false),
        };
        let client = builder.build().map_err(|error| match trust.is_set() {
            true => Failure::from(ClientError::Certificates {
                faults: vec![chain(&error)],
            }),
            false => out_of_reach(address, &error),
        })?;
        Ok(Self {
            client,
            address: address.clone(),
        })
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<RouterBody>, Failure> {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("", |path| path.as_str());
        let url = format!("{}{path}", self.address.url.as_str().trim_end_matches('/'));
        let mut request = self.client.request(head.method, url).headers(head.headers).body(body);
        if let Some(token) = self.authorization()? {
            request = request.header(AUTHORIZATION, token);
        }
        let response = request
            .send()
            .await
            .map_err(|error| out_of_reach(&self.address, &error.without_url()))?;
        Ok(streamed(response))
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(token) = &self.address.token else {
            return Ok(None);
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Usage {
            reason: "the token has characters that no token has".to_owned(),
            help: Some("check HEADWATER_TOKEN".to_owned()),
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn streamed(mut response: reqwest::Response) -> Response<RouterBody> {
    let mut answer = Response::new(());
    *answer.status_mut() = response.status();
    std::mem::swap(answer.headers_mut(), response.headers_mut());
    let chunks = response.bytes_stream();
    let frames = chunks
        .map_ok(Frame::data)
        .map_err(|error| BoxError::from(error.without_url()));
    answer.map(|()| StreamBody::new(frames).boxed_unsync())
}

fn out_of_reach(address: &ServerAddress, error: &reqwest::Error) -> Failure {
    ClientError::OutOfReach {
        place: address.url.as_str().trim_end_matches('/').to_owned(),
        reason: chain(error),
    }
    .into()
}
