//! What a repartitioned table was made of, and what is to be done to make it hold its source again.

use arrow_schema::Schema;
use hw_catalog::{Part, Table, TableKind, TableName};
use hw_files::Published;
use serde::{Deserialize, Serialize};

/// Version of the manifest; another one is made anew.
const FORMAT: u32 = 1;

/// Which parts were taken in, and where their rows are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) source: TableName,
    /// Folder of the source's parts.
    pub(super) location: String,
    /// The source's columns.
    pub(super) schema: Schema,
    pub(super) group: String,
    pub(super) time: String,
    pub(super) buckets: u32,
    /// The source's parts.
    pub(super) taken: Vec<Part>,
    pub(super) segments: Vec<Segment>,
}

/// A part that holds the groups of one bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) bucket: u32,
    pub(super) file: Published,
    pub(super) part: Part,
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) source: &'a Table,
    pub(super) parts: &'a [Part],
    pub(super) group: &'a str,
    pub(super) time: &'a str,
    pub(super) buckets: Option<u32>,
}

/// How to come by it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Way {
    /// All rows are read.
    Anew,
    /// These parts are new.
    Add(Vec<Part>),
    /// Nothing is to be done.
    Nothing,
}

impl Manifest {
    /// The manifest of a table that holds the wanted rows in these segments.
    pub(super) fn of(wanted: &Wanted<'_>, buckets: u32, segments: Vec<Segment>) -> Self {
        Self {
            format: FORMAT,
            source: wanted.source.name.clone(),
            location: location(wanted.source).to_owned(),
            schema: wanted.source.schema.clone(),
            group: wanted.group.to_owned(),
            time: wanted.time.to_owned(),
            buckets,
            taken: wanted.parts.to_vec(),
            segments,
        }
    }

    /// What stands between the table as it is and the wanted one.
    pub(super) fn way_to(&self, wanted: &Wanted<'_>) -> Way {
        // What is behind a view may have changed without the view.
        let is_alike = self.format == FORMAT
            && wanted.source.kind != TableKind::View
            && self.source == wanted.source.name
            && self.location == location(wanted.source)
            && self.schema == wanted.source.schema
            && (self.group.as_str(), self.time.as_str()) == (wanted.group, wanted.time)
            && wanted.buckets.is_none_or(|buckets| buckets == self.buckets);
        if !is_alike {
            return Way::Anew;
        }
        let known: std::collections::HashSet<Identity<'_>> = self.taken.iter().map(identity).collect();
        let new: Vec<Part> = wanted
            .parts
            .iter()
            .filter(|part| !known.contains(&identity(part)))
            .cloned()
            .collect();
        // Every known part must be there still, or rows of it would stay in the table.
        match (new.len() + self.taken.len() == wanted.parts.len(), new.is_empty()) {
            (false, _) => Way::Anew,
            (true, true) => Way::Nothing,
            (true, false) => Way::Add(new),
        }
    }
}

type Identity<'a> = (&'a str, u64, Option<&'a str>, i64);

/// What tells a part from another one, and from itself after it was written anew.
fn identity(part: &Part) -> Identity<'_> {
    (&part.path, part.bytes, part.etag.as_deref(), part.modified_at)
}

fn location(table: &Table) -> &str {
    table.dataset.as_ref().map_or("", |dataset| dataset.location.as_str())
}
