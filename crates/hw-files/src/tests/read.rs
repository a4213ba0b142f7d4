use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, DictionaryArray, Int64Array, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow_schema::DataType;
use object_store::{ObjectStoreExt, PutPayload};
use parquet::file::properties::WriterProperties;

use crate::{ColumnReader, FileError, FoundFile, OpenLocation, footer};

use super::samples::{array, batch, parquet, stored};

fn rows(start: i64) -> RecordBatch {
    batch(vec![
        ("n", array(Int64Array::from(vec![start, start + 1, start + 2]))),
        (
            "kind",
            array(
                ["a", "b", "a"]
                    .into_iter()
                    .map(Some)
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
        ("code", array(codes())),
        ("large", array(LargeStringArray::from(vec![Some("x"), None, Some("z")]))),
        ("view", array(StringViewArray::from(vec!["x", "y", "z"]))),
        ("plain", array(StringArray::from(vec!["x", "y", "z"]))),
    ])
}

/// Codes as a dictionary of integers, as pandas stores a category of numbers.
fn codes() -> DictionaryArray<Int32Type> {
    let values = std::sync::Arc::new(Int64Array::from(vec![70, 80]));
    DictionaryArray::try_new(arrow_array::Int32Array::from(vec![0, 1, 0]), values).unwrap()
}

async fn read(open: &OpenLocation, file: &FoundFile, columns: &[usize]) -> Result<Vec<RecordBatch>, FileError> {
    let footer = footer(open, file).await?;
    let mut reader = ColumnReader::new(open, file, &footer, columns, 2)?;
    let mut batches = Vec::new();
    while let Some(group) = reader.next_row_group().await? {
        for batch in group {
            batches.push(batch?);
        }
    }
    Ok(batches)
}

#[tokio::test]
async fn columns_come_plain_and_in_the_schemas_order() {
    let bytes = parquet(&[rows(1), rows(4)], WriterProperties::default());
    let (open, file) = stored(bytes).await;
    let batches = read(&open, &file, &[5, 3, 1, 4]).await.unwrap();
    let sizes: Vec<_> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [2, 1, 2, 1], "batches end with their row group");
    let schema = batches[0].schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["kind", "large", "view", "plain"]);
    assert!(schema.fields().iter().all(|field| *field.data_type() == DataType::Utf8));
    let large = batches[0].column(1).as_any().downcast_ref::<StringArray>().unwrap();
    assert_eq!((large.value(0), large.is_null(1)), ("x", true));
    let numbers = read(&open, &file, &[0]).await.unwrap();
    let total: i64 = numbers
        .iter()
        .flat_map(|b| {
            arrow_array::cast::AsArray::as_primitive::<Int64Type>(b.column(0))
                .values()
                .to_vec()
        })
        .sum();
    assert_eq!(total, 21);
    let codes = read(&open, &file, &[2]).await.unwrap();
    assert_eq!(
        *codes[0].column(0).data_type(),
        DataType::Int64,
        "a dictionary of numbers too"
    );
    assert_eq!(
        read(&open, &file, &[])
            .await
            .unwrap()
            .iter()
            .map(RecordBatch::num_rows)
            .sum::<usize>(),
        6
    );
}

#[tokio::test]
async fn what_happens_to_a_file_meanwhile_is_told() {
    let bytes = parquet(&[rows(1), rows(4)], WriterProperties::default());
    let (open, file) = stored(bytes.clone()).await;
    let footer = footer(&open, &file).await.unwrap();
    let reader = || ColumnReader::new(&open, &file, &footer, &[0, 5], 10).unwrap();
    let error_of = async |mut reader: ColumnReader| loop {
        match reader.next_row_group().await {
            Ok(Some(group)) => match group.collect::<Result<Vec<_>, _>>() {
                Ok(_) => {}
                Err(error) => return reader.recheck().await.err().unwrap_or(error),
            },
            Ok(None) => panic!("nothing was told"),
            Err(error) => return error,
        }
    };
    let mut garbled = bytes.clone();
    garbled[4..200].fill(0xee);
    open.store.put(&file.object, PutPayload::from(garbled)).await.unwrap();
    assert_eq!(error_of(reader()).await.code(), "HW-T013");
    open.store
        .put(&file.object, PutPayload::from(vec![0; 50]))
        .await
        .unwrap();
    assert_eq!(error_of(reader()).await.code(), "HW-T014");
    open.store.delete(&file.object).await.unwrap();
    assert_eq!(error_of(reader()).await.code(), "HW-T010");
}

#[tokio::test]
async fn a_file_replaced_by_one_of_equal_size_is_noticed() {
    let (open, mut file) = stored(parquet(&[rows(1)], WriterProperties::default())).await;
    file.etag = open.store.head(&file.object).await.unwrap().e_tag;
    let footer = footer(&open, &file).await.unwrap();
    let mut reader = ColumnReader::new(&open, &file, &footer, &[0], 10).unwrap();
    reader.recheck().await.unwrap();
    open.store
        .put(
            &file.object,
            PutPayload::from(vec![0; usize::try_from(file.bytes).unwrap()]),
        )
        .await
        .unwrap();
    let error = reader.recheck().await.unwrap_err();
    assert!(
        error.to_string().ends_with("has changed since it was listed"),
        "{error}"
    );
}
