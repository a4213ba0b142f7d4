//! What a session has SET: the server forgets it with each statement, so that the shell remembers and sends it along.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::CharIndices;

const TIME_ZONE: &str = "datafusion.execution.time_zone";

/// What a statement does to the options of its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// `SET name = value`.
    Set(String, String),
    /// `RESET name`.
    Reset(String),
    /// A SET that is not understood here.
    Unclear,
}

/// Carries a change out.
pub(super) fn remember(options: &mut BTreeMap<String, String>, change: &Change) {
    match change {
        Change::Set(name, value) => drop(options.insert(name.clone(), value.clone())),
        Change::Reset(name) if name == "all" => options.clear(),
        Change::Reset(name) => drop(options.remove(name)),
        Change::Unclear => {}
    }
}

/// What a statement that the server has carried out does; `None` for one that is no SET or RESET.
pub(super) fn change_of(sql: &str) -> Option<Change> {
    // Anything else ends at its first word; a long statement is not read to its end for that.
    let first = tokens(sql, 1).pop()?;
    let (is_set, is_reset) = (first.is("set"), first.is("reset"));
    if !is_set && !is_reset {
        return None;
    }
    let tokens = tokens(sql, TOKENS_MAX);
    let rest = tokens.get(1..).unwrap_or_default();
    let change = if is_set { set_of(rest) } else { reset_of(rest) };
    Some(change.unwrap_or(Change::Unclear))
}

/// More than any SET has.
const TOKENS_MAX: usize = 32;

fn set_of(tokens: &[Token]) -> Option<Change> {
    let tokens = match tokens {
        [first, rest @ ..] if first.is("session") || first.is("local") => rest,
        tokens => tokens,
    };
    let (name, rest) = match tokens {
        [time, zone, rest @ ..] if time.is("time") && zone.is("zone") => (TIME_ZONE.to_owned(), rest),
        tokens => name_of(tokens)?,
    };
    let rest = match rest {
        [sign, rest @ ..] if sign.is("=") || sign.is("to") => rest,
        rest if name == TIME_ZONE => rest,
        _ => return None,
    };
    let value = match rest {
        [Token::Plain(text) | Token::Quoted(text)] => text.clone(),
        [minus, Token::Plain(number)] if minus.is("-") => format!("-{number}"),
        _ => return None,
    };
    Some(Change::Set(name, value))
}

fn reset_of(tokens: &[Token]) -> Option<Change> {
    let (name, rest) = name_of(tokens)?;
    rest.is_empty().then_some(Change::Reset(name))
}

/// A name of parts between dots, and what follows it.
fn name_of(tokens: &[Token]) -> Option<(String, &[Token])> {
    let mut name = String::new();
    let mut rest = tokens;
    loop {
        let [part, others @ ..] = rest else { return None };
        match part {
            Token::Plain(text) => name.push_str(&text.to_lowercase()),
            Token::Quoted(text) => name.push_str(text),
        }
        rest = others;
        match rest {
            [dot, others @ ..] if dot.is(".") => {
                name.push('.');
                rest = others;
            }
            _ => break,
        }
    }
    let name = match name.as_str() {
        "timezone" | "time.zone" => TIME_ZONE.to_owned(),
        _ => name,
    };
    Some((name, rest))
}

/// A piece of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A word, a number or a sign.
    Plain(String),
    /// What stood in quotes.
    Quoted(String),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Plain(text) if text.eq_ignore_ascii_case(word))
    }
}

/// The first tokens of a statement, comments left out.
fn tokens(sql: &str, most: usize) -> Vec<Token> {
    let mut chars = sql.char_indices().peekable();
    let mut tokens = Vec::new();
    while tokens.len() < most {
        let Some((at, c)) = chars.next() else { break };
        let rest = sql.get(at..).unwrap_or_default();
        match c {
            _ if c.is_whitespace() => {}
            '-' if rest.starts_with("--") => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            '/' if rest.starts_with("/*") => skip_comment(sql, &mut chars),
            '\'' | '"' | '`' => tokens.push(Token::Quoted(quoted(&mut chars, c))),
            _ if is_word(c) => {
                let mut word = String::from(c);
                while let Some((_, c)) = chars.next_if(|(_, c)| is_word(*c)) {
                    word.push(c);
                }
                tokens.push(Token::Plain(word));
            }
            _ => tokens.push(Token::Plain(c.to_string())),
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What stands up to the closing quote; a doubled one stands for itself.
fn quoted(chars: &mut Peekable<CharIndices<'_>>, quote: char) -> String {
    let mut text = String::new();
    while let Some((_, c)) = chars.next() {
        if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            break;
        }
        text.push(c);
    }
    text
}

/// Passes over the rest of a comment, and the comments in it.
fn skip_comment(sql: &str, chars: &mut Peekable<CharIndices<'_>>) {
    chars.next();
    let mut depth = 1_usize;
    while let Some((at, _)) = chars.next() {
        let rest = sql.get(at..).unwrap_or_default();
        if rest.starts_with("/*") {
            chars.next();
            depth += 1;
        } else if rest.starts_with("*/") {
            chars.next();
            depth -= 1;
            if depth == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
