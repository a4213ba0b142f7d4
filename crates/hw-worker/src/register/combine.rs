//! What the parts say together: one schema, statistics over all, whether groups are contained.

mod columns;
mod schema;
mod uniqueness;

pub(crate) use schema::joined;
pub(super) use uniqueness::compare_ids;

use arrow_schema::Schema;
use hw_catalog::{ColumnSummary, Finding, Groups, UnsupportedColumn};
use hw_files::{ColumnFooter, Footer, FoundFile};
use serde::{Deserialize, Serialize};

use super::GroupIds;
use super::inspect::{Inspected, PartInspection, PartOrder};

/// What the footer of a part tells, in a form that travels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PartOutline {
    /// Path below the dataset's folder.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Identity of the content where the store gives one.
    pub etag: Option<String>,
    /// Last modification: UTC, microseconds since 1970.
    pub modified_at: i64,
    /// Number of rows.
    pub rows: u64,
    /// Number of row groups.
    pub row_groups: u64,
    /// All columns with their Arrow types, in stored order, without metadata.
    pub schema: Schema,
    /// Ranges of the columns in the order of the schema, as far as the footer tells them.
    pub columns: Vec<OutlineColumn>,
}

/// What a footer tells of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OutlineColumn {
    /// Name, exactly as stored.
    pub name: String,
    /// Least value.
    pub min: Option<hw_catalog::Bound>,
    /// Greatest value.
    pub max: Option<hw_catalog::Bound>,
    /// Whether `min` and `max` bound all values; both are absent then only if there is no value.
    pub bounded: bool,
    /// Number of null cells.
    pub null_count: Option<u64>,
}

impl PartOutline {
    /// The outline of a part whose footer was read.
    pub(crate) fn of(file: &FoundFile, footer: &Footer) -> Self {
        Self {
            path: file.path.clone(),
            bytes: file.bytes,
            etag: file.etag.clone(),
            modified_at: file.modified_at,
            rows: footer.rows,
            row_groups: footer.row_groups as u64,
            schema: schema::without_metadata(&footer.schema),
            columns: footer.columns.iter().map(OutlineColumn::of).collect(),
        }
    }

    fn shape(&self) -> Shape<'_> {
        Shape {
            path: &self.path,
            schema: &self.schema,
            parts: 1,
        }
    }
}

impl OutlineColumn {
    fn of(footer: &ColumnFooter) -> Self {
        Self {
            name: footer.name.clone(),
            min: footer.min.clone(),
            max: footer.max.clone(),
            bounded: footer.bounds_known,
            null_count: footer.null_count,
        }
    }

    /// Widens the range so that it covers another part too.
    fn take_up(&mut self, other: &Self) {
        self.bounded &= other.bounded;
        self.min = columns::least_bound([&self.min, &other.min]);
        self.max = columns::greatest_bound([&self.max, &other.max]);
        self.null_count = self.null_count.zip(other.null_count).map(|(nulls, more)| nulls + more);
    }
}

/// Footers of parts with one schema, folded together: what they tell of thousands of parts stays small.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outlines {
    /// All columns with their Arrow types.
    pub schema: Schema,
    /// Ranges over all these parts, in the order of the schema.
    pub columns: Vec<OutlineColumn>,
    /// The parts.
    pub parts: Vec<OutlinedPart>,
}

/// A part among [`Outlines`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutlinedPart {
    /// Path below the dataset's folder.
    pub path: String,
    /// Number of rows.
    pub rows: u64,
}

impl Outlines {
    /// Folds outlines together, one group for each schema, in the order in which the schemas come.
    pub(crate) fn fold(outlines: impl IntoIterator<Item = PartOutline>) -> Vec<Self> {
        let mut folded: Vec<Self> = Vec::new();
        for outline in outlines {
            let part = OutlinedPart {
                path: outline.path,
                rows: outline.rows,
            };
            match folded.iter_mut().find(|group| group.schema == outline.schema) {
                Some(group) => {
                    group.parts.push(part);
                    for (column, other) in group.columns.iter_mut().zip(&outline.columns) {
                        column.take_up(other);
                    }
                }
                None => folded.push(Self {
                    schema: outline.schema,
                    columns: outline.columns,
                    parts: vec![part],
                }),
            }
        }
        folded
    }

    fn shape(&self) -> Shape<'_> {
        let path = self.parts.first().map_or("", |part| part.path.as_str());
        Shape {
            path,
            schema: &self.schema,
            parts: self.parts.len(),
        }
    }
}

/// A schema, the first part that has it, and how many parts have it.
#[derive(Debug, Clone, Copy)]
struct Shape<'a> {
    path: &'a str,
    schema: &'a Schema,
    parts: usize,
}

/// How parts are combined.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CombineOptions {
    /// Number of parts of the dataset.
    pub parts: usize,
    /// Column that tells groups apart.
    pub group: Option<String>,
    /// Column that orders the rows of a group.
    pub time: Option<String>,
    /// Whether groups are to be contained in parts, or may be split.
    pub groups: Groups,
    /// Whether it is checked that no group is in two of the inspected parts.
    pub check_uniqueness: bool,
    /// Most frequent values kept of a text column.
    pub top_count: usize,
    /// Share of the rows below which a value is not kept.
    pub top_share_min: f64,
}

impl CombineOptions {
    /// The usual options for a dataset of so many parts: contained groups, checked, no group and time column.
    pub(crate) fn for_parts(parts: usize) -> Self {
        Self {
            parts,
            group: None,
            time: None,
            groups: Groups::Contained,
            check_uniqueness: true,
            top_count: 20,
            top_share_min: 0.01,
        }
    }
}

/// What a table needs to be told of its parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Combined {
    /// All columns, in the order of the first part.
    pub schema: Schema,
    /// Columns that funnels can use, in that order.
    pub columns: Vec<ColumnSummary>,
    /// Columns that they cannot use, merged over all inspected parts.
    pub unsupported: Vec<UnsupportedColumn>,
    /// Number of rows, if every part was looked at.
    pub rows: Option<u64>,
    /// Columns by which every part is sorted, ascending. Empty unless every part was inspected.
    pub sorted_by: Vec<String>,
    /// Whether groups are contained in parts, as asked for.
    pub groups: Groups,
    /// Whether containment was proven over all parts.
    pub containment_proven: bool,
    /// Number of parts inspected.
    pub inspected: u64,
    /// What is odd but no fault.
    pub warnings: Vec<Finding>,
}

/// Combines inspected parts, and the outlines of others whose footers were read. Parts are taken in the order given,
/// which should be that of their paths.
///
/// Ranges are those of all parts looked at, inspected or outlined; where one of them does not tell, there is none.
///
/// # Errors
/// Every fault: parts whose columns differ in name or type, groups that are in two parts.
#[cfg(test)]
pub(crate) fn combine(
    inspected: &[Inspected],
    others: &[PartOutline],
    options: &CombineOptions,
) -> Result<Combined, Vec<Finding>> {
    combine_folded(inspected, &Outlines::fold(others.iter().cloned()), options)
}

/// As [`combine`], with the outlines of other parts folded together; for datasets of thousands of parts.
///
/// # Errors
/// As [`combine`].
pub(crate) fn combine_folded(
    inspected: &[Inspected],
    others: &[Outlines],
    options: &CombineOptions,
) -> Result<Combined, Vec<Finding>> {
    let inspections: Vec<&PartInspection> = inspected.iter().map(|part| &part.inspection).collect();
    let own = inspections.iter().map(|part| part.outline.shape());
    let shapes: Vec<Shape<'_>> = own.chain(others.iter().map(Outlines::shape)).collect();
    let mut findings = schema::differences(&shapes);
    if options.check_uniqueness && options.groups == Groups::Contained {
        let column = options.group.as_deref().unwrap_or_default();
        findings.extend(compare_ids(&all_ids(inspected), column));
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let complete = shapes.iter().map(|shape| shape.parts).sum::<usize>() == options.parts;
    let all_inspected = inspected.len() == options.parts;
    Ok(Combined {
        schema: schema::common(&shapes),
        columns: columns::summaries(&inspections, others, complete, options),
        unsupported: columns::unsupported(&inspections),
        rows: complete.then(|| rows(&inspections, others)),
        sorted_by: if all_inspected {
            sorted_by(&inspections, options)
        } else {
            Vec::new()
        },
        groups: options.groups,
        containment_proven: is_containment_proven(inspected, options),
        inspected: inspected.len() as u64,
        warnings: warnings(&inspections),
    })
}

fn all_ids(inspected: &[Inspected]) -> Vec<(&str, &GroupIds)> {
    inspected
        .iter()
        .filter_map(|part| Some((part.inspection.outline.path.as_str(), part.ids.as_ref()?)))
        .collect()
}

fn rows(inspections: &[&PartInspection], others: &[Outlines]) -> u64 {
    let outlined = others.iter().flat_map(|group| &group.parts).map(|part| part.rows);
    inspections.iter().map(|part| part.outline.rows).chain(outlined).sum()
}

/// All parts were compared, or there is only one.
fn is_containment_proven(inspected: &[Inspected], options: &CombineOptions) -> bool {
    let compared = options.check_uniqueness && inspected.iter().all(|part| part.ids.is_some());
    options.groups == Groups::Contained
        && options.group.is_some()
        && inspected.len() == options.parts
        && (compared || options.parts == 1)
}

fn sorted_by(inspections: &[&PartInspection], options: &CombineOptions) -> Vec<String> {
    let all = |holds: fn(&PartOrder) -> bool| inspections.iter().all(|part| holds(&part.order));
    let names: [&Option<String>; 2] = if all(|order| order.by_group_and_time) {
        [&options.group, &options.time]
    } else if all(|order| order.by_group) {
        [&options.group, &None]
    } else if all(|order| order.by_time) {
        [&None, &options.time]
    } else {
        [&None, &None]
    };
    names.into_iter().flatten().cloned().collect()
}

/// The warnings of all parts, each once.
fn warnings(inspections: &[&PartInspection]) -> Vec<Finding> {
    let mut warnings: Vec<Finding> = Vec::new();
    for warning in inspections.iter().flat_map(|part| &part.warnings) {
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    warnings
}
