//! Finding the files of a dataset.

use futures::TryStreamExt;
use hw_catalog::Part;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt};
use url::Url;

use crate::location::Scheme;
use crate::pattern::Pattern;
use crate::{FileError, OpenLocation};

/// Objects looked at in one discovery; a store that holds more below one place is asked too much.
const SCANNED_MAX: usize = 10_000_000;

/// A file that a discovery found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// Path below the folder that was searched, with `/` between folders.
    pub path: String,
    /// Path within the store.
    pub object: Path,
    /// Size in bytes.
    pub bytes: u64,
    /// Identity of the content where the store gives one.
    pub etag: Option<String>,
    /// Last modification: UTC, microseconds since 1970.
    pub modified_at: i64,
}

impl FoundFile {
    /// A part of a registered dataset whose folder is opened.
    ///
    /// # Errors
    /// [`FileError::InvalidName`] if the part's path cannot be one of the store.
    pub fn of_part(folder: &OpenLocation, part: &Part) -> Result<Self, FileError> {
        let joined = match folder.prefix.as_ref() {
            "" => part.path.clone(),
            prefix => format!("{prefix}/{}", part.path),
        };
        let object = Path::parse(joined).map_err(|error| FileError::InvalidName {
            name: part.path.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            path: part.path.clone(),
            object,
            bytes: part.bytes,
            etag: part.etag.clone(),
            modified_at: part.modified_at,
        })
    }

    /// The catalog's record of the file.
    pub fn to_part(&self, rows: Option<u64>) -> Part {
        Part {
            path: self.path.clone(),
            bytes: self.bytes,
            rows,
            etag: self.etag.clone(),
            modified_at: self.modified_at,
        }
    }

    fn of_object(path: String, meta: ObjectMeta) -> Self {
        Self {
            path,
            object: meta.location,
            bytes: meta.size,
            etag: meta.e_tag,
            modified_at: meta.last_modified.timestamp_micros(),
        }
    }
}

impl OpenLocation {
    /// URL, ending in `/`, of the folder that a found file's path is relative to: the location itself, or the folder
    /// that holds it if it is one file.
    pub fn folder_of(&self, file: &FoundFile) -> Url {
        match file.object == self.prefix {
            true => {
                let mut folder = self.location.url().clone();
                if let Ok(mut segments) = folder.path_segments_mut() {
                    segments.pop_if_empty().pop().push("");
                }
                folder
            }
            false => self.location.clone().into_folder().url().clone(),
        }
    }

    /// A file for messages: as people write it.
    pub fn shown(&self, file: &FoundFile) -> String {
        match file.object == self.prefix {
            true => self.location.shown(),
            false => format!("{}/{}", self.location.shown().trim_end_matches('/'), file.path),
        }
    }
}

/// Lists the files of a location whose names match `pattern`, sorted by path, byte by byte; a location that is itself
/// one file gives that file, whatever its name.
///
/// With `recursive`, sub-folders are searched too, except those whose name begins with `.` or `_` (a name such as
/// `_day=1` is searched): writers keep unfinished work there, and other tools skip them as well. Listings are read
/// page by page. Objects of no bytes that only stand for a folder are left out.
///
/// # Errors
/// [`FileError::NotFound`] for a local folder that does not exist, [`FileError::NoFiles`] where nothing matches,
/// [`FileError::NotListable`] for a folder of a plain web server, [`FileError::TooManyFiles`] beyond `limit`, [`FileError::InvalidPattern`], and [`FileError::Unreachable`] or
/// [`FileError::Refused`] from the store.
pub async fn discover(
    open: &OpenLocation,
    pattern: &str,
    recursive: bool,
    limit: usize,
) -> Result<Vec<FoundFile>, FileError> {
    let pattern = Pattern::parse(pattern)?;
    if let Some(file) = single_file(open).await? {
        return Ok(vec![file]);
    }
    let mut search = Search::new(open, &pattern, recursive, limit);
    let searched = match recursive {
        true => search.all_levels().await,
        false => search.one_level().await,
    };
    match searched {
        Ok(()) => search.finish().await,
        Err(error) => Err(why_not_listed(open, error).await),
    }
}

/// The location's own file. A refusal does not count: stores refuse to say that a key is missing to those who may
/// not list.
async fn single_file(open: &OpenLocation) -> Result<Option<FoundFile>, FileError> {
    let Some(name) = open.prefix.filename() else {
        return Ok(None);
    };
    if open.location.is_folder() {
        return Ok(None);
    }
    match open.store.head(&open.prefix).await {
        Ok(meta) => Ok(Some(FoundFile::of_object(name.to_owned(), meta))),
        Err(object_store::Error::NotFound { .. } | object_store::Error::PermissionDenied { .. }) => Ok(None),
        Err(error) => Err(FileError::of_store(open.location.shown(), &error)),
    }
}

/// Most web servers cannot list. One that answers to another request is told apart from one out of reach.
async fn why_not_listed(open: &OpenLocation, error: FileError) -> FileError {
    let place = open.location.shown();
    match (open.location.scheme(), &error) {
        (Scheme::Http, FileError::Unreachable { .. }) => {}
        _ => return error,
    }
    if !open.location.is_folder() {
        // It was asked for as a file already, and is none.
        return FileError::NotFound { place };
    }
    match open
        .store
        .head(&open.prefix)
        .await
        .map_err(|error| FileError::of_store(&place, &error))
    {
        Ok(_) | Err(FileError::Vanished { .. }) => FileError::NotListable { place },
        Err(FileError::Refused { place, detail }) => FileError::Refused { place, detail },
        Err(_) => error,
    }
}

struct Search<'a> {
    open: &'a OpenLocation,
    pattern: &'a Pattern,
    recursive: bool,
    limit: usize,
    found: Vec<FoundFile>,
    others: usize,
    other_example: Option<String>,
    folders: usize,
}

impl<'a> Search<'a> {
    fn new(open: &'a OpenLocation, pattern: &'a Pattern, recursive: bool, limit: usize) -> Self {
        Self {
            open,
            pattern,
            recursive,
            limit,
            found: Vec::new(),
            others: 0,
            other_example: None,
            folders: 0,
        }
    }

    async fn one_level(&mut self) -> Result<(), FileError> {
        let listing = self.open.store.list_with_delimiter(Some(&self.open.prefix)).await;
        let listing = listing.map_err(|error| self.failed(&error))?;
        let folders = listing.common_prefixes;
        self.folders = folders.len();
        listing
            .objects
            .into_iter()
            .filter(|meta| meta.size > 0 || !folders.contains(&meta.location))
            .try_for_each(|meta| self.look_at(meta))
    }

    async fn all_levels(&mut self) -> Result<(), FileError> {
        let mut listing = self.open.store.list(Some(&self.open.prefix));
        let mut scanned = 0_usize;
        while let Some(meta) = listing.try_next().await.map_err(|error| self.failed(&error))? {
            scanned += 1;
            if scanned > SCANNED_MAX {
                return Err(self.too_many());
            }
            self.look_at(meta)?;
        }
        Ok(())
    }

    fn look_at(&mut self, meta: ObjectMeta) -> Result<(), FileError> {
        let Some(path) = relative(&self.open.prefix, &meta.location) else {
            return Ok(());
        };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if folder.split('/').any(is_hidden_folder) {
            return Ok(());
        }
        if !self.pattern.matches(name) {
            self.others += 1;
            self.other_example.get_or_insert_with(|| path.clone());
            return Ok(());
        }
        if self.found.len() >= self.limit {
            return Err(self.too_many());
        }
        self.found.push(FoundFile::of_object(path, meta));
        Ok(())
    }

    async fn finish(mut self) -> Result<Vec<FoundFile>, FileError> {
        if self.recursive {
            self.drop_folder_marks();
        }
        if !self.found.is_empty() {
            self.found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            return Ok(self.found);
        }
        let place = self.open.location.shown();
        if let Some(path) = self.open.location.local_path()
            && tokio::fs::metadata(&path).await.is_err()
        {
            return Err(FileError::NotFound { place });
        }
        Err(FileError::NoFiles {
            place,
            pattern: self.pattern.as_str().to_owned(),
            others: self.others,
            other_example: self.other_example,
            folders: self.folders,
        })
    }

    /// Drops objects of no bytes below whose path others lie.
    fn drop_folder_marks(&mut self) {
        let (empty, full): (Vec<_>, Vec<_>) = self.found.drain(..).partition(|file| file.bytes == 0);
        let is_mark = |file: &FoundFile| {
            let folder = format!("{}/", file.path);
            full.iter().any(|other| other.path.starts_with(&folder))
        };
        let files: Vec<_> = empty.into_iter().filter(|file| !is_mark(file)).collect();
        self.found = full;
        self.found.extend(files);
    }

    fn failed(&self, error: &object_store::Error) -> FileError {
        match FileError::of_store(self.open.location.shown(), error) {
            FileError::Vanished { file } => FileError::NotFound { place: file },
            other => other,
        }
    }

    fn too_many(&self) -> FileError {
        FileError::TooManyFiles {
            place: self.open.location.shown(),
            pattern: self.pattern.as_str().to_owned(),
            limit: self.limit,
        }
    }
}

/// The path below a prefix; `None` for the prefix itself and for what lies elsewhere.
fn relative(prefix: &Path, path: &Path) -> Option<String> {
    let below = match prefix.as_ref() {
        "" => path.as_ref(),
        prefix => path.as_ref().strip_prefix(prefix)?.strip_prefix('/')?,
    };
    (!below.is_empty()).then(|| below.to_owned())
}

fn is_hidden_folder(name: &str) -> bool {
    name.starts_with('.') || (name.starts_with('_') && !name.contains('='))
}
