//! How a funnel is carried out, for people: facts, columns, predicates, stages, and bars of the time spent.

use hw_api::{
    AnalysisDocument, ExplainedColumn, ExplainedPredicate, ExplainedTime, FunnelExplainDocument, PrunedDocument,
};

use crate::render::figures::{bytes, count, counted};
use crate::render::funnel::bar;
use crate::render::grid::{Cell, Grid};
use crate::render::rows::Layout;

/// Columns of the longest bar.
const BAR_WIDTH: usize = 20;

/// The document as text.
pub(crate) fn explained_funnel(explained: &FunnelExplainDocument, layout: Layout) -> String {
    let mut out = facts(explained).render(layout);
    section(&mut out, &columns(&explained.columns, layout));
    section(&mut out, &predicates(&explained.predicates, layout));
    if let Some(analysis) = &explained.analysis {
        section(&mut out, &stages(analysis, layout));
        section(&mut out, &times(&analysis.times, layout));
    }
    if let (Some(plan), "plan") = (&explained.plan, explained.way.as_str()) {
        section(&mut out, &plan.text);
    }
    out
}

fn section(out: &mut String, text: &str) {
    if !text.is_empty() {
        out.push('\n');
        out.push_str(text);
    }
}

fn facts(explained: &FunnelExplainDocument) -> Grid {
    let mut grid = Grid::new(&["", ""]);
    let mut fact = |name: &str, text: String| grid.row(vec![Cell::new(name), Cell::new(text)]);
    let way = match explained.way.as_str() {
        "pages" => "straight from the pages of parts",
        _ => "over a plan of the engine",
    };
    fact("way", format!("{way}: {}", explained.reason));
    let strategy = &explained.strategy;
    fact("strategy", format!("{}: {}", strategy.name, strategy.reason));
    fact("groups", explained.groups.clone());
    fact("tasks", count(explained.tasks));
    if let Some(parts) = explained.parts {
        fact("parts", pruned(parts));
    }
    if let Some(row_groups) = explained.row_groups {
        let hopeless = explained
            .analysis
            .as_ref()
            .map(|analysis| analysis.row_groups_without_match);
        let hopeless = hopeless.filter(|hopeless| *hopeless > 0);
        let hopeless = hopeless.map(|hopeless| format!(", {} without a row that serves", count(hopeless)));
        fact("row groups", pruned(row_groups) + &hopeless.unwrap_or_default());
    }
    let limit = bytes(explained.memory.limit);
    fact(
        "memory",
        match explained.memory.decoding {
            Some(decoding) => format!("{} to decode a row group, {limit} at most for all", bytes(decoding)),
            None => format!("{limit} at most"),
        },
    );
    if let Some(held) = explained.memory.held {
        fact("held", format!("{} of the parts, decoded, in memory", count(held)));
    }
    if let Some(analysis) = &explained.analysis {
        fact("run", run(analysis));
    }
    grid
}

fn pruned(PrunedDocument { total, pruned }: PrunedDocument) -> String {
    match pruned {
        0 => count(total),
        pruned => format!("{}, {} ruled out by the timeframe", count(total), count(pruned)),
    }
}

/// `12.50 ms, 2 matchers, 1 of them again since rows were out of order`.
fn run(analysis: &AnalysisDocument) -> String {
    let mut facts = vec![milliseconds(analysis.elapsed_ms), counted(analysis.matchers, "matcher")];
    let mut some = |number: u64, what: &str| {
        if number > 0 {
            facts.push(format!("{} {what}", count(number)));
        }
    };
    some(analysis.restarted, "of them again since rows were out of order");
    some(
        analysis.rejoined,
        "times put together again since footers told wrong groups",
    );
    some(analysis.second_passes, "with a second look at the rows");
    facts.join(", ")
}

/// What is stored is told where footers were read, what was read after a run.
fn columns(columns: &[ExplainedColumn], layout: Layout) -> String {
    let mut heads = vec!["column", "type", "read for"];
    if columns.iter().any(|column| column.stored.is_some()) {
        heads.extend([">stored", ">as dictionary"]);
    }
    if columns.iter().any(|column| column.read.is_some()) {
        heads.extend([">read", ">decoded", ">entries", ">plain rows"]);
    }
    let mut grid = Grid::new(&heads);
    for column in columns {
        let mut cells = vec![
            Cell::new(&column.name),
            Cell::new(&column.data_type),
            Cell::new(column.uses.join(", ")),
        ];
        if let Some(stored) = &column.stored {
            let (dictionary, all) = (count(stored.dictionary_row_groups), count(stored.row_groups));
            cells.extend([
                Cell::new(bytes(stored.bytes)),
                Cell::new(format!("{dictionary} of {all}")),
            ]);
        }
        if let Some(read) = &column.read {
            cells.extend([
                Cell::new(bytes(read.bytes)),
                Cell::new(bytes(read.unfolded_bytes)),
                Cell::new(count(read.entries)),
                Cell::new(count(read.flat_rows)),
            ]);
        }
        grid.row(cells);
    }
    grid.render(layout)
}

fn predicates(predicates: &[ExplainedPredicate], layout: Layout) -> String {
    if predicates.is_empty() {
        return String::new();
    }
    let mut grid = Grid::new(&["predicate", "looked at", "in"]);
    for predicate in predicates {
        let value = predicate.value.as_ref().map(|value| format!(" {value}"));
        let per = predicate.per.as_deref().map(|per| match per {
            "dictionary" => "per entry of the dictionary",
            "rows" => "per row",
            _ => "per entry, and per row where there is no dictionary",
        });
        let places: Vec<String> = predicate.places.iter().map(|place| spoken(place)).collect();
        grid.row(vec![
            Cell::new(format!(
                "{} {}{}",
                predicate.column,
                predicate.op,
                value.unwrap_or_default()
            )),
            Cell::maybe(per),
            Cell::new(places.join(", ")),
        ]);
    }
    grid.render(layout)
}

/// `/query/conditions/0/sequence/1/filter` as `condition 1 step 2`.
fn spoken(pointer: &str) -> String {
    let words: Vec<&str> = pointer.split('/').collect();
    let numbered = words.windows(2).filter_map(|pair| match pair {
        [name, number] => {
            let number: usize = number.parse().ok()?;
            let name = match *name {
                "conditions" => "condition",
                "sequence" => "step",
                _ => return None,
            };
            Some(format!("{name} {}", number + 1))
        }
        _ => None,
    });
    numbered.collect::<Vec<_>>().join(" ")
}

fn stages(analysis: &AnalysisDocument, layout: Layout) -> String {
    let mut grid = Grid::new(&["stage", ">rows", ">groups", ">bytes"]);
    for stage in &analysis.stages {
        grid.row(vec![
            Cell::new(&stage.stage),
            Cell::maybe(stage.rows.map(count)),
            Cell::maybe(stage.groups.map(count)),
            Cell::maybe(stage.bytes.map(bytes)),
        ]);
    }
    grid.render(layout)
}

fn times(times: &[ExplainedTime], layout: Layout) -> String {
    let total: f64 = times.iter().map(|time| time.ms).sum();
    if total <= 0.0 {
        return String::new();
    }
    let mut grid = Grid::new(&["time in", ">of all threads", "", ">share"]);
    for time in times {
        grid.row(vec![
            Cell::new(time.activity.replace('_', " ")),
            Cell::new(milliseconds(time.ms)),
            Cell::new(bar(
                microseconds(time.ms),
                microseconds(total),
                BAR_WIDTH,
                layout.unicode,
            )),
            Cell::new(format!("{:.1}%", 100.0 * time.ms / total)),
        ]);
    }
    grid.render(layout)
}

fn milliseconds(ms: f64) -> String {
    format!("{ms:.2} ms")
}

fn microseconds(ms: f64) -> u64 {
    (ms * 1e3).round() as u64
}
