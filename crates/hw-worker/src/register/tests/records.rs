use arrow_schema::{DataType, Field, Schema, TimeUnit};
use expect_test::expect;
use hw_catalog::{
    Bound, ColumnSummary, ColumnType, Dataset, Groups, Part, Scalar, Table, TableKind, TableVersion, UnsupportedColumn,
};

use crate::register::{full_schema, info, parts_info, short_schema};

fn column(name: &str, data_type: &DataType) -> ColumnSummary {
    ColumnSummary {
        name: name.to_owned(),
        column_type: ColumnType::of(data_type).unwrap(),
        min: None,
        max: None,
        null_count: Some(0),
        dictionary: matches!(data_type, DataType::Dictionary(_, _)),
        categorical: false,
        top_values: Vec::new(),
        unique_ratio: None,
    }
}

fn table() -> Table {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let types = [
        ("user id", DataType::UInt64),
        ("at", DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))),
        ("kind", dictionary),
        ("text", DataType::Utf8),
        ("price", DataType::Float64),
        ("flag", DataType::Boolean),
        ("tags", DataType::List(Field::new("item", DataType::Int16, true).into())),
    ];
    let mut columns: Vec<_> = types.iter().map(|(name, data_type)| column(name, data_type)).collect();
    let bound = |value| Some(Bound { value, exact: true });
    columns[0].max = bound(Scalar::UInt(u64::MAX));
    columns[1].min = bound(Scalar::Int(1_700_000_000_000_000_001));
    columns[1].max = bound(Scalar::Int(1_700_000_000_000_000_003));
    columns[2].categorical = true;
    columns[2].top_values = vec![("view".to_owned(), 0.75), ("buy".to_owned(), 0.25)];
    columns[2].unique_ratio = Some(0.5);
    columns[4].min = bound(Scalar::Float(0.5));
    Table {
        name: "\"web events\"".parse().unwrap(),
        kind: TableKind::Dataset,
        version: TableVersion(3),
        schema: Schema::new(
            types
                .iter()
                .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
                .collect::<Vec<_>>(),
        ),
        group_column: Some("user id".to_owned()),
        time_column: Some("at".to_owned()),
        groups: Groups::Contained,
        sorted_by: Vec::new(),
        rows: Some(4),
        bytes: 30,
        columns,
        unsupported: vec![UnsupportedColumn {
            name: "raw".to_owned(),
            reason: "Binary".to_owned(),
        }],
        dataset: Some(Dataset {
            location: "file:///data/web%20events/".to_owned(),
            pattern: "*.parquet".to_owned(),
            recursive: false,
            parts: 2,
            inspected: 2,
            containment_proven: true,
        }),
        registered_at: 1_700_000_000_000_007,
        origin: None,
        comment: None,
        repartition: None,
        view: None,
    }
}

#[test]
fn the_record_of_a_dataset() {
    expect![[r#"
        {
          "basepath": "/data/web events/",
          "totalParts": 2,
          "id": {
            "name": "web events",
            "registeredAt": "2023-11-14T22:13:20.000007+00:00"
          },
          "groupIdColumn": "user id",
          "timestampColumn": "at"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&info(&table()).unwrap()).unwrap());
    assert_eq!(
        info(&Table {
            dataset: None,
            ..table()
        }),
        None
    );
}

#[test]
fn the_record_of_its_parts() {
    let part = |path: &str, bytes| Part {
        path: path.to_owned(),
        bytes,
        rows: None,
        etag: None,
        modified_at: 0,
    };
    expect![[r#"
        {
          "namingMethod": "LIST",
          "totalParts": 2,
          "totalSize": 30,
          "filenames": [
            "a.parquet",
            "day=1/b.parquet"
          ]
        }"#]]
    .assert_eq(
        &serde_json::to_string_pretty(&parts_info(&[part("day=1/b.parquet", 10), part("a.parquet", 20)])).unwrap(),
    );
}

#[test]
fn the_short_schema() {
    expect![[r#"
        {
          "columns": {
            "user id": "INT",
            "at": "TIMESTAMP",
            "kind": "STRING",
            "text": "STRING",
            "price": "FLOAT",
            "flag": "BOOL",
            "tags": "LIST<INT>"
          },
          "minTimestamp": 1700000000000000001,
          "maxTimestamp": 1700000000000000003,
          "sourceCategoricals": [
            "kind"
          ],
          "potentialCategoricals": [
            "kind"
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&short_schema(&table())).unwrap());
}

#[test]
fn the_full_schema() {
    let document = full_schema(&table());
    expect![[r#"
        {
          "name": "kind",
          "dtypeName": "category",
          "coltype": "STRING",
          "colattrs": {
            "numericMin": null,
            "numericMax": null,
            "categorical": true,
            "catTopValues": {
              "view": 0.75,
              "buy": 0.25
            },
            "catUniqueRatio": 0.5
          }
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&document["columns"]["kind"]).unwrap());
    assert_eq!(
        document["columns"]["user id"]["colattrs"]["numericMax"].to_string(),
        "18446744073709551615"
    );
    assert_eq!(
        document["columns"]["price"]["colattrs"]["numericMin"].to_string(),
        "0.5"
    );
    assert_eq!(document["unsupportedColumns"].to_string(), r#"{"raw":"Binary"}"#);
    assert_eq!(
        (document["groupIdColumn"].as_str(), document["timestampColumn"].as_str()),
        (Some("user id"), Some("at"))
    );
    let names: Vec<_> = document["columns"]
        .as_object()
        .unwrap()
        .values()
        .map(|column| column["dtypeName"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "uint64",
            "datetime64[ns, UTC]",
            "category",
            "object",
            "float64",
            "bool",
            "list<int16>"
        ]
    );
}
