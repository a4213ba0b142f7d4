//! The SQL shell without its terminal: lines in, answers out.
//!
//! The same engine serves a person at a prompt, `-c`, `-f` and a pipe; they differ in where lines come from, in whether a
//! failure ends the session ([`Settings::bail`]), and in whether Ctrl-C ends it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use hw_api::{ExitCode, ExplainDocument, ExplainRequest, Problem, RowFormat, SqlRequest};
use serde_json::Value;

use crate::args::Format;
use crate::client::Call;
use crate::context::{Context, Ended};
use crate::failure::{BROKEN_OFF, Ending, Failure};
use crate::output::OutputFile;
use crate::program::RouterBody;
use crate::render::figures;
use crate::render::json::{compact, pretty};
use crate::render::rows::{Layout, ROWS_SHOWN, markdown_head, markdown_row, summary, table};
use crate::render::sample::{Cells, Sample, column_heads};
use crate::render::text::printable_lines;
use crate::run::report;
use crate::source::Source;
use crate::style::Style;

mod complete;
mod decode;
mod done;
mod dot;
mod highlight;
pub(crate) mod interactive;
mod names;
mod passthrough;
mod plan;
mod session;
mod statements;
#[cfg(test)]
mod tests;

use statements::{Statement, Statements};

/// Files that `.read` other files; deeper is taken for a circle.
const READ_DEPTH_MAX: usize = 16;

/// How a session behaves.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Form of rows.
    pub(crate) format: Format,
    /// Whether the time stands beside each answer.
    pub(crate) timer: bool,
    /// Whether a failure ends the session.
    pub(crate) bail: bool,
    /// Whether every row and column of a table is shown.
    pub(crate) all: bool,
    /// Show plans instead of running: `Some(true)` runs as well, and measures.
    pub(crate) explain: Option<bool>,
    /// Values of `$1`, `$2`, ...
    pub(crate) params: Vec<Value>,
    /// Columns of the terminal; `None` does not shorten.
    pub(crate) width: Option<usize>,
}

/// Whether the session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Leave,
}

/// A session.
pub(crate) struct Shell<'a> {
    context: &'a mut Context,
    settings: Settings,
    statements: Statements,
    /// What lines come from, for messages.
    source: String,
    output: Option<OutputFile>,
    /// The output holds a Parquet file already, which takes the rows of one statement.
    holds_parquet: bool,
    /// What was SET so far.
    options: BTreeMap<String, String>,
    /// Exit code of the last failure that did not end the session.
    failed: Option<ExitCode>,
    read_depth: usize,
    /// A person sits at the prompt: Ctrl-C ends a query, not the session.
    interactive: bool,
}

impl<'a> Shell<'a> {
    pub(crate) fn new(context: &'a mut Context, settings: Settings) -> Self {
        Self {
            context,
            settings,
            statements: Statements::default(),
            source: "standard input".to_owned(),
            output: None,
            holds_parquet: false,
            options: BTreeMap::new(),
            failed: None,
            read_depth: 0,
            interactive: false,
        }
    }

    pub(crate) fn context(&mut self) -> &mut Context {
        self.context
    }

    pub(crate) fn set_source(&mut self, name: &str) {
        name.clone_into(&mut self.source);
        self.statements = Statements::default();
    }

    pub(crate) fn set_output(&mut self, output: Option<OutputFile>) {
        self.output = output;
    }

    fn set_interactive(&mut self) {
        self.interactive = true;
    }

    /// A session of a person, without the terminal.
    #[cfg(test)]
    pub(crate) fn for_person(context: &'a mut Context) -> Self {
        let settings = Settings {
            format: context.console.format_for(crate::console::Answer::Rows),
            timer: true,
            bail: false,
            all: false,
            explain: None,
            params: Vec::new(),
            width: None,
        };
        let mut shell = Self::new(context, settings);
        shell.set_interactive();
        shell
    }

    /// Takes a line: a dot command where no statement is open, else text of statements, each of which runs as soon as
    /// its `;` is there.
    pub(crate) async fn execute_line(&mut self, line: &str) -> Result<Flow, Ending> {
        if self.statements.is_blank() && line.trim_start().starts_with('.') {
            self.statements.skip_line();
            let done = Box::pin(self.dot_command(line.trim())).await;
            return self.or_go_on(done);
        }
        self.statements.push(line);
        self.run_complete().await
    }

    /// Runs what has no `;` at its end.
    pub(crate) async fn finish(&mut self) -> Result<Flow, Ending> {
        if let Some(statement) = self.statements.take_rest() {
            let done = self.run_statement(statement).await;
            return self.or_go_on(done.map(|()| Flow::Continue));
        }
        Ok(Flow::Continue)
    }

    /// Completes the output file; gives the session's exit code.
    pub(crate) fn conclude(&mut self) -> Ended {
        self.close_output()?;
        Ok(crate::verbs::session_code(self.failed))
    }

    async fn run_complete(&mut self) -> Result<Flow, Ending> {
        while let Some(statement) = self.statements.next() {
            let done = self.run_statement(statement).await;
            self.or_go_on(done.map(|()| Flow::Continue))?;
        }
        Ok(Flow::Continue)
    }

    /// A failure ends the session or is told and remembered, as `.bail` says.
    fn or_go_on(&mut self, done: Result<Flow, Ending>) -> Result<Flow, Ending> {
        match done {
            Err(Ending::Failure(failure)) if !self.settings.bail => {
                report(&mut self.context.console, &failure);
                self.failed = Some(failure.exit);
                Ok(Flow::Continue)
            }
            Err(Ending::Quiet(ExitCode::Cancelled)) if self.interactive => {
                self.context.interrupts.settle();
                self.context.console.say("cancelled");
                self.statements = Statements::default();
                Ok(Flow::Continue)
            }
            other => other,
        }
    }

    async fn run_statement(&mut self, statement: Statement) -> Result<(), Ending> {
        let source = Arc::new(Source {
            name: self.source.clone(),
            text: statement.text,
            lines_before: statement.lines_before,
        });
        let interrupts = self.context.interrupts.clone();
        let work = self.answer(&source.text);
        let done = Context::until_interrupted(interrupts, work).await;
        done.map_err(|ending| ending.within(&source))
    }

    async fn answer(&mut self, sql: &str) -> Result<(), Ending> {
        match self.settings.explain {
            Some(analyze) => self.explain(sql, analyze).await,
            None => {
                if let Some((query, analyze)) = plan::explained(sql).filter(|_| self.settings.format == Format::Table) {
                    return self.explain(&query, analyze).await;
                }
                self.rows(sql).await?;
                self.remember(sql);
                Ok(())
            }
        }
    }

    /// Keeps what a statement has SET for those that follow.
    fn remember(&mut self, sql: &str) {
        let Some(change) = session::change_of(sql) else { return };
        if change == session::Change::Unclear {
            let warning = "this holds for this statement only: write `SET name = value` or `RESET name`";
            self.context.console.warn(warning);
        }
        session::remember(&mut self.options, &change);
    }

    async fn explain(&mut self, sql: &str, analyze: bool) -> Result<(), Ending> {
        let request = ExplainRequest {
            sql: sql.to_owned(),
            params: self.settings.params.clone(),
            analyze,
            settings: self.options.clone(),
        };
        let call = Call::post(&["sql", "explain"]).json(&request)?;
        let answer = self.context.client.document(call).await?;
        let text = match self.settings.format {
            Format::Json => pretty(&answer.text),
            Format::JsonLines => compact(&answer.text),
            _ => printable_lines(answer.parse::<ExplainDocument>()?.text.trim_end()),
        };
        self.write(format!("{text}\n").as_bytes())
    }

    async fn rows(&mut self, sql: &str) -> Result<(), Ending> {
        let request = SqlRequest {
            sql: sql.to_owned(),
            params: self.settings.params.clone(),
            format_options: serde_json::Map::new(),
            settings: self.options.clone(),
        };
        let begin = self.context.console.now();
        let accept = row_format(self.settings.format).media_type();
        let call = Call::post(&["sql"]).accept(accept).json(&request)?;
        let answer = self.context.client.answer(call).await?;
        if let Some(done) = done::done(answer.headers()) {
            // What was done is no row of a query: it must not come between those of others.
            self.context.console.note(done::line(&done));
            return Ok(());
        }
        let request = answer.headers().get("headwater-request").cloned();
        match self.show(answer.into_body(), begin).await {
            Err(Ending::Failure(failure)) if failure.problem.code == BROKEN_OFF => {
                Err(self.cause(request).await.unwrap_or(Ending::Failure(failure)))
            }
            shown => shown,
        }
    }

    /// Why the answer to a request broke off, if the server can tell: rows were given out already, so that the work failed,
    /// whoever's fault it is.
    async fn cause(&self, request: Option<HeaderValue>) -> Option<Ending> {
        let request = request.as_ref()?.to_str().ok()?;
        let call = Call::get(&["requests", request, "fault"]);
        let problem = self.context.client.document(call).await.ok()?.parse::<Problem>().ok()?;
        Some(passthrough::broken_off(problem))
    }

    async fn show(&mut self, body: RouterBody, begin: Duration) -> Result<(), Ending> {
        match self.settings.format {
            Format::Table => self.table(body, begin).await,
            Format::Markdown => self.markdown(body).await,
            Format::Json
            | Format::JsonLines
            | Format::Csv
            | Format::Arrow
            | Format::Parquet
            | Format::Svg
            | Format::Html
            | Format::ChromeTrace => {
                passthrough::copy(self, body).await?;
                self.tell_time(begin);
                Ok(())
            }
        }
    }

    async fn table(&mut self, body: RouterBody, begin: Duration) -> Result<(), Ending> {
        let mut sample = Sample::new((!self.settings.all).then_some(ROWS_SHOWN));
        let schema = decode::batches(body, |batch| Ok(sample.add(batch)?)).await?;
        if let Some(schema) = schema {
            sample.set_schema(&schema);
        }
        let layout = self.layout();
        let elapsed = self.context.console.now().saturating_sub(begin);
        let mut text = table(&sample, layout);
        if !self.context.console.quiet {
            let mut summary = summary(&sample, self.settings.timer.then_some(elapsed), layout);
            if sample.elided() > 0 {
                let how = if self.interactive { ".all on" } else { "--all" };
                summary.push_str(&format!("; {how} shows all"));
            }
            text.push_str(&format!("{}\n", layout.style.faint(summary)));
        }
        self.write(text.as_bytes())
    }

    async fn markdown(&mut self, body: RouterBody) -> Result<(), Ending> {
        let mut has_head = false;
        let schema = decode::batches(body, |batch| {
            let mut text = String::new();
            if !has_head {
                has_head = true;
                text = markdown_head(&column_heads(&batch.schema()));
            }
            let cells = Cells::of(batch)?;
            text.extend((0..batch.num_rows()).map(|row| markdown_row(&cells.row(row))));
            self.write(text.as_bytes())
        })
        .await?;
        match schema {
            Some(schema) if !has_head => self.write(markdown_head(&column_heads(&schema)).as_bytes()),
            _ => Ok(()),
        }
    }

    /// The time beside rows that went through as they came; only a person wants it.
    fn tell_time(&mut self, begin: Duration) {
        if self.interactive && self.settings.timer {
            let elapsed = self.context.console.now().saturating_sub(begin);
            let style = self.context.console.error_style;
            self.context
                .console
                .note(style.faint(figures::duration(elapsed)).to_string());
        }
    }

    /// How tables are drawn: in full and without colours where they go into a file.
    fn layout(&self) -> Layout {
        let to_file = self.output.is_some();
        Layout {
            width: self.settings.width.filter(|_| !self.settings.all && !to_file),
            style: if to_file {
                Style::default()
            } else {
                self.context.console.style
            },
            unicode: self.context.console.unicode,
        }
    }

    /// Writes data to the output file, or to standard output.
    fn write(&mut self, data: &[u8]) -> Result<(), Ending> {
        match &mut self.output {
            Some(file) => file.write(data),
            None => self.context.console.data(data),
        }
    }

    fn close_output(&mut self) -> Result<(), Ending> {
        if let Some(file) = self.output.take() {
            let (path, bytes) = file.finish()?;
            let line = format!("wrote {} ({})", path.display(), figures::bytes(bytes));
            self.context.console.note(line);
        }
        Ok(())
    }

    async fn read(&mut self, path: &Path) -> Result<Flow, Ending> {
        if self.read_depth == READ_DEPTH_MAX {
            return Err(dot::fault(
                format!("`{}` is read by a file that it reads", path.display()),
                "take the circle out",
            ));
        }
        let file = self.context.absolute_path(path);
        let text = std::fs::read_to_string(file).map_err(|error| crate::failure::ClientError::Input {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let outer = (std::mem::take(&mut self.source), std::mem::take(&mut self.statements));
        self.source = path.display().to_string();
        self.read_depth += 1;
        let flow = self.read_lines(&text).await;
        self.read_depth -= 1;
        (self.source, self.statements) = outer;
        flow
    }

    async fn read_lines(&mut self, text: &str) -> Result<Flow, Ending> {
        for line in text.split_inclusive('\n') {
            if self.execute_line(line).await? == Flow::Leave {
                return Ok(Flow::Leave);
            }
        }
        self.finish().await
    }
}

/// The form in which rows are asked for.
fn row_format(format: Format) -> RowFormat {
    match format {
        Format::Table | Format::Markdown | Format::Arrow => RowFormat::Arrow,
        Format::Json | Format::Svg | Format::Html | Format::ChromeTrace => RowFormat::Json,
        Format::JsonLines => RowFormat::JsonLines,
        Format::Csv => RowFormat::Csv,
        Format::Parquet => RowFormat::Parquet,
    }
}

impl From<arrow::error::ArrowError> for Ending {
    fn from(error: arrow::error::ArrowError) -> Self {
        Failure::from(crate::failure::ClientError::Unreadable {
            reason: error.to_string(),
        })
        .into()
    }
}
