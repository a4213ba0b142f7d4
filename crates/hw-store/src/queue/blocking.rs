//! Which tasks are held up by one that ended otherwise than needed: those behind it, however far.

use std::collections::{BTreeMap, BTreeSet};

use hw_job::TaskState;

/// All that stand behind a task, by way of others too; `next` tells who stands right behind one. Each is asked about once.
pub(crate) fn behind<K: Ord + Copy>(first: K, mut next: impl FnMut(K) -> Vec<K>) -> BTreeSet<K> {
    let mut found = BTreeSet::new();
    let mut open = vec![first];
    while let Some(task) = open.pop() {
        open.extend(next(task).into_iter().filter(|task| found.insert(*task)));
    }
    found
}

/// A blocked task, and one that it needs and that has not succeeded, with the state of that one.
pub(crate) struct Need<K> {
    pub(crate) task: K,
    pub(crate) before: K,
    pub(crate) state: TaskState,
}

/// Those of the blocked tasks that nothing holds up any more, be it that what they need is itself free again.
pub(crate) fn freed<K: Ord + Copy>(needs: &[Need<K>]) -> BTreeSet<K> {
    let mut held: BTreeMap<K, usize> = BTreeMap::new();
    let mut behind: BTreeMap<K, Vec<K>> = BTreeMap::new();
    for need in needs {
        *held.entry(need.task).or_default() += usize::from(need.state.holds_up());
        if need.state == TaskState::Blocked {
            behind.entry(need.before).or_default().push(need.task);
        }
    }
    let mut free = BTreeSet::new();
    let mut open: Vec<K> = held.iter().filter(|(_, by)| **by == 0).map(|(task, _)| *task).collect();
    while let Some(task) = open.pop() {
        free.insert(task);
        for next in behind.remove(&task).unwrap_or_default() {
            if let Some(by) = held.get_mut(&next) {
                *by = by.saturating_sub(1);
                if *by == 0 {
                    open.push(next);
                }
            }
        }
    }
    free
}
