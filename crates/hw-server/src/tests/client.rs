//! A client of the router, over any transport.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hw_api::Problem;
use hw_store::Role;
use serde_json::Value;
use tower::ServiceExt as _;

use super::setting::Setting;
use crate::auth::Transport;

pub(super) const TCP: Transport = Transport::Tcp {
    without_token: Some(Role::Admin),
};
pub(super) const TCP_WITH_TOKEN: Transport = Transport::Tcp { without_token: None };

/// A request under construction.
pub(super) struct Call<'a> {
    setting: &'a Setting,
    transport: Transport,
    request: http::request::Builder,
    body: Body,
}

pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Setting {
    pub(super) fn call(&self, method: Method, path: &str) -> Call<'_> {
        Call {
            setting: self,
            transport: Transport::InProcess,
            request: Request::builder().method(method).uri(path),
            body: Body::empty(),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.call(Method::GET, path).send().await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        self.call(Method::DELETE, path).send().await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path).json(&body).send().await
    }
}

impl Call<'_> {
    /// Over TCP, as a client on the loopback.
    pub(super) fn over(mut self, transport: Transport) -> Self {
        self.transport = transport;
        match transport {
            Transport::Tcp { .. } => self.header("host", "127.0.0.1:7080"),
            Transport::Unix | Transport::InProcess => self,
        }
    }

    /// Over TCP, under the name that the request carries already.
    pub(super) fn under_its_own_name(mut self) -> Self {
        self.transport = TCP;
        self
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(super) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    pub(super) fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// The answer as soon as its head is there.
    pub(super) async fn start(self) -> Response {
        let request = self.request.body(self.body).unwrap();
        let answer = self.setting.router(self.transport).oneshot(request);
        tokio::time::timeout(Duration::from_secs(20), answer)
            .await
            .unwrap()
            .unwrap()
    }

    pub(super) async fn send(self) -> Reply {
        Reply::of(self.start().await).await
    }
}

impl Reply {
    pub(super) async fn of(response: Response) -> Self {
        let (head, body) = response.into_parts();
        let collected = tokio::time::timeout(Duration::from_secs(20), body.collect())
            .await
            .unwrap();
        Self {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(collected.unwrap().to_bytes().to_vec()).unwrap(),
        }
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text);
        self.json()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(super) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let problem: Problem = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        problem
    }

    /// Status, code, detail, help and findings, for comparison.
    #[track_caller]
    pub(super) fn fault(&self) -> String {
        let problem = self.problem();
        let mut text = format!("{} {} {}", problem.status, problem.code, problem.detail);
        if let Some(help) = &problem.help {
            text += &format!("\nhelp: {help}");
        }
        for error in &problem.errors {
            let place = match (&error.pointer, error.line, error.column) {
                (Some(pointer), ..) => format!("{pointer}: "),
                (None, Some(line), Some(column)) => format!("{line}:{column}: "),
                _ => String::new(),
            };
            text += &format!("\n- {place}{}", error.message);
            if let Some(help) = &error.help {
                text += &format!(" ({help})");
            }
        }
        text
    }

    /// The lines of JSON lines.
    pub(super) fn lines(&self) -> Vec<Value> {
        self.text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
