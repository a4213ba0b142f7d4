//! Which version of which object some bytes are of.

use std::fmt::Write as _;

use xxhash_rust::xxh3::xxh3_128;

use crate::{FoundFile, OpenLocation};

/// One version of one object: another content has another key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// Store, object, version and size in words, a line each. Two objects whose hashes are the same differ here.
    pub(super) text: String,
    hash: u128,
}

impl Key {
    /// The key of a file as it was found; `None` where the store tells neither an ETag nor a time.
    pub(super) fn of(open: &OpenLocation, origin: &str, file: &FoundFile) -> Option<Self> {
        let version = match (&file.etag, file.modified_at) {
            (Some(etag), _) => format!("etag {}", etag.escape_debug()),
            (None, modified_at) if modified_at > 0 => format!("modified {modified_at}"),
            (None, _) => return None,
        };
        let (base, object, bytes) = (&open.base, &file.object, file.bytes);
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = write!(text, "{base}{object}\n{version}\nsize {bytes}\nat {origin}\n");
        let hash = xxh3_128(text.as_bytes());
        Some(Self { text, hash })
    }

    /// Name of its folder, with that of the folder above.
    pub(super) fn folder(&self) -> (String, String) {
        let name = format!("{:032x}", self.hash);
        (name.chars().take(2).collect(), name)
    }

    /// A number that stands for the version in memory.
    pub(super) fn hash(&self) -> u128 {
        self.hash
    }
}
