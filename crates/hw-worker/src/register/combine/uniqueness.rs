//! Whether a group is in two parts.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use hw_catalog::Finding;

use crate::register::GroupIds;

/// Groups named in the message.
const EXAMPLES_MAX: usize = 3;

/// Looks for groups that are in two of the parts; `column` is the name of the group column. `None` if there are none.
///
/// Merges the sorted ids of all parts: equal ones then come one after the other, from different parts. Takes no memory
/// beside the ids.
pub(in crate::register) fn compare_ids(lists: &[(&str, &GroupIds)], column: &str) -> Option<Finding> {
    let mut merge: BinaryHeap<Reverse<Cursor<'_>>> = lists
        .iter()
        .enumerate()
        .filter_map(|(list, (_, ids))| Cursor::first(list, ids))
        .map(Reverse)
        .collect();
    let mut distinct = 0_u64;
    let mut straddling: Vec<(String, usize, usize)> = Vec::new();
    let mut last: Option<Cursor<'_>> = None;
    while let Some(Reverse(cursor)) = merge.pop() {
        match &last {
            Some(last) if last.is_same_id(&cursor) => {
                if straddling.len() < EXAMPLES_MAX {
                    straddling.push((cursor.ids.shown(cursor.index), last.list, cursor.list));
                }
            }
            _ => distinct += 1,
        }
        merge.extend(cursor.next().map(Reverse));
        last = Some(cursor);
    }
    if straddling.is_empty() {
        return None;
    }
    let name = |list: usize| lists.get(list).map_or("", |(path, _)| *path);
    let examples: Vec<String> = straddling
        .iter()
        .map(|(id, one, other)| format!("`{id}` in `{}` and `{}`", name(*one), name(*other)))
        .collect();
    let sum: u64 = lists.iter().map(|(_, ids)| ids.len() as u64).sum();
    let message = format!(
        "groups are not contained in parts: the {} parts looked at hold {distinct} distinct values of `{column}`, but \
         {sum} when counted part by part; for instance {}",
        lists.len(),
        examples.join(", ")
    );
    Some(Finding::new("HW-T038", message).at("/groups").help(
        "register with `--groups split`, which is exact for groups that straddle parts; `headwater table repartition` \
         then makes a table of contained groups, over which funnels are faster",
    ))
}

/// A place in one part's sorted ids.
#[derive(Debug, Clone, Copy)]
struct Cursor<'a> {
    list: usize,
    ids: &'a GroupIds,
    index: usize,
}

impl<'a> Cursor<'a> {
    fn first(list: usize, ids: &'a GroupIds) -> Option<Self> {
        (!ids.is_empty()).then_some(Self { list, ids, index: 0 })
    }

    fn next(&self) -> Option<Self> {
        (self.index + 1 < self.ids.len()).then_some(Self {
            index: self.index + 1,
            ..*self
        })
    }

    fn is_same_id(&self, other: &Self) -> bool {
        self.ids.compare(self.index, other.ids, other.index).is_eq()
    }
}

impl Ord for Cursor<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ids
            .compare(self.index, other.ids, other.index)
            .then(self.list.cmp(&other.list))
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor<'_> {}
