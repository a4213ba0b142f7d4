//! Where files are: a local path or the URL of a store.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use url::Url;

use crate::error::{FileError, redacted, redacted_location};
use crate::local;

/// The kind of store that a location lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A folder or file of this host.
    Local,
    /// Amazon S3 and compatible stores.
    S3,
    /// Google Cloud Storage.
    Gcs,
    /// Azure Blob Storage and Data Lake.
    Azure,
    /// A plain web server: single files, no listings unless it speaks WebDAV.
    Http,
    /// Kept in this process, for tests.
    Memory,
}

/// A place that holds files: absolute, free of credentials, and printed as a URL.
///
/// Local paths are taken literally: `%`, `#`, `?`, blanks, line breaks and bytes that are no UTF-8 all stand for
/// themselves. In a URL they are written with `%` as usual. `.` and `..` are resolved in the text, as a shell's `cd`
/// does; links are not followed here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    url: Url,
    scheme: Scheme,
}

/// A place with a wildcard after it, `data/*.parquet`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    /// The folder or file before the wildcard.
    pub location: Location,
    /// The wildcard for file names, if one was given.
    pub pattern: Option<String>,
    /// Whether `**` asked for sub-folders too.
    pub recursive: bool,
}

impl Location {
    /// Reads a path or URL. A relative path is made absolute against `folder`; `~` is not expanded.
    ///
    /// # Errors
    /// [`FileError::UnsupportedScheme`], [`FileError::CredentialsInLocation`], or [`FileError::InvalidLocation`] where
    /// the text is empty, relative without a folder, or no valid URL.
    pub fn parse(text: &str, folder: Option<&Path>) -> Result<Self, FileError> {
        if text.is_empty() {
            return Err(invalid(text, "it is empty"));
        }
        match scheme_of(text) {
            Some(scheme) => Self::of_url(text, scheme),
            None => Self::of_path(Path::new(text), folder),
        }
    }

    /// Reads a path or URL whose last part may be a wildcard; `**` before it searches sub-folders too.
    ///
    /// # Errors
    /// As [`Location::parse`], and [`FileError::InvalidPattern`] for a wildcard in a folder's name.
    pub fn parse_selection(text: &str, folder: Option<&Path>) -> Result<Selection, FileError> {
        let (parent, name) = match text.rfind('/') {
            Some(slash) => text.split_at(slash + 1),
            None => ("", text),
        };
        let in_all_folders = parent == "**/" || parent.ends_with("/**/");
        if !in_all_folders && !name.contains(['*', '?', '[', '{']) {
            return Ok(Selection {
                location: Self::parse(text, folder)?,
                pattern: None,
                recursive: false,
            });
        }
        let (parent, recursive) = match parent.strip_suffix("**/").filter(|_| in_all_folders) {
            Some(above) => (above, true),
            None => (parent, false),
        };
        if parent.contains('*') {
            return Err(FileError::InvalidPattern {
                pattern: redacted_location(text),
                reason: "only the last part may hold wildcards, after `**/` at most".to_owned(),
            });
        }
        let parent = if parent.is_empty() { "./" } else { parent };
        Ok(Selection {
            location: Self::parse(parent, folder)?,
            pattern: Some(name.to_owned()),
            recursive,
        })
    }

    /// The text that selects without a folder what this one selects within `folder`, so that it can be kept.
    ///
    /// # Errors
    /// As [`Location::parse_selection`], and [`FileError::InvalidLocation`] where the folder's name would be read otherwise.
    pub fn absolute_selection(text: &str, folder: Option<&Path>) -> Result<String, FileError> {
        let selection = Self::parse_selection(text, folder)?;
        if scheme_of(text).is_some() || Path::new(text).is_absolute() {
            return Ok(text.to_owned());
        }
        let (parent, name) = match text.rfind('/') {
            Some(slash) => text.split_at(slash + 1),
            None => ("./", text),
        };
        let parent = Self::of_path(Path::new(parent), folder)?.local_path();
        let parent = parent.and_then(|parent| parent.into_os_string().into_string().ok());
        let parent = parent.ok_or_else(|| invalid(text, "its folder cannot be written as text"))?;
        let absolute = format!("{}/{name}", parent.trim_end_matches('/'));
        match Self::parse_selection(&absolute, None)? == selection {
            true => Ok(absolute),
            false => Err(invalid(text, "the name of its folder would be read as a wildcard")),
        }
    }

    /// The location of a local path.
    ///
    /// # Errors
    /// [`FileError::InvalidLocation`] if the path is relative and no folder is given.
    pub fn of_path(path: &Path, folder: Option<&Path>) -> Result<Self, FileError> {
        let absolute = match (path.is_absolute(), folder) {
            (true, _) => path.to_owned(),
            (false, Some(folder)) if folder.is_absolute() => folder.join(path),
            (false, _) => {
                return Err(invalid(
                    &path.to_string_lossy(),
                    "it is relative and no folder is known",
                ));
            }
        };
        if absolute.as_os_str().as_bytes().contains(&0) {
            return Err(invalid(&path.to_string_lossy(), "it holds a zero byte"));
        }
        let is_folder = ends_as_folder(path);
        let plain = without_dots(&absolute);
        let url = match is_folder {
            true => Url::from_directory_path(&plain),
            false => Url::from_file_path(&plain),
        };
        let url = url.map_err(|()| invalid(&path.to_string_lossy(), "it cannot be written as a URL"))?;
        Ok(Self {
            url,
            scheme: Scheme::Local,
        })
    }

    fn of_url(text: &str, scheme: &str) -> Result<Self, FileError> {
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "file" => Scheme::Local,
            "s3" | "s3a" => Scheme::S3,
            "gs" => Scheme::Gcs,
            "az" | "azure" | "abfs" | "abfss" => Scheme::Azure,
            "http" | "https" => Scheme::Http,
            "memory" => Scheme::Memory,
            _ => {
                return Err(FileError::UnsupportedScheme {
                    scheme: scheme.to_owned(),
                });
            }
        };
        let url = Url::parse(&escaped(text)).map_err(|error| invalid(text, &error.to_string()))?;
        check_credentials(&url, kind, text)?;
        check_query(&url, kind, text)?;
        check_host(&url, kind, text)?;
        let url = canonical(url, kind).map_err(|reason| invalid(text, &reason))?;
        Ok(Self { url, scheme: kind })
    }

    /// The kind of store.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The location as a URL, without credentials.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The path of a local location; `None` for others.
    pub fn local_path(&self) -> Option<PathBuf> {
        match self.scheme {
            Scheme::Local => self.url.to_file_path().ok(),
            _ => None,
        }
    }

    /// Whether the text ended in `/`, so that it can only be a folder.
    pub fn is_folder(&self) -> bool {
        self.url.path().ends_with('/')
    }

    /// The same place, marked as a folder.
    #[must_use]
    pub fn into_folder(mut self) -> Self {
        if !self.is_folder() {
            let path = format!("{}/", self.url.path());
            self.url.set_path(&path);
        }
        self
    }

    /// The store that holds the location, as a URL with an empty path: `s3://bucket/`, `file:///`.
    pub fn base(&self) -> Url {
        let mut base = self.url.clone();
        base.set_path("/");
        base
    }

    /// The path within the store, in the form that listings of the store give.
    ///
    /// # Errors
    /// [`FileError::InvalidLocation`] for keys that no client can ask for (control characters, empty parts).
    pub fn object_path(&self) -> Result<object_store::path::Path, FileError> {
        match self.local_path() {
            Some(path) => local::object_path(&path).map_err(|error| invalid(&self.shown(), &error.to_string())),
            None => object_store::path::Path::from_url_path(self.url.path())
                .map_err(|error| invalid(&self.shown(), &error.to_string())),
        }
    }

    /// The location for messages: a local path as people write it, else the URL.
    pub fn shown(&self) -> String {
        match self
            .local_path()
            .and_then(|path| path.into_os_string().into_string().ok())
        {
            Some(path) if !path.chars().any(char::is_control) => path,
            _ => self.url.to_string(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

fn invalid(text: &str, reason: &str) -> FileError {
    FileError::InvalidLocation {
        text: redacted_location(&shown_text(text)),
        reason: redacted(reason),
    }
}

fn shown_text(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() {
                c.escape_default().to_string()
            } else {
                c.to_string()
            }
        })
        .collect()
}

/// What stands before `://`, if the text is a URL. `file:/path` counts as one too.
fn scheme_of(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let is_url = rest.starts_with("//") || (scheme.eq_ignore_ascii_case("file") && rest.starts_with('/'));
    (is_scheme && is_url).then_some(scheme)
}

/// URL parsers drop line breaks, tabs and outer blanks without a word; here they count.
fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        match c {
            '\u{0}'..=' ' | '\u{7f}' => escaped.push_str(&format!("%{:02X}", u32::from(c))),
            '\\' => escaped.push_str("%5C"),
            other => escaped.push(other),
        }
        escaped
    })
}

/// In Azure's own notation the container stands where others put a user.
fn check_credentials(url: &Url, kind: Scheme, text: &str) -> Result<(), FileError> {
    let user_allowed = kind == Scheme::Azure;
    if url.password().is_some() || (!url.username().is_empty() && !user_allowed) {
        return Err(FileError::CredentialsInLocation {
            shown: redacted_location(text),
        });
    }
    Ok(())
}

fn check_query(url: &Url, kind: Scheme, text: &str) -> Result<(), FileError> {
    if url.query().is_some() && kind == Scheme::Http {
        return Err(FileError::CredentialsInLocation {
            shown: redacted_location(text),
        });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(text, "a `?` or `#` stands in it"));
    }
    Ok(())
}

fn check_host(url: &Url, kind: Scheme, text: &str) -> Result<(), FileError> {
    let host = url.host_str().unwrap_or_default();
    match kind {
        Scheme::Local if !host.is_empty() => Err(invalid(
            text,
            &format!("files of the host `{host}` cannot be reached; write `file:///` with three slashes"),
        )),
        Scheme::Local | Scheme::Memory => Ok(()),
        _ if host.is_empty() => Err(invalid(text, "it names no bucket, container or host")),
        _ => Ok(()),
    }
}

/// The same URL in the one spelling that equal places share.
fn canonical(url: Url, kind: Scheme) -> Result<Url, String> {
    if kind == Scheme::Local {
        let path = url.to_file_path().map_err(|()| "it is no local path".to_owned())?;
        let folder = url.path().ends_with('/');
        let url = if folder {
            Url::from_directory_path(path)
        } else {
            Url::from_file_path(path)
        };
        return url.map_err(|()| "it is no absolute path".to_owned());
    }
    let mut canonical = url.clone();
    let path = object_store::path::Path::from_url_path(url.path()).map_err(|error| error.to_string())?;
    let folder = url.path().ends_with('/') || path.is_root();
    if let Ok(mut segments) = canonical.path_segments_mut() {
        segments
            .clear()
            .extend(path.parts().map(|part| part.as_ref().to_owned()));
        if folder && !path.is_root() {
            segments.push("");
        }
    }
    Ok(canonical)
}

fn ends_as_folder(path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    bytes.ends_with(b"/") || bytes.ends_with(b"/.") || bytes.ends_with(b"/..") || bytes == b"." || bytes == b".."
}

fn without_dots(absolute: &Path) -> PathBuf {
    let mut plain: Vec<OsString> = Vec::new();
    for component in absolute.components() {
        match component {
            Component::Normal(part) => plain.push(part.to_owned()),
            Component::ParentDir => drop(plain.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let mut bytes = Vec::new();
    for part in &plain {
        bytes.push(b'/');
        bytes.extend_from_slice(part.as_bytes());
    }
    match bytes.is_empty() {
        true => PathBuf::from("/"),
        false => PathBuf::from(OsString::from_vec(bytes)),
    }
}
