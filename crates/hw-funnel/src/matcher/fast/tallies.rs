//! Aggregations over the rows of chosen groups.
//!
//! Groups fall into *classes*: one for those that fail the relation, one for each number of steps passed. Each aggregation
//! is counted once per class, over numbers of values rather than values; at the end the classes are added to the lists of
//! the answer that they belong to.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::MatchError;
use super::input::{Input, Numbers};
use super::values::{RowValues, Values};
use crate::document::AggregationKind;
use crate::query::{Aggregation, Query};
use crate::scalar::Scalar;
use crate::sum::Sum;
use crate::tally::Tally;

/// Values that are kept as one bit per group.
const BITS: usize = 64;

/// What is counted once, whichever lists ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Rows that are not null.
    Rows { column: usize },
    /// Rows per value.
    Counts { column: usize },
    /// Groups per value.
    Groups { column: usize },
    /// Sums of another column per value.
    Sums { column: usize, other: usize },
    /// The sum of the column.
    Total { column: usize },
}

impl Shape {
    fn of(aggregation: &Aggregation) -> Self {
        let column = aggregation.column;
        match aggregation.kind {
            AggregationKind::Count => Self::Rows { column },
            AggregationKind::GroupsPerValue => Self::Groups { column },
            AggregationKind::CountPerValue
            | AggregationKind::Quantile
            | AggregationKind::Distinct
            | AggregationKind::Min
            | AggregationKind::Max => Self::Counts { column },
            AggregationKind::SumPerValue | AggregationKind::MeanPerValue => Self::Sums {
                column,
                other: aggregation.other.unwrap_or(column),
            },
            AggregationKind::Sum | AggregationKind::Mean => Self::Total { column },
        }
    }

    fn value_column(self) -> Option<usize> {
        match self {
            Self::Rows { column } | Self::Counts { column } | Self::Groups { column } | Self::Sums { column, .. } => {
                Some(column)
            }
            Self::Total { .. } => None,
        }
    }

    fn number_column(self) -> Option<usize> {
        match self {
            Self::Sums { other, .. } => Some(other),
            Self::Total { column } => Some(column),
            Self::Rows { .. } | Self::Counts { .. } | Self::Groups { .. } => None,
        }
    }
}

/// Counts of one shape.
struct Counted {
    shape: Shape,
    is_float: bool,
    /// Per class.
    classes: Vec<Class>,
    /// Values seen per slot, for groups per value: as bits while there are few.
    bits: Vec<u64>,
    seen: HashSet<(u32, u32)>,
}

#[derive(Default, Clone)]
struct Class {
    rows: u64,
    counts: Vec<u64>,
    sums: Vec<Option<Sum>>,
    total: Option<Sum>,
}

/// See the module.
pub(super) struct Tallying {
    /// Class of each slot; [`IDLE`] if nothing counts its rows.
    classes: Vec<u8>,
    shapes: Vec<Counted>,
    values: Vec<Option<Values>>,
    active: Vec<(u32, u32, u8)>,
}

/// The class of groups whose rows nothing counts.
pub(super) const IDLE: u8 = u8::MAX;

impl Tallying {
    /// `count`: number of classes.
    pub(super) fn new(query: &Query, lists: &[&[Aggregation]], classes: Vec<u8>, count: usize) -> Self {
        let mut shapes: Vec<Shape> = Vec::new();
        for shape in lists.iter().flat_map(|list| list.iter().map(Shape::of)) {
            if !shapes.contains(&shape) {
                shapes.push(shape);
            }
        }
        let needs_values = |column| shapes.iter().any(|shape| shape.value_column() == Some(column));
        let values = (0..query.columns.len()).map(|column| needs_values(column).then(Values::default));
        Self {
            values: values.collect(),
            shapes: shapes
                .iter()
                .map(|shape| Counted {
                    shape: *shape,
                    is_float: shape.number_column().is_some_and(|column| query.is_float(column)),
                    classes: vec![Class::default(); count],
                    bits: Vec::new(),
                    seen: HashSet::new(),
                })
                .collect(),
            classes,
            active: Vec::new(),
        }
    }

    pub(super) fn memory_size(&self) -> usize {
        let values: usize = self.values.iter().flatten().map(Values::memory_size).sum();
        let shapes = self.shapes.iter().map(|counted| {
            let classes: usize = counted
                .classes
                .iter()
                .map(|class| class.counts.len() * 8 + class.sums.len() * 96)
                .sum();
            classes + counted.bits.capacity() * 8 + counted.seen.capacity() * 16
        });
        self.classes.capacity() + self.active.capacity() * 12 + values + shapes.sum::<usize>()
    }

    /// Whether any row of this batch counts, from the slot of each of its rows (any number for those that do not).
    pub(super) fn select(&mut self, slots: &[u32]) -> bool {
        let classes = &self.classes;
        let active = slots.iter().zip(0_u32..).filter_map(|(slot, row)| {
            let class = classes.get(*slot as usize).copied().filter(|class| *class != IDLE)?;
            Some((row, *slot, class))
        });
        self.active.clear();
        self.active.extend(active);
        !self.active.is_empty()
    }

    /// Adds the selected rows; `input` gives the columns of their batch.
    pub(super) fn add(
        &mut self,
        query: &Query,
        mut input: impl FnMut(usize) -> Result<Input, MatchError>,
    ) -> Result<(), MatchError> {
        let mut values: Vec<Option<RowValues>> = Vec::with_capacity(self.values.len());
        for (column, known) in self.values.iter_mut().enumerate() {
            values.push(match (known, query.columns.get(column)) {
                (Some(known), Some(bound)) => Some(known.rows(&input(column)?, bound)?),
                _ => None,
            });
        }
        for counted in &mut self.shapes {
            let numbers = match counted.shape.number_column() {
                Some(column) => Some(read_numbers(query, column, &input(column)?)?),
                None => None,
            };
            let column = counted.shape.value_column();
            let row_values = column.and_then(|column| values.get(column)).and_then(Option::as_ref);
            let known = column
                .and_then(|column| self.values.get(column))
                .and_then(Option::as_ref);
            counted.add(&self.active, row_values, known, numbers.as_ref());
        }
        Ok(())
    }

    /// The tally of an aggregation over some classes.
    pub(super) fn tally(
        &self,
        query: &Query,
        aggregation: &Aggregation,
        classes: impl Iterator<Item = usize>,
    ) -> Tally {
        let mut tally = Tally::empty(aggregation, query);
        let shape = Shape::of(aggregation);
        let values = shape
            .value_column()
            .and_then(|column| self.values.get(column))
            .and_then(Option::as_ref);
        if let Some(counted) = self.shapes.iter().find(|counted| counted.shape == shape) {
            let chosen = classes.filter_map(|class| counted.classes.get(class));
            chosen.for_each(|class| class.add_to(&mut tally, values));
        }
        tally
    }
}

fn read_numbers(query: &Query, column: usize, input: &Input) -> Result<RowNumbers, MatchError> {
    let missing = || MatchError::MissingColumn { column: String::new() };
    let bound = query.columns.get(column).ok_or_else(missing)?;
    match input {
        Input::Flat(array) => Ok(RowNumbers::Rows(Numbers::read(array, bound)?)),
        Input::Coded(coded) => Ok(RowNumbers::Coded {
            codes: coded.codes.clone(),
            entries: Numbers::read(&coded.entries, bound)?,
            count: coded.entries.len(),
        }),
    }
}

/// A column of numbers, by code or by row.
pub(super) enum RowNumbers {
    Coded {
        codes: super::input::Codes,
        entries: Numbers,
        count: usize,
    },
    Rows(Numbers),
}

impl RowNumbers {
    /// # Errors
    /// [`MatchError::Unreadable`].
    pub(super) fn read(query: &Query, column: usize, input: &Input) -> Result<Self, MatchError> {
        read_numbers(query, column, input)
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<crate::scalar::Number> {
        match self {
            Self::Rows(numbers) => numbers.get(row),
            Self::Coded { codes, entries, count } => {
                let code = super::input::with_codes!(codes, codes => {
                    codes.get(row).map(|code| super::input::Code::index(*code))
                });
                code.filter(|code| code < count).and_then(|code| entries.get(code))
            }
        }
    }
}

impl Counted {
    fn add(
        &mut self,
        active: &[(u32, u32, u8)],
        rows: Option<&RowValues>,
        values: Option<&Values>,
        numbers: Option<&RowNumbers>,
    ) {
        let count = values.map_or(0, Values::len);
        let is_null = |value: u32| values.is_none_or(|values| values.value(value).is_none());
        let nulls: Vec<bool> = (0..count)
            .map(|value| u32::try_from(value).is_ok_and(is_null))
            .collect();
        let value = |row: u32| {
            let value = rows.map_or(u32::MAX, |rows| rows.get(row as usize));
            (!nulls.get(value as usize).copied().unwrap_or(true)).then_some(value)
        };
        for (row, slot, class) in active {
            match self.shape {
                Shape::Total { .. } => {
                    if let (Some(class), Some(number)) = (
                        self.classes.get_mut(usize::from(*class)),
                        numbers.and_then(|numbers| numbers.get(*row as usize)),
                    ) {
                        class.total.get_or_insert_with(|| Sum::empty(self.is_float)).add(number);
                    }
                }
                _ => {
                    let Some(value) = value(*row) else { continue };
                    let is_new = match self.shape {
                        Shape::Groups { .. } => mark(&mut self.bits, &mut self.seen, *slot, value),
                        _ => true,
                    };
                    let Some(class) = self.classes.get_mut(usize::from(*class)) else {
                        continue;
                    };
                    match self.shape {
                        Shape::Rows { .. } => class.rows += 1,
                        Shape::Sums { .. } => {
                            let number = numbers.and_then(|numbers| numbers.get(*row as usize));
                            class.add_to_sum(value, number, self.is_float);
                        }
                        _ if is_new => class.count(value),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Whether the value is new to the slot.
fn mark(bits: &mut Vec<u64>, seen: &mut HashSet<(u32, u32)>, slot: u32, value: u32) -> bool {
    if value as usize >= BITS {
        return seen.insert((slot, value));
    }
    if bits.len() <= slot as usize {
        bits.resize((slot as usize + 1).next_power_of_two(), 0);
    }
    let Some(known) = bits.get_mut(slot as usize) else {
        return true;
    };
    let bit = 1_u64 << value;
    let is_new = *known & bit == 0;
    *known |= bit;
    is_new
}

impl Class {
    #[inline]
    fn count(&mut self, value: u32) {
        if let Some(count) = self.counts.get_mut(value as usize) {
            *count += 1;
        } else {
            self.counts.resize(value as usize + 1, 0);
            self.count(value);
        }
    }

    fn add_to_sum(&mut self, value: u32, number: Option<crate::scalar::Number>, is_float: bool) {
        if self.sums.len() <= value as usize {
            self.sums.resize(value as usize + 1, None);
        }
        if let Some(sum) = self.sums.get_mut(value as usize) {
            let sum = sum.get_or_insert_with(|| Sum::empty(is_float));
            number.into_iter().for_each(|number| sum.add(number));
        }
    }

    fn add_to(&self, tally: &mut Tally, values: Option<&Values>) {
        let counts = || {
            let counted = self.counts.iter().zip(0_u32..).filter(|(count, _)| **count > 0);
            counted.filter_map(|(count, value)| Some((values?.value(value)?.clone(), *count)))
        };
        let other = match tally {
            Tally::Rows(_) => Tally::Rows(self.rows),
            Tally::Counts(_) => Tally::Counts(counts().collect()),
            Tally::Sums(_) => Tally::Sums(self.sums_by_value(values)),
            Tally::Total(_) => match &self.total {
                Some(total) => Tally::Total(total.clone()),
                None => return,
            },
            Tally::Extreme { is_max, .. } => Tally::Extreme {
                is_max: *is_max,
                value: if *is_max {
                    counts().map(|(value, _)| value).max()
                } else {
                    counts().map(|(value, _)| value).min()
                },
            },
            Tally::Values(_) => Tally::Values(counts().map(|(value, _)| value).collect::<BTreeSet<Scalar>>()),
        };
        tally.merge(&other);
    }

    fn sums_by_value(&self, values: Option<&Values>) -> BTreeMap<Scalar, Sum> {
        let sums = self.sums.iter().zip(0_u32..);
        sums.filter_map(|(sum, value)| Some((values?.value(value)?.clone(), sum.clone()?)))
            .collect()
    }
}
