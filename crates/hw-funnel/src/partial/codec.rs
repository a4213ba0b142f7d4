//! The stored form of partials: a version, the partial in the wire format of [postcard], and a checksum of both.
//!
//! Values, counts and sums take as few bytes as they need; a breakdown or a list may have millions of them.
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format

use xxhash_rust::xxh3::xxh3_64;

use super::{Partial, PartialError};

/// Version of the stored form.
const VERSION: u8 = 2;

impl Partial {
    /// The stored form, without the group ids.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Nothing in the form can fail to be written: all lengths are known.
        let mut bytes = postcard::to_extend(self, vec![VERSION]).unwrap_or_default();
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the stored form; group ids are put back with [`Partial::set_groups`].
    ///
    /// # Errors
    /// [`PartialError::Unreadable`] if it is of another version or damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PartialError> {
        let damaged = || unreadable("it is damaged".to_owned());
        let (stored, checksum) = bytes.split_last_chunk().ok_or_else(damaged)?;
        if u64::from_le_bytes(*checksum) != xxh3_64(stored) {
            return Err(damaged());
        }
        let (version, partial) = stored.split_first().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(unreadable(format!("its version is {version}, expected is {VERSION}")));
        }
        postcard::from_bytes(partial).map_err(|error| unreadable(error.to_string()))
    }
}

fn unreadable(reason: String) -> PartialError {
    PartialError::Unreadable { reason }
}
