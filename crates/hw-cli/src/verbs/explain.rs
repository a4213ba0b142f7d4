//! `headwater explain CODE`: the pages of `docs/errors`, inside of the program.

use hw_api::ExitCode;
use serde_json::json;

use crate::args::{ErrorPageArgs, Format};
use crate::console::Answer;
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending};
use crate::render::csv;
use crate::render::grid::{Cell, Grid};
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
    let format = context.console.plain_format(Answer::List)?;
    if format == Format::Table && !context.console.quiet {
        let mut grid = Grid::new(&["code", "title"]);
        for (code, text) in PAGES {
            grid.row(vec![Cell::new(*code), Cell::new(title(text))]);
        }
        return context.console.data(grid.render(context.console.layout()));
    }
    for (code, text) in PAGES {
        match format {
            _ if context.console.quiet => context.console.line(code)?,
            Format::Csv => context.console.data(csv::line([Some(*code), Some(title(text))]))?,
            _ => context
                .console
                .line(json!({ "code": code, "title": title(text) }).to_string())?,
        }
    }
    Ok(())
}

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
fn shown(text: &str, style: Style) -> String {
    let line = |line: &str| match line.trim_start_matches('#') {
        heading if heading.len() < line.len() => format!("{}\n", style.strong(heading.trim_start())),
        _ if line.starts_with("    ") || line.starts_with("```") => format!("{}\n", style.faint(line)),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
