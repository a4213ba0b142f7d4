//! Doing the task of a repartitioning.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::future::try_join_all;
use hw_catalog::{Part, Repartition, TableKind};
use hw_files::{Access, Fault, Files, Owner, Published};
use hw_job::{Clock, Elapsed, ErrorClass, Failure, Work};
use hw_query::{
    BucketStream, Engine, QueryError, Regroup, RegroupInput, RegroupRun, SessionInput, StoredTable, Tables,
};
use hw_store::ClaimedTask;
use tokio_util::sync::CancellationToken;

use super::manifest::{Manifest, Segment, Wanted, Way};
use super::segment::{Layout, OpenSegment};
use super::{Expanded, FORMAT, Made, Mode, WRITE, WriteTask, parts_for, read, written};
use crate::documents::FileDocuments;
use crate::runner::{Meter, Outcome, TaskRunner};
use crate::{file_failure, query_failure};

/// Share of the memory pool that encoders may take together.
const ENCODERS_SHARE: u64 = 8;

/// Least and most memory of one encoder, in bytes.
const ENCODER_BYTES: (u64, u64) = (1 << 20, 64 << 20);

/// Stored bytes that the rows of a view are taken to have.
const BYTES_UNKNOWN: u64 = 64 << 20;

/// How often files that nothing refers to yet are announced anew, so that no sweep takes them.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(300);

/// Does the tasks of repartitionings: `repartition.write`.
pub struct RepartitionRunner {
    /// The engine that reads, distributes and sorts.
    pub engine: Engine,
    /// The catalog as the engine sees it.
    pub tables: Arc<dyn Tables>,
    /// What clients over the network may read.
    pub access: Access,
    /// The files of the deployment.
    pub documents: Arc<FileDocuments>,
    /// Time that passes, for announcements.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl TaskRunner for RepartitionRunner {
    fn kinds(&self) -> Vec<(&'static str, u32)> {
        vec![(WRITE, FORMAT)]
    }

    async fn run(&self, task: &ClaimedTask, meter: &Meter, _cancel: &CancellationToken) -> Result<Outcome, Failure> {
        let expanded: Expanded = read(&task.job_params)?;
        let WriteTask { parts } = read(&task.params)?;
        let made = self.make(&expanded, &parts, meter).await?;
        // The files are confirmed with the job's end, when the table refers to them.
        Ok(Outcome::of(written(&made)))
    }
}

/// The table as it is, if it was made of the same source before.
struct Before {
    stored: StoredTable,
    manifest: Manifest,
    file: Published,
}

/// What is read, and what stays as it is.
struct Plan {
    mode: Mode,
    inputs: Vec<RegroupInput>,
    kept: Vec<Segment>,
    buckets: u32,
    taken: Vec<Part>,
}

impl RepartitionRunner {
    async fn make(&self, expanded: &Expanded, parts: &[Part], meter: &Meter) -> Result<Made, Failure> {
        let wanted = Wanted {
            source: &expanded.source,
            parts,
            group: &expanded.group,
            time: &expanded.time,
            buckets: expanded.parts,
        };
        let before = self.before(expanded).await?;
        let way = before
            .as_ref()
            .map_or(Way::Anew, |before| before.manifest.way_to(&wanted));
        let plan = match (way, before) {
            (Way::Nothing, Some(before)) => return Ok(self.unchanged(before)),
            (Way::Add(new), Some(before)) => self.added(&wanted, before, new).await?,
            _ => anew(&wanted),
        };
        self.write(expanded, &wanted, plan, meter).await
    }

    /// # Errors
    /// HW-T052 if the name is another table's.
    async fn before(&self, expanded: &Expanded) -> Result<Option<Before>, Failure> {
        let stored = self.tables.table(&expanded.to).await;
        let stored = stored.map_err(|fault| query_failure(&QueryError::Catalog(fault)))?;
        let Some(stored) = stored else { return Ok(None) };
        let made_of = stored.table.repartition.as_deref();
        let Some(made_of) = made_of.filter(|made_of| made_of.source == expanded.source.name) else {
            return Err(taken(expanded));
        };
        let (file, manifest) = match self.manifest(made_of).await? {
            Some(found) => found,
            None => return Ok(None),
        };
        Ok(Some(Before { stored, manifest, file }))
    }

    /// The manifest of a table; `None` if it is gone or makes no sense, and the table is made anew.
    async fn manifest(&self, made_of: &Repartition) -> Result<Option<(Published, Manifest)>, Failure> {
        let Ok(checksum) = made_of.manifest.checksum.parse() else {
            return Ok(None);
        };
        let file = Published {
            path: made_of.manifest.path.clone(),
            bytes: made_of.manifest.bytes,
            checksum,
        };
        match self.documents.files().read(&file).await {
            Ok(content) => Ok(serde_json::from_slice(&content).ok().map(|manifest| (file, manifest))),
            Err(error) if error.fault() == Fault::Data => {
                tracing::warn!(%error, "the manifest of a repartitioned table cannot be read; the table is made anew");
                Ok(None)
            }
            Err(error) => Err(file_failure(&error)),
        }
    }

    fn unchanged(&self, before: Before) -> Made {
        Made {
            mode: Mode::Unchanged,
            taken: 0,
            rows_taken: 0,
            buckets: before.manifest.buckets,
            segments: before.manifest.segments,
            written: 0,
            manifest: before.file,
            location: self.location(),
        }
    }

    /// Parts whose groups have no new rows are kept; the rows of the others are read again beside the new ones.
    async fn added(&self, wanted: &Wanted<'_>, before: Before, new: Vec<Part>) -> Result<Plan, Failure> {
        let fresh = input(wanted, &new);
        let regroup = Regroup {
            inputs: vec![fresh.clone()],
            group: wanted.group.to_owned(),
            time: wanted.time.to_owned(),
            buckets: before.manifest.buckets,
        };
        let touched = self
            .engine
            .session(self.sees(&Access::Unrestricted))
            .buckets_of(regroup)
            .await;
        let touched = touched.map_err(|error| query_failure(&error))?;
        let segments = before.manifest.segments.into_iter();
        let (again, kept): (Vec<_>, Vec<_>) = segments.partition(|segment| touched.contains(&segment.bucket));
        let mut inputs = vec![fresh];
        if !again.is_empty() {
            inputs.push(RegroupInput {
                table: before.stored.table,
                parts: again.into_iter().map(|segment| segment.part).collect(),
            });
        }
        Ok(Plan {
            mode: Mode::Incremental,
            inputs,
            kept,
            buckets: before.manifest.buckets,
            taken: new,
        })
    }

    async fn write(
        &self,
        expanded: &Expanded,
        wanted: &Wanted<'_>,
        plan: Plan,
        meter: &Meter,
    ) -> Result<Made, Failure> {
        let threads = self.engine.threads() as u64;
        let (least, most) = ENCODER_BYTES;
        let encoder_bytes = (self.engine.memory().limit / ENCODERS_SHARE / threads).clamp(least, most);
        let reserved = self.engine.reserve("part writers", encoder_bytes * threads);
        let _reserved = reserved.map_err(|error| query_failure(&error))?;
        let regroup = Regroup {
            inputs: plan.inputs,
            group: expanded.group.clone(),
            time: expanded.time.clone(),
            buckets: plan.buckets,
        };
        let access = match expanded.unrestricted {
            true => &Access::Unrestricted,
            false => &self.access,
        };
        let run = self.engine.session(self.sees(access)).start_regroup(regroup).await;
        let run = run.map_err(|error| query_failure(&error))?;
        let summary = run.summary.clone();
        meter.follow(move || {
            let read = summary.read();
            Work {
                rows: read.rows,
                bytes: read.bytes_read,
            }
        });
        let attempt = Attempt::new(self, Owner::Table(expanded.to.clone()));
        let layout = Layout {
            files: Arc::clone(self.documents.files()),
            owner: attempt.owner.clone(),
            schema: Arc::clone(&run.schema),
            group: expanded.group.clone(),
            time: expanded.time.clone(),
            row_group_rows: expanded.row_group_rows,
            encoder_bytes,
        };
        let mut segments = segments(run, &layout, &attempt).await?;
        let written = segments.len() as u64;
        let rows: u64 = segments.iter().filter_map(|segment| segment.part.rows).sum();
        segments.extend(plan.kept);
        segments.sort_by_key(|segment| segment.bucket);
        let manifest = Manifest::of(wanted, plan.buckets, segments);
        let file = attempt.publish_manifest(&manifest).await?;
        attempt.keep().await?;
        Ok(Made {
            mode: plan.mode,
            taken: plan.taken.len() as u64,
            rows_taken: rows_of(&plan.taken).filter(|_| !plan.taken.is_empty()).unwrap_or(rows),
            buckets: plan.buckets,
            segments: manifest.segments,
            written,
            manifest: file,
            location: self.location(),
        })
    }

    /// The parts of the job are read whoever asks: the table was there for the client to read. The files that a view names
    /// are read with these rights.
    fn sees(&self, access: &Access) -> SessionInput {
        SessionInput {
            tables: Arc::clone(&self.tables),
            access: access.clone(),
            folder: None,
        }
    }

    fn location(&self) -> String {
        self.documents
            .files()
            .root()
            .location
            .clone()
            .into_folder()
            .url()
            .to_string()
    }
}

fn anew(wanted: &Wanted<'_>) -> Plan {
    let bytes = match wanted.source.kind {
        TableKind::View => BYTES_UNKNOWN,
        _ => wanted.parts.iter().map(|part| part.bytes).sum(),
    };
    Plan {
        mode: Mode::Full,
        inputs: vec![input(wanted, wanted.parts)],
        kept: Vec::new(),
        buckets: wanted.buckets.unwrap_or_else(|| parts_for(bytes)),
        taken: wanted.parts.to_vec(),
    }
}

fn input(wanted: &Wanted<'_>, parts: &[Part]) -> RegroupInput {
    RegroupInput {
        table: Arc::new(wanted.source.clone()),
        parts: parts.to_vec(),
    }
}

/// The rows of parts, if each is known.
fn rows_of(parts: &[Part]) -> Option<u64> {
    parts.iter().map(|part| part.rows).sum()
}

fn taken(expanded: &Expanded) -> Failure {
    let message = format!(
        "table `{}` is there already and was not made of `{}`",
        expanded.to, expanded.source.name
    );
    Failure::new(ErrorClass::Input, "HW-T052", message)
        .help("give the new table another name with `to`, or drop that one")
}

/// Writes the parts of all streams side by side.
async fn segments(run: RegroupRun, layout: &Layout, attempt: &Attempt<'_>) -> Result<Vec<Segment>, Failure> {
    let streams = run
        .streams
        .into_iter()
        .map(|stream| stream_segments(stream, layout, attempt));
    Ok(try_join_all(streams).await?.into_iter().flatten().collect())
}

async fn stream_segments(
    mut stream: BucketStream,
    layout: &Layout,
    attempt: &Attempt<'_>,
) -> Result<Vec<Segment>, Failure> {
    let mut done = Vec::new();
    let mut open: Option<OpenSegment> = None;
    while let Some(next) = stream.next().await {
        let (bucket, rows) = next.map_err(|error| query_failure(&error))?;
        let mut segment = match open.take() {
            Some(segment) if segment.bucket() == bucket => segment,
            before => {
                if let Some(before) = before {
                    done.push(attempt.finish(before).await?);
                }
                OpenSegment::begin(layout, bucket, &rows)?
            }
        };
        segment.write(rows).await?;
        open = Some(segment);
    }
    if let Some(last) = open {
        done.push(attempt.finish(last).await?);
    }
    Ok(done)
}

/// The files of one attempt. Dropped before they are kept, they are removed.
struct Attempt<'a> {
    runner: &'a RepartitionRunner,
    owner: Owner,
    written: Mutex<Written>,
}

struct Written {
    paths: Vec<String>,
    announced: Elapsed,
}

impl<'a> Attempt<'a> {
    fn new(runner: &'a RepartitionRunner, owner: Owner) -> Self {
        let written = Mutex::new(Written {
            paths: Vec::new(),
            announced: runner.clock.elapsed(),
        });
        Self { runner, owner, written }
    }

    async fn finish(&self, segment: OpenSegment) -> Result<Segment, Failure> {
        let segment = segment.finish().await?;
        self.note(&segment.file.path).await?;
        Ok(segment)
    }

    async fn publish_manifest(&self, manifest: &Manifest) -> Result<Published, Failure> {
        let content = serde_json::to_vec(manifest).map_err(|error| super::unreadable(&error.to_string()))?;
        let file = self.files().publish(&self.owner, "manifest.json", content).await;
        let file = file.map_err(|error| file_failure(&error))?;
        self.note(&file.path).await?;
        Ok(file)
    }

    /// Remembers a file, and announces all anew if the last time is long ago.
    async fn note(&self, path: &str) -> Result<(), Failure> {
        let now = self.runner.clock.elapsed();
        let due = {
            let mut written = self.locked();
            written.paths.push(path.to_owned());
            now.since(written.announced) >= ANNOUNCE_EVERY
        };
        match due {
            true => self.announce().await,
            false => Ok(()),
        }
    }

    async fn announce(&self) -> Result<(), Failure> {
        let paths = {
            let mut written = self.locked();
            written.announced = self.runner.clock.elapsed();
            written.paths.clone()
        };
        let folder = self.owner.folder().map_err(|error| file_failure(&error))?;
        let announced = self.files().ledger().announce(&folder, &paths).await;
        announced.map_err(|error| file_failure(&error))
    }

    /// The files are the outcome's from now on.
    async fn keep(self) -> Result<(), Failure> {
        self.announce().await?;
        self.locked().paths.clear();
        Ok(())
    }

    fn files(&self) -> &Arc<Files> {
        self.runner.documents.files()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        let paths = std::mem::take(&mut self.locked().paths);
        let (files, runtime) = (Arc::clone(self.files()), tokio::runtime::Handle::try_current());
        if let (false, Ok(runtime)) = (paths.is_empty(), runtime) {
            runtime.spawn(async move {
                for path in paths {
                    if let Err(error) = files.remove(&path).await {
                        tracing::debug!(%error, path, "a part that nothing refers to is left for the sweeper");
                    }
                }
            });
        }
    }
}
