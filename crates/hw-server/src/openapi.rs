//! The OpenAPI 3.1 document, made from the list of routes and the schemas of their documents.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::auth::role_name;
use crate::routes::{self, Dialect, Form, Parameter, Route, RouteAnswer};

/// The document as text, as it is served and committed.
pub fn openapi_text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = serde_json::to_string_pretty(&openapi()).unwrap_or_default();
        text + "\n"
    });
    &TEXT
}

fn openapi() -> Value {
    let routes = routes::all();
    let mut paths = Map::new();
    let mut schemas: Vec<(String, Value)> = Vec::new();
    for route in &routes {
        let item = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
        let forms = route.answers.iter().flat_map(|answer| &answer.forms).chain(&route.body);
        schemas.extend(forms.flat_map(schemas_of));
    }
    schemas.extend(schemas_of(&routes::problem_form()));
    schemas.extend(schemas_of(&routes::rocket_failure_form()));
    schemas.sort_by(|(one, _), (other, _)| one.cmp(other));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Headwater",
            "description": "An event-driven data-processing engine: funnels, SQL, jobs and tables. Clients ignore members they do not know.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {}],
        "paths": paths,
        "components": {
            "schemas": schemas.into_iter().collect::<Map<_, _>>(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    })
}

fn schemas_of(form: &Form) -> Vec<(String, Value)> {
    form.schema
        .as_ref()
        .map(|schema| (schema.collect)())
        .unwrap_or_default()
}

fn operation(route: &Route) -> Value {
    let noun = route
        .path
        .trim_start_matches("/api/v1")
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let mut operation = json!({
        "operationId": route.name,
        "tags": [noun.trim_end_matches(".json")],
        "summary": route.about,
    });
    let parameters: Vec<Value> = path_parameters(route.path)
        .chain(route.parameters.iter().map(parameter))
        .collect();
    let mut responses: Map<String, Value> = route
        .answers
        .iter()
        .map(|answer| (answer.status.to_string(), response(answer)))
        .collect();
    let refusal = match route.dialect {
        Dialect::Own => routes::problem_form(),
        Dialect::FunnelRocket => routes::rocket_failure_form(),
    };
    responses.insert(
        "default".to_owned(),
        json!({"description": "What stands against it.", "content": content(&[refusal])}),
    );
    if let Some(members) = operation.as_object_mut() {
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), parameters.into());
        }
        if let Some(body) = &route.body {
            let body = json!({"required": route.body_required, "content": content(std::slice::from_ref(body))});
            members.insert("requestBody".to_owned(), body);
        }
        members.insert("responses".to_owned(), responses.into());
        match route.role {
            Some(role) => members.insert("x-role".to_owned(), role_name(role).into()),
            None => members.insert("security".to_owned(), json!([])),
        };
    }
    operation
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> + '_ {
    let names = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        let (form, about) = match name {
            "job" => ("string", "Its id, or at least 4 characters of its beginning or end."),
            "run" => ("string", "Its request id, or the id of its job."),
            "index" => ("integer", "Index of the task in its job, from 0."),
            _ => ("string", "Its name, percent-encoded."),
        };
        json!({"name": name, "in": "path", "required": true, "description": about, "schema": {"type": form}})
    })
}

fn parameter(parameter: &Parameter) -> Value {
    json!({
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.about,
        "schema": {"type": parameter.form},
    })
}

fn response(answer: &RouteAnswer) -> Value {
    match answer.forms.as_slice() {
        [] => json!({"description": answer.about}),
        forms => json!({"description": answer.about, "content": content(forms)}),
    }
}

fn content(forms: &[Form]) -> Value {
    let content: Map<String, Value> = forms
        .iter()
        .map(|form| {
            let schema = match &form.schema {
                Some(schema) => json!({"schema": {"$ref": format!("#/components/schemas/{}", schema.name)}}),
                None => json!({}),
            };
            (form.media_type.to_owned(), schema)
        })
        .collect();
    content.into()
}
