//! Doing the tasks of registrations.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use hw_catalog::{Finding, Part};
use hw_files::{
    Access, Fault, FileError, FileStores, FoundFile, Location, OpenLocation, Owner, Published, discover, footer,
};
use hw_job::{Clock, ErrorClass, Failure, JobId};
use hw_store::ClaimedTask;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::combine::compare_ids;
use super::kind::{
    COMPARE, CompareOutcome, CompareTask, DISCOVER, Discovered, Expanded, FORMAT, INSPECT, InspectOutcome, OUTLINE,
    OutlineOutcome, PartsTask, Wildcard, read, unreadable, written,
};
use super::params::PATTERN;
use super::{GroupIds, InspectError, InspectOptions, Outlines, PartOutline, SampleLimits, choose_parts, inspect};
use crate::documents::FileDocuments;
use crate::file_failure;
use crate::runner::{Meter, Outcome, TaskRunner};

/// Most files of a dataset.
const FILES_MAX: usize = 100_000;

/// Footers that one task reads at a time.
const FOOTERS_AT_A_TIME: usize = 16;

/// How closely parts are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegisterOptions {
    /// Size of a sample.
    pub sample: SampleLimits,
    /// Distinct values per row up to which a text column counts as categorical.
    pub categorical_ratio: f64,
    /// Most frequent values kept of a text column.
    pub top_count: usize,
}

/// Does the tasks of registrations.
pub struct RegisterRunner {
    /// How closely parts are looked at.
    pub options: RegisterOptions,
    /// Where files are.
    pub stores: Arc<FileStores>,
    /// The files of the deployment.
    pub documents: Arc<FileDocuments>,
    /// What clients over the network may register.
    pub access: Access,
    /// Time, for records.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl TaskRunner for RegisterRunner {
    fn kinds(&self) -> Vec<(&'static str, u32)> {
        vec![
            (DISCOVER, FORMAT),
            (INSPECT, FORMAT),
            (OUTLINE, FORMAT),
            (COMPARE, FORMAT),
        ]
    }

    async fn run(&self, task: &ClaimedTask, meter: &Meter, _cancel: &CancellationToken) -> Result<Outcome, Failure> {
        let expanded: Expanded = read(&task.job_params)?;
        match task.kind.as_str() {
            DISCOVER => self.discover(&expanded, task.id.job).await,
            INSPECT => self.inspect(&expanded, &task.params, (task.id.job, meter)).await,
            OUTLINE => self.outline(&task.params, meter).await,
            _ => self.compare(&task.params).await,
        }
    }
}

impl RegisterRunner {
    async fn discover(&self, expanded: &Expanded, job: JobId) -> Result<Outcome, Failure> {
        let params = &expanded.params;
        let found = self.find(expanded).await.map_err(|error| file_failure(&error))?;
        let Found { open, files, wildcard } = found;
        let first = files.first().ok_or_else(|| unreadable("no file was found"))?;
        let base = open.folder_of(first);
        // The same job tried again looks at the same parts.
        let mut random = StdRng::seed_from_u64(seed(job));
        let chosen = choose_parts(files.len(), params.validation, self.options.sample, &mut random);
        let parts = files.iter().map(|file| file.to_part(None)).collect();
        Ok(Outcome::of(written(&Discovered {
            location: base.to_string(),
            parts,
            chosen,
            at: self.clock.wall().0,
            wildcard,
        })))
    }

    /// The files of the path as it is; where nothing is called so and its last part is a wildcard, those that fit it.
    async fn find(&self, expanded: &Expanded) -> Result<Found, FileError> {
        let params = &expanded.params;
        let folder = expanded.folder.as_deref().map(Path::new);
        // Before `unrestricted` was written down, a working folder told the same.
        let access = match expanded.unrestricted || folder.is_some() {
            true => &Access::Unrestricted,
            false => &self.access,
        };
        let whole = async {
            let location = Location::parse(&params.path, folder)?;
            self.list(&location, access, &params.pattern, params.recursive).await
        };
        let error = match whole.await {
            Ok((open, files)) => {
                return Ok(Found {
                    open,
                    files,
                    wildcard: None,
                });
            }
            Err(error) => error,
        };
        let selection = Location::parse_selection(&params.path, folder)?;
        let Some(pattern) = selection.pattern.filter(|_| params.pattern == PATTERN) else {
            return Err(error);
        };
        let recursive = selection.recursive || params.recursive;
        let (open, files) = self.list(&selection.location, access, &pattern, recursive).await?;
        Ok(Found {
            open,
            files,
            wildcard: Some(Wildcard { pattern, recursive }),
        })
    }

    async fn list(
        &self,
        location: &Location,
        access: &Access,
        pattern: &str,
        recursive: bool,
    ) -> Result<(OpenLocation, Vec<FoundFile>), FileError> {
        let open = self.stores.open_permitted(location, access)?;
        let files = discover(&open, pattern, recursive, FILES_MAX).await?;
        Ok((open, files))
    }

    async fn inspect(
        &self,
        expanded: &Expanded,
        params: &Value,
        (job, meter): (JobId, &Meter),
    ) -> Result<Outcome, Failure> {
        let task: PartsTask = read(params)?;
        let open = self.open(&task.location)?;
        let part = task
            .parts
            .first()
            .ok_or_else(|| unreadable("there is no part to look at"))?;
        let file = FoundFile::of_part(&open, part).map_err(|error| file_failure(&error))?;
        let options = InspectOptions {
            group: expanded.params.group.clone(),
            time: expanded.params.time.clone(),
            collect_ids: task.collect_ids,
            categorical_ratio: self.options.categorical_ratio,
            top_count: self.options.top_count,
        };
        match inspect(&open, &file, &options).await {
            Ok(inspected) => {
                meter.add(inspected.inspection.outline.rows, 0);
                let ids = match &inspected.ids {
                    Some(ids) => Some(self.leave_ids(job, ids).await?),
                    None => None,
                };
                let files = ids.iter().map(|published| published.path.clone()).collect();
                let outcome = InspectOutcome::Found {
                    inspection: Box::new(inspected.inspection),
                    ids,
                };
                Ok(Outcome {
                    document: written(&outcome),
                    files,
                })
            }
            Err(error) if error.fault() == Fault::Data => {
                Ok(Outcome::of(written(&InspectOutcome::Faults(error.findings()))))
            }
            Err(error) => Err(inspect_failure(&error)),
        }
    }

    async fn leave_ids(&self, job: JobId, ids: &GroupIds) -> Result<Published, Failure> {
        let content = ids.to_ipc().map_err(|error| crate::tabular::broken(&error))?;
        let owner = Owner::Job(job.to_string());
        self.documents
            .files()
            .publish(&owner, "groups.arrow", content)
            .await
            .map_err(|error| file_failure(&error))
    }

    /// Reads footers, a few at a time; the outlines come in the order of the parts.
    async fn outline(&self, params: &Value, meter: &Meter) -> Result<Outcome, Failure> {
        let task: PartsTask = read(params)?;
        let open = self.open(&task.location)?;
        let footers = task.parts.into_iter().map(|part| {
            let outlined = outline(open.clone(), part);
            async move { outlined.await.inspect(|outline| meter.add(outline.rows, 0)) }
        });
        let read = stream::iter(footers).buffered(FOOTERS_AT_A_TIME);
        let read: Vec<Result<PartOutline, FileError>> = read.collect().await;
        let (mut outlines, mut faults) = (Vec::new(), Vec::new());
        for result in read {
            match result {
                Ok(outline) => outlines.push(outline),
                Err(error) if error.fault() == Fault::Data => {
                    faults.push(Finding::new(error.code(), error.to_string()).help(error.help()));
                }
                Err(error) => return Err(file_failure(&error)),
            }
        }
        Ok(Outcome::of(written(&OutlineOutcome {
            outlines: Outlines::fold(outlines),
            faults,
        })))
    }

    async fn compare(&self, params: &Value) -> Result<Outcome, Failure> {
        let task: CompareTask = read(params)?;
        let mut lists = Vec::new();
        for (path, published) in &task.ids {
            let content = self
                .documents
                .files()
                .read(published)
                .await
                .map_err(|error| file_failure(&error))?;
            let ids = GroupIds::from_ipc(&content).map_err(|error| unreadable(&error.to_string()))?;
            lists.push((path.as_str(), ids));
        }
        let borrowed: Vec<(&str, &GroupIds)> = lists.iter().map(|(path, ids)| (*path, ids)).collect();
        Ok(Outcome::of(written(&CompareOutcome {
            fault: compare_ids(&borrowed, &task.group),
        })))
    }

    fn open(&self, location: &str) -> Result<OpenLocation, Failure> {
        let location = Location::parse(location, None).map_err(|error| file_failure(&error))?;
        self.stores.open(&location).map_err(|error| file_failure(&error))
    }
}

/// The files of a registration, in the order of their paths.
struct Found {
    open: OpenLocation,
    files: Vec<FoundFile>,
    /// What the path ended in, if that chose them.
    wildcard: Option<Wildcard>,
}

async fn outline(open: OpenLocation, part: Part) -> Result<PartOutline, FileError> {
    let file = FoundFile::of_part(&open, &part)?;
    let footer = footer(&open, &file).await?;
    Ok(PartOutline::of(&file, &footer))
}

fn inspect_failure(error: &InspectError) -> Failure {
    let class = match error.fault() {
        Fault::Input => ErrorClass::Input,
        Fault::Data => ErrorClass::Data,
        Fault::External => ErrorClass::External,
    };
    let findings = error.findings();
    let code = findings
        .first()
        .map_or_else(|| "HW-T009".to_owned(), |finding| finding.code.clone());
    Failure {
        findings,
        ..Failure::new(class, code, error.to_string())
    }
}

/// The job's own random bits.
fn seed(job: JobId) -> u64 {
    job.to_string()
        .bytes()
        .fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)))
}
