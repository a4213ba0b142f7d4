//! Text into statements: cut at each `;` that stands in no text, name, comment or dollar quote.

/// A statement, without its `;`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    /// Lines of the input before its first one.
    pub(super) lines_before: usize,
}

/// The text that came and was not run yet. Each character is looked at once.
#[derive(Debug, Default)]
pub(super) struct Statements {
    text: String,
    /// Bytes of `text` that were looked at.
    scanned: usize,
    state: State,
    /// Lines of the input before `text`.
    lines_before: usize,
}

/// What the scanner is inside of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// A text or quoted name, and its closing quote. A doubled quote closes and opens again.
    Quoted(char),
    LineComment,
    /// `/* */`, which nest.
    BlockComment(usize),
    /// `$tag$`, as a whole.
    Dollar(String),
}

impl Statements {
    /// Takes more text; a line brings its end with it, or gets one.
    pub(super) fn push(&mut self, line: &str) {
        let line = if self.lines_before == 0 && self.text.is_empty() {
            line.trim_start_matches('\u{feff}')
        } else {
            line
        };
        self.text.push_str(line);
        if !line.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Counts a line that was no part of a statement.
    pub(super) fn skip_line(&mut self) {
        self.lines_before += self.text.matches('\n').count() + 1;
        self.text.clear();
        self.scanned = 0;
    }

    /// Whether nothing is open: no statement, no comment.
    pub(super) fn is_blank(&self) -> bool {
        self.state == State::Plain && self.text.trim().is_empty()
    }

    /// The next complete statement. Empty ones are passed over.
    pub(super) fn next(&mut self) -> Option<Statement> {
        loop {
            let end = self.scan()?;
            let statement = self.cut(end);
            if !is_empty(&statement.text) {
                return Some(statement);
            }
        }
    }

    /// What is left, as a statement, unless it is empty.
    pub(super) fn take_rest(&mut self) -> Option<Statement> {
        let statement = self.cut(self.text.len());
        self.state = State::Plain;
        (!is_empty(&statement.text)).then_some(statement)
    }

    /// Looks for the next `;` that ends a statement; gives its place.
    fn scan(&mut self) -> Option<usize> {
        while let Some(c) = self.text.get(self.scanned..).and_then(|rest| rest.chars().next()) {
            let at = self.scanned;
            let rest = self.text.get(at..).unwrap_or_default();
            let (state, length) = next_state(&self.state, rest, c);
            self.scanned = at + length;
            let ends = self.state == State::Plain && c == ';';
            self.state = state;
            if ends {
                return Some(at);
            }
        }
        None
    }

    /// Takes the text up to `end` and the `;` there.
    fn cut(&mut self, end: usize) -> Statement {
        let rest = self.text.get(end + 1..).unwrap_or_default().to_owned();
        let text = self.text.get(..end).unwrap_or_default();
        let trimmed = text.trim_start();
        let blank = text.get(..text.len() - trimmed.len()).unwrap_or_default();
        let statement = Statement {
            text: trimmed.trim_end().to_owned(),
            lines_before: self.lines_before + blank.matches('\n').count(),
        };
        self.lines_before += text.matches('\n').count();
        self.text = rest;
        self.scanned = 0;
        statement
    }
}

/// The state behind the characters at the begin of `rest`, and their bytes. `c` is the first of them.
fn next_state(state: &State, rest: &str, c: char) -> (State, usize) {
    let one = c.len_utf8();
    match state {
        State::Plain => plain(rest, c),
        State::Quoted(quote) if c == *quote => (State::Plain, one),
        State::LineComment if c == '\n' => (State::Plain, one),
        State::BlockComment(depth) if rest.starts_with("/*") => (State::BlockComment(depth + 1), 2),
        State::BlockComment(1) if rest.starts_with("*/") => (State::Plain, 2),
        State::BlockComment(depth) if rest.starts_with("*/") => (State::BlockComment(depth - 1), 2),
        State::Dollar(tag) if rest.starts_with(tag.as_str()) => (State::Plain, tag.len()),
        inside => (inside.clone(), one),
    }
}

fn plain(rest: &str, c: char) -> (State, usize) {
    match c {
        '\'' | '"' | '`' => (State::Quoted(c), 1),
        '-' if rest.starts_with("--") => (State::LineComment, 2),
        '/' if rest.starts_with("/*") => (State::BlockComment(1), 2),
        '$' => match dollar_tag(rest) {
            Some(tag) => (State::Dollar(tag.to_owned()), tag.len()),
            None => (State::Plain, 1),
        },
        _ => (State::Plain, c.len_utf8()),
    }
}

/// `$$` or `$name$`; `$1` is a parameter.
fn dollar_tag(rest: &str) -> Option<&str> {
    let name = rest.strip_prefix('$')?;
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let is_tag = name.get(end..)?.starts_with('$') && !name.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| rest.get(..end + 2)).flatten()
}

/// Whether a text has nothing but blanks and comments.
fn is_empty(text: &str) -> bool {
    let mut state = State::Plain;
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let (next, length) = next_state(&state, text.get(at..).unwrap_or_default(), c);
        let is_comment = |state: &State| matches!(state, State::LineComment | State::BlockComment(_));
        if !c.is_whitespace() && !is_comment(&state) && !is_comment(&next) {
            return false;
        }
        state = next;
        at += length;
    }
    true
}

/// Whether a person's input is complete: a dot command, nothing, or statements that all have their `;`.
pub(super) fn is_complete(input: &str) -> bool {
    if input.trim_start().starts_with('.') {
        return true;
    }
    let mut statements = Statements::default();
    statements.push(input);
    while statements.next().is_some() {}
    statements.state == State::Plain && is_empty(&statements.text)
}
