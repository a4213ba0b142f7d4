//! Aggregations over the rows of chosen groups.
//!
//! Groups fall into *classes*: one for those that fail the relation, one for each number of steps passed. Each aggregation
//! is counted once per class, over numbers of values rather than values; at the end the classes are added to the lists of
//! the answer that they belong to.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashSet;

use super::super::MatchError;
use super::groups::{NO_SLOT, RowSlots};
use super::input::{Code, Input, Numbers, with_codes};
use super::values::{RowValues, Values};
use crate::document::AggregationKind;
use crate::query::{Aggregation, Query};
use crate::scalar::Scalar;
use crate::sum::{FixedTerms, Sum};
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
    active: Active,
}

/// The rows of a batch that count.
#[derive(Default)]
pub(super) struct Active {
    pub(super) rows: Vec<u32>,
    /// The class of the group of each.
    pub(super) classes: Vec<u8>,
    /// The slot of each, if it is asked for.
    slots: Vec<u32>,
}

impl Active {
    /// Takes the rows that are of a class, without a branch on it.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "there is a place for each item")]
    pub(super) fn fill<T: Copy>(&mut self, items: &[T], class: impl Fn(T) -> u8) {
        self.rows.resize(items.len(), 0);
        self.classes.resize(items.len(), IDLE);
        let (rows, classes) = (&mut self.rows[..items.len()], &mut self.classes[..items.len()]);
        let mut count = 0;
        for (item, row) in items.iter().zip(0_u32..) {
            let class = class(*item);
            rows[count] = row;
            classes[count] = class;
            count += usize::from(class != IDLE);
        }
        self.rows.truncate(count);
        self.classes.truncate(count);
    }

    fn memory_size(&self) -> usize {
        (self.rows.capacity() + self.slots.capacity()) * size_of::<u32>() + self.classes.capacity()
    }
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
                    seen: HashSet::default(),
                })
                .collect(),
            classes,
            active: Active::default(),
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
        self.classes.capacity() + self.active.memory_size() + values + shapes.sum::<usize>()
    }

    /// Whether any row of this batch counts.
    pub(super) fn select(&mut self, slots: &RowSlots) -> bool {
        slots.activate(&self.classes, &mut self.active);
        if self
            .shapes
            .iter()
            .any(|counted| matches!(counted.shape, Shape::Groups { .. }))
        {
            slots.gather(&self.active.rows, &mut self.active.slots);
        }
        !self.active.rows.is_empty()
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
        active: &Active,
        rows: Option<&RowValues>,
        values: Option<&Values>,
        numbers: Option<&RowNumbers>,
    ) {
        let is_done = match (self.shape, rows, values, numbers) {
            (Shape::Counts { .. }, Some(rows), Some(values), _) => self.count_codes(active, rows, values),
            (Shape::Sums { .. }, Some(rows), Some(values), Some(numbers)) => {
                self.sum_codes(active, Some((rows, values)), numbers)
            }
            (Shape::Total { .. }, _, _, Some(numbers)) => self.sum_codes(active, None, numbers),
            _ => false,
        };
        if !is_done {
            self.add_rows(active, rows, values, numbers);
        }
    }

    /// Row by row.
    fn add_rows(
        &mut self,
        active: &Active,
        rows: Option<&RowValues>,
        values: Option<&Values>,
        numbers: Option<&RowNumbers>,
    ) {
        let nulls = nulls(values);
        let value = |row: u32| {
            let value = rows.map_or(u32::MAX, |rows| rows.get(row as usize));
            (!nulls.get(value as usize).copied().unwrap_or(true)).then_some(value)
        };
        for (place, (row, class)) in active.rows.iter().zip(&active.classes).enumerate() {
            let Some(of_class) = self.classes.get_mut(usize::from(*class)) else {
                continue;
            };
            let number = || numbers.and_then(|numbers| numbers.get(*row as usize));
            if let Shape::Total { .. } = self.shape {
                if let Some(number) = number() {
                    of_class
                        .total
                        .get_or_insert_with(|| Sum::empty(self.is_float))
                        .add(number);
                }
                continue;
            }
            let Some(value) = value(*row) else { continue };
            match self.shape {
                Shape::Rows { .. } => of_class.rows += 1,
                Shape::Sums { .. } => of_class.add_to_sum(value, number(), self.is_float),
                Shape::Groups { .. } => {
                    let slot = active.slots.get(place).copied().unwrap_or(NO_SLOT);
                    if mark(&mut self.bits, &mut self.seen, slot, value) {
                        of_class.count(value, 1);
                    }
                }
                Shape::Counts { .. } | Shape::Total { .. } => of_class.count(value, 1),
            }
        }
    }

    /// Counts rows per code, and adds them up per value afterwards; `false`, and nothing is counted, if that does not pay.
    fn count_codes(&mut self, active: &Active, rows: &RowValues, values: &Values) -> bool {
        let RowValues::Coded { codes, entries } = rows else {
            return false;
        };
        let stride = entries.len();
        if !is_worth(stride * self.classes.len(), active) {
            return false;
        }
        let mut counts = vec![0_u32; stride * self.classes.len()];
        with_codes!(codes, codes => {
            for (row, class) in active.rows.iter().zip(&active.classes) {
                let code = codes.get(*row as usize).map_or(usize::MAX, |code| code.index());
                if let Some(count) = counts.get_mut(usize::from(*class) * stride + code.min(stride)) {
                    *count += 1;
                }
            }
        });
        for (class, counts) in self.classes.iter_mut().zip(counts.chunks_exact(stride)) {
            for (value, count) in entries.iter().zip(counts).filter(|(_, count)| **count > 0) {
                if values.value(*value).is_some() {
                    class.count(*value, u64::from(*count));
                }
            }
        }
        true
    }

    /// Likewise sums, in fixed point; without values everything is added up.
    fn sum_codes(&mut self, active: &Active, values: Option<(&RowValues, &Values)>, numbers: &RowNumbers) -> bool {
        let RowNumbers::Coded { codes, entries, count } = numbers else {
            return false;
        };
        let all = RowValues::Rows(Vec::new());
        let (of_rows, known) = values.map_or((&all, None), |(rows, values)| (rows, Some(values)));
        let stride = match (of_rows, known) {
            (RowValues::Coded { entries, .. }, _) => entries.len(),
            (RowValues::Rows(_), None) => 1,
            (RowValues::Rows(_), Some(_)) => return false,
        };
        if !is_worth(stride * self.classes.len() + count, active) {
            return false;
        }
        let numbers = (0..*count).map(|code| entries.get(code));
        let Some(terms) = FixedTerms::of(numbers.clone(), active.rows.len()) else {
            return false;
        };
        let ones: Vec<u32> = numbers.map(|number| u32::from(number.is_some())).collect();
        let mut sums = CodeSums {
            sums: vec![CodeSum::default(); stride * self.classes.len()],
            stride,
            terms: &terms.terms,
            ones: &ones,
        };
        with_codes!(codes, codes => match of_rows {
            RowValues::Coded { codes: of_rows, .. } => with_codes!(of_rows, of_rows => {
                sums.add(active, codes, |row| of_rows.get(row).map_or(usize::MAX, |code| code.index()));
            }),
            RowValues::Rows(_) => sums.add(active, codes, |_| 0),
        });
        let sums = sums.sums;
        for (class, sums) in self.classes.iter_mut().zip(sums.chunks_exact(stride)) {
            class.add_code_sums(sums, of_rows, known, &terms, self.is_float);
        }
        true
    }
}

/// Whether a table of this size is small beside the rows that it is for.
fn is_worth(size: usize, active: &Active) -> bool {
    size <= 2 * active.rows.len() + 1024
}

/// Whether each value is null, by its number.
fn nulls(values: Option<&Values>) -> Vec<bool> {
    let count = values.map_or(0, Values::len);
    let is_null = |value: u32| values.is_none_or(|values| values.value(value).is_none());
    (0..count)
        .map(|value| u32::try_from(value).is_ok_and(is_null))
        .collect()
}

/// Rows of one code: their sum in fixed point, how many there are, and how many of them have a number.
#[derive(Debug, Clone, Copy, Default)]
struct CodeSum {
    sum: i128,
    rows: u32,
    numbers: u32,
}

/// Sums per class and code.
struct CodeSums<'a> {
    sums: Vec<CodeSum>,
    stride: usize,
    terms: &'a [i128],
    ones: &'a [u32],
}

impl CodeSums<'_> {
    #[inline(always)]
    fn add<C: Code>(&mut self, active: &Active, numbers: &[C], code: impl Fn(usize) -> usize) {
        for (row, class) in active.rows.iter().zip(&active.classes) {
            let (row, class) = (*row as usize, usize::from(*class));
            let Some(sum) = self.sums.get_mut(class * self.stride + code(row).min(self.stride)) else {
                continue;
            };
            // The code of null is behind all terms.
            let number = numbers.get(row).map_or(usize::MAX, |number| number.index());
            sum.sum += self.terms.get(number).copied().unwrap_or(0);
            sum.numbers += self.ones.get(number).copied().unwrap_or(0);
            sum.rows += 1;
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
    fn count(&mut self, value: u32, rows: u64) {
        if self.counts.len() <= value as usize {
            self.counts.resize(value as usize + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(value as usize) {
            *count += rows;
        }
    }

    fn sum_of(&mut self, value: u32, is_float: bool) -> Option<&mut Sum> {
        if self.sums.len() <= value as usize {
            self.sums.resize(value as usize + 1, None);
        }
        let sum = self.sums.get_mut(value as usize)?;
        Some(sum.get_or_insert_with(|| Sum::empty(is_float)))
    }

    fn add_to_sum(&mut self, value: u32, number: Option<crate::scalar::Number>, is_float: bool) {
        if let (Some(sum), Some(number)) = (self.sum_of(value, is_float), number) {
            sum.add(number);
        }
    }

    fn add_code_sums(
        &mut self,
        sums: &[CodeSum],
        rows: &RowValues,
        values: Option<&Values>,
        terms: &FixedTerms,
        is_float: bool,
    ) {
        match (rows, values) {
            (RowValues::Coded { entries, .. }, Some(values)) => {
                for (value, sum) in entries.iter().zip(sums).filter(|(_, sum)| sum.rows > 0) {
                    if values.value(*value).is_some()
                        && let Some(total) = self.sum_of(*value, is_float)
                    {
                        total.add_fixed(sum.sum, sum.numbers.into(), terms);
                    }
                }
            }
            _ => {
                for sum in sums.iter().filter(|sum| sum.numbers > 0) {
                    let total = self.total.get_or_insert_with(|| Sum::empty(is_float));
                    total.add_fixed(sum.sum, sum.numbers.into(), terms);
                }
            }
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
