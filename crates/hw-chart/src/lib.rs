//! A funnel's result for eyes: as a drawing (SVG) and as a page (HTML) with the same figures in tables.
//!
//! Both are pure functions of the result document and of the query that was asked, which names the steps. They stand
//! alone: no script, font, style sheet or image from outside, no address to follow. Whatever a table, a step or a value
//! is called becomes text and never markup: everything is written through one writer that escapes.
//!
//! ```text
//! let result: FunnelResult = serde_json::from_value(document)?;
//! let picture = Picture { title: "events", query: &query, result: &result };
//! std::fs::write("funnel.svg", picture.svg())?;
//! std::fs::write("funnel.html", picture.html())?;
//! ```
//!
//! The forms for terminals are not here, but what the forms share is: the document's members, the steps' names, and how
//! figures are written.

mod canvas;
mod document;
mod figures;
mod html;
mod label;
mod markup;
mod svg;
mod table;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use document::{Aggregation, Bar, Branch, Compare, Funnel, FunnelResult, Selection, Times};
pub use figures::{count, counted, figure_text, number, percent, share};
pub use label::{numbered, step_label, step_labels};

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    /// What was asked: the table's name or a file pattern.
    pub title: &'a str,
    /// The query document as it was asked, for the names of the steps; `null` leaves them to their numbers.
    pub query: &'a Value,
    /// The answer.
    pub result: &'a FunnelResult,
}

impl Picture<'_> {
    /// A complete SVG document, readable on light and on dark ground.
    ///
    /// Wide 960 units, as high as it has to be. Of a breakdown, the first values are drawn and the others counted.
    pub fn svg(&self) -> String {
        svg::draw(self).into_string()
    }

    /// A complete HTML document: the drawing, and every figure of the result in tables.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// `Funnel over events`.
    fn heading(&self) -> String {
        let what = match self.result.funnel {
            Some(_) => "Funnel",
            None => "Groups",
        };
        match (self.title, self.result.funnel.is_some()) {
            ("", _) => what.to_owned(),
            (title, true) => format!("{what} over {title}"),
            (title, false) => format!("{what} of {title}"),
        }
    }

    /// `4 groups match the conditions, with 9 rows`.
    fn summary(&self) -> String {
        let conditions = self.query.pointer("/query/conditions").and_then(Value::as_array);
        let what = match conditions {
            Some(conditions) if !conditions.is_empty() => " match the conditions",
            _ => "",
        };
        let selection = &self.result.query;
        format!(
            "{}{what}, with {}",
            counted(selection.matching_groups, "group"),
            counted(selection.matching_group_rows, "row")
        )
    }

    /// How many of the first step's groups reach the last; nothing for a single step, or without a funnel.
    fn conversion(&self) -> Option<String> {
        let sequence = &self.result.funnel.as_ref()?.sequence;
        let (first, last) = (sequence.first()?.matching_groups, sequence.last()?.matching_groups);
        (sequence.len() > 1).then(|| match first {
            0 => "no group reaches the first step".to_owned(),
            _ => format!(
                "{} of the groups of the first step reach the last: {} of {}",
                percent(last, first),
                count(last),
                count(first)
            ),
        })
    }

    /// The steps' names with their numbers, one for each step of the result.
    fn step_names(&self) -> Vec<String> {
        let steps = self.result.funnel.as_ref().map_or(0, |funnel| funnel.sequence.len());
        numbered(&step_labels(self.query)).take(steps).collect()
    }

    /// `by device`.
    fn breakdown_title(&self) -> String {
        match self.query.pointer("/funnel/breakdown/column").and_then(Value::as_str) {
            Some(column) => format!("by {column}"),
            None => "by value".to_owned(),
        }
    }
}
