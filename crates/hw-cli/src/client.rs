//! Requests and answers.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hw_api::{API_PREFIX, Problem};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use url::form_urlencoded;

use crate::failure::{ClientError, Failure};
use crate::program::RouterBody;
use crate::transport::{Destination, Transport};

/// Largest document that is taken as a whole; rows, lines and exports are streamed instead.
const DOCUMENT_MAX: usize = 256 << 20;

/// A request: method, path below the API, query, accepted form, body.
pub(crate) struct Call {
    method: Method,
    /// Percent-encoded, with the query.
    path: String,
    accept: &'static str,
    body: Option<Vec<u8>>,
}

impl Call {
    pub(crate) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn post(path: &[&str]) -> Self {
        Self::new(Method::POST, path)
    }

    pub(crate) fn delete(path: &[&str]) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// `path` is given segment by segment, each as it stands.
    fn new(method: Method, path: &[&str]) -> Self {
        let path = path.iter().fold(API_PREFIX.to_owned(), |mut path, segment| {
            path.push('/');
            path.extend(segment.bytes().map(encoded));
            path
        });
        Self {
            method,
            path,
            accept: "application/json",
            body: None,
        }
    }

    /// The same with a query parameter.
    pub(crate) fn query(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        let pair = form_urlencoded::Serializer::new(String::new())
            .append_pair(name, value.as_ref())
            .finish();
        self.path.push_str(&pair);
        self
    }

    /// The same with a query parameter, if there is a value.
    pub(crate) fn query_if(self, name: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// The same, asking for this form.
    pub(crate) fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = media_type;
        self
    }

    /// The same with a document as body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| unreadable(&error.to_string()))?;
        self.body = Some(body);
        Ok(self)
    }

    fn into_request(self) -> Result<Request<Bytes>, ClientError> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.path)
            .header(ACCEPT, HeaderValue::from_static(self.accept));
        if self.body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = self.body.map(Bytes::from).unwrap_or_default();
        request.body(body).map_err(|error| unreadable(&error.to_string()))
    }
}

/// A byte of a path's segment: itself if every URL may have it there, else `%XX`.
fn encoded(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

/// The router, found at the first request.
pub(crate) struct Client {
    destination: Destination,
    folder: PathBuf,
    transport: OnceCell<Transport>,
}

impl Client {
    pub(crate) fn new(destination: Destination) -> Self {
        Self {
            folder: destination.local.folder.clone(),
            destination,
            transport: OnceCell::new(),
        }
    }

    /// The way to the router; opens it.
    pub(crate) async fn transport(&self) -> Result<&Transport, Failure> {
        self.transport
            .get_or_try_init(|| Transport::open(&self.destination))
            .await
    }

    /// Whether a server was named with `--server` or in the environment.
    pub(crate) fn names_a_server(&self) -> bool {
        self.destination.server.is_some()
    }

    /// Lets go of the router, if one was found.
    pub(crate) async fn close(self) {
        if let Some(transport) = self.transport.into_inner() {
            transport.close().await;
        }
    }

    /// Sends a request. An answer that is not well becomes a failure.
    pub(crate) async fn answer(&self, call: Call) -> Result<Response<RouterBody>, Failure> {
        let request = call.into_request()?;
        let response = self.transport().await?.send(request, &self.folder).await?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(read_problem(status, response).await),
        }
    }

    /// Sends a request and takes the answer as a whole.
    pub(crate) async fn document(&self, call: Call) -> Result<Document, Failure> {
        let response = self.answer(call).await?;
        let text = read_text(response.into_body(), DOCUMENT_MAX).await?;
        Ok(Document { text })
    }
}

/// A document as it came, so that numbers and order are shown as they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) text: String,
}

impl Document {
    /// The facts in it.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        parse(&self.text)
    }
}

/// The facts in a text that the server sent.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ClientError> {
    serde_json::from_str(text).map_err(|error| ClientError::Unreadable {
        reason: error.to_string(),
    })
}

async fn read_problem(status: StatusCode, response: Response<RouterBody>) -> Failure {
    let text = match read_text(response.into_body(), DOCUMENT_MAX).await {
        Ok(text) => text,
        Err(failure) => return failure,
    };
    match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => problem.into(),
        Err(_) => ClientError::Foreign {
            status: status.as_u16(),
        }
        .into(),
    }
}

async fn read_text(mut body: RouterBody, bytes_max: usize) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ClientError::of_body(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            return Err(unreadable("the document is too large").into());
        }
        bytes.extend_from_slice(&data);
    }
    String::from_utf8(bytes).map_err(|_| unreadable("the document is not UTF-8").into())
}

fn unreadable(reason: &str) -> ClientError {
    ClientError::Unreadable {
        reason: reason.to_owned(),
    }
}

/// The next piece of a streamed body; `None` at its end. Cancel-safe.
pub(crate) async fn next_chunk(body: &mut RouterBody) -> Result<Option<Bytes>, ClientError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ClientError::of_body(&error))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The lines of a streamed body.
pub(crate) struct Lines {
    body: RouterBody,
    /// What came and was not given out yet.
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold no line end.
    searched: usize,
}

impl Lines {
    pub(crate) fn new(body: RouterBody) -> Self {
        Self {
            body,
            buffer: Vec::new(),
            searched: 0,
        }
    }

    /// The next line without its end; blank lines are left out; `None` at the end. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, ClientError> {
        loop {
            while let Some(line) = self.take_line() {
                if !line.trim_ascii().is_empty() {
                    return text_of(line).map(Some);
                }
            }
            if let Some(chunk) = next_chunk(&mut self.body).await? {
                if self.buffer.len() + chunk.len() > DOCUMENT_MAX {
                    return Err(unreadable("a line is too long"));
                }
                self.buffer.extend_from_slice(&chunk);
                continue;
            }
            let rest = std::mem::take(&mut self.buffer);
            self.searched = 0;
            return match rest.trim_ascii().is_empty() {
                true => Ok(None),
                false => text_of(rest).map(Some),
            };
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let unsearched = self.buffer.get(self.searched..)?;
        match unsearched.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                let end = self.searched + at;
                self.searched = 0;
                let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
                line.pop();
                Some(line)
            }
            None => {
                self.searched = self.buffer.len();
                None
            }
        }
    }
}

fn text_of(line: Vec<u8>) -> Result<String, ClientError> {
    String::from_utf8(line).map_err(|_| unreadable("a line is not UTF-8"))
}
