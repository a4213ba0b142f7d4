//! What one matcher takes: parts, or some of their row groups.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::compute::cast;
use arrow_array::cast::AsArray;
use arrow_array::types::{UInt8Type, UInt16Type, UInt32Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion::common::DataFusionError;
use datafusion::execution::memory_pool::MemoryReservation;
use hw_catalog::{Part, Table};
use hw_files::{Buffers, ColumnValues, FileError, PartReader};
use hw_funnel::{
    Codes, GroupExport, GroupRange, MatchError, Memory, PartMatcher, Partial, Progress, Query, Rows, Stage, Stored,
};

use super::fault_of;
use super::watch::{Activity, ColumnFigures, Figures, Watch};
use crate::counters::Counters;
use crate::error::QueryError;
use crate::funnel::skip;
use crate::hot::{HotKey, HotPart};
use crate::yielding::CancelFlag;

/// Bytes that decoding a column takes besides its uncompressed size, as a factor.
const DECODING_FACTOR: u64 = 2;

/// A part that was found as registered.
pub(crate) struct OpenPart {
    pub(crate) reader: PartReader,
    /// For each column of the query, its place in the file.
    pub(crate) columns: Vec<usize>,
    /// For each of them the type of the table's numbers, where the file's are narrower.
    pub(super) wider: Vec<Option<DataType>>,
    /// How the memory tier knows it, if it may be held there.
    pub(super) key: Option<HotKey>,
    /// The part, if it is held in memory.
    pub(super) hot: Option<Arc<HotPart>>,
    /// Least time, where the footer tells it.
    pub(super) earliest: Option<i128>,
    /// For each row group, whether the timeframe rules it out.
    pub(super) skipped: Vec<bool>,
    pub(super) table: Arc<Table>,
    pub(super) part: Part,
    /// Bytes read that the statement's counters have.
    pub(super) counted: AtomicU64,
}

impl OpenPart {
    /// Whether it is held in memory, so that its file is not read.
    pub(crate) fn is_held(&self) -> bool {
        self.hot.is_some()
    }

    /// Whether the timeframe rules a row group out.
    pub(crate) fn is_skipped(&self, row_group: usize) -> bool {
        self.skipped.get(row_group).copied().unwrap_or(false)
    }

    /// Most bytes that the columns of one row group take while they are decoded.
    pub(crate) fn decoding_bytes(&self) -> usize {
        if self.hot.is_some() {
            return 0;
        }
        let bytes = skip::largest_row_group(&self.reader, &self.columns).saturating_mul(DECODING_FACTOR);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Bytes read since this was asked before.
    fn bytes_uncounted(&self) -> u64 {
        let read = self.reader.bytes_read();
        read.saturating_sub(self.counted.fetch_max(read, Ordering::Relaxed))
    }
}

/// Row groups of a part, ascending.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) part: Arc<OpenPart>,
    pub(super) row_groups: Vec<usize>,
}

impl Piece {
    pub(super) fn whole(part: Arc<OpenPart>) -> Self {
        Self {
            row_groups: (0..part.reader.row_groups()).collect(),
            part,
        }
    }
}

pub(super) struct UnitOutcome {
    pub(super) partial: Partial,
    pub(super) row_groups_pruned: u64,
    /// The groups that were seen, if others must not have seen them.
    pub(super) groups: Option<GroupRange>,
    pub(super) figures: Option<Figures>,
}

/// Pieces for one matcher.
pub(super) struct Unit {
    pub(super) pieces: Vec<Piece>,
    pub(super) query: Arc<Query>,
    pub(super) export: Option<GroupExport>,
    pub(super) buffers: Buffers,
    pub(super) memory: Memory,
    pub(super) counters: Arc<Counters>,
    pub(super) cancelled: CancelFlag,
    pub(super) reservation: MemoryReservation,
    /// Whether other matchers take the rest of the parts.
    pub(super) is_cut: bool,
    /// Whether somebody asks what was done.
    pub(super) is_measured: bool,
}

pub(super) enum UnitError {
    /// The pool has no more.
    Memory(DataFusionError),
    Query(QueryError),
}

impl From<MatchError> for UnitError {
    fn from(error: MatchError) -> Self {
        Self::Query(QueryError::funnel_data(error))
    }
}

impl UnitError {
    fn of_part(self, part: &OpenPart) -> Self {
        match self {
            Self::Query(error) => Self::Query(error.of_part(&part.part.path)),
            memory @ Self::Memory(_) => memory,
        }
    }
}

impl Unit {
    pub(super) fn run(self) -> Result<UnitOutcome, UnitError> {
        let watch = Watch::new(self.is_measured, self.query.columns().len());
        let outcome = self.matched(&watch);
        for piece in &self.pieces {
            self.counters.add_bytes(piece.part.bytes_uncounted());
        }
        let figures = watch.finish();
        outcome.map(|outcome| UnitOutcome { figures, ..outcome })
    }

    fn matched(&self, watch: &Watch) -> Result<UnitOutcome, UnitError> {
        let parts = self.pieces.iter().map(|piece| piece.part.decoding_bytes());
        let decoding = parts.max().unwrap_or(0);
        let Some(mut matcher) = PartMatcher::with_memory(&self.query, self.export, &self.memory)? else {
            return Err(UnitError::Query(QueryError::internal("a query changed its matcher")));
        };
        if self.is_measured {
            matcher.measure();
        }
        let mut row_groups_pruned = self.push_all(&mut matcher, decoding, watch)?;
        if row_groups_pruned.is_none() {
            watch.note(|figures| figures.restarts += 1);
            matcher.restart();
            row_groups_pruned = self.push_all(&mut matcher, decoding, watch)?;
        }
        watch.enter(Some(Activity::Verdict));
        watch.note(|figures| {
            figures.selected = matcher.selected_rows();
            figures.hopeless = matcher.hopeless_batches();
        });
        let groups = self.is_cut.then(|| matcher.group_range()).flatten();
        let mut judged = matcher.judge()?;
        self.reserve(judged.memory_size(), decoding, watch)?;
        if judged.needs_rows() {
            watch.note(|figures| figures.second_passes += 1);
            self.each_row_group(watch, |rows| {
                watch.enter(Some(Activity::SecondPass));
                judged.push_again(rows).map_err(|error| error.of_part(rows.part()))?;
                self.reserve(judged.memory_size(), decoding, watch).map(|()| true)
            })?;
        }
        watch.enter(Some(Activity::Verdict));
        Ok(UnitOutcome {
            partial: judged.finish(),
            row_groups_pruned: row_groups_pruned.unwrap_or(0),
            groups,
            figures: None,
        })
    }

    /// Row groups skipped; `None` if rows were out of order.
    fn push_all(&self, matcher: &mut PartMatcher, decoding: usize, watch: &Watch) -> Result<Option<u64>, UnitError> {
        self.each_row_group(watch, |rows| {
            watch.enter(Some(Activity::Masks));
            let progress = matcher.push(rows).map_err(|error| error.of_part(rows.part()))?;
            self.reserve(matcher.memory_size(), decoding, watch)?;
            Ok(progress == Progress::Taken)
        })
    }

    /// Calls `each` with every row group that the timeframe does not rule out, until it gives `false`; then `None`, else the
    /// number of those that were ruled out.
    fn each_row_group(
        &self,
        watch: &Watch,
        mut each: impl FnMut(&mut PartRows<'_>) -> Result<bool, UnitError>,
    ) -> Result<Option<u64>, UnitError> {
        let mut skipped = 0;
        for Piece { part, row_groups } in &self.pieces {
            if let Some(hot) = &part.hot {
                self.check_cancelled()?;
                let ruled_out = row_groups.iter().filter(|row_group| part.is_skipped(**row_group));
                let ruled_out = ruled_out.count();
                skipped += ruled_out as u64;
                if ruled_out == row_groups.len() {
                    continue;
                }
                self.counters.note_held(&part.part.path);
                let columns = self.query.columns();
                let rows = HotRows {
                    part,
                    hot,
                    columns,
                    watch,
                };
                if !each(&mut PartRows::Hot(rows))? {
                    return Ok(None);
                }
                continue;
            }
            for row_group in row_groups {
                self.check_cancelled()?;
                if part.is_skipped(*row_group) {
                    skipped += 1;
                    continue;
                }
                self.counters.note_read(&part.part.path);
                part.reader.prepare(*row_group, &part.columns);
                let rows = RowGroup {
                    part,
                    row_group: *row_group,
                    buffers: &self.buffers,
                    watch,
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

    fn reserve(&self, matcher: usize, decoding: usize, watch: &Watch) -> Result<(), UnitError> {
        watch.note(|figures| figures.memory = figures.memory.max(matcher as u64));
        self.reservation
            .try_resize(matcher + decoding)
            .map_err(UnitError::Memory)
    }
}

/// Rows as the matcher asks for them.
enum PartRows<'a> {
    Hot(HotRows<'a>),
    Stored(RowGroup<'a>),
}

/// A part in memory.
struct HotRows<'a> {
    part: &'a OpenPart,
    hot: &'a HotPart,
    /// The columns of the query.
    columns: Vec<&'a str>,
    watch: &'a Watch,
}

impl HotRows<'_> {
    fn column(&self, index: usize) -> Option<(&ArrayRef, bool)> {
        self.hot.column(self.columns.get(index)?)
    }
}

impl PartRows<'_> {
    fn part(&self) -> &OpenPart {
        match self {
            Self::Hot(rows) => rows.part,
            Self::Stored(rows) => rows.part,
        }
    }
}

impl Rows for PartRows<'_> {
    type Error = UnitError;

    fn len(&self) -> usize {
        match self {
            Self::Hot(rows) => rows.hot.rows(),
            Self::Stored(rows) => rows.part.reader.rows(rows.row_group),
        }
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef, UnitError> {
        match self {
            Self::Hot(rows) => {
                let column = rows.column(index).map(|(array, _)| Arc::clone(array));
                column.ok_or_else(|| no_column(index))
            }
            Self::Stored(rows) => rows.read(index),
        }
    }

    fn stored(&mut self, index: usize) -> Result<Stored, UnitError> {
        match self {
            Self::Hot(_) => self
                .column(index)
                .map(|array| coded(&array).unwrap_or(Stored::Array(array))),
            Self::Stored(rows) => rows.stored(index),
        }
    }

    fn is_complete(&self, index: usize) -> bool {
        match self {
            Self::Hot(rows) => rows.column(index).is_some_and(|(_, complete)| complete),
            Self::Stored(rows) => {
                let column = rows.part.columns.get(index);
                column.is_some_and(|column| skip::is_complete(&rows.part.reader, rows.row_group, *column))
            }
        }
    }

    fn rows_of_groups(&self) -> Option<Arc<[u32]>> {
        match self {
            Self::Hot(rows) => Some(Arc::clone(rows.hot.rows_of_groups())),
            Self::Stored(_) => None,
        }
    }

    fn enters(&mut self, stage: Stage) {
        let watch = match self {
            Self::Hot(rows) => rows.watch,
            Self::Stored(rows) => rows.watch,
        };
        watch.enter(Some(match stage {
            Stage::Masks => Activity::Masks,
            Stage::Groups => Activity::Groups,
            Stage::Matching => Activity::Matching,
        }));
    }
}

/// The codes of a dictionary without nulls.
fn coded(array: &ArrayRef) -> Option<Stored> {
    let dictionary = array.as_any_dictionary_opt().filter(|_| array.null_count() == 0)?;
    let keys = dictionary.keys();
    let codes = match keys.data_type() {
        DataType::UInt8 => Codes::U8(keys.as_primitive::<UInt8Type>().values().clone()),
        DataType::UInt16 => Codes::U16(keys.as_primitive::<UInt16Type>().values().clone()),
        DataType::UInt32 => Codes::U32(keys.as_primitive::<UInt32Type>().values().clone()),
        _ => return None,
    };
    let entries = Arc::clone(dictionary.values());
    (entries.null_count() == 0).then_some(Stored::Coded { codes, entries })
}

fn no_column(index: usize) -> UnitError {
    UnitError::Query(QueryError::internal(format!("the query has no column {index}")))
}

/// The rows of one row group.
struct RowGroup<'a> {
    part: &'a OpenPart,
    row_group: usize,
    buffers: &'a Buffers,
    watch: &'a Watch,
}

impl RowGroup<'_> {
    /// What was read of a column: flat, or by codes into so many entries.
    fn figures(&self, column: usize, entries: Option<usize>) -> ColumnFigures {
        let (bytes, unfolded_bytes) = skip::chunk_bytes(&self.part.reader, self.row_group, column);
        let figures = ColumnFigures {
            row_groups: 1,
            bytes,
            unfolded_bytes,
            ..ColumnFigures::default()
        };
        match entries {
            Some(entries) => ColumnFigures {
                dictionary_row_groups: 1,
                entries: entries as u64,
                ..figures
            },
            None => ColumnFigures {
                flat_rows: self.part.reader.rows(self.row_group) as u64,
                ..figures
            },
        }
    }

    /// The place of a column of the query in the file.
    fn place(&self, index: usize) -> Result<usize, UnitError> {
        self.part.columns.get(index).copied().ok_or_else(|| no_column(index))
    }

    fn told(&self, error: &FileError) -> UnitError {
        UnitError::Query(fault_of(&self.part.table, &self.part.part, error))
    }

    fn wider(&self, index: usize) -> Option<&DataType> {
        self.part.wider.get(index).and_then(Option::as_ref)
    }

    fn read(&self, index: usize) -> Result<ArrayRef, UnitError> {
        let column = self.place(index)?;
        let before = self.watch.enter(Some(Activity::Decode));
        let read = self.part.reader.read(self.row_group, column, self.buffers);
        let mut array = read.map_err(|error| self.told(&error))?.array;
        let entries = array
            .as_any_dictionary_opt()
            .map(|dictionary| dictionary.values().len());
        self.watch.note_column(index, || self.figures(column, entries));
        if let Some(wider) = self.wider(index) {
            array = cast(&array, wider).map_err(|error| UnitError::Query(QueryError::internal(error.to_string())))?;
        }
        self.watch.enter(before);
        Ok(array)
    }

    fn stored(&self, index: usize) -> Result<Stored, UnitError> {
        if self.wider(index).is_some() {
            return self.read(index).map(Stored::Array);
        }
        let column = self.place(index)?;
        let before = self.watch.enter(Some(Activity::Decode));
        let read = self.part.reader.read_codes(self.row_group, column, self.buffers);
        let values = read.map_err(|error| self.told(&error))?;
        let entries = match &values {
            ColumnValues::Coded { entries, .. } => Some(entries.len()),
            ColumnValues::Flat(_) => None,
        };
        self.watch.note_column(index, || self.figures(column, entries));
        self.watch.enter(before);
        Ok(match values {
            ColumnValues::Coded { codes, entries } => Stored::Coded {
                codes: match codes {
                    hw_files::Codes::U8(codes) => Codes::U8(codes),
                    hw_files::Codes::U16(codes) => Codes::U16(codes),
                    hw_files::Codes::U32(codes) => Codes::U32(codes),
                },
                entries,
            },
            ColumnValues::Flat(array) => Stored::Array(array),
        })
    }
}
