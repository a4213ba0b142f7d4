//! Tables of a few known columns, without a frame: lists and facts.

use crate::render::rows::Layout;
use crate::render::text::{fit, pad, printable, width};
use crate::style::Style;

/// Columns under a head, rows in the order given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone)]
struct Column {
    head: &'static str,
    right: bool,
}

/// A cell, and how it is told apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// What a cell says about a thing's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Odd,
    Faint,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Plain,
        }
    }

    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// The text, or a faint dash where there is none.
    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        match text {
            Some(text) => Self::new(text),
            None => Self::toned("-", Tone::Faint),
        }
    }
}

impl Grid {
    /// A grid with these heads; one that begins with `>` is of a right-aligned column.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        let column = |head: &&'static str| match head.strip_prefix('>') {
            Some(head) => Column { head, right: true },
            None => Column { head, right: false },
        };
        Self {
            columns: heads.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        let escape = |cell: Cell| Cell {
            text: printable(&cell.text).into_owned(),
            ..cell
        };
        self.rows.push(cells.into_iter().map(escape).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each with its end. With a width, the widest columns are shortened until a line fits.
    pub(crate) fn render(&self, layout: Layout) -> String {
        let style = layout.style;
        let widths = self.widths(layout.width);
        let mut out = String::new();
        if self.columns.iter().any(|column| !column.head.is_empty()) {
            let heads = self.columns.iter().map(|column| Cell::new(column.head));
            out.push_str(&self.line(&heads.collect::<Vec<_>>(), &widths, layout, |text, _| {
                style.strong(text).to_string()
            }));
        }
        for row in &self.rows {
            out.push_str(&self.line(row, &widths, layout, |text, tone| toned(style, text, tone)));
        }
        out
    }

    fn line(&self, cells: &[Cell], widths: &[usize], layout: Layout, paint: impl Fn(&str, Tone) -> String) -> String {
        let last = self.columns.len().saturating_sub(1);
        let mut line = String::new();
        for (at, ((cell, column), width)) in cells.iter().zip(&self.columns).zip(widths).enumerate() {
            let text = fit(&cell.text, *width, layout.more());
            let padded = pad(&text, *width, column.right);
            // Blanks at the end of a line are nobody's.
            let shown = if at == last { padded.trim_end() } else { &padded };
            line.push_str(&paint(shown, cell.tone));
            if at < last {
                line.push_str("  ");
            }
        }
        format!("{}\n", line.trim_end())
    }

    fn widths(&self, width_max: Option<usize>) -> Vec<usize> {
        const WIDTH_MIN: usize = 8;
        let mut widths: Vec<usize> = (self.columns.iter().enumerate())
            .map(|(at, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(at));
                cells.map(|cell| width(&cell.text)).fold(width(column.head), usize::max)
            })
            .collect();
        let Some(width_max) = width_max else { return widths };
        loop {
            let total = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
            let excess = total.saturating_sub(width_max);
            match widths.iter_mut().max_by_key(|width| **width) {
                Some(widest) if excess > 0 && *widest > WIDTH_MIN => *widest -= 1,
                _ => return widths,
            }
        }
    }
}

fn toned(style: Style, text: &str, tone: Tone) -> String {
    match tone {
        Tone::Plain => text.to_owned(),
        Tone::Good => style.good(text).to_string(),
        Tone::Bad => style.error(text).to_string(),
        Tone::Odd => style.warning(text).to_string(),
        Tone::Faint => style.faint(text).to_string(),
    }
}
