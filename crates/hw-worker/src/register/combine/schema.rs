//! Whether parts have the same columns, and the schema that they share.
//!
//! Order and nullability of columns may differ, and so may how text is kept (dictionary, large, view): that is a matter
//! of storage. Everything else is a difference, also `Int32` and `Int64`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema};
use hw_catalog::Finding;

use super::Shape;

/// Parts told of in one answer; a dataset of another origin differs in thousands.
const PARTS_TOLD_MAX: usize = 5;
/// Columns told of in one message.
const COLUMNS_TOLD_MAX: usize = 20;

/// The schema with nothing but names, types and nullability: writers keep whole documents of their own in metadata.
pub(super) fn without_metadata(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(without_field_metadata).collect::<Vec<_>>())
}

fn without_field_metadata(field: &FieldRef) -> FieldRef {
    let bare = field.as_ref().clone().with_metadata(HashMap::new());
    let data_type = match bare.data_type() {
        DataType::List(item) => DataType::List(without_field_metadata(item)),
        DataType::LargeList(item) => DataType::LargeList(without_field_metadata(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(without_field_metadata(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(without_field_metadata).collect()),
        other => other.clone(),
    };
    Arc::new(bare.with_data_type(data_type))
}

/// A finding for each part whose columns differ from those of the first; of many parts with one schema the first is
/// told.
pub(super) fn differences(shapes: &[Shape<'_>]) -> Vec<Finding> {
    let Some((first, others)) = shapes.split_first() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let mut more = 0_usize;
    for other in others {
        let differences = between(first.schema, other.schema);
        if differences.is_empty() {
            continue;
        }
        more += other.parts;
        if findings.len() < PARTS_TOLD_MAX {
            findings.push(finding(first, other, &differences));
            more -= 1;
        }
    }
    if more > 0 {
        findings.push(Finding::new(
            "HW-T037",
            format!("{more} more parts have other columns than `{}`", first.path),
        ));
    }
    findings
}

fn finding(first: &Shape<'_>, other: &Shape<'_>, differences: &[String]) -> Finding {
    let told = match differences.get(..COLUMNS_TOLD_MAX) {
        Some(some) if differences.len() > COLUMNS_TOLD_MAX => {
            format!(
                "{}; and {} more differences",
                some.join("; "),
                differences.len() - COLUMNS_TOLD_MAX
            )
        }
        _ => differences.join("; "),
    };
    let message = format!(
        "parts `{}` and `{}` have different columns: {told}",
        first.path, other.path
    );
    Finding::new("HW-T037", message).help(format!(
        "write all parts with the same columns and types. `{}` has {}. `{}` has {}",
        first.path,
        shown(first.schema),
        other.path,
        shown(other.schema),
    ))
}

fn between(first: &Schema, other: &Schema) -> Vec<String> {
    let by_name: HashMap<&str, &DataType> = other
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), field.data_type()))
        .collect();
    let mut differences = Vec::new();
    for field in first.fields() {
        match by_name.get(field.name().as_str()) {
            None => differences.push(format!("`{}` is missing in the second", field.name())),
            Some(data_type) if !is_same(field.data_type(), data_type) => differences.push(format!(
                "`{}` is {} in the first and {data_type} in the second",
                field.name(),
                field.data_type()
            )),
            Some(_) => {}
        }
    }
    let names: Vec<&str> = first.fields().iter().map(|field| field.name().as_str()).collect();
    let added = other
        .fields()
        .iter()
        .filter(|field| !names.contains(&field.name().as_str()));
    differences.extend(added.map(|field| format!("`{}` is missing in the first", field.name())));
    differences
}

fn shown(schema: &Schema) -> String {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| format!("`{}` {}", field.name(), field.data_type()))
        .collect();
    match fields.get(..COLUMNS_TOLD_MAX) {
        Some(some) if fields.len() > COLUMNS_TOLD_MAX => {
            format!("{} and {} more", some.join(", "), fields.len() - COLUMNS_TOLD_MAX)
        }
        _ => fields.join(", "),
    }
}

fn is_same(left: &DataType, right: &DataType) -> bool {
    let (left, right) = (values_of(left), values_of(right));
    match (left, right) {
        (DataType::List(a) | DataType::LargeList(a), DataType::List(b) | DataType::LargeList(b)) => {
            is_same(a.data_type(), b.data_type())
        }
        (DataType::FixedSizeList(a, size), DataType::FixedSizeList(b, other_size)) => {
            size == other_size && is_same(a.data_type(), b.data_type())
        }
        (DataType::Struct(a), DataType::Struct(b)) => {
            let mut pairs = a.iter().zip(b);
            a.len() == b.len() && pairs.all(|(a, b)| a.name() == b.name() && is_same(a.data_type(), b.data_type()))
        }
        (left, right) => left == right || (is_text(left) && is_text(right)),
    }
}

fn values_of(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => values,
        other => other,
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The columns of the first part. A column that only some parts keep as a dictionary is plain; one that may be null in
/// any part may be null.
pub(super) fn common(shapes: &[Shape<'_>]) -> Schema {
    let Some((first, others)) = shapes.split_first() else {
        return Schema::empty();
    };
    let mut fields: Vec<Field> = first
        .schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone())
        .collect();
    for other in others {
        let by_name: HashMap<&str, &FieldRef> = other
            .schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field))
            .collect();
        for field in &mut fields {
            let Some(same) = by_name.get(field.name().as_str()) else {
                continue;
            };
            let nullable = field.is_nullable() || same.is_nullable();
            let data_type = match field.data_type() == same.data_type() {
                true => field.data_type().clone(),
                false => plain(field.data_type()),
            };
            *field = Field::new(field.name(), data_type, nullable);
        }
    }
    Schema::new(fields)
}

fn plain(data_type: &DataType) -> DataType {
    match values_of(data_type) {
        text if is_text(text) => DataType::Utf8,
        other => other.clone(),
    }
}
