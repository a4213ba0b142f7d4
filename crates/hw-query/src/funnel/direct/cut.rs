//! Where parts can be cut between row groups: no group on both sides.
//!
//! ```text
//! row groups by their least group   [1..4] [5..9] [9..12]      [13..20]
//!                                          ▲ no: 9 is in both  ▲ yes
//! ```
//!
//! The ranges are those that footers tell, which may be wrong; whoever matches the pieces holds the groups that were seen
//! against each other afterwards.

use std::sync::Arc;

use arrow_schema::DataType;
use hw_files::PartReader;
use parquet::file::statistics::Statistics;

use super::unit::{OpenPart, Piece};
use crate::funnel::skip;

/// Rows below which nothing is cut: a matcher more costs about as much as it saves.
pub(super) const CUT_ROWS_MIN: u64 = if cfg!(test) { 24 } else { 200_000 };

/// A bound of the group column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Int(i128),
    Bytes(Vec<u8>),
}

/// A row group that has rows to be matched.
struct Item {
    part: usize,
    row_group: usize,
    rows: u64,
    least: Bound,
    greatest: Bound,
}

/// Cuts parts into at most about `count` lists of similar size; one list where nothing can or need be cut.
pub(super) fn cut(parts: &[Arc<OpenPart>], count: usize) -> Vec<Vec<Piece>> {
    let whole = || vec![parts.iter().map(|part| Piece::whole(Arc::clone(part))).collect()];
    // A part in memory has no row groups any more.
    if count < 2 || parts.iter().any(|part| part.hot.is_some()) {
        return whole();
    }
    let Some(mut items) = items(parts) else { return whole() };
    let rows: u64 = items.iter().map(|item| item.rows).sum();
    if rows < CUT_ROWS_MIN {
        return whole();
    }
    items.sort_by(|left, right| left.least.cmp(&right.least));
    let lists = lists(items, rows.div_ceil(count as u64));
    match lists.len() {
        0 | 1 => whole(),
        _ => pieces(parts, &lists),
    }
}

/// `None` if some row group does not tell its groups.
fn items(parts: &[Arc<OpenPart>]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        for row_group in 0..part.reader.row_groups() {
            let rows = part.reader.rows(row_group) as u64;
            if rows == 0 || part.is_skipped(row_group) {
                continue;
            }
            let (least, greatest) = range(&part.reader, row_group, *part.columns.first()?)?;
            items.push(Item {
                part: number,
                row_group,
                rows,
                least,
                greatest,
            });
        }
    }
    Some(items)
}

/// Lists of at least `target` rows each but the last, none of which has a group of another.
fn lists(items: Vec<Item>, target: u64) -> Vec<Vec<Item>> {
    let mut lists: Vec<Vec<Item>> = Vec::new();
    let mut open: Vec<Item> = Vec::new();
    let mut greatest: Option<Bound> = None;
    for item in items {
        let rows: u64 = open.iter().map(|item| item.rows).sum();
        let is_apart = greatest.as_ref().is_some_and(|greatest| *greatest < item.least);
        if rows >= target && is_apart {
            lists.push(std::mem::take(&mut open));
        }
        greatest = greatest.max(Some(item.greatest.clone()));
        open.push(item);
    }
    lists.push(open);
    lists
}

/// Row groups stay in the order of their file. Those without rows to be matched go with the first list.
fn pieces(parts: &[Arc<OpenPart>], lists: &[Vec<Item>]) -> Vec<Vec<Piece>> {
    let list_of = |part: usize, row_group: usize| {
        let holds = |list: &Vec<Item>| list.iter().any(|item| item.part == part && item.row_group == row_group);
        lists.iter().position(holds).unwrap_or(0)
    };
    let mut cut: Vec<Vec<Piece>> = vec![Vec::new(); lists.len()];
    for (number, part) in parts.iter().enumerate() {
        let mut row_groups: Vec<Vec<usize>> = vec![Vec::new(); lists.len()];
        for row_group in 0..part.reader.row_groups() {
            if let Some(list) = row_groups.get_mut(list_of(number, row_group)) {
                list.push(row_group);
            }
        }
        for (list, row_groups) in cut.iter_mut().zip(row_groups) {
            if !row_groups.is_empty() {
                list.push(Piece {
                    part: Arc::clone(part),
                    row_groups,
                });
            }
        }
    }
    cut
}

/// Least and greatest group of a row group, or something beyond them.
#[expect(
    clippy::cast_sign_loss,
    reason = "unsigned numbers are stored in the bits of signed ones"
)]
fn range(reader: &PartReader, row_group: usize, column: usize) -> Option<(Bound, Bound)> {
    let data_type = match reader.schema().fields().get(column)?.data_type() {
        DataType::Dictionary(_, values) => values.as_ref(),
        other => other,
    };
    let statistics = skip::chunk(reader, row_group, column)?.statistics()?;
    let int = |least: i128, greatest: i128| Some((Bound::Int(least), Bound::Int(greatest)));
    match (data_type, statistics) {
        (DataType::UInt64, Statistics::Int64(values)) => {
            int((*values.min_opt()? as u64).into(), (*values.max_opt()? as u64).into())
        }
        (DataType::UInt32, Statistics::Int32(values)) => {
            int((*values.min_opt()? as u32).into(), (*values.max_opt()? as u32).into())
        }
        (data_type, Statistics::Int64(values)) if data_type.is_integer() => {
            int((*values.min_opt()?).into(), (*values.max_opt()?).into())
        }
        (data_type, Statistics::Int32(values)) if data_type.is_integer() => {
            int((*values.min_opt()?).into(), (*values.max_opt()?).into())
        }
        // Shortened bounds lie further out.
        (DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View, Statistics::ByteArray(values)) => Some((
            Bound::Bytes(values.min_bytes_opt()?.to_vec()),
            Bound::Bytes(values.max_bytes_opt()?.to_vec()),
        )),
        _ => None,
    }
}
