//! `headwater explain CODE`: the pages of `docs/errors`, inside of the program.

use hw_api::ExitCode;
use serde_json::{Value, json};

use crate::args::{ErrorPageArgs, Format};
use crate::console::Answer;
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending};
use crate::render::csv;
use crate::render::grid::{Cell, Grid};
use crate::render::json::pretty;
use crate::render::listing::csv_line;
use crate::style::Style;
use crate::verbs::lists::machine_document;

/// Code and page of each error, by code.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

pub(crate) fn run(context: &mut Context, args: &ErrorPageArgs) -> Ended {
    match &args.code {
        Some(code) => page(context, code)?,
        None => list(context)?,
    }
    Ok(ExitCode::Done)
}

/// The codes that have a page.
pub(super) fn codes() -> impl Iterator<Item = &'static str> {
    PAGES.iter().map(|(code, _)| *code)
}

fn page(context: &mut Context, code: &str) -> Result<(), Ending> {
    let wanted = full_code(code);
    let Some((code, text)) = PAGES.iter().find(|(code, _)| *code == wanted) else {
        let near = PAGES.iter().map(|(code, _)| *code);
        return Err(ClientError::UnknownCode {
            code: code.to_owned(),
            near: near
                .min_by_key(|code| strsim::damerau_levenshtein(code, &wanted))
                .filter(|code| strsim::damerau_levenshtein(code, &wanted) == 1)
                .map(str::to_owned),
        }
        .into());
    };
    match context.console.plain_format(Answer::Document)? {
        _ if context.console.quiet => context.console.line(code),
        // A page is a text: a pipe gets it as well.
        Format::Table => context.console.data(shown(text, context.console.style)),
        Format::Json if context.console.format.is_none() => context.console.data(*text),
        format => {
            let document = json!({ "code": code, "title": title(text), "text": text });
            machine_document(context, &document.to_string(), format)
        }
    }
}

fn list(context: &mut Context) -> Result<(), Ending> {
    let item = |(code, text): &(&str, &str)| json!({ "code": code, "title": title(text) });
    let items: Vec<Value> = PAGES.iter().map(item).collect();
    let format = context.console.plain_format(Answer::List)?;
    if context.console.quiet {
        return PAGES.iter().try_for_each(|(code, _)| context.console.line(code));
    }
    match format {
        Format::Table => {
            let mut grid = Grid::new(&["code", "title"]);
            for (code, text) in PAGES {
                grid.row(vec![Cell::new(*code), Cell::new(title(text))]);
            }
            context.console.data(grid.render(context.console.layout()))
        }
        Format::Csv => {
            let head = csv::line(FIELDS.map(Some));
            let lines = items.iter().map(|item| csv_line(item, &FIELDS));
            context.console.data(head + &lines.collect::<String>())
        }
        Format::Json => context.console.line(pretty(&json!({ "items": items }).to_string())),
        _ => items.iter().try_for_each(|item| context.console.line(item.to_string())),
    }
}

/// Members of an item of the list.
const FIELDS: [&str; 2] = ["code", "title"];

/// `F003`, `hw-f003` and `HW-F003` are the same code.
fn full_code(code: &str) -> String {
    let code = code.trim().to_uppercase();
    match code.starts_with("HW-") {
        true => code,
        false => format!("HW-{code}"),
    }
}

/// The first line behind its code.
fn title(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split_once(": ").map_or(line, |(_, title)| title)
}

/// A page on a terminal: headings are bold, without their marks.
pub(super) fn shown(text: &str, style: Style) -> String {
    let line = |line: &str| match line.trim_start_matches('#') {
        heading if heading.len() < line.len() => format!("{}\n", style.strong(heading.trim_start())),
        _ if line.starts_with("    ") || line.starts_with("```") => format!("{}\n", style.faint(line)),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
