//! Rows as a framed table that fits the terminal, or as Markdown.

use std::time::Duration;

use crate::render::figures;
use crate::render::sample::{CellText, ColumnHead, Sample};
use crate::render::text::{fit, pad, printable, width};
use crate::style::Style;

/// Rows shown unless all are asked for.
pub(crate) const ROWS_SHOWN: usize = 40;
/// Columns of the terminal below which no column is shortened.
const CELL_WIDTH_MIN: usize = 12;
/// The widest a column gets where it is not the only one.
const CELL_WIDTH_MAX: usize = 80;

/// How rows are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Columns of the terminal; `None` shows every column in full.
    pub(crate) width: Option<usize>,
    pub(crate) style: Style,
    pub(crate) unicode: bool,
}

impl Layout {
    /// The mark, one column wide, that something is left out.
    pub(crate) fn more(self) -> &'static str {
        if self.unicode { "…" } else { "~" }
    }
}

/// Corners and lines of a frame.
struct Frame {
    line: char,
    bar: char,
    top: [char; 3],
    middle: [char; 3],
    bottom: [char; 3],
}

const BOX: Frame = Frame {
    line: '─',
    bar: '│',
    top: ['┌', '┬', '┐'],
    middle: ['├', '┼', '┤'],
    bottom: ['└', '┴', '┘'],
};

const PLAIN: Frame = Frame {
    line: '-',
    bar: '|',
    top: ['+', '+', '+'],
    middle: ['+', '+', '+'],
    bottom: ['+', '+', '+'],
};

/// A column as it is drawn.
struct Drawn {
    name: String,
    type_name: String,
    right: bool,
    width: usize,
    /// Which column of the sample; `None` stands for those that are left out.
    index: Option<usize>,
}

/// The framed table, without its last line. Nothing for an answer without columns.
pub(crate) fn table(sample: &Sample, layout: Layout) -> String {
    if sample.columns.is_empty() {
        return String::new();
    }
    let frame = if layout.unicode { BOX } else { PLAIN };
    let columns = fit_columns(drawn_columns(sample), layout);
    let drawer = Drawer { frame, columns, layout };
    drawer.draw(sample)
}

/// `1,204 rows × 9 columns (40 shown) · 12 ms`.
pub(crate) fn summary(sample: &Sample, time: Option<Duration>, layout: Layout) -> String {
    let (times, dot) = if layout.unicode { ("×", "·") } else { ("x", "-") };
    let columns = sample.columns.len() as u64;
    let mut text = match columns {
        0 => "done".to_owned(),
        _ => format!(
            "{} {times} {}",
            figures::counted(sample.total, "row"),
            figures::counted(columns, "column")
        ),
    };
    if sample.elided() > 0 {
        text.push_str(&format!(" ({} rows shown)", sample.head.len() + sample.tail.len()));
    }
    if let Some(time) = time {
        text.push_str(&format!(" {dot} {}", figures::duration(time)));
    }
    text
}

/// The head of a Markdown table.
pub(crate) fn markdown_head(columns: &[ColumnHead]) -> String {
    let names = columns.iter().map(|column| markdown_text(&column.name));
    let lines = columns.iter().map(|column| match column.is_number {
        true => "---:".to_owned(),
        false => "---".to_owned(),
    });
    format!("{}{}", markdown_line(names), markdown_line(lines))
}

/// A row of a Markdown table.
pub(crate) fn markdown_row(row: &[CellText]) -> String {
    markdown_line(
        row.iter()
            .map(|cell| cell.as_deref().map_or_else(String::new, markdown_text)),
    )
}

fn markdown_line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {} |\n", cells.join(" | "))
}

fn markdown_text(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('|', "\\|").replace("\r\n", "\n");
    printable(&text.replace('\n', "<br>")).into_owned()
}

fn drawn_columns(sample: &Sample) -> Vec<Drawn> {
    let only = sample.columns.len() == 1;
    let drawn = |(index, column): (usize, &ColumnHead)| {
        let heads = width(&column.name).max(width(&column.type_name));
        let cells = sample.head.iter().chain(&sample.tail).filter_map(|row| row.get(index));
        let widest = cells.map(|cell| width(&cell_text(cell))).fold(heads, usize::max);
        Drawn {
            name: column.name.clone(),
            type_name: column.type_name.clone(),
            right: column.is_number,
            width: if only {
                widest
            } else {
                widest.min(CELL_WIDTH_MAX.max(heads))
            },
            index: Some(index),
        }
    };
    sample.columns.iter().enumerate().map(drawn).collect()
}

/// Shortens the widest columns, then leaves out columns from the middle, until a line fits.
fn fit_columns(mut columns: Vec<Drawn>, layout: Layout) -> Vec<Drawn> {
    let Some(width_max) = layout.width else { return columns };
    while total_width(&columns) > width_max {
        match columns.iter_mut().max_by_key(|column| column.width) {
            Some(widest) if widest.width > CELL_WIDTH_MIN => widest.width -= 1,
            _ => break,
        }
    }
    while total_width(&columns) > width_max && columns.iter().filter(|column| column.index.is_some()).count() > 1 {
        leave_out_one(&mut columns, layout.more());
    }
    let excess = total_width(&columns).saturating_sub(width_max);
    if let Some(widest) = columns.iter_mut().max_by_key(|column| column.width) {
        widest.width = widest.width.saturating_sub(excess).max(1);
    }
    columns
}

/// Puts a mark in the place of the middle column, or takes out the one beside the mark that is nearer to the middle.
fn leave_out_one(columns: &mut Vec<Drawn>, more: &str) {
    match columns.iter().position(|column| column.index.is_none()) {
        None => {
            let middle = columns.len() / 2;
            if let Some(column) = columns.get_mut(middle) {
                *column = Drawn {
                    name: more.to_owned(),
                    type_name: String::new(),
                    right: false,
                    width: 1,
                    index: None,
                };
            }
        }
        Some(mark) => {
            let (before, after) = (mark, columns.len() - 1 - mark);
            columns.remove(if after > before { mark + 1 } else { mark - 1 });
        }
    }
}

fn total_width(columns: &[Drawn]) -> usize {
    columns.iter().map(|column| column.width + 3).sum::<usize>() + 1
}

struct Drawer {
    frame: Frame,
    columns: Vec<Drawn>,
    layout: Layout,
}

impl Drawer {
    fn draw(&self, sample: &Sample) -> String {
        let mut out = self.rule(self.frame.top);
        out.push_str(&self.line(|column| self.layout.style.strong(self.padded(column, &column.name)).to_string()));
        out.push_str(&self.line(|column| {
            self.layout
                .style
                .faint(self.padded(column, &column.type_name))
                .to_string()
        }));
        out.push_str(&self.rule(self.frame.middle));
        for row in &sample.head {
            out.push_str(&self.row(row));
        }
        if sample.elided() > 0 {
            out.push_str(&self.line(|column| {
                self.layout
                    .style
                    .faint(self.padded(column, self.layout.more()))
                    .to_string()
            }));
        }
        for row in &sample.tail {
            out.push_str(&self.row(row));
        }
        out.push_str(&self.rule(self.frame.bottom));
        out
    }

    fn row(&self, row: &[CellText]) -> String {
        self.line(|column| {
            let cell = column.index.map(|index| row.get(index));
            match cell {
                Some(Some(None)) => self.layout.style.faint(self.padded(column, NULL)).to_string(),
                Some(Some(cell)) => self.padded(column, &cell_text(cell)),
                Some(None) | None => self
                    .layout
                    .style
                    .faint(self.padded(column, self.layout.more()))
                    .to_string(),
            }
        })
    }

    fn padded(&self, column: &Drawn, text: &str) -> String {
        pad(&fit(text, column.width, self.layout.more()), column.width, column.right)
    }

    fn line(&self, cell: impl Fn(&Drawn) -> String) -> String {
        let bar = self.frame.bar.to_string();
        let cells: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!(" {} ", cell(column)))
            .collect();
        format!("{bar}{}{bar}\n", cells.join(&bar))
    }

    fn rule(&self, [left, between, right]: [char; 3]) -> String {
        let lines: Vec<String> = (self.columns.iter())
            .map(|column| String::from_iter(std::iter::repeat_n(self.frame.line, column.width + 2)))
            .collect();
        format!("{left}{}{right}\n", lines.join(&between.to_string()))
    }
}

const NULL: &str = "NULL";

/// A cell as it is shown. The text `NULL` gets quotes, so that it cannot be taken for a null.
fn cell_text(cell: &CellText) -> String {
    match cell.as_deref() {
        None => NULL.to_owned(),
        Some(NULL) => format!("'{NULL}'"),
        Some(text) => printable(text).into_owned(),
    }
}
