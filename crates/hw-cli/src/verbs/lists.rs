//! Lists and documents in every form.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::Format;
use crate::client::{Call, Document, parse};
use crate::console::{Answer, unfit};
use crate::context::Context;
use crate::failure::Ending;
use crate::render::csv;
use crate::render::figures::count;
use crate::render::grid::Grid;
use crate::render::json::{compact, pretty};
use crate::render::listing::{Listed, csv_line};

/// Items shown on a terminal unless `--limit` says otherwise.
const SHOWN: u32 = 50;

/// Where a list begins and ends.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Range<'a> {
    pub(crate) limit: Option<u32>,
    pub(crate) page: Option<&'a str>,
    /// The list is short and has no limit to be asked for.
    pub(crate) whole: bool,
}

impl Range<'static> {
    /// A list that comes as a whole.
    pub(crate) const WHOLE: Self = Self {
        limit: None,
        page: None,
        whole: true,
    };
}

/// A page as the server sends it; the items stay as they came.
#[derive(Deserialize)]
struct PageText {
    items: Vec<Box<RawValue>>,
    #[serde(default)]
    next: Option<String>,
}

/// Prints a list. `call` makes the request of its first page.
///
/// `json` is the document of one page as it came; the other forms follow the pages until the limit.
pub(crate) async fn list<T: Listed>(
    context: &mut Context,
    call: impl Fn() -> Call,
    range: Range<'_>,
) -> Result<(), Ending> {
    let format = context.console.plain_format(Answer::List)?;
    if format == Format::Json && !context.console.quiet {
        let limit = range.limit.map(|limit| limit.to_string());
        let call = call().query_if("limit", limit).query_if("page", range.page);
        let document = context.client.document(call).await?;
        return context.console.line(pretty(&document.text));
    }
    let for_people = format == Format::Table && context.console.output_is_terminal && !range.whole;
    let limit = range.limit.or((for_people && !context.console.quiet).then_some(SHOWN));
    let mut printer = ListPrinter::<T>::new(format);
    let mut left = limit;
    let mut page = range.page.map(str::to_owned);
    loop {
        let call = call()
            .query_if("limit", left.map(|left| left.to_string()))
            .query_if("page", page.as_deref());
        let text = context.client.document(call).await?;
        let PageText { mut items, next } = text.parse()?;
        items.truncate(left.map_or(usize::MAX, |left| left as usize));
        printer.add(context, &items)?;
        left = left.map(|left| left.saturating_sub(items.len() as u32));
        page = next;
        if page.is_none() || left == Some(0) {
            return printer.finish(context, page.as_deref());
        }
    }
}

/// Prints items that come one by one, as they come; events are such a list.
pub(crate) struct ListPrinter<T> {
    format: Format,
    grid: Grid,
    printed: u64,
    item: std::marker::PhantomData<T>,
}

impl<T: Listed> ListPrinter<T> {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            grid: Grid::new(T::HEADS),
            printed: 0,
            item: std::marker::PhantomData,
        }
    }

    fn add(&mut self, context: &mut Context, items: &[Box<RawValue>]) -> Result<(), Ending> {
        items.iter().try_for_each(|item| self.add_item(context, item.get()))
    }

    /// Prints an item, or keeps it for the table at the end.
    pub(crate) fn add_item(&mut self, context: &mut Context, text: &str) -> Result<(), Ending> {
        let is_first = self.printed == 0;
        self.printed += 1;
        let console = &mut context.console;
        if console.quiet {
            return console.line(parse::<T>(text)?.key());
        }
        match self.format {
            Format::Json | Format::JsonLines => console.line(compact(text)),
            Format::Csv => {
                if is_first {
                    console.data(csv::line(T::FIELDS.iter().map(|field| Some(*field))))?;
                }
                console.data(csv_line(&parse::<Value>(text)?, T::FIELDS))
            }
            Format::Table => {
                self.grid.row(parse::<T>(text)?.cells());
                Ok(())
            }
            format @ (Format::Markdown
            | Format::Arrow
            | Format::Parquet
            | Format::Svg
            | Format::Html
            | Format::ChromeTrace) => Err(unfit(format)),
        }
    }

    pub(crate) fn finish(self, context: &mut Context, next: Option<&str>) -> Result<(), Ending> {
        let console = &mut context.console;
        if self.printed == 0 {
            if self.format == Format::Csv && !console.quiet {
                console.data(csv::line(T::FIELDS.iter().map(|field| Some(*field))))?;
            }
            console.note(T::EMPTY);
            return Ok(());
        }
        if self.format == Format::Table && !console.quiet {
            console.data(self.grid.render(console.layout()))?;
        }
        if let Some(next) = next {
            console.note(format!(
                "{} shown, there are more: --limit COUNT, or --page {next}",
                count(self.printed)
            ));
        }
        Ok(())
    }
}

/// Prints a document: as it came, or as `view` shows it to people. `key` is what `--quiet` prints.
pub(crate) fn document(
    context: &mut Context,
    document: &Document,
    key: &str,
    view: impl FnOnce(&mut Context) -> Result<String, Ending>,
) -> Result<(), Ending> {
    if context.console.quiet {
        return context.console.line(key);
    }
    match context.console.plain_format(Answer::Document)? {
        Format::Table => {
            let text = view(context)?;
            context.console.data(text)
        }
        format => machine_document(context, &document.text, format),
    }
}

/// Prints a document for programs. CSV has one row with its plain members.
pub(crate) fn machine_document(context: &mut Context, text: &str, format: Format) -> Result<(), Ending> {
    match format {
        Format::JsonLines => context.console.line(compact(text)),
        Format::Csv => {
            let value: Value = parse(text)?;
            let members = value.as_object().into_iter().flatten();
            let plain: Vec<&str> = members
                .filter(|(_, value)| !value.is_object() && !value.is_array())
                .map(|(name, _)| name.as_str())
                .collect();
            let head = csv::line(plain.iter().map(|name| Some(*name)));
            context.console.data(head + &csv_line(&value, &plain))
        }
        _ => context.console.line(pretty(text)),
    }
}

/// Prints a document that is a list under the name `member`: JSON as it came, JSON lines and CSV an item each.
pub(crate) fn itemised(
    context: &mut Context,
    answer: &Document,
    (member, fields): (&str, &[&str]),
    key: &str,
    view: impl FnOnce(&mut Context) -> Result<String, Ending>,
) -> Result<(), Ending> {
    let format = context.console.plain_format(Answer::Document)?;
    if context.console.quiet || !matches!(format, Format::Csv | Format::JsonLines) {
        return document(context, answer, key, view);
    }
    let value: Value = parse(&answer.text)?;
    let items = value.get(member).and_then(Value::as_array).into_iter().flatten();
    let lines: String = match format {
        Format::Csv => items.map(|item| csv_line(item, fields)).collect(),
        _ => items.map(|item| format!("{item}\n")).collect(),
    };
    let head = match format {
        Format::Csv => csv::line(fields.iter().map(|field| Some(*field))),
        _ => String::new(),
    };
    context.console.data(head + &lines)
}
