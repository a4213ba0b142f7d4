//! Times between steps: a histogram for every step after the first, two side by side.

use crate::canvas::{Anchor, Bounds, Canvas, FAINT, INK, INNER, MARGIN, TINY, length};
use crate::document::{Bar, Selection, Times};
use crate::figures::{count, counted, number, share, short};

const GAP: f64 = 32.0;
const PANEL: f64 = (INNER - GAP) / 2.0;
/// From one row of panels to the next.
const PANEL_HEIGHT: f64 = 172.0;
/// Upper and lower end of the bars.
const TOP: f64 = 54.0;
const FOOT: f64 = 134.0;
/// Most bars of a panel; more are put together.
const BARS_MAX: usize = 40;
/// Least units between two bounds on the axis, and for a figure above a bar.
const BOUND: f64 = 44.0;

pub(super) fn draw(canvas: &mut Canvas, sequence: &[Selection], names: &[String]) {
    let steps = sequence.iter().zip(names);
    let panels: Vec<(&Times, &String)> = steps
        .filter_map(|(step, name)| Some((step.since_previous.as_ref()?, name)))
        .collect();
    if panels.is_empty() {
        return;
    }
    canvas.head("Time since the step before");
    canvas.remark("groups by time, in the unit of the time column");
    for row in panels.chunks(2) {
        for ((times, name), x) in row.iter().zip([MARGIN, MARGIN + PANEL + GAP]) {
            draw_panel(canvas, x, times, name);
        }
        canvas.y += PANEL_HEIGHT;
    }
}

fn draw_panel(canvas: &mut Canvas, x: f64, times: &Times, name: &str) {
    canvas.fitted(x, 14.0, INK, PANEL, name);
    canvas.fitted(x, 32.0, FAINT, PANEL, &facts(times));
    let bars = condensed(&times.histogram);
    let Some(most) = bars.iter().map(|bar| bar.count).max() else {
        return;
    };
    let width = PANEL / bars.len() as f64;
    for (at, bar) in bars.iter().enumerate() {
        draw_bar(canvas, x + width * at as f64, width, bar, most);
    }
    let line = Bounds {
        x,
        down: FOOT,
        width: PANEL,
        height: 1.0,
    };
    canvas.bar(line, "hw-line", "");
    draw_bounds(canvas, x, width, &bars);
}

fn draw_bar(canvas: &mut Canvas, x: f64, width: f64, bar: &Bar, most: u64) {
    let height = length(share(bar.count, most), FOOT - TOP);
    let bounds = Bounds {
        x: x + 1.0,
        down: FOOT - height,
        width: (width - 2.0).max(1.0),
        height,
    };
    let (from, to) = (bound(bar.from), bound(bar.to));
    canvas.bar(
        bounds,
        "hw-bar",
        &format!("{from} to {to}: {}", counted(bar.count, "group")),
    );
    let has_room = width >= BOUND || bar.count == most;
    if bar.count > 0 && has_room {
        let (middle, down) = (x + width / 2.0, FOOT - height - 4.0);
        canvas.text(middle, down, TINY, Anchor::Middle, &count(bar.count));
    }
}

/// Lower bounds as far as they have room beside the end of the last bar.
fn draw_bounds(canvas: &mut Canvas, x: f64, width: f64, bars: &[Bar]) {
    let every = (BOUND / width).ceil().max(1.0) as usize;
    for (at, bar) in bars.iter().enumerate().step_by(every) {
        let left = x + width * at as f64;
        if left + 1.5 * BOUND <= x + PANEL {
            canvas.text(left, FOOT + 14.0, TINY, Anchor::Start, &bound(bar.from));
        }
    }
    if let Some(last) = bars.last() {
        canvas.text(x + PANEL, FOOT + 14.0, TINY, Anchor::End, &bound(last.to));
    }
}

fn bound(bound: Option<f64>) -> String {
    bound.map_or_else(|| "-".to_owned(), short)
}

/// Neighbours put together until there are few enough.
fn condensed(bars: &[Bar]) -> Vec<Bar> {
    let together = bars.len().div_ceil(BARS_MAX).max(1);
    let condense = |bars: &[Bar]| Bar {
        from: bars.first().and_then(|bar| bar.from),
        to: bars.last().and_then(|bar| bar.to),
        count: bars.iter().map(|bar| bar.count).sum(),
    };
    bars.chunks(together).map(condense).collect()
}

fn facts(times: &Times) -> String {
    let facts = [("median", times.p50), ("p90", times.p90), ("mean", times.mean)];
    let known = facts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", plain(value?))));
    let parts: Vec<String> = [counted(times.count, "group")].into_iter().chain(known).collect();
    let about = if times.approx { " (percentiles within 1%)" } else { "" };
    format!("{}{about}", parts.join(" · "))
}

/// As the tables have it; large ones without a fraction, or shorter still.
fn plain(value: f64) -> String {
    let text = number(value);
    match value.abs() {
        ..1e4 if text.len() <= 12 => text,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "times are positive and small here"
        )]
        1e4..1e6 => count(value.round() as u64),
        _ => short(value),
    }
}
