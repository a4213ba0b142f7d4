//! Why a column chunk could not be decoded, before file, row group and column are known.

use crate::FileError;

/// What ends the page loop.
#[derive(Debug)]
pub(super) enum Cause {
    /// The bytes make no sense.
    Damaged(String),
    /// The bytes may well make sense, to the general reader.
    NotHere,
    /// Text of more than 2 GiB, for which 32-bit offsets do not suffice.
    LongText,
    /// Reading did not succeed.
    File(FileError),
}

pub(super) type Decoded<T> = Result<T, Cause>;

/// Bytes that make no sense.
pub(super) fn damaged<T>(reason: impl Into<String>) -> Decoded<T> {
    Err(Cause::Damaged(reason.into()))
}

/// The value, or the reason why its absence makes no sense.
pub(super) fn present<T>(value: Option<T>, reason: &'static str) -> Decoded<T> {
    value.ok_or_else(|| Cause::Damaged(reason.to_owned()))
}

impl From<FileError> for Cause {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}
