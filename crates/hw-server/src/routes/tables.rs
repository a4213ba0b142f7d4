//! Tables: list, show, parts; register, repartition, export and drop, which are jobs.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::HeaderMap;
use hw_api::{
    ExportRequest, JobDocument, JobLine, PartList, RegisterRequest, RepartitionRequest, TableDocument, TableList,
};
use hw_catalog::{Table, TableKind, TableName};
use hw_controller::Submit;
use hw_store::Role;
use hw_worker::{full_schema, short_schema};
use serde_json::{Value, json};

use super::paging::{Page, newest_first, page_of};
use super::places::{check_export, check_register};
use super::submit::{JobOptions, WithJobOptions as _, submit};
use super::{Answer, Route, document, json as json_form, json_lines};
use crate::auth::Caller;
use crate::documents::{part_document, table_document};
use crate::problem::{ApiError, Fault};
use crate::request::{AnyJson, JsonBody, MaybeBody, QueryPairs, Segments};
use crate::state::{Shared, State as Server};

const KINDS: [TableKind; 6] = [
    TableKind::Bucket,
    TableKind::Dataset,
    TableKind::Lake,
    TableKind::Mirror,
    TableKind::Managed,
    TableKind::View,
];

pub(super) fn routes() -> Vec<Route> {
    let changes = changes().into_iter().map(|route| {
        route
            .job_options()
            .answers(
                200,
                "The job, settled; or its progress and the job as lines.",
                vec![json_form::<JobDocument>(), json_lines::<JobLine>()],
            )
            .answers(202, "The job, not settled yet.", vec![json_form::<JobDocument>()])
    });
    looks().into_iter().chain(changes).collect()
}

/// What tells of tables.
fn looks() -> Vec<Route> {
    vec![
        Route::get("/api/v1/tables", "list_tables", get(list))
            .about("Tables without their columns, the newest version first.")
            .role(Role::Read)
            .query("kind", "string", "Only these kinds; several are separated by commas.")
            .paged()
            .answers(200, "A page of tables.", vec![json_form::<TableList>()]),
        Route::get("/api/v1/tables/{name}", "show_table", get(show))
            .about("A table with its columns.")
            .role(Role::Read)
            .query("full", "boolean", "Frequent values of each column, too.")
            .query(
                "schema",
                "string",
                "`short` or `full`: the schema alone, in Funnel Rocket's form.",
            )
            .answers(200, "The table.", vec![json_form::<TableDocument>()]),
        Route::get("/api/v1/tables/{name}/parts", "list_parts", get(parts))
            .about("The parts of a dataset by path.")
            .role(Role::Read)
            .paged()
            .answers(200, "A page of parts.", vec![json_form::<PartList>()]),
    ]
}

/// What changes or copies tables, all of it by a job.
fn changes() -> Vec<Route> {
    vec![
        Route::post("/api/v1/tables", "register_table", post(register))
            .about("Registers a folder of Parquet files: a job of kind `register`.")
            .role(Role::Admin)
            .body(json_form::<RegisterRequest>()),
        Route::post(
            "/api/v1/tables/{name}/repartition",
            "repartition_table",
            post(repartition),
        )
        .about(
            "Makes a table of the rows of another one in which each group is in one part: a job of kind `repartition`.",
        )
        .role(Role::Write)
        .optional_body(json_form::<RepartitionRequest>()),
        Route::post("/api/v1/tables/{name}/export", "export_table", post(export))
            .about("Writes the rows of a table, or some of them, to a file or folder: a job of kind `export`.")
            .role(Role::Write)
            .body(json_form::<ExportRequest>()),
        Route::delete("/api/v1/tables/{name}", "drop_table", delete(drop_table))
            .about("Takes a table out of the catalog, its files stay: a job of kind `drop`.")
            .role(Role::Write)
            .query(
                "force",
                "boolean",
                "Also if the table was used a moment ago, or views read it.",
            ),
    ]
}

async fn list(State(state): State<Shared>, query: QueryPairs) -> Answer {
    let mut reader = query.reader(&["kind", "limit", "page"]);
    let page = Page::read(&mut reader);
    let names = KINDS.map(TableKind::as_str);
    let kinds = reader.choices("kind", &names, |text| {
        KINDS.into_iter().find(|kind| kind.as_str() == text)
    });
    reader.finish()?;
    let key = |table: &Table| newest_first(table.registered_at, &table.name.to_string());
    let mut tables = state.store().list_tables().await?;
    tables.retain(|table| kinds.is_empty() || kinds.contains(&table.kind));
    tables.sort_by_cached_key(key);
    let (tables, next) = page_of(tables, &page, key);
    let mut items = Vec::with_capacity(tables.len());
    for table in tables {
        let used = state.store().table_use(&table.name).await?;
        items.push(table_document(table, used, false, false));
    }
    Ok(document(&TableList { items, next }))
}

async fn register(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    AnyJson(params): AnyJson,
) -> Answer {
    let options = JobOptions::read(query.reader(JobOptions::NAMES), &headers)?;
    check_register(&params, &caller)?;
    submit(&state, &caller, Submit::new("register", params), options).await
}

async fn show(State(state): State<Shared>, query: QueryPairs, Segments(name): Segments<String>) -> Answer {
    let mut reader = query.reader(&["full", "schema"]);
    let full = reader.flag("full");
    let schema = reader.choices("schema", &["short", "full"], |text| match text {
        "short" => Some(short_schema as fn(&Table) -> Value),
        "full" => Some(full_schema as fn(&Table) -> Value),
        _ => None,
    });
    reader.finish()?;
    let table = find_table(&state, &name).await?;
    if let Some(schema) = schema.last() {
        return Ok(document(&schema(&table)));
    }
    let used = state.store().table_use(&table.name).await?;
    Ok(document(&table_document(table, used, true, full)))
}

async fn parts(State(state): State<Shared>, query: QueryPairs, Segments(name): Segments<String>) -> Answer {
    let mut reader = query.reader(&["limit", "page"]);
    let page = Page::read(&mut reader);
    reader.finish()?;
    let table = find_table(&state, &name).await?;
    let parts = state.store().load_parts(&table.name, table.version).await?;
    let (parts, next) = page_of(parts, &page, |part| part.path.clone());
    let items = parts.into_iter().map(part_document).collect();
    Ok(document(&PartList { items, next }))
}

async fn repartition(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    Segments(name): Segments<String>,
    MaybeBody(request): MaybeBody<RepartitionRequest>,
) -> Answer {
    let options = JobOptions::read(query.reader(JobOptions::NAMES), &headers)?;
    let table = find_table(&state, &name).await?.name;
    let params = with_table(json!(request.unwrap_or_default()), &table);
    submit(&state, &caller, Submit::new("repartition", params), options).await
}

async fn export(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    Segments(name): Segments<String>,
    JsonBody(request): JsonBody<ExportRequest>,
) -> Answer {
    let options = JobOptions::read(query.reader(JobOptions::NAMES), &headers)?;
    let table = find_table(&state, &name).await?.name;
    let params = with_table(json!(request), &table);
    check_export(&params, &caller)?;
    submit(&state, &caller, Submit::new("export", params), options).await
}

/// The parameters of a job about the table that a path names.
fn with_table(mut params: Value, table: &TableName) -> Value {
    if let Some(members) = params.as_object_mut() {
        members.insert("table".to_owned(), json!(table));
    }
    params
}

async fn drop_table(
    State(state): State<Shared>,
    caller: Caller,
    query: QueryPairs,
    headers: HeaderMap,
    Segments(name): Segments<String>,
) -> Result<Response, Fault> {
    let mut reader = query.reader(&["force", "wait", "stream", "detach", "timeout", "not_before", "deadline"]);
    let force = reader.flag("force");
    let options = JobOptions::read(reader, &headers)?;
    let name: TableName = parse_name(&name)?;
    submit(
        &state,
        &caller,
        Submit::new("drop", json!({"table": name, "force": force})),
        options,
    )
    .await
}

/// The table of a path's name.
pub(super) async fn find_table(state: &Server, name: &str) -> Result<Table, Fault> {
    let parsed = parse_name(name)?;
    if let Some(table) = state.store().load_table(&parsed).await? {
        return Ok(table);
    }
    let names: Vec<String> = state
        .store()
        .list_tables()
        .await?
        .iter()
        .map(|table| table.name.to_string())
        .collect();
    Err(ApiError::TableNotFound {
        name: name.to_owned(),
        proposal: hw_catalog::closest(name, names.iter().map(String::as_str)).map(str::to_owned),
    }
    .into())
}

/// What cannot be the name of a table is the name of none.
fn parse_name(name: &str) -> Result<TableName, Fault> {
    name.parse().map_err(|_| {
        ApiError::TableNotFound {
            name: name.to_owned(),
            proposal: None,
        }
        .into()
    })
}
