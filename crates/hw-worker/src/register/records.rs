//! The documents that tell of a dataset, with the member names of Funnel Rocket's clients.

use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, SecondsFormat};
use hw_catalog::{Bound, ColumnSummary, ColumnType, Part, Scalar, Table, TableName};
use hw_files::Location;
use serde_json::{Map, Value, json};

/// `{basepath, totalParts, id, groupIdColumn, timestampColumn}`; `None` for a table that is no dataset.
pub fn info(table: &Table) -> Option<Value> {
    let dataset = table.dataset.as_ref()?;
    Some(json!({
        "basepath": base_path(&dataset.location),
        "totalParts": dataset.parts,
        "id": id(table),
        "groupIdColumn": table.group_column,
        "timestampColumn": table.time_column,
    }))
}

/// `{name, registeredAt}`: one registration of a name. A name that is registered again is another dataset.
fn id(table: &Table) -> Value {
    let registered_at = DateTime::from_timestamp_micros(table.registered_at).unwrap_or_default();
    json!({
        "name": dataset_name(&table.name),
        "registeredAt": registered_at.to_rfc3339_opts(SecondsFormat::Micros, false),
    })
}

/// The name as Funnel Rocket's clients know it: of tables of the default schema the whole text, unquoted.
pub fn dataset_name(name: &TableName) -> String {
    match name.schema() {
        hw_catalog::DEFAULT_SCHEMA => name.name().to_owned(),
        _ => name.to_string(),
    }
}

/// Local folders as paths, others as URLs.
fn base_path(location: &str) -> String {
    Location::parse(location, None).map_or_else(|_| location.to_owned(), |location| location.shown())
}

/// `{namingMethod, totalParts, totalSize, filenames}`, the names sorted.
pub fn parts_info(parts: &[Part]) -> Value {
    let mut names: Vec<&str> = parts.iter().map(|part| part.path.as_str()).collect();
    names.sort_unstable();
    json!({
        "namingMethod": "LIST",
        "totalParts": parts.len(),
        "totalSize": parts.iter().map(|part| part.bytes).sum::<u64>(),
        "filenames": names,
    })
}

/// `{columns, minTimestamp, maxTimestamp, sourceCategoricals, potentialCategoricals}`. Times are in the stored unit, and
/// integers of any size are exact.
pub fn short_schema(table: &Table) -> Value {
    let columns: Map<String, Value> = table
        .columns
        .iter()
        .map(|column| (column.name.clone(), column.column_type.name().into()))
        .collect();
    let time = table.time_column.as_deref().and_then(|name| table.column(name));
    let names = |chosen: fn(&ColumnSummary) -> bool| -> Vec<&str> {
        table
            .columns
            .iter()
            .filter(|column| chosen(column))
            .map(|column| column.name.as_str())
            .collect()
    };
    json!({
        "columns": columns,
        "minTimestamp": bound(time.and_then(|time| time.min.as_ref())),
        "maxTimestamp": bound(time.and_then(|time| time.max.as_ref())),
        "sourceCategoricals": names(|column| column.dictionary),
        "potentialCategoricals": names(|column| column.categorical),
    })
}

/// `{groupIdColumn, timestampColumn, columns: {NAME: {name, dtypeName, coltype, colattrs}}, unsupportedColumns}`.
pub fn full_schema(table: &Table) -> Value {
    let columns: Map<String, Value> = table
        .columns
        .iter()
        .map(|column| (column.name.clone(), full_column(table, column)))
        .collect();
    let unsupported: Map<String, Value> = table
        .unsupported
        .iter()
        .map(|column| (column.name.clone(), column.reason.as_str().into()))
        .collect();
    json!({
        "groupIdColumn": table.group_column,
        "timestampColumn": table.time_column,
        "columns": columns,
        "unsupportedColumns": unsupported,
    })
}

fn full_column(table: &Table, column: &ColumnSummary) -> Value {
    let is_text = column.column_type == ColumnType::String;
    let top_values: Map<String, Value> = column
        .top_values
        .iter()
        .map(|(value, share)| (value.clone(), json!(share)))
        .collect();
    let stored = table
        .schema
        .field_with_name(&column.name)
        .ok()
        .map(|field| dtype_name(field.data_type()));
    json!({
        "name": column.name,
        "dtypeName": stored,
        "coltype": column.column_type.name(),
        "colattrs": {
            "numericMin": bound(column.min.as_ref()),
            "numericMax": bound(column.max.as_ref()),
            "categorical": column.categorical,
            "catTopValues": if is_text { Value::Object(top_values) } else { Value::Null },
            "catUniqueRatio": column.unique_ratio,
        },
    })
}

fn bound(bound: Option<&Bound>) -> Value {
    match bound.map(|bound| bound.value) {
        None => Value::Null,
        Some(Scalar::Int(value)) => json!(value),
        Some(Scalar::UInt(value)) => json!(value),
        Some(Scalar::Float(value)) => json!(value),
    }
}

/// The stored type in the words of NumPy and pandas, which Funnel Rocket's clients know; others by their Arrow name.
fn dtype_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Dictionary(_, _) => "category".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "object".to_owned(),
        DataType::Boolean => "bool".to_owned(),
        DataType::Timestamp(unit, None) => format!("datetime64[{}]", unit_name(*unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("datetime64[{}, {zone}]", unit_name(*unit)),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("list<{}>", dtype_name(item.data_type()))
        }
        other => other.to_string().to_lowercase(),
    }
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
