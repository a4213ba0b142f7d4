//! The matched groups beside the rest: how many, and what the aggregations say of both.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::canvas::{Anchor, Bounds, Canvas, FAINT, INK, INNER, MARGIN, RIGHT, length};
use crate::document::{Aggregation, Compare, Selection};
use crate::figures::{counted, figure_text, percent, share};

/// Most values of an aggregation that are drawn.
const VALUES_MAX: usize = 10;
const KEY: f64 = 300.0;
const BAR_LEFT: f64 = MARGIN + KEY + 12.0;
const BAR: f64 = 440.0;

pub(super) fn draw(canvas: &mut Canvas, compare: &Compare) {
    canvas.head("Compared with the rest");
    let (matched, rest) = (&compare.matched, &compare.rest);
    let all = matched.matching_groups.saturating_add(rest.matching_groups);
    let cut = length(share(matched.matching_groups, all), INNER);
    let bounds = |x, width| Bounds {
        x,
        down: 0.0,
        width,
        height: 18.0,
    };
    canvas.bar(bounds(MARGIN, INNER), "hw-track", "");
    if rest.matching_groups > 0 {
        canvas.bar(bounds(MARGIN + cut, INNER - cut), "hw-rest", &side("rest", rest, all));
    }
    canvas.bar(bounds(MARGIN, cut), "hw-bar", &side("matched", matched, all));
    canvas.y += 36.0;
    for (name, selection, class) in [("matched", matched, "hw-bar"), ("rest", rest, "hw-rest")] {
        let key = Bounds {
            x: MARGIN,
            down: -9.0,
            width: 10.0,
            height: 10.0,
        };
        canvas.bar(key, class, "");
        canvas.text(MARGIN + 16.0, 0.0, INK, Anchor::Start, &side(name, selection, all));
        canvas.y += 20.0;
    }
    for (matched, rest) in matched.aggregations.iter().zip(&rest.aggregations) {
        draw_aggregation(canvas, matched, rest);
    }
}

fn side(name: &str, selection: &Selection, all: u64) -> String {
    format!(
        "{name}: {} ({}), {}",
        counted(selection.matching_groups, "group"),
        percent(selection.matching_groups, all),
        counted(selection.matching_group_rows, "row")
    )
}

/// A pair of bars for a number; for a map, for each of its largest values.
fn draw_aggregation(canvas: &mut Canvas, matched: &Aggregation, rest: &Aggregation) {
    canvas.y += 10.0;
    canvas.fitted(MARGIN, 10.0, FAINT, INNER, &matched.title());
    canvas.y += 20.0;
    let pairs = pairs(matched, rest);
    let sizes = pairs.iter().flat_map(|(_, matched, rest)| [size(matched), size(rest)]);
    let most = sizes.fold(0.0, f64::max);
    let left = pairs.len().saturating_sub(VALUES_MAX);
    for (key, matched, rest) in pairs.into_iter().take(VALUES_MAX) {
        canvas.fitted(MARGIN, 16.0, INK, KEY, &key);
        draw_value(canvas, 2.0, "hw-bar", matched, most);
        draw_value(canvas, 15.0, "hw-rest", rest, most);
        canvas.y += 34.0;
    }
    if left > 0 {
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        canvas.remark(&format!("and {} not drawn", counted(left, "more value")));
    }
}

fn draw_value(canvas: &mut Canvas, down: f64, class: &'static str, value: &Value, most: f64) {
    let share = (most > 0.0).then(|| size(value) / most);
    let bounds = Bounds {
        x: BAR_LEFT,
        down,
        width: length(share, BAR),
        height: 11.0,
    };
    canvas.bar(bounds, class, "");
    canvas.text(RIGHT, down + 10.0, FAINT, Anchor::End, &figure_text(value));
}

/// Keys of either side, the matched groups' first, with the value of each; `null` where a side has none.
fn pairs<'a>(matched: &'a Aggregation, rest: &'a Aggregation) -> Vec<(String, &'a Value, &'a Value)> {
    let (Some(ours), Some(theirs)) = (matched.entries(), rest.entries()) else {
        return vec![(String::new(), &matched.value, &rest.value)];
    };
    let mut left: BTreeMap<&str, &Value> = theirs.iter().copied().collect();
    let mut pairs: Vec<(String, &Value, &Value)> = ours
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value, left.remove(key).unwrap_or(&Value::Null)))
        .collect();
    let only_theirs = theirs.into_iter().filter(|(key, _)| left.contains_key(key));
    pairs.extend(only_theirs.map(|(key, value)| (key.to_owned(), &Value::Null, value)));
    pairs
}

/// Negative numbers have no length.
fn size(value: &Value) -> f64 {
    value.as_f64().filter(|size| size.is_finite()).unwrap_or(0.0).max(0.0)
}
