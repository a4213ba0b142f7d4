//! A funnel's result: bars for people, one row per step for CSV.

use std::fmt::Write as _;

use hw_chart::{
    Aggregation, Branch, Compare, FunnelResult, Selection, count, counted, figure_text, number, numbered, percent,
    share, step_labels,
};
use serde_json::Value;

use crate::render::csv;
use crate::render::grid::{Cell, Grid};
use crate::render::rows::Layout;
use crate::render::text::{fit, pad, printable, width};

/// Columns of the longest bar, where there is room.
const BAR_WIDTH: usize = 30;
/// Columns of the longest bar, and of a step's name, where there is not.
const BAR_WIDTH_MIN: usize = 10;

/// The result for people. `query` is the document that was asked, for the names of the steps.
pub(crate) fn chart(result: &FunnelResult, query: &Value, layout: Layout) -> String {
    let mut out = selection_line(&result.query, query);
    let labels = step_labels(query);
    section(&mut out, &aggregations(&result.query.aggregations, layout));
    if let Some(funnel) = &result.funnel {
        out.push('\n');
        out.push_str(&steps(&funnel.sequence, &labels, layout));
        section(&mut out, &times(&funnel.sequence, &labels, layout));
        for (step, label) in funnel.sequence.iter().zip(numbered(&labels)) {
            titled(&mut out, &label, &aggregations(&step.aggregations, layout), layout);
        }
        titled(
            &mut out,
            "after the last step",
            &aggregations(&funnel.end_aggregations, layout),
            layout,
        );
        titled(
            &mut out,
            &breakdown_title(query),
            &branches(&funnel.breakdown, layout),
            layout,
        );
    }
    if let Some(compare) = &result.compare {
        section(&mut out, &comparison(compare, layout));
    }
    out
}

/// One row per step, or one row for the query where there is no funnel.
pub(crate) fn csv(result: &FunnelResult) -> String {
    let Some(funnel) = &result.funnel else {
        let head = csv::line([Some("matching_groups"), Some("matching_group_rows")]);
        let groups = result.query.matching_groups.to_string();
        let rows = result.query.matching_group_rows.to_string();
        return head + &csv::line([Some(groups.as_str()), Some(rows.as_str())]);
    };
    let heads = [
        "step",
        "matching_groups",
        "matching_group_rows",
        "step_rate",
        "total_rate",
    ];
    let mut out = csv::line(heads.map(Some));
    let first = groups_of(funnel.sequence.first());
    let mut before = first;
    for (at, step) in funnel.sequence.iter().enumerate() {
        let rate = |whole| share(step.matching_groups, whole).map(number_exact);
        let fields = [
            Some((at + 1).to_string()),
            Some(step.matching_groups.to_string()),
            Some(step.matching_group_rows.to_string()),
            rate(before),
            rate(first),
        ];
        out.push_str(&csv::line(fields.iter().map(Option::as_deref)));
        before = step.matching_groups;
    }
    out
}

/// `4 parts · 334,264 rows read · 0.12 s`, as far as the document tells.
pub(crate) fn stats_line(result: &FunnelResult) -> String {
    let at = |pointer: &str| result.stats.pointer(pointer);
    let parts = at("/dataset/parts")
        .and_then(Value::as_u64)
        .map(|parts| counted(parts, "part"));
    let rows = at("/worker/scannedRows")
        .and_then(Value::as_u64)
        .map(|rows| format!("{} read", counted(rows, "row")));
    let bytes = at("/dataset/totalSize")
        .and_then(Value::as_u64)
        .map(super::figures::bytes);
    let time = at("/totalTime").and_then(Value::as_f64).map(super::figures::seconds);
    let known: Vec<String> = [parts, rows, bytes, time].into_iter().flatten().collect();
    known.join(" · ")
}

fn number_exact(value: f64) -> String {
    // Six digits behind the point tell any two shares of a million groups apart.
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn groups_of(step: Option<&Selection>) -> u64 {
    step.map_or(0, |step| step.matching_groups)
}

fn selection_line(selection: &Selection, query: &Value) -> String {
    let conditions = query.pointer("/query/conditions").and_then(Value::as_array);
    let what = match conditions {
        Some(conditions) if !conditions.is_empty() => " match the conditions",
        _ => "",
    };
    format!(
        "{}{what}, with {}\n",
        counted(selection.matching_groups, "group"),
        counted(selection.matching_group_rows, "row")
    )
}

fn steps(sequence: &[Selection], labels: &[String], layout: Layout) -> String {
    let (label_width, bar_width) = widths(sequence, labels, layout);
    let mut grid = Grid::new(&["step", ">groups", "", ">of previous", ">of first", ">rows"]);
    let first = groups_of(sequence.first());
    let mut before = first;
    for (step, label) in sequence.iter().zip(numbered(labels)) {
        grid.row(vec![
            Cell::new(fit(&printable(&label), label_width, layout.more())),
            Cell::new(count(step.matching_groups)),
            Cell::new(bar(step.matching_groups, first, bar_width, layout.unicode)),
            Cell::new(percent(step.matching_groups, before)),
            Cell::new(percent(step.matching_groups, first)),
            Cell::new(count(step.matching_group_rows)),
        ]);
        before = step.matching_groups;
    }
    // The parts fit by now: a grid that shortens would cut the bars.
    grid.render(Layout { width: None, ..layout })
}

/// Columns for the steps' names and for the bars: what the figures leave, names first.
fn widths(sequence: &[Selection], labels: &[String], layout: Layout) -> (usize, usize) {
    let longest = sequence
        .iter()
        .zip(numbered(labels))
        .map(|(_, label)| width(&printable(&label)));
    let longest = longest.max().unwrap_or(0);
    let Some(total) = layout.width else {
        return (longest, BAR_WIDTH);
    };
    let widest = |figure: fn(&Selection) -> u64, head: &str| {
        let widths = sequence.iter().map(|step| count(figure(step)).len());
        widths.fold(head.len(), usize::max)
    };
    let figures = widest(|step| step.matching_groups, "groups") + widest(|step| step.matching_group_rows, "rows");
    let left = total.saturating_sub(figures + "of previous".len() + "of first".len() + 5 * 2);
    let label_width = longest.min(left.saturating_sub(BAR_WIDTH_MIN)).max(BAR_WIDTH_MIN);
    (
        label_width,
        left.saturating_sub(label_width).clamp(BAR_WIDTH_MIN, BAR_WIDTH),
    )
}

/// A bar in `width` columns, exact to an eighth of one; one that stands for something is never empty.
pub(super) fn bar(part: u64, whole: u64, width: usize, unicode: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths_max = width as f64 * 8.0;
    let eighths = share(part, whole).map_or(0, |share| (share * eighths_max).round() as usize);
    let eighths = eighths.max(usize::from(part > 0)).min(width * 8);
    let (full, rest) = (eighths / 8, eighths % 8);
    let filled = match unicode {
        true => format!("{}{}", "█".repeat(full), EIGHTHS.get(rest).unwrap_or(&"")),
        false => "#".repeat(full.max(usize::from(part > 0))),
    };
    // All bars take the same columns, so that the figures behind them do not move with the data.
    pad(&filled, width, false)
}

fn times(sequence: &[Selection], labels: &[String], layout: Layout) -> String {
    let mut grid = Grid::new(&[
        "time since the step before",
        ">groups",
        ">median",
        ">p90",
        ">mean",
        ">min",
        ">max",
    ]);
    for (step, label) in sequence.iter().zip(numbered(labels)) {
        let Some(times) = &step.since_previous else { continue };
        let figure = |value: Option<f64>| Cell::maybe(value.map(number));
        grid.row(vec![
            Cell::new(label),
            Cell::new(count(times.count)),
            figure(times.p50),
            figure(times.p90),
            figure(times.mean),
            figure(times.min),
            figure(times.max),
        ]);
    }
    if grid.is_empty() {
        return String::new();
    }
    grid.render(layout)
}

fn aggregations(list: &[Aggregation], layout: Layout) -> String {
    let mut out = String::new();
    let mut numbers = Grid::new(&["aggregation", ">value"]);
    for aggregation in list {
        match &aggregation.value {
            Value::Object(_) => section(&mut out, &value_table(aggregation, layout)),
            value => numbers.row(vec![Cell::new(aggregation.title()), Cell::new(figure_text(value))]),
        }
    }
    match numbers.is_empty() {
        true => out,
        false => {
            let mut all = numbers.render(layout);
            section(&mut all, &out);
            all
        }
    }
}

fn value_table(aggregation: &Aggregation, layout: Layout) -> String {
    let mut grid = Grid::new(&["", ">"]);
    for (key, value) in aggregation.entries().unwrap_or_default() {
        grid.row(vec![Cell::new(format!("  {key}")), Cell::new(figure_text(value))]);
    }
    format!(
        "{}\n{}",
        layout.style.strong(printable(&aggregation.title())),
        grid.render(layout)
    )
}

fn breakdown_title(query: &Value) -> String {
    match query.pointer("/funnel/breakdown/column").and_then(Value::as_str) {
        Some(column) => format!("by {column}"),
        None => "by value".to_owned(),
    }
}

fn branches(branches: &[Branch], layout: Layout) -> String {
    const HEADS: [&str; 10] = [
        ">step 1", ">step 2", ">step 3", ">step 4", ">step 5", ">step 6", ">step 7", ">step 8", ">step 9", ">step 10",
    ];
    let Some(steps) = branches.iter().map(|branch| branch.sequence.len()).max() else {
        return String::new();
    };
    let shown = steps.min(HEADS.len());
    let heads: Vec<&'static str> = ["value"]
        .into_iter()
        .chain(HEADS.into_iter().take(shown))
        .chain([">of first"])
        .collect();
    let mut grid = Grid::new(&heads);
    for branch in branches {
        let counts = branch
            .sequence
            .iter()
            .take(shown)
            .map(|step| Cell::new(count(step.matching_groups)));
        let total = percent(groups_of(branch.sequence.last()), groups_of(branch.sequence.first()));
        grid.row(
            [Cell::new(branch.label())]
                .into_iter()
                .chain(counts)
                .chain([Cell::new(total)])
                .collect(),
        );
    }
    grid.render(layout)
}

fn comparison(compare: &Compare, layout: Layout) -> String {
    let mut grid = Grid::new(&["", ">groups", ">rows"]);
    for (label, side) in [("matched", &compare.matched), ("rest", &compare.rest)] {
        grid.row(vec![
            Cell::new(label),
            Cell::new(count(side.matching_groups)),
            Cell::new(count(side.matching_group_rows)),
        ]);
    }
    let mut out = grid.render(layout);
    titled(
        &mut out,
        "matched",
        &aggregations(&compare.matched.aggregations, layout),
        layout,
    );
    titled(
        &mut out,
        "rest",
        &aggregations(&compare.rest.aggregations, layout),
        layout,
    );
    out
}

/// Adds a part after a blank line; nothing for an empty one.
fn section(out: &mut String, part: &str) {
    if part.is_empty() {
        return;
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(part);
}

fn titled(out: &mut String, title: &str, part: &str, layout: Layout) {
    if !part.is_empty() {
        let _ = write!(out, "\n{}\n{part}", layout.style.strong(printable(title)));
    }
}
