//! `headwater docs`: the pages for users, inside of the program and of the same version as it.

use hw_api::ExitCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::explain::shown;
use crate::args::{DocsVerb, Format};
use crate::console::Answer;
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending};
use crate::render::grid::Cell;
use crate::render::json::pretty;
use crate::render::listing::Listed;
use crate::verbs::admin;
use crate::verbs::lists::{ListPrinter, machine_document};

/// Name and text of each page: the tutorial first, the reference last.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/guide.rs"));

/// Edits that a name may be away from the one meant.
const NEAR: usize = 2;

/// A page in the list.
#[derive(Debug, Serialize, Deserialize)]
struct PageTitle {
    page: String,
    title: String,
}

/// A line that was searched for.
#[derive(Debug, Serialize, Deserialize)]
struct PageLine {
    page: String,
    /// From 1.
    line: usize,
    text: String,
}

pub(crate) fn run(context: &mut Context, verb: DocsVerb) -> Ended {
    match verb {
        DocsVerb::Man => return admin::manual(context),
        DocsVerb::List => list(context, titles())?,
        DocsVerb::Show { page } => show(context, &page)?,
        DocsVerb::Search { words } => list(context, lines_with(&words))?,
    }
    Ok(ExitCode::Done)
}

fn titles() -> Vec<PageTitle> {
    let of = |(page, text): &(&str, &str)| PageTitle {
        page: (*page).to_owned(),
        title: title(text).to_owned(),
    };
    PAGES.iter().map(of).collect()
}

/// The lines that hold each of the words, in any case.
fn lines_with(words: &[String]) -> Vec<PageLine> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let holds = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let found = PAGES.iter().flat_map(|(page, text)| {
        let lines = text.lines().enumerate().filter(|(_, line)| holds(line));
        lines.map(|(number, line)| PageLine {
            page: (*page).to_owned(),
            line: number + 1,
            text: line.trim().to_owned(),
        })
    });
    found.collect()
}

fn show(context: &mut Context, name: &str) -> Result<(), Ending> {
    let (page, text) = find(name)?;
    match context.console.plain_format(Answer::Document)? {
        _ if context.console.quiet => context.console.line(page),
        // A page is a text: a pipe gets it as well.
        Format::Table => context.console.data(shown(text, context.console.style)),
        Format::Json if context.console.format.is_none() => context.console.data(text),
        format => {
            let document = json!({ "page": page, "title": title(text), "text": text });
            machine_document(context, &document.to_string(), format)
        }
    }
}

/// The page of that name, or the only one whose name ends so.
fn find(name: &str) -> Result<(&'static str, &'static str), ClientError> {
    let name = name.trim().trim_matches('/').trim_end_matches(".md").to_lowercase();
    let name = name.strip_prefix("docs/").unwrap_or(&name);
    let last = |page: &'static str| page.rsplit('/').next().unwrap_or(page);
    let mut ending = PAGES.iter().filter(|(page, _)| {
        let before = page.strip_suffix(name);
        before.is_some_and(|before| !name.is_empty() && (before.is_empty() || before.ends_with('/')))
    });
    match (ending.next(), ending.next()) {
        (Some(page), None) => Ok(*page),
        _ => {
            let distance = |page: &str| strsim::damerau_levenshtein(page, name);
            let near = PAGES
                .iter()
                .map(|(page, _)| (distance(page).min(distance(last(page))), *page));
            Err(ClientError::UnknownPage {
                page: name.to_owned(),
                near: near
                    .min_by_key(|(distance, _)| *distance)
                    .filter(|(distance, _)| *distance <= NEAR)
                    .map(|(_, page)| page.to_owned()),
            })
        }
    }
}

fn title(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_start_matches('#').trim()
}

fn list<T: Listed + Serialize>(context: &mut Context, items: Vec<T>) -> Result<(), Ending> {
    let format = context.console.plain_format(Answer::List)?;
    if format == Format::Json && !context.console.quiet {
        return context.console.line(pretty(&json!({ "items": items }).to_string()));
    }
    let mut printer = ListPrinter::<T>::new(format);
    for item in &items {
        printer.add_item(context, &json!(item).to_string())?;
    }
    printer.finish(context, None)
}

impl Listed for PageTitle {
    const HEADS: &'static [&'static str] = &["page", "title"];
    const FIELDS: &'static [&'static str] = &["page", "title"];
    const EMPTY: &'static str = "this program was built without its pages";

    fn cells(&self) -> Vec<Cell> {
        vec![Cell::new(self.page.clone()), Cell::new(self.title.clone())]
    }

    fn key(&self) -> String {
        self.page.clone()
    }
}

impl Listed for PageLine {
    const HEADS: &'static [&'static str] = &["page", ">line", "text"];
    const FIELDS: &'static [&'static str] = &["page", "line", "text"];
    const EMPTY: &'static str = "no line has all these words; `headwater docs list` names the pages";

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::new(self.page.clone()),
            Cell::new(self.line.to_string()),
            Cell::new(self.text.clone()),
        ]
    }

    fn key(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pages_are_found_by_the_end_of_their_name() {
        for name in ["reference/sql", "sql", "docs/reference/sql.md", " SQL "] {
            assert_eq!(find(name).unwrap().0, "reference/sql", "{name}");
        }
        for (name, near) in [("sqll", Some("reference/sql")), ("nothing like it", None), ("", None)] {
            let Err(ClientError::UnknownPage { near: found, .. }) = find(name) else {
                unreachable!("{name} was found");
            };
            assert_eq!(found.as_deref(), near, "{name}");
        }
    }

    #[test]
    fn every_page_has_a_title_and_the_tutorial_comes_first() {
        let pages = titles();
        assert!(pages.iter().all(|page| !page.title.is_empty()), "{pages:?}");
        assert_eq!(pages.first().unwrap().page, "guide/tutorial/first-funnel");
        assert!(pages.iter().any(|page| page.page == "reference/cli"));
    }

    #[test]
    fn a_line_must_hold_all_words_in_any_case() {
        let words = ["HEADWATER".to_owned(), "docs".to_owned(), "search".to_owned()];
        let found = lines_with(&words);
        assert!(found.iter().any(|line| line.page == "reference/cli"), "{found:?}");
        assert!(found.iter().all(|line| line.text.to_lowercase().contains("search")));
        assert!(lines_with(&["no-page-has-this".to_owned()]).is_empty());
    }
}
