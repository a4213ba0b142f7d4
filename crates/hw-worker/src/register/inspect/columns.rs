//! The columns of a part: which of them funnels can use, and what is in them.

use std::collections::HashSet;

use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use hw_catalog::{Bound, ColumnType, Finding, Scalar, UnsupportedColumn};
use hw_files::ColumnFooter;

use super::numbers::NumberScan;
use super::text::TextScan;
use super::{InspectError, InspectOptions, InspectedColumn, Part};

/// How the names begin that queries use for themselves.
const RESERVED: &str = "__cond_";
/// Columns are read together as long as one row group of them has at most so many bytes.
const PACK_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub(super) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

/// A fault for each column name that occurs twice: no query could tell the columns apart.
pub(super) fn repeated_names(part: &Part<'_>) -> Vec<Finding> {
    let mut seen = HashSet::new();
    let mut told = HashSet::new();
    let fields = part.footer.schema.fields();
    let repeated = fields
        .iter()
        .map(|field| field.name())
        .filter(|name| !seen.insert(*name) && told.insert(*name));
    repeated
        .map(|name| {
            let message = format!("column name `{name}` occurs twice in `{}`", part.file.path);
            Finding::new("HW-T036", message).help("write the part with different column names")
        })
        .collect()
}

/// The columns of a part, sorted out.
#[derive(Debug, Default)]
pub(super) struct Usable {
    /// Places in the schema and types.
    pub(super) columns: Vec<(usize, ColumnType)>,
    pub(super) unsupported: Vec<UnsupportedColumn>,
    pub(super) warnings: Vec<Finding>,
}

pub(super) fn usable(part: &Part<'_>) -> Usable {
    let mut usable = Usable::default();
    for (index, field) in part.footer.schema.fields().iter().enumerate() {
        let name = field.name();
        let (reason, warning) = match ColumnType::of(field.data_type()) {
            _ if is_reserved(name) => (
                "reserved name".to_owned(),
                Finding::new(
                    "HW-T040",
                    format!("column `{name}` has a reserved name, and funnels cannot use it"),
                )
                .help("rename it: names that begin with `__cond_` are used by queries"),
            ),
            None => (
                field.data_type().to_string(),
                Finding::new(
                    "HW-T041",
                    format!("funnels cannot use column `{name}` of type {}", field.data_type()),
                )
                .help("SQL can; a funnel needs numbers, text, truth values, dates, timestamps or lists of these"),
            ),
            Some(column_type) => {
                usable.columns.push((index, column_type));
                continue;
            }
        };
        usable.unsupported.push(UnsupportedColumn {
            name: name.clone(),
            reason,
        });
        usable.warnings.push(warning);
    }
    usable
}

/// Looks at all usable columns, a pack of them at a time.
pub(super) async fn inspect_all(
    part: &Part<'_>,
    columns: &[(usize, ColumnType)],
    options: &InspectOptions,
) -> Result<Vec<InspectedColumn>, InspectError> {
    let mut open: Vec<Open> = columns
        .iter()
        .filter_map(|(index, kind)| Open::new(part, *index, kind))
        .collect();
    let mut to_read: Vec<Open> = open.extract_if(.., |column| column.scan.is_some()).collect();
    let mut done = open;
    while !to_read.is_empty() {
        let rest = to_read.split_off(pack_length(&to_read));
        let pack = Pack { columns: to_read };
        let places: Vec<usize> = pack.columns.iter().map(|column| column.index).collect();
        done.extend(part.drive(&places, pack, Pack::take).await?.columns);
        to_read = rest;
    }
    done.sort_unstable_by_key(|column| column.index);
    Ok(done
        .into_iter()
        .map(|column| column.finish(part.footer.rows, options))
        .collect())
}

/// Columns that are read together, ascending by their places.
#[derive(Debug)]
struct Pack {
    columns: Vec<Open>,
}

impl Pack {
    fn take(&mut self, batch: &RecordBatch) {
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            match &mut column.scan {
                Some(Scan::Numbers(scan)) => scan.take(array),
                Some(Scan::Text(scan)) => scan.take(array),
                Some(Scan::Nulls(nulls)) => *nulls += array.null_count() as u64,
                None => {}
            }
        }
    }
}

/// How many columns fit into one pack; at least one.
fn pack_length(columns: &[Open]) -> usize {
    let mut bytes = 0;
    let fits = |column: &&Open| {
        bytes += column.footer.largest_chunk;
        bytes <= PACK_BYTES_MAX
    };
    columns.iter().take_while(fits).count().max(1)
}

/// A column whose data may have to be read.
#[derive(Debug)]
struct Open {
    index: usize,
    column_type: ColumnType,
    dictionary: bool,
    footer: ColumnFooter,
    scan: Option<Scan>,
}

#[derive(Debug)]
enum Scan {
    Numbers(NumberScan),
    Text(TextScan),
    Nulls(u64),
}

impl Open {
    fn new(part: &Part<'_>, index: usize, column_type: &ColumnType) -> Option<Self> {
        let field = part.footer.schema.fields().get(index)?;
        let footer = part.footer.columns.get(index)?.clone();
        let scan = match part.footer.rows {
            0 => None,
            _ => needed_scan(column_type, &footer),
        };
        let dictionary = matches!(field.data_type(), DataType::Dictionary(_, _));
        Some(Self {
            index,
            column_type: column_type.clone(),
            dictionary,
            footer,
            scan,
        })
    }

    fn finish(self, rows: u64, options: &InspectOptions) -> InspectedColumn {
        let mut column = InspectedColumn {
            name: self.footer.name,
            dictionary: self.dictionary,
            categorical: false,
            min: self.footer.min,
            max: self.footer.max,
            bounded: true,
            null_count: self.footer.null_count,
            top_values: Vec::new(),
            unique_ratio: None,
            column_type: self.column_type,
        };
        match self.scan {
            Some(Scan::Numbers(scan)) => column.take_numbers(&scan),
            Some(Scan::Text(scan)) => column.take_text(scan, rows, options),
            Some(Scan::Nulls(nulls)) => column.null_count = Some(nulls),
            None => column.categorical = self.dictionary && column.column_type == ColumnType::String,
        }
        column
    }
}

/// What of a column must be read because its footer does not tell it. Nulls in lists are not worth reading them.
fn needed_scan(column_type: &ColumnType, footer: &ColumnFooter) -> Option<Scan> {
    match column_type {
        ColumnType::String => Some(Scan::Text(TextScan::default())),
        ColumnType::Int | ColumnType::Float | ColumnType::Timestamp | ColumnType::Date => {
            let told = footer.bounds_known && footer.null_count.is_some();
            (!told).then(|| Scan::Numbers(NumberScan::default()))
        }
        ColumnType::Bool => footer.null_count.is_none().then_some(Scan::Nulls(0)),
        ColumnType::List(_) => None,
    }
}

impl InspectedColumn {
    fn take_numbers(&mut self, scan: &NumberScan) {
        let bound = |value: Scalar| Bound { value, exact: true };
        self.null_count = Some(scan.nulls);
        self.bounded = !scan.infinite;
        let range = scan.range.filter(|_| !scan.infinite);
        self.min = range.map(|(min, _)| bound(min));
        self.max = range.map(|(_, max)| bound(max));
    }

    fn take_text(&mut self, scan: TextScan, rows: u64, options: &InspectOptions) {
        let rows = rows as f64;
        self.null_count = Some(scan.nulls);
        let ratio = (scan.distinct() as f64 / rows).min(1.0);
        self.unique_ratio = Some(ratio);
        self.categorical = self.dictionary || ratio <= options.categorical_ratio;
        let top = scan.into_top(options.kept_values());
        self.top_values = top
            .into_iter()
            .map(|(value, count)| (value, count as f64 / rows))
            .collect();
    }
}
