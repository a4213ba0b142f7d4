//! File names as object paths and back, without loss.
//!
//! An object path holds no control characters and only UTF-8. Such bytes are written as `%` and two hexadecimal
//! digits, and so is a `%` that would otherwise be taken for one of these; everything else stays as it is, also a `%`
//! elsewhere. So nearly every path reads like the file's name.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path as FilePath, PathBuf};

use object_store::path::Path;

/// The object path of an absolute file path.
///
/// # Errors
/// Where a part of the path cannot be one of an object path; that is so only for `..`.
pub(crate) fn object_path(file: &FilePath) -> Result<Path, object_store::path::Error> {
    let parts: Vec<String> = file
        .components()
        .filter(|part| !matches!(part, Component::RootDir | Component::CurDir))
        .map(|part| encoded(part.as_os_str()))
        .collect();
    Path::parse(parts.join("/"))
}

/// The file that an object path means, from the root of the file system.
pub(crate) fn file_path(path: &Path) -> PathBuf {
    let mut file = PathBuf::from("/");
    file.extend(path.parts().map(|part| decoded(part.as_ref())));
    file
}

/// A file's name as one part of an object path.
pub(crate) fn encoded(name: &OsStr) -> String {
    let mut encoded = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(c) = rest.chars().next() {
            match c {
                '%' if special_byte(rest.as_bytes()).is_some() => encoded.push_str("%25"),
                c if c.is_ascii_control() => encoded.push_str(&format!("%{:02X}", u32::from(c))),
                c => encoded.push(c),
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
        }
        for byte in chunk.invalid() {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn decoded(part: &str) -> OsString {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match special_byte(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

/// The byte that the first three bytes of a text stand for, if they are one of our own escapes.
fn special_byte(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let byte = digit(*high)? * 16 + digit(*low)?;
    (byte < 0x20 || byte == b'%' || byte >= 0x7f).then_some(byte)
}
