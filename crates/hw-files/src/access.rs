//! Which files a client may reach.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::local;
use crate::{FileError, Location};

/// The files that a client may read and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A client on the Unix socket or in process: whatever the user of this process may read.
    Unrestricted,
    /// A client over the network: what the setting `files.allow` lists.
    Allowed(AllowedPlaces),
}

/// Folders and URL prefixes; each lets pass itself and everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPlaces {
    folders: Arc<[PathBuf]>,
    prefixes: Vec<Location>,
}

impl Access {
    /// Reads the entries of `files.allow`, relative ones against `folder`. No entry: nothing is allowed.
    ///
    /// # Errors
    /// As [`Location::parse`], for the first entry that is no location.
    pub fn allowed<'a>(entries: impl IntoIterator<Item = &'a str>, folder: Option<&Path>) -> Result<Self, FileError> {
        let places = entries
            .into_iter()
            .map(|entry| Location::parse(entry, folder))
            .collect::<Result<Vec<_>, _>>()?;
        let folders = places.iter().filter_map(Location::local_path).collect();
        let prefixes = places
            .into_iter()
            .filter(|place| place.local_path().is_none())
            .collect();
        Ok(Self::Allowed(AllowedPlaces { folders, prefixes }))
    }

    /// Whether the location may be reached. Links of a local path are resolved first, which looks at the disk.
    ///
    /// # Errors
    /// [`FileError::NotPermitted`] if not; its help names the setting.
    pub fn permits(&self, location: &Location) -> Result<(), FileError> {
        let permitted = match self {
            Self::Unrestricted => true,
            Self::Allowed(places) => places.hold(location),
        };
        match permitted {
            true => Ok(()),
            false => Err(FileError::NotPermitted {
                place: location.shown(),
            }),
        }
    }

    /// The folders that local reads are kept in; `None` where there is no bound.
    pub(crate) fn folders(&self) -> Option<Arc<[PathBuf]>> {
        match self {
            Self::Unrestricted => None,
            Self::Allowed(places) => Some(places.folders.clone()),
        }
    }
}

impl AllowedPlaces {
    fn hold(&self, location: &Location) -> bool {
        match location.local_path() {
            Some(path) => local::lies_within(&path, &self.folders),
            None => self.prefixes.iter().any(|prefix| begins_with(location, prefix)),
        }
    }
}

/// Compares whole parts of the path: `s3://bucket/a` lets `s3://bucket/a/b` pass, not `s3://bucket/ab`.
fn begins_with(location: &Location, prefix: &Location) -> bool {
    let (Ok(path), Ok(prefix_path)) = (location.object_path(), prefix.object_path()) else {
        return false;
    };
    location.base() == prefix.base() && path.prefix_matches(&prefix_path)
}
