//! Values of a column to dense numbers, given in the order of first sight.

use foldhash::HashMap;

use super::super::MatchError;
use super::input::{Code, Codes, Input, cells, with_codes};
use crate::column::Cell;
use crate::query::Column;
use crate::scalar::Scalar;

/// All values of a column seen so far; null may be one of them.
#[derive(Default)]
pub(super) struct Values {
    numbers: HashMap<Scalar, u32>,
    null: Option<u32>,
    values: Vec<Option<Scalar>>,
    bytes: usize,
}

/// The number of each row's value.
pub(super) enum RowValues {
    /// By code; the last entry is that of null.
    Coded {
        codes: Codes,
        entries: Vec<u32>,
    },
    Rows(Vec<u32>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn memory_size(&self) -> usize {
        self.bytes + self.values.len() * (2 * size_of::<Scalar>() + 16)
    }

    /// `None` for null.
    pub(super) fn value(&self, number: u32) -> Option<&Scalar> {
        self.values.get(number as usize).and_then(Option::as_ref)
    }

    pub(super) fn number(&mut self, cell: Cell<'_>) -> u32 {
        // There are never more values than rows, whose number is limited.
        let next = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let value = match cell {
            Cell::Null => {
                return *self.null.get_or_insert_with(|| {
                    self.values.push(None);
                    next
                });
            }
            // Lists are only ever counted, so that all of them may share a number.
            Cell::List(_) => Scalar::Bool(true),
            cell => match cell.to_scalar() {
                Some(value) => value,
                None => return next,
            },
        };
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        if let Scalar::Text(text) = &value {
            self.bytes += 2 * text.len();
        }
        self.values.push(Some(value.clone()));
        self.numbers.insert(value, next);
        next
    }

    /// # Errors
    /// [`MatchError::Unreadable`].
    pub(super) fn rows(&mut self, input: &Input, column: &Column) -> Result<RowValues, MatchError> {
        let (Input::Flat(array) | Input::Coded(super::input::Coded { entries: array, .. })) = input;
        let cells = cells(array, column)?;
        let mut numbers: Vec<u32> = (0..array.len()).map(|row| self.number(cells.cell(row))).collect();
        match input {
            Input::Flat(_) => Ok(RowValues::Rows(numbers)),
            Input::Coded(coded) => {
                let null = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                let has_null = with_codes!(&coded.codes, codes => has_code(codes, null));
                numbers.push(if has_null { self.number(Cell::Null) } else { u32::MAX });
                Ok(RowValues::Coded {
                    codes: coded.codes.clone(),
                    entries: numbers,
                })
            }
        }
    }
}

/// Whether a row has this code: a stretch at a time, each of them without a branch.
fn has_code<C: Code>(codes: &[C], wanted: u32) -> bool {
    let wanted = wanted as usize;
    codes
        .chunks(1024)
        .any(|codes| codes.iter().fold(false, |found, code| found | (code.index() == wanted)))
}

impl RowValues {
    /// The numbers of some rows, in their order.
    pub(super) fn gather(&self, rows: &[u32], into: &mut Vec<u32>) {
        into.clear();
        match self {
            Self::Coded { codes, entries } => with_codes!(codes, codes => into.extend(rows.iter().map(|row| {
                let code = codes.get(*row as usize);
                code.and_then(|code| entries.get(code.index())).copied().unwrap_or(u32::MAX)
            }))),
            Self::Rows(numbers) => super::gather(numbers, rows, into),
        }
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> u32 {
        match self {
            Self::Coded { codes, entries } => with_codes!(codes, codes => {
                codes.get(row).and_then(|code| entries.get(code.index())).copied().unwrap_or(u32::MAX)
            }),
            Self::Rows(numbers) => numbers.get(row).copied().unwrap_or(u32::MAX),
        }
    }
}
