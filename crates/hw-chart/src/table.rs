//! Every figure of a result as tables.

use crate::Picture;
use crate::document::{Aggregation, Branch, Compare, Selection, Times};
use crate::figures::{count, figure_text, number, percent};

/// A table. The first cell of a row names it.
pub(crate) struct Table {
    pub(crate) caption: String,
    pub(crate) heads: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    fn new(caption: impl Into<String>, heads: &[&str]) -> Self {
        Self {
            caption: caption.into(),
            heads: heads.iter().map(|head| (*head).to_owned()).collect(),
            rows: Vec::new(),
        }
    }
}

/// All tables that have rows, in the order of the drawing.
pub(crate) fn tables(picture: &Picture<'_>) -> Vec<Table> {
    let result = picture.result;
    let mut tables = vec![aggregations("Over all matching groups", &result.query.aggregations)];
    if let Some(funnel) = &result.funnel {
        let names = picture.step_names();
        let times = || times_of(&funnel.sequence, &names);
        tables.push(steps(&funnel.sequence, &names));
        tables.push(summaries(times()));
        tables.push(histograms(times()));
        tables.push(breakdown(&picture.breakdown_title(), &funnel.breakdown));
        let of_step =
            |(step, name): (&Selection, &String)| aggregations(&format!("At step {name}"), &step.aggregations);
        tables.extend(funnel.sequence.iter().zip(&names).map(of_step));
        tables.push(aggregations("After the last step", &funnel.end_aggregations));
    }
    if let Some(compare) = &result.compare {
        tables.push(sides(compare));
        tables.push(aggregations("Matched", &compare.matched.aggregations));
        tables.push(aggregations("Rest", &compare.rest.aggregations));
    }
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn steps(sequence: &[Selection], names: &[String]) -> Table {
    let mut table = Table::new("Steps", &["step", "groups", "of previous", "of first", "rows"]);
    let first = sequence.first().map_or(0, |step| step.matching_groups);
    let mut before = first;
    for (step, name) in sequence.iter().zip(names) {
        table.rows.push(vec![
            name.clone(),
            count(step.matching_groups),
            percent(step.matching_groups, before),
            percent(step.matching_groups, first),
            count(step.matching_group_rows),
        ]);
        before = step.matching_groups;
    }
    table
}

fn times_of<'a>(sequence: &'a [Selection], names: &'a [String]) -> impl Iterator<Item = (&'a String, &'a Times)> {
    let steps = sequence.iter().zip(names);
    steps.filter_map(|(step, name)| Some((name, step.since_previous.as_ref()?)))
}

fn summaries<'a>(steps: impl Iterator<Item = (&'a String, &'a Times)>) -> Table {
    let heads = ["step", "groups", "median", "p90", "p99", "mean", "min", "max"];
    let mut table = Table::new("Time since the step before, in the unit of the time column", &heads);
    for (name, times) in steps {
        let figures = [times.p50, times.p90, times.p99, times.mean, times.min, times.max];
        let figures = figures.map(|value| value.map_or_else(|| "-".to_owned(), number));
        let begin = [name.clone(), count(times.count)];
        table.rows.push(begin.into_iter().chain(figures).collect());
    }
    table
}

fn histograms<'a>(steps: impl Iterator<Item = (&'a String, &'a Times)>) -> Table {
    let mut table = Table::new(
        "Groups by time since the step before",
        &["step", "from", "to, not included", "groups"],
    );
    let bound = |bound: Option<f64>| bound.map_or_else(|| "-".to_owned(), number);
    for (name, times) in steps {
        let rows = times
            .histogram
            .iter()
            .map(|bar| vec![name.clone(), bound(bar.from), bound(bar.to), count(bar.count)]);
        table.rows.extend(rows);
    }
    table
}

fn breakdown(title: &str, branches: &[Branch]) -> Table {
    let steps = branches.iter().map(|branch| branch.sequence.len()).max().unwrap_or(0);
    let mut table = Table::new(format!("Groups {title}, and their share of the first step"), &["value"]);
    table.heads.extend((1..=steps).map(|step| format!("step {step}")));
    for branch in branches {
        let first = branch.sequence.first().map_or(0, |step| step.matching_groups);
        let cell = |step: &Selection| {
            let groups = step.matching_groups;
            format!("{} ({})", count(groups), percent(groups, first))
        };
        let cells = branch.sequence.iter().map(cell);
        table.rows.push([branch.label()].into_iter().chain(cells).collect());
    }
    table
}

fn sides(compare: &Compare) -> Table {
    let mut table = Table::new("Compared with the rest", &["", "groups", "of all", "rows"]);
    let (matched, rest) = (&compare.matched, &compare.rest);
    let all = matched.matching_groups.saturating_add(rest.matching_groups);
    for (name, side) in [("matched", matched), ("rest", rest)] {
        table.rows.push(vec![
            name.to_owned(),
            count(side.matching_groups),
            percent(side.matching_groups, all),
            count(side.matching_group_rows),
        ]);
    }
    table
}

fn aggregations(caption: &str, list: &[Aggregation]) -> Table {
    let mut table = Table::new(caption, &["aggregation", "of", "value"]);
    for aggregation in list {
        let row = |key: &str, value| vec![aggregation.title(), key.to_owned(), figure_text(value)];
        match aggregation.entries() {
            Some(entries) => table
                .rows
                .extend(entries.into_iter().map(|(key, value)| row(key, value))),
            None => table.rows.push(row("", &aggregation.value)),
        }
    }
    table
}
