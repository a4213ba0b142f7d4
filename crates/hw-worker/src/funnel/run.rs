//! Doing the tasks of funnel jobs.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow_schema::Schema;
use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt as _, stream};
use hw_catalog::{Dataset, Part, Table, TableKind, TableName, TableVersion};
use hw_files::{
    Access, FileError, FileStores, Footer, FoundFile, Location, OpenLocation, Owner, Standing, discover, footer,
};
use hw_job::{Clock, Failure, JobId, Work};
use hw_query::{Engine, FunnelPartial, FunnelScan, SessionInput, Tables};
use hw_store::ClaimedTask;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    DISCOVER, Discovered, EXPORT, Expanded, ExpandedSource, ExportSpec, FORMAT, FileSource, PART, PartTask, read,
    written,
};
use crate::documents::FileDocuments;
use crate::register::joined;
use crate::runner::{Meter, Outcome, TaskRunner};
use crate::{file_failure, query_failure, tabular};

/// Footers that are read at a time.
const FOOTERS_AT_A_TIME: usize = 16;

/// Most files that a query may name.
const FILES_MAX: usize = 100_000;

/// The parameters of the job whose task came last: the tasks of a job come one after the other, and share what was read.
#[derive(Default)]
pub struct LastJob(Mutex<Option<(JobId, Arc<JobParams>)>>);

/// What the tasks of a job share.
struct JobParams {
    /// `None` for files, whose tasks tell what was found.
    table: Option<Arc<Table>>,
    query: Value,
    top_factor: Option<f64>,
    export: Option<ExportSpec>,
    unrestricted: bool,
    /// What the store says of the parts: asked once for all of them, after the job began.
    standing: OnceLock<Option<Arc<Standing>>>,
}

impl JobParams {
    /// What a task of the job matches.
    fn scan(&self, task: PartTask) -> Result<FunnelScan, Failure> {
        let (table, query) = match (&self.table, task.found) {
            (_, Some(found)) => (Arc::new(*found.table), found.query),
            (Some(table), None) => (Arc::clone(table), self.query.clone()),
            (None, None) => return Err(super::unreadable("a task over files does not tell them")),
        };
        Ok(FunnelScan {
            table,
            parts: task.parts,
            query,
            export: self.export.as_ref().map(ExportSpec::groups),
        })
    }

    /// `None` for what has no folder; what is wrong with a folder is told when its parts are opened.
    fn standing(&self, stores: &FileStores, table: &Table) -> Option<Arc<Standing>> {
        let make = || {
            let dataset = table.dataset.as_ref()?;
            let location = Location::parse(&dataset.location, None).ok()?;
            let open = stores.open(&location.into_folder()).ok()?;
            Some(Arc::new(Standing::new(open, dataset.parts)))
        };
        self.standing.get_or_init(make).clone()
    }
}

impl LastJob {
    fn of(&self, task: &ClaimedTask) -> Result<Arc<JobParams>, Failure> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = last.as_ref().filter(|(job, _)| *job == task.id.job) {
            return Ok(Arc::clone(known));
        }
        let Expanded {
            query,
            source,
            top_factor,
            export,
            unrestricted,
            ..
        } = read(&task.job_params)?;
        let table = match source {
            ExpandedSource::Table(table) => Some(Arc::new(*table)),
            ExpandedSource::Files(_) => None,
        };
        let params = Arc::new(JobParams {
            table,
            query,
            top_factor,
            export,
            unrestricted,
            standing: OnceLock::new(),
        });
        *last = Some((task.id.job, Arc::clone(&params)));
        Ok(params)
    }
}

/// Does the tasks of funnel jobs: `funnel.discover`, `funnel.part`, `funnel.export`.
pub struct FunnelRunner {
    /// The engine that scans.
    pub engine: Engine,
    /// The catalog as the engine sees it.
    pub tables: Arc<dyn Tables>,
    /// Where files are.
    pub stores: Arc<FileStores>,
    /// The files of the deployment.
    pub documents: Arc<FileDocuments>,
    /// What clients over the network may read.
    pub access: Access,
    /// Time, for records.
    pub clock: Arc<dyn Clock>,
    /// What was read of the job before.
    pub last_job: LastJob,
}

#[async_trait]
impl TaskRunner for FunnelRunner {
    fn kinds(&self) -> Vec<(&'static str, u32)> {
        vec![(DISCOVER, FORMAT), (PART, FORMAT), (EXPORT, FORMAT)]
    }

    async fn run(&self, task: &ClaimedTask, meter: &Meter, _cancel: &CancellationToken) -> Result<Outcome, Failure> {
        match task.kind.as_str() {
            DISCOVER => self.discover(&read::<Expanded>(&task.job_params)?).await,
            EXPORT => self.export(&task.params).await,
            _ => self.part(task, meter).await,
        }
    }
}

impl FunnelRunner {
    pub(super) fn documents(&self) -> &FileDocuments {
        &self.documents
    }

    pub(super) fn stores(&self) -> &FileStores {
        &self.stores
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.wall().0
    }

    /// Matches the rows of some parts. Dropping the future cancels the scan.
    async fn part(&self, task: &ClaimedTask, meter: &Meter) -> Result<Outcome, Failure> {
        let started = self.clock.elapsed();
        let latency = self.latency(task.id.job);
        let job = self.last_job.of(task)?;
        let scan = job.scan(read(&task.params)?)?;
        let bound = job.top_factor.map(|_| super::bound(&scan.query, &scan.table));
        let bound = bound.transpose()?;
        let rows = scan.parts.iter().map(|part| part.rows).sum::<Option<u64>>();
        let standing = job.standing(&self.stores, &scan.table);
        let session = self.engine.session(self.input(job.unrestricted));
        let run = session.start_funnel_with(scan, standing);
        let run = run.map_err(|error| query_failure(&error))?;
        let opened = self.clock.elapsed();
        let summary = run.summary();
        meter.follow(move || Work {
            rows: 0,
            bytes: summary.read().bytes_read,
        });
        let FunnelPartial {
            mut partial,
            columns,
            bytes_read,
            files_total,
            files_pruned,
            files_held,
            downloaded,
            from_cache,
            download_time,
            row_groups_total,
            row_groups_pruned,
            redistributed,
            pinned,
            ..
        } = run.finish().await.map_err(|error| query_failure(&error))?;
        if let (Some(factor), Some(query)) = (job.top_factor, &bound) {
            partial.keep_top(query, factor);
        }
        // The engine tells the rows only when it has matched them all.
        meter.add(partial.scanned_rows(), 0);
        let groups = match partial.take_groups() {
            Some(groups) => Some(self.leave_groups(task.id.job, groups).await?),
            None => None,
        };
        let files = groups.iter().map(|published| published.path.clone()).collect();
        let document = json!({
            "partial": BASE64_STANDARD.encode(partial.to_bytes()),
            "groups": groups,
            "columns": columns,
            "bytesRead": bytes_read,
            "filesTotal": files_total,
            "filesPruned": files_pruned,
            "bytesDownloaded": downloaded,
            "bytesFromCache": from_cache,
            "downloadSeconds": download_time.as_secs_f64(),
            "loadFrom": load_from(files_held, files_total.saturating_sub(files_pruned), downloaded, from_cache),
            "rowsTotal": rows,
            "rowGroupsTotal": row_groups_total,
            "rowGroupsPruned": row_groups_pruned,
            "redistributed": redistributed,
            "read": pinned.iter().map(|(table, version)| json!({"table": table, "version": version})).collect::<Vec<_>>(),
            "scannedRows": partial.scanned_rows(),
            "scannedGroups": partial.scanned_groups(),
            "loadSeconds": opened.since(started).as_secs_f64(),
            "invokeLatency": latency,
            "seconds": self.clock.elapsed().since(started).as_secs_f64(),
        });
        Ok(Outcome { document, files })
    }

    /// Parts are read whoever asks: the table was there for the client to read. The files that a view names are not.
    fn input(&self, unrestricted: bool) -> SessionInput {
        SessionInput {
            tables: self.tables.clone(),
            access: match unrestricted {
                true => Access::Unrestricted,
                false => self.access.clone(),
            },
            folder: None,
        }
    }

    /// Seconds from the request until now, by the wall's clock: for the record only.
    fn latency(&self, job: JobId) -> f64 {
        let requested = i64::try_from(job.unix_ms()).unwrap_or(0).saturating_mul(1_000);
        (self.now().saturating_sub(requested)).max(0) as f64 / 1e6
    }

    async fn leave_groups(&self, job: JobId, groups: arrow_array::ArrayRef) -> Result<hw_files::Published, Failure> {
        let field = arrow_schema::Field::new("group", groups.data_type().clone(), true);
        let schema = Arc::new(arrow_schema::Schema::new(vec![field]));
        let batch = arrow_array::RecordBatch::try_new(schema, vec![groups]).map_err(|error| tabular::broken(&error))?;
        let content = tabular::stream(&[batch])?;
        let owner = Owner::Job(job.to_string());
        self.documents
            .files()
            .publish(&owner, "groups.arrow", content)
            .await
            .map_err(|error| file_failure(&error))
    }

    /// Finds the files of a request and the schema of the first, with numbers as wide as any of them has; nothing is known of
    /// where their groups are.
    async fn discover(&self, expanded: &Expanded) -> Result<Outcome, Failure> {
        let ExpandedSource::Files(source) = &expanded.source else {
            return Err(super::unreadable("only requests over files discover any"));
        };
        let found = discovered(&self.stores, &self.access, source).await?;
        Ok(Outcome::of(written(&found)))
    }
}

/// Where a task's rows came from, in Funnel Rocket's words: memory only if no file had to be read, the host's disk only if
/// nothing had to be downloaded.
fn load_from(files_held: u64, files_needed: u64, downloaded: u64, from_cache: u64) -> &'static str {
    match (downloaded, from_cache) {
        _ if files_held > 0 && files_held == files_needed => "memory_cache",
        (0, 1..) => "disk_cache",
        _ => "source",
    }
}

/// The files of a request, read with these rights unless it has more.
pub(super) async fn discovered(
    stores: &FileStores,
    access: &Access,
    source: &FileSource,
) -> Result<Discovered, Failure> {
    let folder = source.folder.as_deref().map(Path::new);
    let selection = Location::parse_selection(&source.path, folder).map_err(|error| file_failure(&error))?;
    // Before `unrestricted` was written down, a working folder told the same.
    let access = if source.unrestricted || folder.is_some() {
        &Access::Unrestricted
    } else {
        access
    };
    let open = stores
        .open_permitted(&selection.location, access)
        .map_err(|error| file_failure(&error))?;
    let pattern = selection.pattern.as_deref().unwrap_or("*.parquet");
    let files = discover(&open, pattern, selection.recursive, FILES_MAX)
        .await
        .map_err(|error| file_failure(&error))?;
    let first = files.first().ok_or_else(|| super::unreadable("no file was found"))?;
    let first_footer = footer(&open, first).await.map_err(|error| file_failure(&error))?;
    let parts: Vec<Part> = files.iter().map(|file| file.to_part(None)).collect();
    let schema = common_schema(first_footer.schema.as_ref(), &open, &files).await;
    let table = found_table(
        source,
        open.folder_of(first).to_string(),
        pattern,
        &parts,
        schema,
        selection.recursive,
    )?;
    Ok(Discovered {
        table: Box::new(table),
        parts,
    })
}

/// The columns of the first file, each of a type that holds the values of all. A file that cannot be read is told when its
/// rows are.
async fn common_schema(first: &Schema, open: &OpenLocation, files: &[FoundFile]) -> Schema {
    let others: Vec<FoundFile> = files.iter().skip(1).cloned().collect();
    let footers = others.into_iter().map(|file| footer_of(open.clone(), file));
    let mut footers = stream::iter(footers).buffered(FOOTERS_AT_A_TIME);
    let mut common = first.clone();
    while let Some(footer) = footers.next().await {
        if let Ok(footer) = footer {
            common = joined(&common, &footer.schema);
        }
    }
    common
}

async fn footer_of(open: OpenLocation, file: FoundFile) -> Result<Footer, FileError> {
    footer(&open, &file).await
}

fn found_table(
    source: &FileSource,
    location: String,
    pattern: &str,
    parts: &[Part],
    schema: Schema,
    recursive: bool,
) -> Result<Table, Failure> {
    let name = TableName::new("tmp", "files").map_err(|error| super::unreadable(&error.to_string()))?;
    Ok(Table {
        name,
        kind: TableKind::Dataset,
        version: TableVersion(0),
        group_column: Some(source.group.clone()),
        time_column: Some(source.time.clone()),
        groups: super::groups_unknown(parts.len()),
        sorted_by: Vec::new(),
        rows: None,
        bytes: parts.iter().map(|part| part.bytes).sum(),
        columns: Vec::new(),
        unsupported: Vec::new(),
        dataset: Some(Dataset {
            location,
            pattern: pattern.to_owned(),
            recursive,
            parts: parts.len() as u64,
            inspected: 0,
            containment_proven: false,
        }),
        registered_at: 0,
        origin: None,
        comment: None,
        repartition: None,
        view: None,
        schema,
    })
}
