//! Where a verb's words go: data to standard output, everything else to standard error.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::args::{Format, Global, When};
use crate::failure::{ClientError, Ending};
use crate::render::rows::Layout;
use crate::style::Style;
use crate::surroundings::Surroundings;

/// The streams of a command and how they are to be used.
pub(crate) struct Console {
    input: Box<dyn BufRead + Send>,
    output: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
    clock: Arc<dyn Fn() -> Duration + Send + Sync>,
    pub(crate) input_is_terminal: bool,
    pub(crate) output_is_terminal: bool,
    pub(crate) errors_is_terminal: bool,
    /// Columns of the terminal; `None`: do not shorten.
    pub(crate) width: Option<usize>,
    /// How to paint data.
    pub(crate) style: Style,
    /// How to paint the rest.
    pub(crate) error_style: Style,
    /// `--format`, where given.
    pub(crate) format: Option<Format>,
    pub(crate) quiet: bool,
    pub(crate) yes: bool,
    /// Whether the terminal shows more than ASCII.
    pub(crate) unicode: bool,
}

/// The kind of an answer decides its form where `--format` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Rows,
    Document,
    List,
}

impl Console {
    pub(crate) fn new(global: &Global, surroundings: Surroundings) -> Self {
        let variables = &surroundings.variables;
        let paints = |is_terminal| Style {
            colour: colours(global, variables, is_terminal),
        };
        Self {
            width: surroundings
                .width
                .filter(|_| surroundings.output_is_terminal && !global.notrim),
            style: paints(surroundings.output_is_terminal),
            error_style: paints(surroundings.errors_is_terminal),
            format: global.format.or(global.nopretty.then_some(Format::Json)),
            quiet: global.quiet,
            yes: global.yes,
            unicode: shows_unicode(variables),
            input: surroundings.input,
            output: surroundings.output,
            errors: surroundings.errors,
            clock: surroundings.clock,
            input_is_terminal: surroundings.input_is_terminal,
            output_is_terminal: surroundings.output_is_terminal,
            errors_is_terminal: surroundings.errors_is_terminal,
        }
    }

    /// How tables and charts are drawn here.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            width: self.width,
            style: self.style,
            unicode: self.unicode,
        }
    }

    /// Time since some moment.
    pub(crate) fn now(&self) -> Duration {
        (self.clock)()
    }

    /// The form of an answer: as asked for, else by who reads it.
    pub(crate) fn format_for(&self, answer: Answer) -> Format {
        match (self.format, self.output_is_terminal, answer) {
            (Some(format), _, _) => format,
            (None, true, _) => Format::Table,
            (None, false, Answer::Rows) => Format::Csv,
            (None, false, Answer::Document) => Format::Json,
            (None, false, Answer::List) => Format::JsonLines,
        }
    }

    /// The form of a funnel's result, which may be a picture too.
    pub(crate) fn funnel_format(&self) -> Result<Format, Ending> {
        match self.format {
            Some(format @ (Format::Svg | Format::Html)) => Ok(format),
            _ => self.plain_format(Answer::Document),
        }
    }

    /// The form of a document or list: those that only rows, pictures or timelines have are refused.
    pub(crate) fn plain_format(&self, answer: Answer) -> Result<Format, Ending> {
        match self.format_for(answer) {
            format @ (Format::Markdown
            | Format::Arrow
            | Format::Parquet
            | Format::Svg
            | Format::Html
            | Format::ChromeTrace) => Err(unfit(format)),
            format => Ok(format),
        }
    }

    /// Whether remarks would spoil standard error for a program that reads problems from it.
    pub(crate) fn errors_are_documents(&self) -> bool {
        matches!(self.format, Some(Format::Json | Format::JsonLines))
    }

    /// Writes data.
    pub(crate) fn data(&mut self, data: impl AsRef<[u8]>) -> Result<(), Ending> {
        self.output
            .write_all(data.as_ref())
            .and_then(|()| self.output.flush())
            .map_err(|error| Ending::of_output(&error))
    }

    /// Writes a line of data.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> Result<(), Ending> {
        self.data(format!("{}\n", line.as_ref()))
    }

    /// Writes a line to standard error; that nobody can read it is no reason to stop.
    pub(crate) fn say(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.errors, "{}", line.as_ref());
        let _ = self.errors.flush();
    }

    /// A remark beside the data, unless `--quiet` or a program reads standard error.
    pub(crate) fn note(&mut self, line: impl AsRef<str>) {
        if !self.quiet && !self.errors_are_documents() {
            self.say(line);
        }
    }

    /// A remark that something is odd.
    pub(crate) fn warn(&mut self, text: impl AsRef<str>) {
        let head = self.error_style.warning("warning:").to_string();
        self.note(format!("{head} {}", text.as_ref()));
    }

    /// Asks before something is lost. `what` is a noun phrase: "table `flights`".
    ///
    /// # Errors
    /// Where nobody can be asked and `--yes` was not given (exit code 2), or the answer is no (130).
    pub(crate) fn confirm(&mut self, question: &str, what: &str) -> Result<(), Ending> {
        if self.yes {
            return Ok(());
        }
        if !(self.input_is_terminal && self.errors_is_terminal) {
            return Err(ClientError::Unconfirmed { what: what.to_owned() }.into());
        }
        let _ = write!(self.errors, "{question} [y/N] ");
        let _ = self.errors.flush();
        let mut answer = String::new();
        let _ = self.input.read_line(&mut answer);
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => {
                self.say("nothing was changed");
                Err(Ending::Quiet(hw_api::ExitCode::Cancelled))
            }
        }
    }

    /// The next line of standard input, with its end; `None` at the end.
    pub(crate) fn read_line(&mut self) -> Result<Option<String>, Ending> {
        let mut line = String::new();
        match self.input.read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line)),
            Err(error) => Err(unreadable_input(&error)),
        }
    }

    /// The whole of standard input, whatever its bytes are.
    pub(crate) fn read_bytes(&mut self) -> Result<Vec<u8>, Ending> {
        let mut bytes = Vec::new();
        self.input
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable_input(&error))?;
        Ok(bytes)
    }

    /// The whole of standard input.
    pub(crate) fn read_all(&mut self) -> Result<String, Ending> {
        let mut text = String::new();
        self.input
            .read_to_string(&mut text)
            .map_err(|error| unreadable_input(&error))?;
        Ok(text)
    }
}

/// What a format that a verb does not have means.
pub(crate) fn unfit(format: Format) -> Ending {
    ClientError::Usage {
        reason: format!("this verb has no form `{}`", format.name()),
        help: Some("use --format table, json, jsonl or csv".to_owned()),
    }
    .into()
}

fn unreadable_input(error: &std::io::Error) -> Ending {
    ClientError::Input {
        path: "-".into(),
        reason: error.to_string(),
    }
    .into()
}

fn colours(global: &Global, variables: &BTreeMap<String, String>, is_terminal: bool) -> bool {
    let set = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    let forced = variables
        .get("CLICOLOR_FORCE")
        .is_some_and(|value| !value.is_empty() && value != "0");
    let dumb = variables.get("TERM").is_some_and(|value| value == "dumb");
    match global.color {
        _ if global.nocolor => false,
        When::Never => false,
        When::Always => true,
        When::Auto if set("NO_COLOR") => false,
        When::Auto => forced || (is_terminal && !dumb),
    }
}

/// By the first of LC_ALL, LC_CTYPE and LANG that is set; yes where none is, as in most containers.
fn shows_unicode(variables: &BTreeMap<String, String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| variables.get(name))
        .find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
