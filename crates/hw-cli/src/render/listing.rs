//! What lists show of each kind of item: columns for people, fields for CSV, a key for `--quiet`.

use hw_api::{EventDocument, JobDocument, PartDocument, TableDocument, TaskDocument, TokenDocument, WorkerDocument};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::render::csv;
use crate::render::figures::{bytes, count, seconds, time};
use crate::render::grid::{Cell, Tone};
use crate::render::json::compact;

/// An item of a list.
pub(crate) trait Listed: DeserializeOwned {
    /// Heads of the columns for people, as [`Grid::new`](super::grid::Grid::new) takes them.
    const HEADS: &'static [&'static str];
    /// Members of the document that CSV shows, in this order; a dot leads into a member.
    const FIELDS: &'static [&'static str];
    /// The one command that fills an empty list.
    const EMPTY: &'static str;

    fn cells(&self) -> Vec<Cell>;
    /// What `--quiet` prints.
    fn key(&self) -> String;
}

/// The fields of an item as a line of CSV.
pub(crate) fn csv_line(item: &Value, fields: &[&str]) -> String {
    let values: Vec<Option<String>> = fields.iter().map(|field| field_text(item, field)).collect();
    csv::line(values.iter().map(Option::as_deref))
}

fn field_text(item: &Value, field: &str) -> Option<String> {
    let value = field.split('.').try_fold(item, |value, member| value.get(member))?;
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(compact(&other.to_string())),
    }
}

/// A job's id, also within a task's (`ID/7`), by its last characters: they tell jobs apart, and are taken in its place.
pub(crate) fn short_id(id: &str) -> String {
    const SHOWN: usize = 8;
    let (job, task) = id.split_at(id.find('/').unwrap_or(id.len()));
    let begin = job.char_indices().rev().nth(SHOWN - 1).map_or(0, |(place, _)| place);
    format!("{}{task}", job.get(begin..).unwrap_or(job))
}

/// How a job or task stands, in words and colour.
pub(crate) fn state_cell(state: &str, partial: bool) -> Cell {
    let tone = match state {
        "succeeded" if partial => Tone::Odd,
        "succeeded" => Tone::Good,
        "failed" | "timed_out" | "quarantined" | "infeasible" | "lost" => Tone::Bad,
        "cancelled" | "retry_wait" | "blocked" | "preempted" | "late" => Tone::Odd,
        _ => Tone::Plain,
    };
    let text = if partial {
        format!("{state}, partly")
    } else {
        state.to_owned()
    };
    Cell::toned(text, tone)
}

impl Listed for TableDocument {
    const HEADS: &'static [&'static str] = &[
        "name",
        "kind",
        ">rows",
        ">parts",
        ">size",
        "group",
        "time",
        "registered",
    ];
    const FIELDS: &'static [&'static str] = &[
        "name",
        "kind",
        "version",
        "rows",
        "parts",
        "bytes",
        "group_column",
        "time_column",
        "groups",
        "location",
        "registered_at",
        "last_used_at",
    ];
    const EMPTY: &'static str =
        "no tables yet: `headwater table register NAME PATH --group COLUMN --time COLUMN`, or `headwater demo`";

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.name),
            Cell::new(&self.kind),
            Cell::maybe(self.rows.map(count)),
            Cell::maybe(self.parts.map(count)),
            Cell::new(bytes(self.bytes)),
            Cell::maybe(self.group_column.as_deref()),
            Cell::maybe(self.time_column.as_deref()),
            Cell::new(time(&self.registered_at)),
        ]
    }

    fn key(&self) -> String {
        self.name.clone()
    }
}

impl Listed for PartDocument {
    const HEADS: &'static [&'static str] = &["part", ">rows", ">size"];
    const FIELDS: &'static [&'static str] = &["path", "rows", "bytes"];
    const EMPTY: &'static str = "the table has no parts";

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.path),
            Cell::maybe(self.rows.map(count)),
            Cell::new(bytes(self.bytes)),
        ]
    }

    fn key(&self) -> String {
        self.path.clone()
    }
}

impl Listed for JobDocument {
    const HEADS: &'static [&'static str] = &["job", "kind", "state", "tables", ">tasks", "created", ">took", "error"];
    const FIELDS: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "partial",
        "created_at",
        "started_at",
        "ended_at",
        "elapsed_seconds",
        "attempts",
        "cached_from",
        "error.code",
        "error.detail",
    ];
    const EMPTY: &'static str = "no jobs: `headwater demo` runs one, `headwater funnel run TABLE --empty` another";

    fn cells(&self) -> Vec<Cell> {
        let tables: Vec<&str> = self.reads.iter().map(|read| read.table.as_str()).collect();
        let error = self
            .error
            .as_ref()
            .map(|error| format!("{}: {}", error.code, error.detail));
        vec![
            Cell::new(short_id(&self.id)),
            Cell::new(&self.kind),
            state_cell(&self.state, self.partial),
            Cell::maybe((!tables.is_empty()).then(|| tables.join(", "))),
            Cell::new(count(task_counts(self).iter().map(|(_, number)| number).sum())),
            Cell::new(time(&self.created_at)),
            Cell::new(seconds(self.elapsed_seconds)),
            Cell::new(error.unwrap_or_default()),
        ]
    }

    fn key(&self) -> String {
        self.id.clone()
    }
}

/// Number of a job's tasks by state, as its progress tells.
pub(crate) fn task_counts(job: &JobDocument) -> Vec<(&str, u64)> {
    let counts = job.progress.tasks.iter();
    counts
        .filter_map(|(state, number)| Some((state.as_str(), number.as_u64()?)))
        .collect()
}

impl Listed for TaskDocument {
    const HEADS: &'static [&'static str] = &[
        "task",
        "kind",
        "state",
        ">attempts",
        "worker",
        "started",
        "ended",
        "error",
    ];
    const FIELDS: &'static [&'static str] = &[
        "id",
        "kind",
        "state",
        "attempts",
        "worker",
        "started_at",
        "ended_at",
        "error.code",
        "error.detail",
    ];
    const EMPTY: &'static str = "the job has no tasks";

    fn cells(&self) -> Vec<Cell> {
        let error = self
            .error
            .as_ref()
            .map(|error| format!("{}: {}", error.code, error.detail));
        vec![
            Cell::new(short_id(&self.id)),
            Cell::new(&self.kind),
            state_cell(&self.state, false),
            Cell::new(count(u64::from(self.attempts))),
            Cell::maybe(self.worker.as_deref()),
            Cell::maybe(self.started_at.as_deref().map(time)),
            Cell::maybe(self.ended_at.as_deref().map(time)),
            Cell::new(error.unwrap_or_default()),
        ]
    }

    fn key(&self) -> String {
        self.id.clone()
    }
}

impl Listed for WorkerDocument {
    const HEADS: &'static [&'static str] = &[
        "worker", "host", ">pid", "version", ">running", ">slots", "labels", "state",
    ];
    const FIELDS: &'static [&'static str] = &[
        "id", "host", "pid", "version", "running", "slots", "labels", "draining", "ended",
    ];
    const EMPTY: &'static str = "no workers: `headwater up` brings its own, `headwater worker` is one more";

    fn cells(&self) -> Vec<Cell> {
        let state = if self.ended {
            Cell::toned("ended", Tone::Odd)
        } else if self.draining {
            Cell::toned("draining", Tone::Odd)
        } else {
            Cell::new("taking tasks")
        };
        vec![
            Cell::new(&self.id),
            Cell::new(&self.host),
            Cell::new(self.pid.to_string()),
            Cell::new(&self.version),
            Cell::new(count(u64::from(self.running))),
            Cell::new(count(u64::from(self.slots))),
            Cell::maybe((!self.labels.is_empty()).then(|| self.labels.join(", "))),
            state,
        ]
    }

    fn key(&self) -> String {
        self.id.clone()
    }
}

impl Listed for TokenDocument {
    const HEADS: &'static [&'static str] = &["token", "role", "created", "expires"];
    const FIELDS: &'static [&'static str] = &["name", "role", "created_at", "expires_at"];
    const EMPTY: &'static str = "no tokens: `headwater token create --role read`";

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::new(&self.name),
            Cell::new(&self.role),
            Cell::new(time(&self.created_at)),
            Cell::new(self.expires_at.as_deref().map_or_else(|| "never".to_owned(), time)),
        ]
    }

    fn key(&self) -> String {
        self.name.clone()
    }
}

impl Listed for EventDocument {
    const HEADS: &'static [&'static str] = &[">seq", "at", "kind", "subject", "data"];
    const FIELDS: &'static [&'static str] = &["seq", "at", "kind", "subject", "job", "data"];
    const EMPTY: &'static str = "no events";

    fn cells(&self) -> Vec<Cell> {
        let data = match &self.data {
            Value::Null => String::new(),
            Value::Object(members) if members.is_empty() => String::new(),
            data => data.to_string(),
        };
        vec![
            Cell::new(self.seq.to_string()),
            Cell::new(time(&self.at)),
            Cell::new(&self.kind),
            Cell::new(&self.subject),
            Cell::new(data),
        ]
    }

    fn key(&self) -> String {
        self.seq.to_string()
    }
}
