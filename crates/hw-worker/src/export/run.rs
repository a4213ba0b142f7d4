//! Doing the task of an export.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use async_trait::async_trait;
use futures::StreamExt as _;
use hw_catalog::{TableKind, TableName};
use hw_files::{Access, FileError, FileStores, Location, OpenLocation, StagedFolder, discover};
use hw_job::{ErrorClass, Failure, JobId, Work};
use hw_query::{CatalogFault, Engine, Rows, SessionInput, StoredTable, Tables};
use hw_store::ClaimedTask;
use object_store::ObjectStoreExt as _;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::sink::{File, Sink, Target};
use super::{Expanded, Exported, FORMAT, WRITE, WriteTask, read, written};
use crate::runner::{Meter, Outcome, TaskRunner};
use crate::{file_failure, query_failure, tabular};

/// Files of a folder that are looked at before it is written to.
const FILES_MAX: usize = 100_000;

/// Memory of the encoder of Parquet, in bytes.
const ENCODER_BYTES: u64 = 32 << 20;

/// Does the tasks of exports: `export.write`.
pub struct ExportRunner {
    /// The engine that reads.
    pub engine: Engine,
    /// The catalog as the engine sees it.
    pub tables: Arc<dyn Tables>,
    /// Where files are.
    pub stores: Arc<FileStores>,
    /// What clients without a working folder may write.
    pub access: Access,
}

#[async_trait]
impl TaskRunner for ExportRunner {
    fn kinds(&self) -> Vec<(&'static str, u32)> {
        vec![(WRITE, FORMAT)]
    }

    async fn run(&self, task: &ClaimedTask, meter: &Meter, _cancel: &CancellationToken) -> Result<Outcome, Failure> {
        let expanded: Expanded = read(&task.job_params)?;
        let WriteTask { parts } = read(&task.params)?;
        let place = self.place(&expanded, task.id.job)?;
        let older = place.check(&expanded).await?;
        let rows = self.rows(&expanded, parts.into()).await?;
        let summary = rows.summary.clone();
        meter.follow(move || {
            let read = summary.read();
            Work {
                rows: read.rows,
                bytes: read.bytes_read,
            }
        });
        let memory = ENCODER_BYTES.min(self.engine.memory().limit / 8);
        let reserved = self.engine.reserve("export", memory);
        let _reserved = reserved.map_err(|error| query_failure(&error))?;
        let exported = place.write(&expanded, rows, memory).await?;
        place.remove(older).await;
        Ok(Outcome::of(written(&exported)))
    }
}

impl ExportRunner {
    fn place(&self, expanded: &Expanded, job: JobId) -> Result<Place<'_>, Failure> {
        let folder = expanded.folder.as_deref().map(Path::new);
        let location = Location::parse(&expanded.to, folder).map_err(|error| file_failure(&error))?;
        let location = match expanded.rows_per_file {
            Some(_) => location.into_folder(),
            None => location,
        };
        self.access_of(expanded)
            .permits(&location)
            .map_err(|error| file_failure(&error))?;
        let open = self.stores.open(&location).map_err(|error| file_failure(&error))?;
        let name = expanded.table.name.name();
        let plain = |letter: char| {
            if letter.is_ascii_alphanumeric() || letter == '_' {
                letter
            } else {
                '-'
            }
        };
        Ok(Place {
            stores: &self.stores,
            location,
            open,
            stem: name.chars().map(plain).collect(),
            job,
        })
    }

    /// What the client may reach. Jobs of earlier versions tell it by the folder alone.
    fn access_of(&self, expanded: &Expanded) -> &Access {
        match expanded.unrestricted || expanded.folder.is_some() {
            true => &Access::Unrestricted,
            false => &self.access,
        }
    }

    /// The rows, of the version of the table that the job is about. The filter sees no other table, except beside a view,
    /// which reads others itself.
    async fn rows(&self, expanded: &Expanded, parts: Arc<[hw_catalog::Part]>) -> Result<Rows, Failure> {
        let folder = expanded.folder.as_ref().map(PathBuf::from);
        let input = SessionInput {
            tables: Arc::new(OneTable {
                others: (expanded.table.kind == TableKind::View).then(|| Arc::clone(&self.tables)),
                only: StoredTable {
                    query: expanded.table.view.as_ref().map(|view| view.query.as_str().into()),
                    table: Arc::new(expanded.table.as_ref().clone()),
                    parts,
                },
            }),
            access: self.access_of(expanded).clone(),
            folder,
        };
        let rows = self.engine.session(input).run(&expanded.sql, &[]).await;
        rows.map_err(|error| query_failure(&error))
    }
}

/// A catalog of one table, at one version.
struct OneTable {
    only: StoredTable,
    /// Where the tables are that a view reads.
    others: Option<Arc<dyn Tables>>,
}

#[async_trait]
impl Tables for OneTable {
    async fn table(&self, name: &TableName) -> Result<Option<StoredTable>, CatalogFault> {
        match &self.others {
            _ if self.only.table.name == *name => Ok(Some(self.only.clone())),
            Some(others) => others.table(name).await,
            None => Ok(None),
        }
    }

    async fn names(&self) -> Result<Vec<TableName>, CatalogFault> {
        match &self.others {
            Some(others) => others.names().await,
            None => Ok(vec![self.only.table.name.clone()]),
        }
    }
}

/// Where the files go.
struct Place<'a> {
    stores: &'a FileStores,
    location: Location,
    open: OpenLocation,
    stem: String,
    job: JobId,
}

impl Place<'_> {
    /// Whether the files may be written. Gives the names of files of earlier exports of the table, which are to be replaced.
    async fn check(&self, expanded: &Expanded) -> Result<Vec<String>, Failure> {
        match expanded.rows_per_file {
            None => self.check_file(expanded.overwrite).await.map(|()| Vec::new()),
            Some(_) => self.check_folder(expanded).await,
        }
    }

    async fn check_file(&self, overwrite: bool) -> Result<(), Failure> {
        match self.open.store.head(&self.open.prefix).await {
            Ok(_) if !overwrite => Err(self.occupied("file", &self.location.shown())),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(file_failure(&FileError::of_store(self.location.shown(), &error))),
        }
    }

    async fn check_folder(&self, expanded: &Expanded) -> Result<Vec<String>, Failure> {
        let pattern = format!("*.{}", expanded.file_format.ending());
        let found = match discover(&self.open, &pattern, false, FILES_MAX).await {
            Ok(found) => found,
            Err(FileError::NotFound { .. } | FileError::NoFiles { .. } | FileError::Vanished { .. }) => Vec::new(),
            Err(error) => return Err(file_failure(&error)),
        };
        let own = self.beginning();
        let mut others = found
            .into_iter()
            .map(|file| file.path)
            .filter(|path| !path.starts_with(&own));
        if expanded.overwrite {
            return Ok(others.filter(|path| self.is_of_export(path)).collect());
        }
        match others.next() {
            Some(other) => Err(self.occupied("folder", &other)),
            None => Ok(Vec::new()),
        }
    }

    fn occupied(&self, what: &str, found: &str) -> Failure {
        let message = match what {
            "file" => format!("the file `{found}` is there already"),
            _ => format!(
                "the folder `{}` holds files already, for instance `{found}`",
                self.location.shown()
            ),
        };
        Failure::new(ErrorClass::Input, "HW-T054", message)
            .help("choose another place, or replace it with `--overwrite`")
    }

    /// How the names of this job's files begin.
    fn beginning(&self) -> String {
        format!("{}-{}-", self.stem, self.job.short())
    }

    /// Whether a name is one that an export of this table gives: `events-1f08f37a-00000.parquet`.
    fn is_of_export(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&self.stem).and_then(|rest| rest.strip_prefix('-'));
        let parts = rest
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(rest, _)| rest.split_once('-'));
        parts.is_some_and(|(job, number)| {
            let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
            job.len() == 8 && is_hex(job) && number.len() >= 5 && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    }

    async fn write(&self, expanded: &Expanded, mut rows: Rows, memory: u64) -> Result<Exported, Failure> {
        let limit = expanded.rows_per_file.map_or(u64::MAX, u64::from);
        let staged = self.stage(expanded).await?;
        let url = match &staged {
            Some(staged) => Location::of_path(&staged.path().join(""), None).map(|staged| staged.url().clone()),
            None => Ok(self.location.url().clone()),
        };
        let url = url.map_err(|error| file_failure(&error))?;
        let open = |number: usize| {
            let target = self.target(expanded, &url, number, staged.is_some())?;
            Sink::begin(target, expanded.file_format, &rows.schema, memory)
        };
        let mut files = Vec::new();
        let mut sink = open(0)?;
        let mut written = 0;
        let mut held = 0;
        while let Some(batch) = rows.stream.next().await {
            let mut batch: RecordBatch = batch.map_err(|error| query_failure(&error))?;
            written += batch.num_rows() as u64;
            while batch.num_rows() as u64 > limit - held {
                let room = usize::try_from(limit - held).unwrap_or(usize::MAX);
                sink.write(batch.slice(0, room)).await?;
                batch = batch.slice(room, batch.num_rows() - room);
                files.push(sink.finish().await?);
                sink = open(files.len())?;
                held = 0;
            }
            held += batch.num_rows() as u64;
            sink.write(batch).await?;
        }
        files.push(sink.finish().await?);
        let exported = Exported {
            place: self.location.shown(),
            files: files.iter().map(|file| file.name.clone()).collect(),
            rows: written,
            bytes: files.iter().map(|file| file.bytes).sum(),
        };
        publish(files, staged).await?;
        Ok(exported)
    }

    /// Files of a folder are written aside first, so that an export that is killed leaves none: those of a local folder in
    /// one beside it, those of other stores as uploads that are not completed.
    async fn stage(&self, expanded: &Expanded) -> Result<Option<StagedFolder>, Failure> {
        match (expanded.rows_per_file, self.location.local_path()) {
            (Some(_), Some(folder)) => blocking(move || StagedFolder::begin(&folder)).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The file of that number, below `url` where there may be several.
    fn target(&self, expanded: &Expanded, url: &Url, number: usize, is_staged: bool) -> Result<Target, Failure> {
        if expanded.rows_per_file.is_none() {
            return Ok(Target {
                name: self.location.shown(),
                open: self.open.clone(),
                aside: false,
            });
        }
        let name = format!("{}{number:05}.{}", self.beginning(), expanded.file_format.ending());
        let file = url.join(&name).map_err(|error| super::unreadable(&error.to_string()))?;
        let file = Location::parse(file.as_str(), None).map_err(|error| file_failure(&error))?;
        Ok(Target {
            open: self.stores.open(&file).map_err(|error| file_failure(&error))?,
            name,
            aside: !is_staged,
        })
    }

    /// Removes what earlier exports left. What cannot be removed stays, and is told to who runs the server.
    async fn remove(&self, names: Vec<String>) {
        for name in names {
            let object = self.open.prefix.clone().join(name.as_str());
            if let Err(error) = self.open.store.delete(&object).await {
                tracing::warn!(%error, name, "a file of an earlier export was not removed");
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| tabular::broken(&error))?
        .map_err(|error| file_failure(&error))
}

/// Lets the files of a folder appear together.
async fn publish(files: Vec<File>, staged: Option<StagedFolder>) -> Result<(), Failure> {
    if let Some(staged) = staged {
        let names: Vec<String> = files.into_iter().map(|file| file.name).collect();
        return blocking(move || staged.publish(&names)).await;
    }
    for aside in files.into_iter().filter_map(|file| file.aside) {
        aside.publish().await.map_err(|error| file_failure(&error))?;
    }
    Ok(())
}
