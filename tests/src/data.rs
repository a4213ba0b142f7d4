//! Small event data as Parquet files.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

/// One event: user, time, event, device, price.
pub type Event = (i64, i64, &'static str, Option<&'static str>, Option<f64>);

/// The rows of the worked examples of the funnel language.
pub const EXAMPLE: [Event; 12] = [
    (1, 10, "view", Some("mobile"), None),
    (1, 20, "cart", Some("mobile"), Some(10.0)),
    (1, 30, "buy", Some("mobile"), Some(20.5)),
    (2, 10, "buy", Some("desktop"), Some(5.0)),
    (2, 20, "view", Some("desktop"), None),
    (3, 10, "view", None, None),
    (3, 10, "buy", None, Some(7.0)),
    (4, 10, "view", Some("mobile"), None),
    (4, 15, "buy", Some("mobile"), Some(1.0)),
    (4, 20, "cart", Some("tablet"), None),
    (4, 25, "buy", Some("mobile"), Some(2.0)),
    (5, 12, "view", Some("desktop"), None),
];

/// Writes the worked examples' rows: users 1, 3, 5 in one part, 2 and 4 in the other.
pub fn write_example(folder: &Path) {
    let of = |users: &[i64]| {
        EXAMPLE
            .iter()
            .filter(|row| users.contains(&row.0))
            .copied()
            .collect::<Vec<_>>()
    };
    write_events(&folder.join("part-0.parquet"), &of(&[1, 3, 5]));
    write_events(&folder.join("part-1.parquet"), &of(&[2, 4]));
}

/// Writes the same rows cut so that users straddle the parts.
pub fn write_straddling_example(folder: &Path) {
    for (part, rows) in EXAMPLE.chunks(4).enumerate() {
        write_events(&folder.join(format!("part-{part}.parquet")), rows);
    }
}

pub fn write_events(path: &Path, rows: &[Event]) {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "user",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))),
        ),
        (
            "ts",
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        ),
        (
            "event",
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.2))),
        ),
        (
            "device",
            Arc::new(rows.iter().map(|row| row.3).collect::<StringArray>()),
        ),
        (
            "price",
            Arc::new(rows.iter().map(|row| row.4).collect::<Float64Array>()),
        ),
    ];
    write_columns(path, columns);
}

pub fn write_columns(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let nullable = columns.iter().map(|(name, array)| {
        (
            *name,
            array.clone(),
            array.null_count() > 0 || !matches!(*name, "user" | "ts"),
        )
    });
    let batch = RecordBatch::try_from_iter_with_nullable(nullable).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Events of many users, `rows` in all over `parts` files, users contained in parts.
pub fn write_many(folder: &Path, rows: usize, parts: usize) {
    let names = ["view", "cart", "buy"];
    for part in 0..parts {
        let rows: Vec<Event> = (0..rows / parts)
            .map(|row| {
                let user = (row / 10 * parts + part) as i64;
                (
                    user,
                    (row % 10) as i64 * 10,
                    names[(row * 7 + part) % 3],
                    Some("mobile"),
                    Some(row as f64),
                )
            })
            .collect();
        write_events(&folder.join(format!("part-{part:05}.parquet")), &rows);
    }
}
