#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use arrow_schema::{DataType, Field, Schema};

use super::header;

#[test]
fn names_of_any_script_travel_in_ascii() {
    let schema = Schema::new(vec![
        Field::new("größe \"1\"\n", DataType::Int64, true),
        Field::new("🛫", DataType::Utf8, true),
    ]);
    let header = header(&schema);
    assert_eq!(header[0].1, "2");
    let text = header[1].1.to_str().unwrap();
    assert!(text.is_ascii());
    let columns: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(columns[0]["name"], "größe \"1\"\n");
    assert_eq!(columns[1]["name"], "🛫");
    assert_eq!(columns[1]["type"], "Utf8");
}

#[test]
fn many_columns_are_only_counted() {
    let fields: Vec<_> = (0..500)
        .map(|number| Field::new(format!("column {number}"), DataType::Int64, true))
        .collect();
    let header = header(&Schema::new(fields));
    assert_eq!(header.len(), 1);
    assert_eq!(header[0].1, "500");
}
