//! Decodes columns of all Parquet files of a folder on one thread, by the part reader and by the Parquet crate:
//! `part_reader FOLDER [COLUMN,COLUMN,..] [RUNS]`. Prints the best run of each.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use hw_files::{Buffers, LocalFile, PartReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const COLUMNS: &str = "user_id,ts,event_type";
const RUNS: usize = 7;
const BATCH_ROWS: usize = 8192;

type Outcome = Result<usize, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("name a folder of Parquet files")?);
    let columns = arguments.next().unwrap_or_else(|| COLUMNS.to_owned());
    let columns: Vec<&str> = columns.split(',').collect();
    let runs = arguments.next().map_or(Ok(RUNS), |runs| runs.parse())?;
    let files = files(&folder)?;
    let buffers = Buffers::default();
    report("part reader", runs, || by_parts(&files, &columns, &buffers))?;
    println!("  {} bytes of memory kept", buffers.memory_size());
    for column in &columns {
        report(column, runs, || by_parts(&files, &[column], &buffers))?;
    }
    report("parquet crate", runs, || by_crate(&files, &columns))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries = std::fs::read_dir(folder)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    files.sort();
    Ok(files)
}

/// Runs once to warm up, then so many times.
#[expect(clippy::disallowed_methods, reason = "it measures durations")]
fn report(name: &str, runs: usize, work: impl Fn() -> Outcome) -> Result<(), Box<dyn Error>> {
    let rows = work()?;
    let mut walls = Vec::new();
    let mut processor = Vec::new();
    for _ in 0..runs {
        let (start, used) = (Instant::now(), processor_seconds()?);
        work()?;
        walls.push(start.elapsed().as_secs_f64());
        processor.push(processor_seconds()? - used);
    }
    let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = processor.iter().sum::<f64>() / runs as f64;
    println!(
        "{name}: {:.1} M rows/s of processor time; best cpu {:.4} s, mean cpu {mean:.4} s, best wall {:.4} s",
        rows as f64 / least(&processor) / 1e6,
        least(&processor),
        least(&walls)
    );
    Ok(())
}

/// Processor time of this thread.
fn processor_seconds() -> Result<f64, Box<dyn Error>> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = told.split_whitespace().next().ok_or("unknown form of schedstat")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

fn by_parts(files: &[PathBuf], columns: &[&str], buffers: &Buffers) -> Outcome {
    let mut rows = 0;
    for file in files {
        let source = LocalFile::new(File::open(file)?, file.display().to_string())?;
        let reader = PartReader::open(Arc::new(source))?;
        for row_group in 0..reader.row_groups() {
            for column in columns {
                let column = reader.schema().index_of(column)?;
                black_box(reader.read(row_group, column, buffers)?);
            }
            rows += reader.rows(row_group);
        }
    }
    Ok(rows)
}

fn by_crate(files: &[PathBuf], columns: &[&str]) -> Outcome {
    let mut rows = 0;
    for file in files {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let batches = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()?;
        for batch in batches {
            rows += black_box(batch?).num_rows();
        }
    }
    Ok(rows)
}
