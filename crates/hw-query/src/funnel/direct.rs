//! Registered parts, matched straight from their pages: no plan, no operator in between.
//!
//! A *unit* is a list of parts that one matcher takes: a single part where groups are contained in parts, all parts where
//! they may straddle. Units run side by side on the engine's threads for work. Rows of a group are presumed to come in order
//! of time; where they do not, the unit is read again and its rows are gathered.
//!
//! What does not fit here (a query for the plain matcher, too little memory) is left to the plan, which can spill.

use std::sync::Arc;

use arrow::compute::cast;
use arrow_array::ArrayRef;
use arrow_schema::DataType;
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::{StreamExt, TryStreamExt};
use hw_catalog::{Groups, Part, Table, widened};
use hw_files::{Buffers, FileError, PartReader};
use hw_funnel::{GroupExport, MatchError, PartMatcher, Partial, Progress, Query, Rows};

use super::skip;
use crate::counters::Counters;
use crate::dataset::{PartFiles, part_files};
use crate::engine::Engine;
use crate::error::{PartFault, PartWrong, QueryError, from_execution, from_file};
use crate::hot::{HotFill, HotKey, HotPart};
use crate::stores::StatementStores;
use crate::tables::StoredTable;
use crate::yielding::CancelFlag;

/// Bytes that decoding a column takes besides its uncompressed size, as a factor.
const DECODING_FACTOR: u64 = 2;

/// What a run over parts found.
pub(super) struct DirectRun {
    pub(super) partial: Partial,
    pub(super) row_groups_pruned: u64,
}

/// Parts to be matched.
pub(super) struct Direct<'a> {
    pub(super) engine: &'a Engine,
    pub(super) counters: &'a Arc<Counters>,
    pub(super) cancelled: &'a CancelFlag,
    pub(super) query: &'a Arc<Query>,
    pub(super) export: Option<GroupExport>,
}

impl Direct<'_> {
    /// Matches the parts; `None` if they have to take the way over a plan.
    ///
    /// # Errors
    /// Those of [`FunnelRun::finish`](super::FunnelRun::finish).
    pub(super) async fn run(
        &self,
        stores: &StatementStores,
        table: &Arc<Table>,
        parts: &[Part],
    ) -> Result<Option<DirectRun>, QueryError> {
        let matcher = PartMatcher::new(self.query, self.export);
        if matcher.map_err(QueryError::funnel_data)?.is_none() {
            return Ok(None);
        }
        let stored = StoredTable {
            table: Arc::clone(table),
            parts: parts.into(),
            query: None,
        };
        let files = part_files(self.engine, stores, self.counters, &stored)?;
        let units = self.units(&files, table, parts).await?;
        let outcomes: Vec<Option<UnitOutcome>> = futures::stream::iter(units)
            .map(|unit| self.start(unit))
            .buffered(self.engine.threads())
            .try_collect()
            .await?;
        self.counters.add_files(parts.len());
        let mut run = DirectRun {
            partial: Partial::empty(self.query),
            row_groups_pruned: 0,
        };
        for outcome in outcomes {
            let Some(outcome) = outcome else { return Ok(None) };
            run.row_groups_pruned += outcome.row_groups_pruned;
            run.partial
                .merge(outcome.partial)
                .map_err(|error| QueryError::internal(error.to_string()))?;
        }
        Ok(Some(run))
    }

    async fn units(&self, files: &PartFiles, table: &Arc<Table>, parts: &[Part]) -> Result<Vec<Unit>, QueryError> {
        let mut opened = Vec::with_capacity(parts.len());
        for (part, file) in parts.iter().zip(&files.files) {
            opened.push(self.open(files, table, part, file).await?);
        }
        let unit = |parts: Vec<OpenPart>| Unit {
            parts,
            query: Arc::clone(self.query),
            export: self.export,
            buffers: self.engine.buffers().clone(),
            counters: Arc::clone(self.counters),
            cancelled: self.cancelled.clone(),
            reservation: MemoryConsumer::new("funnel").register(&self.engine.runtime().memory_pool),
        };
        Ok(match table.groups {
            Groups::Contained => opened.into_iter().map(|part| unit(vec![part])).collect(),
            Groups::Split => {
                opened.sort_by_key(|part| part.earliest);
                vec![unit(opened)]
            }
        })
    }

    /// Holds the part against its record, and opens it.
    async fn open(
        &self,
        files: &PartFiles,
        table: &Arc<Table>,
        part: &Part,
        file: &PartitionedFile,
    ) -> Result<OpenPart, QueryError> {
        let failed = |error: DataFusionError| from_execution(error, self.engine.limits());
        let mut footer = files
            .readers
            .create_reader(0, file.clone(), None, &ExecutionPlanMetricsSet::new())
            .map_err(failed)?;
        let metadata = footer.get_metadata(None).await;
        let metadata = metadata.map_err(|error| failed(DataFusionError::ParquetError(Box::new(error))))?;
        let source = self.engine.part_source(&files.open, part).await;
        let told = |error: FileError| fault_of(table, part, &error);
        let reader = source
            .and_then(|source| PartReader::with_metadata(source, metadata))
            .map_err(told)?;
        let columns = self.query.columns();
        let place = |name: &&str| reader.schema().index_of(name).ok();
        let columns: Option<Vec<usize>> = columns.iter().map(place).collect();
        let columns: Vec<usize> =
            columns.ok_or_else(|| QueryError::internal("a registered column is not in a checked part"))?;
        let wider: Vec<Option<DataType>> = columns.iter().map(|column| wider(&reader, *column, table)).collect();
        // What is held has the types of its file.
        let key = self.hot_key(table, part).filter(|_| wider.iter().all(Option::is_none));
        let hot = key
            .as_ref()
            .and_then(|key| self.engine.hot_parts().find(key, &self.query.columns()));
        Ok(OpenPart {
            key,
            hot,
            earliest: skip::earliest(&reader, self.query),
            columns,
            wider,
            reader,
            table: Arc::clone(table),
            part: part.clone(),
        })
    }

    /// How the part is known to the memory tier, if there is one.
    fn hot_key(&self, table: &Table, part: &Part) -> Option<HotKey> {
        let dataset = table.dataset.as_ref().filter(|_| !self.engine.hot_parts().is_off())?;
        let (group, time) = (table.group_column.as_ref()?, self.query.time_column());
        Some(HotKey::new(&dataset.location, part, group, time))
    }

    /// Runs a unit on a thread for work; `None` if it has too little memory.
    async fn start(&self, unit: Unit) -> Result<Option<UnitOutcome>, QueryError> {
        let turns = Arc::clone(self.engine.turns());
        let limits = *self.engine.limits();
        let used = self.used(&unit);
        let Ok(turn) = turns.acquire_owned().await else {
            return Err(QueryError::Cancelled);
        };
        let work = self.engine.spawn_blocking(move || {
            let outcome = unit.run();
            drop(turn);
            outcome
        })?;
        match work.await {
            Ok(Ok(outcome)) => {
                self.note(used)?;
                Ok(Some(outcome))
            }
            Ok(Err(UnitError::Memory(error))) => {
                tracing::debug!(%error, limit = limits.memory, "a funnel takes the way over a plan");
                Ok(None)
            }
            Ok(Err(UnitError::Query(error))) => Err(error),
            Err(error) => Err(QueryError::internal(error.to_string())),
        }
    }
}

impl Direct<'_> {
    /// The parts that the unit reads from their files.
    fn used(&self, unit: &Unit) -> Vec<HotFill> {
        let columns: Vec<String> = self.query.columns().into_iter().map(str::to_owned).collect();
        let read = unit.parts.iter().filter(|part| part.hot.is_none());
        let fill = |part: &OpenPart| {
            Some(HotFill {
                key: part.key.clone()?,
                reader: part.reader.clone(),
                columns: columns.clone(),
            })
        };
        read.filter_map(fill).collect()
    }

    /// Tells the memory tier which parts were used.
    fn note(&self, used: Vec<HotFill>) -> Result<(), QueryError> {
        let mut begin = false;
        for fill in used {
            begin |= self.engine.hot_parts().note(fill);
        }
        if begin { self.engine.fill_hot_parts() } else { Ok(()) }
    }
}

/// A part that was found as registered.
struct OpenPart {
    key: Option<HotKey>,
    /// The part, if it is held in memory.
    hot: Option<Arc<HotPart>>,
    reader: PartReader,
    /// For each column of the query, its place in the file.
    columns: Vec<usize>,
    /// For each of them the type of the table's numbers, where the file's are narrower.
    wider: Vec<Option<DataType>>,
    /// Least time, where the footer tells it.
    earliest: Option<i128>,
    table: Arc<Table>,
    part: Part,
}

struct UnitOutcome {
    partial: Partial,
    row_groups_pruned: u64,
}

/// Parts for one matcher.
struct Unit {
    parts: Vec<OpenPart>,
    query: Arc<Query>,
    export: Option<GroupExport>,
    buffers: Buffers,
    counters: Arc<Counters>,
    cancelled: CancelFlag,
    reservation: MemoryReservation,
}

enum UnitError {
    /// The pool has no more.
    Memory(DataFusionError),
    Query(QueryError),
}

impl UnitError {
    fn of_part(self, part: &OpenPart) -> Self {
        match self {
            Self::Query(error) => Self::Query(error.of_part(&part.part.path)),
            memory @ Self::Memory(_) => memory,
        }
    }
}

impl From<MatchError> for UnitError {
    fn from(error: MatchError) -> Self {
        Self::Query(QueryError::funnel_data(error))
    }
}

impl Unit {
    fn run(self) -> Result<UnitOutcome, UnitError> {
        let outcome = self.matched();
        for part in &self.parts {
            self.counters.add_bytes(part.reader.bytes_read());
        }
        outcome
    }

    fn matched(&self) -> Result<UnitOutcome, UnitError> {
        let decoding = self.parts.iter().map(OpenPart::decoding_bytes).max().unwrap_or(0);
        let Some(mut matcher) = PartMatcher::new(&self.query, self.export)? else {
            return Err(UnitError::Query(QueryError::internal("a query changed its matcher")));
        };
        let mut row_groups_pruned = self.push_all(&mut matcher, decoding)?;
        if row_groups_pruned.is_none() {
            matcher.restart();
            row_groups_pruned = self.push_all(&mut matcher, decoding)?;
        }
        let mut judged = matcher.judge()?;
        self.reserve(judged.memory_size(), decoding)?;
        if judged.needs_rows() {
            self.each_row_group(|rows| {
                judged.push_again(rows).map_err(|error| error.of_part(rows.part()))?;
                self.reserve(judged.memory_size(), decoding).map(|()| true)
            })?;
        }
        Ok(UnitOutcome {
            partial: judged.finish(),
            row_groups_pruned: row_groups_pruned.unwrap_or(0),
        })
    }

    /// Row groups skipped; `None` if rows were out of order.
    fn push_all(&self, matcher: &mut PartMatcher, decoding: usize) -> Result<Option<u64>, UnitError> {
        self.each_row_group(|rows| {
            let progress = matcher.push(rows).map_err(|error| error.of_part(rows.part()))?;
            self.reserve(matcher.memory_size(), decoding)?;
            Ok(progress == Progress::Taken)
        })
    }

    /// Calls `each` with every row group that the timeframe does not rule out, until it gives `false`; then `None`, else the
    /// number of those that were ruled out.
    fn each_row_group(
        &self,
        mut each: impl FnMut(&mut PartRows<'_>) -> Result<bool, UnitError>,
    ) -> Result<Option<u64>, UnitError> {
        let mut skipped = 0;
        for part in &self.parts {
            if let Some(hot) = &part.hot {
                self.check_cancelled()?;
                let columns = self.query.columns();
                if !each(&mut PartRows::Hot { part, hot, columns })? {
                    return Ok(None);
                }
                continue;
            }
            for row_group in 0..part.reader.row_groups() {
                self.check_cancelled()?;
                if skip::is_outside(&part.reader, row_group, &self.query) {
                    skipped += 1;
                    continue;
                }
                self.counters.note_read(&part.part.path);
                let rows = RowGroup {
                    part,
                    row_group,
                    buffers: &self.buffers,
                };
                if !each(&mut PartRows::Stored(rows))? {
                    return Ok(None);
                }
            }
        }
        Ok(Some(skipped))
    }

    fn check_cancelled(&self) -> Result<(), UnitError> {
        if self.cancelled.is_set() {
            return Err(UnitError::Query(QueryError::Cancelled));
        }
        Ok(())
    }

    fn reserve(&self, matcher: usize, decoding: usize) -> Result<(), UnitError> {
        self.reservation
            .try_resize(matcher + decoding)
            .map_err(UnitError::Memory)
    }
}

impl OpenPart {
    /// Most bytes that the columns of one row group take while they are decoded.
    fn decoding_bytes(&self) -> usize {
        if self.hot.is_some() {
            return 0;
        }
        let bytes = skip::largest_row_group(&self.reader, &self.columns).saturating_mul(DECODING_FACTOR);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// The type of the table's column, where the file's numbers are narrower: one matcher takes the rows of several parts, and
/// a value must not depend on the part that holds it.
fn wider(reader: &PartReader, column: usize, table: &Table) -> Option<DataType> {
    let field = reader.schema().fields().get(column)?;
    let registered = table.schema.field_with_name(field.name()).ok()?.data_type();
    let wider = widened(field.data_type(), registered)?;
    let found = match field.data_type() {
        DataType::Dictionary(_, values) => values,
        other => other,
    };
    (wider != *found).then_some(wider)
}

/// Rows as the matcher asks for them.
enum PartRows<'a> {
    /// A part in memory.
    Hot {
        part: &'a OpenPart,
        hot: &'a HotPart,
        columns: Vec<&'a str>,
    },
    /// A row group of a file.
    Stored(RowGroup<'a>),
}

impl PartRows<'_> {
    fn part(&self) -> &OpenPart {
        match self {
            Self::Hot { part, .. } => part,
            Self::Stored(rows) => rows.part,
        }
    }

    fn hot_column(&self, index: usize) -> Option<(&ArrayRef, bool)> {
        match self {
            Self::Hot { hot, columns, .. } => hot.column(columns.get(index)?),
            Self::Stored(_) => None,
        }
    }
}

impl Rows for PartRows<'_> {
    type Error = UnitError;

    fn len(&self) -> usize {
        match self {
            Self::Hot { hot, .. } => hot.rows(),
            Self::Stored(rows) => rows.len(),
        }
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef, UnitError> {
        if let Self::Stored(rows) = self {
            return rows.column(index);
        }
        let column = self.hot_column(index).map(|(array, _)| Arc::clone(array));
        column.ok_or_else(|| UnitError::Query(QueryError::internal(format!("the query has no column {index}"))))
    }

    fn is_complete(&self, index: usize) -> bool {
        match self {
            Self::Hot { .. } => self.hot_column(index).is_some_and(|(_, complete)| complete),
            Self::Stored(rows) => rows.is_complete(index),
        }
    }
}

/// The rows of one row group.
struct RowGroup<'a> {
    part: &'a OpenPart,
    row_group: usize,
    buffers: &'a Buffers,
}

impl RowGroup<'_> {
    fn len(&self) -> usize {
        self.part.reader.rows(self.row_group)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef, UnitError> {
        let missing = || UnitError::Query(QueryError::internal(format!("the query has no column {index}")));
        let column = *self.part.columns.get(index).ok_or_else(missing)?;
        let read = self.part.reader.read(self.row_group, column, self.buffers);
        let told = |error: FileError| UnitError::Query(fault_of(&self.part.table, &self.part.part, &error));
        let array = read.map_err(told)?.array;
        match self.part.wider.get(index).and_then(Option::as_ref) {
            None => Ok(array),
            Some(wider) => {
                cast(&array, wider).map_err(|error| UnitError::Query(QueryError::internal(error.to_string())))
            }
        }
    }

    fn is_complete(&self, index: usize) -> bool {
        let column = self.part.columns.get(index);
        column.is_some_and(|column| skip::is_complete(&self.part.reader, self.row_group, *column))
    }
}

/// Storage that fails is not the part's fault.
fn fault_of(table: &Table, part: &Part, error: &FileError) -> QueryError {
    let wrong = match error {
        FileError::Vanished { .. } => PartWrong::Vanished,
        FileError::Changed { .. } => PartWrong::Rewritten,
        error if error.fault() == hw_files::Fault::External => return from_file(error),
        error => PartWrong::Unreadable(error.to_string()),
    };
    QueryError::Part(PartFault {
        table: table.name.to_string(),
        part: part.path.clone(),
        wrong,
    })
}
