//! SQL: rows as a stream, and plans.

mod columns;
mod settings;
mod views;

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use futures::StreamExt as _;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use hw_api::{ExplainDocument, ExplainRequest, Problem, RowFormat, RowsDocument, SqlRequest};
use hw_catalog::{Finding, TableName, TableVersion};
use hw_query::{LineEnd, Session, SessionInput};
use hw_store::Role;

use super::{Answer, Route, any, document, json};
use crate::auth::Caller;
use crate::problem::{ApiError, Fault, of_query};
use crate::request::{JsonBody, QueryPairs, preferred};
use crate::state::{Shared, State as Server};

const OFFERED: &str = "application/json, application/jsonl, text/csv, application/vnd.apache.arrow.stream and \
                       application/vnd.apache.parquet";

pub(super) fn routes() -> Vec<Route> {
    let rows = vec![
        json::<RowsDocument>(),
        any(RowFormat::JsonLines.media_type()),
        any("text/csv"),
        any(RowFormat::Arrow.media_type()),
        any(RowFormat::Parquet.media_type()),
    ];
    vec![
        Route::post("/api/v1/sql", "run_sql", post(run))
            .about("Runs one statement; `Accept` chooses the form of the rows. CREATE VIEW and DROP VIEW need the role `write`.")
            .role(Role::Read)
            .header("Accept", "One of the media types of the answer; JSON if absent.")
            .body(json::<SqlRequest>())
            .answers(
                200,
                "The rows, streamed; the header `headwater-columns` holds names and types.",
                rows,
            ),
        Route::post("/api/v1/sql/explain", "explain_sql", post(explain))
            .about("Tells how a statement is carried out; with `analyze` it is.")
            .role(Role::Read)
            .body(json::<ExplainRequest>())
            .answers(200, "The plan.", vec![json::<ExplainDocument>()]),
    ]
}

async fn run(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    JsonBody(request): JsonBody<SqlRequest>,
) -> Answer {
    query.reader(&[]).finish()?;
    let format = preferred(&headers, RowFormat::Json, format_of, OFFERED)?;
    check_options(&request)?;
    let session = session(&state, &caller);
    settings::apply(&session, &request.settings).await?;
    let done = match session.view_statement(&request.sql)? {
        Some(statement) => {
            check_no_params(&request)?;
            Some(views::carry_out(&state, &caller, &session, statement).await?)
        }
        None => None,
    };
    let rows = match &done {
        Some(done) => session.run(views::ROW, &views::values(done)).await?,
        None => session.run(&request.sql, &request.params).await?,
    };
    note_use(&state, &rows.pinned);
    let mut columns = columns::header(&rows.schema);
    columns.extend(done.as_ref().and_then(columns::done));
    let shown: Arc<Mutex<Option<Problem>>> = Arc::default();
    let seen = Arc::clone(&shown);
    let error_line = Box::new(move |error: &hw_query::QueryError| {
        let problem = of_query(error);
        let document = serde_json::to_value(&problem).unwrap_or_default();
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        document
    });
    let mut chunks = rows.encode(encoding(format), Some(error_line))?;
    // Nothing is said before the first rows are there, so that what goes wrong until then has a status of its own.
    let first = chunks.next().await.transpose()?;
    if let Some(problem) = shown.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(problem.into());
    }
    let chunks = futures::stream::iter(first.map(Ok)).chain(chunks);
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    columns
        .into_iter()
        .for_each(|(name, value)| drop(headers.insert(name, value)));
    Ok(response)
}

async fn explain(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    JsonBody(request): JsonBody<ExplainRequest>,
) -> Answer {
    query.reader(&[]).finish()?;
    let session = session(&state, &caller);
    settings::apply(&session, &request.settings).await?;
    let explained = session.explain(&request.sql, &request.params, request.analyze).await?;
    Ok(document(&ExplainDocument {
        text: explained.text,
        plan: explained.plan,
    }))
}

fn session(state: &Server, caller: &Caller) -> Session {
    let parts = state.parts();
    parts.engine.session(SessionInput {
        tables: Arc::clone(&parts.tables),
        access: caller.access.clone(),
        folder: caller.folder.clone(),
    })
}

/// A query counts as a use of its tables. It does not wait for the note, and does not fail with it.
fn note_use(state: &Shared, pinned: &[(TableName, TableVersion)]) {
    let names: Vec<TableName> = pinned.iter().map(|(name, _)| name.clone()).collect();
    if names.is_empty() {
        return;
    }
    let state = state.clone();
    tokio::spawn(async move {
        if let Err(error) = state.store().touch_tables(&names).await {
            tracing::debug!(%error, "the use of tables could not be noted");
        }
    });
}

fn encoding(format: RowFormat) -> hw_query::RowFormat {
    match format {
        RowFormat::Json => hw_query::RowFormat::Json,
        RowFormat::JsonLines => hw_query::RowFormat::JsonLines,
        RowFormat::Csv => hw_query::RowFormat::Csv(LineEnd::CrLf),
        RowFormat::Arrow => hw_query::RowFormat::ArrowStream,
        RowFormat::Parquet => hw_query::RowFormat::Parquet,
    }
}

fn format_of(media_type: &str) -> Option<RowFormat> {
    match media_type {
        "*/*" | "application/*" | "application/json" => Some(RowFormat::Json),
        "application/jsonl" | "application/x-ndjson" | "application/jsonlines" => Some(RowFormat::JsonLines),
        "text/csv" | "text/*" => Some(RowFormat::Csv),
        "application/vnd.apache.arrow.stream" => Some(RowFormat::Arrow),
        "application/vnd.apache.parquet" => Some(RowFormat::Parquet),
        _ => None,
    }
}

/// A statement that makes or drops a view has no placeholders that values could stand for.
fn check_no_params(request: &SqlRequest) -> Result<(), Fault> {
    if request.params.is_empty() {
        return Ok(());
    }
    let finding = Finding::new("HW-A002", "this statement takes no parameters").at("/params");
    Err(ApiError::Members {
        findings: vec![finding.help("leave `params` out")],
    }
    .into())
}

fn check_options(request: &SqlRequest) -> Result<(), Fault> {
    let finding = |name: &String| {
        Finding::new("HW-A002", format!("unknown format option `{name}`"))
            .at(format!(
                "/format_options/{}",
                name.replace('~', "~0").replace('/', "~1")
            ))
            .help("leave it out; there are none yet")
    };
    let findings: Vec<Finding> = request.format_options.keys().map(finding).collect();
    match findings.is_empty() {
        true => Ok(()),
        false => Err(ApiError::Members { findings }.into()),
    }
}
