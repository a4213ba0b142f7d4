//! The steps value by value: a row for each value, a column for each step.

use crate::canvas::{Anchor, Bounds, Canvas, FAINT, INK, INNER, MARGIN, RIGHT, TINY, length};
use crate::document::Branch;
use crate::figures::{count, counted, percent, share};

/// Most values that are drawn; those left are counted. Tables hold them all.
pub(crate) const BRANCHES_MAX: usize = 24;
const LABEL: f64 = 560.0;
/// Upper and lower end of the bars.
const TOP: f64 = 22.0;
const FOOT: f64 = 54.0;
/// Least width of a column whose share is written below it.
const COLUMN: f64 = 48.0;

pub(super) fn draw(canvas: &mut Canvas, title: &str, branches: &[Branch], names: &[String]) {
    if branches.is_empty() {
        return;
    }
    canvas.head(title);
    canvas.remark("a column for each step: its groups as a share of the value's first step");
    let (shown, left) = branches.split_at(branches.len().min(BRANCHES_MAX));
    for branch in shown {
        draw_branch(canvas, branch, names);
    }
    if !left.is_empty() {
        let left = u64::try_from(left.len()).unwrap_or(u64::MAX);
        canvas.remark(&format!("and {} not drawn", counted(left, "more row")));
    }
}

fn draw_branch(canvas: &mut Canvas, branch: &Branch, names: &[String]) {
    let groups = |step: Option<&crate::Selection>| step.map_or(0, |step| step.matching_groups);
    let (first, last) = (groups(branch.sequence.first()), groups(branch.sequence.last()));
    canvas.fitted(MARGIN, 14.0, INK, LABEL, &branch.label());
    let whole = match branch.sequence.len() {
        0 | 1 => counted(first, "group"),
        _ => format!(
            "{} of {}: {}",
            count(last),
            counted(first, "group"),
            percent(last, first)
        ),
    };
    canvas.text(RIGHT, 14.0, FAINT, Anchor::End, &whole);
    let width = INNER / branch.sequence.len().max(1) as f64;
    let has_room = width >= COLUMN;
    for (at, (step, name)) in branch.sequence.iter().zip(names).enumerate() {
        let x = MARGIN + width * at as f64;
        let height = length(share(step.matching_groups, first), FOOT - TOP);
        let column = |down, height| Bounds {
            x: x + 1.0,
            down,
            width: (width - 2.0).max(1.0),
            height,
        };
        canvas.bar(column(TOP, FOOT - TOP), "hw-track", "");
        let rate = percent(step.matching_groups, first);
        let tip = format!(
            "{}, step {name}: {} ({rate})",
            branch.label(),
            counted(step.matching_groups, "group")
        );
        canvas.bar(column(FOOT - height, height), "hw-bar", &tip);
        if has_room {
            canvas.text(x + width / 2.0, FOOT + 13.0, TINY, Anchor::Middle, &rate);
        }
    }
    canvas.y += if has_room { 80.0 } else { 68.0 };
}
