//! Making a view as a job: its query is planned with the rights of whoever makes it, and kept.
//!
//! ```text
//! prepare ─▶ view.plan ─▶ table of kind `view`
//! ```
//!
//! The names of files in the query are made absolute then. Reading the view plans the query anew, with the rights of whoever
//! reads it: a view opens no file to anybody.

use std::path::PathBuf;
use std::sync::Arc;

use arrow_schema::Schema;
use async_trait::async_trait;
use hw_catalog::{Finding, Groups, Table, TableKind, TableName, TableVersion, View};
use hw_files::Access;
use hw_job::{
    CatalogChange, ErrorClass, Failure, JobKind, JobView, Lifetime, Merged, Needs, PrepareError, PrepareRequest,
    Prepared, TaskSpec,
};
use hw_query::{DefinedView, Engine, QueryError, SessionInput, Tables, ViewDefinition, Written};
use hw_store::ClaimedTask;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::carried::{read, unreadable, written};
use crate::parameters::Parameters;
use crate::query_failure;
use crate::runner::{Meter, Outcome, TaskRunner};

/// Version of the documents that jobs and tasks of this kind carry.
const FORMAT: u32 = 1;

const PLAN: &str = "view.plan";

const KNOWN: [&str; 8] = [
    "table",
    "query",
    "columns",
    "group",
    "time",
    "comment",
    "or_replace",
    "if_not_exists",
];

/// Makes views: parameters `{"table", "query", "columns", "group", "time", "comment", "or_replace", "if_not_exists"}`.
#[derive(Debug, Clone, Copy)]
pub struct ViewKind;

/// A job's expanded parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Expanded {
    format: u32,
    table: TableName,
    query: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    columns: Vec<String>,
    group: Option<String>,
    time: Option<String>,
    comment: Option<String>,
    or_replace: bool,
    if_not_exists: bool,
    /// The client's working folder.
    folder: Option<PathBuf>,
    /// Whether the client may read what its user may.
    unrestricted: bool,
}

/// What became of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    Created,
    Replaced,
    /// A view was there, and was to stay.
    Unchanged,
}

/// Outcome of `view.plan`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Planned {
    mode: Mode,
    /// The version that was there, 0 for none.
    expected: TableVersion,
    defined: Option<Defined>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Defined {
    schema: Schema,
    view: View,
    read: Vec<(TableName, TableVersion)>,
}

impl JobKind for ViewKind {
    fn name(&self) -> &'static str {
        "view"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        parse(params).map(|_| Vec::new())
    }

    fn writes(&self, params: &Value) -> Vec<TableName> {
        parse(params).map(|expanded| expanded.table).into_iter().collect()
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let mut expanded = parse(request.params).map_err(PrepareError::Faults)?;
        let is_there = request.present.contains(&expanded.table);
        if is_there && !expanded.or_replace && !expanded.if_not_exists {
            return Err(PrepareError::Conflict(view_taken(&expanded.table, None)));
        }
        expanded.folder = request.folder.map(PathBuf::from);
        expanded.unrestricted = request.unrestricted;
        let task = TaskSpec {
            kind: PLAN.to_owned(),
            format: FORMAT,
            params: Value::Null,
            needs: Needs::default(),
            affinity: Vec::new(),
            flow: expanded.table.to_string(),
            after: Vec::new(),
        };
        Ok(Prepared {
            expanded: written(&expanded),
            tasks: vec![task],
            fingerprint: None,
            warnings: Vec::new(),
        })
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let expanded: Expanded = read(job.expanded)?;
        let task = job.tasks.iter().find(|task| task.kind == PLAN);
        let planned: Planned = read(&task.ok_or_else(|| unreadable("no view was planned"))?.outcome)?;
        let result = result(job, &expanded, &planned);
        let changes = planned.defined.map(|defined| CatalogChange::Put {
            table: Box::new(table(job, expanded, defined)),
            parts: Vec::new(),
            expected: Some(planned.expected),
        });
        Ok(Merged {
            result,
            partial: false,
            changes: changes.into_iter().collect(),
            files: Vec::new(),
        })
    }
}

fn result(job: &JobView<'_>, expanded: &Expanded, planned: &Planned) -> Value {
    let defined = planned.defined.as_ref();
    let fields = defined.map(|defined| defined.schema.fields()).into_iter().flatten();
    let columns: Vec<&String> = fields.map(|field| field.name()).collect();
    let read = defined.map(|defined| &defined.read).into_iter().flatten();
    let read: Vec<Value> = read
        .map(|(table, version)| json!({"table": table, "version": version}))
        .collect();
    json!({
        "success": true,
        "requestId": crate::request_id(job.id),
        "table": expanded.table,
        "mode": planned.mode,
        "columns": columns,
        "read": read,
    })
}

fn parse(document: &Value) -> Result<Expanded, Vec<Finding>> {
    let mut given = Parameters::of(document, "view", &KNOWN)?;
    let table = given.needed("table", "the name of the view");
    let table = table.and_then(|text| given.table("table", &text));
    let query = given.needed("query", "the query of the view, a SELECT");
    let columns = given.texts("columns").unwrap_or_default();
    let group = given.text("group");
    let time = given.text("time");
    let comment = given.text("comment");
    let or_replace = given.flag("or_replace").unwrap_or(false);
    let if_not_exists = given.flag("if_not_exists").unwrap_or(false);
    if or_replace && if_not_exists {
        let finding = crate::parameters::invalid("`or_replace` and `if_not_exists` exclude each other");
        given.note(finding.at("/if_not_exists").help("leave one of them out"));
    }
    let expanded = table.zip(query).map(|(table, query)| Expanded {
        format: FORMAT,
        table,
        query,
        columns,
        group,
        time,
        comment,
        or_replace,
        if_not_exists,
        folder: None,
        unrestricted: false,
    });
    given.finish(expanded)
}

/// A name that a view cannot have because of what is there; `kind` tells what that is, if it is known.
pub fn view_taken(name: &TableName, kind: Option<TableKind>) -> Failure {
    let (message, help) = match kind {
        Some(TableKind::View) => (
            format!("there is a view `{name}` already"),
            "replace it with CREATE OR REPLACE VIEW, or choose another name",
        ),
        Some(kind) => (
            format!("the name `{name}` belongs to a table of kind {}", kind.as_str()),
            "choose another name; views take the place of views only",
        ),
        None => (
            format!("there is a table or view `{name}` already"),
            "choose another name, or replace a view with CREATE OR REPLACE VIEW",
        ),
    };
    Failure::new(ErrorClass::Input, "HW-T056", message).help(help)
}

fn table(job: &JobView<'_>, expanded: Expanded, defined: Defined) -> Table {
    Table {
        name: expanded.table,
        kind: TableKind::View,
        version: TableVersion(0),
        schema: defined.schema,
        group_column: expanded.group,
        time_column: expanded.time,
        // Nothing is known of where the rows of a group come from.
        groups: Groups::Split,
        sorted_by: Vec::new(),
        rows: None,
        bytes: 0,
        columns: Vec::new(),
        unsupported: Vec::new(),
        dataset: None,
        registered_at: 0,
        origin: Some(job.id.to_string()),
        comment: expanded.comment,
        repartition: None,
        view: Some(Box::new(defined.view)),
    }
}

/// Does the tasks of views: `view.plan`.
pub struct ViewRunner {
    /// The engine that plans.
    pub engine: Engine,
    /// The catalog as the engine sees it.
    pub tables: Arc<dyn Tables>,
    /// What clients over the network may read.
    pub access: Access,
}

#[async_trait]
impl TaskRunner for ViewRunner {
    fn kinds(&self) -> Vec<(&'static str, u32)> {
        vec![(PLAN, FORMAT)]
    }

    async fn run(&self, task: &ClaimedTask, _meter: &Meter, _cancel: &CancellationToken) -> Result<Outcome, Failure> {
        let expanded: Expanded = read(&task.job_params)?;
        Ok(Outcome::of(written(&self.plan(expanded).await?)))
    }
}

impl ViewRunner {
    async fn plan(&self, expanded: Expanded) -> Result<Planned, Failure> {
        let there = self.tables.table(&expanded.table).await;
        let there = there.map_err(|fault| query_failure(&QueryError::Catalog(fault)))?;
        let (mode, expected) = match there.map(|there| (there.table.kind, there.table.version)) {
            None => (Mode::Created, TableVersion(0)),
            Some((TableKind::View, version)) if expanded.or_replace => (Mode::Replaced, version),
            Some((TableKind::View, version)) if expanded.if_not_exists => (Mode::Unchanged, version),
            Some((kind, _)) => return Err(view_taken(&expanded.table, Some(kind))),
        };
        let defined = match mode {
            Mode::Unchanged => None,
            Mode::Created | Mode::Replaced => Some(self.defined(expanded).await?),
        };
        Ok(Planned {
            mode,
            expected,
            defined,
        })
    }

    async fn defined(&self, expanded: Expanded) -> Result<Defined, Failure> {
        let input = SessionInput {
            tables: Arc::clone(&self.tables),
            access: match expanded.unrestricted {
                true => Access::Unrestricted,
                false => self.access.clone(),
            },
            folder: expanded.folder,
        };
        let definition = ViewDefinition {
            name: expanded.table,
            place: None,
            query: expanded.query,
            columns: expanded.columns.into_iter().map(Written::bare).collect(),
            group: expanded.group.map(Written::bare),
            time: expanded.time.map(Written::bare),
            comment: expanded.comment,
            or_replace: expanded.or_replace,
            if_not_exists: expanded.if_not_exists,
        };
        let defined = self.engine.session(input).define_view(&definition).await;
        let DefinedView { schema, view, pinned } = defined.map_err(|error| query_failure(&error))?;
        Ok(Defined {
            schema,
            view,
            read: pinned,
        })
    }
}
