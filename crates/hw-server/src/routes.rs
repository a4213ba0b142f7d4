//! Every route, one file per noun. A route's entry says all there is to know of it: who may use it, how it counts against
//! the load, what it takes and answers; router, roles, proposals and the OpenAPI document are made from the one list.

mod config;
mod doctor;
mod events;
mod funnels;
mod health;
pub(crate) mod jobs;
mod paging;
mod places;
pub(crate) mod rocket;
mod server;
mod sql;
mod submit;
mod tables;
mod tasks;
mod tokens;
mod workers;

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use hw_api::{JSON_LINES, Problem, RocketFailure};
use hw_store::Role;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::config::Config;
use crate::problem::Fault;
use crate::state::Shared;

/// What handlers answer.
pub(crate) type Answer = Result<Response, Fault>;

/// How a route counts against the limits of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Not at all, so that a busy server can still be looked at.
    Free,
    /// As a request.
    Request,
    /// As a client that follows events.
    Follower,
}

/// Whose words a route's refusals are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Problem documents.
    Own,
    /// Funnel Rocket's. Such routes are served with the setting `compat.funnel_rocket` only.
    FunnelRocket,
}

/// A parameter of the query string or a header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    /// `query` or `header`.
    pub(crate) place: &'static str,
    /// Its JSON type.
    pub(crate) form: &'static str,
    pub(crate) about: &'static str,
}

/// A form of documents: its media type, and its schema with those it refers to.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) media_type: &'static str,
    pub(crate) schema: Option<Schema>,
}

/// A named schema with those it refers to.
#[derive(Clone)]
pub(crate) struct Schema {
    pub(crate) name: Cow<'static, str>,
    pub(crate) collect: fn() -> Vec<(String, Value)>,
}

/// An answer of a route.
#[derive(Clone)]
pub(crate) struct RouteAnswer {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    pub(crate) forms: Vec<Form>,
}

/// A route.
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With its parameters in braces.
    pub(crate) path: &'static str,
    /// Its name for generated clients.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Who may use it; `None` = anybody, without a token.
    pub(crate) role: Option<Role>,
    pub(crate) load: Load,
    pub(crate) dialect: Dialect,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Form>,
    /// Whether a request without a body is refused.
    pub(crate) body_required: bool,
    pub(crate) answers: Vec<RouteAnswer>,
    pub(crate) handler: MethodRouter<Shared>,
}

impl Route {
    fn new(method: Method, path: &'static str, name: &'static str, handler: MethodRouter<Shared>) -> Self {
        Self {
            method,
            path,
            name,
            about: "",
            role: Some(Role::Admin),
            load: Load::Request,
            dialect: Dialect::Own,
            parameters: Vec::new(),
            body: None,
            body_required: true,
            answers: Vec::new(),
            handler,
        }
    }

    fn get(path: &'static str, name: &'static str, handler: MethodRouter<Shared>) -> Self {
        Self::new(Method::GET, path, name, handler)
    }

    fn post(path: &'static str, name: &'static str, handler: MethodRouter<Shared>) -> Self {
        Self::new(Method::POST, path, name, handler)
    }

    fn delete(path: &'static str, name: &'static str, handler: MethodRouter<Shared>) -> Self {
        Self::new(Method::DELETE, path, name, handler)
    }

    fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    fn open(mut self) -> Self {
        self.role = None;
        self
    }

    fn load(mut self, load: Load) -> Self {
        self.load = load;
        self
    }

    fn of_funnel_rocket(mut self) -> Self {
        self.dialect = Dialect::FunnelRocket;
        self
    }

    fn query(mut self, name: &'static str, form: &'static str, about: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: "query",
            form,
            about,
        });
        self
    }

    fn header(mut self, name: &'static str, about: &'static str) -> Self {
        self.parameters.push(Parameter {
            name,
            place: "header",
            form: "string",
            about,
        });
        self
    }

    fn paged(self) -> Self {
        self.query("limit", "integer", "Items of a page, 1 to 1000; 100 if absent.")
            .query("page", "string", "The token `next` that came with the page before.")
    }

    fn body(mut self, form: Form) -> Self {
        self.body = Some(form);
        self
    }

    fn optional_body(mut self, form: Form) -> Self {
        self.body_required = false;
        self.body(form)
    }

    fn answers(mut self, status: u16, about: &'static str, forms: Vec<Form>) -> Self {
        self.answers.push(RouteAnswer { status, about, forms });
        self
    }
}

/// JSON of a known form.
fn json<T: ToSchema>() -> Form {
    Form {
        media_type: "application/json",
        schema: Some(Schema {
            name: T::name(),
            collect: collect::<T>,
        }),
    }
}

/// JSON lines of a known form.
fn json_lines<T: ToSchema>() -> Form {
    Form {
        media_type: JSON_LINES,
        ..json::<T>()
    }
}

/// Anything of a media type.
fn any(media_type: &'static str) -> Form {
    Form {
        media_type,
        schema: None,
    }
}

fn collect<T: ToSchema>() -> Vec<(String, Value)> {
    let mut schemas = Vec::new();
    T::schemas(&mut schemas);
    let own = (T::name().into_owned(), T::schema());
    let all = [own].into_iter().chain(schemas);
    all.map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default()))
        .collect()
}

/// The problem document's schema.
pub(crate) fn problem_form() -> Form {
    Form {
        media_type: hw_api::PROBLEM_JSON,
        ..json::<Problem>()
    }
}

/// The form of what stands against a request in Funnel Rocket's words.
pub(crate) fn rocket_failure_form() -> Form {
    json::<RocketFailure>()
}

/// The routes that a server with these settings has.
pub(crate) fn served(config: &Config) -> Vec<Route> {
    let mut routes = all();
    routes.retain(|route| route.dialect == Dialect::Own || config.compat.funnel_rocket);
    routes
}

/// Metrics and health: whoever watches a server needs no more of it.
pub(crate) fn of_metrics() -> Vec<Route> {
    health::routes()
}

/// Every route.
pub(crate) fn all() -> Vec<Route> {
    [
        server::routes(),
        tables::routes(),
        jobs::routes(),
        tasks::routes(),
        funnels::routes(),
        sql::routes(),
        events::routes(),
        workers::routes(),
        tokens::routes(),
        config::routes(),
        doctor::routes(),
        health::routes(),
        rocket::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A document as JSON.
fn document(document: &impl Serialize) -> Response {
    Json(serde_json::to_value(document).unwrap_or_default()).into_response()
}

/// One line of JSON lines.
fn line(document: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(document).unwrap_or_default();
    text.push(b'\n');
    Bytes::from(text)
}

/// A streamed body of JSON lines. Only what the client takes is made.
fn lines_body(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = axum::body::Body::from_stream(lines.map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(JSON_LINES));
    response
}
