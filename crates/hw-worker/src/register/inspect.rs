//! Looking at one part: its columns, the nulls that must not be, its order, its groups.
//!
//! The footer tells most; only columns of which it does not tell enough are read, a row group at a time. Fetching is
//! done on the reactor, decoding and counting on a thread for work.

mod columns;
pub(super) mod keys;
mod numbers;
mod roles;
mod text;

use arrow_array::RecordBatch;
use hw_catalog::{Bound, ColumnType, Finding, UnsupportedColumn};
use hw_files::{ColumnReader, Fault, FileError, Footer, FoundFile, OpenLocation, footer};
use serde::{Deserialize, Serialize};

use super::GroupIds;
use super::combine::PartOutline;

/// Version of the documents written here.
const FORMAT: u32 = 1;
/// Rows that are decoded at a time.
const BATCH_ROWS: usize = 8_192;

/// What to look for in a part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InspectOptions {
    /// Column that tells groups apart.
    pub group: Option<String>,
    /// Column that orders the rows of a group.
    pub time: Option<String>,
    /// Whether the distinct group ids are wanted, to compare them with those of other parts.
    pub collect_ids: bool,
    /// Distinct values per row up to which a text column counts as categorical.
    pub categorical_ratio: f64,
    /// Most frequent values that a table keeps of a text column; a part keeps half as many more. 0 keeps none.
    pub top_count: usize,
}

impl Default for InspectOptions {
    fn default() -> Self {
        Self {
            group: None,
            time: None,
            collect_ids: false,
            categorical_ratio: 0.1,
            top_count: 20,
        }
    }
}

impl InspectOptions {
    /// Values kept of one part: more than the table keeps, since parts differ.
    fn kept_values(&self) -> usize {
        self.top_count + self.top_count / 2
    }
}

/// What was found in a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartInspection {
    /// Version of this document.
    pub format: u32,
    /// Path, size, rows and types.
    pub outline: PartOutline,
    /// Columns that funnels can use, in stored order.
    pub columns: Vec<InspectedColumn>,
    /// Columns that they cannot use, and why.
    pub unsupported: Vec<UnsupportedColumn>,
    /// How the rows are sorted, verified.
    pub order: PartOrder,
    /// Number of distinct groups, if the ids were collected.
    pub groups: Option<u64>,
    /// What is odd but no fault.
    pub warnings: Vec<Finding>,
}

/// What was found in one column of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct InspectedColumn {
    /// Name, exactly as stored.
    pub name: String,
    /// Type in the funnel language.
    pub column_type: ColumnType,
    /// Least value: numbers, dates and timestamps; `None` if there is no value.
    pub min: Option<Bound>,
    /// Greatest value, likewise.
    pub max: Option<Bound>,
    /// Whether `min` and `max` bound all values; `false` where there are infinities.
    pub bounded: bool,
    /// Number of null cells; not counted in lists.
    pub null_count: Option<u64>,
    /// Whether the writer gave the column a dictionary type.
    pub dictionary: bool,
    /// Text columns: whether few distinct values repeat, or the writer gave it a dictionary type.
    pub categorical: bool,
    /// Text columns: the most frequent values with their share of the rows, most frequent first. Exact up to 20,000
    /// distinct values; beyond that a share may be 0.0001 too small.
    pub top_values: Vec<(String, f64)>,
    /// Text columns: distinct values per row. Exact up to 65,536 distinct values, else to about 1 %. `None` without rows.
    pub unique_ratio: Option<f64>,
}

/// How the rows of a part are sorted, ascending. All hold for a part without rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartOrder {
    /// By the group column.
    pub by_group: bool,
    /// By the group column, and the rows of a group by the time column.
    pub by_group_and_time: bool,
    /// By the time column.
    pub by_time: bool,
}

/// An inspection, and what travels apart from it.
#[derive(Debug, Clone)]
pub(crate) struct Inspected {
    /// The document.
    pub inspection: PartInspection,
    /// The distinct group ids, if they were wanted.
    pub ids: Option<GroupIds>,
}

/// Why a part cannot be one of a dataset.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum InspectError {
    /// The part contradicts the registration; all that was found.
    #[error("part `{part}` {}", told(.findings))]
    Faults {
        /// Path of the part.
        part: String,
        /// At least one.
        findings: Vec<Finding>,
    },
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The work was stopped with its thread.
    #[error("looking at part `{part}` was interrupted")]
    Interrupted {
        /// Path of the part.
        part: String,
    },
}

impl InspectError {
    /// Whose fault it is; faults of data are never worth a second try.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Faults { .. } => Fault::Data,
            Self::File(error) => error.fault(),
            Self::Interrupted { .. } => Fault::External,
        }
    }

    /// Every fault, each with code and advice.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Faults { findings, .. } => findings.clone(),
            Self::File(error) => vec![Finding::new(error.code(), error.to_string()).help(error.help())],
            Self::Interrupted { .. } => vec![Finding::new("HW-T042", self.to_string()).help("try again")],
        }
    }
}

fn told(findings: &[Finding]) -> String {
    match findings {
        [only] => format!("cannot be used: {}", only.message),
        more => format!("cannot be used, for {} reasons", more.len()),
    }
}

#[cfg(test)]
impl PartInspection {
    /// Reads a document that [`inspect`] made and JSON carried.
    ///
    /// # Errors
    /// The reader's words if it is something else, or of another version.
    pub(crate) fn from_json(document: &serde_json::Value) -> Result<Self, String> {
        let inspection = Self::deserialize(document).map_err(|error| error.to_string())?;
        match inspection.format {
            FORMAT => Ok(inspection),
            other => Err(format!(
                "the inspection of a part has format {other}, this version knows {FORMAT}"
            )),
        }
    }

    /// The finding about the column named exactly so.
    pub(crate) fn column(&self, name: &str) -> Option<&InspectedColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Looks at one part.
///
/// # Errors
/// [`InspectError::Faults`] with every fault of the part: group or time column missing, of a type that cannot be one,
/// or with nulls or NaN; column names that occur twice. [`InspectError::File`] if it cannot be read.
///
/// Cancel-safe: nothing is written.
pub(crate) async fn inspect(
    open: &OpenLocation,
    file: &FoundFile,
    options: &InspectOptions,
) -> Result<Inspected, InspectError> {
    let footer = footer(open, file).await?;
    let part = Part {
        open,
        file,
        footer: &footer,
    };
    let mut findings = columns::repeated_names(&part);
    let roles = roles::find(&part, options, &mut findings);
    let scanned = roles::scan(&part, &roles, options.collect_ids).await?;
    findings.extend(scanned.faults(&file.path));
    if !findings.is_empty() {
        return Err(InspectError::Faults {
            part: file.path.clone(),
            findings,
        });
    }
    let usable = columns::usable(&part);
    let columns = columns::inspect_all(&part, &usable.columns, options).await?;
    let order = scanned.order();
    let ids = scanned.into_ids();
    let inspection = PartInspection {
        format: FORMAT,
        outline: PartOutline::of(file, &footer),
        columns,
        unsupported: usable.unsupported,
        order,
        groups: ids.as_ref().map(|ids| ids.len() as u64),
        warnings: usable.warnings,
    };
    Ok(Inspected { inspection, ids })
}

/// A part being looked at.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    open: &'a OpenLocation,
    file: &'a FoundFile,
    footer: &'a Footer,
}

impl Part<'_> {
    /// Hands all batches of some columns to `step`, on a thread for work.
    async fn drive<S: Send + 'static>(
        &self,
        columns: &[usize],
        mut state: S,
        step: fn(&mut S, &RecordBatch),
    ) -> Result<S, InspectError> {
        let mut reader = ColumnReader::new(self.open, self.file, self.footer, columns, BATCH_ROWS)?;
        while let Some(group) = reader.next_row_group().await? {
            let work = tokio::task::spawn_blocking(move || -> Result<S, FileError> {
                for batch in group {
                    step(&mut state, &batch?);
                }
                Ok(state)
            });
            state = match work.await {
                Ok(Ok(state)) => state,
                Ok(Err(error)) => {
                    reader.recheck().await?;
                    return Err(error.into());
                }
                Err(_) => {
                    return Err(InspectError::Interrupted {
                        part: self.file.path.clone(),
                    });
                }
            };
        }
        Ok(state)
    }
}
