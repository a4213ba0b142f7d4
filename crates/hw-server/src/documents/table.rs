//! Tables, their columns and parts.

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use hw_api::{ColumnDocument, PartDocument, TableDocument, UnsupportedDocument, rfc3339};
use hw_catalog::{Bound, ColumnSummary, ColumnType, Groups, Part, Scalar, Table, TableKind};
use hw_store::TableUse;
use serde_json::Value;

/// A table; `columns` says whether its columns are shown, `full` whether with their frequent values.
pub(crate) fn table_document(table: Table, used: TableUse, columns: bool, full: bool) -> TableDocument {
    let shown_columns = match columns {
        true => column_documents(&table, full),
        false => Vec::new(),
    };
    let unsupported = table
        .unsupported
        .into_iter()
        .filter(|_| columns)
        .map(|column| UnsupportedDocument {
            name: column.name,
            reason: column.reason,
        });
    let dataset = table.dataset;
    let view = table.view.filter(|_| columns);
    TableDocument {
        name: table.name.to_string(),
        kind: table.kind.as_str().to_owned(),
        version: table.version.0,
        group_column: table.group_column,
        time_column: table.time_column,
        groups: match table.groups {
            Groups::Contained => "contained".to_owned(),
            Groups::Split => "split".to_owned(),
        },
        containment_proven: dataset.as_ref().is_some_and(|dataset| dataset.containment_proven),
        sorted_by: table.sorted_by,
        rows: table.rows,
        bytes: table.bytes,
        parts: dataset.as_ref().map(|dataset| dataset.parts),
        location: dataset.as_ref().map(|dataset| dataset.location.clone()),
        pattern: dataset.map(|dataset| dataset.pattern),
        columns: shown_columns,
        unsupported: unsupported.collect(),
        registered_at: rfc3339(table.registered_at),
        last_used_at: used.at.map(|at| rfc3339(at.0)),
        origin: table.origin,
        comment: table.comment,
        reads: view
            .iter()
            .flat_map(|view| view.reads.iter().map(ToString::to_string))
            .collect(),
        query: view.map(|view| view.query),
    }
}

/// A part.
pub(crate) fn part_document(part: Part) -> PartDocument {
    PartDocument {
        path: part.path,
        bytes: part.bytes,
        rows: part.rows,
    }
}

/// All columns in stored order, those that funnels cannot use among them.
fn column_documents(table: &Table, full: bool) -> Vec<ColumnDocument> {
    let is_view = table.kind == TableKind::View;
    let document = |field: &arrow_schema::FieldRef| {
        let summary = table.column(field.name());
        // Nothing is kept of the columns of a view but their types.
        let of_view = is_view.then(|| ColumnType::of(field.data_type())).flatten();
        let document = column_document(field.name(), field.data_type(), summary, full);
        ColumnDocument {
            column_type: document.column_type.or_else(|| of_view.map(|found| found.name())),
            ..document
        }
    };
    table.schema.fields().iter().map(document).collect()
}

fn column_document(name: &str, data_type: &DataType, summary: Option<&ColumnSummary>, full: bool) -> ColumnDocument {
    let bound = |bound: Option<&Bound>| bound.map(|bound| bound_value(bound.value, data_type));
    let detailed = summary.filter(|_| full);
    let top_values = detailed.map(|summary| &summary.top_values).into_iter().flatten();
    ColumnDocument {
        name: name.to_owned(),
        column_type: summary.map(|summary| summary.column_type.name()),
        sql_type: data_type.to_string(),
        min: bound(summary.and_then(|summary| summary.min.as_ref())),
        max: bound(summary.and_then(|summary| summary.max.as_ref())),
        null_count: summary.and_then(|summary| summary.null_count),
        categorical: summary.is_some_and(|summary| summary.categorical),
        top_values: top_values
            .map(|(value, share)| (value.clone(), Value::from(*share)))
            .collect(),
        unique_ratio: detailed.and_then(|summary| summary.unique_ratio),
    }
}

/// A number as it is, a point in time as text.
pub(super) fn bound_value(value: Scalar, data_type: &DataType) -> Value {
    match value {
        Scalar::Int(number) => point_in_time(number, data_type).map_or_else(|| Value::from(number), Value::String),
        Scalar::UInt(number) => Value::from(number),
        Scalar::Float(number) => Value::from(number),
    }
}

/// `None` for types that are no time, and for times that no calendar holds.
fn point_in_time(value: i64, data_type: &DataType) -> Option<String> {
    match data_type {
        DataType::Timestamp(unit, zone) => {
            let (time, digits) = match unit {
                TimeUnit::Second => (DateTime::from_timestamp(value, 0)?, SecondsFormat::Secs),
                TimeUnit::Millisecond => (DateTime::from_timestamp_millis(value)?, SecondsFormat::Millis),
                TimeUnit::Microsecond => (DateTime::from_timestamp_micros(value)?, SecondsFormat::Micros),
                TimeUnit::Nanosecond => (DateTime::from_timestamp_nanos(value), SecondsFormat::Nanos),
            };
            let text = time.to_rfc3339_opts(digits, true);
            // Times of columns without a zone are nobody's UTC.
            Some(match zone {
                Some(_) => text,
                None => text.trim_end_matches('Z').to_owned(),
            })
        }
        DataType::Date32 => Some(date(value)?.to_string()),
        DataType::Date64 => Some(date(value.div_euclid(86_400_000))?.to_string()),
        _ => None,
    }
}

fn date(days: i64) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(chrono::TimeDelta::try_days(days)?)
}
