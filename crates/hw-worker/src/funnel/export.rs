//! Handing out the ids of matching groups: parts leave theirs in files, one task sorts them into the target.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema, SortOptions};
use hw_catalog::{
    ColumnSummary, ColumnType, Dataset, Finding, Groups, Part, Table, TableKind, TableName, TableVersion,
};
use hw_files::{Content, FoundFile, Location, Owner, Published, content_of, write_atomically};
use hw_funnel::{GroupExport, MatchError};
use hw_job::{CatalogChange, ErrorClass, Failure, JobId, Needs, TaskSpec, TaskView};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::params::fault;
use super::{EXPORT, FORMAT, read, written};
use crate::documents::part_of;
use crate::runner::Outcome;
use crate::tabular;

/// What to export, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ExportSpec {
    pub(super) target: ExportTarget,
    /// Step of the funnel from 1; `None` = the last one, or the query's groups where there is no funnel.
    pub(super) step: Option<usize>,
    /// Whether a table of that name may be replaced.
    #[serde(default)]
    pub(super) replace: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ExportTarget {
    Table(TableName),
    File(String),
}

/// Parameters of `funnel.export`.
#[derive(Debug, Serialize, Deserialize)]
struct ExportTask {
    spec: ExportSpec,
    group_column: String,
    group_field: Field,
    inputs: Vec<Published>,
    job: JobId,
}

/// Outcome of `funnel.export`.
#[derive(Debug, Serialize, Deserialize)]
struct Exported {
    rows: u64,
    bytes: u64,
    target: ExportTarget,
    step: Option<usize>,
    /// The table to be made, for a table.
    table: Option<Box<Table>>,
    parts: Vec<Part>,
}

impl ExportSpec {
    pub(super) fn parse(export: Option<&Value>, faults: &mut Vec<Finding>) -> Option<Self> {
        let export = export.filter(|export| !export.is_null())?;
        let Some(members) = export.as_object() else {
            faults.push(
                fault("`export` must be an object", "/export").help("write {\"table\": NAME} or {\"file\": PATH}"),
            );
            return None;
        };
        for name in members
            .keys()
            .filter(|name| !["table", "file", "step", "replace"].contains(&name.as_str()))
        {
            faults.push(fault(format!("unknown member `{name}`"), &format!("/export/{name}")));
        }
        let step = step(members, faults);
        let replace = replace(members, faults);
        let target = target(members, faults)?;
        Some(Self { target, step, replace })
    }

    /// The table that must not be there.
    pub(super) fn new_table(&self) -> Option<&TableName> {
        match &self.target {
            ExportTarget::Table(name) if !self.replace => Some(name),
            ExportTarget::Table(_) | ExportTarget::File(_) => None,
        }
    }

    /// A query cannot put its groups in the place of the table that it reads.
    pub(super) fn over_itself(&self, read: Option<&TableName>) -> Option<Finding> {
        match &self.target {
            ExportTarget::Table(name) if self.replace && Some(name) == read => {
                let finding = fault(format!("`{name}` is the table that is read"), "/export/table");
                Some(finding.help("write the groups to a table of another name"))
            }
            ExportTarget::Table(_) | ExportTarget::File(_) => None,
        }
    }

    /// What is wrong with the step for a funnel of so many steps.
    pub(super) fn step_fault(&self, steps: Option<usize>) -> Option<Finding> {
        let steps = steps.unwrap_or(0);
        let step = self.step.filter(|step| *step > steps)?;
        let error = MatchError::NoSuchStep { step, steps };
        let finding = Finding::new(error.code(), error.to_string()).at("/export/step");
        Some(Finding {
            kind: "SCHEMA".to_owned(),
            ..finding.help(error.help())
        })
    }

    /// What the matcher is to collect.
    pub(super) fn groups(&self) -> GroupExport {
        self.step.map_or(GroupExport::Last, GroupExport::Step)
    }
}

fn step(members: &Map<String, Value>, faults: &mut Vec<Finding>) -> Option<usize> {
    match members.get("step") {
        None | Some(Value::Null) => None,
        Some(Value::String(last)) if last == "last" => None,
        Some(step) => {
            let number = step
                .as_u64()
                .and_then(|step| usize::try_from(step).ok())
                .filter(|step| *step > 0);
            if number.is_none() {
                faults.push(fault("`step` must be a number from 1 or \"last\"", "/export/step"));
            }
            number
        }
    }
}

/// Only tables are asked about: a file is written anew each time.
fn replace(members: &Map<String, Value>, faults: &mut Vec<Finding>) -> bool {
    let replace = members.get("replace").filter(|replace| !replace.is_null());
    match replace.map(Value::as_bool) {
        None | Some(Some(false)) => false,
        Some(Some(true)) if members.contains_key("file") => {
            let finding = fault("`replace` is for tables", "/export/replace");
            faults.push(finding.help("leave it out: a file of that name is replaced anyway"));
            false
        }
        Some(Some(true)) => true,
        Some(None) => {
            faults.push(fault("`replace` must be true or false", "/export/replace"));
            false
        }
    }
}

/// Stands against a job whose table is there already.
pub(super) fn taken(name: &TableName) -> Failure {
    let message = format!("table `{name}` is there already");
    Failure::new(ErrorClass::Input, "HW-T055", message)
        .help("choose another name, or have it replaced: `--replace`, in JSON `\"replace\": true` within `export`")
}

fn target(members: &Map<String, Value>, faults: &mut Vec<Finding>) -> Option<ExportTarget> {
    match (
        members.get("table").and_then(Value::as_str),
        members.get("file").and_then(Value::as_str),
    ) {
        (Some(name), None) => match name.parse() {
            Ok(name) => Some(ExportTarget::Table(name)),
            Err(error) => {
                let error: hw_catalog::InvalidTableName = error;
                faults.push(fault(error.to_string(), "/export/table"));
                None
            }
        },
        (None, Some(file)) if file.ends_with(".parquet") || file.ends_with(".csv") => {
            Some(ExportTarget::File(file.to_owned()))
        }
        (None, Some(file)) => {
            let message = format!("the format of `{file}` is not known by its name");
            faults.push(fault(message, "/export/file").help("end it in `.parquet` or `.csv`"));
            None
        }
        _ => {
            faults.push(fault("`export` needs either `table` or `file`", "/export"));
            None
        }
    }
}

/// The task that makes the target out of what the parts left.
pub(super) fn task(spec: &ExportSpec, table: &Table, parts: &[&TaskView], job: JobId) -> Result<TaskSpec, Failure> {
    let group_column = table.group_column.clone().unwrap_or_default();
    let group_field = table
        .schema
        .field_with_name(&group_column)
        .cloned()
        .map_err(|error| super::unreadable(&error.to_string()))?;
    let left = parts
        .iter()
        .filter_map(|task| task.outcome.get("groups").filter(|groups| !groups.is_null()));
    let inputs = left.map(read).collect::<Result<Vec<Published>, Failure>>()?;
    let params = ExportTask {
        spec: spec.clone(),
        group_column,
        group_field,
        inputs,
        job,
    };
    Ok(TaskSpec {
        kind: EXPORT.to_owned(),
        format: FORMAT,
        params: written(&params),
        needs: Needs::default(),
        affinity: Vec::new(),
        flow: table.name.to_string(),
        after: Vec::new(),
    })
}

/// Tells of the export in the answer, and makes the table if one was asked for.
pub(super) fn note(spec: &ExportSpec, task: &TaskView, result: &mut Value) -> Result<Vec<CatalogChange>, Failure> {
    let exported: Exported = read(&task.outcome)?;
    let step = exported.step.map_or(json!("last"), |step| json!(step));
    let told = match &exported.target {
        ExportTarget::Table(name) => json!({"table": name, "step": step, "groups": exported.rows}),
        ExportTarget::File(path) => {
            json!({"file": path, "step": step, "groups": exported.rows, "bytes": exported.bytes})
        }
    };
    if let Some(members) = result.as_object_mut() {
        members.insert("export".to_owned(), told);
    }
    let put = exported.table.map(|table| CatalogChange::Put {
        table,
        parts: exported.parts,
        // Somebody may have made a table of that name while the job ran.
        expected: spec.new_table().map(|_| TableVersion(0)),
    });
    Ok(put.into_iter().collect())
}

impl super::FunnelRunner {
    /// Sorts the ids that the parts left and writes them to the target, whole or not at all.
    pub(super) async fn export(&self, params: &Value) -> Result<Outcome, Failure> {
        let task: ExportTask = read(params)?;
        let groups = self.gather(&task).await?;
        let rows = groups.num_rows() as u64;
        match &task.spec.target {
            ExportTarget::File(path) => {
                let bytes = self.write_file(path, &groups).await?;
                let target = task.spec.target.clone();
                let exported = Exported {
                    rows,
                    bytes,
                    target,
                    step: task.spec.step,
                    table: None,
                    parts: Vec::new(),
                };
                Ok(Outcome::of(written(&exported)))
            }
            ExportTarget::Table(name) => self.write_table(name, &task, &groups).await,
        }
    }

    async fn gather(&self, task: &ExportTask) -> Result<RecordBatch, Failure> {
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for input in &task.inputs {
            let content = self
                .documents()
                .files()
                .read(input)
                .await
                .map_err(|error| crate::file_failure(&error))?;
            arrays.extend(
                tabular::read_stream(&content)?
                    .into_iter()
                    .filter_map(|batch| batch.columns().first().cloned()),
            );
        }
        let field = Field::new(
            &task.group_column,
            arrays
                .first()
                .map_or(task.group_field.data_type(), |array| array.data_type())
                .clone(),
            false,
        );
        let schema = Arc::new(Schema::new(vec![field]));
        let refs: Vec<&dyn arrow_array::Array> = arrays.iter().map(AsRef::as_ref).collect();
        if refs.is_empty() {
            return Ok(RecordBatch::new_empty(schema));
        }
        let all = arrow_select::concat::concat(&refs).map_err(|error| tabular::broken(&error))?;
        let sorted =
            arrow_ord::sort::sort(&all, Some(SortOptions::default())).map_err(|error| tabular::broken(&error))?;
        RecordBatch::try_new(schema, vec![sorted]).map_err(|error| tabular::broken(&error))
    }

    async fn write_file(&self, path: &str, groups: &RecordBatch) -> Result<u64, Failure> {
        let location = Location::parse(path, None).map_err(|error| crate::file_failure(&error))?;
        let open = self
            .stores()
            .open(&location)
            .map_err(|error| crate::file_failure(&error))?;
        let bytes = if path.ends_with(".csv") {
            tabular::csv(groups)?
        } else {
            tabular::parquet(groups)?
        };
        let content: Content<'_> = content_of(bytes);
        let done = write_atomically(&open, content)
            .await
            .map_err(|error| crate::file_failure(&error))?;
        Ok(done.bytes)
    }

    async fn write_table(&self, name: &TableName, task: &ExportTask, groups: &RecordBatch) -> Result<Outcome, Failure> {
        let files = self.documents().files();
        let content = tabular::parquet(groups)?;
        let owner = Owner::Table(name.clone());
        let published = files
            .publish(&owner, "groups.parquet", content)
            .await
            .map_err(|error| crate::file_failure(&error))?;
        let found = files.found(&published).map_err(|error| crate::file_failure(&error))?;
        let part = part_of(files, &published, groups.num_rows() as u64).await?;
        let exported = Exported {
            rows: groups.num_rows() as u64,
            bytes: published.bytes,
            target: task.spec.target.clone(),
            step: task.spec.step,
            table: Some(Box::new(self.table_of(name, groups, &found, task.job))),
            parts: vec![part],
        };
        Ok(Outcome {
            document: written(&exported),
            files: vec![published.path],
        })
    }

    fn table_of(&self, name: &TableName, groups: &RecordBatch, file: &FoundFile, job: JobId) -> Table {
        let schema = groups.schema();
        let column = schema.fields().first();
        let summary = column.and_then(|field| Some((field.name().clone(), ColumnType::of(field.data_type())?)));
        Table {
            name: name.clone(),
            kind: TableKind::Managed,
            version: TableVersion(0),
            group_column: column.map(|field| field.name().clone()),
            time_column: None,
            groups: Groups::Contained,
            sorted_by: column.map(|field| field.name().clone()).into_iter().collect(),
            rows: Some(groups.num_rows() as u64),
            bytes: file.bytes,
            columns: summary
                .map(|(name, column_type)| unsampled(name, column_type))
                .into_iter()
                .collect(),
            unsupported: Vec::new(),
            dataset: Some(Dataset {
                location: self.documents().files().root().folder_of(file).to_string(),
                pattern: "*.parquet".to_owned(),
                recursive: false,
                parts: 1,
                inspected: 1,
                containment_proven: true,
            }),
            registered_at: self.now(),
            origin: Some(job.to_string()),
            comment: None,
            repartition: None,
            view: None,
            schema: schema.as_ref().clone(),
        }
    }
}

/// A column of which nothing but its type was looked at.
fn unsampled(name: String, column_type: ColumnType) -> ColumnSummary {
    ColumnSummary {
        name,
        column_type,
        min: None,
        max: None,
        null_count: Some(0),
        dictionary: false,
        categorical: false,
        top_values: Vec::new(),
        unique_ratio: Some(1.0),
    }
}
