//! The slow twins, rule by rule as the specification has them: lines are cut, tokens are listed, texts are copied, searches
//! begin again at the top, imports recurse. Nothing is shared with the fast ones save the names of token classes.

use std::collections::{BTreeMap, BTreeSet};

use crate::v2::Token;

pub(super) type Scripts = BTreeMap<Vec<u8>, Vec<u8>>;

fn is_ws(byte: u8) -> bool {
    [0x20, 0x09, 0x0B, 0x0C].contains(&byte)
}

fn is_eol(byte: u8) -> bool {
    [0x0A, 0x0D].contains(&byte)
}

fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_digit() || byte.is_ascii_lowercase() || byte.is_ascii_uppercase() || byte == b'_'
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlainOption {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Line from 0, column from 1, class of the token.
pub(super) type PlainSyntaxError = (usize, usize, Token);

#[derive(Debug, Clone, Copy)]
struct Piece {
    token: Token,
    at: usize,
    length: usize,
}

/// Section 1.2: longest match, the earlier row on equal length.
fn tokens(line: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let rest = &line[at..];
        let run = |class: fn(u8) -> bool| rest.iter().take_while(|byte| class(**byte)).count();
        let pair = |second: &[u8]| rest[0] == b'\\' && rest.len() > 1 && second.contains(&rest[1]);
        let rows = [
            (Token::Percent, usize::from(rest[0] == b'%')),
            (Token::Escape, if pair(b";nr\\") { 2 } else { 0 }),
            (Token::Escape, if pair(b" tfv") { 2 } else { 0 }),
            (Token::Blanks, run(is_ws)),
            (Token::Semicolon, usize::from(rest[0] == b';')),
            (Token::Word, run(is_alnum)),
            (Token::Other, 1),
        ];
        let longest = rows.iter().map(|(_, length)| *length).max().unwrap();
        let (token, length) = *rows.iter().find(|(_, length)| *length == longest).unwrap();
        pieces.push(Piece { token, at, length });
        at += length;
    }
    pieces
}

/// Section 1.3 and 1.4 for one line; the error is the column of the token.
fn parse_line(line: &[u8]) -> Result<Vec<PlainOption>, (usize, Token)> {
    let pieces = tokens(line);
    let token = |number: usize| pieces.get(number).map_or(Token::LineEnd, |piece: &Piece| piece.token);
    let fail = |number: usize| {
        Err((
            pieces.get(number).map_or(line.len(), |piece| piece.at) + 1,
            token(number),
        ))
    };
    let mut options = Vec::new();
    let mut number = 0;
    loop {
        let begin = if token(number) == Token::Blanks {
            number + 1
        } else {
            number
        };
        if token(begin) != Token::Percent {
            return Ok(options);
        }
        number = begin + 1;
        if token(number) != Token::Word {
            return fail(number);
        }
        let key = pieces[number];
        number += 1;
        if token(number) != Token::Blanks {
            return fail(number);
        }
        number += 1;
        if !matches!(token(number), Token::Word | Token::Other | Token::Escape) {
            return fail(number);
        }
        let mut value = Vec::new();
        let mut first = true;
        loop {
            match token(number) {
                Token::LineEnd => return fail(number),
                Token::Semicolon => break,
                _ => {
                    let piece = pieces[number];
                    let bytes = &line[piece.at..piece.at + piece.length];
                    contribute(piece.token, bytes, first, &mut value);
                }
            }
            first = false;
            number += 1;
        }
        options.push(PlainOption {
            key: line[key.at..key.at + key.length].to_vec(),
            value,
            start: pieces[begin].at,
            end: pieces[number].at + 1,
        });
        number += 1;
    }
}

fn contribute(token: Token, bytes: &[u8], first: bool, value: &mut Vec<u8>) {
    match (token, bytes) {
        (Token::Escape, [_, b';']) => value.push(b';'),
        (Token::Escape, [_, b'n']) => value.push(0x0A),
        (Token::Escape, [_, b'r']) => value.push(0x0D),
        (Token::Escape, [_, b'\\']) => value.push(b'\\'),
        (Token::Escape, [_, b' ']) if first => value.push(b' '),
        (Token::Escape, [_, b't']) if first => value.push(0x09),
        (Token::Escape, [_, b'f']) if first => value.push(0x0C),
        (Token::Escape, [_, b'v']) if first => value.push(0x0B),
        _ => value.extend_from_slice(bytes),
    }
}

/// Section 1.
pub(super) fn parse(text: &[u8]) -> Result<Vec<PlainOption>, PlainSyntaxError> {
    let mut options = Vec::new();
    let mut begin = 0;
    while begin <= text.len() {
        let end = (begin..text.len()).find(|at| is_eol(text[*at])).unwrap_or(text.len());
        let line = &text[begin..end];
        if line.contains(&b'%') {
            let of_line = parse_line(line).map_err(|(column, token)| {
                let number = text[..begin].iter().filter(|byte| **byte == 0x0A).count();
                (number, column, token)
            })?;
            options.extend(of_line.into_iter().map(|option| PlainOption {
                start: option.start + begin,
                end: option.end + begin,
                ..option
            }));
        }
        begin = end + 1;
    }
    Ok(options)
}

/// Section 2: the value and its place; the text is shortened. The error: whether a value is missing (or the terminator).
pub(super) fn extract(text: &mut Vec<u8>, keyword: &[u8]) -> Result<Option<(Vec<u8>, usize)>, bool> {
    let found = (0..=text.len()).find(|at| text[*at..].starts_with(keyword));
    let Some(p) = found else { return Ok(None) };
    let l = text[..p].iter().rposition(|byte| is_eol(*byte)).map_or(0, |at| at + 1);
    if text[l..p].iter().any(|byte| !is_ws(*byte)) {
        return Ok(None);
    }
    let mut at = p + keyword.len();
    while at < text.len() && is_ws(text[at]) {
        at += 1;
    }
    if at == text.len() {
        return Err(true);
    }
    let t = (at..text.len()).find(|at| [b';', 0x0A, 0x0D].contains(&text[*at]));
    let Some(t) = t.filter(|t| text[*t] == b';') else {
        return Err(false);
    };
    let mut value = text[at..t].to_vec();
    while value.last().is_some_and(|byte| is_ws(*byte)) {
        value.pop();
    }
    if value.is_empty() {
        return Err(true);
    }
    text.drain(p..=t);
    Ok(Some((value, p)))
}

/// What a handler makes of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) code: Vec<u8>,
    pub(super) jvm_options: Vec<Vec<u8>>,
    pub(super) jars: Vec<Vec<u8>>,
    pub(super) requests: Vec<Vec<u8>>,
}

/// The reference's codes, and for syntax faults of the second parser the script's name and the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) codes: Vec<u16>,
    pub(super) place: Option<(Option<Vec<u8>>, PlainSyntaxError)>,
    pub(super) key: Option<Vec<u8>>,
}

fn failure(codes: &[u16]) -> Failure {
    Failure {
        codes: codes.to_vec(),
        place: None,
        key: None,
    }
}

fn fetch(scripts: &Scripts, name: &[u8], code: u16) -> Result<Vec<u8>, Failure> {
    let text = scripts.get(name).ok_or_else(|| failure(&[code]))?;
    Ok(text.split(|byte| *byte == 0).next().unwrap().to_vec())
}

fn split_at_colons(value: &[u8]) -> Vec<Vec<u8>> {
    let mut fields: Vec<Vec<u8>> = value.split(|byte| *byte == b':').map(<[u8]>::to_vec).collect();
    if fields.last().is_some_and(Vec::is_empty) {
        fields.pop();
    }
    fields
}

/// Section 3.2.
pub(super) fn handle_v1(text: &[u8], scripts: &Scripts) -> Result<Outcome, Failure> {
    let mut out = Outcome::default();
    let mut text = text.to_vec();
    let class = extract(&mut text, b"%scriptclass").map_err(|_| failure(&[1610, 1606]))?;
    if let Some((class, _)) = class {
        out.jvm_options.push([b"-Dexasol.scriptclass=", &class[..]].concat());
    }
    let mut contents = BTreeSet::from([text.clone()]);
    while let Some((name, at)) = extract(&mut text, b"%import").map_err(|_| failure(&[1614, 1606]))? {
        out.requests.push(name.clone());
        let script = fetch(scripts, &name, 1616)?;
        if contents.insert(script.clone()) {
            text.splice(at..at, script);
        }
    }
    while let Some((value, _)) = extract(&mut text, b"%jvmoption").map_err(|_| failure(&[1612, 1607]))? {
        let pieces = value.split(|byte| is_ws(*byte)).filter(|piece| !piece.is_empty());
        out.jvm_options.extend(pieces.map(<[u8]>::to_vec));
    }
    let mut jars = BTreeSet::new();
    while let Some((value, _)) = extract(&mut text, b"%jar").map_err(|_| failure(&[1613, 1607]))? {
        jars.extend(split_at_colons(&value));
    }
    out.jars = jars.into_iter().collect();
    out.code = text;
    Ok(out)
}

const KNOWN: [&[u8]; 4] = [b"import", b"jar", b"jvmoption", b"scriptclass"];

fn check_keys(options: &[PlainOption]) -> Result<(), Failure> {
    let keys: BTreeSet<&[u8]> = options.iter().map(|option| &option.key[..]).collect();
    match keys.into_iter().find(|key| !KNOWN.contains(key)) {
        Some(key) => Err(Failure {
            key: Some(key.to_vec()),
            ..failure(&[1622])
        }),
        None => Ok(()),
    }
}

fn parse_as(text: &[u8], name: Option<&[u8]>, codes: &[u16]) -> Result<Vec<PlainOption>, Failure> {
    parse(text).map_err(|error| Failure {
        place: Some((name.map(<[u8]>::to_vec), error)),
        ..failure(codes)
    })
}

fn of_key<'o>(options: &'o [PlainOption], key: &[u8]) -> Vec<&'o PlainOption> {
    options.iter().filter(|option| option.key == key).collect()
}

/// Trims WS, LF and CR.
fn trim(value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    while value.last().is_some_and(|byte| is_ws(*byte) || is_eol(*byte)) {
        value.pop();
    }
    while value.first().is_some_and(|byte| is_ws(*byte) || is_eol(*byte)) {
        value.remove(0);
    }
    value
}

/// Section 3.1.
pub(super) fn handle_v2(text: &[u8], scripts: &Scripts, strict: bool) -> Result<Outcome, Failure> {
    let mut out = Outcome::default();
    let mut text = text.to_vec();
    let mut options = parse_as(&text, None, &[1623, 1621])?;
    check_keys(&options)?;
    let classes = of_key(&options, b"scriptclass");
    if strict && classes.len() > 1 {
        return Err(failure(&[1628]));
    }
    if let Some(first) = classes.first() {
        let class = trim(&first.value);
        if !class.is_empty() {
            out.jvm_options.push([b"-Dexasol.scriptclass=", &class[..]].concat());
        }
    }
    if !of_key(&options, b"import").is_empty() {
        let mut contents = BTreeSet::new();
        text = expand(&text, &options, 0, &mut contents, scripts, &mut out.requests)?;
        options = parse_as(&text, None, &[1624, 1621])?;
        check_keys(&options)?;
    }
    for option in of_key(&options, b"jvmoption") {
        out.jvm_options
            .extend(split_jvm_option(&option.value).ok_or_else(|| failure(&[]))?);
    }
    for option in of_key(&options, b"jar") {
        out.jars.extend(split_at_colons(&clean(&option.value)));
    }
    for option in options.iter().rev() {
        text.drain(option.start..option.end);
    }
    out.code = text;
    Ok(out)
}

/// Section 3.3.
fn expand(
    text: &[u8],
    options: &[PlainOption],
    depth: usize,
    contents: &mut BTreeSet<Vec<u8>>,
    scripts: &Scripts,
    requests: &mut Vec<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    if depth >= 10_000 {
        return Err(failure(&[1633]));
    }
    let imports = of_key(options, b"import");
    if imports.is_empty() {
        return Ok(text.to_vec());
    }
    contents.insert(text.to_vec());
    let mut results = Vec::new();
    for import in &imports {
        let name = trim(&import.value);
        requests.push(name.clone());
        let script = fetch(scripts, &name, 1632)?;
        results.push(match contents.insert(script.clone()) {
            true => {
                let nested = parse_as(&script, Some(&name), &[1630])?;
                expand(&script, &nested, depth + 1, contents, scripts, requests)?
            }
            false => Vec::new(),
        });
    }
    let mut text = text.to_vec();
    for (import, result) in imports.iter().zip(results).rev() {
        text.splice(import.start..import.end, result);
    }
    Ok(text)
}

/// Section 3.4.
fn split_jvm_option(value: &[u8]) -> Option<Vec<Vec<u8>>> {
    let value = value.split(|byte| *byte == 0).next().unwrap();
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    let mut at = 0;
    while at < value.len() {
        let pair = match (value[at], value.get(at + 1)) {
            (b'\\', Some(b'\\')) => Some(b'\\'),
            (b'\\', Some(b' ')) => Some(b' '),
            (b'\\', Some(b't')) => Some(0x09),
            (b'\\', Some(b'f')) => Some(0x0C),
            (b'\\', Some(b'v')) => Some(0x0B),
            _ => None,
        };
        match (pair, value[at]) {
            (Some(_), _) if !open => return None,
            (Some(byte), _) => {
                pieces.last_mut().unwrap().push(byte);
                at += 1;
            }
            (None, byte) if is_ws(byte) => open = false,
            (None, byte) => {
                if !open {
                    pieces.push(Vec::new());
                    open = true;
                }
                pieces.last_mut().unwrap().push(byte);
            }
        }
        at += 1;
    }
    Some(pieces)
}

/// Section 3.5, in its words.
fn clean(value: &[u8]) -> Vec<u8> {
    let mut i = value.len();
    while i > 0 && is_ws(value[i - 1]) {
        i -= 1;
    }
    if i == 0 {
        return Vec::new();
    }
    let c = value[i - 1];
    let (candidate, stands_for) = match c {
        b't' => (i - 1, 0x09),
        b'f' => (i - 1, 0x0C),
        b'v' => (i - 1, 0x0B),
        b'\\' if value.get(i) == Some(&b' ') => (i, b' '),
        _ => return value[..i].to_vec(),
    };
    let mut n = 0;
    while n < candidate && value[candidate - 1 - n] == b'\\' {
        n += 1;
    }
    let mut out = value[..candidate - n].to_vec();
    out.extend(std::iter::repeat_n(b'\\', n / 2));
    out.push(if n % 2 == 1 { stands_for } else { value[candidate] });
    out
}
