//! Shell wildcards for file names: `*`, `?`, `[a-z]`, `[!a]`, `{a,b}`, and a backslash before what stands for itself.

use crate::FileError;

/// Braces multiply; more alternatives than this are refused.
const ALTERNATIVES_MAX: usize = 1_000;

/// A wildcard, ready to be compared with file names. Upper and lower case differ.
///
/// As in a shell, a name that begins with a dot matches only a pattern that begins with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    alternatives: Vec<Vec<Token>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    AnyChar,
    AnyText,
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl Pattern {
    /// Reads a wildcard.
    ///
    /// # Errors
    /// [`FileError::InvalidPattern`] if it is empty, holds `/`, or opens a bracket that is never closed.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let invalid = |reason: &str| FileError::InvalidPattern {
            pattern: text.to_owned(),
            reason: reason.to_owned(),
        };
        if text.is_empty() {
            return Err(invalid("it is empty"));
        }
        if text.contains('/') {
            return Err(invalid("it holds a `/`"));
        }
        let alternatives = expanded(text).map_err(invalid)?;
        let alternatives = alternatives
            .iter()
            .map(|one| tokens(one))
            .collect::<Result<_, _>>()
            .map_err(invalid)?;
        Ok(Self {
            text: text.to_owned(),
            alternatives,
        })
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole file name fits.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.alternatives
            .iter()
            .any(|tokens| shows_dot(tokens, &name) && fits(tokens, &name))
    }
}

fn shows_dot(tokens: &[Token], name: &[char]) -> bool {
    name.first() != Some(&'.') || tokens.first() == Some(&Token::Char('.'))
}

/// Compares from left to right; after a mismatch the last `*` takes one character more. Never worse than
/// (length of the name) x (length of the pattern).
fn fits(tokens: &[Token], name: &[char]) -> bool {
    let (mut token_at, mut name_at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(name_at) {
        match tokens.get(token_at) {
            Some(Token::AnyText) => {
                star = Some((token_at + 1, name_at));
                token_at += 1;
            }
            Some(token) if token.accepts(*c) => {
                token_at += 1;
                name_at += 1;
            }
            _ => match star {
                Some((after_star, taken_to)) => {
                    star = Some((after_star, taken_to + 1));
                    token_at = after_star;
                    name_at = taken_to + 1;
                }
                None => return false,
            },
        }
    }
    tokens.iter().skip(token_at).all(|token| *token == Token::AnyText)
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Char(own) => *own == c,
            Self::AnyChar | Self::AnyText => true,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

/// The texts that the braces stand for, without braces.
fn expanded(text: &str) -> Result<Vec<String>, &'static str> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(next) = open.pop() {
        match first_brace(&next)? {
            None => done.push(next),
            Some(Brace { before, choices, after }) => {
                open.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
        }
        if open.len() + done.len() > ALTERNATIVES_MAX {
            return Err("its braces stand for more than 1,000 patterns");
        }
    }
    Ok(done)
}

/// A text with a brace in it.
struct Brace<'a> {
    before: &'a str,
    choices: Vec<String>,
    after: &'a str,
}

/// Splits at the first brace outside brackets.
fn first_brace(text: &str) -> Result<Option<Brace<'_>>, &'static str> {
    let mut chars = text.char_indices();
    let mut class = false;
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '[' if !class => class = true,
            ']' => class = false,
            '{' if !class => {
                let (before, rest) = text.split_at(at);
                let (choices, after) = choices(rest.get(1..).unwrap_or_default())?;
                return Ok(Some(Brace { before, choices, after }));
            }
            _ => {}
        }
    }
    Ok(None)
}

fn choices(text: &str) -> Result<(Vec<String>, &str), &'static str> {
    let mut choices = vec![String::new()];
    let mut depth = 0_usize;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ',' if depth == 0 => {
                choices.push(String::new());
                continue;
            }
            '}' if depth == 0 => return Ok((choices, text.get(at + 1..).unwrap_or_default())),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if let Some(choice) = choices.last_mut() {
            choice.push(c);
            if c == '\\' {
                choice.extend(chars.next().map(|(_, escaped)| escaped));
            }
        }
    }
    Err("a `{` is never closed")
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if tokens.last() == Some(&Token::AnyText) => {}
            '*' => tokens.push(Token::AnyText),
            '?' => tokens.push(Token::AnyChar),
            '[' => tokens.push(class(&mut chars)?),
            '\\' => tokens.push(Token::Char(chars.next().ok_or("it ends in a backslash")?)),
            other => tokens.push(Token::Char(other)),
        }
    }
    Ok(tokens)
}

/// What stands between brackets; a `]` right after the opening stands for itself.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const OPEN: &str = "a `[` is never closed";
    let negated = chars.next_if(|c| matches!(c, '!' | '^')).is_some();
    let mut ranges = Vec::new();
    loop {
        let first = match chars.next().ok_or(OPEN)? {
            ']' if !ranges.is_empty() => return Ok(Token::Class { negated, ranges }),
            '\\' => chars.next().ok_or(OPEN)?,
            other => other,
        };
        let last = match chars.next_if_eq(&'-') {
            None => first,
            Some(_) => match chars.peek().copied().ok_or(OPEN)? {
                ']' => {
                    ranges.push(('-', '-'));
                    first
                }
                _ => chars.next().ok_or(OPEN)?,
            },
        };
        if last < first {
            return Err("a range in brackets runs backwards");
        }
        ranges.push((first, last));
    }
}
