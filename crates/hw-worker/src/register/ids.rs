//! The group ids of a part, as they travel from its inspection to the comparison with other parts.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, LargeStringArray, RecordBatch, UInt64Array};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use bytes::Bytes;

use super::inspect::keys::{Keys, of_key_signed};

/// Ids kept beyond twice the distinct ones before they are sorted and freed of repetitions.
const SLACK: usize = 1_000_000;

/// The distinct group ids of one part, ascending: `Int64`, `UInt64` or `LargeUtf8` without nulls.
#[derive(Debug, Clone)]
pub(crate) struct GroupIds {
    ids: ArrayRef,
}

/// Bytes that are no group ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the group ids of a part cannot be read: {0}")]
pub(crate) struct InvalidGroupIds(String);

impl GroupIds {
    /// The ids as an Arrow array.
    #[cfg(test)]
    pub(crate) fn array(&self) -> &ArrayRef {
        &self.ids
    }

    /// Number of distinct ids.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether the part has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids as an Arrow IPC stream with one column `id`.
    ///
    /// # Errors
    /// [`InvalidGroupIds`] if the array cannot be written, which means too many bytes of text for one array.
    pub(crate) fn to_ipc(&self) -> Result<Bytes, InvalidGroupIds> {
        let written = || {
            let schema = Arc::new(Schema::new(vec![Field::new("id", self.ids.data_type().clone(), false)]));
            let batch = RecordBatch::try_new(schema.clone(), vec![self.ids.clone()])?;
            let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
            writer.write(&batch)?;
            writer.into_inner()
        };
        written().map(Bytes::from).map_err(invalid)
    }

    /// Reads what [`GroupIds::to_ipc`] wrote.
    ///
    /// # Errors
    /// [`InvalidGroupIds`] if it is something else.
    pub(crate) fn from_ipc(bytes: &[u8]) -> Result<Self, InvalidGroupIds> {
        let mut reader = StreamReader::try_new(bytes, None).map_err(invalid)?;
        let batch = reader
            .next()
            .ok_or_else(|| InvalidGroupIds("there is no batch".to_owned()))?
            .map_err(invalid)?;
        let ids = batch.columns().first().cloned();
        let ids = ids.ok_or_else(|| InvalidGroupIds("there is no column".to_owned()))?;
        match ids.data_type() {
            DataType::Int64 | DataType::UInt64 | DataType::LargeUtf8 if ids.null_count() == 0 => Ok(Self { ids }),
            other => Err(InvalidGroupIds(format!("they are of type {other}"))),
        }
    }

    /// An id for messages.
    pub(super) fn shown(&self, index: usize) -> String {
        match self.ids.data_type() {
            DataType::Int64 => self.ids.as_primitive::<Int64Type>().value(index).to_string(),
            DataType::UInt64 => self.ids.as_primitive::<UInt64Type>().value(index).to_string(),
            _ => self.ids.as_string::<i64>().value(index).to_owned(),
        }
    }

    /// Compares an id of this part with one of another. Integers are compared as numbers, whatever their types; a number and
    /// a text are never equal.
    pub(super) fn compare(&self, index: usize, other: &Self, other_index: usize) -> Ordering {
        match (self.ids.data_type(), other.ids.data_type()) {
            (DataType::Int64, DataType::Int64) => {
                let (left, right) = (
                    self.ids.as_primitive::<Int64Type>(),
                    other.ids.as_primitive::<Int64Type>(),
                );
                left.value(index).cmp(&right.value(other_index))
            }
            (DataType::UInt64, DataType::UInt64) => {
                let (left, right) = (
                    self.ids.as_primitive::<UInt64Type>(),
                    other.ids.as_primitive::<UInt64Type>(),
                );
                left.value(index).cmp(&right.value(other_index))
            }
            (DataType::LargeUtf8, DataType::LargeUtf8) => {
                let (left, right) = (self.ids.as_string::<i64>(), other.ids.as_string::<i64>());
                left.value(index).cmp(right.value(other_index))
            }
            (left, right) => match (self.number(index), other.number(other_index)) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => rank(left).cmp(&rank(right)),
            },
        }
    }

    /// The id, where it is a number.
    fn number(&self, index: usize) -> Option<i128> {
        match self.ids.data_type() {
            DataType::Int64 => Some(self.ids.as_primitive::<Int64Type>().value(index).into()),
            DataType::UInt64 => Some(self.ids.as_primitive::<UInt64Type>().value(index).into()),
            _ => None,
        }
    }
}

fn rank(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Int64 | DataType::UInt64 => 0,
        _ => 1,
    }
}

fn invalid(error: ArrowError) -> InvalidGroupIds {
    InvalidGroupIds(error.to_string())
}

/// Collects distinct ids. Memory grows with the distinct ones, not with the rows.
pub(super) enum IdCollector {
    /// Numbers as keys that sort as the numbers do.
    Numbers {
        keys: Vec<u64>,
        limit: usize,
    },
    Text(HashSet<Box<str>>),
}

impl fmt::Debug for IdCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdCollector")
    }
}

impl IdCollector {
    pub(super) fn for_type(data_type: &DataType) -> Self {
        match data_type.is_integer() {
            true => Self::Numbers {
                keys: Vec::new(),
                limit: SLACK,
            },
            false => Self::Text(HashSet::new()),
        }
    }

    /// Takes up the ids of a batch; repetitions in a row cost nothing.
    pub(super) fn take(&mut self, ids: &Keys<'_>) {
        match (self, ids) {
            (Self::Numbers { keys, limit }, Keys::Numbers(batch)) => {
                let mut last = None;
                for key in batch.iter().flatten() {
                    if last != Some(key) {
                        keys.push(*key);
                        last = Some(key);
                    }
                }
                if keys.len() > *limit {
                    compact(keys);
                    *limit = keys.len() * 2 + SLACK;
                }
            }
            (Self::Text(seen), Keys::Text(batch)) => {
                let mut last = None;
                for id in batch.iter().flatten() {
                    if last != Some(id) && !seen.contains(id) {
                        seen.insert(id.into());
                    }
                    last = Some(id);
                }
            }
            (Self::Numbers { .. } | Self::Text(_), _) => {}
        }
    }

    /// The ids, sorted. `signed` says how the keys of numbers are to be read.
    pub(super) fn finish(self, signed: bool) -> GroupIds {
        let ids: ArrayRef = match self {
            Self::Numbers { mut keys, .. } => {
                compact(&mut keys);
                match signed {
                    true => Arc::new(Int64Array::from_iter_values(keys.into_iter().map(of_key_signed))),
                    false => Arc::new(UInt64Array::from(keys)),
                }
            }
            Self::Text(seen) => {
                let mut ids: Vec<_> = seen.into_iter().collect();
                ids.sort_unstable();
                Arc::new(LargeStringArray::from_iter_values(ids))
            }
        };
        GroupIds { ids }
    }
}

fn compact(keys: &mut Vec<u64>) {
    keys.sort_unstable();
    keys.dedup();
}
