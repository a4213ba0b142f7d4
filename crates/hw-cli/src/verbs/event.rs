//! `headwater event`.

use std::time::Duration;

use hw_api::{EventDocument, ExitCode};

use crate::args::{EventArgs, EventVerb, Format};
use crate::client::{Call, Lines, parse};
use crate::console::Answer;
use crate::context::{Context, Ended};
use crate::failure::{BROKEN_OFF, Ending};
use crate::render::figures::time;
use crate::render::listing::Listed;
use crate::render::text::printable;
use crate::terminal;
use crate::verbs::lists::ListPrinter;

/// Tries to take up a broken stream of events again, and the time before each.
const RETRIES_MAX: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) async fn run(context: &mut Context, verb: EventVerb) -> Ended {
    match verb {
        EventVerb::List { filter, limit } => list(context, &filter, limit).await?,
        EventVerb::Follow { filter } => follow(context, &filter).await?,
    }
    Ok(ExitCode::Done)
}

fn call(filter: &EventArgs) -> Call {
    Call::get(&["events"])
        .query_if("since", filter.since.map(|since| since.to_string()))
        .query_if("kind", filter.kind.as_deref())
        .query_if("job", filter.job.as_deref())
        .accept(hw_api::JSON_LINES)
}

async fn list(context: &mut Context, filter: &EventArgs, limit: Option<u32>) -> Result<(), Ending> {
    let mut printer = Printer::new(context.console.plain_format(Answer::List)?);
    let mut lines = Lines::new(context.client.answer(call(filter)).await?.into_body());
    let mut left = limit.unwrap_or(u32::MAX);
    let enough = |_: &EventDocument| {
        left = left.saturating_sub(1);
        left == 0
    };
    print_until(context, &mut lines, &mut printer, enough).await?;
    printer.finish(context)
}

/// Prints events until the server ends the stream for good. A broken stream is taken up behind the last event.
async fn follow(context: &mut Context, filter: &EventArgs) -> Result<(), Ending> {
    let mut printer = Printer::new(context.console.plain_format(Answer::List)?);
    let mut filter = filter.clone();
    let mut retries_left = RETRIES_MAX;
    loop {
        let mut newest = None;
        let followed = follow_once(context, &filter, &mut printer, &mut newest).await;
        if newest.is_some() {
            filter.since = newest;
            retries_left = RETRIES_MAX;
        }
        match followed {
            Err(Ending::Failure(failure)) if retries_left > 0 && is_passing(&failure.problem.code) => {
                retries_left -= 1;
                context.console.note(format!("{}; trying again", failure.problem));
                tokio::time::sleep(RETRY_AFTER).await;
            }
            other => return other,
        }
    }
}

async fn follow_once(
    context: &mut Context,
    filter: &EventArgs,
    printer: &mut Printer,
    newest: &mut Option<u64>,
) -> Result<(), Ending> {
    let response = context.client.answer(call(filter).query("follow", "true")).await?;
    let mut lines = Lines::new(response.into_body());
    let note = |event: &EventDocument| {
        *newest = Some(event.seq);
        false
    };
    tokio::select! {
        ended = print_until(context, &mut lines, printer, note) => ended,
        () = terminal::reader_gone() => Ok(()),
    }
}

/// The connection broke: the server may be back in a moment.
fn is_passing(code: &str) -> bool {
    code == "HW-C051" || code == BROKEN_OFF
}

/// Prints each line as it comes, up to and with the first event of which `last` is true.
pub(crate) async fn print_until(
    context: &mut Context,
    lines: &mut Lines,
    printer: &mut Printer,
    mut last: impl FnMut(&EventDocument) -> bool,
) -> Result<(), Ending> {
    while let Some(line) = lines.next().await? {
        let event: EventDocument = parse(&line)?;
        printer.print(context, &line, &event)?;
        if last(&event) {
            break;
        }
    }
    Ok(())
}

/// Prints events at once: they may go on for ever, so that no column can wait for the widest one.
pub(crate) struct Printer {
    format: Format,
    rest: ListPrinter<EventDocument>,
    is_empty: bool,
}

impl Printer {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            rest: ListPrinter::new(format),
            is_empty: true,
        }
    }

    fn print(&mut self, context: &mut Context, line: &str, event: &EventDocument) -> Result<(), Ending> {
        self.is_empty = false;
        if self.format == Format::Table && !context.console.quiet {
            let cells = event_line(context, event);
            return context.console.line(cells);
        }
        self.rest.add_item(context, line)
    }

    fn finish(self, context: &mut Context) -> Result<(), Ending> {
        match self.format {
            Format::Table if !self.is_empty => Ok(()),
            _ => self.rest.finish(context, None),
        }
    }
}

fn event_line(context: &Context, event: &EventDocument) -> String {
    let style = context.console.style;
    let data = match event.cells().pop() {
        Some(cell) => cell.into_text(),
        None => String::new(),
    };
    let line = format!(
        "{} {}  {:<16} {}  {}",
        style.faint(format!("{:>6}", event.seq)),
        time(&event.at),
        printable(&event.kind),
        style.strong(printable(&event.subject)),
        style.faint(printable(&data)),
    );
    line.trim_end().to_owned()
}
