//! Columns as queries see them: a coarse type, exact statistics.

use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

/// Type of a column in the funnel language; SQL sees the Arrow type itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnType {
    /// Any signed or unsigned integer.
    Int,
    /// 16, 32 or 64 bit floating point; NaN counts as null.
    Float,
    /// Truth value.
    Bool,
    /// Text, however it is encoded.
    String,
    /// Point in time of any unit, with or without zone.
    Timestamp,
    /// Calendar day.
    Date,
    /// List of one of the types above.
    List(Box<ColumnType>),
}

impl ColumnType {
    /// The type that queries see for an Arrow type; dictionaries count as their values. `None` means that the
    /// column cannot be queried by funnels.
    pub fn of(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                Self::of_primitive(item.data_type()).map(|item| Self::List(Box::new(item)))
            }
            primitive => Self::of_primitive(primitive),
        }
    }

    fn of_primitive(data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Self::Int),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Some(Self::Int),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(Self::Float),
            DataType::Boolean => Some(Self::Bool),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::String),
            DataType::Timestamp(_, _) => Some(Self::Timestamp),
            DataType::Date32 | DataType::Date64 => Some(Self::Date),
            _ => None,
        }
    }

    /// The name that users see: `INT`, `FLOAT`, `BOOL`, `STRING`, `TIMESTAMP`, `DATE`, `LIST<INT>`.
    pub fn name(&self) -> String {
        match self {
            Self::Int => "INT".to_owned(),
            Self::Float => "FLOAT".to_owned(),
            Self::Bool => "BOOL".to_owned(),
            Self::String => "STRING".to_owned(),
            Self::Timestamp => "TIMESTAMP".to_owned(),
            Self::Date => "DATE".to_owned(),
            Self::List(item) => format!("LIST<{}>", item.name()),
        }
    }
}

/// A value of a column in statistics. Timestamps and dates are integers in the stored unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// Signed integer, date or timestamp.
    Int(i64),
    /// Unsigned integer beyond the signed range.
    UInt(u64),
    /// Finite floating point number.
    Float(f64),
}

/// One end of the range of a column's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// The value.
    pub value: Scalar,
    /// Whether a row holds this value; otherwise it is only known that no row lies beyond it.
    pub exact: bool,
}

/// What is known of one column that queries can use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSummary {
    /// Name, exactly as stored.
    pub name: String,
    /// Type in the funnel language.
    pub column_type: ColumnType,
    /// Least value over the parts that were looked at; numbers, dates and timestamps only.
    pub min: Option<Bound>,
    /// Greatest value, likewise.
    pub max: Option<Bound>,
    /// Number of null cells, if known for every part.
    pub null_count: Option<u64>,
    /// Whether the writer stored it dictionary-encoded in every part that was looked at.
    pub dictionary: bool,
    /// Whether few distinct values repeat often enough to be worth a dictionary.
    pub categorical: bool,
    /// Most frequent values with their share of the rows (0 to 1), most frequent first; text columns only.
    pub top_values: Vec<(String, f64)>,
    /// Distinct values per row (0 to 1), averaged over the parts that were looked at.
    pub unique_ratio: Option<f64>,
}
