//! Listing local folders.
//!
//! Links to files and folders are followed; a folder that was seen already is not entered again, so that links in a
//! circle end. Links that lead nowhere and whatever is neither file nor folder are left out, and so are our own temporary
//! files. A link to outside the allowed folders is refused, as its rows would be missing without a word.

use std::collections::{HashSet, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, Result};

use super::read::object_meta;
use super::{LocalStore, blocking, failed, names, write};

/// Files that are looked at between two visits of the reactor.
const CHUNK: usize = 1_024;

/// What stands in a folder.
enum Entry {
    File(ObjectMeta),
    Folder(Path, (u64, u64)),
}

pub(super) fn all_below(store: LocalStore, prefix: Path) -> BoxStream<'static, Result<ObjectMeta>> {
    let walk = Walk {
        store,
        folders: vec![(prefix, None)],
        seen: HashSet::new(),
        files: VecDeque::new(),
    };
    stream::try_unfold((walk, VecDeque::new()), |(mut walk, mut ready)| async move {
        if ready.is_empty() {
            (walk, ready) = blocking(move || {
                let chunk = walk.next_chunk()?;
                Ok((walk, chunk))
            })
            .await?;
        }
        Ok(ready.pop_front().map(|meta| (meta, (walk, ready))))
    })
    .boxed()
}

pub(super) fn one_level(store: &LocalStore, prefix: &Path) -> Result<ListResult> {
    let mut result = ListResult {
        common_prefixes: Vec::new(),
        objects: Vec::new(),
    };
    for entry in entries(store, prefix)? {
        match entry {
            Entry::File(meta) => result.objects.push(meta),
            Entry::Folder(path, _) => result.common_prefixes.push(path),
        }
    }
    Ok(result)
}

struct Walk {
    store: LocalStore,
    folders: Vec<(Path, Option<(u64, u64)>)>,
    seen: HashSet<(u64, u64)>,
    files: VecDeque<ObjectMeta>,
}

impl Walk {
    fn next_chunk(&mut self) -> Result<VecDeque<ObjectMeta>> {
        while self.files.len() < CHUNK {
            let Some((folder, identity)) = self.folders.pop() else {
                break;
            };
            if identity.is_some_and(|identity| !self.seen.insert(identity)) {
                continue;
            }
            for entry in entries(&self.store, &folder)? {
                match entry {
                    Entry::File(meta) => self.files.push_back(meta),
                    Entry::Folder(path, identity) => self.folders.push((path, Some(identity))),
                }
            }
        }
        Ok(std::mem::take(&mut self.files))
    }
}

/// The entries of one folder in no order; a folder that does not exist has none.
fn entries(store: &LocalStore, folder: &Path) -> Result<Vec<Entry>> {
    let folder_path = store.reach(folder)?;
    let listing = match std::fs::read_dir(&folder_path) {
        Ok(listing) => listing,
        Err(error) => match failed(error, &folder_path) {
            object_store::Error::NotFound { .. } => return Ok(Vec::new()),
            other => return Err(other),
        },
    };
    let mut entries = Vec::new();
    for item in listing {
        let item = item.map_err(|error| failed(error, &folder_path))?;
        if write::is_temporary(&item.file_name()) {
            continue;
        }
        entries.extend(entry(store, folder, item.path())?);
    }
    Ok(entries)
}

fn entry(store: &LocalStore, folder: &Path, path: PathBuf) -> Result<Option<Entry>> {
    let Some(name) = path.file_name() else { return Ok(None) };
    let location = Path::parse(match folder.as_ref() {
        "" => names::encoded(name),
        folder => format!("{folder}/{}", names::encoded(name)),
    })?;
    let is_link = path.is_symlink();
    let metadata = std::fs::metadata(&path);
    if is_link && metadata.is_ok() {
        store.check(&path, location.as_ref())?;
    }
    match metadata {
        Ok(metadata) if metadata.is_dir() => Ok(Some(Entry::Folder(location, (metadata.dev(), metadata.ino())))),
        Ok(metadata) if metadata.is_file() => Ok(Some(Entry::File(object_meta(&metadata, location)))),
        Ok(_) => Ok(None),
        Err(_) if is_link => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error, &path)),
    }
}
