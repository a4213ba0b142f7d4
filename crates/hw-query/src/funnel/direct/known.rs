//! Parts that were held against their records before: what their footers told need not be read and compared again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hw_catalog::{Part, Table, TableName, TableVersion};
use hw_files::PartLayout;

/// One part of one registration, as its file was then.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    table: TableName,
    version: TableVersion,
    location: String,
    path: String,
    /// Identity of the file's content: another file is another part.
    etag: String,
}

/// Layouts of parts that fitted their tables, up to a number of bytes.
pub(crate) struct KnownParts {
    limit: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    layouts: HashMap<Key, PartLayout>,
    bytes: usize,
}

impl KnownParts {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: Mutex::default(),
        }
    }

    /// What the part's footer told, if it was found to fit the table. The file may have changed since.
    pub(super) fn find(&self, table: &Table, part: &Part) -> Option<PartLayout> {
        let key = key(table, part)?;
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.layouts.get(&key).cloned()
    }

    /// Keeps what the footer of a part told that fits the table. All others are forgotten when there is no room.
    pub(super) fn keep(&self, table: &Table, part: &Part, layout: &PartLayout) {
        let bytes = layout.memory_size();
        let Some(key) = key(table, part).filter(|_| bytes <= self.limit) else {
            return;
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes > self.limit {
            *kept = Kept::default();
        }
        if kept.layouts.insert(key, layout.clone()).is_none() {
            kept.bytes += bytes;
        }
    }
}

/// `None` where files have no identity.
fn key(table: &Table, part: &Part) -> Option<Key> {
    Some(Key {
        table: table.name.clone(),
        version: table.version,
        location: table.dataset.as_ref()?.location.clone(),
        path: part.path.clone(),
        etag: part.etag.clone()?,
    })
}
