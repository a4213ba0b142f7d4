//! Counting tasks by state.

use hw_job::{TaskCounts, TaskState};

/// Moves `count` tasks from one state to another; states without a task stay absent.
pub(crate) fn move_counted(counts: &mut TaskCounts, from: TaskState, to: TaskState, count: u32) {
    if count == 0 {
        return;
    }
    if let Some(left) = counts.0.get_mut(&from) {
        *left = left.saturating_sub(count);
        if *left == 0 {
            counts.0.remove(&from);
        }
    }
    *counts.0.entry(to).or_default() += count;
}
