//! Matches a query over the parts of a folder on one thread, with nothing around it: no job, no engine, no HTTP.
//!
//! `cargo run --profile quick -p hw-bench --bin parts -- FOLDER [QUERY-FILE] [RUNS]` prints processor time, the best and the
//! median run. Groups are presumed to be contained in parts, `user_id` the group and `ts` the time.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::ArrayRef;
use hw_files::{Buffers, ColumnValues, FileError, LocalFile, PartReader};
use hw_funnel::{Dataset, MatchError, Memory, PartMatcher, Partial, Progress, Query, Rows, Stored, result, validate};
use serde_json::{Value, json};

type Anything<T> = Result<T, Box<dyn Error>>;

const RUNS: usize = 7;

fn main() -> Anything<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("name a folder of Parquet files")?);
    let queries: Vec<(String, Value)> = match arguments.next() {
        Some(file) => serde_json::from_slice::<serde_json::Map<String, Value>>(&std::fs::read(file)?)?
            .into_iter()
            .collect(),
        None => vec![("empty".to_owned(), json!({}))],
    };
    let runs = arguments.next().map_or(Ok(RUNS), |runs| runs.parse())?;
    let files = files(&folder)?;
    let buffers = Buffers::default();
    for (name, document) in &queries {
        let query = query(document, &files)?;
        let partial = run(&query, &files, &buffers)?;
        let mut times = Vec::new();
        for _ in 0..runs {
            let used = processor_seconds()?;
            run(&query, &files, &buffers)?;
            times.push((processor_seconds()? - used) * 1e3);
        }
        times.sort_by(f64::total_cmp);
        let at = |place: usize| times.get(place).copied().unwrap_or(f64::NAN);
        let groups = result(&query, &partial).pointer("/query/matchingGroups").cloned();
        println!(
            "{name}: best {:.1} ms, median {:.1} ms; groups {}",
            at(0),
            at(runs / 2),
            groups.unwrap_or_default()
        );
    }
    Ok(())
}

fn files(folder: &Path) -> Anything<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)?;
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Anything<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "parquet"));
    files.sort();
    Ok(files)
}

fn open(file: &Path) -> Anything<PartReader> {
    let source = LocalFile::new(File::open(file)?, file.display().to_string())?;
    Ok(PartReader::open(Arc::new(source))?)
}

fn query(document: &Value, files: &[PathBuf]) -> Anything<Query> {
    let reader = open(files.first().ok_or("the folder has no Parquet file")?)?;
    let fields = reader.schema().fields();
    let dataset = Dataset {
        group_column: "user_id".to_owned(),
        time_column: "ts".to_owned(),
        columns: fields
            .iter()
            .map(|field| (field.name().clone(), field.data_type().clone()))
            .collect(),
        unsupported: Vec::new(),
        time_range: None,
    };
    let checked = validate(document, Some(&dataset));
    Ok(checked.query.ok_or_else(|| format!("{:?}", checked.findings))?)
}

fn run(query: &Query, files: &[PathBuf], buffers: &Buffers) -> Anything<Partial> {
    let (mut partial, memory) = (Partial::empty(query), Memory::default());
    for file in files {
        partial.merge(part(query, file, buffers, &memory)?)?;
    }
    Ok(partial)
}

fn part(query: &Query, file: &Path, buffers: &Buffers, memory: &Memory) -> Anything<Partial> {
    let reader = open(file)?;
    let columns: Vec<usize> = query
        .columns()
        .iter()
        .map(|name| reader.schema().index_of(name))
        .collect::<Result<_, _>>()?;
    let row_groups = || {
        (0..reader.row_groups()).map(|row_group| RowGroup {
            reader: &reader,
            columns: &columns,
            row_group,
            buffers,
        })
    };
    let mut matcher = PartMatcher::with_memory(query, None, memory)?.ok_or("the query is one for the plain matcher")?;
    for mut rows in row_groups() {
        if matcher.push(&mut rows)? != Progress::Taken {
            matcher.restart();
            for mut rows in row_groups() {
                matcher.push(&mut rows)?;
            }
            break;
        }
    }
    let mut judged = matcher.judge()?;
    if judged.needs_rows() {
        for mut rows in row_groups() {
            judged.push_again(&mut rows)?;
        }
    }
    Ok(judged.finish())
}

struct RowGroup<'a> {
    reader: &'a PartReader,
    columns: &'a [usize],
    row_group: usize,
    buffers: &'a Buffers,
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Match(#[from] MatchError),
    #[error("the query has no column {0}")]
    Column(usize),
}

impl Rows for RowGroup<'_> {
    type Error = Failed;

    fn len(&self) -> usize {
        self.reader.rows(self.row_group)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef, Failed> {
        let column = *self.columns.get(index).ok_or(Failed::Column(index))?;
        Ok(self.reader.read(self.row_group, column, self.buffers)?.array)
    }

    fn stored(&mut self, index: usize) -> Result<Stored, Failed> {
        let column = *self.columns.get(index).ok_or(Failed::Column(index))?;
        Ok(match self.reader.read_codes(self.row_group, column, self.buffers)? {
            ColumnValues::Coded { codes, entries } => Stored::Coded {
                codes: match codes {
                    hw_files::Codes::U8(codes) => hw_funnel::Codes::U8(codes),
                    hw_files::Codes::U16(codes) => hw_funnel::Codes::U16(codes),
                    hw_files::Codes::U32(codes) => hw_funnel::Codes::U32(codes),
                },
                entries,
            },
            ColumnValues::Flat(array) => Stored::Array(array),
        })
    }

    fn is_complete(&self, _index: usize) -> bool {
        true
    }
}

/// Processor time of this thread.
fn processor_seconds() -> Anything<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = told.split_whitespace().next().ok_or("unknown form of schedstat")?;
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}
