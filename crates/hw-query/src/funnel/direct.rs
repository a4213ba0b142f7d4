//! Registered parts, matched straight from their pages: no plan, no operator in between.
//!
//! A *unit* is what one matcher takes: a single part where groups are contained in parts, all parts where they may straddle;
//! or some row groups of these, where footers tell that no group is in two of the units. Units run side by side on the
//! engine's threads for work. Rows of a group are presumed to come in order of time; where they do not, the unit is read
//! again and its rows are gathered. If a group shows up in two units after all, what was cut is matched as a whole.
//!
//! What does not fit here (a query for the plain matcher, too little memory) is left to the plan, which can spill.

mod cut;
mod known;
mod unit;
mod watch;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arrow_schema::DataType;
use datafusion::common::DataFusionError;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use hw_catalog::{Groups, Part, Table, widened};
use hw_files::{FileError, PartReader, Scheme};
use hw_funnel::{GroupExport, GroupRange, PartMatcher, Partial, Query};

use self::unit::{Piece, Unit, UnitError, UnitOutcome};
use super::skip;
use crate::counters::Counters;
use crate::dataset::{PartFiles, part_files};
use crate::engine::Engine;
use crate::error::{PartFault, PartWrong, QueryError, from_execution, from_file};
use crate::hot::{HotFill, HotKey};
use crate::stores::StatementStores;
use crate::tables::StoredTable;
use crate::yielding::CancelFlag;

pub(crate) use self::known::KnownParts;
pub(super) use self::unit::OpenPart;
pub(super) use self::watch::{Activity, ColumnFigures, Figures, now};

/// Parts of one task that are opened at the same time.
const OPENED_AT_A_TIME: usize = 16;

/// What a run over parts found.
pub(super) struct DirectRun {
    pub(super) partial: Partial,
    pub(super) row_groups_pruned: u64,
    /// How many matchers there were.
    pub(super) matchers: u64,
    /// Lists of parts that were cut although a group is on both sides, and so were matched again as a whole.
    pub(super) rejoined: u64,
    /// What was done, if it was asked for.
    pub(super) figures: Option<Figures>,
}

/// Parts to be matched.
pub(super) struct Direct<'a> {
    pub(super) engine: &'a Engine,
    pub(super) counters: &'a Arc<Counters>,
    pub(super) cancelled: &'a CancelFlag,
    pub(super) query: &'a Arc<Query>,
    pub(super) export: Option<GroupExport>,
    /// Whether somebody asks what was done.
    pub(super) is_measured: bool,
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
        let opened = self.open_all(stores, table, parts).await?;
        self.match_parts(table, &opened).await
    }

    /// Opens the parts, in their order.
    pub(super) async fn open_all(
        &self,
        stores: &StatementStores,
        table: &Arc<Table>,
        parts: &[Part],
    ) -> Result<Vec<Arc<OpenPart>>, QueryError> {
        let stored = StoredTable {
            table: Arc::clone(table),
            parts: parts.into(),
            query: None,
        };
        let files = part_files(self.engine, stores, self.counters, &stored)?;
        // Local files open at once; each of the others waits for its store.
        let mut opened = Vec::with_capacity(parts.len());
        let all: Vec<_> = parts.iter().zip(&files.files).collect();
        for some in all.chunks(OPENED_AT_A_TIME) {
            let opening: Vec<_> = some
                .iter()
                .map(|(part, file)| self.open(&files, table, part, file))
                .collect();
            opened.extend(try_join_all(opening).await?.into_iter().map(Arc::new));
        }
        self.counters.add_files(parts.len());
        Ok(opened)
    }

    /// Matches opened parts; `None` as [`run`](Self::run).
    pub(super) async fn match_parts(
        &self,
        table: &Table,
        opened: &[Arc<OpenPart>],
    ) -> Result<Option<DirectRun>, QueryError> {
        let families = self.families(table.groups, opened);
        let units = families
            .iter()
            .flat_map(|family| family.iter().map(|pieces| (pieces.clone(), family.len() > 1)));
        let units: Vec<Unit> = units.map(|(pieces, is_cut)| self.unit(pieces, is_cut)).collect();
        let mut run = DirectRun {
            partial: Partial::empty(self.query),
            row_groups_pruned: 0,
            matchers: units.len() as u64,
            rejoined: 0,
            figures: self.is_measured.then(|| Figures::new(self.query.columns().len())),
        };
        let outcomes: Result<Vec<Option<UnitOutcome>>, QueryError> = futures::stream::iter(units)
            .map(|unit| self.start(unit))
            .buffered(self.engine.threads())
            .try_collect()
            .await;
        if outcomes.is_err() {
            // The others stop at their next row group.
            self.cancelled.set();
        }
        let mut outcomes = outcomes?.into_iter();
        for family in families {
            let found: Option<Vec<UnitOutcome>> = outcomes.by_ref().take(family.len()).collect();
            let Some(mut found) = found else { return Ok(None) };
            if !are_apart(&found) {
                tracing::debug!(table = %table.name, "a group is in two row groups that should not share any");
                run.rejoined += 1;
                let Some(whole) = self.start(self.unit(joined(family), false)).await? else {
                    return Ok(None);
                };
                found = vec![whole];
            }
            run.add(found)?;
        }
        self.note_used(opened)?;
        Ok(Some(run))
    }

    /// Lists of units; no group has rows in two lists, nor, as far as footers tell, in two units.
    fn families(&self, groups: Groups, opened: &[Arc<OpenPart>]) -> Vec<Vec<Vec<Piece>>> {
        let threads = self.engine.threads();
        match groups {
            Groups::Contained => {
                let each = threads.div_ceil(opened.len().max(1));
                opened
                    .iter()
                    .map(|part| cut::cut(std::slice::from_ref(part), each))
                    .collect()
            }
            Groups::Split => {
                let mut parts = opened.to_vec();
                parts.sort_by_key(|part| part.earliest);
                vec![cut::cut(&parts, threads)]
            }
        }
    }

    fn unit(&self, pieces: Vec<Piece>, is_cut: bool) -> Unit {
        Unit {
            pieces,
            query: Arc::clone(self.query),
            export: self.export,
            buffers: self.engine.buffers().clone(),
            memory: self.engine.states().clone(),
            counters: Arc::clone(self.counters),
            cancelled: self.cancelled.clone(),
            reservation: MemoryConsumer::new("funnel").register(&self.engine.runtime().memory_pool),
            is_cut,
            is_measured: self.is_measured,
        }
    }

    /// Holds the part against its record, and opens it.
    async fn open(
        &self,
        files: &PartFiles,
        table: &Arc<Table>,
        part: &Part,
        file: &PartitionedFile,
    ) -> Result<OpenPart, QueryError> {
        let reader = match self.open_known(files, table, part).await {
            Some(reader) => reader,
            None => self.open_anew(files, table, part, file).await?,
        };
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
        let is_skipped = |row_group| skip::is_outside(&reader, row_group, self.query);
        Ok(OpenPart {
            earliest: skip::earliest(&reader, self.query),
            skipped: (0..reader.row_groups()).map(is_skipped).collect(),
            columns,
            wider,
            key,
            hot,
            reader,
            table: Arc::clone(table),
            part: part.clone(),
            counted: AtomicU64::default(),
        })
    }

    /// Opens a part that was held against its record before, if its file is still the same.
    async fn open_known(&self, files: &PartFiles, table: &Table, part: &Part) -> Option<PartReader> {
        // Other stores tell of a changed file only when it is read.
        if files.open.location.scheme() != Scheme::Local {
            return None;
        }
        let layout = self.engine.known_parts().find(table, part)?;
        let source = self.engine.part_source(&files.open, part, self.counters.remote());
        let source = source.await.ok()?;
        let reader = PartReader::with_layout(source, layout);
        self.counters.add_row_groups(reader.row_groups());
        Some(reader)
    }

    async fn open_anew(
        &self,
        files: &PartFiles,
        table: &Table,
        part: &Part,
        file: &PartitionedFile,
    ) -> Result<PartReader, QueryError> {
        let failed = |error: DataFusionError| from_execution(error, self.engine.limits());
        let mut footer = files
            .readers
            .create_reader(0, file.clone(), None, &ExecutionPlanMetricsSet::new())
            .map_err(failed)?;
        let metadata = footer.get_metadata(None).await;
        let metadata = metadata.map_err(|error| failed(DataFusionError::ParquetError(Box::new(error))))?;
        let source = self.engine.part_source(&files.open, part, self.counters.remote());
        let reader = source
            .await
            .and_then(|source| PartReader::with_metadata(source, metadata))
            .map_err(|error| fault_of(table, part, &error))?;
        self.engine.known_parts().keep(table, part, reader.layout());
        Ok(reader)
    }

    /// How the part is known to the memory tier, if there is one.
    fn hot_key(&self, table: &Table, part: &Part) -> Option<HotKey> {
        let dataset = table.dataset.as_ref().filter(|_| !self.engine.hot_parts().is_off())?;
        let (group, time) = (table.group_column.as_ref()?, self.query.time_column());
        Some(HotKey::new(&dataset.location, part, group, time))
    }

    /// Tells the memory tier which parts were read from their files.
    fn note_used(&self, opened: &[Arc<OpenPart>]) -> Result<(), QueryError> {
        let columns: Vec<String> = self.query.columns().into_iter().map(str::to_owned).collect();
        let mut begin = false;
        for part in opened.iter().filter(|part| part.hot.is_none()) {
            let Some(key) = part.key.clone() else { continue };
            let fill = HotFill {
                key,
                reader: part.reader.clone(),
                columns: columns.clone(),
            };
            begin |= self.engine.hot_parts().note(fill);
        }
        if begin { self.engine.fill_hot_parts() } else { Ok(()) }
    }

    /// Runs a unit on a thread for work; `None` if it has too little memory.
    async fn start(&self, unit: Unit) -> Result<Option<UnitOutcome>, QueryError> {
        let turns = Arc::clone(self.engine.turns());
        let limits = *self.engine.limits();
        let Ok(turn) = turns.acquire_owned().await else {
            return Err(QueryError::Cancelled);
        };
        let work = self.engine.spawn_blocking(move || {
            let outcome = unit.run();
            drop(turn);
            outcome
        })?;
        match work.await {
            Ok(Ok(outcome)) => Ok(Some(outcome)),
            Ok(Err(UnitError::Memory(error))) => {
                tracing::debug!(%error, limit = limits.memory, "a funnel takes the way over a plan");
                Ok(None)
            }
            Ok(Err(UnitError::Query(error))) => Err(error),
            Err(error) => Err(QueryError::internal(error.to_string())),
        }
    }
}

impl DirectRun {
    /// Merges what the units of a list found, in their order.
    fn add(&mut self, found: Vec<UnitOutcome>) -> Result<(), QueryError> {
        let started = self.figures.is_some().then(now);
        for outcome in found {
            self.row_groups_pruned += outcome.row_groups_pruned;
            self.partial
                .merge(outcome.partial)
                .map_err(|error| QueryError::internal(error.to_string()))?;
            if let (Some(figures), Some(found)) = (&mut self.figures, &outcome.figures) {
                figures.add(found);
            }
        }
        if let (Some(figures), Some(started)) = (&mut self.figures, started) {
            figures.spend(Activity::Merge, now() - started);
        }
        Ok(())
    }

    /// Time that was spent before any unit began.
    pub(super) fn spend_opening(&mut self, time: Duration) {
        if let Some(figures) = &mut self.figures {
            figures.spend(Activity::Open, time);
        }
    }
}

/// Whether no group was seen by two units.
fn are_apart(outcomes: &[UnitOutcome]) -> bool {
    let ranges = outcomes.iter().filter_map(|outcome| outcome.groups.clone());
    GroupRange::are_apart(ranges.collect())
}

/// The pieces of a list put together again.
fn joined(family: Vec<Vec<Piece>>) -> Vec<Piece> {
    let mut parts: Vec<Arc<OpenPart>> = Vec::new();
    for piece in family.into_iter().flatten() {
        if !parts.iter().any(|known| Arc::ptr_eq(known, &piece.part)) {
            parts.push(piece.part);
        }
    }
    parts.sort_by_key(|part| part.earliest);
    parts.into_iter().map(Piece::whole).collect()
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

/// Storage that fails is not the part's fault.
fn fault_of(table: &Table, part: &Part, error: &FileError) -> QueryError {
    let wrong = match error {
        FileError::Vanished { .. } => PartWrong::Vanished,
        FileError::Changed { .. } => PartWrong::Rewritten,
        FileError::Refused { .. } => return from_file(error),
        error if error.fault() == hw_files::Fault::External => return from_file(error),
        error => PartWrong::Unreadable(error.to_string()),
    };
    QueryError::Part(PartFault {
        table: table.name.to_string(),
        part: part.path.clone(),
        wrong,
    })
}
