//! Progress of a job beside its data: a bar on a terminal, a plain line now and then elsewhere.

use std::time::Duration;

use hw_api::ProgressDocument;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;
use crate::render::figures;
use crate::render::text::printable;
use crate::verbs::tasks_done;

#[cfg(test)]
mod tests;

/// Quick work shows nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// The same with `--progress`.
const LINE_EVERY_ASKED: Duration = Duration::from_secs(1);
const BAR_WIDTH: u64 = 20;

/// What is shown of a job's progress.
pub(crate) struct Progress {
    mode: Mode,
    title: String,
    begin: Duration,
    newest: Option<ProgressDocument>,
    unicode: bool,
}

enum Mode {
    Hidden,
    Bar(Option<ProgressBar>),
    /// Time between two lines, and when the last one was printed.
    Lines {
        every: Duration,
        last: Duration,
    },
}

impl Progress {
    pub(crate) fn new(console: &Console, title: &str, asked: bool) -> Self {
        let now = console.now();
        let lines = |every| Mode::Lines { every, last: now };
        let mode = match () {
            () if console.quiet => Mode::Hidden,
            () if console.errors_is_terminal => Mode::Bar(None),
            () if asked => lines(LINE_EVERY_ASKED),
            () if console.errors_are_documents() => Mode::Hidden,
            () => lines(LINE_EVERY),
        };
        Self {
            mode,
            title: printable(title).into_owned(),
            begin: now,
            newest: None,
            unicode: console.unicode,
        }
    }

    pub(crate) fn update(&mut self, document: ProgressDocument) {
        self.newest = Some(document);
    }

    /// Shows the newest state, if it is time to.
    pub(crate) fn draw(&mut self, console: &mut Console) {
        let now = console.now();
        let elapsed = now.saturating_sub(self.begin);
        let text = self.text(elapsed);
        match &mut self.mode {
            Mode::Hidden => {}
            Mode::Bar(bar) if elapsed >= PATIENCE => bar.get_or_insert_with(new_bar).set_message(text),
            Mode::Bar(_) => {}
            Mode::Lines { every, last } => {
                if now.saturating_sub(*last) >= *every {
                    *last = now;
                    console.say(text);
                }
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&mut self) {
        if let Mode::Bar(Some(bar)) = &self.mode {
            bar.finish_and_clear();
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let waiting = ProgressDocument::default();
        let document = self.newest.as_ref().unwrap_or(&waiting);
        let bar = match self.mode {
            Mode::Bar(_) => bar(tasks_done(document), self.unicode),
            Mode::Hidden | Mode::Lines { .. } => None,
        };
        let head = bar
            .into_iter()
            .chain([self.title.clone()])
            .collect::<Vec<_>>()
            .join(" ");
        let parts = [head].into_iter().chain(figures_of(document, elapsed));
        parts.collect::<Vec<_>>().join(" · ")
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// `[██████    ]`; nothing before the number of tasks is known.
fn bar((done, all): (u64, u64), unicode: bool) -> Option<String> {
    let full = (done * BAR_WIDTH).checked_div(all)?;
    let mark = if unicode { "█" } else { "#" };
    let count = usize::try_from(full).unwrap_or_default();
    Some(format!("[{:<width$}]", mark.repeat(count), width = BAR_WIDTH as usize))
}

/// `3/8 tasks`, `1,204 rows`, `3.4 MB`, `12.3 MB/s`, `about 5 s left`; each as far as it is known.
fn figures_of(document: &ProgressDocument, elapsed: Duration) -> Vec<String> {
    let (done, all) = tasks_done(document);
    let seconds = elapsed.as_secs_f64();
    let rate = |bytes: u64| format!("{}/s", figures::bytes((bytes as f64 / seconds) as u64));
    let left = |done: u64, all: u64| {
        let left = (seconds * (all - done) as f64 / done as f64).ceil();
        match left {
            ..60.0 => format!("about {left} s left"),
            _ => format!("about {} left", figures::seconds(left)),
        }
    };
    let what = document.message.as_deref().unwrap_or(&document.stage);
    let known = [
        (!what.is_empty()).then(|| printable(what).into_owned()),
        (all > 0).then(|| format!("{done}/{all} tasks")),
        (document.rows > 0).then(|| figures::counted(document.rows, "row")),
        (document.bytes > 0).then(|| figures::bytes(document.bytes)),
        (document.bytes > 0 && seconds >= 1.0).then(|| rate(document.bytes)),
        (done > 0 && done < all && seconds >= 1.0).then(|| left(done, all)),
    ];
    known.into_iter().flatten().collect()
}
