//! Dot commands: about the session rather than the data.

use std::path::PathBuf;

use hw_api::{TableDocument, TableList};

use super::{Flow, Shell};
use crate::args::Format;
use crate::client::Call;
use crate::context::Context;
use crate::failure::{ClientError, Ending};
use crate::output::OutputFile;
use crate::render::figures::counted;
use crate::render::grid::{Cell, Grid};
use crate::render::text::printable;

/// A dot command with its arguments.
#[derive(Debug, PartialEq)]
pub(super) enum DotCommand {
    All(bool),
    Bail(bool),
    Explain { sql: String, analyze: bool },
    Help(Option<String>),
    Mode(Format),
    Output(Option<PathBuf>),
    Quit,
    Read(PathBuf),
    Schema(Option<String>),
    Tables(Option<String>),
    Timer(bool),
    Width(Option<usize>),
}

/// Name, arguments, what it does; in the order of names.
pub(super) const COMMANDS: [(&str, &str, &str); 12] = [
    (".all", "on|off", "show every row and column of a table"),
    (".bail", "on|off", "stop at the first failure"),
    (".explain", "[analyze] STATEMENT", "show how a statement is carried out"),
    (".help", "[PATTERN]", "list dot commands"),
    (".mode", "table|csv|json|jsonl|markdown", "form of the rows"),
    (".output", "[FILE]", "answers into a file, or to the screen"),
    (".quit", "", "leave; Ctrl-D does, too"),
    (".read", "FILE", "run the statements of a file"),
    (".schema", "[TABLE]", "columns of a table, or of all"),
    (".tables", "[PATTERN]", "list tables"),
    (".timer", "on|off", "tell the time beside each answer"),
    (".width", "[COLUMNS]", "columns of a table; 0: do not shorten"),
];

/// The failure of a dot command.
pub(super) fn fault(reason: impl Into<String>, help: impl Into<String>) -> Ending {
    ClientError::Shell {
        reason: reason.into(),
        help: help.into(),
    }
    .into()
}

/// Reads a line that begins with a dot.
pub(super) fn parse(line: &str) -> Result<DotCommand, Ending> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let argument = (!rest.is_empty()).then(|| unquoted(rest).to_owned());
    match name {
        ".all" => on_off(name, rest).map(DotCommand::All),
        ".bail" => on_off(name, rest).map(DotCommand::Bail),
        ".explain" => explain(rest),
        ".help" | ".h" => Ok(DotCommand::Help(argument)),
        ".mode" => mode(rest).map(DotCommand::Mode),
        ".output" | ".o" => Ok(DotCommand::Output(argument.map(PathBuf::from))),
        ".quit" | ".exit" | ".q" => Ok(DotCommand::Quit),
        ".read" => match argument {
            Some(file) => Ok(DotCommand::Read(file.into())),
            None => Err(usage(name)),
        },
        ".schema" => Ok(DotCommand::Schema(
            argument.map(|name| name.trim_end_matches(';').to_owned()),
        )),
        ".tables" => Ok(DotCommand::Tables(argument)),
        ".timer" => on_off(name, rest).map(DotCommand::Timer),
        ".width" => width(rest).map(DotCommand::Width),
        _ => Err(unknown(name)),
    }
}

fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}

fn on_off(name: &str, rest: &str) -> Result<bool, Ending> {
    match rest {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(usage(name)),
    }
}

fn explain(rest: &str) -> Result<DotCommand, Ending> {
    let (first, others) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let analyze = first.eq_ignore_ascii_case("analyze");
    let sql = if analyze { others } else { rest };
    let sql = sql.trim().trim_end_matches(';').to_owned();
    match sql.is_empty() {
        true => Err(usage(".explain")),
        false => Ok(DotCommand::Explain { sql, analyze }),
    }
}

fn mode(rest: &str) -> Result<Format, Ending> {
    match rest {
        "table" | "duckbox" => Ok(Format::Table),
        "csv" => Ok(Format::Csv),
        "json" => Ok(Format::Json),
        "jsonl" | "jsonlines" => Ok(Format::JsonLines),
        "markdown" => Ok(Format::Markdown),
        _ => Err(usage(".mode")),
    }
}

fn width(rest: &str) -> Result<Option<usize>, Ending> {
    match rest {
        "" => Ok(None),
        number => number.parse().map(Some).map_err(|_| usage(".width")),
    }
}

fn usage(name: &str) -> Ending {
    let arguments = COMMANDS
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or("", |(_, arguments, _)| arguments);
    fault(
        format!("`{name}` takes other arguments"),
        format!("write `{name} {arguments}`"),
    )
}

fn unknown(name: &str) -> Ending {
    let near = COMMANDS
        .iter()
        .map(|(known, ..)| *known)
        .min_by_key(|known| strsim::damerau_levenshtein(known, name))
        .filter(|known| strsim::damerau_levenshtein(known, name) <= 2);
    let help = match near {
        Some(near) => format!("did you mean `{near}`? `.help` lists all"),
        None => "`.help` lists all".to_owned(),
    };
    fault(format!("there is no dot command `{}`", printable(name)), help)
}

impl Shell<'_> {
    /// Carries out a line that begins with a dot.
    pub(super) async fn dot_command(&mut self, line: &str) -> Result<Flow, Ending> {
        match parse(line)? {
            DotCommand::All(on) => self.settings.all = on,
            DotCommand::Bail(on) => self.settings.bail = on,
            DotCommand::Timer(on) => self.settings.timer = on,
            DotCommand::Mode(format) => self.settings.format = format,
            DotCommand::Width(width) => {
                let terminal = self.context.console.width;
                self.settings.width = width.map_or(terminal, |width| (width > 0).then_some(width));
            }
            DotCommand::Quit => return Ok(Flow::Leave),
            DotCommand::Help(pattern) => self.help(pattern.as_deref())?,
            DotCommand::Output(file) => self.switch_output(file)?,
            DotCommand::Read(file) => return self.read(&file).await,
            DotCommand::Explain { sql, analyze } => self.explain_line(&sql, analyze).await?,
            DotCommand::Schema(table) => self.interruptible_schema(table.as_deref()).await?,
            DotCommand::Tables(pattern) => self.tables(pattern.as_deref()).await?,
        }
        Ok(Flow::Continue)
    }

    fn help(&mut self, pattern: Option<&str>) -> Result<(), Ending> {
        let mut grid = Grid::new(&["", "", ""]);
        let matches = |text: &str| pattern.is_none_or(|pattern| text.contains(pattern));
        for (name, arguments, what) in COMMANDS {
            if matches(name) || matches(what) {
                grid.row(vec![Cell::new(name), Cell::new(arguments), Cell::new(what)]);
            }
        }
        let text = grid.render(self.layout());
        self.context.console.data(text)
    }

    fn switch_output(&mut self, file: Option<PathBuf>) -> Result<(), Ending> {
        self.close_output()?;
        self.holds_parquet = false;
        self.output = match file {
            Some(file) => Some(OutputFile::create(&self.context.absolute_path(&file))?),
            None => None,
        };
        Ok(())
    }

    async fn explain_line(&mut self, sql: &str, analyze: bool) -> Result<(), Ending> {
        let source = std::sync::Arc::new(crate::source::Source::new(".explain", sql));
        let interrupts = self.context.interrupts.clone();
        let done = Context::until_interrupted(interrupts, self.explain(sql, analyze)).await;
        done.map_err(|ending| ending.within(&source))
    }

    async fn tables(&mut self, pattern: Option<&str>) -> Result<(), Ending> {
        let mut grid = Grid::new(&["table", ">rows", "group", "time"]);
        let known = self.all_tables().await?;
        let count = known.len() as u64;
        for table in known {
            if pattern.is_none_or(|pattern| table.name.contains(pattern.trim_matches('%'))) {
                grid.row(vec![
                    Cell::new(&table.name),
                    Cell::maybe(table.rows.map(crate::render::figures::count)),
                    Cell::maybe(table.group_column.as_deref()),
                    Cell::maybe(table.time_column.as_deref()),
                ]);
            }
        }
        if grid.is_empty() {
            let note = match pattern {
                Some(pattern) if count > 0 => {
                    let tables = counted(count, "table");
                    format!(
                        "no table has `{}` in its name; there are others: {tables}",
                        printable(pattern)
                    )
                }
                _ => "no tables: SELECT * FROM 'data/*.parquet' works without one".to_owned(),
            };
            self.context.console.note(note);
            return Ok(());
        }
        let text = grid.render(self.layout());
        self.write(text.as_bytes())
    }

    async fn interruptible_schema(&mut self, table: Option<&str>) -> Result<(), Ending> {
        let interrupts = self.context.interrupts.clone();
        Context::until_interrupted(interrupts, self.schema(table)).await
    }

    async fn schema(&mut self, table: Option<&str>) -> Result<(), Ending> {
        let names = match table {
            Some(name) => vec![name.to_owned()],
            None => self.all_tables().await?.into_iter().map(|table| table.name).collect(),
        };
        for name in names {
            let call = Call::get(&["tables", &name]);
            let table: TableDocument = self.context.client.document(call).await?.parse()?;
            let style = self.context.console.style;
            let mut grid = Grid::new(&["", ""]);
            for column in &table.columns {
                grid.row(vec![
                    Cell::new(format!("  {}", column.name)),
                    Cell::new(&column.sql_type),
                ]);
            }
            let head = style.strong(printable(&table.name)).to_string();
            let text = format!("{head}\n{}", grid.render(self.layout()));
            self.write(text.as_bytes())?;
        }
        Ok(())
    }

    async fn all_tables(&mut self) -> Result<Vec<TableDocument>, Ending> {
        let mut tables = Vec::new();
        let mut page: Option<String> = None;
        loop {
            let call = Call::get(&["tables"]).query_if("page", page.as_deref());
            let list: TableList = self.context.client.document(call).await?.parse()?;
            tables.extend(list.items);
            page = list.next;
            if page.is_none() {
                return Ok(tables);
            }
        }
    }
}
