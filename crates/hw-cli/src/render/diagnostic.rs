//! Problems for people: every finding at its place in the user's own text, and what to do.

use std::fmt::Write as _;

use hw_api::{Problem, ProblemError};

use crate::failure::Failure;
use crate::render::text::{fit, printable, width};
use crate::source::{Place, Source};
use crate::style::Style;

/// Characters of a source line that are shown; a document on one line may be a megabyte.
const SNIPPET_WIDTH: usize = 100;
/// Findings that are shown; a document has all of them.
const FINDINGS_MAX: usize = 50;

/// The lines for standard error, without the last line end.
pub(crate) fn render(failure: &Failure, style: Style) -> String {
    let problem = &failure.problem;
    let mut out = headline(problem, style);
    let findings = told_beside(failure);
    for finding in findings {
        out.push('\n');
        out.push_str(&finding_lines(finding, problem, failure.source.as_deref(), style));
    }
    let left = problem.errors.len().saturating_sub(FINDINGS_MAX);
    if left > 0 {
        let _ = write!(out, "\n  and {left} more: `--format json` shows all");
    }
    if let Some(help) = help_left(problem, findings) {
        let _ = write!(out, "\n{} {}", style.advice("help:"), indented(help, 6));
    }
    if problem.class.as_deref() == Some("internal") && problem.status >= 500 {
        let _ = write!(
            out,
            "\n{} this is a fault of headwater, sorry; please report it with the output of `headwater doctor`",
            style.strong("note:")
        );
    }
    out
}

/// The findings that say more than the headline does: a single one without a place is the headline over again.
fn told_beside(failure: &Failure) -> &[ProblemError] {
    let errors = failure.problem.errors.as_slice();
    match errors {
        [only] if only.message == failure.problem.detail && only.code == failure.problem.code && is_nowhere(only) => {
            &[]
        }
        errors => errors.get(..FINDINGS_MAX).unwrap_or(errors),
    }
}

/// A pointer to the whole document counts as no place.
fn is_nowhere(finding: &ProblemError) -> bool {
    finding.pointer.as_deref().unwrap_or_default().is_empty() && finding.line.is_none() && finding.offset.is_none()
}

/// Advice that no finding has given yet.
fn help_left<'a>(problem: &'a Problem, told: &[ProblemError]) -> Option<&'a String> {
    let is_told = |help: &String| told.iter().any(|finding| finding.help.as_ref() == Some(help));
    let of_headline = || problem.errors.first().and_then(|only| only.help.as_ref());
    let help = match &problem.help {
        None if told.is_empty() => of_headline(),
        help => help.as_ref(),
    };
    help.filter(|help| !is_told(help))
}

fn headline(problem: &Problem, style: Style) -> String {
    let aliases = match problem.aliases.as_slice() {
        [] => String::new(),
        aliases => format!(" ({})", aliases.join(", ")),
    };
    format!(
        "{} {}{}",
        style.error(format!("error[{}]:", printable(&problem.code))),
        style.strong(indented(&problem.detail, 0)),
        printable(&aliases)
    )
}

fn finding_lines(finding: &ProblemError, problem: &Problem, source: Option<&Source>, style: Style) -> String {
    let place = source.and_then(|source| Some((source, place_of(finding, source)?)));
    let mut out = match place {
        Some((source, place)) => snippet(finding, source, &place, style),
        None => format!("  {}", without_place(finding)),
    };
    if finding.code != problem.code && !finding.code.is_empty() {
        let _ = write!(out, " {}", style.faint(format!("[{}]", printable(&finding.code))));
    }
    if let Some(help) = &finding.help {
        let _ = write!(out, "\n   {} {}", style.advice("= help:"), indented(help, 11));
    }
    out
}

fn without_place(finding: &ProblemError) -> String {
    let message = printable(&finding.message);
    match (&finding.pointer, finding.line, finding.column) {
        (Some(pointer), _, _) if !pointer.is_empty() => format!("{}: {message}", printable(pointer)),
        (_, Some(line), Some(column)) => format!("line {line}, column {column}: {message}"),
        (_, Some(line), None) => format!("line {line}: {message}"),
        _ => format!("- {message}"),
    }
}

/// The message below a place in a text. A pointer besides it leads further, into a document within that text.
fn message_at_place(finding: &ProblemError) -> String {
    match (&finding.pointer, finding.line) {
        (Some(pointer), Some(_)) if !pointer.is_empty() => format!("{pointer}: {}", finding.message),
        _ => finding.message.clone(),
    }
}

fn place_of<'a>(finding: &ProblemError, source: &'a Source) -> Option<Place<'a>> {
    match (finding.line, finding.column, &finding.pointer, finding.offset) {
        (Some(line), column, _, _) => {
            source.at(usize::try_from(line).ok()?, usize::try_from(column.unwrap_or(1)).ok()?)
        }
        (None, _, Some(pointer), _) => source.at_pointer(pointer),
        (None, _, None, Some(offset)) => source.at_offset(usize::try_from(offset).ok()?),
        (None, _, None, None) => None,
    }
}

/// The line, and the finding's message under what it speaks of:
///
/// ```text
///   --> checkout.json:3:17
///    |
///  3 |     {"filter": ["evnt", "==", "view"]}
///    |                 ^^^^^^ no column `evnt`
/// ```
fn snippet(finding: &ProblemError, source: &Source, place: &Place<'_>, style: Style) -> String {
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let bar = style.frame("|");
    let window = Window::around(place);
    let arrow = style.frame("-->");
    format!(
        " {margin}{arrow} {}:{}:{}\n {margin} {bar}\n {} {bar} {}\n {margin} {bar} {}{} {}",
        printable(&source.name),
        place.line,
        place.column,
        style.frame(number),
        window.text,
        " ".repeat(window.before),
        style.error("^".repeat(window.marked)),
        style.error(indented(&message_at_place(finding), 0)),
    )
}

/// The part of a line around a place, in columns of the terminal.
struct Window {
    text: String,
    before: usize,
    marked: usize,
}

impl Window {
    fn around(place: &Place<'_>) -> Self {
        let chars: Vec<char> = place.text.chars().collect();
        let at = place.column.saturating_sub(1).min(chars.len());
        let start = if chars.len() <= SNIPPET_WIDTH {
            0
        } else {
            at.saturating_sub(SNIPPET_WIDTH / 3)
        };
        let shown = |from: usize, to: usize| -> String {
            let part: String = chars
                .get(from..to.min(chars.len()))
                .unwrap_or_default()
                .iter()
                .collect();
            printable(&part.replace('\t', " ")).into_owned()
        };
        let head = if start > 0 { "…" } else { "" };
        let before = format!("{head}{}", shown(start, at));
        let marked = shown(at, at + place.length);
        let text = format!("{before}{}", shown(at, chars.len().min(start + SNIPPET_WIDTH + 1)));
        let room = SNIPPET_WIDTH.saturating_sub(width(&before)).max(1);
        Self {
            text: fit(&text, SNIPPET_WIDTH, "…").into_owned(),
            before: width(&before),
            marked: width(&marked).clamp(1, room),
        }
    }
}

/// A text whose further lines are indented.
fn indented(text: &str, blanks: usize) -> String {
    let lines: Vec<_> = text.lines().map(printable).collect();
    lines.join(&format!("\n{}", " ".repeat(blanks)))
}
