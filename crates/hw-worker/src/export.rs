//! Exporting a table as a job: its rows, or some of them, as files for others.
//!
//! ```text
//! table of the catalog: prepare ─▶ export.write ─▶ one file, or a folder of them
//! ```
//!
//! There is one task, since files are written in the order of the rows. A file appears whole or not at all. Names in a folder
//! hold the job's id, so that a second attempt replaces what the first one left, and nobody else's files.

mod params;
mod run;
mod sink;
#[cfg(test)]
mod tests;

pub use run::ExportRunner;

use hw_catalog::{Finding, Part, Table, TableName};
use hw_job::{
    Advance, Failure, JobKind, JobView, Lifetime, Merged, Needs, PrepareError, PrepareRequest, Prepared, TaskSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::carried::{read, unreadable, written};

use params::{ExportParams, FileFormat};

/// Version of the documents that jobs and tasks of this kind carry.
const FORMAT: u32 = 1;

const WRITE: &str = "export.write";

/// Rows of a file in a folder unless the request says otherwise.
const ROWS_PER_FILE: u32 = 1_000_000;

/// Exports tables: parameters `{"table", "to", "format", "columns", "filter", "rows_per_file", "overwrite"}`.
#[derive(Debug, Clone, Copy)]
pub struct ExportKind;

/// A job's expanded parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Expanded {
    format: u32,
    table: Box<Table>,
    to: String,
    file_format: FileFormat,
    /// `None` = one file.
    rows_per_file: Option<u32>,
    sql: String,
    overwrite: bool,
    /// The client's working folder.
    folder: Option<String>,
    /// Whether the client may read and write what its user may; a view is read with its rights.
    #[serde(default)]
    unrestricted: bool,
}

/// Parameters of `export.write`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WriteTask {
    parts: Vec<Part>,
}

/// Outcome of `export.write`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Exported {
    /// The file or folder as people write it.
    place: String,
    /// Names of the files.
    files: Vec<String>,
    rows: u64,
    bytes: u64,
}

impl JobKind for ExportKind {
    fn name(&self) -> &'static str {
        "export"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        ExportParams::parse(params).map(|params| vec![params.table])
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let params = ExportParams::parse(request.params).map_err(PrepareError::Faults)?;
        let pinned = request.tables.first().ok_or_else(|| {
            let message = format!("there is no table `{}`", params.table);
            PrepareError::Faults(vec![Finding::new("HW-T023", message).at("/table")])
        })?;
        let sql = params.sql(&pinned.table).map_err(PrepareError::Faults)?;
        let task = TaskSpec {
            kind: WRITE.to_owned(),
            format: FORMAT,
            params: written(&WriteTask {
                parts: pinned.parts.clone(),
            }),
            needs: Needs::default(),
            affinity: Vec::new(),
            flow: params.table.to_string(),
            after: Vec::new(),
        };
        let mut table = pinned.table.clone();
        table.columns.clear();
        let rows_per_file = params.rows_per_file.or((!params.is_file).then_some(ROWS_PER_FILE));
        let expanded = Expanded {
            format: FORMAT,
            table: Box::new(table),
            to: params.to,
            file_format: params.format,
            rows_per_file: rows_per_file.filter(|_| !params.is_file),
            sql,
            overwrite: params.overwrite,
            folder: request.folder.map(str::to_owned),
            unrestricted: request.unrestricted,
        };
        Ok(Prepared {
            expanded: written(&expanded),
            tasks: vec![task],
            fingerprint: None,
            warnings: Vec::new(),
        })
    }

    fn advance(&self, _job: &JobView<'_>) -> Result<Advance, Failure> {
        Ok(Advance::Merge)
    }

    fn merge(&self, job: &JobView<'_>) -> Result<Merged, Failure> {
        let expanded: Expanded = read(job.expanded)?;
        let task = job.tasks.iter().find(|task| task.kind == WRITE);
        let exported: Exported = read(&task.ok_or_else(|| unreadable("no file was written"))?.outcome)?;
        let result = json!({
            "success": true,
            "requestId": crate::request_id(job.id),
            "table": expanded.table.name,
            "to": exported.place,
            "format": expanded.file_format,
            "files": exported.files,
            "rows": exported.rows,
            "bytes": exported.bytes,
            "stats": {"totalTime": job.elapsed.as_secs_f64()},
        });
        Ok(Merged {
            result,
            partial: false,
            changes: Vec::new(),
            files: Vec::new(),
        })
    }
}
