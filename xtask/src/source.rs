//! Rust text cut into lexemes: enough to tell code from comments and literals, without a parser.
//!
//! Lifetimes and numbers count as words. Whitespace is left out. Text that is not Rust gives lexemes too, never an error.

#[cfg(test)]
mod tests;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, a keyword, a number, a lifetime, or one sign.
    Code,
    /// A whole comment with its slashes.
    Comment,
    /// A string or character literal with its quotes.
    Literal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lexeme<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    /// Counted from 1; of the first character.
    pub(crate) line: usize,
}

impl Lexeme<'_> {
    pub(crate) fn is_code(&self, text: &str) -> bool {
        self.kind == Kind::Code && self.text == text
    }

    pub(crate) fn is_word(&self) -> bool {
        self.kind == Kind::Code && self.text.starts_with(is_word_character)
    }
}

/// The lexemes of `text` in order.
pub(crate) fn lex(text: &str) -> Vec<Lexeme<'_>> {
    let mut lexemes = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (kind, length) = next(rest, first);
        let (lexeme, tail) = rest.split_at(length);
        if !first.is_whitespace() {
            lexemes.push(Lexeme {
                kind,
                text: lexeme,
                line,
            });
        }
        line += lexeme.matches('\n').count();
        rest = tail;
    }
    lexemes
}

/// Kind and length in bytes of the lexeme that `rest` begins with.
fn next(rest: &str, first: char) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if let Some(length) = raw_string(rest).or_else(|| quoted(rest)) {
        return (Kind::Literal, length);
    }
    let word = rest.find(|c| !is_word_character(c)).unwrap_or(rest.len());
    (
        Kind::Code,
        if word > 0 {
            word
        } else {
            first.len_utf8() + lifetime(rest)
        },
    )
}

fn is_word_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Block comments nest in Rust.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(tail) = rest.get(at..) {
        if tail.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match tail.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => break,
            }
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, with `b` or `c` in front; not `r#name`.
fn raw_string(rest: &str) -> Option<usize> {
    let after_r = rest.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = after_r.len() - after_r.trim_start_matches('#').len();
    let body = after_r.get(hashes..)?.strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

/// A string or character with escapes, with `b` or `c` in front.
fn quoted(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with(['b', 'c']));
    let literal = rest.get(prefix..)?;
    let length = match literal.chars().next()? {
        '"' => closing_quote(literal, '"').unwrap_or(literal.len()),
        '\'' => character(literal)?,
        _ => return None,
    };
    Some(prefix + length)
}

/// Length up to and with the quote that closes the one `literal` begins with.
fn closing_quote(literal: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in literal.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at + c.len_utf8()),
            _ => {}
        }
    }
    None
}

/// `None` for a lifetime: a quote that is closed neither after one character nor after an escape.
fn character(literal: &str) -> Option<usize> {
    let mut characters = literal.char_indices().skip(1);
    let (_, content) = characters.next()?;
    if content == '\\' {
        return closing_quote(literal, '\'');
    }
    characters.next().filter(|&(_, c)| c == '\'').map(|(at, _)| at + 1)
}

/// Length of the name behind the quote of a lifetime, 0 for other signs.
fn lifetime(rest: &str) -> usize {
    let Some(name) = rest.strip_prefix('\'') else { return 0 };
    name.find(|c| !is_word_character(c)).unwrap_or(name.len())
}
