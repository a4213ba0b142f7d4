//! The rows of an answer that are shown: the first and the last ones, while the rest is counted and let go.

use std::collections::VecDeque;

use arrow::datatypes::{DataType, IntervalUnit, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow_array::{Array as _, ArrayRef, RecordBatch};

use crate::render::text::printable;

/// Characters of a cell that are kept.
const CELL_MAX: usize = 4096;

/// A cell as text; `None` is null.
pub(crate) type CellText = Option<String>;

/// Head and tail of a result.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    pub(crate) columns: Vec<ColumnHead>,
    pub(crate) head: Vec<Vec<CellText>>,
    pub(crate) tail: VecDeque<Vec<CellText>>,
    /// Rows in all.
    pub(crate) total: u64,
    limit: Option<usize>,
}

/// A column's name, type and alignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ColumnHead {
    pub(crate) name: String,
    pub(crate) type_name: String,
    pub(crate) is_number: bool,
}

impl Sample {
    /// A sample of at most `limit` rows, half of them from each end; `None` keeps all.
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    pub(crate) fn set_schema(&mut self, schema: &Schema) {
        self.columns = column_heads(schema);
    }

    /// Takes the next rows.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let cells = Cells::of(batch)?;
        let rows = batch.num_rows();
        self.total += rows as u64;
        let head_max = self.limit.map_or(usize::MAX, |limit| limit.div_ceil(2));
        let to_head = rows.min(head_max - self.head.len().min(head_max));
        self.head.extend((0..to_head).map(|row| cells.row(row)));
        let tail_max = self.limit.map_or(0, |limit| limit / 2);
        for row in rows.saturating_sub(tail_max).max(to_head)..rows {
            self.tail.push_back(cells.row(row));
        }
        while self.tail.len() > tail_max {
            self.tail.pop_front();
        }
        Ok(())
    }

    /// Rows in the middle that are not shown.
    pub(crate) fn elided(&self) -> u64 {
        self.total - (self.head.len() + self.tail.len()) as u64
    }
}

/// The heads of a schema's columns.
pub(crate) fn column_heads(schema: &Schema) -> Vec<ColumnHead> {
    let head = |field: &arrow::datatypes::FieldRef| ColumnHead {
        name: printable(field.name()).into_owned(),
        type_name: type_name(field.data_type()),
        is_number: value_type(field.data_type()).is_numeric(),
    };
    schema.fields().iter().map(head).collect()
}

/// The cells of a batch as text.
pub(crate) struct Cells<'a> {
    columns: Vec<(ArrayFormatter<'a>, Option<arrow::buffer::NullBuffer>)>,
}

impl<'a> Cells<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, ArrowError> {
        // One shape of times in every form of answer: RFC 3339, as in JSON and CSV.
        const OPTIONS: FormatOptions<'static> = FormatOptions::new().with_display_error(true);
        let column = |array: &'a ArrayRef| {
            Ok((
                ArrayFormatter::try_new(array.as_ref(), &OPTIONS)?,
                array.logical_nulls(),
            ))
        };
        let columns: Result<_, ArrowError> = batch.columns().iter().map(column).collect();
        Ok(Self { columns: columns? })
    }

    pub(crate) fn row(&self, row: usize) -> Vec<CellText> {
        let cell = |(formatter, nulls): &(ArrayFormatter<'a>, Option<arrow::buffer::NullBuffer>)| {
            let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
            (!is_null).then(|| shortened(formatter.value(row).to_string()))
        };
        self.columns.iter().map(cell).collect()
    }
}

fn shortened(mut text: String) -> String {
    if let Some((at, _)) = text.char_indices().nth(CELL_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}

fn value_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, value) => value,
        other => other,
    }
}

/// A type in a few letters.
fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "time".to_owned(),
        DataType::Timestamp(unit, None) => format!("timestamp({})", unit_name(*unit)),
        DataType::Timestamp(unit, Some(zone)) => format!("timestamp({}, {})", unit_name(*unit), printable(zone)),
        DataType::Duration(unit) => format!("duration({})", unit_name(*unit)),
        DataType::Interval(IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano) => {
            "interval".to_owned()
        }
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale)
        | DataType::Decimal256(digits, scale) => format!("decimal({digits}, {scale})"),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => format!("list({})", type_name(field.data_type())),
        DataType::Struct(_) => "struct".to_owned(),
        DataType::Map(_, _) => "map".to_owned(),
        DataType::Dictionary(_, value) => type_name(value),
        DataType::RunEndEncoded(_, values) => type_name(values.data_type()),
        other => other.to_string().to_lowercase(),
    }
}

fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}
