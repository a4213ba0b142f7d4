//! Funnel queries as jobs: checked against the table, cut into a task per part, merged into one result document.
//!
//! ```text
//!  table of the catalog:  prepare ─────────────────────────────▶ funnel.part × parts ─▶ (funnel.export) ─▶ result
//!  files named in the request:  prepare ─▶ funnel.discover ─▶ advance ──▶ the same
//! ```
//!
//! A task carries the expanded query and the parts to read, never an engine's plan. Where groups may straddle parts
//! there is one task over all parts, and the engine distributes the rows by group.

mod export;
mod params;
mod question;
mod run;
mod stats;
#[cfg(test)]
mod tests;

pub use question::{FunnelAsker, FunnelQuestion, QuestionFault};
pub use run::{FunnelRunner, LastJob};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hw_catalog::{Finding, Groups, Part, Table, TableKind, TableName};
use hw_funnel::{Dataset, Partial, Query, Validation};
use hw_job::{
    Advance, CatalogChange, ErrorClass, Failure, JobKind, JobView, Lifetime, Merged, Needs, PrepareError,
    PrepareRequest, Prepared, TaskSpec, TaskView,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::carried::{read, unreadable, written};
use export::ExportSpec;
use params::{Params, Source};

/// Version of the documents that jobs and tasks of this kind carry.
const FORMAT: u32 = 1;

/// Most tasks that a query is cut into; beyond it a task takes several parts.
const TASKS_MAX: usize = 1_024;

const DISCOVER: &str = "funnel.discover";
const PART: &str = "funnel.part";
const EXPORT: &str = "funnel.export";

/// Runs funnel queries: parameters `{"table", "query", "group"?, "time"?, "export"?}`.
#[derive(Debug, Clone)]
pub struct FunnelKind {
    /// Number of values that lists per value hold unless the query says otherwise.
    pub default_top: u64,
    /// Each task keeps this many times `top` values of every list per value, so that lists over several parts are approximate;
    /// `None` keeps all.
    pub top_factor: Option<f64>,
    /// Percentiles of times that are told, as shares of 1.
    pub percentiles: Vec<f64>,
}

/// A funnel job's expanded parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Expanded {
    format: u32,
    /// The expanded query document; for files the one given, until their schema is known.
    query: Value,
    source: ExpandedSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    top_factor: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    export: Option<ExportSpec>,
    /// Whether the client may read what its user may: a view is read with its rights.
    #[serde(default)]
    unrestricted: bool,
    /// Oddities of the query, told in the result; of a query over files they are with its parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Finding>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExpandedSource {
    Table(Box<Table>),
    Files(FileSource),
}

/// Files named in the request.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct FileSource {
    path: String,
    group: String,
    time: String,
    /// The client's working folder; only clients that may read what their user may have one.
    folder: Option<String>,
    /// Whether the client may read what its user may, with a working folder or without.
    #[serde(default)]
    unrestricted: bool,
}

/// Parameters of `funnel.part`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PartTask {
    parts: Vec<Part>,
    /// What the job's own parameters do not tell: files are known only after the job was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<FoundQuery>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct FoundQuery {
    table: Box<Table>,
    query: Value,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Finding>,
}

/// Outcome of `funnel.discover`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Discovered {
    table: Box<Table>,
    parts: Vec<Part>,
}

impl JobKind for FunnelKind {
    fn name(&self) -> &'static str {
        "funnel"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        Ok(match Params::parse(params)?.source {
            Source::Table(name) => vec![name],
            Source::Files(_) => Vec::new(),
        })
    }

    /// A table may have a name that looks like a path: it comes first.
    fn may_read(&self, params: &Value) -> Option<TableName> {
        let source = Params::parse(params).ok()?.source;
        source.table().filter(|_| matches!(source, Source::Files(_)))
    }

    fn writes(&self, params: &Value) -> Vec<TableName> {
        let params = Params::parse(params).ok();
        let export = params.and_then(|params| params.export);
        export
            .and_then(|export| export.new_table().cloned())
            .into_iter()
            .collect()
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let params = Params::parse(request.params).map_err(PrepareError::Faults)?;
        let taken = params.export.as_ref().and_then(ExportSpec::new_table);
        if let Some(name) = taken.filter(|name| request.present.contains(name)) {
            return Err(PrepareError::Conflict(export::taken(name)));
        }
        match (&params.source, request.tables.first()) {
            (_, Some(pinned)) => {
                let table = asked(&pinned.table, &params, pinned.parts.len());
                two_columns(table.group_column.as_deref(), table.time_column.as_deref())?;
                self.prepare_table(&params, table, &pinned.parts, request.unrestricted)
            }
            (Source::Table(name), None) => Err(PrepareError::Faults(vec![
                Finding::new("HW-T001", format!("there is no table `{name}`")).at("/table"),
            ])),
            (Source::Files(path), None) => prepare_files(&params, path, self.top_factor, request),
        }
    }

    fn advance(&self, job: &JobView<'_>) -> Result<Advance, Failure> {
        let expanded: Expanded = read(job.expanded)?;
        let (discovered, parts, exports) = (tasks_of(job, DISCOVER), tasks_of(job, PART), tasks_of(job, EXPORT));
        if let (ExpandedSource::Files(_), [discovered], []) =
            (&expanded.source, discovered.as_slice(), parts.as_slice())
        {
            return self.cut_files(&expanded, discovered, job);
        }
        match (&expanded.export, exports.as_slice()) {
            (Some(spec), []) => {
                let FoundQuery { table, .. } = question(&expanded, &parts)?;
                Ok(Advance::Tasks(vec![export::task(spec, &table, &parts, job.id)?]))
            }
            _ => Ok(Advance::Merge),
        }
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let expanded: Expanded = read(job.expanded)?;
        let parts = tasks_of(job, PART);
        let FoundQuery { table, query, warnings } = question(&expanded, &parts)?;
        let query = bound(&query, &table)?;
        let merged = merge(&query, &parts)?;
        let stats = stats::stats(job, &table, &parts, &merged, &self.percentiles);
        let mut result = answer(job, hw_funnel::result(&query, &merged), &warnings, stats);
        let changes = match tasks_of(job, EXPORT).first() {
            Some(done) => {
                let spec = expanded
                    .export
                    .as_ref()
                    .ok_or_else(|| unreadable("nothing was to be exported"))?;
                export::note(spec, done, &mut result)?
            }
            None => Vec::<CatalogChange>::new(),
        };
        Ok(Merged {
            result,
            partial: false,
            changes,
            files: Vec::new(),
        })
    }
}

impl FunnelKind {
    fn prepare_table(
        &self,
        params: &Params,
        mut table: Table,
        parts: &[Part],
        unrestricted: bool,
    ) -> Result<Prepared, PrepareError> {
        let (expanded, warnings) = self
            .check(&params.query, params.export.as_ref(), &table)
            .map_err(PrepareError::Faults)?;
        let identity = format!("{}@{}", table.name, table.version);
        forget_samples(&mut table);
        let tasks = cut(&table, parts, None);
        // What is behind a view may change without the view, and is not for everybody.
        let is_reusable = params.export.is_none() && table.kind != TableKind::View;
        let fingerprint = is_reusable.then(|| fingerprint(&identity, &table, &expanded, self.top_factor));
        let source = ExpandedSource::Table(Box::new(table));
        let document = Expanded {
            format: FORMAT,
            query: expanded,
            source,
            top_factor: self.top_factor,
            export: params.export.clone(),
            unrestricted,
            warnings: warnings.clone(),
        };
        Ok(Prepared {
            expanded: written(&document),
            tasks,
            fingerprint,
            warnings,
        })
    }

    /// The expanded query and warnings, or every fault.
    fn check(
        &self,
        query: &Value,
        export: Option<&ExportSpec>,
        table: &Table,
    ) -> Result<(Value, Vec<Finding>), Vec<Finding>> {
        let dataset = dataset_of(table).map_err(|finding| vec![*finding])?;
        let validation = validate(query, Some(&dataset), self.default_top);
        let (Some(expanded), Some(bound), true) = (validation.expanded, validation.query, validation.success) else {
            return Err(located(validation.findings));
        };
        match export.and_then(|export| export.step_fault(bound.funnel_steps())) {
            Some(fault) => Err(vec![fault]),
            None => Ok((expanded, located(validation.warnings))),
        }
    }

    fn cut_files(&self, expanded: &Expanded, discovered: &TaskView, job: &JobView<'_>) -> Result<Advance, Failure> {
        let Discovered { table, parts } = read(&discovered.outcome)?;
        let (query, warnings) = self
            .check(&expanded.query, expanded.export.as_ref(), &table)
            .map_err(input_failure)?;
        let found = FoundQuery { table, query, warnings };
        let mut tasks = cut(&found.table.clone(), &parts, Some(&found));
        for task in &mut tasks {
            task.flow = job.id.to_string();
        }
        Ok(Advance::Tasks(tasks))
    }
}

/// Checks a query document (or the text of one) against a table, or its structure alone, and tells what was found as a
/// document; the same document says so where funnels cannot run over the table.
pub fn validate_funnel(query: &Value, table: Option<&Table>, default_top: u64) -> Value {
    match table.map(dataset_of).transpose() {
        Ok(dataset) => validate(query, dataset.as_ref(), default_top).to_json(),
        Err(finding) => json!({
            "success": false,
            "errorKind": "INVALID_ARGUMENTS",
            "errorMessage": format!("ValidationError(INVALID_ARGUMENTS: {})", finding.message),
            "errors": [finding],
            "warnings": [],
        }),
    }
}

/// The table that a funnel job asks, as it was when the job was made, from the job's expanded parameters; `None` where it
/// asks files, or another version wrote them.
pub fn asked_table(expanded: &Value) -> Option<Table> {
    match Expanded::deserialize(expanded).ok()?.source {
        ExpandedSource::Table(table) => Some(*table),
        ExpandedSource::Files(_) => None,
    }
}

/// The query of a funnel job's expanded parameters, with every default written out where it asks a table.
pub fn asked_query(expanded: &Value) -> Option<&Value> {
    expanded.get("query")
}

/// Validation of a document, or of a text that holds one.
fn validate(query: &Value, dataset: Option<&Dataset>, default_top: u64) -> Validation {
    let Value::String(text) = query else {
        return hw_funnel::validate_with_top(query, dataset, default_top);
    };
    match serde_json::from_str::<Value>(text) {
        Ok(document) => hw_funnel::validate_with_top(&document, dataset, default_top),
        Err(_) => hw_funnel::validate_text(text, dataset),
    }
}

/// The table with the columns that the request names. Where groups are was found out for the table's own group column and
/// says nothing of another: unless there is but one part, its groups are taken to straddle parts.
fn asked(table: &Table, params: &Params, parts: usize) -> Table {
    let mut table = table.clone();
    table.time_column = params.time.clone().or(table.time_column);
    if params.group.is_some() && params.group != table.group_column {
        table.group_column.clone_from(&params.group);
        table.groups = match table.kind {
            TableKind::View => Groups::Split,
            _ => groups_unknown(parts),
        };
        if let Some(dataset) = &mut table.dataset {
            dataset.containment_proven = false;
        }
    }
    table
}

/// Where groups are as far as the number of parts tells: a single part contains its groups, of several nothing is known.
fn groups_unknown(parts: usize) -> Groups {
    match parts {
        0 | 1 => Groups::Contained,
        _ => Groups::Split,
    }
}

/// What funnels need to know of a table, or why they cannot run over it.
pub(crate) fn dataset_of(table: &Table) -> Result<Dataset, Box<Finding>> {
    hw_query::dataset_of(table).ok_or_else(|| {
        let missing = match (&table.group_column, &table.time_column) {
            (None, None) => "group and no time",
            (None, Some(_)) => "group",
            (Some(_), _) => "time",
        };
        let message = format!("table `{}` has no {missing} column", table.name);
        let finding = Finding::new("HW-F005", message);
        Box::new(finding.help("name one with `--group` and `--time`, or register the table with them"))
    })
}

/// One task per part, several parts per task where there are very many, one task where groups straddle parts, and for a view,
/// which has no parts.
fn cut(table: &Table, parts: &[Part], found: Option<&FoundQuery>) -> Vec<TaskSpec> {
    if table.kind == TableKind::View {
        return vec![part_task(table, &[], found)];
    }
    let per_task = match table.groups {
        Groups::Split => parts.len(),
        Groups::Contained => parts.len().div_ceil(TASKS_MAX),
    };
    parts
        .chunks(per_task.max(1))
        .map(|parts| part_task(table, parts, found))
        .collect()
}

fn part_task(table: &Table, parts: &[Part], found: Option<&FoundQuery>) -> TaskSpec {
    let affinity = parts
        .iter()
        .map(|part| format!("{}@{}/{}", table.name, table.version, part.path))
        .collect();
    TaskSpec {
        kind: PART.to_owned(),
        format: FORMAT,
        params: written(&PartTask {
            parts: parts.to_vec(),
            found: found.cloned(),
        }),
        needs: Needs::default(),
        affinity,
        flow: table.name.to_string(),
        after: Vec::new(),
    }
}

/// The time of a row says nothing where it is its group.
fn two_columns(group: Option<&str>, time: Option<&str>) -> Result<(), PrepareError> {
    match group.is_some() && group == time {
        true => Err(PrepareError::Faults(vec![params::fault(
            "the group column and the time column must be two columns",
            "/time",
        )])),
        false => Ok(()),
    }
}

fn prepare_files(
    params: &Params,
    path: &str,
    top_factor: Option<f64>,
    request: &PrepareRequest<'_>,
) -> Result<Prepared, PrepareError> {
    let (Some(group), Some(time)) = (params.group.clone(), params.time.clone()) else {
        return Err(PrepareError::Faults(vec![files_without_columns(path)]));
    };
    two_columns(Some(&group), Some(&time))?;
    let source = FileSource {
        path: path.to_owned(),
        group,
        time,
        folder: request.folder.map(str::to_owned),
        unrestricted: request.unrestricted,
    };
    let task = TaskSpec {
        kind: DISCOVER.to_owned(),
        format: FORMAT,
        params: Value::Null,
        needs: Needs::default(),
        affinity: Vec::new(),
        flow: request.job.to_string(),
        after: Vec::new(),
    };
    let export = params.export.clone();
    let document = Expanded {
        format: FORMAT,
        query: params.query.clone(),
        source: ExpandedSource::Files(source),
        top_factor,
        export,
        unrestricted: request.unrestricted,
        warnings: Vec::new(),
    };
    Ok(Prepared {
        expanded: written(&document),
        tasks: vec![task],
        fingerprint: None,
        warnings: Vec::new(),
    })
}

fn files_without_columns(path: &str) -> Finding {
    let message = format!("files such as `{path}` need a group and a time column");
    let finding = Finding::new("HW-F005", message).at("/table");
    finding.help("name them with `--group` and `--time`, in JSON with `group` and `time`")
}

fn tasks_of<'a>(job: &JobView<'a>, kind: &str) -> Vec<&'a TaskView> {
    job.tasks.iter().filter(|task| task.kind == kind).collect()
}

/// The table and the expanded query that the part tasks answered.
fn question(expanded: &Expanded, parts: &[&TaskView]) -> Result<FoundQuery, Failure> {
    if let ExpandedSource::Table(table) = &expanded.source {
        return Ok(FoundQuery {
            table: table.clone(),
            query: expanded.query.clone(),
            warnings: expanded.warnings.clone(),
        });
    }
    let first = parts
        .first()
        .ok_or_else(|| unreadable("a query over files has no part"))?;
    let PartTask { found, .. } = read(&first.params)?;
    found.ok_or_else(|| unreadable("a task over files does not tell them"))
}

/// An expanded query, bound to the columns of its table.
fn bound(query: &Value, table: &Table) -> Result<Query, Failure> {
    let dataset = dataset_of(table).map_err(|finding| input_failure(vec![*finding]))?;
    Query::from_expanded(query, &dataset)
        .map_err(|error| Failure::new(ErrorClass::Internal, error.code(), error.to_string()).help(error.help()))
}

/// Merges in the order of the parts, so that sums of floats do not depend on who was faster.
fn merge(query: &Query, parts: &[&TaskView]) -> Result<Partial, Failure> {
    let mut merged = Partial::empty(query);
    for task in parts {
        let stored = task.outcome.get("partial").and_then(Value::as_str);
        let stored = stored.and_then(|stored| BASE64_STANDARD.decode(stored).ok());
        let stored = stored.ok_or_else(|| unreadable("a partial is no text"))?;
        Partial::from_bytes(&stored)
            .and_then(|partial| merged.merge(partial))
            .map_err(|error| Failure::new(ErrorClass::Internal, error.code(), error.to_string()).help(error.help()))?;
    }
    Ok(merged)
}

fn answer(job: &JobView<'_>, result: Value, warnings: &[Finding], stats: Value) -> Value {
    let mut answer = Map::new();
    answer.insert("success".to_owned(), json!(true));
    answer.insert("requestId".to_owned(), json!(crate::request_id(job.id)));
    if let Value::Object(members) = result {
        answer.extend(members);
    }
    if !warnings.is_empty() {
        answer.insert("warnings".to_owned(), json!(warnings));
    }
    answer.insert("stats".to_owned(), stats);
    Value::Object(answer)
}

/// Equal for equal questions about equal data only.
fn fingerprint(identity: &str, table: &Table, query: &Value, top_factor: Option<f64>) -> String {
    let question = json!([
        FORMAT,
        identity,
        table.registered_at,
        table.group_column,
        table.time_column,
        query,
        top_factor
    ])
    .to_string();
    Sha256::digest(question.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Drops what tasks do not need of a table, so that every claim stays small.
fn forget_samples(table: &mut Table) {
    for column in &mut table.columns {
        column.top_values.clear();
    }
}

/// The findings as the catalog knows them; pointers are those of the query document.
pub(crate) fn located(findings: Vec<hw_funnel::Finding>) -> Vec<Finding> {
    let located = |finding: hw_funnel::Finding| {
        let (line, column) = finding.position.unzip();
        Finding {
            code: finding.code.to_owned(),
            kind: finding.kind.name().to_owned(),
            message: finding.message,
            pointer: Some(finding.pointer),
            line: line.and_then(|line| u64::try_from(line).ok()),
            column: column.and_then(|column| u64::try_from(column).ok()),
            help: finding.help,
            ..Finding::default()
        }
    };
    findings.into_iter().map(located).collect()
}

fn input_failure(findings: Vec<Finding>) -> Failure {
    let first = findings.first().cloned().unwrap_or_default();
    Failure {
        findings,
        ..Failure::new(ErrorClass::Input, first.code, first.message)
    }
}
