//! Whether parts have the same columns, and the schema that they share.
//!
//! Order and nullability of columns may differ, and so may how text is kept (dictionary, large, view): that is a matter
//! of storage. So may the width of integers, and that of floats: the table has the narrowest type that holds all of them.
//! Everything else is a difference, also integers that no type holds together (`Int64` and `UInt64`).

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema};
use hw_catalog::{Finding, widened};

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
    let mut so_far = first.schema.clone();
    for other in others {
        let differences = between(first.schema, &so_far, other.schema);
        if differences.is_empty() {
            so_far = joined(&so_far, other.schema);
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

/// What stands against taking both for one table; `so_far` is what the first one and others that fit it have in common.
fn between(first: &Schema, so_far: &Schema, other: &Schema) -> Vec<String> {
    let by_name: HashMap<&str, &DataType> = other
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), field.data_type()))
        .collect();
    let mut differences = Vec::new();
    for (field, common) in first.fields().iter().zip(so_far.fields()) {
        match by_name.get(field.name().as_str()) {
            None => differences.push(format!("`{}` is missing in the second", field.name())),
            Some(data_type) if !fits(field.data_type(), data_type) => differences.push(format!(
                "`{}` is {} in the first and {data_type} in the second{}",
                field.name(),
                field.data_type(),
                why_not(field.data_type(), data_type)
            )),
            Some(data_type) if !fits(common.data_type(), data_type) => differences.push(format!(
                "`{}` is {data_type} in the second, and no type holds that together with the {} of the parts before it",
                field.name(),
                common.data_type()
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

/// One type serves both.
fn fits(left: &DataType, right: &DataType) -> bool {
    is_same(left, right) || widened(left, right).is_some()
}

fn why_not(left: &DataType, right: &DataType) -> &'static str {
    match values_of(left).is_integer() && values_of(right).is_integer() {
        true => " (no integer type holds the values of both)",
        false => "",
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
    let first = without_metadata(first.schema);
    others.iter().fold(first, |common, other| joined(&common, other.schema))
}

/// The columns of the first schema, each of a type that holds the values of both; where there is none, as in the first.
pub(crate) fn joined(first: &Schema, other: &Schema) -> Schema {
    let by_name: HashMap<&str, &FieldRef> = other
        .fields()
        .iter()
        .map(|field| (field.name().as_str(), field))
        .collect();
    let join = |field: &FieldRef| {
        let Some(same) = by_name.get(field.name().as_str()) else {
            return field.as_ref().clone();
        };
        let data_type = match field.data_type() == same.data_type() {
            true => field.data_type().clone(),
            false => widened(field.data_type(), same.data_type()).unwrap_or_else(|| plain(field.data_type())),
        };
        Field::new(field.name(), data_type, field.is_nullable() || same.is_nullable())
    };
    Schema::new(first.fields().iter().map(join).collect::<Vec<_>>())
}

fn plain(data_type: &DataType) -> DataType {
    match values_of(data_type) {
        text if is_text(text) => DataType::Utf8,
        other => other.clone(),
    }
}
