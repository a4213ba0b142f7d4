//! Files of another writer: pyarrow, where Python has it.

use std::process::Command;

use bytes::Bytes;

use super::check;

/// Interpreter to take instead of `python3`.
const PYTHON: &str = "HEADWATER_TEST_PYTHON";

const SCRIPT: &str = r#"
import sys, datetime, decimal
import pyarrow as pa, pyarrow.parquet as pq
folder = sys.argv[1]
rows = 5000
def column(of, nulls):
    return [None if nulls and (i % 9 == 0 or 2000 < i < 4000) else of(i) for i in range(rows)]
def table(nulls):
    return pa.table({
        "id": pa.array(column(lambda i: i * 7919 % 700, nulls), pa.int64()),
        "many": pa.array(column(lambda i: i * 2654435761, nulls), pa.int64()),
        "ts": pa.array(column(lambda i: 1700000000000 + i * 50, nulls), pa.timestamp("ms")),
        "zoned": pa.array(column(lambda i: i * 1000, nulls), pa.timestamp("us", "Europe/Berlin")),
        "price": pa.array(column(lambda i: i / 8, nulls), pa.float64()),
        "small": pa.array(column(lambda i: i % 100, nulls), pa.int16()),
        "kind": pa.array(column(lambda i: "kind %d" % (i % 20), nulls), pa.dictionary(pa.int32(), pa.string())),
        "text": pa.array(column(lambda i: "text %d" % i, nulls), pa.string()),
        "large": pa.array(column(lambda i: "t" * (i % 40), nulls), pa.large_string()),
        "bytes": pa.array(column(lambda i: bytes([i % 256]) * (i % 5), nulls), pa.binary()),
        "flag": pa.array(column(lambda i: i % 3 == 0, nulls), pa.bool_()),
        "day": pa.array(column(lambda i: i, nulls), pa.date32()),
        "amount": pa.array(column(lambda i: decimal.Decimal(i) / 4, nulls), pa.decimal128(12, 2)),
        "list": pa.array(column(lambda i: [i] * (i % 3), nulls), pa.list_(pa.int32())),
    })
number = 0
for nulls in (False, True):
    for codec in ("none", "snappy", "gzip", "brotli", "lz4", "zstd"):
        for version in ("1.0", "2.0"):
            for dictionary in (True, False):
                pq.write_table(table(nulls), "%s/%03d.parquet" % (folder, number), compression=codec,
                    data_page_version=version, use_dictionary=dictionary, row_group_size=3000, data_page_size=4000,
                    dictionary_pagesize_limit=6000, write_page_checksum=number % 2 == 0)
                number += 1
delta = {"id": "DELTA_BINARY_PACKED", "ts": "DELTA_BINARY_PACKED", "day": "DELTA_BINARY_PACKED", "flag": "RLE",
    "text": "DELTA_BYTE_ARRAY", "price": "BYTE_STREAM_SPLIT", "many": "PLAIN"}
for nulls in (False, True):
    pq.write_table(table(nulls), "%s/%03d.parquet" % (folder, number), use_dictionary=False, column_encoding=delta)
    number += 1
pq.write_table(table(True), "%s/%03d.parquet" % (folder, number), use_deprecated_int96_timestamps=True)
pq.write_table(table(False).slice(0, 0), "%s/%03d.parquet" % (folder, number + 1))
"#;

#[test]
#[expect(clippy::disallowed_methods, reason = "a test may be told of another interpreter")]
fn files_of_pyarrow_are_read() {
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let written = Command::new(&python).args(["-c", SCRIPT]).arg(folder.path()).output();
    let written = match written {
        Ok(written) if written.status.success() => std::fs::read_dir(folder.path()).unwrap(),
        Ok(written) if String::from_utf8_lossy(&written.stderr).contains("No module named 'pyarrow'") => {
            println!("skipped: `{python}` has no pyarrow; name one that has in {PYTHON}");
            return;
        }
        Ok(written) => panic!("{}", String::from_utf8_lossy(&written.stderr)),
        Err(error) => {
            println!("skipped: `{python}` cannot be run: {error}");
            return;
        }
    };
    let mut files: Vec<_> = written.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 2 * 6 * 2 * 2 + 4);
    for file in files {
        println!("{}", file.display());
        check(&Bytes::from(std::fs::read(&file).unwrap()));
    }
}
