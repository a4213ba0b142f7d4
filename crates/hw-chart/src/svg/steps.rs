//! The steps: a bar each, and its figures at its right.

use crate::canvas::{Anchor, Bounds, Canvas, FAINT, INK, INNER, MARGIN, RIGHT, length};
use crate::document::Selection;
use crate::figures::{count, counted, percent, share};

/// Longest bar.
const BAR: f64 = 452.0;
const BAR_HEIGHT: f64 = 18.0;
/// From one step to the next.
const STEP: f64 = 48.0;
/// Right ends of the columns of figures, and their names.
const COLUMNS: [(f64, &str); 4] = [
    (612.0, "groups"),
    (704.0, "of previous"),
    (784.0, "of first"),
    (RIGHT, "rows"),
];

pub(super) fn draw(canvas: &mut Canvas, sequence: &[Selection], names: &[String]) {
    canvas.head("Steps");
    for (right, name) in COLUMNS {
        canvas.text(right, 12.0, FAINT, Anchor::End, name);
    }
    let first = sequence.first().map_or(0, |step| step.matching_groups);
    let lost_somewhere = sequence.last().is_some_and(|last| last.matching_groups < first);
    if lost_somewhere {
        canvas.text(
            MARGIN,
            12.0,
            FAINT,
            Anchor::Start,
            "lighter: reached the step before, but not this one",
        );
    }
    canvas.y += 22.0;
    let mut before = first;
    for (step, name) in sequence.iter().zip(names) {
        draw_step(canvas, step, name, first, before);
        before = step.matching_groups;
    }
}

fn draw_step(canvas: &mut Canvas, step: &Selection, name: &str, first: u64, before: u64) {
    let groups = step.matching_groups;
    let down = 20.0;
    let bounds = |width| Bounds {
        x: MARGIN,
        down,
        width,
        height: BAR_HEIGHT,
    };
    canvas.fitted(MARGIN, 13.0, INK, INNER, name);
    canvas.bar(bounds(BAR), "hw-track", "");
    let lost = format!(
        "{} lost at step {name}",
        counted(before.saturating_sub(groups), "group")
    );
    if before > groups {
        canvas.bar(bounds(length(share(before, first), BAR)), "hw-lost", &lost);
    }
    let reached = format!("{} at step {name}", counted(groups, "group"));
    canvas.bar(bounds(length(share(groups, first), BAR)), "hw-bar", &reached);
    let figures = [
        count(groups),
        percent(groups, before),
        percent(groups, first),
        count(step.matching_group_rows),
    ];
    for ((right, _), figure) in COLUMNS.iter().zip(&figures) {
        canvas.text(*right, down + 13.5, INK, Anchor::End, figure);
    }
    canvas.y += STEP;
}
