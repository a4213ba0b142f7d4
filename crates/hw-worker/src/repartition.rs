//! Repartitioning as a job: the rows of a table are brought together by group and written as parts of our own, which then
//! are a table in which no group is in two parts.
//!
//! ```text
//! table of the catalog: prepare ─▶ repartition.write ─▶ table
//! ```
//!
//! There is one task: it reads all that is new, and the engine distributes and sorts the rows within its pool, spilling what
//! does not fit. The parts are confirmed together with the job's end; until then they belong to nobody, so that whatever
//! a killed attempt left is swept.
//!
//! A manifest beside the parts tells which parts of the source were taken in. A later run of the same kind holds them
//! against the source as it is: with parts added it takes in those alone, with parts gone or changed it begins anew.

mod manifest;
mod params;
mod run;
mod segment;
#[cfg(test)]
mod tests;

pub use run::RepartitionRunner;

use hw_catalog::{
    ColumnSummary, Dataset, Finding, Groups, KeptFile, Part, Repartition, Table, TableKind, TableName, TableVersion,
};
use hw_files::Published;
use hw_job::{
    Advance, CatalogChange, Failure, JobKind, JobView, Lifetime, Merged, Needs, PrepareError, PrepareRequest, Prepared,
    StoredDocument, TaskSpec,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::carried::{read, unreadable, written};
use crate::documents::stored;
use manifest::Segment;
use params::RepartitionParams;

/// Version of the documents that jobs and tasks of this kind carry.
const FORMAT: u32 = 1;

const WRITE: &str = "repartition.write";

/// Rows of a row group unless the request says otherwise: few enough that the ids of a group column fit into one dictionary,
/// and many enough that columns compress well.
const ROW_GROUP_ROWS: u32 = 262_144;

/// Stored bytes that a part is to have, about.
const PART_BYTES: u64 = 64 << 20;

/// Stored bytes below which a part is not worth a task of its own.
const PART_BYTES_MIN: u64 = 4 << 20;

/// Parts that a table is cut into for the sake of workers alone.
const PARTS_FOR_WORKERS: u64 = 16;

/// Most parts.
const PARTS_MAX: u32 = 10_000;

/// Media type of a part.
const PARQUET: &str = "application/vnd.apache.parquet";

/// Repartitions tables: parameters `{"table", "to", "group", "time", "parts", "row_group_rows"}`.
#[derive(Debug, Clone, Copy)]
pub struct RepartitionKind;

/// A job's expanded parameters.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Expanded {
    format: u32,
    source: Box<Table>,
    to: TableName,
    group: String,
    time: String,
    /// As asked for; else those of the table that is there, or as many as the size suggests.
    parts: Option<u32>,
    row_group_rows: u32,
    /// Whether the client may read what its user may: a view is read with its rights.
    #[serde(default)]
    unrestricted: bool,
}

/// Parameters of `repartition.write`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct WriteTask {
    parts: Vec<Part>,
}

/// How a table came to hold the rows of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// All rows were read.
    Full,
    /// The rows of the source's new parts were added.
    Incremental,
    /// It held them already.
    Unchanged,
}

/// Outcome of `repartition.write`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Made {
    mode: Mode,
    /// Parts of the source that were read.
    taken: u64,
    /// Their rows.
    rows_taken: u64,
    buckets: u32,
    /// Every part of the table, those that were kept among them.
    segments: Vec<Segment>,
    /// How many of them were written.
    written: u64,
    manifest: Published,
    /// URL of the folder that the paths of the parts are below of.
    location: String,
}

impl JobKind for RepartitionKind {
    fn name(&self) -> &'static str {
        "repartition"
    }

    fn lifetime(&self) -> Lifetime {
        Lifetime::Interactive
    }

    fn reads(&self, params: &Value) -> Result<Vec<TableName>, Vec<Finding>> {
        RepartitionParams::parse(params).map(|params| vec![params.table])
    }

    fn prepare(&self, request: &PrepareRequest<'_>) -> Result<Prepared, PrepareError> {
        let params = RepartitionParams::parse(request.params).map_err(PrepareError::Faults)?;
        let pinned = request.tables.first().ok_or_else(|| {
            let message = format!("there is no table `{}`", params.table);
            PrepareError::Faults(vec![Finding::new("HW-T023", message).at("/table")])
        })?;
        let chosen = params.chosen(&pinned.table).map_err(PrepareError::Faults)?;
        let mut source = pinned.table.clone();
        source.repartition = None;
        let task = TaskSpec {
            kind: WRITE.to_owned(),
            format: FORMAT,
            params: written(&WriteTask {
                parts: pinned.parts.clone(),
            }),
            needs: Needs::default(),
            affinity: Vec::new(),
            flow: source.name.to_string(),
            after: Vec::new(),
        };
        let expanded = Expanded {
            format: FORMAT,
            source: Box::new(source),
            to: chosen.to,
            group: chosen.group,
            time: chosen.time,
            parts: params.parts,
            row_group_rows: params.row_group_rows.unwrap_or(ROW_GROUP_ROWS),
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
        let made: Made = read(&task.ok_or_else(|| unreadable("no part was written"))?.outcome)?;
        let result = result(job, &expanded, &made);
        let (changes, files) = match made.mode {
            Mode::Unchanged => (Vec::new(), Vec::new()),
            Mode::Full | Mode::Incremental => {
                let parts = made.segments.iter().map(|segment| segment.part.clone()).collect();
                let table = Box::new(table(job, &expanded, &made));
                let put = CatalogChange::Put {
                    table,
                    parts,
                    expected: None,
                };
                (vec![put], files(&made))
            }
        };
        Ok(Merged {
            result,
            partial: false,
            changes,
            files,
        })
    }
}

fn result(job: &JobView<'_>, expanded: &Expanded, made: &Made) -> Value {
    json!({
        "success": true,
        "requestId": crate::request_id(job.id),
        "table": expanded.to,
        "source": expanded.source.name,
        "mode": made.mode,
        "rows": rows(made),
        "bytes": bytes(made),
        "parts": made.segments.len(),
        "partsWritten": made.written,
        "sourcePartsTaken": made.taken,
        "sourceRowsTaken": made.rows_taken,
        "stats": {"totalTime": job.elapsed.as_secs_f64()},
    })
}

fn rows(made: &Made) -> u64 {
    made.segments.iter().filter_map(|segment| segment.part.rows).sum()
}

fn bytes(made: &Made) -> u64 {
    made.segments.iter().map(|segment| segment.part.bytes).sum()
}

/// All files of the table: confirming those that were kept makes sure that they are still there.
fn files(made: &Made) -> Vec<StoredDocument> {
    let parts = made
        .segments
        .iter()
        .map(|segment| stored(segment.file.clone(), PARQUET));
    parts
        .chain([stored(made.manifest.clone(), "application/json")])
        .collect()
}

fn table(job: &JobView<'_>, expanded: &Expanded, made: &Made) -> Table {
    let source = expanded.source.as_ref();
    let parts = made.segments.len() as u64;
    Table {
        name: expanded.to.clone(),
        kind: TableKind::Managed,
        version: TableVersion(0),
        schema: hw_query::plain_schema(&source.schema),
        group_column: Some(expanded.group.clone()),
        time_column: Some(expanded.time.clone()),
        groups: Groups::Contained,
        sorted_by: vec![expanded.group.clone(), expanded.time.clone()],
        rows: Some(rows(made)),
        bytes: bytes(made),
        // The rows are the source's, and so is what is known of their values.
        columns: source.columns.iter().cloned().map(without_dictionary).collect(),
        unsupported: source.unsupported.clone(),
        dataset: Some(Dataset {
            location: made.location.clone(),
            pattern: "*.parquet".to_owned(),
            recursive: true,
            parts,
            inspected: parts,
            containment_proven: true,
        }),
        registered_at: 0,
        origin: Some(job.id.to_string()),
        comment: None,
        repartition: Some(Box::new(Repartition {
            source: source.name.clone(),
            version: source.version,
            buckets: made.buckets,
            manifest: KeptFile {
                path: made.manifest.path.clone(),
                bytes: made.manifest.bytes,
                checksum: made.manifest.checksum.to_string(),
            },
        })),
        view: None,
    }
}

fn without_dictionary(column: ColumnSummary) -> ColumnSummary {
    ColumnSummary {
        dictionary: false,
        ..column
    }
}

/// Number of parts for a table of so many stored bytes.
fn parts_for(bytes: u64) -> u32 {
    let least = bytes.div_ceil(PART_BYTES_MIN).clamp(1, PARTS_FOR_WORKERS);
    let parts = bytes.div_ceil(PART_BYTES).max(least);
    u32::try_from(parts).unwrap_or(PARTS_MAX).min(PARTS_MAX)
}
